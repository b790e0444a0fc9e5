"""A model card (M. Mitchell et al., Model cards for model reporting, FAT* 2019) of a run, from the run's own files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.notes import convention_line
from segbench.reporting.conclusions.provenance import provenance
from segbench.reporting.conclusions.training import training_line
from segbench.reporting.statistics.jackknife import UnpairedError, by_seed, layout
from segbench.reporting.statistics.means import ENOUGH, means_of
from segbench.reporting.text.markdown import markdown_code, markdown_list, markdown_table, markdown_text
from segbench.runs.identity import IRRELEVANT
from segbench.runs.places import places_of, public, public_assignment
from segbench.runs.settings import is_under
from segbench.words import decimal, plural, visible

_UNKNOWN = "Nothing is known of data, scores and training: this is a checkpoint without its run's files."
_UNSCORED = "Nothing was scored."
_OTHER = "Nothing is known: the run has scored its best weights, and these are others of its checkpoints."
# A path from the root or a home, wherever it may begin in a text.
_ABSOLUTE = re.compile(r"(?<![^\s'\"`=\[({:,])~?/[^\s'\"`,\])}]+")
# Settings that have a place of their own on the card, or are about running alone.
_ELSEWHERE = (*IRRELEVANT, "seed")


def card(
    run: Run, licence: str | None, usage: Sequence[str], best: bool = True, size: tuple[int, int] | None = None
) -> str:
    """Return a run's model card as Markdown; it names no place of the machine.

    Args:
        run: The run; what its files do not say is said to be unknown.
        licence: Of the weights, as the one who exports them gives it; None if nobody did.
        usage: Commands that predict by it.
        best: Whether it is about the weights that the run has scored, its best ones.
        size: Height and width that images are resized to; None for that of the files.
    """
    scored = compare([run]) if run.state == "done" and best else None
    network = run.choices.get("model") or "network"
    data = str(run.summary.get("data", {}).get("name") or run.choices.get("data") or "unknown data")
    # What collections of models read.
    head = f"---\nlicense: {json.dumps(licence)}\nlibrary_name: segbench\n---" if licence else ""
    blocks = [head, f"# {markdown_text(f'{network} trained on {data}')}"]
    blocks += [f"Licence: {markdown_text(licence) if licence else 'not given'}."]
    blocks += ["## Predict", *map(markdown_code, usage)]
    if not run.summary:
        blocks += [_UNKNOWN]
    else:
        blocks += ["## Data", markdown_list(_data(run, size))]
        blocks += ["## Scores", *(_scores(scored) if scored else [_UNSCORED if best else _OTHER])]
        blocks += ["## Training", *_training(run, scored, best)]
        blocks += ["## Made by", *_origin(run)]
    text = "\n\n".join(block for block in blocks if block) + "\n"
    return _ABSOLUTE.sub("<path>", text)


def _data(run: Run, size: tuple[int, int] | None) -> list[str]:
    """Return images, groups and classes of the data."""
    known = run.summary.get("data") or {}
    images, groups = known.get("images") or {}, known.get("groups") or {}
    group = known.get("group") or "group"
    parts = [
        f"{split}: {plural(count, 'image')}"
        + (f" of {plural(groups[split], group)}" if groups.get(split, count) != count else "")
        for split, count in images.items()
    ]
    classes = known.get("class_frequencies") or {}
    shares = [f"{name} {share:.2%}" for name, share in classes.items()]
    return [
        *parts,
        f"classes, and their share of the training pixels: {', '.join(shares)}",
        f"input size: {f'height {size[0]}, width {size[1]}' if size else 'as the files are'}",
    ]


def _scores(comparison: Comparison) -> list[str]:
    """Return the table of all scores with their intervals, and how they came about."""
    row, groups = comparison.rows[0], min(len(set(part.groups)) for part in comparison.parts)
    cells = []
    for name in score_names(comparison):
        most = comparison.metric_named(name).score.largest
        try:
            alone = layout(by_seed(row.done, comparison.split, name, comparison.convention))
        except UnpairedError:
            continue
        (mean,) = means_of([alone], most, groups)
        cells.append([name.replace("_", " "), mean.interval(comparison.unit)])
    ends = f"95 % intervals over {comparison.unit}" if groups >= ENOUGH else f"ranges over {comparison.unit}"
    table = markdown_table((["score", f"mean, with {ends}"], cells))
    return [table, markdown_text(f"{convention_line(comparison)} One training: another seed would give other scores.")]


def _training(run: Run, comparison: Comparison | None, chosen: bool) -> list[str]:
    """Return how it was trained, and every setting that can change the result."""
    cost = run.summary.get("cost") or {}
    lines = training_line(comparison) if comparison else []
    if parameters := cost.get("parameters"):
        flops = decimal((cost.get("flops_per_image") or float("nan")) / 1e9, 2)
        lines.append(f"{parameters:,} parameters, {flops} GFLOPs an image.")
    if chosen and (best := run.summary.get("best")):
        lines.append(f"Weights of epoch {best.get('epoch')}, chosen by {best.get('monitor')}.")
    places = places_of(run.config)
    settings = [
        f"{key}={public(public_assignment(key, str(value)), places)}"
        for key, value in sorted(run.comparable.items())
        if value is not None and not is_under(key, _ELSEWHERE)
    ]
    return [*map(markdown_text, lines), "Settings:", "\n".join(["```", *map(visible, settings), "```"])]


def _origin(run: Run) -> list[str]:
    """Return run, seed, code, versions and machine."""
    places = places_of(run.config)
    lines = [
        f"{public(origin.text, places)} {'; '.join(map(markdown_code, origin.commands))}".strip()
        for origin in provenance([run], run.experiment)
    ]
    return ["\n".join(f"- {line}" for line in [f"Run {run.id}.", *lines])]
