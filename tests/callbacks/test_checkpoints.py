"""When a training is saved, and that it does not matter when."""

import pytest
import torch

from segbench.callbacks import checkpoints
from segbench.callbacks.checkpoints import RunCheckpoints
from segbench.errors import DivergedError
from segbench.runs.checkpoint_io import VerifiedCheckpointIO, load_checkpoint

SELDOM, ALWAYS = (10**9, 1e9), (0, 0.0)


@pytest.fixture
def saved(monkeypatch):
    """The names of the files that are saved, one after the other."""
    names, save = [], VerifiedCheckpointIO.save_checkpoint

    def noted(self, checkpoint, path, storage_options=None):
        names.append(path.name)
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(VerifiedCheckpointIO, "save_checkpoint", noted)
    return names


@pytest.fixture
def often(monkeypatch):
    """Set how often the epochs of a training are saved."""

    def chosen(times, seconds):
        monkeypatch.setattr(checkpoints, "_TIMES_AS_LONG", times)
        monkeypatch.setattr(checkpoints, "_SECONDS", seconds)

    return chosen


def without_times(value):
    """What is in a checkpoint but what clocks and the size of the process say; weights as numbers."""
    if isinstance(value, dict):
        return {
            key: without_times(item)
            for key, item in value.items()
            if key not in ("seconds", "peak_memory_bytes", "CostMeter", "run")
        }
    if isinstance(value, list | tuple):
        return [without_times(item) for item in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


def files(directory):
    names = ("best.ckpt", "last.ckpt")
    return [without_times(load_checkpoint(directory / "checkpoints" / name)) for name in names]


@pytest.mark.slow
def test_the_files_are_the_same_however_seldom_epochs_are_saved(run, tiny, tmp_path, saved, often):
    cfg = tiny(tmp_path, "trainer.max_epochs=6", "optimizer.lr=0.01")
    often(*ALWAYS)
    run(cfg, tmp_path / "always")
    assert saved.count("last.ckpt") == 6
    every = saved.copy()
    saved.clear()
    often(*SELDOM)
    run(cfg, tmp_path / "seldom")
    # The first epoch and the last one; best weights never without a state that knows of them.
    assert saved == ["best.ckpt", "last.ckpt"] * (2 if every.count("best.ckpt") > 1 else 1)
    assert every.count("best.ckpt") > 2, "the best weights must change, or nothing is tested"
    assert files(tmp_path / "always") == files(tmp_path / "seldom")


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["val/loss", "last"])
def test_a_run_that_ends_before_its_best_weights_are_saved_comes_to_them_again(
    run, tiny, tmp_path, often, monkeypatch, monitor
):
    cfg = tiny(tmp_path, "trainer.max_epochs=6", "optimizer.lr=0.01", f"trainer.monitor={monitor}")
    often(*SELDOM)
    run(cfg, tmp_path / "whole")
    ended = RunCheckpoints.on_train_epoch_end

    def killed(self, trainer, module):
        ended(self, trainer, module)
        if trainer.current_epoch == 3:
            assert monitor == "last" or self._held is not None
            raise ZeroDivisionError

    monkeypatch.setattr(RunCheckpoints, "on_train_epoch_end", killed)
    with pytest.raises(ZeroDivisionError):
        run(cfg, tmp_path / "killed")
    assert load_checkpoint(tmp_path / "killed" / "checkpoints" / "last.ckpt")["epoch"] == 0
    monkeypatch.setattr(RunCheckpoints, "on_train_epoch_end", ended)
    run(cfg, tmp_path / "killed")
    (best, last), (expected_best, expected_last) = files(tmp_path / "killed"), files(tmp_path / "whole")
    for part in ("state_dict", "epoch", "global_step"):
        assert best[part] == expected_best[part]
        assert last[part] == expected_last[part]
    assert last["optimizer_states"] == expected_last["optimizer_states"]


@pytest.mark.slow
def test_steps_that_are_asked_for_are_saved_at_an_epoch_s_end_too(run, tiny, tmp_path, saved, often):
    often(*SELDOM)
    run(tiny(tmp_path, "trainer.checkpoint_every_n_steps=1", "trainer.max_epochs=2"), tmp_path / "run")
    steps = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"]
    assert saved.count("last.ckpt") == steps


@pytest.mark.parametrize(
    ("took", "since", "due"),
    [(0.1, 5.9, False), (0.1, 6.1, True), (9, 59, False), (9, 61, True), (0, 0, True)],
)
def test_an_epoch_is_saved_when_saving_takes_a_small_part_of_the_time(tmp_path, monkeypatch, took, since, due):
    callback = RunCheckpoints(tmp_path, "val/loss", "min")
    callback._took, callback._saved_at = took, 100.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: 100.0 + since)
    assert callback._epoch_due() == due


def test_large_weights_are_finite_and_no_others():
    huge = {"a": torch.full((4,), 3e38), "b": torch.tensor(7), "c": torch.tensor([1 + 2j])}
    checkpoints._refuse_non_finite(huge, 5)
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(DivergedError, match="^weight d is not finite at step 5; lower optimizer.lr$"):
            checkpoints._refuse_non_finite(huge | {"d": torch.tensor([0.0, value])}, 5)
