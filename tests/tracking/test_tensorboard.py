"""TensorBoard, read back by its own reader."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from segbench.masks import MaskKey
from segbench.tracking import log_panels
from segbench.tracking.tensorboard import TensorBoard


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    return events


def hparams(events):
    """Return the settings of HParams, and whether the run is over."""
    found = events.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(found[metadata.SESSION_START_INFO_TAG])
    settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    # TensorBoard would take one run's columns for those of all.
    assert metadata.EXPERIMENT_TAG not in found
    return settings, metadata.SESSION_END_INFO_TAG in found


def test_it_has_the_curves_and_the_scores_that_runs_are_chosen_by(run, tiny, tmp_path):
    cfg = tiny(tmp_path, "trainer.log_every_n_steps=1", "callbacks.panels.images=3", "optimizer.lr=0.02")
    summary = run(cfg, tmp_path / "run")
    events = read(tmp_path / "run" / "tensorboard")
    scalars = events.Tags()["scalars"]
    for name in ("train/loss", "train/loss_step", "lr", "val/loss", "val/dice", "val/dice_myocardium"):
        assert name in scalars, name
    assert [point.step for point in events.Scalars("val/dice")] == [4, 8, 12]
    assert "predictions/truth" in events.Tags()["images"]
    assert "hp_metric" not in scalars

    settings, ended = hparams(events)
    assert (settings["optimizer.lr"], settings["seed"], ended) == (0.02, 0, True)
    # HParams begins with these: its columns are sorted.
    shown = sorted(scalars)[:5]
    assert shown == ["best/epoch", "best/val_dice", "best/val_loss", "epoch", "final/dice"]
    last = {name: events.Scalars(name)[-1].value for name in shown}
    best = summary["best"]
    curve = {point.step: point.value for point in events.Scalars("val/dice")}
    assert last["best/epoch"] == best["epoch"]
    assert last["best/val_loss"] == pytest.approx(best["value"], rel=1e-6)
    assert last["best/val_dice"] == curve[4 * best["epoch"]]
    assert last["final/dice"] == pytest.approx(summary["scores"]["test"]["dice"], rel=1e-6)
    assert len(events.Scalars("best/val_dice")) == 3


def test_masks_have_the_colours_of_their_classes(tmp_path):
    logger = TensorBoard(str(tmp_path), name="tensorboard", version="")
    mask = np.zeros((1, 16, 16), np.uint8)
    mask[:, :, 8:] = 1
    panel = {"id": ["a"], "image": np.zeros((1, 16, 16, 1)), "truth": mask, "prediction": 1 - mask}
    key = MaskKey(("road", "sky"), background=False, colours=("#804080", "#4682b4"))
    log_panels([logger], panel, key, step=3)
    logger.finalize("success")
    events = read(tmp_path / "tensorboard")

    def picture(name):
        (event,) = events.Images(f"predictions/{name}")
        return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))

    assert not picture("image").any()
    # Half of the class's colour over black; edges are opaque.
    assert picture("truth")[4, 2].tolist() == [0x80 // 2, 0x40 // 2, 0x80 // 2]
    assert picture("truth")[4, 13].tolist() == [0x46 // 2, 0x82 // 2, 0xB4 // 2]
    assert picture("prediction")[4, 2].tolist() == picture("truth")[4, 13].tolist()


@pytest.mark.slow
def test_a_run_that_is_killed_has_its_epochs_there_before_the_checkpoint_knows_them(run, tiny, tmp_path, monkeypatch):
    seen = {}

    def looks(self, folder):
        events = read(tmp_path / "run" / "tensorboard")
        seen[len(seen)] = [point.step for point in events.Scalars("val/dice")]
        return original(self, folder)

    import pytorch_lightning as pl

    original = pl.Trainer.save_checkpoint
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", looks)
    run(tiny(tmp_path, "trainer.checkpoint_every_n_steps=4"), tmp_path / "run")
    assert seen == {0: [4], 1: [4, 8], 2: [4, 8, 12]}
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"
