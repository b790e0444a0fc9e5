"""GlaS: H&E images of colon glands, each gland with a label of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, fingerprint, load_arrays
from segbench.data.checksums import check_digest
from segbench.data.download import RemoteFile, fetch
from segbench.data.objects import ObjectData
from segbench.data.plane import resample_labels
from segbench.data.reading import read_image, read_mask
from segbench.data.records import Record, pair
from segbench.data.splits import split_groups, split_official
from segbench.data.stains import PERCENTILES, measure_stains, stain_channels
from segbench.data.tables import read_table
from segbench.data.unpack import unpack
from segbench.errors import ConfigError, DataError
from segbench.rng import derive_seed

log = logging.getLogger("segbench")
SITE = "https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/"
ARCHIVE = "warwick_qu_dataset_released_2016_07_08.zip"
# The owners publish none; public loaders of the data set agree on this one.
_MD5 = "495b2a9f3d694545fbec06673fb3f40f"
GRADES = "Grade.csv"
_NAME = re.compile(r"(train|testA|testB)_\d+(_anno)?\.bmp", re.IGNORECASE)


class GlasData(ObjectData):
    """Gland Segmentation in Colon Histology Images (MICCAI 2015), the Warwick-QU data set: 165 images of 16 patients.

    K. Sirinukunwattana et al., Gland segmentation in colon histology images: the GlaS challenge contest, Medical Image
    Analysis 35, 2017. ``train_N.bmp`` (85), ``testA_N.bmp`` (60), ``testB_N.bmp`` (20), each with ``..._anno.bmp``
    (0 background, 1 to N the glands), and ``Grade.csv``, which tells the patient of each image, its group. They lie in
    the folder itself or in the one folder in it that the archive makes; where only the archive
    ``warwick_qu_dataset_released_2016_07_08.zip`` is there, it is unpacked, and where that is absent too, fetched.

    A subset of the images will do, with a warning. Glands keep their labels for object scores; those are in pixels of
    the size that the network sees, hence the challenge's own with ``size=None`` (and ``batch_size=1``).

    Args:
        stain: ``rgb``, or ``hed``: haematoxylin and eosin as two channels, unmixed and scaled between two percentiles
            of the training images (:mod:`segbench.data.stains`).
        split: ``official`` (``train`` trains and validates, ``testA`` and ``testB`` test; patients are in both, which
            is warned of), or ``patient`` (all images, no patient in two parts).
        val_fraction: Share of the patients that do not test who validate, drawn by ``split_seed``; at least one.
        test_fraction: Share of the patients who test with ``split=patient``; at least one.
        url: Folder on the web from which an absent archive is fetched.
        checksum: MD5, SHA-1 or SHA-256 of the archive, in place of the one known; compared before it is unpacked.
        **options: See :class:`SegmentationData`; ``size`` resizes images by area means and labels by nearest neighbour.
    """

    name = "glas"
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
        for key, share in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < share < 1:
                raise ConfigError(f"data.{key}={share}: must lie between 0 and 1")
        if split == "patient" and self.split_by == "image":
            raise ConfigError("data.split_by=image: data.split=patient splits by patient; use data.split=official")
        check_digest(checksum)
        self.stain, self.split_kind = stain, split
        self.url, self.checksum = url.rstrip("/"), checksum or _MD5
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.stain_ranges: list[list[float]] | None = None
        if stain == "hed":
            self.in_channels = 2  # type: ignore[misc]  # of this object, not of the class

    # -- records and splits ------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair images and annotations, and find their patients."""
        folder = self._folder()
        patients, faults = read_table(folder / GRADES, key="name", value="patient ID")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".bmp")
        faults += [
            f"{path}: expected train_N.bmp, testA_N.bmp or testB_N.bmp, or such a name with _anno"
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
            log.warning("data.root=%s: %d of %s's %d images are here", self.root, len(images), GRADES, len(patients))
        return [Record(key, patients.get(key, ""), image, label) for key, image, label in pairs], faults

    def _folder(self) -> Path:
        """Return the folder of the images, fetched and unpacked first where there are none."""
        assert self.root is not None
        root = self.root
        inside = [path for path in sorted(root.iterdir()) if (path / GRADES).is_file()] if root.is_dir() else []
        folder = inside[0] if len(inside) == 1 and not (root / GRADES).is_file() else root
        if (folder / GRADES).is_file():
            return folder
        if any(root.glob("*.bmp")):
            raise DataError(f"{root / GRADES}: missing; it tells the patient of each image (from {SITE})")
        archive = root / ARCHIVE
        fetch([RemoteFile(f"{self.url}/{ARCHIVE}", archive, self.checksum)])
        unpack(archive, root, _place, GRADES, self.checksum)
        return root

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split or one by patients, with validation images of patients who do not train."""
        groups = [record.group for record in records]
        if self.split_kind == "official":
            test = [record.id.lower().startswith("test") for record in records]
            self._warn_of_shared(groups, test)
            groups = [record.id for record in records] if self.split_by == "image" else groups
        else:
            fractions = {"train": 1 - self.test_fraction, "test": self.test_fraction}
            chosen = set(split_groups(groups, fractions, derive_seed(self.split_seed, "test"))["test"])
            test = [index in chosen for index in range(len(records))]
        return split_official(groups, test, self.val_fraction, self.split_seed)

    def _warn_of_shared(self, groups: Sequence[str], test: Sequence[bool]) -> None:
        sides = [{group for group, tests in zip(groups, test, strict=True) if tests is side} for side in (False, True)]
        if shared := sorted(sides[0] & sides[1], key=lambda name: (len(name), name)):
            log.warning(
                "data.split=official: patients %s are in train and in test; data.split=patient keeps them apart",
                ", ".join(shared),
            )

    # -- images ------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return the settings that shape the stored arrays."""
        return (
            super().settings() | {"stain": self.stain} | ({"percentiles": PERCENTILES} if self.stain == "hed" else {})
        )

    def load(self, records: Sequence[Record]) -> tuple[Arrays, list[str]]:
        """Return the arrays through the cache; those of stains by what decides which images train, too.

        That is not in the fingerprint: runs of different splits read the same files.
        """
        if self.stain == "rgb":
            return super().load(records)
        training = [self.split_kind, self.split_by, self.split_seed, self.fit_on, self.val_fraction, self.test_fraction]
        key = fingerprint(records, self.settings() | {"training": training})
        return load_arrays(records, key, self.cache_dir, self.read)

    def setup(self, stage: str | None = None) -> None:
        """Set the data up.

        Raises:
            DataError: With every fault found.
            ConfigError: If images of several sizes are to be put into batches.
        """
        super().setup(stage)
        if self.stain == "hed":
            # Also where the arrays come from the cache: a trained network must know it to predict.
            self._ranges()

    def read_picture(self, path: Path) -> NDArray[Any]:
        """Return an image as the network takes it, uint8 (H,W,3) or its two stains (H,W,2), of the file's own size.

        Raises:
            DataError: If the file is bad.
        """
        pixels = read_image(path, 3)
        return pixels if self.stain == "rgb" else stain_channels(pixels, self._ranges())

    def instances(self, record: Record) -> NDArray[np.uint8]:
        """Return the gland of every pixel, uint8 (H,W), 0 for none, on the grid of the stored mask.

        Raises:
            DataError: If the file is bad.
        """
        assert record.mask is not None
        labels = read_mask(record.mask, {value: value for value in range(256)})
        return labels if self.size is None else resample_labels(labels, self.size)

    def _ranges(self) -> list[list[float]]:
        """Return what becomes 0 and 255 of each stain, measured once on the training images."""
        if self.stain_ranges is None:
            self.stain_ranges = measure_stains(self._training_colours()).tolist()
        return self.stain_ranges

    def _training_colours(self) -> Iterator[NDArray[np.uint8]]:
        for index in self.splits["train"]:
            path = self.records[index].image
            assert path is not None
            # A bad file is told with all others when its own turn to be read comes.
            with suppress(DataError):
                yield read_image(path, 3)

    # -- checkpoints -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning keeps in checkpoints: the ranges of the stains, by which new images are read."""
        return {} if self.stain_ranges is None else {"stain_ranges": self.stain_ranges}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the ranges of the stains from a checkpoint."""
        self.stain_ranges = state_dict["stain_ranges"]


def _place(member: PurePosixPath) -> str | None:
    """Return where a file of the archive goes: beside the archive, whatever folder it is in."""
    return member.name if member.name == GRADES or _NAME.fullmatch(member.name) else None
