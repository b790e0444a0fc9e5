"""The files that a predicted image becomes: masks, labelled objects, probabilities, an overlay."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segbench.data.nifti import encode_like
from segbench.data.pictures import Picture
from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.pictures.panels import as_picture, class_colour, overlay
from segbench.prediction.areas import area_rows, label_objects, write_areas
from segbench.predictor import Predicting
from segbench.runs.files import MAX_NAME, atomic_open, shortened, write_json

# Bytes of a class's name in those of its masks.
_LONGEST_ENDING = 80
_LARGEST = np.iinfo(np.uint16).max
# Runs of equal bytes are what label images consist of, and what a row of a photograph minus its neighbours has: looking
# for runs alone takes under half of the time of zlib's search and leaves smaller files (benchmarks/prediction.py).
_PNG: dict[str, Any] = {"format": "PNG", "compress_type": zlib.Z_RLE}


@dataclass(frozen=True)
class Wanted:
    """What is written besides masks and areas.

    Attributes:
        masks: ``stored``: the values or colours that the training masks store, where the run says which; ``indices``:
            class indices.
        probabilities: Whether to write the probability of every class.
    """

    masks: Literal["stored", "indices"] = "stored"
    probabilities: bool = False


@dataclass(frozen=True)
class Written:
    """What an image has become.

    Attributes:
        masks: The files of its masks.
        areas: Its rows in the table of areas.
    """

    masks: list[Path]
    areas: list[tuple[str, ...]]


@dataclass
class Results:
    """Writes the results of images into ``masks``, ``objects``, ``probabilities`` and ``overlays``.

    Attributes:
        out: The folder of these folders.
        network: What predicts, which knows what its classes mean.
        wanted: What is written.
        overlays: Whether to draw the classes over the images.
        written: The masks of the images that were taken (:meth:`take`).
        images: How many these are.
        areas: Their rows in the table of areas.
    """

    out: Path
    network: Predicting
    wanted: Wanted
    overlays: bool = True
    written: list[Path] = field(default_factory=list)
    images: int = 0
    areas: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def key(self) -> MaskKey:
        """How to read the masks that are predicted."""
        return self.network.key

    @cached_property
    def endings(self) -> list[str]:
        """What follows an image's name in those of its masks, all different: nothing, or ``_left_ventricle``."""
        if not self.key.form.overlapping:
            return [""]
        names = self.key.names
        plain = [shortened("_" + re.sub(r"[^\w.-]+", "_", name), MAX_NAME - _LONGEST_ENDING) for name in names]
        return [f"{ending}_{index}" if plain.count(ending) > 1 else ending for index, ending in enumerate(plain)]

    @cached_property
    def stored(self) -> tuple[int | str, ...] | None:
        """What masks hold of each class, values or colours, where that is not its index."""
        return self.network.stored if self.wanted.masks == "stored" else None

    @property
    def kinds(self) -> list[str]:
        """The folders of what is written."""
        asked = {"objects": self.network.objects, "probabilities": self.wanted.probabilities, "overlays": self.overlays}
        return ["masks", *(kind for kind, wanted in asked.items() if wanted)]

    @property
    def legend(self) -> str:
        """What masks hold, in words."""
        if self.key.form.overlapping:
            return "masks: one a class; 1 inside it, 0 outside"
        values = self.stored or range(len(self.key.names))
        shown = [f"{value} {name}" for value, name in zip(values, self.key.names, strict=True)]
        return f"masks: {', '.join(shown) if len(shown) <= 8 else f'{len(shown)} classes, see classes.json'}"

    def write(
        self,
        image: Path,
        name: Path,
        mask: NDArray[np.uint8],
        probabilities: NDArray[np.float32] | None,
        picture: Picture,
    ) -> Written:
        """Write what an image becomes; several threads may, each an image of its own.

        Args:
            image: What the table of areas calls it.
            name: The path of its results below the folder of their kind, without suffix.
            mask: Its mask (Z,H,W), as the key reads it.
            probabilities: Of all classes (Z,K,H,W), where they are wanted.
            picture: The image.
        """
        masks = list[Path]()
        for layer, ending in zip(self.key.layers(mask), self.endings, strict=True):
            values = self._held(layer.mask, picture)
            masks.append(self._write_labels("masks", name, ending, values, picture))
        if self.network.objects:
            self._write_labels("objects", name, "", self._number(mask), picture)
        if probabilities is not None:
            self._write_probabilities(name, probabilities, picture)
        if self.overlays:
            self._write_overlay(name, mask, picture)
        return Written(masks, area_rows(self.key, image, mask, picture.volume))

    def take(self, written: Written) -> None:
        """Count an image that is written, and add it to the lists, which are in the order of these calls."""
        self.images += 1
        self.written += written.masks
        self.areas += written.areas

    def finish(self) -> None:
        """Write ``classes.json`` and ``areas.csv``."""
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(self.out / "classes.json", self._classes())
        write_areas(self.out / "areas.csv", self.areas)

    def _classes(self) -> dict[str, dict[str, Any]]:
        """Return names and colours of the classes, what masks hold of them, and how the names of their masks end."""
        key = self.key
        found: dict[str, dict[str, Any]] = {
            "classes": {str(index): name for index, name in enumerate(key.names)},
            "colours": {str(index): _hex(class_colour(index, key)) for index in key.shown},
        }
        if key.form.overlapping:
            return found | {"masks": {str(index): ending for index, ending in enumerate(self.endings)}}
        values = self.stored or range(len(key.names))
        return found | {"values": {str(index): value for index, value in enumerate(values)}}

    def _held(self, mask: NDArray[np.uint8], picture: Picture) -> NDArray[Any]:
        """Return what is written for class indices (Z,H,W): NIfTI has no colours, and then holds the indices."""
        if self.stored is None or (picture.volume is not None and self._table.ndim == 2):
            return mask
        return np.asarray(self._table[mask])

    @cached_property
    def _table(self) -> NDArray[Any]:
        """What masks hold of each class index: numbers (256,), or colours (256,3)."""
        assert self.stored is not None
        colours = [list(bytes.fromhex(value[1:])) for value in self.stored if isinstance(value, str)]
        numbers = [value for value in self.stored if isinstance(value, int)]
        values: list[Any] = colours or numbers
        kind = np.uint8 if max(numbers, default=0) <= IGNORE_INDEX else np.uint16
        table = np.zeros((256, 3) if colours else 256, kind)
        table[: len(values)] = values
        return table

    def _number(self, mask: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the object of every pixel, numbered over all classes of objects, (Z,H,W)."""
        found, count = np.zeros(mask.shape, np.int32), 0
        for index in self.network.objects:
            labels, number = label_objects(self.key.inside(mask, index))
            found[labels > 0] = labels[labels > 0] + count
            count += number
        return found

    def _place(self, kind: str, name: Path, ending: str) -> Path:
        path = self.out / kind / name.with_name(f"{name.name}{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_labels(self, kind: str, name: Path, ending: str, values: NDArray[Any], picture: Picture) -> Path:
        """Write values of pixels: 8- or 16-bit PNG, RGB, 32-bit TIFF, or NIfTI on the grid of the volume."""
        if picture.volume is not None:
            path = self._place(kind, name, f"{ending}.nii.gz")
            with atomic_open(path) as stream:
                stream.write(encode_like(_narrow(values).transpose(2, 1, 0), picture.volume))
            return path
        found = _narrow(values[0])
        if found.dtype == np.uint32:
            path = self._place(kind, name, f"{ending}.tif")
            with atomic_open(path) as stream:
                tifffile.imwrite(stream, found, compression="deflate")
            return path
        path = self._place(kind, name, f"{ending}.png")
        with atomic_open(path) as stream:
            Image.fromarray(found).save(stream, **_PNG)
        return path

    def _write_probabilities(self, name: Path, probabilities: NDArray[np.float32], picture: Picture) -> None:
        """Write 16 bits, 65535 for 1: a TIFF with a page for each class, or float NIfTI (X,Y,Z,class)."""
        if picture.volume is not None:
            with atomic_open(self._place("probabilities", name, ".nii.gz")) as stream:
                stream.write(encode_like(probabilities.transpose(3, 2, 0, 1), picture.volume))
            return
        pages = np.round(np.clip(probabilities[0], 0, 1) * _LARGEST).astype(np.uint16)
        with atomic_open(self._place("probabilities", name, ".tif")) as stream:
            tifffile.imwrite(stream, pages, photometric="minisblack", compression="deflate", metadata={"axes": "CYX"})

    def _write_overlay(self, name: Path, mask: NDArray[np.uint8], picture: Picture) -> None:
        grey = np.clip(picture.pixels.astype(np.float32) / self.network.inputs.scale, 0, 1)
        shown = np.broadcast_to(grey, (*grey.shape[:3], 3)) if grey.shape[3] == 1 else as_picture(grey)
        drawn = _montage([overlay(part, labels, self.key) for part, labels in zip(shown, mask, strict=True)])
        drawn *= 255
        with atomic_open(self._place("overlays", name, ".png")) as stream:
            Image.fromarray(np.rint(drawn, out=drawn).astype(np.uint8)).save(stream, **_PNG)


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return masks as they are, and numbers of objects as 16 bits, or 32 where there are more."""
    if values.dtype != np.int32:
        return values
    return values.astype(np.uint16 if values.max(initial=0) <= _LARGEST else np.uint32)


def _montage(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Put slices (H,W,3) side by side, in rows of about equal number, with a white line between."""
    if len(parts) == 1:
        return parts[0]
    columns = int(np.ceil(np.sqrt(len(parts))))
    framed = np.pad(np.stack(parts), ((0, -len(parts) % columns), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    rows = [np.concatenate(list(framed[start : start + columns]), axis=1) for start in range(0, len(framed), columns)]
    return np.concatenate(rows, axis=0)


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02X}" for channel in colour)
