"""Bad data: every fault is one line that names the file, and all faults come at once."""

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segbench.data.carvana import CarvanaData
from segbench.data.cmr import CMRData
from segbench.data.records import grouped_by_reason, raise_faults
from segbench.errors import DataError


def faults_of(module):
    with pytest.raises(DataError) as refusal:
        module.setup()
    return str(refusal.value)


def mask_of(folder, name="car0_01"):
    return folder / "train_masks" / f"{name}_mask.gif"


def image_of(folder, name="car0_01"):
    return folder / "train" / f"{name}.jpg"


def resave_mask(folder, array, suffix=".png", **options):
    mask_of(folder).unlink()
    Image.fromarray(array).save(mask_of(folder).with_suffix(suffix), **options)


GOOD = np.zeros((40, 60), np.uint8)
GOOD[10:30, 10:40] = 1


def truncate(path):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])


CASES = {
    "image without mask": (lambda f: mask_of(f).unlink(), "car0_01.jpg: image without mask"),
    "mask without image": (lambda f: image_of(f).unlink(), "car0_01_mask.gif: mask without image"),
    "truncated JPEG": (lambda f: truncate(image_of(f)), "car0_01.jpg: damaged"),
    "truncated GIF": (lambda f: truncate(mask_of(f)), "car0_01_mask.gif: damaged"),
    "empty file": (lambda f: image_of(f).write_bytes(b""), "car0_01.jpg: empty file"),
    "web page": (lambda f: image_of(f).write_text("<!DOCTYPE html><html>"), "car0_01.jpg: not an image but a web page"),
    "mask of another size": (
        lambda f: resave_mask(f, GOOD[:20]),
        "car0_01_mask.png: mask is 60x20, its image 60x40",
    ),
    "mask turned": (lambda f: resave_mask(f, GOOD.T.copy()), "width and height swapped"),
    "label outside the classes": (
        lambda f: resave_mask(f, GOOD * 7),
        "car0_01_mask.png: labels outside the classes: 7 (600 pixels); expected 0, 1, 255",
    ),
    "16-bit mask that 8 bits would wrap to a class": (
        lambda f: resave_mask(f, GOOD.astype(np.uint16) * 257),
        "car0_01_mask.png: labels outside the classes: 257 (600 pixels)",
    ),
    "JPEG mask": (lambda f: resave_mask(f, GOOD * 255, ".jpg"), "car0_01_mask.jpg: lossy mask"),
    "colour mask": (lambda f: resave_mask(f, np.stack([GOOD] * 3, -1)), "car0_01_mask.png: RGB mask"),
    "16-bit image": (
        lambda f: Image.fromarray(GOOD.astype(np.uint16)).save(image_of(f), format="PNG"),
        "car0_01.jpg: 16-bit grey image; this data set reads 8-bit images",
    ),
    "two images of one name": (
        lambda f: shutil.copy(image_of(f), image_of(f).with_suffix(".jpeg")),
        "car0_01.jpeg and car0_01.jpg are both car0_01",
    ),
    "16-bit colour image": (
        lambda f: image_of(f).write_bytes(cv2.imencode(".png", np.full((40, 60, 3), 4660, np.uint16))[1].tobytes()),
        "car0_01.jpg: 16-bit RGB image; this data set reads 8-bit images",
    ),
    "broken link": (
        lambda f: (image_of(f).unlink(), image_of(f).symlink_to(f / "gone.jpg")),
        "car0_01.jpg: not a file (a folder or a broken link)",
    ),
    "animation": (
        lambda f: Image.new("L", (60, 40)).save(
            mask_of(f), save_all=True, append_images=[Image.new("L", (60, 40), 1)], duration=1
        ),
        "car0_01_mask.gif: 2 frames",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_named_in_one_line(carvana_folder, carvana, case):
    spoil, expected = CASES[case]
    spoil(carvana_folder)
    message = faults_of(carvana())
    assert expected in message
    assert len([line for line in message.splitlines() if "car0_01" in line]) == 1
    assert str(carvana_folder) in message.splitlines()[0]


def test_all_faults_are_listed_at_once_and_nothing_is_cached(carvana_folder, carvana, tmp_path):
    truncate(image_of(carvana_folder, "car1_01"))
    truncate(mask_of(carvana_folder, "car2_01"))
    image_of(carvana_folder, "car3_02").write_bytes(b"")
    message = faults_of(carvana())
    assert "3 files cannot be used" in message
    assert [name in message for name in ("car1_01.jpg", "car2_01_mask.gif", "car3_02.jpg")] == [True] * 3
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_long_list_is_cut_with_the_rest_counted(carvana_folder, carvana):
    for path in [*(carvana_folder / "train").iterdir(), *(carvana_folder / "train_masks").iterdir()]:
        path.write_bytes(b"")
    for extra in range(12):
        Image.fromarray(GOOD).save(carvana_folder / "train" / f"extra{extra:02d}_01.jpg")
    for extra in range(12):
        resaved = Image.fromarray(GOOD)
        resaved.save(carvana_folder / "train_masks" / f"other{extra:02d}_01_mask.gif")
    message = faults_of(carvana())
    assert "24 files cannot be used" in message
    assert "12 files (extra00_01.jpg, extra01_01.jpg, extra02_01.jpg and 9 others): image without mask" in message
    assert "12 files (other00_01_mask.gif, other01_01_mask.gif, other02_01_mask.gif and 9 others): mask" in message
    assert len(message.splitlines()) == 3
    with pytest.raises(DataError, match=r"24 files cannot be used(?s:.*)\.\.\. and 4 more$"):
        raise_faults([f"a{number}.png: reason {number + 100}" for number in range(24)], "data.root=x")


def test_files_of_one_reason_are_one_line():
    lossy = [f"set/masks/a{number}.jpg: lossy mask; save masks as PNG" for number in range(12)]
    expected = [f"set/images/b{number}.png: image without mask (expected b{number}_gt)" for number in range(4)]
    others = ["set/masks/c.png: mask is 24x32, its image 32x24", "no colon", *lossy[:3]]
    assert grouped_by_reason([*lossy, *expected, others[0], others[1]]) == [
        "set/masks: 12 files (a0.jpg, a1.jpg, a2.jpg and 9 others): lossy mask; save masks as PNG",
        "set/images: 4 files (b0.png, b1.png, b2.png and b3.png): image without mask (expected *_gt)",
        *others[:2],
    ]
    assert grouped_by_reason(others) == others
    apart = ["x/1/a.png: empty", "x/2/a.png: empty", "x/2/b.png: empty", "x/c.png: empty"]
    assert grouped_by_reason(apart) == ["x: 4 files (1/a.png, 2/a.png, 2/b.png and c.png): empty"]


def test_a_missing_root_says_how_to_get_the_data(carvana, tmp_path):
    message = faults_of(carvana(root=str(tmp_path / "nowhere")))
    assert str(tmp_path / "nowhere") in message
    assert message.count("kaggle competitions download") == 2
    assert "\n" not in message


def test_an_empty_folder_says_what_is_expected(carvana_folder, carvana):
    shutil.rmtree(carvana_folder / "train")
    (carvana_folder / "train").mkdir()
    assert "no images found; expected <car>_<view>.jpg" in faults_of(carvana())


def test_a_folder_without_photographs_is_named(carvana_folder, carvana):
    shutil.rmtree(carvana_folder / "train")
    assert "no folder train_hq or train" in faults_of(carvana())


def test_a_missing_mask_folder_says_how_to_get_it(carvana_folder, carvana):
    shutil.rmtree(carvana_folder / "train_masks")
    message = faults_of(carvana())
    assert "train_masks" in message
    assert "kaggle competitions download" in message


def test_masks_that_are_background_everywhere_are_refused(carvana_folder, carvana):
    for path in (carvana_folder / "train_masks").iterdir():
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(path)
    assert "background only" in faults_of(carvana())


def test_too_few_groups_for_three_parts(carvana_folder, carvana):
    for car in range(2, 6):
        for view in (1, 2):
            image_of(carvana_folder, f"car{car}_{view:02d}").unlink()
            mask_of(carvana_folder, f"car{car}_{view:02d}").unlink()
    assert "2 groups cannot be split into 3 parts" in faults_of(carvana())


def test_cmr_without_data(tmp_path):
    module = CMRData(root=str(tmp_path / "none"), cache_dir=tmp_path)
    assert "data.root=" in faults_of(module)


def test_a_file_that_vanishes_after_it_was_listed_is_bad_data(carvana_folder, carvana, monkeypatch):
    find = CarvanaData.find_records

    def found_then_lost(self):
        found = find(self)
        image_of(carvana_folder).unlink()
        return found

    monkeypatch.setattr(CarvanaData, "find_records", found_then_lost)
    assert f"{image_of(carvana_folder)}: cannot be read (No such file or directory)" in faults_of(carvana())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_file_that_cannot_be_read_is_bad_data_and_not_a_bad_cache(
    carvana_folder, carvana, monkeypatch, caplog, number
):
    path_open = Path.open

    def refused(path, *arguments, **options):
        if path == image_of(carvana_folder):
            raise OSError(number, os.strerror(number), str(path))
        return path_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    message = faults_of(carvana())
    assert f"{image_of(carvana_folder)}: cannot be read ({os.strerror(number)})" in message
    assert "damaged" not in message
    assert "cache" not in caplog.text


def test_what_a_data_sets_own_reader_cannot_read_is_listed_with_the_rest(carvana_folder, carvana, monkeypatch):
    read = CarvanaData.read

    def broken(self, record):
        if record.id.startswith("car0"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(self, record)

    monkeypatch.setattr(CarvanaData, "read", broken)
    message = faults_of(carvana())
    assert "2 files cannot be used" in message
    assert f"{image_of(carvana_folder)}: cannot be read (Input/output error)" in message


def test_a_folder_that_cannot_be_listed_is_bad_data(carvana_folder, carvana, monkeypatch):
    def refused(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert f"{carvana_folder / 'train'}: cannot be read (Permission denied)" in faults_of(carvana())
