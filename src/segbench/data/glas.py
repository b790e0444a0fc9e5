"""GlaS: H&E images of colon glands, each gland with its own label."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, fingerprint, load_arrays
from segbench.data.checksums import check_digest
from segbench.data.download import RemoteFile, download
from segbench.data.file_names import entries
from segbench.data.input_format import InputFormat
from segbench.data.objects import ObjectData
from segbench.data.plane import resample_labels
from segbench.data.reading import read_image, read_mask
from segbench.data.records import Record, pair
from segbench.data.splits import check_fraction, split_groups, split_official
from segbench.data.stains import PERCENTILES, measure_stains
from segbench.data.tables import read_table
from segbench.data.unpack import unpack
from segbench.errors import ConfigError, DataError
from segbench.rng import derive_seed

log = logging.getLogger("segbench")
SITE = "https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/"
ARCHIVE = "warwick_qu_dataset_released_2016_07_08.zip"
# The owners publish no checksum; public loaders of the data set agree on this one.
_MD5 = "495b2a9f3d694545fbec06673fb3f40f"
GRADES = "Grade.csv"
_NAME = re.compile(r"(train|testA|testB)_\d+(_anno)?\.bmp", re.IGNORECASE)


class GlasData(ObjectData):
    """Gland Segmentation in Colon Histology Images (MICCAI 2015), the Warwick-QU data set: 165 images of 16 patients.

    K. Sirinukunwattana et al., Gland segmentation in colon histology images: the GlaS challenge contest, Medical Image
    Analysis 35, 2017. ``train_N.bmp`` (85), ``testA_N.bmp`` (60), ``testB_N.bmp`` (20), each with ``..._anno.bmp``
    (0 background, 1 to N the glands), and ``Grade.csv``, which gives each image's patient, its group. They are in the
    folder itself or in the one subfolder that the archive creates; if there is only the archive
    ``warwick_qu_dataset_released_2016_07_08.zip``, it is unpacked, and if that is missing too, downloaded.

    A subset of the images is enough, with a warning. Glands keep their labels for object scores; those are in pixels at
    the size that the network sees, so they equal the challenge's with ``size=None`` (and ``batch_size=1``).

    Args:
        stain: ``rgb``, or ``hed``: haematoxylin and eosin as two channels, unmixed and scaled between two percentiles
            of the training images (:mod:`segbench.data.stains`).
        split: ``official`` (``train`` trains and validates, ``testA`` and ``testB`` are the test split; some patients
            are in both, with a warning), or ``patient`` (all images, no patient in two splits).
        val_fraction: Fraction of the patients outside the test split that validates, drawn by ``split_seed``; at least
            one does.
        test_fraction: Fraction of the patients in the test split with ``split=patient``; at least one.
        url: Folder on the web from which a missing archive is downloaded.
        checksum: MD5, SHA-1 or SHA-256 of the archive, instead of the known one; checked before unpacking.
        **options: See :class:`SegmentationData`; ``size`` resizes images by area averaging and labels by nearest
            neighbour.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "glas"
    group_name = "patient"
    class_names = ("background", "gland")
    in_channels = 3
    label_map = {0: 0} | dict.fromkeys(range(1, 256), 1)

    def __init__(
        self,
        *,
        stain: str = "rgb",
        split: str = "official",
        val_fraction: float = 0.2,
        test_fraction: float = 0.25,
        url: str = f"{SITE}download",
        checksum: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for key, value, choices in (("stain", stain, ("rgb", "hed")), ("split", split, ("official", "patient"))):
            if value not in choices:
                raise ConfigError(f"data.{key}={value}: choose {' or '.join(choices)}")
        check_fraction("val_fraction", val_fraction)
        check_fraction("test_fraction", test_fraction)
        if split == "patient" and self.split_by == "image":
            raise ConfigError("data.split_by=image: data.split=patient splits by patient; use data.split=official")
        check_digest(checksum)
        self.stain, self.split_kind = stain, split
        self.url, self.checksum = url.rstrip("/"), checksum or _MD5
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.stain_ranges: list[list[float]] | None = None
        if stain == "hed":
            self.in_channels = 2  # type: ignore[misc]  # on this object, not on the class

    # -- records and splits ------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair images and annotations, and look up their patients.

        Raises:
            DataError: If the folder is missing or empty.
        """
        folder = self._folder()
        patients, faults = read_table(folder / GRADES, key="name", value="patient ID")
        files = [path for path in entries(folder) if path.suffix.lower() == ".bmp"]
        faults += [
            f"{path}: expected train_N.bmp, testA_N.bmp or testB_N.bmp, or the same with _anno"
            for path in files
            if not _NAME.fullmatch(path.name)
        ]
        files = [path for path in files if _NAME.fullmatch(path.name)]
        if not files:
            raise DataError(f"{folder}: no images found; expected train_N.bmp and train_N_anno.bmp from {SITE}")
        labels = [path for path in files if path.stem.endswith("_anno")]
        images = [path for path in files if path not in labels]
        pairs, more = pair(images, labels, lambda path: path.stem, lambda path: path.stem.removesuffix("_anno"))
        faults += more
        unknown = [(key, image) for key, image, _ in pairs if key not in patients]
        faults += [f"{image}: {GRADES} has no row {key}, so its patient is unknown" for key, image in unknown]
        if len(images) < len(patients):
            log.warning("data.root=%s: has %d of the %d images in %s", self.root, len(images), len(patients), GRADES)
        return [Record(key, patients.get(key, ""), image, label) for key, image, label in pairs], faults

    def _folder(self) -> Path:
        """Return the folder of the images, downloading and unpacking them if they are missing."""
        assert self.root is not None
        root = self.root
        inside = [path for path in entries(root) if (path / GRADES).is_file()] if root.is_dir() else []
        folder = inside[0] if len(inside) == 1 and not (root / GRADES).is_file() else root
        if (folder / GRADES).is_file():
            return folder
        if root.is_dir() and any(path.suffix.lower() == ".bmp" for path in entries(root)):
            raise DataError(f"{root / GRADES}: missing; it gives the patient of each image (from {SITE})")
        archive = root / ARCHIVE
        download([RemoteFile(f"{self.url}/{ARCHIVE}", archive, self.checksum)])
        unpack(archive, root, _target, GRADES, self.checksum)
        return root

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split or one by patient; validation images are of patients who are not trained on."""
        groups = [record.group for record in records]
        if self.split_kind == "official":
            test = [record.id.lower().startswith("test") for record in records]
            groups = [record.id for record in records] if self.split_by == "image" else groups
        else:
            fractions = {"train": 1 - self.test_fraction, "test": self.test_fraction}
            chosen = set(split_groups(groups, fractions, derive_seed(self.split_seed, "test"))["test"])
            test = [index in chosen for index in range(len(records))]
        return split_official(groups, test, self.val_fraction, self.split_seed)

    def announce(self) -> None:
        """Say which patients the official split has on both sides."""
        super().announce()
        if self.folds is not None or self.split_kind != "official":
            return
        tested = {self.records[index].group for index in self.splits["test"]}
        others = {self.records[index].group for split in self.splits.keys() - {"test"} for index in self.splits[split]}
        if shared := sorted(tested & others, key=lambda name: (len(name), name)):
            log.warning(
                "data.split=official: patients %s are in both train and test; data.split=patient keeps them apart",
                ", ".join(shared),
            )

    # -- images ------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return (
            super().settings() | {"stain": self.stain} | ({"percentiles": PERCENTILES} if self.stain == "hed" else {})
        )

    def load(self, records: Sequence[Record]) -> tuple[Arrays, list[str]]:
        """Return the arrays through the cache; stain arrays are also keyed by what decides which images train.

        The fingerprint does not include that: runs with different splits read the same files.
        """
        if self.stain == "rgb":
            return super().load(records)
        training = [self.split_kind, self.split_by, self.split_seed, self.fit_on, self.val_fraction, self.test_fraction]
        training += [] if self.folds is None else [self.folds, self.fold]
        key = fingerprint(records, self.settings() | {"training": training})
        return load_arrays(records, key, self.cache_dir, self.read, type(self))

    def checksums(self, arrays: Arrays) -> dict[str, int]:
        """Return the checksums of the arrays; of stains, which each split scales otherwise, those of the files."""
        if self.stain == "rgb":
            return super().checksums(arrays)
        found = {"images": 0, "masks": 0}
        for record in self.records:
            for name, path in (("images", record.image), ("masks", record.mask)):
                assert path is not None
                found[name] = zlib.crc32(path.read_bytes(), found[name])
        return found

    def setup(self, stage: str | None = None) -> None:
        """Find, check and cache the data, and measure the stains.

        Raises:
            DataError: Listing every fault found.
            ConfigError: If images of several sizes would have to be batched.
        """
        super().setup(stage)
        if self.stain == "hed":
            # Even if the arrays come from the cache: a trained network needs the ranges to predict.
            self._ranges()

    def input_format(self) -> InputFormat:
        """Return how a file becomes an image: RGB, or its two stains, uint8 (H,W,2), by the training images' ranges."""
        plain = super().input_format()
        if self.stain == "rgb":
            return plain
        (low, high), (eosin_low, eosin_high) = self._ranges()
        return replace(plain, reading="stains", stain_ranges=((low, high), (eosin_low, eosin_high)))

    def instances(self, record: Record) -> NDArray[np.uint8]:
        """Return the gland number of every pixel, uint8 (H,W), 0 for none, on the grid of the stored mask.

        Raises:
            DataError: If the file is unusable.
        """
        assert record.mask is not None
        labels = read_mask(record.mask, {value: value for value in range(256)} | dict.fromkeys(self.ignore, 0))
        return labels if self.size is None else resample_labels(labels, self.size)

    def _ranges(self) -> list[list[float]]:
        """Return the values of each stain that become 0 and 255, measured once on the training images."""
        if self.stain_ranges is None:
            self.stain_ranges = measure_stains(self._training_colours()).tolist()
        return self.stain_ranges

    def _training_colours(self) -> Iterator[NDArray[np.uint8]]:
        for index in self.splits["train"]:
            path = self.records[index].image
            assert path is not None
            # A bad file is reported with all the others when the arrays are read.
            with suppress(DataError):
                yield read_image(path, 3)


def _target(member: PurePosixPath) -> str | None:
    """Return the path to unpack a file to, beside the archive and without its folder; None for unwanted files."""
    return member.name if member.name == GRADES or _NAME.fullmatch(member.name) else None
