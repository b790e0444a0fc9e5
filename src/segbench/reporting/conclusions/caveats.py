"""What cannot be concluded from a comparison, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from segbench.reporting.collection.folds import FOLDS
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.tuning import tuning_caveats
from segbench.reporting.statistics.jackknife import Layout
from segbench.reporting.statistics.pairs import Pair
from segbench.words import listed

FEW_GROUPS = 50
FEW_SEEDS = 5
MOST_NAMED = 8


def caveats(
    comparison: Comparison,
    alone: Sequence[Layout | None],
    pairs: Sequence[Pair],
    refused: Mapping[tuple[int, int], str],
    beyond: Sequence[int],
    collapsed: Collection[int] = (),
) -> tuple[str, ...]:
    """Return what cannot be concluded, the gravest first.

    Args:
        comparison: The comparison.
        alone: Each row laid out by itself; None where it has no score.
        pairs: The pairs of rows that could be compared.
        refused: Why the others could not.
        beyond: Rows that were not compared because there are too many.
        collapsed: Rows of which a seed collapsed, which is said elsewhere.
    """
    rows = [found for found in alone if found is not None]
    if not rows:
        return ()
    found = [text] if (text := missing_runs(comparison)) else []
    found += [
        *_looked_before(comparison),
        *_amount(comparison, alone, collapsed),
        *_missing(comparison, alone),
        *_images(comparison, rows),
        *tuning_caveats(comparison),
    ]
    labels = [row.label for row in comparison.rows]
    if refused:
        (first, second), reason = next(iter(refused.items()))
        more = f" (and {len(refused) - 1} other pairs)" if len(refused) > 1 else ""
        found.append(f"Not compared: {labels[first]} and {labels[second]}{more}, as {reason}.")
    if beyond:
        found.append(f"Pairs are tested among the {len(comparison.rows) - len(beyond)} best rows only.")
    return tuple(found)


def _amount(comparison: Comparison, alone: Sequence[Layout | None], collapsed: Collection[int]) -> list[str]:
    """Say what one configuration, few seeds and few groups leave open."""
    labels = [row.label for row in comparison.rows]
    rows = [found for found in alone if found is not None]
    single = [label for label, row in zip(labels, alone, strict=True) if row is not None and len(row.seeds) == 1]
    found = []
    if len(comparison.rows) == 1:
        found.append("One configuration: there is nothing to compare it with.")
    if len(single) == len(rows):
        found.append(
            f"One seed: intervals are over {comparison.unit}, for these trained networks; another seed could reverse"
            " any difference, so none is tested."
        )
    elif single:
        found.append(f"One seed only: {listed(single)}; told from no other row.")
    seeds = min((len(row.seeds) for row in rows if len(row.seeds) > 1), default=FEW_SEEDS)
    if seeds < FEW_SEEDS:
        found.append(
            f"{seeds} seeds are few: the intervals take for granted that seeds scatter normally around their mean,"
            " which so few do not show."
        )
    groups = min(len(row.groups) for row in rows)
    if comparison.folds:
        groups = min(len(set(part.groups)) for part in comparison.parts)
    if groups == 1:
        found.append(
            f"One {comparison.single_unit}: no interval and no test can say what other {comparison.images} would"
            " change."
        )
    elif groups < FEW_GROUPS:
        found.append(
            f"{groups} {comparison.grouping}, fewer than {FEW_GROUPS}: a failure on one in {FEW_GROUPS} may not be"
            " among them, and then no figure here shows it."
        )
    shown = [row if index not in collapsed else None for index, row in enumerate(alone)]
    constant = [label for label, row in zip(labels, shown, strict=True) if row and len(row.groups) > 1 and row.constant]
    if constant:
        found.append(
            f"{listed(constant)}: all {comparison.images} score the same, so there is no interval, as nothing shows how"
            " the score varies."
        )
    if groups > 1 and any(not row.known for row in rows):
        found.append(f"One {comparison.single_unit} alone has something to score for a class, so there is no interval.")
    return found


def _missing(comparison: Comparison, alone: Sequence[Layout | None]) -> list[str]:
    """Say which runs are missing from the means."""
    found = []
    in_rows = {id(run) for row in comparison.rows for run in row.runs}
    # One of other settings belongs to no row; of one that left no configuration it cannot be known.
    if count := sum(
        run.state not in ("excluded", "missing") and (id(run) in in_rows or not run.config)
        for run, _ in comparison.unfinished
    ):
        runs, they = ("run is", "it") if count == 1 else ("runs are", "they")
        found.append(
            f"{count} {runs} missing from the means: if {they} failed because of what is compared, the means flatter."
        )
    scores = sum(row.scores[comparison.metric].n for row in comparison.rows)
    if lost := len(comparison.done) - scores:
        found.append(f"{lost} finished {'run has' if lost == 1 else 'runs have'} no score by {comparison.metric}.")
    for row, laid in zip(comparison.rows, alone, strict=True):
        if laid is None and row.scores[comparison.metric].n:
            found.append(f"{row.label}: several runs of one seed are scored on different images; it is not compared.")
    kept = [set(row.seeds) for row in alone if row is not None]
    if kept and any(seeds != kept[0] for seeds in kept):
        found.append("Rows have different seeds; pairs are compared by those that both have.")
    return found


def _looked_before(comparison: Comparison) -> list[str]:
    """Warn of seeds that were added after a report that could have told rows apart, and that no plan had then."""
    for look in comparison.looks:
        both = [row for row in comparison.rows if look.seeds.get(row.label, 0) > 1 and row.seeds > 1]
        more = [row for row in both if row.seeds > max(look.planned.get(row.label, 0), look.seeds[row.label])]
        if len(both) > 1 and more:
            before, now = look.seeds[more[0].label], more[0].seeds
            return [
                f"Looked at before: the report of {look.time} knew {before} seeds of {more[0].label}, this one knows"
                f" {now}. Adding seeds until a difference shows gives 8 to 20 % false alarms instead of 5 %; looks that"
                " are planned (decide=true) do not."
            ]
    return []


def missing_runs(comparison: Comparison) -> str:
    """Count and name the planned runs that are not there; empty where all are.

    Without them, or without the bad ones among them, scores flatter.
    """
    labels = {id(run): row.label for row in comparison.rows for run in row.runs}
    missing = [
        f"{labels.get(id(run), run.name)}{'' if run.seed is None else f' seed={run.seed}'} ({run.reason})"
        for run in comparison.missing
    ]
    if not missing:
        return ""
    planned = len(labels) + sum(id(run) not in labels for run in comparison.missing)
    return f"{len(comparison.done)} of {planned} runs; missing: {listed(missing, MOST_NAMED)}."


def _images(comparison: Comparison, rows: Sequence[Layout]) -> list[str]:
    """Say what the choice of images leaves open."""
    found = _folds(comparison)
    if comparison.folds and any(not row.crossed for row in rows):
        found.append("Each seed has its own folds, so whether more seeds or more folds would help cannot be told.")
    elif any(not row.crossed for row in rows):
        found.append(
            "Seeds are scored on different images (each its own split): what varies between seeds and between images"
            " cannot be told apart, and splits that share training images make the intervals too narrow."
        )
    if comparison.split.startswith("val") and any(_chosen(run.config) for run in comparison.done):
        found.append(
            f"The best epoch was chosen on the {comparison.split} images that are scored: the scores are too"
            f" {'high' if comparison.direction > 0 else 'low, hence too good'}, and"
            " no interval covers that."
        )
    return found


def _folds(comparison: Comparison) -> list[str]:
    """Say what a cross-validation leaves open."""
    joined = [run for run in comparison.done if run.folds]
    if not joined:
        return []
    found = [
        "Folds share training images, so they differ less than experiments on other images would; intervals and tests"
        " allow for that only roughly (Nadeau and Bengio 2003; Bengio and Grandvalet 2004)."
    ]
    whole = {(len(run.folds), run.settings[FOLDS]) for run in joined}
    if some := sorted((count, of) for count, of in whole if count != of):
        found.append(f"Only {some[0][0]} of {some[0][1]} folds were trained: images of the others are tested by none.")
    if any(run.settings.get("data.split_by") == "image" for run in joined):
        found.append(
            "Images of one group are in several folds (data.split_by=image): networks were tested on groups that they"
            " were trained on, so the scores are too good."
        )
    return found


def _chosen(config: Mapping[str, object]) -> bool:
    """Whether a run kept its best epoch rather than its last."""
    trainer = config.get("trainer")
    return not isinstance(trainer, Mapping) or trainer.get("monitor") != "last"
