"""One pass over all files before a network is built: sizes, channels, the values of the masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from segbench.data import nifti
from segbench.data.folder.samples import Sample
from segbench.data.folder.sources import POLYGONS
from segbench.data.formats.mask_file import MaskFile
from segbench.data.formats.volume_file import open_volume
from segbench.data.grids import check_same_size, check_same_turn
from segbench.data.pages import Pages, as_one_image, is_volume, read_pages
from segbench.data.records import raise_faults, unreadable
from segbench.errors import DataError
from segbench.runs.files import read_json, write_json

# Increment when what is seen of a file changes.
_VERSION = 1
# Distinct values or colours of one mask that are kept.
MOST_VALUES = 300
_BLACK_AND_WHITE = {(0, 0, 0), (255, 255, 255)}
_THREADS = 2
# From a mask file, its image and that one's height and width.
ReadMasks = Callable[[Path, Path, tuple[int, int]], list[MaskFile]]


@dataclass(frozen=True)
class Seen:
    """What was seen of an image file and its masks; plain values.

    Attributes:
        size: Height and width.
        pages: Number of images in the file.
        channels: Of the image; the pages of a stack whose mask has a single page.
        third: Whether the third of three channels is empty.
        colours: Whether three channels are red, green and blue.
        white: The value of white; None where there is none.
        spacing: Size of a voxel in mm along (Z,H,W); None for other files than volumes.
        values: For each page and each of its masks (one for each overlapping class) the stored values, ascending;
            colours as lists of three.
        palette: Whether the masks have palettes: ``black and white``, ``colours`` or none.
        palette_colours: The colours of the palettes that occur.
        hashes: For each page the image's perceptual hash.
    """

    size: tuple[int, int]
    pages: int
    channels: int
    third: bool
    colours: bool
    white: int | None
    spacing: tuple[float, float, float] | None
    values: list[list[list[Any]]]
    palette: str | None
    palette_colours: list[list[int]]
    hashes: list[str]


def inspect(
    samples: Sequence[Sample], read_masks: ReadMasks, cache_dir: Path, place: str, variant: str = ""
) -> list[Seen]:
    """Read every file once, with a progress bar; a second time, what was seen is taken from the cache.

    Args:
        samples: The image files with their masks.
        read_masks: Reads the masks of a mask file, given also its image's path, height and width.
        cache_dir: Folder of all caches.
        place: The key that names the data, with its value, for messages.
        variant: What reading masks depends on besides the files.

    Returns:
        In the order of the samples.

    Raises:
        DataError: Listing every unusable file.
    """
    path = cache_dir / f"{_digest(samples, variant)}.seen.json"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            known = _load(path, len(samples))
            if known is None:
                known = _look(samples, read_masks, place)
                write_json(path, {"seen": [asdict(seen) for seen in known]})
            return known
    except OSError:
        # The folder of outputs cannot be written: that is said where it matters.
        return _look(samples, read_masks, place)


def _load(path: Path, count: int) -> list[Seen] | None:
    stored = read_json(path) or {}
    try:
        found = [Seen(**{**item, "size": tuple(item["size"])}) for item in stored["seen"]]
    except (TypeError, KeyError):
        return None
    return found if len(found) == count else None


def _digest(samples: Sequence[Sample], variant: str) -> str:
    digest = hashlib.blake2b(f"{_VERSION}{variant}".encode(), digest_size=16)
    for sample in samples:
        digest.update(f"\n{sample.id}".encode())
        for path in (sample.image, *sample.masks):
            stat = path.stat()
            digest.update(f"\t{path}\t{stat.st_size}\t{stat.st_mtime_ns}".encode())
    return digest.hexdigest()


def _look(samples: Sequence[Sample], read_masks: ReadMasks, place: str) -> list[Seen]:
    faults: list[str] = []

    def look(sample: Sample) -> Seen | None:
        try:
            return _seen(sample, read_masks)
        except DataError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(unreadable(error, sample.image))
        return None

    console = Console(stderr=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(
            track(
                pool.map(look, samples),
                "looking at the images",
                total=len(samples),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
        )
    raise_faults(sorted(set(faults)), place)
    return [seen for seen in found if seen is not None]


def _seen(sample: Sample, read_masks: ReadMasks) -> Seen:
    pages = read_pages(sample.image)
    own = (pages.pixels.shape[1], pages.pixels.shape[2])
    masks = [read_masks(path, sample.image, own) for path in sample.masks]
    pages = fitting(pages, len(masks[0]))
    for path, parts in zip(sample.masks, masks, strict=True):
        if len(parts) != len(pages.pixels):
            raise DataError(f"{path}: {len(parts)} masks for {len(pages.pixels)} images in {sample.image.name}")
    _check_grid(sample, own, [part for parts in masks for part in parts])
    values = [[distinct(parts[page]) for parts in masks] for page in range(len(pages.pixels))]
    height, width, channels = pages.pixels.shape[1:]
    return Seen(
        (height, width),
        len(pages.pixels),
        channels,
        channels == 3 and not pages.pixels[..., 2].any(),
        pages.colours,
        pages.white,
        pages.spacing,
        values,
        *_palette([mask for parts in masks for mask in parts]),
        [difference_hash(part) for part in pages.pixels],
    )


def _check_grid(sample: Sample, size: tuple[int, int], masks: Sequence[MaskFile]) -> None:
    """Check that masks are on their image's grid.

    Raises:
        DataError: If they are not.
    """
    if is_volume(sample.image):
        for path in sample.masks:
            nifti.check_same_grid(open_volume(sample.image), open_volume(path))
        return
    for mask in masks:
        check_same_size(size, mask.values.shape[:2], mask.path)
        if not mask.path.name.lower().endswith(POLYGONS):
            check_same_turn(size, sample.image, mask.path)


def fitting(pages: Pages, masks: int) -> Pages:
    """Return the pages of a stack as images if there is a mask for each, or as channels if there is one for all."""
    return as_one_image(pages) if masks == 1 else pages


def distinct(mask: MaskFile) -> list[Any]:
    """Return the distinct values of a mask, ascending, or its colours as lists; at most :data:`MOST_VALUES`."""
    values = mask.values
    if values.ndim == 3:
        codes = values.astype(np.int64) @ np.array([1 << 32, 1 << 16, 1])
        found = [[int(code) >> 32, int(code) >> 16 & 0xFFFF, int(code) & 0xFFFF] for code in np.unique(codes)]
        return found[:MOST_VALUES]
    if values.dtype == np.uint8:
        # Several times faster than NumPy, for bytes.
        counts = np.asarray(cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], [0, 256])).ravel()
        return [int(value) for value in np.flatnonzero(counts)]
    if values.dtype == np.uint16:
        return [int(value) for value in np.flatnonzero(np.bincount(values.ravel()))[:MOST_VALUES]]
    return [int(value) for value in np.unique(values)[:MOST_VALUES]]


def _palette(masks: Sequence[MaskFile]) -> tuple[str | None, list[list[int]]]:
    """Return the kind of the palettes of masks, and their colours that occur."""
    palettes = [mask for mask in masks if mask.palette is not None]
    colours = sorted({tuple(colour) for mask in palettes for colour in _used(mask)})
    kind = "black and white" if set(colours) <= _BLACK_AND_WHITE else "colours"
    return (kind if palettes else None), [list(colour) for colour in colours]


def _used(mask: MaskFile) -> list[list[int]]:
    assert mask.palette is not None
    indices = [index for index in distinct(mask) if index < len(mask.palette)]
    return [[int(part) for part in mask.palette[index]] for index in indices]


def difference_hash(pixels: NDArray[Any]) -> str:
    """Return 256 bits, as hexadecimal digits, that say where an image's (H,W,C) brightness falls from left to right.

    On a grid of 17x16 means, after N. Krawetz, Kind of Like That (hackerfactor.com, 2013); near copies differ in few.
    """
    plain = pixels if pixels.dtype in (np.uint8, np.uint16, np.float32) else pixels.astype(np.float32)
    first = np.ascontiguousarray(plain[..., : min(4, plain.shape[2])])
    small = (
        np.asarray(cv2.resize(first, (17, 16), interpolation=cv2.INTER_AREA), np.float32).reshape(16, 17, -1).mean(2)
    )
    return np.packbits(small[:, 1:] < small[:, :-1]).tobytes().hex()
