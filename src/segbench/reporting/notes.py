"""What has to be said under a table: how the numbers came about, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from segbench.reporting.claims import explanation
from segbench.reporting.collect import Run
from segbench.reporting.counts import derive
from segbench.reporting.table import Comparison, Row

MOST_NAMED = 5


def convention_line(comparison: Comparison) -> str:
    """Return the line that every table carries: convention, split, images, resolution, groups, seeds."""
    parts = [f"Scores: {comparison.convention.describe()}", f"{comparison.split} split"]
    counts = [run.counts[comparison.split] for run in comparison.done]
    if counts:
        parts.append(f"{_range(len(part.ids) for part in counts)} images")
        parts.append(f"resolution {_resolution({size for part in counts for size in part.sizes})}")
        parts.append(f"{_range(len(set(part.groups)) for part in counts)} groups")
    parts.append(f"seeds {_seeds(comparison.done)}")
    return "; ".join(parts) + "."


def notes(comparison: Comparison) -> list[str]:
    """Return the sentences under the table, the convention line first."""
    found = [convention_line(comparison)]
    if comparison.wanted_split != comparison.split:
        missing, used = comparison.wanted_split, comparison.split
        found.append(
            f"The comparison asks for the {missing} split; not every run has one, so the {used} split is used."
        )
    if comparison.done:
        read = explanation(comparison.claims, comparison.metric, comparison.split)
        found += [_spread(comparison.rows, tested=bool(read)), *([read] if read else [])]
        found += _closest(comparison)
        found += _one_configuration(comparison)
        found += _without_score(comparison)
        found += _unequal_images(comparison)
        found += _unequal_circumstances(comparison.done)
    return found


def _spread(rows: Sequence[Row], tested: bool) -> str:
    if not any(len(row.done) > 1 for row in rows):
        return "One seed for each row: there is no spread, and no difference here is shown to be more than chance."
    single = [row.label for row in rows if len(row.done) == 1]
    unproven = (
        "Only the claims were tested: no other difference is shown to be real"
        if tested
        else "No statistical test was made: a difference within this spread is not shown to be real"
    )
    text = (
        f"Values are mean ± sample standard deviation over seeds (n = number of runs). {unproven}, and the spread is"
        " no confidence interval."
    )
    return text + (f" No spread with one seed: {', '.join(single)}." if single else "")


def _closest(comparison: Comparison) -> list[str]:
    """Compare the two best rows with their spread, in words that claim no more than that."""
    name = comparison.metric
    scored = [(row.label, row.scores[name]) for row in comparison.rows if row.scores[name].n]
    if len(scored) < 2:
        return []
    (first, best), (second, next_best) = sorted(scored, key=lambda item: -item[1].mean)[:2]
    gap = f"The two highest rows, {first} and {second}, differ by {best.mean - next_best.mean:.4f} in {name}"
    spreads = [part.spread for part in (best, next_best) if part.spread is not None]
    if len(spreads) < 2:
        return [f"{gap}; without a spread for both, this is not shown to be real."]
    widest = max(spreads)
    if best.mean - next_best.mean <= widest:
        return [f"{gap}, within the spread over seeds ({widest:.4f}): not shown to be real."]
    return [f"{gap}, more than the larger spread over seeds ({widest:.4f}); that alone is no proof."]


def _one_configuration(comparison: Comparison) -> list[str]:
    finished = [row.label for row in comparison.rows if row.done]
    if len(finished) != 1:
        return []
    return [f"Only one configuration has finished runs ({finished[0]}): there is nothing to compare it with."]


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
    images = {run.counts[comparison.split].ids for run in comparison.done}
    if len(images) < 2:
        return []
    return [f"The runs are scored on different {comparison.split} images, so part of a difference may come from them."]


def _unequal_circumstances(done: Sequence[Run]) -> list[str]:
    found = []
    devices = {
        (str(run.summary.get("cost", {}).get("device")), run.summary.get("cost", {}).get("threads")) for run in done
    }
    if len(devices) > 1:
        listed = ", ".join(sorted(f"{device} ({threads} threads)" for device, threads in devices))
        found.append(
            f"The runs used different devices or thread counts ({listed}): compare no times or speeds across them."
        )
    commits = {str(run.summary.get("git", {}).get("commit")) for run in done}
    if len(commits) > 1:
        found.append(f"The runs come from {len(commits)} different commits of the code.")
    return found


def _seeds(runs: Iterable[Run]) -> str:
    return ", ".join(str(seed) for seed in sorted({run.seed for run in runs if run.seed is not None})) or "none"


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _resolution(sizes: set[tuple[int, int]]) -> str:
    """Return sizes as width x height."""
    shown = [f"{width}x{height}" for height, width in sorted(sizes, key=lambda size: np.prod(size))]
    return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} to {shown[-1]} ({len(shown)} sizes)"
