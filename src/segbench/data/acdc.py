"""ACDC: short-axis cine cardiac MRI in NIfTI, at end diastole and end systole."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data import nifti
from segbench.data.acdc_patients import GROUPS, PHASES, Patient, find_frame, read_patient
from segbench.data.cache import Pair
from segbench.data.file_names import entries, is_decodable, not_decodable
from segbench.data.formats.volume_file import Volume, open_volume
from segbench.data.input_format import InputFormat
from segbench.data.intensity import check_percentiles
from segbench.data.plane import Plane, resample_labels
from segbench.data.reading import map_labels
from segbench.data.records import Record
from segbench.data.segmentation import SegmentationData
from segbench.data.splits import check_disjoint, check_fraction, split_groups
from segbench.data.volumes import VolumeSlices
from segbench.errors import ConfigError, DataError
from segbench.rng import derive_seed

log = logging.getLogger("segbench")


class ACDCData(SegmentationData):
    """Automated Cardiac Diagnosis Challenge (MICCAI 2017): slices of the end-diastolic and end-systolic volumes.

    ``{training,testing}/patientNNN/``: ``Info.cfg``, ``patientNNN_frameFF.nii.gz`` and ``..._gt.nii.gz``; Bernard et
    al., IEEE TMI 37(11), 2018, doi 10.1109/TMI.2018.2837502. ``Info.cfg`` names the ED and ES frames; no other file of
    the folder (the 4-D cine, other frames) is read.

    Slices are resampled to one in-plane spacing, cropped or padded around their centre, and scaled to 0..1 between two
    percentiles of their volume. Padding has label 255. The official test patients are the test split; validation
    patients are drawn from the training patients, the same fraction of each diagnosis.

    Args:
        spacing: In-plane spacing in mm; None keeps each volume's own.
        percentiles: Percentiles of a volume's intensities that become 0 and 1.
        val_fraction: Fraction of the training patients of each diagnosis that validates; at least one of each does.
        **options: See :class:`SegmentationData`; ``size`` is the size of the crop.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "acdc"
    group_name = "patient"
    class_names = ("background", "right ventricle", "myocardium", "left ventricle")
    in_channels = 1
    unit = "mm"
    label_map = {0: 0, 1: 1, 2: 2, 3: 3}  # noqa: RUF012 - ClassVar in the base
    scale = 1.0

    def __init__(
        self,
        *,
        spacing: float | None = 1.5,
        percentiles: Sequence[float] = (1.0, 99.0),
        val_fraction: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if self.split_by != "group":
            raise ConfigError("data.split_by=image: acdc is split by patient, whose slices are near-duplicates")
        if spacing is not None and not (np.isfinite(spacing) and spacing > 0):
            raise ConfigError(f"data.spacing={spacing}: must be a positive number of mm, or null")
        check_fraction("val_fraction", val_fraction)
        self.spacing, self.val_fraction = spacing, val_fraction
        self.percentiles = check_percentiles(percentiles)
        self.patients: dict[str, Patient] = {}
        self._labelled = self._kept = 0
        self.volumes: dict[str, tuple[Volume, Volume]] = {}

    # -- records -----------------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Make a record of every slice of both phases of every patient.

        Raises:
            DataError: If the folder is missing or empty.
        """
        assert self.root is not None
        expected = "training/patientNNN and testing/patientNNN of https://humanheart-project.creatis.insa-lyon.fr"
        if not self.root.is_dir():
            raise DataError(f"data.root={self.root}: no such folder (set SEGBENCH_DATA); expected {expected}")
        folders = [
            (part, folder)
            for part in ("training", "testing")
            for folder in (entries(self.root / part) if (self.root / part).is_dir() else [])
            if folder.name.startswith("patient") and folder.is_dir()
        ]
        if not any(part == "training" for part, _ in folders):
            raise DataError(f"data.root={self.root}: no patients found; expected {expected}")
        self.patients.clear()
        records: list[Record] = []
        faults: list[str] = []
        for part, folder in folders:
            if not is_decodable(folder):
                faults.append(not_decodable(folder))
                continue
            try:
                patient = read_patient(folder, part)
            except DataError as error:
                faults.append(str(error))
                continue
            if (other := self.patients.setdefault(patient.name, patient)) is not patient:
                where = "in both training and testing" if other.part != part else f"also {other.folder.name!a}"
                faults.append(f"{folder}: {patient.name} is {where}; keep one")
                continue
            for phase in PHASES:
                try:
                    records += self._slices(patient, phase)
                except DataError as error:
                    faults.append(str(error))
        return records, faults

    def _slices(self, patient: Patient, phase: str) -> list[Record]:
        stem = f"{patient.name}_frame{patient.frames[phase]:02d}"
        image, label = find_frame(patient.folder, stem, phase), find_frame(patient.folder, f"{stem}_gt", phase)
        volumes = open_volume(image), open_volume(label)
        nifti.check_same_grid(*volumes)
        volume = f"{patient.name}/{phase}"
        self.volumes[volume] = volumes
        return [Record(f"{volume}/{index:02d}", patient.name, image, label) for index in range(volumes[0].shape[2])]

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official test patients, and the training patients split within each diagnosis.

        Raises:
            DataError: If a diagnosis has only one training patient.
        """
        splits: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        fractions = {"train": 1 - self.val_fraction, "val": self.val_fraction}
        for group in GROUPS:
            inside = [
                index
                for index, record in enumerate(records)
                if self.patients[record.group].part == "training" and self.patients[record.group].group == group
            ]
            if not inside:
                continue
            patients = sorted({records[index].group for index in inside})
            if len(patients) < len(fractions):
                raise DataError(
                    f"data.root={self.root}: {patients[0]} is the only training patient with diagnosis {group}, but one"
                    " must train and one validate; add another or remove this one"
                )
            seed = derive_seed(self.split_seed, group)
            parts = split_groups([records[index].group for index in inside], fractions, seed)
            for part, chosen in parts.items():
                splits[part] += [inside[index] for index in chosen]
        splits["test"] = [i for i, record in enumerate(records) if self.patients[record.group].part == "testing"]
        check_disjoint([record.group for record in records], splits)
        return {part: sorted(chosen) for part, chosen in splits.items() if chosen}

    def strata(self, record: Record) -> frozenset[str]:
        """Return the patient's diagnosis, which all folds have alike."""
        return frozenset({self.patients[record.group].group})

    # -- slices ------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        # The split depends on the diagnosis, which is in Info.cfg, not in a record's files.
        patients = {name: [patient.part, patient.group] for name, patient in self.patients.items()}
        return super().settings() | {
            "spacing": self.spacing,
            "percentiles": self.percentiles,
            "patients": patients,
        }

    def read(self, record: Record) -> Pair:
        """Return a slice: float32 (H,W,1) in 0..1, and its mask uint8 (H,W).

        Raises:
            DataError: If the volume is unusable.
        """
        volume, _, index = record.id.rpartition("/")
        image, mask = self._voxels(volume)
        plane = self.plane(volume)
        # The first axis of a slice is x, the columns of an image.
        pixels, labels = image[:, :, int(index)].T, mask[:, :, int(index)].T
        truth = plane.mask(labels, self.ignore_index)
        whole = resample_labels(labels, plane.resampled)
        self._labelled += int(((whole > 0) & (whole != self.ignore_index)).sum())
        self._kept += int(((truth > 0) & (truth != self.ignore_index)).sum())
        return plane.image(pixels[:, :, None]), truth

    def setup(self, stage: str | None = None) -> None:
        """Find, check and cache the data; when slices are read from files, warn about labels outside the crop.

        Raises:
            DataError: Listing every fault found.
        """
        super().setup(stage)
        if self._kept < self._labelled:
            share = 100 * (1 - self._kept / self._labelled)
            log.warning(
                "data.size=%s: %.2g %% of the labelled pixels lie outside the crop", list(self.size or ()), share
            )
            self._labelled = self._kept

    def plane(self, volume: str) -> Plane:
        """Return how a volume's slices become images."""
        image, _ = self.volumes[volume]
        width, height = image.shape[:2]
        x, y, _ = image.spacing
        return Plane.of((height, width), (y, x), self.spacing, self.size)

    def input_format(self) -> InputFormat:
        """Return how a picture becomes an image; without a voxel size it stays as it is."""
        return replace(super().input_format(), fit="crop", spacing=self.spacing)

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the volumes of a split, for scores on their original grid."""
        found: dict[str, list[int]] = {}
        for position, index in enumerate(self.splits[split]):
            found.setdefault(self.records[index].id.rpartition("/")[0], []).append(position)
        return [self._volume(name, tuple(positions)) for name, positions in found.items()]

    def _volume(self, name: str, positions: tuple[int, ...]) -> VolumeSlices:
        x, y, z = self.volumes[name][0].spacing
        return VolumeSlices(
            name, name.partition("/")[0], positions, self.plane(name), (z, y, x), lambda: self._truth(name)
        )

    def pixel_spacing(self, record: Record) -> tuple[float, float]:
        """Return height and width of a slice's pixel in mm: ``spacing``, up to the rounding to whole pixels."""
        volume = record.id.rpartition("/")[0]
        x, y, _ = self.volumes[volume][0].spacing
        plane = self.plane(volume)
        height, width = (
            step * before / after for step, before, after in zip((y, x), plane.source, plane.resampled, strict=True)
        )
        return height, width

    def _truth(self, volume: str) -> NDArray[np.uint8]:
        return self._mask(volume).transpose(2, 1, 0)

    def _mask(self, volume: str) -> NDArray[np.uint8]:
        label = self.volumes[volume][1]
        return map_labels(nifti.labels(label), self.label_map, label.path)

    @lru_cache(maxsize=1)  # noqa: B019 - one volume, read once for all its slices
    def _voxels(self, volume: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return nifti.normalised(self.volumes[volume][0], self.percentiles), self._mask(volume)
