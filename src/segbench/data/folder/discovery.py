"""From the options to what is known of one's own images before a network is built: files, facts, groups, parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segbench.data.folder.classes import found_classes, given_classes, named_classes
from segbench.data.folder.facts import Facts
from segbench.data.folder.forms import ClassMasks, Form, InstanceMasks, OverlappingMasks
from segbench.data.folder.groups import groups_by_pattern
from segbench.data.folder.inspection import MOST_VALUES, ReadMasks, Seen, inspect
from segbench.data.folder.numbered import check_no_void, check_not_numbered
from segbench.data.folder.outlined import find_outlined, outline_files
from segbench.data.folder.photographs import check_not_lossy, check_not_photographs, check_not_swapped
from segbench.data.folder.polygons import IGNORED, Annotations
from segbench.data.folder.samples import Sample, Samples, find_samples, images_place, with_parts_of_names
from segbench.data.folder.sizes import Fit, Size, cropped, proposed_fit, proposed_spacing, shown_size
from segbench.data.folder.table import listed_samples, looked_up
from segbench.data.formats.mask_file import MaskFile
from segbench.data.intensity import MICROSCOPE, VOLUME, Intensity
from segbench.data.pages import read_mask_pages
from segbench.data.records import raise_faults
from segbench.errors import ConfigError, DataError
from segbench.words import listed, plural


@dataclass(frozen=True)
class Options:
    """The options of :class:`segbench.data.folder.data.FolderData` that decide what is found."""

    root: Path
    images: str | None
    masks: str | Mapping[str, str] | None
    pair: Any
    unpaired: str
    table: str | None
    classes: Any
    colours: Any
    ignore: tuple[int, ...]
    objects: bool | Sequence[str]
    instances: bool
    boundary: int
    channels: int | None
    intensity: Intensity | None
    size: Any
    fit: str
    spacing: Any
    crop: Size | None
    group: str | None
    split: str
    order: str

    @property
    def place(self) -> str:
        """The key by which the data were named, with its value, for messages."""
        if str(self.root) != ".":
            return f"data.root={self.root}"
        named = [(key, value) for key, value in (("images", self.images), ("table", self.table)) if value is not None]
        return "data.{}={}".format(*named[0]) if named else "data.root=."


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        samples: The files, each with its group and part.
        seen: What was seen of each.
        facts: What is needed to read them.
        said: What was inferred, a line each.
        grouped: Whether something says what belongs together.
        read_masks: Reads the masks of a mask file.
    """

    samples: list[Sample]
    seen: list[Seen]
    facts: Facts
    said: list[str]
    grouped: bool
    read_masks: ReadMasks


def discover(options: Options, cache_dir: Path) -> Found:
    """Find all files and read each once; what was read before is taken from the cache.

    Args:
        options: The options.
        cache_dir: Folder of all caches.

    Raises:
        DataError: If files are missing, ambiguous or unusable.
        ConfigError: If an option does not fit them.
    """
    samples, grouped, outlines = _files(options)
    read_masks = _read_masks if outlines is None else outlines.read
    variant = "" if outlines is None else f"{outlines.names}{outlines.numbered}"
    if outlines is None:
        check_not_lossy(samples.found)
    seen = inspect(samples.found, read_masks, cache_dir, options.place, variant)
    doubts = [] if outlines is not None else _check_kind(options, samples.found, seen, read_masks)
    form = _form(options, seen, outlines)
    channels, which = _channels(options, seen)
    intensity = _intensity(options, seen, samples.found)
    fit, why = _fit(options, seen)
    said = [*samples.said, _classes_line(form), *doubts, f"{which}, {intensity.describe()}, {why}".rstrip(", ")]
    return Found(samples.found, seen, Facts(form, channels, intensity, fit), said, grouped, read_masks)


def _check_kind(options: Options, samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks) -> list[str]:
    """Refuse masks that are something else than the options say or, where these say nothing, than classes."""
    if isinstance(options.masks, Mapping):
        return []
    check_not_swapped(samples, seen, read_masks, options.ignore)
    if options.instances:
        check_no_void(seen, options.ignore)
    if options.instances or options.classes is not None or options.colours is not None:
        return []
    doubts = check_not_numbered(samples, seen, read_masks, options.ignore)
    check_not_photographs(samples, seen, read_masks, options.ignore)
    return doubts


def _read_masks(mask: Path, image: Path, size: Size) -> list[MaskFile]:
    return read_mask_pages(mask)


def _files(options: Options) -> tuple[Samples, bool, Annotations | None]:
    """Return the samples with their groups and parts, whether something says what belongs together, and outlines."""
    outlines = None
    table = None if options.table is None else _table(options)
    samples = None if table is None else listed_samples(table, options.root)
    if samples is None:
        samples, outlines = _found(options)
        if not any(sample.part for sample in samples.found) and options.split == "auto":
            samples.found = with_parts_of_names(samples.found)
        if table is not None:
            samples = looked_up(samples, table, options.group)
    raise_faults(samples.faults, options.place)
    if options.group is not None and not any(sample.group for sample in samples.found):
        names = [sample.id for sample in samples.found]
        groups = groups_by_pattern(names, options.group)
        samples.found = [replace(sample, group=group) for sample, group in zip(samples.found, groups, strict=True)]
    if options.order == "number":
        samples.found.sort(key=lambda sample: _natural(sample.id))
    return samples, any(sample.group for sample in samples.found), outlines


def _found(options: Options) -> tuple[Samples, Annotations | None]:
    """Return the samples of folders, and the outlines, if those are their masks."""
    root, pair, unpaired = options.root, options.pair, options.unpaired
    if files := outline_files(root, options.masks):
        images, masks = images_place(root, options.images), str(options.masks)
        return find_outlined(root, images, masks, files, pair, unpaired, options.instances)
    return find_samples(root, options.images, options.masks, pair, unpaired), None


def _table(options: Options) -> Path:
    assert options.table is not None
    for place in (options.root / options.table, Path(options.table)):
        if place.is_file():
            return place
    raise DataError(f"data.table={options.table}: no such file in {options.root.resolve()}")


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which numbers in names are compared as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


# -- classes ---------------------------------------------------------------------------------------


def _form(options: Options, seen: Sequence[Seen], outlines: Annotations | None) -> Form:
    given = given_classes(options.classes, options.colours, options.root)
    ignore = options.ignore
    if outlines is not None:
        # Crowds.
        ignore = (*ignore, IGNORED)
        named = {"background": [0]} | {name: [value] for value, name in enumerate(outlines.names, start=1)}
        given = given if given is not None or options.instances else named
    if isinstance(options.masks, Mapping):
        if options.instances or given is not None:
            raise ConfigError(
                "data.masks: one folder a class; data.instances, data.classes and data.colours do not apply"
            )
        return OverlappingMasks.of(list(map(str, options.masks)))
    if options.instances:
        names = [name for name in given or () if name != "background"]
        if len(names) > 1:
            raise ConfigError(f"data.classes: {listed(names)}; with data.instances=true name one class of objects")
        return InstanceMasks.of(names[0] if names else "object", options.boundary, ignore)
    labels = _labels(seen, any(isinstance(label, tuple) for stored in (given or {}).values() for label in stored))
    if given is None:
        classes = found_classes(labels, [item.palette for item in seen], ignore)
    else:
        classes = named_classes(given, labels, ignore)
    foreground = classes.names[1:] if classes.background else classes.names
    if options.objects is False:
        return ClassMasks(classes)
    chosen = foreground if options.objects is True else tuple(map(str, options.objects))
    if unknown := [name for name in chosen if name not in foreground]:
        raise ConfigError(f"data.objects={list(chosen)}: no class {listed(unknown)}; there are {listed(foreground, 9)}")
    return ClassMasks(classes, chosen)


def _labels(seen: Sequence[Seen], in_colour: bool) -> list[Any]:
    """Return the values or colours that the masks store, sorted; of palettes the colours, if classes are colours."""
    found = set[Any]()
    for item in seen:
        if in_colour and item.palette is not None:
            found |= {tuple(colour) for colour in item.palette_colours}
        else:
            found |= {
                tuple(value) if isinstance(value, list) else value
                for page in item.values
                for part in page
                for value in part
            }
    if in_colour and any(isinstance(label, int) for label in found):
        raise DataError("data.colours: some masks store values (grey), no colours; name them by data.classes")
    if len(found) >= MOST_VALUES and not in_colour:
        # Some may have been left out.
        return sorted(found, key=str)[:MOST_VALUES]
    return sorted(found, key=lambda label: (isinstance(label, int), label))


def _classes_line(form: Form) -> str:
    if form.kind == "classes":
        return form.classes.describe() + (f"; objects: {listed(form.objects, 9)}" if form.objects else "")
    if form.kind == "instances":
        return f"masks number objects: classes {', '.join(form.classes.names)}"
    return f"overlapping classes: {', '.join(form.classes.names)}"


# -- images ----------------------------------------------------------------------------------------


def _channels(options: Options, seen: Sequence[Seen]) -> tuple[int, str]:
    """Return the channels of the images, and a line that says them."""
    if options.channels is not None:
        return options.channels, plural(options.channels, "channel")
    found = sorted({item.channels for item in seen})
    if found == [3] and all(item.third for item in seen):
        return 2, "2 channels (of three, the third is empty)"
    if found == [1, 3]:
        grey = sum(item.channels == 1 for item in seen)
        return 3, f"3 channels ({grey} of {len(seen)} images are grey, repeated)"
    if len(found) > 1:
        raise DataError(
            f"data.images: images of {listed([str(number) for number in found])} channels; set data.channels"
        )
    colours = " (RGB)" if found == [3] and seen[0].colours else " (grey)" if found == [1] else ""
    return found[0], plural(found[0], "channel") + colours


def _intensity(options: Options, seen: Sequence[Seen], samples: Sequence[Sample]) -> Intensity:
    if options.intensity is not None:
        return options.intensity
    eight = [item.white == 255 for item in seen]
    if all(eight):
        return Intensity()
    if any(eight):
        number, other = eight.index(True), eight.index(False)
        raise DataError(
            f"data.images: {sum(eight)} of {len(eight)} images have 8 bits ({samples[number].image.name}), the others"
            f" more ({samples[other].image.name}); scale each by its percentiles: data.percentiles=[1,99.8]"
        )
    return Intensity("percentiles", *(VOLUME if any(item.spacing for item in seen) else MICROSCOPE))


def _fit(options: Options, seen: Sequence[Seen]) -> tuple[Fit, str]:
    """Return how images come to one size, and why."""
    sizes = [(item.size[0], item.size[1]) for item in seen]
    spacings = [item.spacing for item in seen if item.spacing is not None]
    if spacings and len(spacings) < len(seen):
        raise DataError("data.images: some are NIfTI volumes and some are not; put them into two folders")
    size = None if options.size in (None, "auto") else (int(options.size[0]), int(options.size[1]))
    if spacings and options.spacing is not None:
        given = None if options.spacing == "auto" else float(options.spacing)
        fit, why = proposed_spacing(sizes, [(spacing[1], spacing[2]) for spacing in spacings], given)
        if options.size != "auto":
            found = Fit(size, "pad", fit.spacing)
            return found, f"slices of {fit.spacing:g} mm a pixel{cropped(found, sizes, spacings)}"
        return fit, why
    if options.size == "auto":
        return proposed_fit(sizes, options.fit, options.crop)
    how = "stretch" if options.fit == "auto" else options.fit
    return Fit(
        size, how
    ), "" if size is None else f"{'resized' if how == 'stretch' else 'padded'} to {shown_size(size)}"
