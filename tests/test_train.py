"""Refusals and outcomes of one run, in this process."""

import errno
import json
import logging
import multiprocessing
import shutil
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import segbench.environment
import segbench.train
from segbench.assembly import build_data, build_task
from segbench.data.phantom import PhantomData
from segbench.errors import BusyError, CheckpointError, ConfigError, DataError, DivergedError, StorageError
from segbench.losses import DiceLoss
from segbench.models import DeepLabV3
from segbench.reporting.collection.runs import read_run
from segbench.runs.archive import Archive, images_name
from segbench.runs.checkpoint_io import VerifiedCheckpointIO, load_checkpoint
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import run_id
from segbench.scores import Convention, mean_score
from segbench.scores.counts import confusion_matrices
from segbench.tasks import SegmentationTask, examples


def status(directory):
    return json.loads((directory / "status.json").read_text())


@pytest.fixture(scope="module")
def finished(run, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    cfg = tiny(folder, "data.size=[30,34]", "callbacks.panels.images=3")
    return cfg, folder / "run", run(cfg, folder / "run")


@pytest.fixture
def copied(finished, tmp_path):
    """The finished run in another directory, to be spoiled: its configuration and the directory."""
    return finished[0], shutil.copytree(finished[1], tmp_path / "run")


@pytest.mark.slow
def test_a_run_says_which_callbacks_cannot_change_it_and_reports_compare_without_them(finished):
    _, directory, _ = finished
    known = json.loads((directory / "run.json").read_text())
    assert known["unchanging"] == ["callbacks.panels", "callbacks.predictions"]
    found = read_run(directory)
    assert set(found.config["callbacks"]) == {"panels", "predictions"}
    assert not [key for key in found.settings if key.startswith("callbacks.")]


def test_scores_of_the_summary_are_those_of_the_counts(finished):
    _, directory, summary = finished
    frame = pd.read_parquet(directory / "scores.parquet")
    assert set(frame["split"]) == {"val", "test"}
    assert list(frame.columns) == [
        "split",
        "id",
        "group",
        "height",
        "width",
        "class_index",
        "class_name",
        "tp",
        "fp",
        "fn",
        "tn",
        *(f"predicted_{index}" for index in range(4)),
    ]
    assert (frame[["tp", "fp", "fn", "tn"]].sum(axis=1) == 30 * 34).all()
    for split, part in frame.groupby("split"):
        counts = part[["tp", "fp", "fn", "tn"]].to_numpy().reshape(-1, 4, 4)
        assert summary["scores"][split]["dice"] == pytest.approx(mean_score(counts, "dice", Convention()), nan_ok=True)


def test_stored_predictions_and_truths_give_the_counts_again(finished):
    _, directory, summary = finished
    kept = Archive.open(directory / "predictions.zip")
    images = Archive.open(directory.parent / images_name("test", summary["data"]["fingerprint"], kept.ids))
    frame = pd.read_parquet(directory / "scores.parquet").query("split == 'test'")
    assert set(kept.ids) == set(images.ids) == set(frame["id"])
    for name, part in frame.groupby("id"):
        prediction, truth = (torch.from_numpy(mask.astype(np.int64)) for mask in (kept.mask(name), images.mask(name)))
        confusion = confusion_matrices(prediction[None], truth[None], 4)
        columns = [f"predicted_{index}" for index in range(4)]
        assert part.sort_values("class_index")[columns].to_numpy().tolist() == confusion[0].tolist()
        assert images.image(name).shape == (30, 34)


@pytest.mark.slow
def test_predictions_of_the_comparison_s_split_are_kept(run, tiny, tmp_path):
    asked = "comparison={question: q, factors: [], metric: dice, split: val}"
    summary = run(tiny(tmp_path, asked, "trainer.max_epochs=1"), tmp_path / "run")
    kept = Archive.open(tmp_path / "run" / "predictions.zip")
    frame = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert set(frame["split"]) == {"val", "test"}
    assert set(kept.ids) == set(frame.query("split == 'val'")["id"])
    assert (tmp_path / images_name("val", summary["data"]["fingerprint"], kept.ids)).exists()


@pytest.mark.slow
def test_predictions_are_not_kept_where_they_are_not_wanted(run, tiny, tmp_path):
    run(tiny(tmp_path, "callbacks.predictions.megabytes=0"), tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").exists()
    assert not list(tmp_path.rglob("*.zip"))


@pytest.mark.slow
def test_keeping_predictions_does_not_make_another_run(tiny, tmp_path):
    assert run_id(tiny(tmp_path)) == run_id(tiny(tmp_path, "callbacks.predictions.megabytes=0"))
    assert run_id(tiny(tmp_path)) == run_id(tiny(tmp_path, "~callbacks.predictions"))


def test_scores_are_those_of_the_best_checkpoint(finished, tiny, tmp_path):
    cfg, directory, summary = finished
    rows = pd.read_csv(directory / "metrics.csv")
    best = rows.loc[rows["val/loss"].idxmin()]
    assert summary["best"]["epoch"] == best["epoch"]
    assert summary["best"]["value"] == pytest.approx(best["val/loss"])
    assert summary["scores"]["val"]["dice"] == pytest.approx(best["val/dice"])


def test_validation_scores_do_not_depend_on_the_batch_size(finished, tiny, tmp_path):
    from omegaconf import OmegaConf

    cfg, directory, summary = finished
    for batch_size in (1, 2, 7):
        module = PhantomData(
            subjects=8, slices=2, size=[30, 34], batch_size=batch_size, cache_dir=cfg.paths.cache, augmentation=None
        )
        task = build_task(OmegaConf.merge(cfg, {"data": {"batch_size": batch_size}}), module)
        task.load_state_dict(load_checkpoint(directory / "checkpoints" / "best.ckpt")["state_dict"])
        module.setup()
        task.eval()
        with torch.no_grad():
            for index, batch in enumerate(module.val_dataloader()):
                task.validation_step(batch, index)
        assert mean_score(task.validation.counts, "dice") == summary["scores"]["val"]["dice"]


def test_costs(finished):
    cost = finished[2]["cost"]
    assert cost["parameters"] == cost["trainable_parameters"] > 30_000
    assert cost["flops_per_image"] > 1_000_000
    assert cost["train_images_per_second"] > 0
    assert cost["predict_images_per_second"] > 0
    assert cost["peak_memory_bytes"] > 2**27
    assert cost["threads"] == 1


def test_a_diverged_loss_names_step_rate_and_images_and_keeps_the_last_good_checkpoint(
    run, tiny, tmp_path, monkeypatch
):
    calls = []
    compute = DiceLoss.compute

    def poisoned(self, logits, target, weight):
        calls.append(torch.is_grad_enabled())
        loss = compute(self, logits, target, weight)
        return loss * float("nan") if sum(calls) == 7 else loss

    monkeypatch.setattr(DiceLoss, "compute", poisoned)
    with pytest.raises(DivergedError) as refusal:
        run(tiny(tmp_path), tmp_path / "run")
    message = str(refusal.value)
    assert "loss is nan at step 6 (epoch 1)" in message
    assert "learning rate 0.001" in message
    assert message.count("subject") == 3
    assert (status(tmp_path / "run")["state"], status(tmp_path / "run")["exit_code"]) == ("failed", 4)
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert all(torch.isfinite(value).all() for value in last["state_dict"].values())
    monkeypatch.undo()
    assert run(tiny(tmp_path), tmp_path / "run")["epochs"] == 3
    assert status(tmp_path / "run")["attempts"] == 2


@pytest.mark.slow
def test_weights_that_are_not_finite_are_never_saved(run, tiny, tmp_path, monkeypatch):
    step = torch.optim.Adam.step

    def poison(self, *arguments, **options):
        result = step(self, *arguments, **options)
        with torch.no_grad():
            self.param_groups[0]["params"][-1].fill_(float("nan"))
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", poison)
    with pytest.raises(DivergedError):
        run(tiny(tmp_path), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))


@pytest.mark.slow
def test_a_mean_of_batch_normalisation_that_is_not_finite_is_never_saved(run, tiny, tmp_path, monkeypatch):
    begin = SegmentationTask.on_train_epoch_start

    def poison(self):
        begin(self)
        norm = next(part for part in self.network.modules() if isinstance(part, torch.nn.BatchNorm2d))
        norm.running_mean.fill_(float("inf"))

    monkeypatch.setattr(SegmentationTask, "on_train_epoch_start", poison)
    with pytest.raises(DivergedError, match="running_mean is not finite"):
        run(tiny(tmp_path, "trainer.monitor=val/loss"), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))


@pytest.mark.slow
def test_a_full_disk_is_said_in_one_line_and_the_run_goes_on_later(run, tiny, tmp_path, monkeypatch):
    save = VerifiedCheckpointIO.save_checkpoint
    saves = []

    def full(self, checkpoint, path, storage_options=None):
        saves.append(path)
        if len(saves) > 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(VerifiedCheckpointIO, "save_checkpoint", full)
    with pytest.raises(StorageError, match="paths.outputs: cannot write .*No space left on device"):
        run(tiny(tmp_path), tmp_path / "run")
    assert status(tmp_path / "run")["exit_code"] == 74
    monkeypatch.undo()
    assert run(tiny(tmp_path), tmp_path / "run")["epochs"] == 3


@pytest.mark.slow
def test_damaged_checkpoints_fall_back_and_then_refuse(run, tiny, tmp_path, monkeypatch, caplog):
    directory = tmp_path / "run"
    monkeypatch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
    with pytest.raises(DataError):
        run(tiny(tmp_path), directory)
    monkeypatch.undo()
    last, previous = (directory / "checkpoints" / name for name in ("last.ckpt", "previous.ckpt"))
    last.write_bytes(last.read_bytes()[:-100])
    with caplog.at_level(logging.INFO):
        run(tiny(tmp_path), directory)
    assert "last.ckpt: damaged, not used" in caplog.text
    assert f"going on from {previous}" in caplog.text
    for path in directory.glob("checkpoints/*.ckpt"):
        path.write_bytes(b"rubbish")
    (directory / "status.json").unlink()
    with pytest.raises(CheckpointError, match="rerun=true"):
        run(tiny(tmp_path), directory)
    assert run(tiny(tmp_path, "rerun=true"), directory)["epochs"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["deleted", "damaged", "manifest deleted"])
def test_a_lost_best_checkpoint_is_not_called_divergence(run, copied, harm):
    cfg, directory = copied
    best = directory / "checkpoints" / "best.ckpt"
    (directory / "status.json").unlink()
    if harm == "deleted":
        best.unlink()
    elif harm == "damaged":
        best.write_bytes(best.read_bytes()[:-1])
    else:
        best.with_name("manifest.json").unlink()
    with pytest.raises(CheckpointError, match="rerun=true") as refusal:
        run(cfg, directory)
    expected = {"deleted": "gone, though epoch", "damaged": "damaged (its SHA-256", "manifest deleted": "missing"}
    assert expected[harm] in str(refusal.value)
    assert (status(directory)["exit_code"], "\n" in str(refusal.value)) == (5, False)


@pytest.mark.slow
def test_the_summary_tells_of_the_checkpoint_that_was_evaluated(run, finished, tmp_path):
    cfg, directory, summary = finished
    shutil.copytree(directory, tmp_path / "run")
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    stored = load_checkpoint(best)
    assert stored["segbench"]["best"] == summary["best"] | {"epoch": summary["best"]["epoch"] - 1}
    # As if the run had been killed after it saved this one, and had then found another epoch best.
    stored["segbench"]["best"] |= {"epoch": 0, "value": 0.125}
    VerifiedCheckpointIO().save_checkpoint(stored, best)
    (tmp_path / "run" / "status.json").unlink()
    again = run(cfg, tmp_path / "run")
    assert again["best"] == {"epoch": 1, "value": 0.125, "monitor": "val/loss"}


@pytest.mark.slow
def test_the_commit_is_that_of_the_start(run, tiny, tmp_path, monkeypatch):
    states = iter([{"commit": "a", "dirty": False}, {"commit": "b", "dirty": False}])
    monkeypatch.setattr(segbench.environment, "git_state", lambda: next(states))
    cfg = tiny(tmp_path, "trainer.max_epochs=1")
    assert run(cfg, tmp_path / "run")["git"] == {"commit": "a", "dirty": False}
    # What goes on under another commit is of neither as it stands.
    (tmp_path / "run" / "status.json").unlink()
    assert run(cfg, tmp_path / "run")["git"] == {"commit": "a", "dirty": True}


@pytest.mark.slow
def test_a_refused_rerun_costs_nothing_that_was_finished(run, tiny, copied, tmp_path):
    _, directory = copied
    with pytest.raises(ConfigError):
        run(tiny(tmp_path, "data.size=[30,34]", "rerun=true", "loss=bce"), directory)
    for name in ("summary.json", "scores.parquet", "checkpoints/best.ckpt"):
        assert (directory / name).is_file(), name


def _hold(directory, held, release):
    with RunDirectory(directory).locked():
        RunDirectory(directory).begin({})
        held.set()
        release.wait(120)


def test_the_same_run_started_twice_at_once(run, tiny, tmp_path):
    fork = multiprocessing.get_context("fork")
    held, release = fork.Event(), fork.Event()
    process = fork.Process(target=_hold, args=(tmp_path / "run", held, release))
    process.start()
    assert held.wait(120)
    with pytest.raises(BusyError, match=f"already in progress .process {process.pid} on"):
        run(tiny(tmp_path), tmp_path / "run")
    process.kill()
    process.join()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            assert run(tiny(tmp_path), tmp_path / "run")["epochs"] == 3
            return
        except BusyError:
            time.sleep(0.1)
    pytest.fail("the lock of a killed process was not freed")


@pytest.mark.slow
def test_changed_data_is_not_mixed_into_a_run(run, copied):
    cfg, directory = copied
    (directory / "status.json").write_text(json.dumps(status(directory) | {"state": "failed"}))
    identity = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(identity | {"data_content": "another"}))
    with pytest.raises(DataError, match="the data files or their reading changed since this run began"):
        run(cfg, directory)


def test_a_finished_run_of_other_data_is_not_reported_as_done(run, copied):
    cfg, directory = copied
    identity = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(identity | {"data_content": "another"}))
    with pytest.raises(
        DataError, match="data files or their reading changed since this run began; start again with rerun=true"
    ):
        run(cfg, directory)
    assert status(directory)["state"] == "done"


def test_a_finished_run_whose_data_is_gone_is_still_reported(run, finished, monkeypatch, caplog):
    cfg, directory, summary = finished
    monkeypatch.setattr(PhantomData, "find_records", lambda _: (_ for _ in ()).throw(DataError("no such folder")))
    assert run(cfg, directory) == summary
    assert "cannot check what the run was trained on: no such folder" in caplog.text


@pytest.mark.slow
def test_a_run_that_started_from_weights_that_changed_is_refused(run, finished, tiny, tmp_path):
    parent = shutil.copytree(finished[1], tmp_path / "parent")
    cfg = tiny(tmp_path, f"init_from={parent}", "trainer.max_epochs=1")
    summary = run(cfg, tmp_path / "run")
    assert run(cfg, tmp_path / "run") == summary
    shutil.copy(parent / "checkpoints" / "last.ckpt", parent / "checkpoints" / "best.ckpt")
    with (parent / "checkpoints" / "best.ckpt").open("ab") as stream:
        stream.write(b"trained again")
    with pytest.raises(CheckpointError, match="init_from names changed since .* rerun=true"):
        run(cfg, tmp_path / "run")


BAD_COMBINATIONS = {
    "loss=bce": "binary cross entropy needs one logit, the network has 4; use loss=ce",
    "loss=bce_dice": "use loss=ce",
    "activation=sigmoid": "activation=sigmoid: phantom has 4 classes; use activation=softmax",
    "trainer.monitor=val/dcie": "trainer.monitor=val/dcie: no such score; did you mean val/dice?",
    "freeze=encodr": "freeze=encodr: UNet has no such part; did you mean encoder?",
    "trainer.accelerator=gpu": "trainer.accelerator=gpu",
    "trainer.precision=16-mixed": "trainer.precision=16-mixed: needs a GPU; use trainer.precision=auto on a CPU",
    "loss.smooth=0": "loss.smooth=0: must be positive",
}
# Without a file there: what does not fit is refused before any data is looked for.
BAD_CLASSIFICATIONS = {
    "data=carvana model=mnist_cnn": "MnistCNN is for classification, data=carvana for segmentation; use model=unet",
    "model=unet loss=ce": "UNet is for segmentation, data=mnist for classification; use model=mnist_cnn",
    "model=mnist_cnn loss=dice": "loss: DiceLoss is not for classification (data=mnist); use loss=ce",
    "model=mnist_cnn loss=focal": "loss: FocalLoss is not for classification (data=mnist); use loss=ce",
    "model=mnist_cnn loss=ce activation=sigmoid": "mnist is for classification; use activation=softmax",
    "model=mnist_cnn loss=ce trainer.monitor=val/dice": "trainer.monitor=val/dice: no such score",
    "experiment=digits/cnn variant=digits/cnn comparison.metric=dice": "comparison.metric=dice: no such score of mnist",
    "data=cmr experiment=cardiac/losses comparison.metric=dcie": "comparison.metric=dcie: no such score of cmr; did you mean dice?",
    "data=cmr experiment=cardiac/losses comparison.claims=[{text:x,better:{loss:ce},metric:iuo}]": "comparison.claims[0].metric=iuo: no such score of cmr; did you mean iou?",
    "data=cmr experiment=cardiac/losses comparison.metric=object_dice": "comparison.metric=object_dice: no such score of cmr",
}


# One of each kind; CI tries all.
EVERY_DAY = (
    "loss=bce",
    "trainer.monitor=val/dcie",
    "freeze=encodr",
    "data=carvana model=mnist_cnn",
    "model=mnist_cnn loss=dice",
    "data=cmr experiment=cardiac/losses comparison.metric=dcie",
)


def every_day(cases):
    return [pytest.param(case, marks=() if case in EVERY_DAY else pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("override", every_day(BAD_COMBINATIONS))
def test_parts_that_do_not_fit_are_refused_before_data_is_read(run, tiny, tmp_path, monkeypatch, override):
    if override == "trainer.accelerator=gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError) as refusal:
        run(tiny(tmp_path, override, f"paths.cache={tmp_path}/cache"), tmp_path / "run")
    assert BAD_COMBINATIONS[override] in str(refusal.value)
    assert "\n" not in str(refusal.value)
    if override != "trainer.accelerator=gpu":
        assert not (tmp_path / "cache").exists()


@pytest.mark.slow
@pytest.mark.parametrize("overrides", every_day(BAD_CLASSIFICATIONS))
def test_classifications_that_do_not_fit_are_refused_before_data_is_read(run, compose, tmp_path, overrides):
    cfg = compose(
        *(overrides if "data=" in overrides else f"data=mnist {overrides}").split(), f"data.root={tmp_path}/none"
    )
    with pytest.raises(ConfigError) as refusal:
        run(cfg, tmp_path / "run")
    assert BAD_CLASSIFICATIONS[overrides] in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_summary_is_safe_before_pictures_are_drawn(run, finished, tmp_path, monkeypatch):
    cfg, directory, summary = finished
    shutil.copytree(directory, tmp_path / "run")
    for name in ("status.json", "summary.json"):
        (tmp_path / "run" / name).unlink()
    seen = []
    monkeypatch.setattr(
        examples, "draw_panels", lambda *_, **__: seen.append((tmp_path / "run" / "summary.json").is_file()) or 1 / 0
    )
    assert run(cfg, tmp_path / "run")["scores"] == summary["scores"]
    assert seen == [True]
    assert status(tmp_path / "run")["state"] == "done"


# -- fine-tuning ---------------------------------------------------------------------------------------


def test_init_from_a_run_starts_from_its_best_weights(finished, tiny, tmp_path, caplog):
    from segbench.tasks.initialisation import load_weights

    cfg, directory, _ = finished
    from segbench.models import UNet

    network = UNet(1, 4, width=2)
    with caplog.at_level(logging.INFO):
        load_weights(network, str(directory))
    stored = load_checkpoint(directory / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(torch.equal(value, stored[f"network.{name}"]) for name, value in network.state_dict().items())
    assert "head replaced" not in caplog.text


def test_a_head_of_other_classes_is_replaced_and_said_so(finished, caplog):
    from segbench.models import UNet
    from segbench.tasks.initialisation import load_weights

    network = UNet(1, 2, width=2)
    before = network.head.weight.clone()
    with caplog.at_level(logging.INFO):
        load_weights(network, str(finished[1]))
    assert "head replaced, 4 -> 2 output channels" in caplog.text
    assert torch.equal(network.head.weight, before)


MISMATCHES = {
    "model.width=4": "set model.width and the data's channels as in that run",
    "model=attunet": "another network",
}


@pytest.mark.slow
@pytest.mark.parametrize("override", MISMATCHES)
def test_weights_of_another_network_are_refused(run, finished, tiny, tmp_path, override):
    overrides = [override] if override != "model=attunet" else [override, "model.width=2"]
    with pytest.raises(ConfigError, match=MISMATCHES[override]):
        run(tiny(tmp_path, *overrides, f"init_from={finished[1]}"), tmp_path / "run")


def test_init_from_nothing_is_exit_code_5(run, tiny, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint there") as refusal:
        run(tiny(tmp_path, f"init_from={tmp_path}/none"), tmp_path / "run")
    assert refusal.value.exit_code == 5


@pytest.mark.slow
def test_init_from_a_pattern_that_matches_two(run, finished, tiny, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"many-{name}").mkdir()
    with pytest.raises(ConfigError, match="matches 2 runs"):
        run(tiny(tmp_path, f"init_from={tmp_path}/many-*"), tmp_path / "run")


def test_a_frozen_encoder_keeps_weights_and_statistics(run, finished, tiny, tmp_path):
    cfg, directory, _ = finished
    tuned = run(tiny(tmp_path, f"init_from={directory}", "freeze=encoder", "trainer.max_epochs=1"), tmp_path / "run")
    start = load_checkpoint(directory / "checkpoints" / "best.ckpt")["state_dict"]
    end = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert changed
    assert not {name for name in changed if name.startswith("network.encoder.")}
    assert tuned["cost"]["trainable_parameters"] < tuned["cost"]["parameters"]


# -- options of the trainer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.precision=auto", "trainer.channels_last=true"),
        pytest.param(("trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=1.0"), marks=pytest.mark.slow),
        pytest.param(("scheduler=plateau", "optimizer=sgd", "trainer.monitor=val/dice"), marks=pytest.mark.slow),
        pytest.param(("scheduler=steps", "optimizer=adamw", "loss=ce_dice"), marks=pytest.mark.slow),
        pytest.param(("trainer.limit_train_batches=2", "callbacks.panels.every_n_epochs=1"), marks=pytest.mark.slow),
    ],
)
def test_options_train(run, tiny, tmp_path, overrides):
    summary = run(tiny(tmp_path, *overrides), tmp_path / "run")
    assert summary["epochs"] == 3
    assert np.isfinite(summary["best"]["value"])


def test_each_row_of_the_curves_has_the_rate_that_its_epoch_was_trained_with(run, tiny, tmp_path):
    table = "scheduler.rates=[[1,1e-3],[2,0.5],[9,1e-4]]"
    run(tiny(tmp_path, "scheduler=epoch_table", table), tmp_path / "run")
    assert pd.read_csv(tmp_path / "run" / "metrics.csv")["lr"].tolist() == [1e-3, 0.5, 1e-4]


def test_a_schedule_by_steps_counts_those_of_the_optimiser(run, tiny, tmp_path):
    run(tiny(tmp_path, "scheduler=poly", "trainer.accumulate_grad_batches=2"), tmp_path / "run")
    curves = pd.read_csv(tmp_path / "run" / "metrics.csv")
    total = curves["step"].iloc[-1]
    assert curves["lr"].tolist() == pytest.approx([1e-3 * (1 - (step - 1) / total) ** 0.9 for step in curves["step"]])


def test_early_stopping_stops_and_is_remembered(run, tiny, tmp_path, monkeypatch):
    overrides = (
        "trainer.early_stopping=1",
        "optimizer.lr=1e-12",
        "trainer.max_epochs=50",
        "trainer.monitor=val/pixel_accuracy",
    )
    monkeypatch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
    with pytest.raises(DataError):
        run(tiny(tmp_path, *overrides), tmp_path / "run")
    monkeypatch.undo()
    stopped = len((tmp_path / "run" / "metrics.csv").read_text().splitlines())
    assert stopped < 50
    run(tiny(tmp_path, *overrides), tmp_path / "run")
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == stopped


@pytest.mark.slow
def test_compiled_networks_are_compiled_and_keep_their_weight_names(run, tiny, tmp_path, monkeypatch):
    from torch._dynamo.utils import counters

    from segbench.models import UNet

    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compile_module(self, backend="eager"))
    counters.clear()
    run(tiny(tmp_path, "trainer.compile=true", "trainer.max_epochs=1"), tmp_path / "run")
    assert counters["stats"]["unique_graphs"] >= 1
    stored = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")["state_dict"]
    assert set(stored) == {f"network.{name}" for name in UNet(1, 4, width=2).state_dict()}


def test_a_final_model_trains_on_validation_images_too_and_takes_the_last_epoch(run, finished, tiny, tmp_path):
    overrides = ("data.fit_on=train+val", "trainer.monitor=last")
    summary = run(tiny(tmp_path, *overrides), tmp_path / "run")
    plain = finished[2]
    assert summary["data"]["images"]["train"] == sum(plain["data"]["images"][part] for part in ("train", "val"))
    assert set(summary["scores"]) == {"test"}
    assert summary["best"] == {"epoch": 3, "value": None, "monitor": "last"}
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert len(rows) == 3
    assert not [name for name in rows if name.startswith("val/")]
    best, last = (load_checkpoint(tmp_path / "run" / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert all(torch.equal(value, last["state_dict"][name]) for name, value in best["state_dict"].items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.fit_on=train+val"], "^data.fit_on=train.val: no validation images .*; set trainer.monitor=last$"),
        (["trainer.monitor=last", "trainer.early_stopping=2"], "^trainer.early_stopping: has no score to follow"),
        (["trainer.monitor=last", "scheduler=plateau"], "^scheduler=plateau: has no score to follow"),
        (["trainer.monitor=lost"], "^trainer.monitor=lost: no such score; did you mean last"),
    ],
)
def test_what_follows_a_score_needs_one(run, tiny, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        run(tiny(tmp_path, *overrides), tmp_path / "run")


def test_a_final_model_of_all_labelled_images_has_nothing_to_score(run, compose, tmp_path):
    """cmr's official split has no test images, so fit_on=train+val leaves none."""
    rng = np.random.default_rng(0)
    for part, numbers in (("train", range(1, 5)), ("val", range(5, 7))):
        for kind in ("image", "mask"):
            (tmp_path / "cmr" / part / kind).mkdir(parents=True)
        for number in numbers:
            Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(
                tmp_path / f"cmr/{part}/image/cmr{number}.png"
            )
            Image.fromarray(rng.integers(0, 4, (16, 16), np.uint8)).save(
                tmp_path / f"cmr/{part}/mask/cmr{number}_mask.png"
            )
    cfg = compose(
        "data=cmr", f"data.root={tmp_path / 'cmr'}", "data.size=[16,16]", "model=deeplabv3", "model.width=2",
        "model.aspp_channels=2", "data.fit_on=train+val", "trainer.monitor=last", "trainer.max_epochs=1",
        "trainer.accelerator=cpu", f"paths.outputs={tmp_path}",
    )  # fmt: skip
    summary = run(cfg, tmp_path / "runs" / "final")
    assert summary["scores"] == {}
    assert summary["data"]["images"] == {"train": 6}
    found = read_run(tmp_path / "runs" / "final")
    assert (found.state, found.counts) == ("unscored", {})
    assert "nothing to score" in found.reason


def test_a_refused_rerun_costs_a_finished_run_nothing(run, tiny, copied, tmp_path):
    _, directory = copied
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    with pytest.raises(ConfigError):
        run(tiny(tmp_path, "data.size=[30,34]", "rerun=true", "loss=bce"), directory)
    after = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    assert json.loads(after["status.json"])["state"] == "done"
    assert {name for name in before if before[name] != after[name]} <= {"train.log", "status.json"}


def test_a_finished_run_is_trained_again_when_asked(run, tiny, copied, tmp_path):
    _, directory = copied
    before = (directory / "metrics.csv").read_text()
    summary = run(tiny(tmp_path, "data.size=[30,34]", "trainer.max_epochs=1", "rerun=true"), directory)
    assert summary["epochs"] == 1
    assert (directory / "metrics.csv").read_text() != before
    assert status(directory)["state"] == "done"


@pytest.mark.slow
def test_pretrained_weights_are_part_of_what_a_run_is_made_of(run, tiny, tmp_path, caplog):
    def weights(seed):
        torch.manual_seed(seed)
        torch.save(DeepLabV3(1, 1, width=2).encoder.state_dict(), tmp_path / "weights.pth")

    network = ("model=deeplabv3", "model.width=2", "model.aspp_channels=2")

    def cfg():
        return tiny(tmp_path, *network, f"model.pretrained={tmp_path / 'weights.pth'}")

    weights(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
        with pytest.raises(DataError, match="stop here"):
            run(cfg(), tmp_path / "run")
    # Begun with these weights, it goes on with no others.
    content = (tmp_path / "weights.pth").read_bytes()
    weights(1)
    with pytest.raises(CheckpointError, match="the weights that model.pretrained names changed"):
        run(cfg(), tmp_path / "run")
    (tmp_path / "weights.pth").write_bytes(content)
    run(cfg(), tmp_path / "run")
    weights(1)
    with pytest.raises(CheckpointError, match="the weights that model.pretrained names changed"):
        run(cfg(), tmp_path / "run")
    caplog.clear()
    caplog.set_level("INFO", logger="segbench")
    run(tiny(tmp_path, *network), tmp_path / "random")
    assert "model.pretrained=null: DeepLabV3 starts from random weights" in caplog.messages


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet3plus", "unetpp"])
def test_fine_tuning_replaces_every_head(run, tiny, tmp_path, name):
    options = [f"model={name}", "model.deep_supervision=true"] + ["model.classification=true"] * (name == "unet3plus")
    run(tiny(tmp_path, *options, "trainer.max_epochs=1"), tmp_path / "source")
    cfg = tiny(tmp_path, *options, "trainer.max_epochs=1", f"init_from={tmp_path / 'source'}")
    data = build_data(cfg)
    type(data).class_names, before = ("background", "heart"), type(data).class_names
    try:
        task = build_task(cfg, data)
    finally:
        type(data).class_names = before
    assert task.network.head.out_channels == 1
