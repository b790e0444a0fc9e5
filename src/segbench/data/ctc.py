"""The Cell Tracking Challenge: sequences of frames, some with labelled cells."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.boundaries import with_boundary
from segbench.data.cache import Pair
from segbench.data.checksums import check_digest
from segbench.data.download import RemoteFile, download
from segbench.data.frames import FrameData
from segbench.data.grids import check_same_grid
from segbench.data.plane import resample, resample_labels
from segbench.data.reading import read_ignored, read_instances
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.splits import check_fraction, split_last_block, split_official
from segbench.data.unpack import unpack
from segbench.errors import ConfigError, DataError

log = logging.getLogger("segbench")
SITE = "http://data.celltrackingchallenge.net/training-datasets"
# SHA-256 of the archives. The owners publish none; independent downloads agree on these.
ARCHIVES = {
    "PhC-C2DH-U373": "b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
    "DIC-C2DH-HeLa": "832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
    "Fluo-N2DH-SIM+": "3e809148c87ace80c72f563b56c35e0d9448dcdeb461a09c83f61e93f5e40ec8",
}
_EXPECTED = "01/tNNN.tif and 01_GT/SEG/man_segNNN.tif"
_SEQUENCE = re.compile(r"\d\d")
_FRAME, _LABEL = re.compile(r"t(\d{3,4})\.tiff?", re.I), re.compile(r"man_seg(\d{3,4})\.tiff?", re.I)
_MEMBER = re.compile(r"(?:[^/]+/)?(\d\d/t\d+\.tif|\d\d_GT/SEG/man_seg[_\d]+\.tif)")


class CTCData(FrameData):
    """Two-dimensional data of the Cell Tracking Challenge, as semantic classes, with the cell labels kept.

    V. Ulman et al., An objective comparison of cell-tracking algorithms, Nature Methods 14, 2017. Each sequence SS has
    ``SS/tNNN.tif`` (grey, 8 or 16 bits) and ``SS_GT/SEG/man_segNNN.tif`` (0 none, 1 to 65535 the cells). In most data
    sets few frames have labels; only these are used, and the log counts the others. Even there, annotators may have
    left out cells (not in generated data such as SIM+); what they did not draw is background here.

    Sequences are the groups. The last one, or ``test_sequence``, is the test split; if several others remain, whole
    sequences drawn by ``split_seed`` validate. The official data has two sequences: then the last labelled frames of
    the training sequence validate, a block in time, so the best epoch is chosen on cells that were also trained on, and
    only the test sequence has other cells. A single test sequence is a single group: differences on it have no interval
    over groups. With only one sequence there is no test split, and scores are those of its last frames.

    Args:
        name: Data set, a folder in ``root``. For ``PhC-C2DH-U373``, ``DIC-C2DH-HeLa`` and ``Fluo-N2DH-SIM+``, the
            official ``<name>.zip`` is unpacked if there is no folder, and downloaded if there is no archive either
            (conditions of use: celltrackingchallenge.net/datasets). For another name, the folder or archive must exist.
            None: the sequences are in ``root`` itself.
        boundary: Width in pixels of the class ``boundary``, at the size that the network sees
            (:func:`segbench.data.boundaries.with_boundary`): around each cell, and taken from cells where they touch,
            so that connected components of the class ``cell`` are single cells. SEG and the other object scores
            compare these with whole cells, as the challenge would if they were submitted: where cells touch, even a
            perfect prediction of the classes lacks the boundary and scores less than 1. 0: no such class, and touching
            cells are one component.
        val_fraction: Fraction of the sequences or frames outside the test split that validates; at least one does.
        test_sequence: Number of the test sequence; None is the last.
        url: Folder on the web from which a missing archive is downloaded.
        checksum: MD5, SHA-1 or SHA-256 of the archive, instead of the known one; with it, an archive of any name is
            downloaded.
        **options: See :class:`segbench.data.frames.FrameData`. The sequences of one data set may differ in size
            (those of SIM+ do): set ``size``, or ``batch_size=1``.

    Raises:
        ConfigError: If an option is invalid.
    """

    group_name = "sequence"
    # Labels number the cells; classes are derived from them.
    label_map = {}  # noqa: RUF012 - ClassVar in the base
    depths = (8, 16)
    class_names: ClassVar[tuple[str, ...]] = ("background", "cell", "boundary")

    def __init__(
        self,
        *,
        name: str | None = None,
        boundary: int = 2,
        val_fraction: float = 0.2,
        test_sequence: int | None = None,
        url: str = SITE,
        checksum: str | None = None,
        **options: Any,
    ) -> None:
        if boundary == 0:
            self.class_names = self.class_names[:2]  # type: ignore[misc]  # of this object, not of the class
        super().__init__(**options)
        if self.split_by != "group":
            raise ConfigError("data.split_by=image: ctc is split by sequence, whose frames are near-duplicates")
        if boundary < 0:
            raise ConfigError(f"data.boundary={boundary}: must be a number of pixels, or 0 for no such class")
        check_fraction("val_fraction", val_fraction)
        if name is not None and PurePosixPath(name).name != name:
            raise ConfigError(f"data.name={name}: must be a folder name, or null if root itself holds the sequences")
        check_digest(checksum)
        self.name, self.data_set = name or "ctc", name
        self.boundary, self.val_fraction, self.test_sequence = boundary, val_fraction, test_sequence
        self.url, self.checksum = url.rstrip("/"), checksum or ARCHIVES.get(name or "")

    # -- records and splits ------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair the labelled frames with their labels, sequence by sequence, in temporal order.

        Raises:
            DataError: If the folder is missing or empty.
        """
        folder = self._folder()
        names = {path.name.removesuffix("_GT") for path in folder.iterdir() if path.is_dir()}
        sequences = sorted(name for name in names if _SEQUENCE.fullmatch(name))
        if not sequences:
            raise DataError(f"{folder}: no sequences found; expected {_EXPECTED}")
        records, faults, frames = [], [], 0
        for sequence in sequences:
            images, others = _named(folder / sequence, _FRAME)
            labels, more = _named(folder / f"{sequence}_GT" / "SEG", _LABEL)
            labelled = {_number(path) for path in labels}
            frames += len(images)
            used = [path for path in images if _number(path) in labelled]
            pairs, unpaired = pair(used, labels, _number, _number)
            records += [Record(f"{sequence}/t{key}", sequence, image, label) for key, image, label in pairs]
            faults += others + more + unpaired
        if len(records) < frames:
            left = frames - len(records)
            log.info("data.root=%s: %d of %d frames have no labels and are not used", folder, left, frames)
        return records, faults

    def _folder(self) -> Path:
        """Return the folder of the sequences, downloading and unpacking it if it is missing."""
        assert self.root is not None
        folder = self.root if self.data_set is None else self.root / self.data_set
        if folder.is_dir():
            return folder
        if self.data_set is None:
            return require_root(self.root, f"expected {_EXPECTED}")
        archive, address = self.root / f"{self.data_set}.zip", f"{self.url}/{self.data_set}.zip"
        if not archive.is_file():
            if self.checksum is None:
                raise DataError(f"{folder}: no such folder, and no {archive.name} beside it; download {address}")
            download([RemoteFile(address, archive, self.checksum)])
        unpack(archive, self.root, self._target, self.data_set, self.checksum)
        return folder

    def _target(self, member: PurePosixPath) -> str | None:
        """Return the path to unpack a file to, or None: tracking labels and computed labels stay in the archive."""
        found = _MEMBER.fullmatch(str(member))
        return f"{self.data_set}/{found[1]}" if found else None

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the test sequence and, for validation, whole other sequences or the last frames of the only one.

        Raises:
            ConfigError: If ``test_sequence`` does not exist.
        """
        groups = [record.group for record in records]
        sequences = sorted(set(groups))
        tested = sequences[-1] if self.test_sequence is None else f"{self.test_sequence:02d}"
        if tested not in sequences:
            raise ConfigError(f"data.test_sequence={self.test_sequence}: choose from {', '.join(map(str, sequences))}")
        test = [group == tested and len(sequences) > 1 for group in groups]
        if len(sequences) > 2:
            return split_official(groups, test, self.val_fraction, self.split_seed)
        return split_last_block(test, self.val_fraction)

    # -- images ------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return super().settings() | {"boundary": self.boundary}

    def read(self, record: Record) -> Pair:
        """Return a frame uint16 (H,W,1) and its classes uint8 (H,W).

        Raises:
            DataError: If a file is unusable.
        """
        assert record.image is not None
        assert record.mask is not None
        image, cells = self.read_picture(record.image), read_instances(record.mask, self.ignore)
        check_same_grid(image, cells, record)
        image = image if self.size is None else resample(image, self.size)
        classes = with_boundary(self._resized(cells), self.boundary)
        if self.ignore:
            ignored = read_ignored(record.mask, self.ignore)
            ignored = ignored if self.size is None else resample_labels(ignored, self.size)
            classes[ignored > 0] = self.ignore_index
        return image, classes

    def instances(self, record: Record) -> NDArray[np.uint16]:
        """Return the cell number of every pixel, uint16 (H,W), 0 for none, on the grid of the stored mask.

        Cells are whole, even where the mask has the class boundary between touching ones.

        Raises:
            DataError: If the file is unusable.
        """
        assert record.mask is not None
        return self._resized(read_instances(record.mask, self.ignore))

    def _resized(self, cells: NDArray[np.uint16]) -> NDArray[np.uint16]:
        return cells if self.size is None else resample_labels(cells, self.size)


def _named(folder: Path, name: re.Pattern[str]) -> tuple[list[Path], list[str]]:
    """Return the TIFF files of a folder with the expected names, and a one-line fault for each of the others.

    Raises:
        DataError: If the folder is missing or has no TIFF files.
    """
    files = find_files(folder, (".tif", ".tiff"), _EXPECTED)
    good = [path for path in files if name.fullmatch(path.name)]
    # man_seg_TTT_ZZZ.tif is a slice of a volume.
    return good, [f"{path}: expected {_EXPECTED} of two-dimensional data" for path in files if path not in good]


def _number(path: Path) -> str:
    """Return a frame's number, padded to at least three digits."""
    return f"{int(re.sub(r'[^0-9]', '', path.stem)):03d}"
