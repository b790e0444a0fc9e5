"""``data=folder``: a folder of images and a folder of masks, by configuration alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Pair
from segbench.data.folder import split as splitting
from segbench.data.folder.discovery import Found, Options, discover
from segbench.data.folder.facts import Facts
from segbench.data.folder.groups import advice, groups_nothing, name_of_group
from segbench.data.folder.help import check_named, suggestion
from segbench.data.folder.inspection import Seen
from segbench.data.folder.intensity import chosen_intensity
from segbench.data.folder.reader import SampleReader
from segbench.data.folder.samples import Sample
from segbench.data.folder.sources import NotThere
from segbench.data.input_format import InputFormat
from segbench.data.objects import ObjectData
from segbench.data.records import Record, os_errors_as_faults, require_root
from segbench.data.regions import Regions
from segbench.data.splits import check_disjoint, check_fraction
from segbench.data.volumes import VolumeSlices
from segbench.errors import ConfigError, DataError
from segbench.scores.columns import ScoreColumns

log = logging.getLogger("segbench")


class FolderData(ObjectData):
    """Images and masks of one's own: docs/own-data.md.

    What is not set is found, once, by looking at the files (:meth:`inspect`), and said in the log.

    Args:
        name: What reports call the data.
        images: Folder of the images, in ``root``; None for the usual names.
        masks: Folder of the masks; by class for overlapping ones; None for the usual names, or beside the images.
        pair: How the names of masks differ from those of images (:func:`segbench.data.folder.pairing.pair_entries`).
        unpaired: ``error``, or ``skip`` to leave out files without partner.
        table: A CSV file that lists images and masks, or gives the parts or groups of images by name.
        classes: Names to stored values, a file of them, or a list of names; None to find them.
        colours: Names to stored colours.
        objects: Whether, or which, classes consist of objects that are scored individually: connected components.
        instances: Whether masks number objects.
        boundary: With ``instances``, width in pixels of a class between and around objects; 0 for none.
        channels: Channels of the images; None to find them.
        intensity: Values that become 0 and the largest value.
        percentiles: Percentiles of each file that become these.
        spacing: Size of a pixel in mm of slices of volumes; ``auto`` for the median, None to keep their grids.
        fit: ``stretch``, ``pad`` or ``auto`` (:class:`segbench.data.folder.sizes.Fit`).
        crop: Height and width of the random crops that training sees; None for whole images.
        group: Pattern of names, of which ``*`` is the group (:func:`segbench.data.folder.groups.groups_by_pattern`), or
            a column of the table.
        split: ``auto`` takes the parts that folders, names or the table give, else a random split by group; ``random``.
        val_fraction: Fraction of the groups that validates.
        test_fraction: Fraction of the groups that tests, if no part is given; 0 for no test split.
        order: Images in the order of their names, or (``number``) with numbers compared as numbers.
        size: Height and width, None for the images' own, or ``auto``.
        regions: See :class:`segbench.data.segmentation.SegmentationData`.
        **options: See there.

    Raises:
        ConfigError: If an option is invalid.
    """

    def __init__(
        self,
        *,
        name: str = "folder",
        images: str | None = None,
        masks: str | Mapping[str, str] | None = None,
        pair: str | Sequence[str] | None = None,
        unpaired: Literal["error", "skip"] = "error",
        table: str | None = None,
        classes: Any = None,
        colours: Mapping[str, str] | None = None,
        objects: bool | Sequence[str] = False,
        instances: bool = False,
        boundary: int = 2,
        channels: int | None = None,
        intensity: Sequence[float] | None = None,
        percentiles: Sequence[float] | None = None,
        spacing: float | Literal["auto"] | None = "auto",
        fit: Literal["auto", "stretch", "pad"] = "auto",
        crop: Sequence[int] | None = None,
        group: str | None = None,
        split: Literal["auto", "random"] = "auto",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        order: Literal["name", "number"] = "name",
        size: Sequence[int] | Literal["auto"] | None = "auto",
        regions: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(size=None if size == "auto" else size, **options)
        check_fraction("val_fraction", val_fraction)
        if not 0 <= test_fraction < 1 - val_fraction:
            raise ConfigError(f"data.test_fraction={test_fraction}: must be 0 or more, and leave images to train on")
        if boundary < 0:
            raise ConfigError(f"data.boundary={boundary}: must be a number of pixels, or 0 for no such class")
        if channels is not None and channels < 1:
            raise ConfigError(f"data.channels={channels}: must be a number of channels, or null to find it")
        self.name, self.val_fraction, self.test_fraction = name, val_fraction, test_fraction
        self._fractions = splitting.wanted_fractions(val_fraction, test_fraction)
        self.crop = None if crop is None else (int(crop[0]), int(crop[1]))
        self.resident = False if crop is not None else self.resident
        self._regions, self.group_name = regions, name_of_group(group)
        self._asked = Options(
            root=self.root or Path(), images=images, masks=masks, pair=pair, unpaired=unpaired, table=table,
            classes=classes, colours=colours, ignore=self.ignore, objects=objects, instances=instances,
            boundary=boundary, channels=channels, intensity=chosen_intensity(intensity, percentiles), size=size,
            fit=fit, spacing=spacing, crop=self.crop, group=group, split=split, order=order,
        )  # fmt: skip
        self.place = self._asked.place
        self._found: Found | None = None
        self.facts: Facts | None = None
        self._reader: SampleReader | None = None
        self._places: dict[str, tuple[Sample, Seen, int]] = {}

    # -- what is found -----------------------------------------------------------------------------

    def inspect(self) -> None:
        """Look at all files once, and say what was found; a second call does nothing.

        Raises:
            DataError: If files are missing, ambiguous or unusable.
        """
        if self.facts is not None:
            return
        found = self._discovered()
        for line in found.said:
            log.info("%s: %s", self.place, line)

    def _discovered(self) -> Found:
        if self._found is None:
            check_named(self._asked)
            root = require_root(self.root)
            with os_errors_as_faults(self.place):
                try:
                    self._found = discover(self._asked, self.cache_dir)
                except NotThere as error:
                    raise DataError(f"{error}; {suggestion(root)}") from None
            if self.facts is None:
                self._adopt(self._found.facts)
        return self._found

    def _adopt(self, facts: Facts) -> None:
        """Become a data module of these classes and channels: on this object, not on the class."""
        self.facts, form = facts, facts.form
        self.class_names, self.background = form.classes.names, form.classes.background  # type: ignore[misc]
        self.class_colours, self.label_map = form.classes.colours, dict(form.classes.labels)  # type: ignore[misc,arg-type]
        self.object_classes, self.in_channels = form.objects, facts.channels  # type: ignore[misc]
        self.tasks, self.dataset_class = (form.task,), form.dataset_class  # type: ignore[misc]
        self.scale, self.percentiles = facts.intensity.scale, facts.intensity.percentiles  # type: ignore[misc]
        self.size = facts.fit.size
        if facts.fit.spacing is not None:
            self.unit = "mm"  # type: ignore[misc]
        if self._regions is not None:
            self._learn(Regions(self._regions, self.mask_key))

    # -- records and splits ------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Make a record of every image, and of every page or slice of a file of several."""
        found = self._discovered()
        self._reader = SampleReader(found.facts, found.read_masks)
        records = []
        for sample, seen in zip(found.samples, found.seen, strict=True):
            names = [sample.id] if seen.pages == 1 else [f"{sample.id}/{page:03d}" for page in range(seen.pages)]
            for page, name in enumerate(names):
                self._places[name] = (sample, seen, page)
                records.append(Record(name, sample.group or sample.id, sample.image, sample.masks[0], sample.masks[1:]))
        names = [sample.id for sample in found.samples]
        if not found.grouped and (line := advice(names, [seen.hashes[0] for seen in found.seen])):
            log.info("%s: %s", self.place, line)
        groups, pattern = [sample.group or sample.id for sample in found.samples], self._asked.group
        if pattern is not None and (line := groups_nothing(pattern, names, groups)):
            log.warning("%s", line)
        return records, []

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the split that is given, or a random one by group in which every class is in every part."""
        groups, parts = self.units(records), self._given(records)
        if parts is not None:
            return splitting.given_split(groups, parts, self.val_fraction, self.split_seed)
        classes = [self.strata(record) for record in records]
        splits = splitting.balanced_split(groups, classes, self._fractions, self.split_seed)
        check_disjoint(groups, splits)
        return splits

    def announce(self) -> None:
        """Say how the images are split, and in which part there are too few images, groups or classes."""
        super().announce()
        if self.folds is not None:
            return
        groups, fractions = self.units(self.records), None if self._given(self.records) else self._fractions
        log.info("%s: %s", self.place, splitting.describe_split(self.splits, groups, given=fractions is None))
        splitting.warn_of_small_parts(self.splits, groups, fractions)
        classes = [self.strata(record) for record in self.records]
        splitting.warn_of_absent(self.splits, classes, self.stored_key.names)

    def _given(self, records: Sequence[Record]) -> list[str | None] | None:
        """Return the part of each record; None where nothing says what is tested or validates."""
        parts = [self._places[record.id][0].part for record in records]
        return parts if self._asked.split == "auto" and any(part in ("val", "test") for part in parts) else None

    def strata(self, record: Record) -> frozenset[int]:
        """Return the classes of a record's masks."""
        _, seen, page = self._places[record.id]
        return self._known.form.present(seen.values[page])

    @property
    def _files(self) -> SampleReader:
        assert self._reader is not None
        return self._reader

    @property
    def _known(self) -> Facts:
        assert self.facts is not None
        return self.facts

    # -- images ------------------------------------------------------------------------------------

    def reads_at_once(self) -> bool:
        """Say whether every file is one image: a stack is read once for all its pages."""
        return all(seen.pages == 1 for _, seen, _ in self._places.values())

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return super().settings() | {"facts": self._known.state() | {"objects": None}}

    def read(self, record: Record) -> Pair:
        """Return a record as stored: image (H,W,C) and target uint8 (H,W).

        Raises:
            DataError: If a file is unusable.
        """
        return self._files.pair(*self._places[record.id])

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return the object number of every pixel, as annotated; None if masks do not number objects."""
        return self._files.instances(*self._places[record.id])

    def own_scores(self) -> list[ScoreColumns]:
        """Return the scores of objects, if there are any."""
        return super().own_scores() if self.object_classes else []

    def told_apart(self) -> tuple[str, ...]:
        """Return the classes of objects, if there are any."""
        return super().told_apart() if self.object_classes else ()

    # -- predictions and volumes -------------------------------------------------------------------

    def input_format(self) -> InputFormat:
        """Return how image files become inputs of the network, as found."""
        fit, intensity = self._known.fit, self._known.intensity
        return replace(
            super().input_format(),
            reading="pages",
            intensity=(intensity.kind, intensity.low, intensity.high),
            fit="crop" if fit.spacing is not None else "pad" if fit.how == "pad" else "resize",
            spacing=fit.spacing,
        )

    def pixel_spacing(self, record: Record) -> tuple[float, float]:
        """Return height and width of a pixel of the stored image in mm, or 1 px."""
        _, seen, _ = self._places[record.id]
        if seen.spacing is None or self.unit != "mm":
            return 1.0, 1.0
        plane = self._files.plane(seen)
        height, width = (
            step * before / after
            for step, before, after in zip(seen.spacing[1:], plane.source, plane.resampled, strict=True)
        )
        return height, width

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the volumes of a split, for scores on their original grid; none for other files."""
        found: dict[str, list[int]] = {}
        for position, index in enumerate(self.splits.get(split, [])):
            sample, seen, _ = self._places[self.records[index].id]
            if seen.spacing is not None:
                found.setdefault(sample.id, []).append(position)
        return [self._volume(split, name, tuple(positions)) for name, positions in found.items()]

    def _volume(self, split: str, name: str, positions: tuple[int, ...]) -> VolumeSlices:
        record = self.records[self.splits[split][positions[0]]]
        sample, seen, _ = self._places[record.id]
        truth = partial(self._files.truth, sample, seen)
        spacing = seen.spacing if self.unit == "mm" and seen.spacing else (1.0, 1.0, 1.0)
        return VolumeSlices(name, record.group, positions, self._files.plane(seen), spacing, truth)
