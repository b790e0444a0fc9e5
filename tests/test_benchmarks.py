"""The benchmarks run: what they measure is not tested, only that they measure it."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from benchmarks import __main__ as bench
from benchmarks import checkpoints, digits, mnist, peers, prediction, scores, street, upconvolution, ways
from benchmarks.files import kinds
from benchmarks.gpu import bits, feeding, speed
from benchmarks.gpu.__main__ import PARTS
from benchmarks.gpu.record import Record
from benchmarks.reference import measure as measure_step


class Seen(pl.Callback):
    def __init__(self):
        self.batches = []

    def on_train_batch_start(self, trainer, module, batch, index):
        self.batches.append(batch)


@pytest.fixture
def files(tmp_path):
    """Few images in MNIST's format, just more than those that validate."""
    root = tmp_path / "data" / "mnist"
    root.mkdir(parents=True)
    mnist.generate(root, train=5400, test=100)
    return root


@pytest.mark.slow
def test_an_epoch_and_its_data_are_timed_against_their_rivals(files, tmp_path):
    for ours, reference in (mnist.cnn_epoch(tmp_path / "cnn", files), mnist.data_time(tmp_path / "d", files, 2)):
        assert ours > 0
        assert reference > 0


def test_the_bare_loop_takes_the_trainer_s_images_in_its_order(files, tmp_path):
    seen = Seen()
    settings = [*mnist.CNN, *mnist.ALL_IMAGES, "data.batch_size=100", f"data.root={files}"]
    training = mnist.prepare(tmp_path, *settings, also=(seen,))
    tensors = mnist.tensors_of(training.data)
    training.fit()
    batches = mnist.bare_batches(tensors, 100)
    assert len(seen.batches) == 54
    for batch in seen.batches:
        image, label = next(batches)
        assert image.equal(batch["image"])
        assert label.equal(batch["label"])


@pytest.mark.slow
def test_a_step_and_an_up_convolution_are_timed_against_their_references():
    taken = measure_step("Attention U-Net", width=2, side=16, images=2, steps=1, also=("bare", "channels_last"))
    asked = {"segbench", "copied", "bare", "channels_last"}
    assert asked <= set(taken) <= asked | {"bf16"}
    assert min(taken.values()) > 0
    for seconds, share in upconvolution.measure(
        (1, 2, 2, 4), torch.float32, torch.channels_last, torch.device("cpu"), 1
    ):
        assert seconds > 0
        assert share > 0


@pytest.mark.slow
def test_the_report_s_ratios_are_printed(files, monkeypatch, capsys):
    monkeypatch.setenv("SEGBENCH_DATA", str(files.parent))
    given = "--repetitions 1 --calls 2 --seeds 1 --sgd-epochs 1 --adam-epochs 2"
    monkeypatch.setattr(sys, "argv", ["digits", *given.split()])
    digits.main()
    printed = " ".join(capsys.readouterr().out.split())
    assert "MNIST's own files" in printed
    assert "seed 0: epochs to validation accuracy" in printed
    assert "NumPy" in printed


@pytest.mark.slow
def test_checkpoints_and_predictions_are_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "TINY", (*checkpoints.TINY, "trainer.max_epochs=2"))
    saving, whole = checkpoints.share(tmp_path / "run")
    assert 0 < saving < whole
    monkeypatch.setattr(prediction, "LARGE", (96, 128))
    monkeypatch.setattr(prediction, "WINDOW", 32)
    for ours, reference in (prediction.files(tmp_path / "files", 1), prediction.windows()):
        assert ours > 0
        assert reference > 0


@pytest.mark.slow
def test_each_try_of_a_row_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("SEGBENCH_DATA", raising=False)
    monkeypatch.setattr(prediction, "SIDE", 48)
    shared = bench.Bench(tmp_path)
    for name in ("Pillow", "(Carvana)"):
        (row,) = (row for row in bench.ROWS if name in row.name)
        ours, other, before = bench._measured(replace(row, limit=0.0), shared)
        assert min(ours, other) > 0
        assert "the first time" in before
    assert shared.folder == tmp_path / "again" / "again"


def measured(*values):
    def taken(*_):
        return values

    return taken


def test_what_was_disturbed_is_measured_again(capsys, monkeypatch):
    found = iter([(3.0, 1.0), (0.5, 1.0)])
    monkeypatch.setattr(bench, "ROWS", (bench.Row("ours over others", 1.0, lambda _: next(found), quick=True),))
    assert bench.main([]) == 0
    assert "ok       0.500, at most 1.00: ours over others" in (said := capsys.readouterr().out)
    assert "3.000 the first time" in said


@pytest.mark.parametrize("bfloat16", [True, False])
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(("ours", "code"), [(0.001, 0), (90.0, 1)])
def test_each_ratio_is_held_against_its_limit(monkeypatch, capsys, ours, code, quick, bfloat16):
    """What is printed of what was measured, in seconds that nobody measured."""
    pair = (ours, 1.0)
    monkeypatch.setattr(bench.mnist, "root", lambda *_: (None, "digits"))
    for module, name in (
        *((bench.startup, name) for name in ("refusal", "first_step", "sweep_job")),
        *((bench.mnist, "cnn_epoch"), (bench.mnist, "data_time"), (bench.weight_map, "distances")),
        *((bench.checkpoints, "share"), (bench.prediction, "files"), (bench.prediction, "windows")),
        *((bench.scores, "counts"), (bench.report, "hundred")),
    ):
        monkeypatch.setattr(module, name, measured(*pair))
    monkeypatch.setattr(bench.scores, "surfaces", lambda rounds: pair)
    for module, name in ((bench.data, "carvana_epoch"), (bench.street, "street_epoch")):
        monkeypatch.setattr(module, name, measured(*pair, "files"))
        getattr(module, name).__name__ = name
    taken = {"segbench": ours, "bf16": ours, "bare": 1.0, "copied": 1.0}
    monkeypatch.setattr(bench.reference, "measure", lambda *_, **_more: taken)
    monkeypatch.setattr(bench, "processor_has_bfloat16", lambda: bfloat16)
    assert bench.main(["--quick"] * quick) == code
    printed = capsys.readouterr().out
    shown = [row for row in bench.ROWS if row.quick or not quick]
    judged = [row for row in shown if bfloat16 or not row.needs_bfloat16]
    assert printed.count("TOO SLOW") == code * len(judged)
    assert printed.count("90.000 the first time") == code * sum(row.quick for row in judged)
    assert printed.count("no bfloat16") == len(shown) - len(judged)
    assert [row for row in bench.ROWS if row.name in printed] == shown


def test_counts_are_those_of_numpy():
    assert min(scores.counts(masks=2, side=16, rounds=1)) >= 0


def test_generated_frames_are_prepared_as_cityscapes(tmp_path, monkeypatch):
    monkeypatch.setattr(street, "HEIGHT", 64)
    monkeypatch.setattr(street, "WIDTH", 128)
    seconds, peak, size = street.prepare(tmp_path, {"train": 2, "val": 1}, crops=False)
    assert seconds > 0
    assert peak > 2**20
    # Three colours and a label of each pixel at 512x256.
    assert size == 3 * 4 * 256 * 512


@pytest.mark.slow
def test_what_a_card_is_measured_by_runs_on_the_processor_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(speed, "SIZES", ((224, 16),))
    monkeypatch.setattr(speed, "SETTINGS", speed.SETTINGS[:2])
    monkeypatch.setattr(bits, "NETWORKS", ["unet", "mnist_ff", "unet3plus"])
    parts = {"speed": speed.measure_speed, "bits": bits.measure_bits, "feeding": feeding.measure_feeding}
    for name, measure in parts.items():
        measure(Record(tmp_path, name, seconds=60, smoke=True))
    rows = {name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").open()] for name in parts}
    assert [row["setting"] for row in rows["speed"][1:]] == ["bf16 channels_last", "fp32"]
    assert all(row["segbench_images_per_second"] > 0 for row in rows["speed"][1:])
    assert [row["equal"] for row in rows["bits"]] == [True] * 6
    assert [row["case"] for row in rows["feeding"]] == ["augmented, no process", "augmented, auto", "resident"]


def test_all_that_needs_a_card_takes_less_than_eight_minutes(repository):
    script = repository / "benchmarks" / "gpu.sh"
    subprocess.run(["bash", "-n", script], check=True)
    parts = re.findall(r"^(?:measure|part) (\w+) (\d+)", script.read_text(), re.MULTILINE)
    assert {name for name, _ in parts} == {"facts", "tests", *PARTS}
    assert sum(int(seconds) for _, seconds in parts) < 480


def test_calls_are_counted_that_concern_the_folder(tmp_path):
    (trace := tmp_path / "trace").write_text(
        '7  openat(AT_FDCWD</work>, "/out/run.json", O_RDONLY) = 3</out/run.json>\n'
        '7  openat(AT_FDCWD</work>, "/lib/x.py", O_RDONLY) = 3</lib/x.py>\n'
        "8  fsync(4</out/last.ckpt>) = 0\n"
        '9  rename("/out/.a", "/out/a") = 0\n'
        '9  newfstatat(AT_FDCWD, "/out/a", 0x1, 0) = -1 ENOENT\n'
        "9  +++ exited with 0 +++ /out\n"
    )
    assert Counter(kinds(trace, "/out")) == {
        "open": 1, "wait for the disk": 1, "change names": 1, "ask for attributes": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_surfaces_of_a_frame_are_those_of_trees_and_take_less():
    ours, trees = scores.surfaces(rounds=1)
    assert ours < trees / 2


def test_rotations_of_albumentations_are_as_exact_as_rounding_allows():
    from benchmarks.augmentation import by_hand, deviations, in_albumentations, measure

    from segbench.augmentation import Augmentation

    mean, largest, share = deviations(48)["albumentations"]
    assert 0.2 < mean < 0.3
    assert largest <= 0.51
    assert share == 0
    flip = in_albumentations()["HorizontalFlip"]
    both = Augmentation(flip), by_hand()["HorizontalFlip"]
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    for found, expected in zip(*(way(image, image[..., 0], 0) for way in both), strict=True):
        assert np.array_equal(found, expected)
    taken = measure([*both, None], (8, 8, 1), turns=1, images=2)
    assert min(taken[:2]) > 0
    assert np.isnan(taken[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ways.WAYS)
def test_every_way_to_write_an_epoch_trains_on_the_same_files(monkeypatch, tmp_path, name):
    if name == "smp":
        pytest.importorskip("segmentation_models_pytorch")
    for constant, value in {"SIDE": 32, "WIDTH": 2, "TRAIN": 8, "VAL": 4}.items():
        monkeypatch.setattr(ways, constant, value)
    monkeypatch.setattr(ways.Clock, "seconds", [])
    ways.make_images(tmp_path)
    assert len(ways.files_of(tmp_path, "train")) == 8
    seconds = ways.WAYS[name][1](tmp_path)
    assert len(seconds) == ways.EPOCHS
    assert min(seconds) > 0


def test_the_table_of_the_ways_is_theirs_without_the_first_epoch():
    found = {"bare": [[9.0, 2.0, 2.0], [7.0, 2.0, 2.0]], "copied": [[5.0, 3.0, 3.0], [6.0, 3.0, 3.0]]}
    rows = list(peers.table(found))
    assert rows[2] == "| a bare loop on tensors in memory | 2.00 | 1.00 | 6.00 |"
    assert rows[3] == "| the loop that is commonly copied | 3.00 | 1.50 | 2.50 |"
