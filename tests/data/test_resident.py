"""Resident data: the same batches as a DataLoader's, to the bit, and refused where it cannot be."""

from types import SimpleNamespace

import pytest
import torch
from tests.pretended import DEVICE, pretended_card

from segbench.augmentation import Augmentation, QuarterTurns
from segbench.data.loader import ReplayLoader
from segbench.data.phantom import PhantomData
from segbench.data.resident import ResidentLoader, ResidentTensors, obstacle
from segbench.errors import ConfigError


def phantom(tmp_path, **options):
    data = PhantomData(subjects=6, slices=3, size=[32, 32], cache_dir=tmp_path / "cache", batch_size=4, **options)
    data.setup()
    return data


def equal(left, right):
    assert left.keys() == right.keys()
    assert left["id"] == right["id"]
    assert all(torch.equal(left[key], right[key]) and left[key].dtype == right[key].dtype for key in ("image", "mask"))


@pytest.mark.parametrize("augmentation", [None, Augmentation(copies=[QuarterTurns(-90), QuarterTurns(180)])])
@pytest.mark.parametrize("position", [(0, 0), (3, 1)])
def test_training_batches_are_those_of_the_replay_loader(tmp_path, position, augmentation):
    data = phantom(tmp_path, augmentation=augmentation)
    dataset = data.datasets["train"]
    ours = list(ResidentLoader(ResidentTensors.of(dataset, torch.device("cpu")), 4, 7, lambda: position))
    theirs = list(ReplayLoader(dataset, 4, 7, lambda: position))
    assert len(ours) == len(theirs) == len(ReplayLoader(dataset, 4, 7, lambda: (0, 0))) - position[1]
    for left, right in zip(ours, theirs, strict=True):
        equal(left, right)


def test_evaluation_batches_are_those_of_a_loader(tmp_path):
    resident, plain = phantom(tmp_path), phantom(tmp_path, resident=False)
    ours, theirs = resident.eval_dataloaders(), plain.eval_dataloaders()
    assert isinstance(ours["val"], ResidentLoader)
    assert not isinstance(theirs["val"], ResidentLoader)
    for split in theirs:
        for left, right in zip(ours[split], theirs[split], strict=True):
            equal(left, right)


def flips():
    from albumentations import HorizontalFlip

    return Augmentation([HorizontalFlip(p=0.5)])


OBSTACLES = {
    "augmentation works image by image": {"augmentation": flips()},
    "data.num_workers=1 loads image by image": {"num_workers": 1},
}


@pytest.mark.parametrize("reason", OBSTACLES)
def test_what_cannot_be_resident_is_not_or_is_refused(tmp_path, reason):
    assert not isinstance(phantom(tmp_path, **OBSTACLES[reason]).val_dataloader(), ResidentLoader)
    with pytest.raises(ConfigError, match=f"data.resident=true: {reason}"):
        phantom(tmp_path, resident=True, **OBSTACLES[reason]).val_dataloader()


def test_data_too_large_for_memory_is_not_resident(tmp_path, monkeypatch):
    monkeypatch.setattr("segbench.data.resident.MOST_BYTES", 18 * 32 * 32 * (4 + 1) - 1)
    assert not isinstance(phantom(tmp_path).val_dataloader(), ResidentLoader)
    monkeypatch.setattr("segbench.data.resident.MOST_BYTES", 18 * 32 * 32 * (4 + 1))
    assert isinstance(phantom(tmp_path).val_dataloader(), ResidentLoader)


def test_a_gpu_keeps_images_as_they_are_stored_and_gives_the_same_bits(tmp_path):
    data = phantom(tmp_path, augmentation=Augmentation(copies=[QuarterTurns(90)]))
    dataset = data.datasets["train"]
    at_home = ResidentLoader(ResidentTensors.of(dataset, torch.device("cpu")), 4, 7)
    with pretended_card() as card:
        tensors = ResidentTensors.of(dataset, DEVICE)
        assert (tensors.image.dtype, tensors.image.is_cuda) == (torch.uint8, True)
        card.waits.clear()
        batches = list(ResidentLoader(tensors, 4, 7))
        assert not card.waits
        for left, right in zip(batches, at_home, strict=True):
            assert left["image"].is_cuda
            equal({name: value if name == "id" else value.cpu() for name, value in left.items()}, right)


def test_a_gpu_may_be_filled_to_a_quarter(tmp_path, monkeypatch):
    datasets = phantom(tmp_path).datasets
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * 18 * 32 * 32 * (1 + 1), 2**40))
    assert obstacle(datasets, 0, DEVICE) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * 18 * 32 * 32 * (1 + 1) - 4, 2**40))
    assert obstacle(datasets, 0, DEVICE).startswith("images and masks take 0 MiB")


def test_the_training_loader_follows_the_trainer(tmp_path):
    data = phantom(tmp_path)
    loop = SimpleNamespace(
        epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=2)),
        epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(current=SimpleNamespace(ready=1))),
    )
    data.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu")), fit_loop=loop, limit_train_batches=1.0
    )
    expected = list(ReplayLoader(data.datasets["train"], 4, 0, lambda: (2, 1)))
    for left, right in zip(data.train_dataloader(), expected, strict=True):
        equal(left, right)
