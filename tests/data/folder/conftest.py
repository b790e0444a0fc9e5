"""Folders of images and masks whose pixels are known."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.folder.data import FolderData


def picture(number, shape=(24, 32, 3), kind=np.uint8):
    """An image that no other number has."""
    top = 256 if kind == np.uint8 else 4000
    return np.random.default_rng(number).integers(0, top, shape).astype(kind)


def drawing(number, shape=(24, 32), labels=(0, 1)):
    """A mask with all labels: rectangles that move with the number."""
    mask = np.full(shape, labels[0], np.uint8)
    for place, label in enumerate(labels[1:]):
        mask[2 + number % 5 : 9 + number % 7, 3 + 8 * place : 9 + 8 * place] = label
    return mask


def save(path, pixels, **options):
    """Write an image, a palette image if there is a palette, or a TIFF as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, pixels, **options)
        return
    palette = options.pop("palette", None)
    image = Image.fromarray(pixels.squeeze(), "P" if palette else None)
    if palette:
        image.putpalette(palette)
    image.save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Make a data module of the files below a folder of the test."""

    def made(**options):
        settings = {"root": str(tmp_path / "own"), "cache_dir": tmp_path / "cache", "size": None, "val_fraction": 0.25}
        return FolderData(**(settings | options))

    return made


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


def read(data):
    """Read a data module's records: id to image and mask as stored."""
    data.inspect()
    data.find()
    return {record.id: data.read(record) for record in data.records}


NUMBERS = range(1, 9)


def pairs(own, image, mask, numbers=NUMBERS, shape=(24, 32, 3), kind=np.uint8, labels=(0, 1), **options):
    """Write images and masks under names with {} for a number; return their pixels by number."""
    written = {}
    for number in numbers:
        written[number] = picture(number, shape, kind), drawing(number, shape[:2], labels)
        save(own / image.format(number), written[number][0])
        save(own / mask.format(number), written[number][1], **options)
    return written


def same(found, written, name="{}", classes=None):
    """Hold what was read against what was written."""
    assert len(found) == len(written)
    for number, (image, mask) in written.items():
        stored, target = found[name.format(number)]
        assert np.array_equal(stored, image.reshape(*image.shape[:2], -1))
        assert np.array_equal(target, mask if classes is None else classes[mask])


CLASSES = np.full(256, 255, np.uint8)
CLASSES[[0, 1]] = 0, 1
