"""A task says itself which parts fit it; another task is another class."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from segbench.data.mnist import MNISTData
from segbench.data.overlapping import OverlappingData
from segbench.data.phantom import PhantomData
from segbench.errors import ConfigError
from segbench.models import UNet
from segbench.models.mnist import MnistFF
from segbench.models.mnist_ff_numpy import MnistFFNumpy
from segbench.scores.seg import SEG
from segbench.tasks import ClassificationTask, ManualGradientsTask, MultilabelTask, SegmentationTask
from segbench.tasks.windows import Windows


@pytest.mark.parametrize(
    ("data", "network", "task"),
    [
        (PhantomData, UNet, SegmentationTask),
        (OverlappingData, UNet, MultilabelTask),
        (MNISTData, MnistFF, ClassificationTask),
        (MNISTData, MnistFFNumpy, ManualGradientsTask),
        # Which network fits is said later; this one is trained by its own gradients where labels are learnt.
        (PhantomData, MnistFFNumpy, SegmentationTask),
    ],
)
def test_the_data_and_the_network_decide(tmp_path, data, network, task):
    assert data(cache_dir=tmp_path).task_for(network) is task


def test_regions_are_another_task(tmp_path):
    regions = {"muscle": ["myocardium"]}
    assert PhantomData(cache_dir=tmp_path, regions=regions).task_for(UNet) is MultilabelTask

    class Own(MultilabelTask):
        """Of data that overlaps already."""

    class OwnData(OverlappingData):
        tasks = (Own,)

    assert OwnData(cache_dir=tmp_path, regions={"round": ["disc", "ring"]}).task_for(UNet) is Own


class Overlapping(SegmentationTask):
    """A task of one's own, with the networks of segmentation and a logit for each class but the background."""

    name = losses = "overlapping"
    example_loss = "bce"

    @classmethod
    def count_outputs(cls, activation, data):
        return len(data.class_names) - 1


def settings(network="segbench.models.UNet", loss="segbench.losses.CrossEntropy"):
    return OmegaConf.create({"model": {"_target_": network}, "loss": {"_target_": loss}})


def test_a_further_task_takes_the_networks_that_it_names_and_the_losses_that_name_it(monkeypatch):
    data = SimpleNamespace(name="chest", class_names=("background", "lung", "heart"))
    with pytest.raises(ConfigError, match=r"^loss: CrossEntropy is not for overlapping \(data=chest\); use loss=bce$"):
        Overlapping.check(settings(), data)
    monkeypatch.setattr("segbench.losses.CrossEntropy.tasks", ("segmentation", "overlapping"))
    Overlapping.check(settings(), data)
    with pytest.raises(ConfigError, match="^model: MnistFF is for classification, data=chest for segmentation; use "):
        Overlapping.check(settings("segbench.models.mnist.MnistFF"), data)
    assert Overlapping.count_outputs("auto", data) == 2


@pytest.mark.parametrize(
    ("window", "tiles", "asked", "expected"),
    [
        (None, (1, 1), None, None),
        (None, (2, 3), None, Windows(tiles=(2, 3))),
        ([8, 8], (2, 3), None, Windows(size=(8, 8), overlap=0.25)),
        ([8, 8], (2, 3), Windows(size=(4, 4)), Windows(size=(4, 4))),
    ],
)
def test_windows_that_are_asked_for_go_before_those_of_the_run(window, tiles, asked, expected):
    cfg = OmegaConf.create({"predict": {"window": window, "overlap": 0.25, "tta": "flips" if asked else None}})
    data = SimpleNamespace(tiles=tiles, declared_scores=lambda: (SEG,))
    assert SegmentationTask.options(cfg, data, asked) == {
        "windows": expected,
        "flips": asked is not None,
        "declared": (SEG,),
    }
    assert ClassificationTask.options(cfg, data, asked) == {}
