"""An experiment that is decided look by look: each row's verdict is that of the look that gave it."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import networks

from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.planned import looks_taken
from segbench.reporting.statistics.deciding import decide
from segbench.reporting.statistics.jackknife import by_seed
from segbench.reporting.statistics.pairs import compare_pairs
from segbench.reporting.statistics.sequential import rates
from segbench.runs.planned_looks import Dropped, Look, Plan, PlannedRow, PlannedRun
from segbench.runs.split_scores import derive

pytestmark = pytest.mark.usefixtures("no_power")
LOOKS = (3, 5, 10)


def planned(comparison, taken, end=None):
    """The comparison under a plan, with dropped rows cut to the seeds that they had then: look to the rows."""
    gone = {row: look for look, rows in enumerate(taken, 1) for row in rows}
    rows = [
        replace(row, runs=tuple(run for run in row.runs if run.seed < LOOKS[gone.get(index, 3) - 1]))
        for index, row in enumerate(comparison.rows)
    ]
    plan = Plan(
        begun="2026-01-01T00:00:00+00:00",
        looks=LOOKS,
        rates=rates(LOOKS),
        asked=(),
        rows=tuple(PlannedRow(name=row.label, settings=()) for row in rows),
        runs=tuple(
            PlannedRun(row=index, seed=run.seed, directory=run.directory.name)
            for index, row in enumerate(rows)
            for run in row.runs
        ),
        taken=tuple(Look(dropped=tuple(Dropped(row=row, reason="worse") for row in rows)) for rows in taken),
        end=end,
    )
    return replace(comparison, rows=tuple(rows), plan=plan)


def alone(comparison, rows, seeds, rate):
    """The decision on some rows by some seeds, at one error rate, without any plan."""
    sides = [by_seed(comparison.rows[row].done, "test", "dice", comparison.convention) for row in rows]
    cut = [{seed: parts for seed, parts in side.items() if seed < seeds} for side in sides]
    pairs = compare_pairs(rows, cut, 1.0)
    order = sorted(rows, key=lambda row: -_mean(comparison, row, seeds))
    return decide(pairs.tests, order, pairs.pool, comparison.family, comparison.baseline, 1, 1.0, rate)


def _mean(comparison, row, seeds):
    done = [run for run in comparison.rows[row].done if run.seed < seeds]
    return np.mean([derive(run.counts["test"], "dice", comparison.convention) for run in done])


@pytest.fixture(scope="module")
def four():
    """Two networks alike, one far worse, one a little."""
    return networks(np.random.default_rng(3), [0.8, 0.8, 0.3, 0.77], (5, 20), rest=0.02, image=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "baseline"), [("best", None), ("baseline", 0), ("pairs", None)])
def test_rows_that_are_left_are_compared_with_each_other_at_the_rate_of_their_look(four, family, baseline):
    four = replace(four, family=family, baseline=baseline)
    found = evidence(planned(four, [[2], []])).decision
    first, second = alone(four, [0, 1, 2, 3], 3, rates(LOOKS)[0]), alone(four, [0, 1, 3], 5, rates(LOOKS)[1])
    of_2 = [one for one in first.compared if 2 in one.rows and (family != "best" or one.second == 2)]
    assert of_2
    assert set(found.compared) == {*second.compared, *of_2}
    # As text, in which NaN is NaN.
    assert str(found.standings[:3]) == str(second.standings)
    assert str(found.standings[3:]) == str(tuple(standing for standing in first.standings if standing.row == 2))
    assert found.pool == second.pool
    if family == "best":
        assert 2 in found.ruled_out
        assert set(found.shortlist) == set(second.shortlist)
    for one in found.compared:
        assert (one.p < 0.05) == (one.low > 0 or one.high < 0)


@pytest.mark.slow
def test_the_page_says_at_which_look_it_is_and_which_rows_were_dropped(four):
    (line,) = looks_taken(planned(four, [[2], []]))
    assert line == (
        "Look 2 of 3 planned looks (3, 5 and 10 seeds), at an error rate of 1.8 % so that all together keep to 5 %. No"
        " more seeds were trained for m2 (look 1). It goes on with the same command."
    )
    assert evidence(planned(four, [[2], []])).caveats[0] == line
    assert looks_taken(planned(four, [[2], [1, 3]], "decided"))[0].endswith(
        "for m1 (look 2), m2 (look 1) and m3 (look 2). It ended there, as the question is decided."
    )
    ended = planned(four, [[2], [1, 3]], "decided")
    assert [ended.finished(row) for row in range(4)] == [
        "5 of 5",
        "5 of 5, dropped at look 2",
        "3 of 3, dropped at look 1",
        "5 of 5, dropped at look 2",
    ]
    assert looks_taken(planned(four, []))[0].startswith("Before the first of 3 planned looks")
    assert looks_taken(four) == ()
    assert not any("planned look" in line for line in evidence(four).caveats)


def test_before_the_first_look_its_rate_holds(four):
    found = evidence(planned(four, [])).decision
    assert str(found) == str(alone(four, [0, 1, 2, 3], 3, rates(LOOKS)[0]))
