"""``data.ignore``: values that count nowhere, in every data set with masks."""

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.acdc import ACDCData
from segbench.data.carvana import CarvanaData
from segbench.data.cells import CellsData
from segbench.data.cityscapes import CityscapesData
from segbench.data.cmr import CMRData
from segbench.data.ctc import CTCData
from segbench.data.glas import GlasData
from segbench.data.glas128 import Glas128Data
from segbench.data.phantom import PhantomData
from segbench.errors import ConfigError, DataError

GENERATOR = np.random.default_rng(0)
IGNORED = np.zeros((16, 16), bool)
IGNORED[2:5, 6:11] = True


def image(channels=3, dtype=np.uint8):
    shape = (16, 16, channels) if channels > 1 else (16, 16)
    return GENERATOR.integers(1, 200, shape).astype(dtype)


def labels(value, foreground=1, dtype=np.uint8, background=0):
    """Half foreground, half background, and a block of the value."""
    found = np.full((16, 16), background, dtype)
    found[8:] = foreground
    found[IGNORED] = value
    return found


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def carvana(root, value):
    for number in range(3):
        save(root / f"train/car{number}_01.jpg", image())
        save(root / f"train_masks/car{number}_01_mask.png", labels(value))
    return CarvanaData


def cmr(root, value):
    for part in ("train", "val"):
        save(root / part / "image/cmr1.png", image(1))
        save(root / part / "mask/cmr1_mask.png", labels(value))
    return CMRData


def glas128(root, value):
    for part in ("Train", "Test"):
        for number in (1, 2):
            pixels = image()
            pixels[..., 2] = 0
            save(root / part / f"image_0{number}.png", pixels)
            save(root / part / f"label_0{number}.png", labels(value, 255))
    return Glas128Data


def glas(root, value):
    rows = ["name,patient ID"]
    for number, name in enumerate(("train_1", "train_2", "testA_1")):
        save(root / f"{name}.bmp", image())
        save(root / f"{name}_anno.bmp", labels(value, 3))
        rows.append(f"{name},{number}")
    (root / "Grade.csv").write_text("\n".join(rows))
    return GlasData


def cells(root, value):
    for part in ("Train", "Val"):
        save(root / part / "Raw/a_t_1_y_1_x_1.png", image(1, np.uint16))
        save(root / part / "Seg/a_t_1_y_1_x_1.png", labels(value))
    return CellsData


def ctc(root, value):
    for sequence in ("01", "02"):
        (root / sequence).mkdir(parents=True)
        (root / f"{sequence}_GT/SEG").mkdir(parents=True)
        for number in range(3):
            tifffile.imwrite(root / sequence / f"t00{number}.tif", image(1))
            tifffile.imwrite(root / f"{sequence}_GT/SEG/man_seg00{number}.tif", labels(value, 5, np.int32))
    return CTCData


def cityscapes(root, value):
    for part, city in (("train", "aachen"), ("val", "ulm")):
        save(root / f"leftImg8bit/{part}/{city}/{city}_0_leftImg8bit.png", image())
        save(root / f"gtFine/{part}/{city}/{city}_0_gtFine_labelIds.png", labels(value, 26, background=7))
    return CityscapesData


def acdc(root, value):
    for number in (1, 2):
        folder = root / f"training/patient00{number}"
        folder.mkdir(parents=True)
        (folder / "Info.cfg").write_text("ED: 1\nES: 2\nGroup: NOR\n")
        for frame in (1, 2):
            for suffix, voxels in (("", image(1).astype(np.int16)), ("_gt", labels(value, 2, np.int16))):
                stored = nibabel.Nifti1Image(np.dstack([voxels.T] * 2), np.eye(4))
                nibabel.save(stored, folder / f"{folder.name}_frame0{frame}{suffix}.nii.gz")
    return ACDCData


OPTIONS = {"acdc": {"spacing": None}, "cityscapes": {"size": [16, 16]}, "ctc": {"boundary": 0}}
SETS = {make.__name__: make for make in (carvana, cmr, glas128, glas, cells, ctc, cityscapes, acdc)}
VALUES = {
    "carvana": (255, 7),
    "glas128": (9, 200),
    "cityscapes": (255, 99),
    "ctc": (255, 65535, -1, 70000),
    "acdc": (255, 9, -1),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), [(name, value) for name in SETS for value in VALUES.get(name, (255, 200))])
def test_the_value_counts_nowhere_in_every_data_set(tmp_path, name, value):
    make = SETS[name](tmp_path, value)
    data = make(root=str(tmp_path), cache_dir=tmp_path / "cache", ignore=value, **OPTIONS.get(name, {}))
    data.setup()
    for index in range(len(data.records)):
        mask = np.asarray(data.datasets["train"].arrays.targets[index])
        np.testing.assert_array_equal(mask == 255, IGNORED)
    assert data.class_pixels.sum() == len(data.splits["train"]) * (256 - IGNORED.sum())


@pytest.mark.parametrize("name", ["glas", "ctc"])
def test_it_is_no_object(tmp_path, name):
    make = SETS[name](tmp_path, 255)
    data = make(root=str(tmp_path), cache_dir=tmp_path / "cache", ignore=255, **OPTIONS.get(name, {}))
    data.setup()
    found = data.instances(data.records[0])
    assert not found[IGNORED].any()
    assert len(np.unique(found)) == 2


def test_phantoms_can_leave_a_class_out(tmp_path):
    data = PhantomData(cache_dir=tmp_path, subjects=4, slices=2, ignore=2)
    data.setup()
    assert data.class_pixels[2] == 0
    assert (np.asarray(data.datasets["train"].arrays.targets) == 255).any()


@pytest.mark.parametrize("name", ["carvana", "cmr", "cells", "acdc", "cityscapes"])
def test_without_it_the_value_is_refused_with_file_and_number(tmp_path, name):
    make = SETS[name](tmp_path, 99)
    with pytest.raises(DataError, match=r"labels outside the classes: 99 \(\d+ pixels\); expected"):
        make(root=str(tmp_path), cache_dir=tmp_path / "cache", **OPTIONS.get(name, {})).setup()


def test_arrays_of_another_ignored_value_are_others(tmp_path):
    carvana(tmp_path, 0)
    prints = [CarvanaData(root=str(tmp_path), cache_dir=tmp_path, ignore=value).find() for value in (None, 255, 7)]
    assert len(set(prints)) == 3


def test_colours_have_no_value_to_ignore(tmp_path):
    class Colours(CMRData):
        label_map = {(0, 0, 0): 0, (255, 0, 0): 1}  # noqa: RUF012

    Colours(cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"^data.ignore=\[255\]: cmr has colours as labels; use null$"):
        Colours(cache_dir=tmp_path, ignore=255)


@pytest.mark.slow
def test_it_can_be_typed(compose):
    from segbench.configuration.schema import validate

    for given in ("data.ignore=255", "data.ignore=[254,255]", "data.ignore=null", "data.on_duplicates=error"):
        validate(compose("data=cmr", given))
