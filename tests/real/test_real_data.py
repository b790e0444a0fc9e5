"""The real files, as they come from their owners."""

import numpy as np
import pytest
from PIL import Image

from segbench.data.acdc import GROUPS, ACDCData
from segbench.data.carvana import CarvanaData
from segbench.data.cmr import CMRData
from segbench.data.glas128 import Glas128Data


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
    share = carvana.datasets["train"].arrays.masks[0].mean()
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
