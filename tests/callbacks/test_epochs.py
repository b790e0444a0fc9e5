"""Predictions of the same validation images are kept after given epochs."""

from types import SimpleNamespace

import numpy as np
import pytest

from segbench.callbacks.panels import PredictionPanels
from segbench.errors import ConfigError
from segbench.runs.kept_epochs import open_epochs
from segbench.tasks import ClassificationTask

from .test_panels import MISSED, data_of, evaluate, logged, task  # noqa: F401 - fixtures


@pytest.mark.slow
def test_they_are_kept_after_these_epochs_and_at_the_end(task, logged, context):  # noqa: F811
    data = data_of(*[(8, 8)] * 5, missed=MISSED)
    callback, told = PredictionPanels(images=3, at_epochs=[1, 3]), context(task, data)
    callback.bind(told)
    trainer = SimpleNamespace(current_epoch=0, loggers=[], global_step=7)
    for epoch in range(4):
        trainer.current_epoch = epoch
        # Weights that find everything, then nothing.
        task.network.weight.data.fill_(1.0 if epoch == 0 else -1.0)
        callback.on_validation_epoch_end(trainer, task)
    kept = open_epochs(told.run.path)
    assert kept.images.ids == ("image0", "image2", "image4")
    assert [epoch for epoch, _ in kept.epochs] == [1, 3]
    first, third = (part.mask("image0") for _, part in kept.epochs)
    np.testing.assert_array_equal(kept.images.mask("image0"), data.datasets["val"][0]["mask"])
    assert (first[2:4] == 1).all()
    assert (third[2:4] == 0).all()
    assert kept.best is None
    evaluate(task, data)
    callback.finish(told)
    np.testing.assert_array_equal(open_epochs(told.run.path).best.mask("image0"), third)
    assert (told.run.figures / "epochs.png").stat().st_size > 1000


def test_without_them_nothing_is_written(task, logged, context):  # noqa: F811
    data = data_of((8, 8))
    callback, told = PredictionPanels(), context(task, data)
    callback.bind(told)
    evaluate(task, data)
    callback.finish(told)
    assert [path.name for path in told.run.figures.iterdir()] == ["predictions.png"]


@pytest.mark.parametrize("epochs", [[0], [-1], [2.5], ["3"]])
def test_epochs_are_counted_from_one(epochs):
    with pytest.raises(ValueError, match="counted from 1"):
        PredictionPanels(at_epochs=epochs)


def test_labels_have_no_such_pictures(context):
    data = SimpleNamespace(name="mnist")
    with pytest.raises(ConfigError, match=r"callbacks.panels.at_epochs=\[3\]: .*set it to \[\]"):
        PredictionPanels(at_epochs=[3]).bind(context(ClassificationTask, data))


@pytest.mark.slow
def test_a_resumed_run_keeps_those_of_its_earlier_epochs(tiny, run, tmp_path, monkeypatch):
    cfg = tiny(tmp_path, "callbacks.panels.at_epochs=[1,3,9]")
    real = PredictionPanels.on_validation_epoch_end

    def stopped(callback, trainer, network):
        if trainer.current_epoch == 2 and not (tmp_path / "again").exists():
            (tmp_path / "again").touch()
            raise RuntimeError("the power went")
        real(callback, trainer, network)

    monkeypatch.setattr(PredictionPanels, "on_validation_epoch_end", stopped)
    with pytest.raises(RuntimeError):
        run(cfg, tmp_path / "run")
    assert [epoch for epoch, _ in open_epochs(tmp_path / "run").epochs] == [1]
    run(cfg, tmp_path / "run")
    kept = open_epochs(tmp_path / "run")
    assert [epoch for epoch, _ in kept.epochs] == [1, 3]
    assert kept.best is not None
