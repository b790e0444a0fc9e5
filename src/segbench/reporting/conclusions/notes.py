"""What has to be said under a table: how the numbers came about, and what they do not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from segbench.reporting.collection.folds import FOLDS
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.columns import averages, convention_words
from segbench.reporting.comparison.model import Comparison, Row, number_of
from segbench.reporting.conclusions.claim_words import explanation
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.reading import reading, shown
from segbench.reporting.conclusions.training import training_line
from segbench.reporting.conclusions.tuning import tuning_lines
from segbench.runs.split_scores import derive
from segbench.words import listed

MOST_NAMED = 5
ONE_VS_REST_TITLE = "Each class against the rest, averaged over classes (macro) and over all decisions (micro)"
MCNEMAR = "The trained networks in pairs, image by image (McNemar's test)"


def convention_line(comparison: Comparison) -> str:
    """Return the line that every table carries: convention, split, images, resolution, groups, seeds."""
    parts = [f"Scores: {convention_words(comparison)}", f"{comparison.split} split"]
    counts = [run.counts[comparison.split] for run in comparison.done]
    if counts:
        parts.append(number_of([len(part.ids) for part in counts], comparison.images))
        if sizes := {size for part in counts for size in part.sizes}:
            parts.append(f"resolution {_resolution(sizes)}")
        if comparison.grouping != comparison.images:
            parts.append(number_of([len(set(part.groups)) for part in counts], comparison.group_name))
    parts.append(f"seeds {_seeds(comparison.done)}")
    return "; ".join(parts) + "."


def notes(comparison: Comparison, with_caveats: bool = True) -> list[str]:
    """Return the sentences under the table, the convention line first, how to read it last.

    Args:
        comparison: The comparison.
        with_caveats: Whether what cannot be concluded is among them; a page may say it elsewhere.
    """
    return [*own_notes(comparison, with_caveats), *general_notes(comparison)]


def general_notes(comparison: Comparison) -> list[str]:
    """Return how to read the tables: what other comparisons of the same kind say in the same words."""
    if not comparison.done:
        return []
    figures = evidence(comparison)
    return [
        *_cross_validation(comparison),
        *_together(comparison),
        _spread(comparison.rows),
        *reading(comparison, figures),
        *_micro(comparison),
        *explanation(figures.claims, comparison.metric, comparison.split, comparison.unit),
        *_mcnemar(comparison),
    ]


def own_notes(comparison: Comparison, with_caveats: bool = True) -> list[str]:
    """Return what is to be said of this comparison alone; the arguments are those of :func:`notes`."""
    found = [convention_line(comparison)]
    if comparison.described:
        found.append(f"Rows. {'; '.join(f'{value}: {text}' for value, text in comparison.described.items())}.")
    if comparison.wanted_split != comparison.split:
        asked = f"The comparison asks for the {comparison.wanted_split} split; not every run has one,"
        found.append(f"{asked} so the {comparison.split} split is used.")
    found += [*training_line(comparison), *tuning_lines(comparison)]
    if comparison.done:
        figures = evidence(comparison)
        found += [*_distance(comparison), *_unspread(comparison.rows), *shown(comparison, figures)]
        found += figures.caveats if with_caveats else ()
        found += _without_score(comparison)
        found += _unequal_images(comparison)
        found += _unequal_circumstances(comparison.trained)
    return found


_UNITS = {"px": "pixels", "mm": "millimetres"}


def _cross_validation(comparison: Comparison) -> list[str]:
    """Say what a run of several folds is, and how they count."""
    if not comparison.folds:
        return []
    of = next(int(str(run.settings[FOLDS])) for run in comparison.done if run.folds)
    return [
        f"Cross-validation: each row and seed is {comparison.folds} networks, and each image is scored once, by the one"
        " that was not trained on it; costs are the mean of one training. Folds are what intervals and tests count:"
        f" with S² the variance of the folds, that of their mean is taken for (1/{comparison.folds} + 1/{of - 1}) S²"
        f" instead of S²/{comparison.folds}, as their networks share training images."
    ]


def _together(comparison: Comparison) -> list[str]:
    """Say what a run is that averages the predictions of several others."""
    found = {size for run in comparison.done if type(size := run.settings.get("predict.ensemble")) is int}
    return [
        f"predict.ensemble={size}: a run averages the probabilities of {size} trained networks, that of seed 0 those of"
        f" the seeds 0 to {size - 1}, and so on; its costs are theirs together."
        for size in sorted(map(int, found))
    ]


def _spread(rows: Sequence[Row]) -> str:
    if not any(len(row.done) > 1 for row in rows):
        return "One seed for each row: there is no spread, and no difference here is shown to be more than chance."
    return (
        "Values are mean ± sample standard deviation over seeds (n = number of runs); the spread is no confidence"
        " interval."
    )


def _unspread(rows: Sequence[Row]) -> list[str]:
    single = [row.label for row in rows if len(row.done) == 1]
    return [f"No spread with one seed: {', '.join(single)}."] if single and len(single) < len(rows) else []


def _distance(comparison: Comparison) -> list[str]:
    """Say in which unit the shown scores are of which less is better, the deciding one first."""
    names = dict.fromkeys([comparison.metric, *(name for row in comparison.rows for name in row.scores)])
    scores = {(score := comparison.metric_named(name).score).name: score for name in names}
    found = []
    for score in (score for score in scores.values() if score.lower_is_better):
        unit = f" in {_UNITS.get(score.unit, score.unit)}" if score.unit else ""
        found.append(f"{score.title[:1].upper()}{score.title[1:]}{unit}: lower is better.")
    return found


def _micro(comparison: Comparison) -> list[str]:
    """Say how macro and micro averages come about, and what makes micro sensitivity and F1 one number."""
    classes = {len(part.class_names) for part in comparison.parts}
    if not averages(comparison) or len(classes) != 1:
        return []
    count = classes.pop()
    text = (
        "Macro: each class is scored against the rest, then the mean over classes is taken. Micro: the classes' counts"
        " are added, then scored."
    )
    if comparison.task.exclusive:
        text += (
            " Every counted pixel has one class and is given one, so there are as many added false positives as false"
            " negatives: micro sensitivity, precision and F1 are one number, the pixel accuracy p; of"
            f" {count} classes micro accuracy is 1 - 2 (1 - p) / {count} and micro specificity"
            f" 1 - (1 - p) / {count - 1}. Published figures where sensitivity equals F1 are micro averages."
        )
    if all("miou" in part.scores for part in comparison.parts):
        text += (
            " mIoU is the benchmark's: counts pooled over all images, the IoU of each class, the mean over the classes"
            " that occur in truth or prediction."
        )
    return [text]


def _mcnemar(comparison: Comparison) -> list[str]:
    """Say how to read McNemar's tests, and what they do not know."""
    if comparison.graded or sum(bool(row.done) for row in comparison.rows) < 2:
        return []
    text = (
        "McNemar's test (only A correct, only B correct: images that one of the two classifies correctly and the other"
        " does not, for each seed): whether these two trained networks differ on other images. It knows nothing of"
        " seeds: each p is of one training of each, and another training could turn it; p (recipe) is of the decision,"
        " which takes other seeds into account. Exact p is conservative, mid-p less so; neither is corrected for the"
        " number of pairs and seeds."
    )
    if comparison.grouping != comparison.images:
        text += " It takes images for independent, also those of one group."
    return [text]


def _without_score(comparison: Comparison) -> list[str]:
    """Name the runs whose counts give no finite score: they are finished, and yet in no mean."""
    convention, name, split = comparison.convention, comparison.metric, comparison.split
    missing = [run.name for run in comparison.done if not np.isfinite(derive(run.counts[split], name, convention))]
    if not missing:
        return []
    more = f" and {len(missing) - MOST_NAMED} more" if missing[MOST_NAMED:] else ""
    listed = ", ".join(missing[:MOST_NAMED])
    return [f"No finite {name.replace('_', ' ')} on the {split} split, so in no mean of it: {listed}{more}."]


def _unequal_images(comparison: Comparison) -> list[str]:
    # Seeds may have splits of their own, as long as all rows have the same one for a seed.
    images = {(run.seed, run.counts[comparison.split].ids) for run in comparison.done}
    if len(images) == len({run.seed for run in comparison.done}):
        return []
    return [f"The runs are scored on different {comparison.split} images, so part of a difference may come from them."]


def _unequal_circumstances(done: Sequence[Run]) -> list[str]:
    found = []
    devices = {
        (str(run.summary.get("cost", {}).get("device")), run.summary.get("cost", {}).get("threads")) for run in done
    }
    if len(devices) > 1:
        names = ", ".join(sorted(f"{device} ({threads} threads)" for device, threads in devices))
        found.append(
            f"The runs used different devices or thread counts ({names}): compare no times or speeds across them."
        )
    commits = {str(run.summary.get("git", {}).get("commit")) for run in done}
    if len(commits) > 1:
        found.append(f"The runs come from {len(commits)} different commits of the code.")
    own = {item for run in done for item in (run.summary.get("git", {}).get("own") or {}).items()}
    if changed := sorted(name for name, times in Counter(name for name, _ in own).items() if times > 1):
        found.append(f"The runs come from different versions of {listed(changed)}.")
    return found


def _seeds(runs: Iterable[Run]) -> str:
    return ", ".join(str(seed) for seed in sorted({run.seed for run in runs if run.seed is not None})) or "none"


def _resolution(sizes: set[tuple[int, int]]) -> str:
    """Return sizes as width x height."""
    shown = [f"{width}x{height}" for height, width in sorted(sizes, key=lambda size: np.prod(size))]
    return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} to {shown[-1]} ({len(shown)} sizes)"
