"""Regions: unions of classes in place of the classes, whatever happens to an image on its way."""

import pickle

import albumentations
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from segbench.augmentation import Augmentation, QuarterTurns, ScaleCrop
from segbench.configuration.schema import validate
from segbench.data.cityscapes import CityscapesData
from segbench.data.glas128 import Glas128Data
from segbench.data.loader import Draw, ReplayLoader
from segbench.data.overlapping import OverlappingData
from segbench.data.phantom import PhantomData
from segbench.data.resident import ResidentLoader, ResidentTensors
from segbench.errors import ConfigError, DataError
from segbench.runs.identity import run_id
from segbench.tasks import MultilabelTask, SegmentationTask

RIGHT, MUSCLE, LEFT = 1, 2, 3
REGIONS = {"heart": ["right ventricle", "myocardium", "left ventricle"], "epicardium": ["left ventricle", "myocardium"]}
MEMBERS = ((RIGHT, MUSCLE, LEFT), (MUSCLE, LEFT))


def phantom(tmp_path, **options):
    options = {"subjects": 6, "slices": 3, "size": [32, 32], "batch_size": 4} | options
    data = PhantomData(cache_dir=tmp_path / "cache", **options)
    data.setup()
    return data


def unions(mask):
    """The planes of the regions, from a mask of class indices, by NumPy alone."""
    return np.stack([np.isin(mask, members) for members in MEMBERS]).astype(np.int64)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiles": "2x2"},
        {"augmentation": Augmentation([albumentations.Rotate((30, 60), p=1), albumentations.HorizontalFlip(p=0.5)])},
        {"augmentation": Augmentation(copies=[QuarterTurns(90)])},
        {"score_train": True},
    ],
    ids=["whole", "tiles", "moved", "copies", "scored"],
)
def test_items_are_the_unions_of_what_the_classes_would_be(tmp_path, options):
    plain, learned = phantom(tmp_path, **options), phantom(tmp_path, regions=REGIONS, **options)
    assert learned.splits == plain.splits
    assert learned.groups() == plain.groups()
    for split, dataset in plain.datasets.items():
        other = learned.datasets[split]
        assert other.ids == dataset.ids
        for index in range(len(dataset)):
            for key in (index, Draw(2, index)):
                one, two = dataset[key], other[key]
                assert torch.equal(one["image"], two["image"])
                assert two["mask"].dtype == torch.int64
                np.testing.assert_array_equal(two["mask"], unions(one["mask"].numpy()))


def test_what_comes_in_from_outside_is_ignored_in_every_region(tmp_path):
    data = phantom(tmp_path, regions=REGIONS, augmentation=Augmentation([ScaleCrop((0.5, 0.5))]))
    mask = data.datasets["train"][Draw(0, 0)]["mask"]
    assert torch.equal(mask[0] == 255, mask[1] == 255)
    assert 0.7 < (mask == 255).float().mean() < 0.8


def test_resident_batches_are_those_of_a_loader(tmp_path):
    dataset = phantom(tmp_path, regions=REGIONS).datasets["train"]
    tensors = ResidentTensors.of(dataset, torch.device("cpu"))
    assert tensors.target.dtype == torch.uint8
    ours, theirs = ResidentLoader(tensors, 4, 7, lambda: (1, 1)), ReplayLoader(dataset, 4, 7, lambda: (1, 1))
    for left, right in zip(ours, theirs, strict=True):
        assert left["id"] == right["id"]
        assert left["mask"].shape[1:] == (2, 32, 32)
        assert all(torch.equal(left[key], right[key]) for key in ("image", "mask"))
        assert left["mask"].dtype == right["mask"].dtype


def test_workers_see_the_regions_too(tmp_path):
    dataset = phantom(tmp_path, regions=REGIONS).datasets["train"]
    sent = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(sent[1]["mask"], dataset[1]["mask"])


def test_one_cache_serves_all_and_their_fingerprints_differ(tmp_path):
    whole = {"heart": REGIONS["heart"]}
    found = [phantom(tmp_path, regions=regions) for regions in (None, REGIONS, whole, REGIONS)]
    assert len(list((tmp_path / "cache").glob("*/manifest.json"))) == 1
    prints = [data.fingerprint for data in found]
    assert prints[1] == prints[3]
    assert len(set(prints)) == 3
    contents = [data.content for data in found]
    assert contents[1] == contents[3]
    assert len(set(contents)) == 3
    # The same names of other classes are another truth.
    other = phantom(tmp_path, regions={"heart": REGIONS["heart"], "epicardium": ["left ventricle"]})
    assert other.fingerprint not in prints


def test_what_is_told_of_the_regions(tmp_path):
    data = phantom(tmp_path, regions=REGIONS)
    assert (data.class_names, data.background, data.num_classes) == (("heart", "epicardium"), False, 2)
    assert data.tasks == (MultilabelTask,)
    truth = np.stack([data.datasets["train"][index]["mask"] for index in range(len(data.datasets["train"]))])
    np.testing.assert_array_equal(data.class_pixels, truth.sum(axis=(0, 2, 3)))
    np.testing.assert_allclose(data.class_frequencies, truth.mean(axis=(0, 2, 3)))
    assert list(data.summary()["class_frequencies"]) == ["heart", "epicardium"]
    assert (PhantomData.tasks, PhantomData.class_names[0], PhantomData.background) == (
        (SegmentationTask,),
        "background",
        True,
    )
    mask = np.array([[0, RIGHT, MUSCLE, LEFT, 255]], np.uint8)
    np.testing.assert_array_equal(data.learned_mask(mask), [[0, 1, 3, 3, 255]])


def test_regions_of_classes_that_overlap_are_their_unions(tmp_path):
    options = {"cache_dir": tmp_path, "scenes": 8, "size": [32, 32]}
    plain, learned = OverlappingData(**options), OverlappingData(regions={"round": ["disc", "ring"]}, **options)
    for data in (plain, learned):
        data.setup()
    for index in range(len(plain.datasets["train"])):
        disc, ring, _ = plain.datasets["train"][index]["mask"]
        assert torch.equal(learned.datasets["train"][index]["mask"][0], disc | ring)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"heart": ["left ventrical"]}, "data.regions.heart: no class left ventrical; did you mean left"),
        ({"heart": ["myocardium", "myocardium"]}, "data.regions.heart: lists myocardium twice; list it once"),
        ({"heart": []}, "data.regions.heart: is empty; list its classes (background, right ventricle"),
        ({"heart": "myocardium"}, "data.regions.heart=myocardium: must be a list of classes, for example [left"),
        ({"heart": {"a": 1}}, "data.regions.heart={'a': 1}: must be a list of classes"),
        ({" ": ["myocardium"]}, "data.regions: the name ' ' of a region cannot be printed; choose another"),
        ({}, "data.regions: 0 regions; use 1 to 7, or null"),
        (
            {"a": ["myocardium", "left ventricle"], "b": ["left ventricle", "myocardium"]},
            "data.regions: a and b have the same classes; remove one",
        ),
    ],
)
def test_regions_that_are_none_are_refused_in_one_line(tmp_path, regions, message):
    with pytest.raises(ConfigError) as error:
        PhantomData(cache_dir=tmp_path, regions=regions)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_more_regions_than_bits_are_refused(tmp_path):
    names = CityscapesData(cache_dir=tmp_path).class_names
    with pytest.raises(ConfigError, match=r"^data.regions: 8 regions; use 1 to 7, or null$"):
        CityscapesData(cache_dir=tmp_path, regions={name: [name] for name in names[:8]})


def test_data_with_its_own_classes_and_colours_has_regions_of_them(tmp_path):
    data = CityscapesData(cache_dir=tmp_path, labels="train_ids_void", regions={"vehicle": ["car", "bus", "void"]})
    assert (data.class_names, data.class_colours, data.background) == (("vehicle",), None, False)
    car, void = (data.stored_key.names.index(name) for name in ("car", "void"))
    np.testing.assert_array_equal(data.learned_mask(np.array([0, car, void, 255], np.uint8)), [0, 1, 1, 255])


def test_regions_are_not_made_of_objects(tmp_path):
    data = Glas128Data(cache_dir=tmp_path, regions={"tissue": ["background", "gland"]})
    assert data.column_scores() == {}
    assert "object_f1" in Glas128Data(cache_dir=tmp_path).column_scores()


def test_regions_that_no_training_pixel_is_in_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "segbench.data.phantom.draw_slice", lambda *_: (np.zeros((32, 32, 1), np.uint8), np.ones((32, 32), np.uint8))
    )
    with pytest.raises(DataError, match="no training pixel is in a region; there is nothing to learn"):
        phantom(tmp_path, regions={"muscle": ["myocardium"]})


def test_classes_that_are_named_too_late_are_noticed(tmp_path):
    class Late(PhantomData):
        def __init__(self, **options):
            super().__init__(**options)
            self.class_names = ("background", "a", "b", "c")

    late = Late(cache_dir=tmp_path, subjects=6, slices=2, size=[16, 16], regions={"b": ["myocardium"]})
    with pytest.raises(ConfigError, match=r"^data.regions: Late sets class_names after super\(\)\.__init__\(\)$"):
        late.setup()


@pytest.mark.slow
def test_the_command_line_names_regions_and_the_run_is_another(compose):
    text = "data.regions={whole heart: [left ventricle, myocardium, right ventricle], epicardium: [myocardium]}"
    cfg = compose("data=cmr", text)
    validate(cfg)
    assert OmegaConf.to_container(cfg.data.regions) == {
        "whole heart": ["left ventricle", "myocardium", "right ventricle"],
        "epicardium": ["myocardium"],
    }
    assert run_id(cfg) != run_id(compose("data=cmr"))
