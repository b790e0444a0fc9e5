"""A comparison as CSV, which spreadsheets open: texts stay texts, numbers stay numbers."""

from __future__ import annotations

import csv
import io
import math

from segbench.reporting.collection.factors import factor_value, show_value
from segbench.reporting.comparison.columns import convention_words
from segbench.reporting.comparison.model import COSTS, Comparison
from segbench.reporting.conclusions.evidence import evidence
from segbench.words import csv_cell


def csv_text(comparison: Comparison) -> str:
    """Return the comparison as CSV, unrounded: for each score mean, standard deviation and n; empty = none.

    ``low`` and ``high`` (``ends`` says of what), ``letters`` and ``p_best`` are of the deciding metric
    (``docs/statistics.md``); ``trials`` and ``tuned`` are the budget of tuning and the values that it chose
    (``docs/tuning.md``).
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    scores = list(comparison.rows[0].scores) if comparison.rows else []
    spread = [f"{name}_{part}" for name in scores for part in ("mean", "std", "n")]
    header = [*comparison.factors, "finished", "started", "seeds", "split", "convention", *spread]
    header += [
        *COSTS,
        "device",
        "published",
        "difference",
        "low",
        "high",
        "ends",
        "letters",
        "p_best",
        "trials",
        "tuned",
    ]
    writer.writerow([csv_cell(title) for title in header])
    found, convention = evidence(comparison), convention_words(comparison)
    for row, mean, letters, best in zip(comparison.rows, found.means, found.letters, found.best, strict=True):
        line = [*(show_value(value) for value in row.values), str(len(row.done)), str(len(row.runs))]
        line += [" ".join(str(run.seed) for run in row.done), comparison.split, convention]
        for name in scores:
            line += [_plain(row.scores[name].mean), _plain(row.scores[name].spread), str(row.scores[name].n)]
        line += [_plain(row.costs[key].mean) for key in COSTS]
        entry = row.published
        line += ["; ".join(row.devices), str(entry.value) if entry else "", _plain(entry.difference if entry else None)]
        line += [_plain(mean.low), _plain(mean.high), found.ends, letters, _plain(float(best))]
        tuned = {} if row.tuning is None else {key: factor_value(row.done[0], key) for key in row.tuning.space}
        line += [str(len(row.tuning.trials) if row.tuning else 0)]
        line += [" ".join(f"{key}={show_value(value)}" for key, value in tuned.items())]
        writer.writerow([csv_cell(cell) for cell in line])
    return stream.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(value)
