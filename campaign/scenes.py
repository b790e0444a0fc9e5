"""Small data sets in the layouts of the real ones, generated: boxes on dark noise."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

SIZE = (24, 32)
Array = NDArray[Any]


def scene(seed: int, size: tuple[int, int] = SIZE) -> tuple[Array, Array]:
    """Return an image, uint8 (H,W,3), and its mask of 0 and 1, uint8 (H,W)."""
    chance = np.random.default_rng(seed)
    mask = np.zeros(size, np.uint8)
    top, left = chance.integers(2, 10, 2)
    mask[top : top + 10, left : left + 14] = 1
    image = chance.integers(0, 60, (*size, 3)).astype(np.uint8)
    image[mask == 1] += np.uint8(120)
    return image, mask


def save(path: Path, pixels: Array, **options: Any) -> None:
    """Save pixels with Pillow, or a TIFF with tifffile; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        Image.fromarray(pixels).save(path, **options)


def carvana(folder: Path) -> None:
    """Six cars of two views: JPEG photographs, GIF masks whose palette is black and white."""
    for car in range(6):
        for view in (1, 2):
            image, mask = scene(10 * car + view)
            save(folder / f"carvana/train/car{car}_{view:02d}.jpg", image, quality=95)
            drawn = Image.fromarray(mask, mode="P")
            drawn.putpalette([0, 0, 0, 255, 255, 255])
            (folder / "carvana/train_masks").mkdir(exist_ok=True)
            drawn.save(folder / f"carvana/train_masks/car{car}_{view:02d}_mask.gif")


def cmr(folder: Path) -> None:
    """Four training and two validation images, 8-bit grey, three classes."""
    for part, numbers in (("train", range(1, 5)), ("val", range(5, 7))):
        for number in numbers:
            image, mask = scene(number)
            mask[mask == 1] = 1 + number % 3
            save(folder / f"cmr/{part}/image/cmr{number}.png", image[..., 0])
            save(folder / f"cmr/{part}/mask/cmr{number}_mask.png", mask)


def glas(folder: Path) -> None:
    """Four training and two test images of six patients, with two glands each."""
    rows = ["name, patient ID"]
    for number, name in enumerate(("train_1", "train_2", "train_3", "train_4", "testA_1", "testA_2"), start=1):
        image, mask = scene(number)
        mask[-4:, -4:] = 2
        save(folder / f"glas/{name}.bmp", image)
        save(folder / f"glas/{name}_anno.bmp", mask)
        rows.append(f"{name}, {number}")
    (folder / "glas/Grade.csv").write_text("\r".join(rows) + "\r")


def glas128(folder: Path) -> None:
    """Six training and two test images of two stains."""
    for part, count in (("Train", 6), ("Test", 2)):
        for number in range(1, count + 1):
            image, mask = scene(number + count)
            image[..., 2] = 0
            save(folder / f"glas128/{part}/image_{number:02d}.png", image)
            save(folder / f"glas128/{part}/label_{number:02d}.png", mask * np.uint8(255))


def cells(folder: Path) -> None:
    """Four training and two validation frames, 16-bit grey, cells and their rims."""
    for part, frames in (("Train", (1, 2, 6, 15)), ("Val", (4, 40))):
        for frame in frames:
            image, mask = scene(frame)
            mask[:, 20:21][mask[:, 20:21] == 1] = 2
            name = f"Alon_Lab_H1299_t_{frame}_y_1_x_1.png"
            save(folder / f"cells/{part}/Raw/{name}", image[..., 0].astype(np.uint16) * 9)
            save(folder / f"cells/{part}/Seg/{name}", mask)


def ctc(folder: Path) -> None:
    """Two sequences of six frames, 8-bit grey TIFF, with 16-bit object numbers."""
    for sequence in ("01", "02"):
        for frame in range(6):
            image, mask = scene(frame + 10 * int(sequence))
            numbers = mask.astype(np.uint16) * 300
            numbers[-4:, -4:] = 7
            save(folder / f"ctc/DIC-C2DH-HeLa/{sequence}/t{frame:03d}.tif", image[..., 0])
            save(folder / f"ctc/DIC-C2DH-HeLa/{sequence}_GT/SEG/man_seg{frame:03d}.tif", numbers)


def cityscapes(folder: Path) -> None:
    """Three training frames of two cities and one to validate, every id among them."""
    for seed, frame in enumerate(("train/aachen/a_0", "train/aachen/a_1", "train/bochum/b_0", "val/munster/m_0")):
        chance = np.random.default_rng(seed)
        ids = np.kron(chance.permutation(np.arange(128) % 34).reshape(8, 16), np.ones((4, 4))).astype(np.uint8)
        save(folder / f"cityscapes/leftImg8bit/{frame}_leftImg8bit.png", chance.integers(0, 255, (32, 64, 3), np.uint8))
        save(folder / f"cityscapes/gtFine/{frame}_gtFine_labelIds.png", ids)


def acdc(folder: Path) -> None:
    """Two patients of each of two diagnoses to train on and one to test, two phases of three slices."""
    for number, (part, group) in enumerate([("training", "NOR")] * 2 + [("training", "DCM")] * 2 + [("testing", "RV")]):
        name = f"patient{number + 1:03d}"
        place = folder / "acdc" / part / name
        place.mkdir(parents=True)
        (place / "Info.cfg").write_text(f"ED: 1\nES: 2\nGroup: {group}\n")
        for frame in (1, 2):
            voxels, label = volume(10 * number + frame)
            write_nifti(place / f"{name}_frame{frame:02d}.nii.gz", voxels)
            write_nifti(place / f"{name}_frame{frame:02d}_gt.nii.gz", label)


def volume(seed: int, shape: tuple[int, int, int] = (26, 22, 3)) -> tuple[Array, Array]:
    """Return the voxels of a volume, int16 (X,Y,Z), and their labels of 0 to 3, uint8."""
    label = np.zeros(shape, np.uint8)
    label[6:20, 5:17], label[9:17, 8:14], label[11:14, 9:12] = 1, 2, 3
    noise = np.random.default_rng(seed).integers(0, 60, shape)
    return (noise + 100 * label).astype(np.int16), label


def write_nifti(path: Path, voxels: Array, unit: str = "mm", scale: float = 1.0) -> None:
    """Write a volume of 1.5 x 1.5 x 8 mm, in another unit if that is asked for."""
    found = nibabel.Nifti1Image(voxels, np.diag([-1.5 * scale, -1.5 * scale, 8 * scale, 1]))
    found.header.set_xyzt_units(unit)
    nibabel.save(found, path)


def mnist(folder: Path) -> None:
    """Sixty training and twenty test digits, each as bright as its digit."""
    (folder / "mnist").mkdir()
    for part, count in (("train", 60), ("t10k", 20)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.broadcast_to(labels[:, None, None] * 20, (count, 28, 28)).astype(np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / f"mnist/{part}-{name}-ubyte.gz").write_bytes(idx(values))


def idx(values: Array) -> bytes:
    """Return a file in MNIST's format."""
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(head + values.tobytes(), mtime=0)


def images(folder: Path) -> None:
    """Two photographs to predict."""
    for number in range(2):
        save(folder / f"images/photo{number}.png", scene(number)[0])


def volumes(folder: Path) -> None:
    """A volume to predict."""
    (folder / "volumes").mkdir()
    write_nifti(folder / "volumes/heart.nii.gz", volume(1)[0])


SCENES: dict[str, Callable[[Path], None]] = {
    scene.__name__: scene
    for scene in (carvana, cmr, glas, glas128, cells, ctc, cityscapes, acdc, mnist, images, volumes)
}
