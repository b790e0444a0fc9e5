"""The real files, as they come from their owners."""

import numpy as np
import pytest
from PIL import Image

from segbench.data.acdc import ACDCData
from segbench.data.acdc_patients import GROUPS
from segbench.data.carvana import CarvanaData
from segbench.data.cells import CellsData
from segbench.data.cmr import CMRData
from segbench.data.glas import GlasData
from segbench.data.glas128 import Glas128Data
from segbench.data.stains import measure_stains, stain_channels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def carvana(real_data, tmp_path_factory):
    module = CarvanaData(root=str(real_data / "carvana"), size=[56, 56], cache_dir=tmp_path_factory.mktemp("cache"))
    module.setup()
    return module


def test_carvana_pairs_and_groups(carvana):
    assert len(carvana.records) == 192
    assert {len([r for r in carvana.records if r.group == group]) for group in {r.group for r in carvana.records}} == {
        16
    }
    assert carvana.summary()["groups"] == {"train": 10, "val": 1, "test": 1}


def test_carvana_masks_are_their_palette_indices(carvana):
    record = carvana.records[0]
    stored = np.asarray(Image.open(record.mask))
    assert Image.open(record.mask).mode == "P"
    share = carvana.datasets["train"].arrays.targets[0].mean()
    assert share == pytest.approx(stored.mean(), abs=0.005)
    assert 0.08 < share < 0.28


def test_cmr_class_frequencies_are_the_report_s(real_data, tmp_path):
    module = CMRData(root=str(real_data / "cmr"), size=[96, 96], cache_dir=tmp_path)
    module.setup()
    assert module.summary()["images"] == {"train": 100, "val": 20}
    assert module.class_frequencies * 100 == pytest.approx([82.35, 5.30, 6.08, 6.27], abs=0.005)
    resplit = CMRData(root=str(real_data / "cmr"), size=[96, 96], cache_dir=tmp_path, split="resplit")
    resplit.setup()
    assert resplit.summary()["images"] == {"train": 96, "val": 12, "test": 12}


def test_acdc_patients_frames_and_grids(real_data, tmp_path):
    module = ACDCData(root=str(real_data / "acdc"), size=[160, 160], cache_dir=tmp_path)
    module.setup()
    assert module.summary()["groups"] == {"train": 15, "val": 5, "test": 5}
    assert {patient.group for name, patient in module.patients.items() if name > "patient100"} == set(GROUPS)
    # Not every ED frame is the first; the 4-D cine of the same patient is no image.
    assert module.patients["patient090"].frames == {"ED": 4, "ES": 11}
    assert module.volumes["patient090/ED"][0].path.name == "patient090_frame04.nii.gz"
    assert len(module.volumes) == 50
    # What resampling and cropping lose, at most: the labels of every volume come back nearly as they were.
    for split in ("train", "val", "test"):
        for volume in module.volume_slices(split):
            masks = [module.datasets[split][position]["mask"].numpy() for position in volume.positions]
            onehot = np.eye(4, dtype=np.float32)[np.where(np.stack(masks) == 255, 0, masks)].transpose(0, 3, 1, 2)
            restored = np.stack([volume.plane.restore(part) for part in onehot]).argmax(axis=1)
            truth = volume.truth()
            for label in (1, 2, 3):
                overlap = ((restored == label) & (truth == label)).sum()
                assert 2 * overlap / ((restored == label).sum() + (truth == label).sum()) > 0.93, volume.id


def test_glas128_is_the_course_s_split(real_data, tmp_path):
    module = Glas128Data(root=str(real_data / "glas128"), size=[128, 128], cache_dir=tmp_path)
    module.setup()
    assert module.summary()["images"] == {"train": 68, "val": 17, "test": 60}
    assert module.datasets["test"][0]["image"].shape == (2, 128, 128)
    assert 0.3 < module.class_frequencies[1] < 0.7


def test_glas_has_16_patients_and_most_are_on_both_sides_of_the_official_split(real_data, tmp_path, caplog):
    module = GlasData(root=str(real_data / "glas"), size=[64, 96], cache_dir=tmp_path)
    module.setup()
    images = module.summary()["images"]
    assert images["train"] + images["val"] == 36
    assert images["test"] == 28
    assert "has 64 of the 165 images in Grade.csv" in caplog.text
    assert "are in both train and test; data.split=patient keeps them apart" in caplog.text
    assert {record.id: record.group for record in module.records}["testA_1"] == "4"
    for record in module.records[::9]:
        assert module.instances(record).max() == len(np.unique(np.asarray(Image.open(record.mask)))) - 1
    parted = GlasData(root=str(real_data / "glas"), size=[64, 96], cache_dir=tmp_path, split="patient")
    parted.setup()
    groups = [{parted.records[index].group for index in chosen} for chosen in parted.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_glas128_is_glas_with_its_stains_unmixed(real_data):
    """The ranges that glas128 was made with, 0 to 0.0908 and 0 to 0.1078, are of all 85 training images; here are 36."""

    def small(path):
        return np.asarray(Image.open(path).resize((128, 128), Image.Resampling.BILINEAR))

    ranges = measure_stains(small(path) for path in sorted((real_data / "glas").glob("train_*[0-9].bmp")))
    assert ranges[:, 0] == pytest.approx([0, 0], abs=1e-3)
    assert ranges[:, 1] == pytest.approx([0.0908, 0.1078], rel=0.15)
    image = small(real_data / "glas" / "testA_1.bmp")
    ours = stain_channels(image, [[0, 0.0908], [0, 0.1078]]).astype(int)
    theirs = np.asarray(Image.open(real_data / "glas128" / "Test" / "image_01.png"))[..., :2].astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_cells_are_11_and_4_frames_of_16_bits_with_about_54_cells(real_data, tmp_path):
    module = CellsData(root=str(real_data / "cells"), cache_dir=tmp_path)
    module.setup()
    assert module.summary()["images"] == {"train": 11, "val": 4}
    assert module.class_frequencies * 100 == pytest.approx([94.69, 4.04, 1.28], abs=0.005)
    numbers = [int(record.id.removeprefix("Train/t_")) for record in module.records[:11]]
    assert numbers == [1, 2, 6, 15, 20, 25, 30, 35, 50, 65, 70]
    assert 50 < np.mean([module.instances(record).max() for record in module.records]) < 58
    for record in module.records:
        # An 8-bit reader would leave 7 values at most.
        assert 900 < np.asarray(Image.open(record.image)).max() < 1700
        image, mask = module.read(record)
        assert len(np.unique(image)) > 500
        assert np.median(image[mask == 1]) > 5 * np.median(image[mask == 0])
