"""What no score shows, a line each: runs that collapsed, rows that are the same, classes and images always lost."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.longer import cut_off
from segbench.reporting.statistics.degenerate import Collapse, Same, lost_images
from segbench.runs.split_scores import derive, has_metric
from segbench.words import listed, plural


def oddities(
    comparison: Comparison, collapsed: Mapping[int, Sequence[Collapse]], same: Sequence[Same]
) -> tuple[str, ...]:
    """Return the lines, the gravest first.

    Args:
        comparison: The comparison.
        collapsed: As :func:`segbench.reporting.statistics.degenerate.collapses` found them.
        same: As :func:`segbench.reporting.statistics.degenerate.same_rows` found them.
    """
    labels = [row.label for row in comparison.rows]
    found = [f"{labels[index]}: {collapse_words(comparison, index, seeds)}, so it is not ranked."
             for index, seeds in collapsed.items()]  # fmt: skip
    found += [f"{same_words(comparison, rows)}; neither ranks above the other." for rows in same]
    found += [*_no_better_than_one_thing(comparison, collapsed), *_found_by_none(comparison)]
    for images, rows in lost_images(comparison).items():
        who = "Every row" if 1 < len(rows) == len(labels) else listed([labels[index] for index in rows])
        fail = "fails" if len(rows) == 1 or who == "Every row" else "fail"
        found.append(
            f"{who} {fail} on {listed(images)} with every seed (less than half the score of a typical image): how"
            " often that would happen on others cannot be told from so few."
        )
    return tuple(found)


def _no_better_than_one_thing(comparison: Comparison, collapsed: Container[int]) -> list[str]:
    """Name the rows that score no more than one prediction for everything, which is high where a class is large.

    Nothing of rows of other images, of a distance, and of a score that such a prediction wins, as a sensitivity.
    """
    first = next(iter(comparison.parts), None)
    if first is None or comparison.direction < 0 or not all(part.same_images(first) for part in comparison.parts):
        return []
    constants = {name: part for name, part in first.constants().items() if has_metric(part, comparison.metric)}
    scores = {name: derive(part, comparison.metric, comparison.convention) for name, part in constants.items()}
    name, most = max(((name, score) for name, score in scores.items() if np.isfinite(score)), key=itemgetter(1),
                     default=("", np.inf))  # fmt: skip
    if most >= comparison.score.largest:
        return []
    means = {
        row.label: row.scores[comparison.metric].mean
        for index, row in enumerate(comparison.rows)
        if row.done and index not in collapsed
    }
    low = [f"{label} ({mean:.3f})" for label, mean in means.items() if mean <= most]
    return [f"Predicting {name} everywhere scores {most:.3f}: no less than {listed(low)}."] if low else []


def _found_by_none(comparison: Comparison) -> list[str]:
    """Name the classes that are there and of which no network of any row finds anything, whatever the score says."""
    parts, convention = comparison.parts, replace(comparison.convention, empty="nan")

    def found(label: str) -> list[float]:
        """Return the sensitivities to a class, up to the first that finds something."""
        name, known = f"sensitivity_{label}", []
        for part in parts:
            if has_metric(part, name) and np.isfinite(value := derive(part, name, convention)):
                known.append(value)
                if value:
                    break
        return known

    scored = {label: values for label in comparison.classes if (values := found(label))}
    none = [label for label, values in scored.items() if not any(values)]
    if not none or len(scored) == 1:
        return []
    what = "row finds" if sum(bool(row.done) for row in comparison.rows) > 1 else "network finds"
    return [f"No {what} anything of {listed(none, 6)} ({len(none)} of {len(scored)} classes)."]


def collapse_words(comparison: Comparison, index: int, seeds: Sequence[Collapse]) -> str:
    """Return what became of a row's collapsed seeds, as a clause."""
    runs, metric = len(comparison.rows[index].done), comparison.metric.replace("_", " ")
    everywhere = {seed.everywhere for seed in seeds}
    which = f"with {plural(runs, 'seed') if runs == 1 else f'all {runs} seeds'}"
    if len(seeds) == runs and len(everywhere) == 1 and "" not in everywhere:
        return f"predicts {everywhere.pop()} everywhere {which} ({metric} {seeds[0].score:.4f})"
    each = [f"seed {one.seed}: {metric} {one.score:.4f}" + f", {one.everywhere} everywhere" * bool(one.everywhere)
            for one in seeds]  # fmt: skip
    short = cut_off(comparison.rows[index], {one.seed for one in seeds})
    became = "learned little or nothing so far" if short else "collapsed"
    return f"{len(seeds)} of {plural(runs, 'seed')} {became} ({'; '.join(each)})"


def same_words(comparison: Comparison, same: Same) -> str:
    """Return that rows are the same, as a sentence without its end."""
    labels = [comparison.rows[index].label for index in same.rows]
    return f"{listed(labels)} are the same: identical {comparison.task.same} on all {same.images} images"
