"""The page of a survey: one HTML file, with everything inside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from segbench.errors import StorageError
from segbench.masks import MaskKey
from segbench.pages import content_policy, page_environment, shared_style
from segbench.pictures.panels import class_colour
from segbench.runs.files import write_text
from segbench.survey.classes import Share
from segbench.survey.drawing import Picture, Shot, augmented, batch_pictures, contact_sheet, draw
from segbench.survey.findings import Finding, placed
from segbench.survey.images import BINS, by_split
from segbench.survey.look import Survey
from segbench.survey.sizes import file_sizes, in_words, stored_sizes
from segbench.survey.steps import Cost
from segbench.words import duration, listed, plural

# Rows of the table of groups, and names of images in a finding.
_MOST_GROUPS, _MOST_NAMES = 60, 20
_BAR = 4


@dataclass(frozen=True)
class Shown:
    """A finding with its pictures drawn."""

    finding: Finding
    names: list[str]
    more: int
    pictures: list[Picture]


@dataclass(frozen=True)
class Histogram:
    """The brightness of a part of the split: heights of the bars, 0 to 100, and percentiles in words."""

    split: str
    bars: list[float]
    words: str


def write_page(survey: Survey, folder: Path, name: str, command: str) -> Path:
    """Write ``index.html`` into a folder.

    Args:
        survey: What was found.
        folder: Made if it is not there.
        name: What the data is called.
        command: The training command with the proposed settings.

    Returns:
        The file.

    Raises:
        StorageError: If it cannot be written.
    """
    path = folder / "index.html"
    page = html_page(survey, name, command)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, page)
    except OSError as error:
        raise StorageError(
            f"out={folder}: cannot be written ({error.strerror or error}); choose another folder"
        ) from error
    return path


def html_page(survey: Survey, name: str, command: str) -> str:
    """Return the page; see :func:`write_page`."""
    style = shared_style() + (files(str(__package__)) / "templates" / "survey.css").read_text(encoding="utf-8")
    pictures, facts = survey.pictures, survey.facts
    return (
        page_environment(str(__package__))
        .get_template("survey.html.j2")
        .render(
            name=name,
            answer=answer(survey),
            facts=_facts(survey),
            findings=[_shown(survey, finding) for finding in survey.findings],
            proposals=survey.proposals,
            command=command,
            legend=_legend(pictures.key) if pictures.masks else [],
            sheet=contact_sheet(pictures, [(item.index, placed(item.id, item.split)) for item in facts]),
            **_tables(survey),
            **_intensities(survey),
            fits=survey.fits,
            lowest=_lowest(survey),
            augments=_augments(survey),
            augmented=augmented(pictures),
            batch=batch_pictures(pictures, survey.cost.batch) if survey.cost else [],
            batch_words=batch_words(survey.cost) if survey.cost else "",
            cost=cost_rows(survey.cost) if survey.cost else [],
            unmeasured=survey.unmeasured,
            checks=checks(survey),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            style=Markup(style),  # noqa: S704 - the package's own files
            policy=content_policy(style),
        )
    )


def _tables(survey: Survey) -> dict[str, Any]:
    """Return the tables of classes and objects by the names that the template has for them."""
    return {
        "classes": survey.data.class_names,
        "counted": "pixels" if survey.pictures.masks else "images",
        "masks": survey.pictures.masks,
        "shares": [_row(share) for share in survey.shares],
        "groups": [_row(share) for share in survey.groups[:_MOST_GROUPS]],
        "more_groups": max(0, len(survey.groups) - _MOST_GROUPS),
        "objects": _objects(survey),
    }


def _intensities(survey: Survey) -> dict[str, Any]:
    """Return sizes and brightness by the names that the template has for them."""
    return {
        "histograms": _histograms(survey),
        "bar": _BAR,
        "bins": BINS,
        "stored": in_words(stored_sizes(survey.facts)),
        "files": in_words(file_sizes(survey.data.records)),
    }


def answer(survey: Survey) -> str:
    """Return the survey in a sentence."""
    images = plural(len(survey.facts), "image")
    if not survey.findings:
        return f"Nothing suspect was found in {images}."
    things = "One thing" if len(survey.findings) == 1 else f"{len(survey.findings)} things"
    return f"{things} to look at in {images}: {listed([finding.title for finding in survey.findings])}."


def cost_rows(cost: Cost) -> list[tuple[str, str]]:
    """Return what a run takes, in words."""
    validation = f", and {plural(cost.val_batches, 'batch').replace('batchs', 'batches')} of validation at"
    validation = f"{validation} {cost.val_seconds:.2g} s" if cost.val_batches else ""
    # A machine that others use makes every time longer, and a quiet one shorter.
    load = f", as busy as it was: {cost.load}; what runs beside it makes it longer" if cost.load else ""
    return [
        (
            "a run",
            f"about {duration(cost.run_seconds)}: {plural(cost.epochs, 'epoch')} of {duration(cost.epoch_seconds)}",
        ),
        ("an epoch", f"{plural(cost.steps_per_epoch, 'step')} at {cost.step_seconds:.2g} s{validation}"),
        ("waiting for data", f"{cost.waiting:.0%} of a step"),
        ("memory", f"{cost.memory / 2**30:.2f} GiB of {cost.total_memory / 2**30:.0f} GiB"),
        ("parameters", f"{cost.parameters:,}"),
        ("measured", f"{plural(cost.steps, 'training step')} on {cost.device}{load}"),
    ]


def batch_words(cost: Cost) -> str:
    """Return shape and values of the first batch."""
    image = cost.batch["image"]
    shape = "x".join(str(length) for length in image.shape)
    values = f"{float(image.min()):.2f} to {float(image.max()):.2f}, mean {float(image.mean()):.2f}"
    return f"{shape} (images, channels, height, width), {values}, standard deviation {float(image.std()):.2f}"


def checks(survey: Survey) -> list[tuple[str, str]]:
    """Return everything that was looked for, and with what result."""
    found = {finding.kind: finding.title for finding in survey.findings}
    nothing = "nothing found"
    near = nothing if survey.near_compared else "not looked for among so many images"
    rows = [
        ("classes missing from training", found.get("class missing from training", nothing)),
        ("groups in several parts of the split", found.get("groups in several parts", nothing)),
        ("equal images", _first(found, ("duplicates across the split", "duplicates"), nothing)),
        ("nearly equal images", _first(found, ("near copies across the split", "near copies"), near)),
        ("exposure", found.get("exposure", nothing)),
    ]
    if not survey.pictures.masks:
        return rows
    fits = nothing if survey.fits.told else f"cannot be told: {survey.fits.why}"
    kinds = {
        "shifted masks": "masks shifted",
        "turned or mirrored masks": "masks turned",
        "swapped masks": "masks swapped",
        "masks of other images": "masks of other images",
    }
    rows += [(words, found.get(kind, fits)) for words, kind in kinds.items()]
    empty = sum(len(share.empty) for share in survey.shares)
    few = f"{empty} of {plural(len(survey.facts), 'mask')}: not suspect" if empty else nothing
    rows.append(("one mask for several images", found.get("one mask for several images", nothing)))
    rows.append(("empty masks", found.get("empty masks", few)))
    rows.append(("tiny objects", found.get("specks", nothing)))
    return rows


def _first(found: dict[str, str], kinds: tuple[str, ...], otherwise: str) -> str:
    return "; ".join(found[kind] for kind in kinds if kind in found) or otherwise


def _facts(survey: Survey) -> list[tuple[str, str]]:
    parts = by_split(survey.facts)
    groups = len({item.group for item in survey.facts})
    size = in_words(stored_sizes(survey.facts), 1)
    facts = [(f"images ({split})", str(len(items))) for split, items in parts.items()]
    facts += [("groups", str(groups))] if groups < len(survey.facts) else []
    facts += [("classes", str(survey.data.num_classes)), ("channels", str(survey.data.in_channels))]
    facts.append(("height x width", size[0][0] if len(size) == 1 else "several"))
    return facts + ([("a run", f"about {duration(survey.cost.run_seconds)}")] if survey.cost else [])


def _shown(survey: Survey, finding: Finding) -> Shown:
    names = list(finding.images[:_MOST_NAMES])
    drawn = [draw(survey.pictures, shot) for shot in finding.shots]
    return Shown(finding, names, len(finding.images) - len(names), drawn)


def _legend(key: MaskKey) -> list[tuple[str, str]]:
    """Return name and colour of the classes that pictures show."""
    colours = ["#" + "".join(f"{round(255 * part):02x}" for part in class_colour(index, key)) for index in key.shown]
    return [(key.names[index], colour) for index, colour in zip(key.shown, colours, strict=True)]


def _row(share: Share) -> dict[str, Any]:
    cells = [(_percent(share.fraction(label)), int(share.present[label])) for label in range(len(share.pixels))]
    return {"share": share, "cells": cells, "ignored": _percent(share.ignored), "empty": len(share.empty)}


def _percent(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.2f} %" if value < 0.1 else f"{100 * value:.1f} %"


def _objects(survey: Survey) -> list[dict[str, Any]]:
    """Return number and areas of the objects of each class, in pixels as stored."""
    key, rows = survey.pictures.key, list[dict[str, Any]]()
    for label in key.shown if survey.pictures.masks else ():
        areas = np.concatenate([item.objects[item.objects[:, 0] == label, 1] for item in survey.facts])
        if areas.size:
            percentiles = [round(float(value)) for value in np.percentile(areas, [0, 10, 50, 90, 100])]
            tiny = int((areas < 9).sum())
            rows.append({"name": key.names[label], "count": len(areas), "areas": percentiles, "tiny": tiny})
    return rows


def _histograms(survey: Survey) -> list[Histogram]:
    found = []
    for split, items in by_split(survey.facts).items():
        total = np.sum([item.histogram for item in items], axis=0)
        # Of a dark background, its peak would flatten everything else.
        bars = 100 * np.sqrt(total / max(1, total.max()))
        low, middle, high = np.median([item.levels[[0, 2, 4]] for item in items], axis=0)
        words = f"an image's median is {middle:.2f}, 98 % lie between {low:.2f} and {high:.2f} (medians over images)"
        found.append(Histogram(split, [round(float(bar), 1) for bar in bars], words))
    return found


def _augments(survey: Survey) -> bool:
    augmentation = survey.data.augmentation
    return bool(augmentation.transforms or augmentation.copies or augmentation.mix or survey.data.crop)


def _lowest(survey: Survey) -> list[Picture]:
    by_index = {item.index: item for item in survey.facts}
    shots = [Shot(index, f"{by_index[index].id}: {by_index[index].fit:.2f}") for index in survey.fits.lowest]
    return [draw(survey.pictures, shot, 260) for shot in shots]
