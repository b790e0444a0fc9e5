"""Classes and YAML files that lie outside the checkout are used by their names: ``--config-dir`` and ``PYTHONPATH``."""

import json

import pytest

from segbench.runs.checkpoint_io import load_checkpoint

MODULE = """
from pathlib import Path

import albumentations
import pytorch_lightning as pl
from torch import nn

from segbench.losses import CrossEntropy


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
    "callbacks/mine.yaml": "defaults: [default]\ncount:\n  _target_: mine.CountSteps\n"
    "written:\n  _target_: mine.WriteScores\n  name: scores.txt\n",
}
CHOICES = ("model=tiny", "loss=half", "augmentation=inverted", "callbacks=mine")
TINY = (
    "data.subjects=8", "data.slices=2", "data.size=[32,32]", "data.batch_size=3", "trainer.max_epochs=2",
    "trainer.accelerator=cpu", "trainer.progress=lines",
)  # fmt: skip


@pytest.fixture(scope="module")
def command(program, tmp_path_factory):
    """Run the command with the folders of own files; return what it left and the runs that are there then."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "code").mkdir()
    (folder / "code" / "mine.py").write_text(MODULE)
    for name, text in FILES.items():
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(*overrides):
        given = [*CHOICES, *TINY, f"paths.outputs={folder}/outputs", *overrides]
        result = program("run.py", "--config-dir", str(folder / "conf"), *given, PYTHONPATH=str(folder / "code"))
        return result, sorted(path.parent for path in folder.glob("outputs/runs/*/status.json"))

    return run


@pytest.fixture(scope="module")
def trained(command):
    result, runs = command()
    assert result.returncode == 0, result.stderr
    (directory,) = runs
    return directory


def test_own_network_loss_and_augmentation_are_trained(trained):
    assert trained.name.startswith("phantom-tiny-half-seed0-")
    weights = load_checkpoint(trained / "checkpoints" / "best.ckpt")["state_dict"]
    assert weights["network.layers.0.weight"].shape == (4, 1, 3, 3)
    assert "mine.Invert" in (trained / "config.yaml").read_text()


def test_a_callback_that_knows_lightning_alone_is_called_and_saved(trained):
    states = load_checkpoint(trained / "checkpoints" / "last.ckpt")["callbacks"]
    summary = json.loads((trained / "summary.json").read_text())
    steps = -(-summary["data"]["images"]["train"] // 3) * 2
    assert states["CountSteps"] == {"steps": steps}


def test_a_callback_that_listens_is_told_of_the_run(trained):
    images = json.loads((trained / "summary.json").read_text())["data"]["images"]
    written = (trained / "scores.txt").read_text().splitlines()
    assert written == [f"{split} {images[split]} images of 4 classes" for split in ("val", "test")]


def test_a_callback_says_whether_it_makes_another_run(command, trained):
    result, runs = command("callbacks.written.name=other.txt")
    assert result.returncode == 0, result.stderr
    assert "already done" in result.stderr
    assert runs == [trained]
    unchanging = json.loads((trained / "run.json").read_text())["unchanging"]
    assert unchanging == ["callbacks.panels", "callbacks.predictions", "callbacks.written"]


def test_an_option_that_an_own_class_lacks_is_refused_in_one_line(command, trained):
    result, runs = command("+callbacks.written.nam=x")
    assert result.returncode == 2
    assert result.stderr == "error: callbacks.written.nam: WriteScores has no such option; did you mean name?\n"
    assert runs == [trained]
