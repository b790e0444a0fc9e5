"""A curriculum from its configuration to its curves: stages begin by a score, and a resumed run remembers them."""

import csv
import multiprocessing

import pytest

from segbench.augmentation import Augmentation, Curriculum, CurriculumStages
from segbench.errors import ConfigError
from segbench.runs.checkpoint_io import load_checkpoint

FLIP = "{transforms: [{_target_: albumentations.HorizontalFlip, p: 0.5}], _target_: segbench.augmentation.Augmentation}"
TURN = FLIP.replace("HorizontalFlip, p: 0.5", "Rotate, limit: [-90, 90], fill_mask: 255, border_mode: 0, p: 1.0")


def stages(monitor, threshold):
    later = f"{{augmentation: {TURN}, monitor: {monitor}, threshold: {threshold}}}"
    return f"augmentation={{_target_: segbench.augmentation.Curriculum, stages: [{{augmentation: {FLIP}}}, {later}]}}"


@pytest.fixture
def config(tiny, tmp_path):
    def composed(monitor="val/iou_myocardium", threshold=0.05, *overrides):
        cfg = tiny(tmp_path, "~augmentation", "trainer.max_epochs=4", *overrides)
        from omegaconf import OmegaConf, open_dict

        with open_dict(cfg):
            cfg.augmentation = OmegaConf.create(stages(monitor, threshold).partition("=")[2])
        return cfg

    return composed


def column(directory, name="augmentation/stage"):
    with (directory / "metrics.csv").open() as stream:
        return [float(row[name]) for row in csv.DictReader(stream)]


def test_the_stage_begins_after_the_epoch_that_passes_the_threshold(config, run, tmp_path, caplog):
    caplog.set_level("INFO", "segbench")
    # The loss falls below its own first value, so a stage that waits for half way begins within the run.
    epochs = "trainer.max_epochs=3"
    run(config("val/loss", 0.0, epochs), tmp_path / "never")
    assert column(tmp_path / "never") == [0, 0, 0]
    losses = column(tmp_path / "never", "val/loss")
    run(config("val/loss", losses[1], epochs), tmp_path / "later")
    first = next(epoch for epoch, loss in enumerate(losses) if loss <= losses[1])
    assert column(tmp_path / "later") == [float(epoch > first) for epoch in range(3)]
    # Up to there nothing differs, and from there on the other images do.
    assert (
        column(tmp_path / "later", "train/loss")[: first + 1] == column(tmp_path / "never", "train/loss")[: first + 1]
    )
    assert column(tmp_path / "later", "train/loss")[first + 1] != column(tmp_path / "never", "train/loss")[first + 1]
    assert f"stage 2 of 2 begins with epoch {first + 2}" in caplog.text


def states(directory):
    stored = load_checkpoint(directory / "checkpoints" / "last.ckpt")
    return {name: value.tolist() for name, value in stored["state_dict"].items()}, stored["callbacks"]


@pytest.mark.slow
def test_workers_and_a_resumed_run_see_the_same_stages(config, run, tmp_path):
    threshold = 10.0  # passed at once: the second epoch is in the second stage
    run(config("val/loss", threshold), tmp_path / "whole")
    assert column(tmp_path / "whole") == [0, 1, 1, 1]
    run(config("val/loss", threshold, "data.num_workers=2"), tmp_path / "workers")
    assert states(tmp_path / "workers")[0] == states(tmp_path / "whole")[0]
    process = multiprocessing.get_context("fork").Process(target=_killed_after_two_epochs, args=(run, config, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert states(tmp_path / "killed")[1]["CurriculumStages"] == {"stage": 1}
    run(config("val/loss", threshold), tmp_path / "killed")
    assert column(tmp_path / "killed") == [0, 1, 1, 1]
    assert states(tmp_path / "killed")[0] == states(tmp_path / "whole")[0]


def _killed_after_two_epochs(run, config, folder):
    import os

    def kill(self, trainer, module):
        if trainer.current_epoch == 2:
            os._exit(9)

    CurriculumStages.on_train_epoch_start = kill
    run(config("val/loss", 10.0), folder / "killed")


@pytest.mark.slow
def test_a_stage_that_waits_for_a_score_that_does_not_come_is_refused(config, run, tmp_path):
    with pytest.raises(ConfigError, match=r"^augmentation.stages.\w+.monitor=val/iou_cell: \w+ has no such score"):
        run(config("val/iou_cell", 0.7), tmp_path / "run")
    with pytest.raises(ConfigError, match="fit_on"):
        run(config("val/loss", 0.7, "data.fit_on=train+val", "trainer.monitor=last"), tmp_path / "run")


def test_stages_begin_one_at_a_time_and_stay():
    from types import SimpleNamespace

    from pytorch_lightning.trainer.states import TrainerFn

    plain = {"augmentation": Augmentation()}
    curriculum = Curriculum([plain, *({**plain, "monitor": "val/dice", "threshold": value} for value in (0.5, 0.6))])
    (callback,) = curriculum.callbacks()
    trainer = SimpleNamespace(sanity_checking=False, state=SimpleNamespace(fn=TrainerFn.FITTING), current_epoch=0)
    reached = []
    for score in (0.4, 0.5, 0.3, 0.9, 0.1):
        trainer.callback_metrics = {"val/dice": score}
        callback.on_validation_end(trainer, None)
        reached.append(curriculum.stage)
    assert reached == [0, 1, 1, 2, 2]
    # The next training begins at the first stage.
    assert curriculum.callbacks()[0].stage == curriculum.stage == 0
