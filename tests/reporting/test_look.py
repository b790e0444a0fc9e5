"""One look: the decision on finished runs, and what a report counts of a plan that goes on."""

import json

import pytest

from segbench.errors import ConfigError
from segbench.reporting.collection.looks import add_look
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.look import judge
from segbench.reporting.statistics.sequential import rates
from segbench.runs import history
from segbench.runs.planned_looks import FILE, Dropped, Look, Plan, PlannedRow, PlannedRun

pytestmark = pytest.mark.usefixtures("no_figures", "no_power")
LOOKS = (3, 5)
BEST = {"unet": 90, "attunet": 90, "segnet": 40}


def trained(make, seeds=3, tp=BEST):
    """Runs of networks; each seed has its own counts, so that seeds vary."""
    for model, hits in tp.items():
        for seed in range(seeds):
            folder = make(model, seed, hits - (7 * seed + len(model)) % 4).parent
    return folder


def plan_of(seeds=3, taken=1, gone=(), tp=BEST, **more):
    rows, names = list(tp), [f"fake-{model}-dice-seed{{}}" for model in tp]
    return Plan(
        begun="2026-01-01T00:00:00+00:00",
        looks=LOOKS,
        rates=rates(LOOKS),
        asked=(),
        rows=tuple(PlannedRow(name=name.format(0), settings=()) for name in names),
        runs=tuple(
            PlannedRun(row=row, seed=seed, directory=names[row].format(seed))
            for row in range(len(rows))
            for seed in range(seeds)
        ),
        taken=tuple(
            Look(dropped=tuple(Dropped(row=rows.index(model), reason="") for model in gone)) for _ in range(taken)
        ),
        **more,
    )


def names_of(*models, seeds=3):
    return [f"fake-{model}-dice-seed{seed}" for model in models for seed in range(seeds)]


@pytest.mark.slow
def test_a_row_that_another_is_better_than_needs_no_more_seeds(architectures):
    folder = trained(architectures)
    found = judge(folder, names_of(*BEST), plan_of())
    assert set(found.settled) == set(names_of("segnet"))
    assert found.settled[names_of("segnet")[0]].startswith(("unet is better (p = ", "attunet is better (p = "))
    assert (found.decided, found.tested) == (False, True)


def test_the_question_is_decided_when_one_row_is_left(architectures):
    folder = trained(architectures, tp={"unet": 90, "segnet": 40})
    found = judge(folder, names_of("unet", "segnet"), plan_of(tp={"unet": 90, "segnet": 40}))
    assert (set(found.settled), found.decided) == (set(names_of("segnet")), True)


@pytest.mark.slow
def test_rows_that_are_alike_are_an_answer(architectures):
    architectures.comparison |= {"margin": 0.2}
    tp = {"unet": 90, "attunet": 90}
    folder = trained(architectures, tp=tp)
    found = judge(folder, names_of(*tp), plan_of(tp=tp))
    assert (found.settled, found.decided) == ({}, True)


@pytest.mark.slow
def test_only_runs_of_the_plan_count(architectures):
    folder = trained(architectures)
    found = judge(folder, names_of("unet", "attunet"), plan_of())
    assert not found.settled


@pytest.mark.slow
def test_a_baseline_is_settled_when_all_others_are(architectures):
    architectures.comparison |= {"family": "baseline", "baseline": "unet"}
    tp = {"unet": 60, "attunet": 90, "segnet": 30}
    found = judge(trained(architectures, tp=tp), names_of(*tp), plan_of(tp=tp))
    assert found.decided
    reasons = {name: reason.partition(" (")[0] for name, reason in found.settled.items()}
    assert reasons == {
        **dict.fromkeys(names_of("attunet"), "better than the baseline"),
        **dict.fromkeys(names_of("segnet"), "worse than the baseline"),
    }


@pytest.mark.slow
def test_all_pairs_settle_a_row_that_is_told_from_all_others(architectures):
    architectures.comparison |= {"family": "pairs"}
    found = judge(trained(architectures), names_of(*BEST), plan_of())
    assert set(found.settled) == set(names_of("segnet"))
    assert set(found.settled.values()) == {"told from all others"}
    assert not found.decided


@pytest.mark.slow
def test_nothing_can_be_tested_without_runs_or_groups(architectures):
    folder = trained(architectures)
    assert not judge(folder, [], plan_of()).tested
    for path in folder.iterdir():
        (path / "scores.parquet").unlink()
    assert not judge(folder, names_of("unet"), plan_of()).tested


@pytest.mark.slow
def test_a_report_counts_the_seeds_of_the_look_that_was_taken(architectures):
    folder = trained(architectures, seeds=4)
    plan_of(taken=1).write(folder)
    found = compare(collect([folder]))
    assert {run.seed for run in found.done} == {0, 1, 2}
    reasons = {reason for run, reason in found.unfinished if run.state == "excluded"}
    assert reasons == {"not part of look 1 of 2, of the seeds 0 to 2 (decide=true)"}


def test_before_any_look_all_runs_are_shown(architectures):
    folder = trained(architectures, seeds=1)
    plan_of(seeds=1, taken=0).write(folder)
    found = compare(collect([folder]))
    assert len(found.done) == 3
    assert not found.dropped


@pytest.mark.slow
def test_looks_that_were_planned_are_no_further_looks(architectures):
    folder = trained(architectures)
    plan_of(taken=1).write(folder)
    add_look(folder, dict.fromkeys(BEST, 3), dict.fromkeys(BEST, 3))
    trained_more = {"unet": 90, "attunet": 90}
    for model, hits in trained_more.items():
        for seed in (3, 4):
            architectures(model, seed, hits - seed)
    plan_of(taken=2, gone=["segnet"]).write(folder)
    assert not any(line.startswith("Looked at before") for line in evidence(compare(collect([folder]))).caveats)
    # A look before the plan was made is none of its looks.
    seeds = {"unet": 2, "attunet": 2, "segnet": 2}
    entry = {"time": "2025-12-31T00:00:00+00:00", "seeds": seeds, "planned": seeds}
    (folder / history.LOOKS).write_text(json.dumps(entry) + "\n")
    assert any(line.startswith("Looked at before") for line in evidence(compare(collect([folder]))).caveats)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "{}", "[]", '{"looks": [3, 2]}', "[" * 100])
def test_a_damaged_plan_is_refused_in_one_line(architectures, text):
    folder = trained(architectures)
    (folder / FILE).write_text(text)
    with pytest.raises(ConfigError, match=f"{FILE}: .*; restore it, or delete it to report without") as error:
        compare(collect([folder]))
    assert "\n" not in str(error.value)
