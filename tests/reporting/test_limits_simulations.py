"""How often the limits of a row against the best of the others, which the verdict *alike* rests on, hold for all rows.

The figures of docs/statistics.md: ``python -m pytest -m slow -s tests/reporting/test_limits_simulations.py``.
"""

import numpy as np
import pytest
from designs import Design, draw, pairwise, pool_of

from segbench.reporting.statistics.deciding import decide

EXPERIMENTS = 400
# Three standard errors of a share of 95 %.
SLACK = 3 * (0.95 * 0.05 / EXPERIMENTS) ** 0.5
EVEN, SEEDS = (0.01, 0.02, 0.02), (0.02, 0.005, 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("means", ["one ahead", "a ladder"])
@pytest.mark.parametrize(
    "design",
    [
        Design(3, 3, 20, EVEN),
        Design(7, 3, 20, SEEDS),
        Design(6, 3, 20, SEEDS, 4, 3),
        Design(5, 3, 20, EVEN, shape="skewed images"),
    ],
    ids=str,
)
def test_limits_of_all_rows_hold_together_in_95_percent(design, means):
    # Among equal rows they hold by construction, as they contain 0.
    true = {
        "one ahead": np.where(np.arange(design.rows) == 0, 0.03, 0.0),
        "a ladder": np.linspace(0.04, 0, design.rows),
    }[means]
    gaps = [true[row] - np.delete(true, row).max() for row in range(design.rows)]
    table, _ = draw(design, EXPERIMENTS, np.random.default_rng(3))
    held = np.empty(EXPERIMENTS, bool)
    widths = []
    for number in range(EXPERIMENTS):
        contributions = table[number] + true[:, None, None]
        pool = pool_of(contributions)
        standings = decide(*pairwise(contributions, pool), pool).standings
        held[number] = all(one.low <= gaps[one.row] <= one.high for one in standings)
        widths.append(np.mean([one.high - one.low for one in standings]))
    print(f"{design!s:60} {means:10} {held.mean():6.1%}  width {np.mean(widths):.4f}")
    assert held.mean() >= 0.95 - SLACK
