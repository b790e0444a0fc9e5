"""From a comparison to new images: the command that predicts them with the row that scores best."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import numpy as np

from segbench.installation import typed
from segbench.reporting.collection.factors import ABSENT, UNKNOWN
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.provenance import Origin, has_own, path_of_own
from segbench.runs.directory import RunDirectory
from segbench.words import plural

# More runs than these are not named one by one, where the row's settings name them.
MOST_NAMED = 5
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)


def how_to_predict(comparison: Comparison, found: Evidence) -> Origin | None:
    """Return commands that predict new images with the row of the best mean and that export it, and what is known of
    its lead.

    Several runs of the row, seeds or folds, predict together.

    Args:
        comparison: What was compared.
        found: What it shows.

    Returns:
        The words and both commands; None where nothing is predicted (classification), no row has a score, or a run of
        the best row has lost its weights.
    """
    scored = [i for i, mean in enumerate(found.means) if np.isfinite(mean.mean) and i not in found.unranked]
    if not scored or comparison.task.masks is None:
        return None
    leader = max(scored, key=lambda index: comparison.direction * found.means[index].mean)
    row = comparison.rows[leader]
    runs = [part for run in row.done for part in run.each]
    if not all(RunDirectory(run.directory).predicting() for run in runs):
        return None
    together = f", by its {plural(len(runs), 'run')} together (scores are of each alone)" if len(runs) > 1 else ""
    words = f"Predict new images with {row.label}{_lead(comparison, found, leader, scored)}{together}:"
    # Who reads the page of their own runs trusts the classes that they wrote.
    own, trust = path_of_own(runs[0]), " trust=true" if has_own(runs[0]) else ""
    predict = f"{own}{typed('predict')} {_runs(comparison, row, runs)} images=<folder>{trust}"
    # Of an ensemble one of its members: an export is of one network.
    (first, *_) = RunDirectory(runs[0].directory).predicting()
    export = f"{own}{typed('export')} {shlex.quote(f'run={first}')} to=onnx{trust}  # one network, for other programs"
    return Origin(words, (predict, export))


def _lead(comparison: Comparison, found: Evidence, leader: int, scored: Sequence[int]) -> str:
    """Return what is known of the leader's lead, as a clause."""
    if len(scored) == 1:
        return ""
    if found.decision.winner == leader:
        (other, *more) = (comparison.rows[index].label for index in scored if index != leader)
        return f", which is better than {'all others' if more else other}"
    score = "highest score" if comparison.direction > 0 else "lowest (best) score"
    return f", which has the {score} but is not shown to be the best"


def _runs(comparison: Comparison, row: Row, runs: Sequence[Run]) -> str:
    """Return how the command names the runs."""
    if len(runs) == 1:
        return shlex.quote(f"run={runs[0].directory}")
    settings = [(factor, _typed(value)) for factor, value in zip(row.factors, row.values, strict=True)]
    if len(runs) <= MOST_NAMED or not all(_PLAIN.fullmatch(value) for _, value in settings):
        return shlex.quote(f"run=[{','.join(str(run.directory) for run in runs)}]")
    chosen = [shlex.quote(f"row=[{','.join(f'{factor}={value}' for factor, value in settings)}]")] if settings else []
    return " ".join([shlex.quote(f"ensemble={comparison.directory}"), *chosen])


def _typed(value: object) -> str:
    """Return a factor's value as it is typed; nothing plain where there is none."""
    if value in (ABSENT, UNKNOWN):
        return ""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
