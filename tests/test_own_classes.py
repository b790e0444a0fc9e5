"""Classes and YAML files that lie outside the checkout are used by their names: ``--config-dir`` and ``PYTHONPATH``."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from segbench.runs.checkpoint_io import load_checkpoint

MODULE = """
from pathlib import Path

import albumentations
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from segbench.data.phantom import PhantomData
from segbench.losses import CrossEntropy
from segbench.scores.columns import ColumnScore, Ratio


class TinyNet(nn.Module):
    def __init__(self, in_channels, out_channels, width=16):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, image):
        return self.head(self.layers(image))


class HalfCrossEntropy(CrossEntropy):
    def compute(self, logits, target, weight):
        return super().compute(logits, target, weight) / 2


class Invert(albumentations.ImageOnlyTransform):
    def apply(self, img, **parameters):
        return 255 - img


class DrawnData(PhantomData):
    name = "drawn"
    class_names = ("background", "right", "wall", "left")


class TenthSGD(torch.optim.SGD):
    def __init__(self, params, lr=1.0):
        super().__init__(params, lr=lr / 10)


class Halving(torch.optim.lr_scheduler.LambdaLR):
    def __init__(self, optimizer, factor=0.5):
        super().__init__(optimizer, lambda epoch: factor**epoch)


class TableLogger(CSVLogger):
    pass


class Found:
    dimensions = (2,)

    def declare(self, unit):
        return [ColumnScore("found", "found", (Ratio({"found_yes": 1}, {"found_all": 1}),))]

    def scored_classes(self, data):
        return data.foreground

    def terms(self, region):
        return {"found_yes": float(region.predicted.any()), "found_all": float(region.truth.any())}


class CountSteps(pl.Callback):
    '''Knows Lightning alone.'''

    steps = 0

    def on_train_batch_end(self, *_):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class WriteScores(pl.Callback):
    '''Takes part in the run, without a class of segbench.'''

    changes_result = False

    def __init__(self, name):
        self.name = name

    def bind(self, context):
        self.classes = context.data.class_names

    def finish(self, context):
        assert context.run.summary.is_file()
        tables = context.task.evaluation
        lines = [f"{split} {len(tables[split].ids)} images of {len(self.classes)} classes" for split in context.splits]
        (context.run.path / self.name).write_text("\\n".join(lines))
"""
FILES = {
    "model/tiny.yaml": "_target_: mine.TinyNet\nwidth: 4\n",
    "loss/half.yaml": "_target_: mine.HalfCrossEntropy\n",
    "augmentation/inverted.yaml": "_target_: segbench.augmentation.Augmentation\n"
    "transforms:\n  inverted: {_target_: mine.Invert, p: 0.5}\n",
    "data/drawn.yaml": "_target_: mine.DrawnData\nsize: [96, 96]\nbatch_size: 8\nsubjects: 32\nslices: 6\n",
    "optimizer/tenth.yaml": "_target_: mine.TenthSGD\nlr: 1.0\n",
    "scheduler/halving.yaml": "_target_: mine.Halving\nfactor: 0.5\n",
    "logger/table.yaml": "table:\n  _target_: mine.TableLogger\n  name: table\n  version: ''\n",
    "scores/found.yaml": "found:\n  _target_: mine.Found\n",
    "variant/small.yaml": "# @package _global_\ndefaults:\n  - override /optimizer: tenth\nmodel:\n  width: 3\n",
    "callbacks/mine.yaml": "defaults: [default]\ncount:\n  _target_: mine.CountSteps\n"
    "written:\n  _target_: mine.WriteScores\n  name: scores.txt\n",
}
CHOICES = (
    "data=drawn", "model=tiny", "loss=half", "augmentation=inverted", "scheduler=halving", "logger=table", "scores=found",
    "callbacks=mine", "variant=small",
)  # fmt: skip
TINY = (
    "data.subjects=8", "data.slices=2", "data.size=[32,32]", "data.batch_size=3", "trainer.max_epochs=2",
    "trainer.accelerator=cpu", "trainer.progress=lines",
)  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of own files: ``code`` and ``conf``."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "code").mkdir()
    (folder / "code" / "mine.py").write_text(MODULE)
    for name, text in FILES.items():
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def command(program, own):
    """Run the command with the folders of own files; return what it left and the runs that are there then."""

    def run(*overrides, **environment):
        given = ["--config-dir", "conf", *CHOICES, *TINY, *overrides]
        result = program("run.py", *given, folder=own, **{"PYTHONPATH": str(own / "code")} | environment)
        return result, sorted(path.parent for path in own.glob("outputs/runs/*/status.json"))

    return run


@pytest.fixture(scope="module")
def trained(command):
    result, runs = command()
    assert result.returncode == 0, result.stderr
    (directory,) = runs
    return directory


def test_own_classes_of_every_group_are_trained_with(trained):
    assert trained.name.startswith("drawn-tiny-half-seed0-")
    weights = load_checkpoint(trained / "checkpoints" / "best.ckpt")["state_dict"]
    assert weights["network.layers.0.weight"].shape == (3, 1, 3, 3)
    assert "mine.Invert" in (trained / "config.yaml").read_text()
    assert pd.read_csv(trained / "metrics.csv")["lr"].tolist() == [0.1, 0.05]
    assert pd.read_csv(trained / "table" / "metrics.csv")["lr"].dropna().tolist() == [0.1, 0.05]
    scores = pd.read_parquet(trained / "scores.parquet")
    assert {"right", "wall", "left"} < set(scores["class_name"])
    foreground = scores[scores["class_name"] != "background"]
    np.testing.assert_array_equal(foreground["found_all"], foreground["tp"] + foreground["fn"] > 0)
    np.testing.assert_array_equal(foreground["found_yes"], foreground["tp"] + foreground["fp"] > 0)


def test_a_callback_that_knows_lightning_alone_is_called_and_saved(trained):
    states = load_checkpoint(trained / "checkpoints" / "last.ckpt")["callbacks"]
    summary = json.loads((trained / "summary.json").read_text())
    steps = -(-summary["data"]["images"]["train"] // 3) * 2
    assert states["CountSteps"] == {"steps": steps}


def test_a_callback_that_listens_is_told_of_the_run(trained):
    images = json.loads((trained / "summary.json").read_text())["data"]["images"]
    written = (trained / "scores.txt").read_text().splitlines()
    assert written == [f"{split} {images[split]} images of 4 classes" for split in ("val", "test")]


@pytest.mark.slow
def test_a_callback_says_whether_it_makes_another_run(command, trained):
    result, runs = command("callbacks.written.name=other.txt")
    assert result.returncode == 0, result.stderr
    assert "already done" in result.stderr
    assert runs == [trained]
    unchanging = json.loads((trained / "run.json").read_text())["unchanging"]
    assert unchanging == ["callbacks.panels", "callbacks.predictions", "callbacks.written"]


@pytest.mark.slow
def test_an_option_that_an_own_class_lacks_is_refused_in_one_line(command, trained):
    result, runs = command("+callbacks.written.nam=x")
    assert result.returncode == 2
    assert result.stderr == "error: callbacks.written.nam: WriteScores has no such option; did you mean name?\n"
    assert runs == [trained]


@pytest.mark.slow
def test_a_module_that_python_does_not_find_is_one_line_with_the_key(command, program, own, trained):
    elsewhere = str(own / "nowhere")
    said = f"no module mine; PYTHONPATH must hold the folder of mine.py (it is {elsewhere})\n"
    result, runs = command(PYTHONPATH=elsewhere)
    assert (result.returncode, result.stderr) == (2, f"error: data._target_=mine.DrawnData: {said}")
    assert runs == [trained]
    result = program("predict.py", f"run={trained}", f"images={own}", "trust=true", folder=own, PYTHONPATH=elsewhere)
    assert result.returncode == 2
    assert result.stderr == f"trust=true: importing mine.TinyNet\nerror: model._target_=mine.TinyNet: {said}"


@pytest.mark.slow
def test_images_are_predicted_by_an_own_network(program, own, trained):
    (own / "images").mkdir()
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(own / "images" / "a.png")
    typed, code = ("predict.py", f"run={trained}", "images=images", "out=found"), str(own / "code")
    result = program(*typed, folder=own, PYTHONPATH=code)
    assert result.returncode == 2
    said = "names mine.TinyNet, which is not segbench's; trust=true imports and executes it"
    assert result.stderr == f"error: run={trained}: {said}\n"
    result = program(*typed, "trust=true", folder=own, PYTHONPATH=code)
    assert (result.returncode, result.stderr) == (0, "trust=true: importing mine.TinyNet\n")
    assert np.asarray(Image.open(own / "found" / "masks" / "a.png")).shape == (20, 30)


@pytest.mark.slow
def test_a_report_needs_no_own_code_and_says_what_was_trained(program, own, trained, monkeypatch):
    monkeypatch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])
    result = program("report.py", "outputs/runs", "--metric", "found", folder=own)
    assert result.returncode == 0, result.stderr
    text = (own / "outputs" / "runs" / "reports" / "found" / "table.md").read_text()
    digest = hashlib.sha256((own / "code" / "mine.py").read_bytes()).hexdigest()[:12]
    assert f", own module mine {digest};" in text
    command = "python src/run.py --config-dir conf data=drawn model=tiny loss=half"
    assert f"`PYTHONPATH=code {command}" in text


@pytest.mark.slow
def test_a_finished_run_says_that_own_code_has_changed_since(command, own, trained):
    path = own / "code" / "mine.py"
    path.write_text(f"{MODULE}\n# changed\n")
    result, runs = command()
    path.write_text(MODULE)
    assert result.returncode == 0, result.stderr
    assert "mine changed since it was trained; rerun=true trains it again" in result.stderr
    # The module has a score too, whose columns may be others now; the training stays.
    assert "already trained, but not scored by found: evaluating the best weights again" in result.stderr
    assert runs == [trained]
    assert "changed" not in command()[0].stderr
    assert "already done" in command()[0].stderr


NEAR = {
    "--config-dir conf model=tinny": "model=tinny: no such choice; did you mean tiny?",
    "--config-dir conf model=tiny model.wdith=3": "model.wdith: model=tiny has no such key; did you mean model.width?",
    "--config-dir conf loss=half +loss.a=3": "loss.a: HalfCrossEntropy has no such option",
    "model=tiny": "model=tiny: no such choice; for conf/model/tiny.yaml add --config-dir conf",
    "--config-dir cnof model=tiny": "--config-dir cnof: no such folder",
}


@pytest.mark.slow
@pytest.mark.parametrize("line", NEAR)
def test_own_choices_are_suggested_as_the_project_s_are(program, own, line):
    result = program("run.py", *line.split(), folder=own, PYTHONPATH=str(own / "code"))
    assert (result.returncode, result.stderr) == (2, f"error: {NEAR[line]}\n")
