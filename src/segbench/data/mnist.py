"""MNIST: 70,000 handwritten digits in the four official idx files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, Pair
from segbench.data.checksums import digest
from segbench.data.classification import ClassificationData
from segbench.data.download import RemoteFile, download
from segbench.data.idx import read_idx, read_idx_shape
from segbench.data.records import Record
from segbench.errors import ConfigError, DataError
from segbench.rng import generator

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
# MD5 of the uncompressed file: compressed files differ with the program that made them.
_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
_PARTS = {"train": "train", "test": "t10k"}


class MNISTData(ClassificationData):
    """Grey 28x28 images of the digits 0 to 9: LeCun et al., "Gradient-Based Learning Applied to Document Recognition".

    ``{train,t10k}-images-idx3-ubyte.gz`` and ``{train,t10k}-labels-idx1-ubyte.gz``; missing files are downloaded. The
    10,000 test images are the official ones; validation images are drawn from the 60,000 others. The writers of the
    digits are unknown, so every image is a group.

    Args:
        val_images: Number of validation images, drawn by ``split_seed``.
        url: Folder on the web from which missing files are downloaded.
        **options: See :class:`segbench.data.base.ImageData`.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "mnist"
    class_names = tuple("0123456789")
    in_channels = 1

    def __init__(self, *, val_images: int = 5000, url: str = _MIRROR, **options: Any) -> None:
        super().__init__(**options)
        if self.size not in (None, (28, 28)):
            raise ConfigError(f"data.size={list(self.size)}: MNIST is never resized; use data.size=null")
        if val_images < 1:
            raise ConfigError(f"data.val_images={val_images}: must be at least 1")
        self.val_images, self.url = val_images, url

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Number the images, by the counts in the file headers; downloads missing files.

        Raises:
            DataError: If a file cannot be downloaded, or is not an idx file.
        """
        assert self.root is not None
        download([RemoteFile(f"{self.url}/{name}", self.root / name, md5) for name, md5 in _MD5.items()])
        records, faults = [], []
        for split, part in _PARTS.items():
            files = self._files(part)
            shapes = []
            for path in files:
                try:
                    shapes.append(read_idx_shape(path))
                except DataError as error:
                    faults.append(str(error))
            if len(shapes) < len(files):
                continue
            images, labels = shapes
            if images[1:] != (28, 28):
                faults.append(f"{files[0]}: values of shape {images}, not images of 28x28")
            elif not images[0]:
                faults.append(f"{files[0]}: contains no images; download it again")
            elif labels[1:] or labels[0] != images[0]:
                faults.append(f"{files[0]}: {images[0]} images, but {math.prod(labels)} labels in {files[1].name}")
            else:
                records += [Record(name, name) for name in (f"{split}/{index:05d}" for index in range(images[0]))]
        return records, faults

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official test images, and training and validation images drawn by ``split_seed``.

        Raises:
            ConfigError: If ``val_images`` leaves none for training.
        """
        train = sum(record.id.startswith("train/") for record in records)
        if self.val_images >= train:
            raise ConfigError(f"data.val_images={self.val_images}: leaves none of the {train} images for training")
        order = generator(self.split_seed, "split").permutation(train)
        val, rest = order[: self.val_images], order[self.val_images :]
        return {"train": np.sort(rest).tolist(), "val": np.sort(val).tolist(), "test": [*range(train, len(records))]}

    def settings(self) -> dict[str, Any]:
        """Return the settings that the arrays depend on, including digests of the files, as records have no files.

        File times are not included: without a cache, nothing would recognise a copy of the files as the same.
        """
        assert self.root is not None
        return super().settings() | {name: _content(self.root / name, md5) for name, md5 in _MD5.items()}

    def load(self, records: Sequence[Record]) -> tuple[Arrays, list[str]]:
        """Decompress the files, which is faster than a cache would be."""
        images: list[NDArray[np.uint8]] = []
        labels: list[NDArray[np.uint8]] = []
        faults = []
        for part in _PARTS.values():
            for path, found in zip(self._files(part), (images, labels), strict=True):
                try:
                    found.append(read_idx(path))
                except DataError as error:
                    faults.append(str(error))
        for part, values in zip(_PARTS.values(), labels, strict=False):
            if (largest := int(values.max(initial=0))) >= self.num_classes:
                faults.append(f"{self._files(part)[1]}: found label {largest}; digits are 0 to 9")
        if faults:
            return Arrays([], []), faults
        return Arrays(np.concatenate(images)[..., None], np.concatenate(labels)), []

    def read(self, record: Record) -> Pair:
        """Unused: all images are in one file, see :meth:`load`."""
        raise NotImplementedError

    def _files(self, part: str) -> tuple[Path, Path]:
        assert self.root is not None
        return self.root / f"{part}-images-idx3-ubyte.gz", self.root / f"{part}-labels-idx1-ubyte.gz"


def _content(path: Path, known: str) -> str:
    with path.open("rb") as stream:
        return digest(stream, known)
