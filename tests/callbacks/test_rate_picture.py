"""A learning-rate range test: what it suggests, and that it leaves a picture, however it ends."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from segbench.callbacks.rate_picture import RatePicture, suggest
from segbench.errors import DivergedError, InterruptedRun
from segbench.losses import DiceLoss
from segbench.runs.checkpoint_io import load_checkpoint

SETTINGS = ("variant=range_test", "trainer.max_epochs=1", "optimizer.lr=0.1", "~logger.tensorboard")


def test_it_finds_where_the_loss_falls_fastest_and_where_it_is_lowest():
    rates = np.geomspace(1e-6, 1, 400)
    exponents = np.log10(rates)
    # Falls around 1e-3 as a logistic curve, and rises again above 1e-1.
    losses = 1 / (1 + np.exp(4 * (exponents + 3))) + np.exp(6 * (exponents + 0.5))
    found = suggest(rates, losses + 0.001 * np.random.default_rng(0).normal(size=400))
    assert 3e-4 < found.steepest < 4e-3
    assert 1e-2 < found.lowest < 0.2
    assert suggest(rates, np.ones(400)).smooth == pytest.approx(np.ones(400))


def test_a_test_that_is_interrupted_suggests_nothing_yet(tmp_path, caplog):
    """Of its first rates alone, the fastest fall is nowhere."""
    picture, run = RatePicture(), SimpleNamespace(figures=tmp_path)
    picture.bind(SimpleNamespace(run=run))
    picture.points = [[rate, 1.0] for rate in np.geomspace(1e-6, 1e-5, 30)]
    picture.on_exception(None, None, InterruptedRun(15))
    assert not caplog.messages
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_says_what_to_try(run, tiny, tmp_path, caplog):
    settings = ("trainer.limit_train_batches=41", "trainer.accumulate_grad_batches=2")
    with caplog.at_level(logging.INFO, "segbench"):
        run(tiny(tmp_path, *SETTINGS, *settings), tmp_path / "run")
    assert (tmp_path / "run" / "figures" / "learning_rate.png").stat().st_size > 1000
    assert sum("learning rate: the loss falls fastest at" in line for line in caplog.messages) == 1
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    rates, losses = np.array(last["callbacks"]["RatePicture"]["points"]).T
    assert rates == pytest.approx(1e-6 * 1e5 ** (np.arange(21) / 21))
    assert np.isfinite(losses).all()


@pytest.mark.slow
def test_a_loss_that_diverges_is_drawn_up_to_there(run, tiny, tmp_path, monkeypatch):
    compute, calls = DiceLoss.compute, []

    def poisoned(self, logits, target, weight):
        calls.append(1)
        return compute(self, logits, target, weight) * (float("nan") if len(calls) > 25 else 1)

    monkeypatch.setattr(DiceLoss, "compute", poisoned)
    with pytest.raises(DivergedError):
        run(tiny(tmp_path, *SETTINGS, "trainer.limit_train_batches=30"), tmp_path / "run")
    assert (tmp_path / "run" / "figures" / "learning_rate.png").is_file()
