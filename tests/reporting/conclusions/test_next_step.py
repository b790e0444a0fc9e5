"""What next: how many seeds, for how long, and a command that names the runs that there are and those to come."""

import json
import math
import shlex
from dataclasses import replace

import pytest

from segbench.configuration.arguments import arranged
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.next_step import MOST, next_steps
from segbench.reporting.conclusions.verdict import word_of
from segbench.reporting.statistics.outlook import MOST_SEEDS, Outlook
from segbench.reporting.statistics.sequential import rates
from segbench.reporting.statistics.variance_components import Components
from segbench.runs.planned_looks import Look, Plan, PlannedRow

UNLIKE = {"unet": (80, 90, 84), "attunet": (92, 86, 95)}
OUTLOOK = Outlook(Components(0.0001, 0.00001, 0.00001), 3, 40, 2)


def written(maker, models, **more):
    for model, tps in models.items():
        for seed, tp in enumerate(tps):
            maker(model, seed, tp, **more)
    return compare(collect([maker.root]))


def next_step(comparison, found):
    """The only step; None where there is none."""
    steps = next_steps(comparison, found)
    assert len(steps) < 2
    return steps[0] if steps else None


def open_question(comparison, **changes):
    found = evidence(comparison)
    undecided = replace(found.verdict, word="undecided")
    compared = tuple(replace(one, low=-0.02, high=0.04, p=0.3, gain=0.01) for one in found.decision.compared)
    decision = replace(found.decision, compared=compared)
    return replace(found, verdict=undecided, decision=decision, outlook=OUTLOOK, **changes)


@pytest.mark.slow
def test_the_command_names_old_and_new_seeds_of_the_open_rows(architectures):
    comparison = written(architectures, UNLIKE)
    step = next_step(comparison, open_question(comparison))
    needed = OUTLOOK.settle(0.01)
    assert (
        step.text
        == f"To find a true difference of 0.01 between attunet and unet in 80 % of such experiments: {needed - 3} more seeds"
        f" each, about {2 * (needed - 3)}.0 hours (what is trained is skipped):"
    )
    (command,) = step.commands
    words = shlex.split(command)
    assert words[:4] == ["python", "src/run.py", "-m", "experiment=carvana/architectures"]
    assert set(words[4:]) == {"model=attunet,unet", f"seed={','.join(map(str, range(needed)))}"}


def test_data_and_outputs_stay_where_they_are(architectures):
    overrides = ["model=unet", "seed=0", "paths.outputs=my runs"]
    comparison = written(architectures, {"unet": (80,), "attunet": (90,)}, overrides=overrides)
    step = next_step(comparison, evidence(comparison))
    assert step.text.startswith(
        "To know what other seeds would change, if not yet which is better: 2 more seeds each, about "
    )
    assert shlex.split(step.commands[0])[-1] == "paths.outputs=my runs"


@pytest.mark.slow
def test_what_seeds_cannot_settle_has_no_command(architectures):
    comparison = written(architectures, UNLIKE)
    images = open_question(comparison)
    step = next_step(comparison, replace(images, outlook=replace(OUTLOOK, variances=Components(0, 0.1, 0))))
    assert step.text.startswith(f"Even {MOST_SEEDS} seeds each would not settle 0.01 between ")
    assert step.commands == ()
    many = next_step(comparison, replace(images, outlook=replace(OUTLOOK, variances=Components(0.0006, 0, 0))))
    assert many.text.startswith("It would take ")
    assert int(many.text.split()[3]) > MOST
    small = next_step(comparison, replace(images, outlook=replace(OUTLOOK, variances=Components(1e-6, 1e-6, 1e-6))))
    assert small.text.startswith("3 seeds each find a true difference of 0.01 between ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            "looks",
            "plan afresh in a new folder, with new seeds, and report both answers: the same command with"
            " decide.looks=[3,{}] decide.first=3 paths.outputs=outputs-again.",
        ),
        ("untested", None),
    ],
)
def test_no_seeds_are_added_to_planned_looks(architectures, end, words):
    comparison = written(architectures, UNLIKE)
    rows = tuple(PlannedRow(name=row.label, settings=()) for row in comparison.rows)
    plan = Plan(begun="2026-01-01T00:00:00+00:00", looks=(2, 3), rates=rates((2, 3)), asked=(), rows=rows, end=end)
    planned = replace(comparison, plan=plan)
    step = next_step(planned, open_question(comparison))
    assert (step is None) == (words is None)
    if step is not None:
        assert words.format(OUTLOOK.settle(0.01)) in step.text
        assert "more seed" not in step.text
        assert step.commands == ()


@pytest.mark.slow
@pytest.mark.parametrize(("end", "first"), [(None, 0), ("budget", 3)])
def test_looks_that_are_left_have_the_command_of_their_plan(architectures, end, first):
    """It is the plan's own: with other rows, looks or seeds it would be refused."""
    for model, tps in UNLIKE.items():
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp, overrides=[f"model={model}", f"seed={seed}", "trainer.max_epochs=5"])
    comparison = compare(collect([architectures.root]))
    rows = tuple(PlannedRow(name=row.label, settings=()) for row in comparison.rows)
    plan = Plan(begun="2026-01-01T00:00:00+00:00", looks=(2, 9), rates=rates((2, 9)), asked=(), rows=rows, end=end,
                taken=(Look(),), first=first)  # fmt: skip
    step = next_step(replace(comparison, plan=plan), open_question(comparison))
    assert step.text.startswith("Go on to the look at 9 seeds, about ")
    assert ("decide.hours" in step.text) == (end == "budget")
    (command,) = step.commands
    models = ",".join(row.label for row in comparison.rows)
    assert f"model={models} " in command
    assert "seed=" not in command
    arguments = arranged(shlex.split(command)[2:])
    assert "hydra/sweeper=looks" in arguments
    assert "hydra.sweeper.looks=[2,9]" in arguments
    assert ("hydra.sweeper.first=3" in arguments) == bool(first)


def test_of_what_is_decided_it_is_said_that_nothing_is_left(architectures):
    comparison = written(architectures, {"unet": (80, 80, 81), "attunet": (95, 96, 95)})
    assert evidence(comparison).verdict.word == "better"
    step = next_step(comparison, evidence(comparison))
    assert (step.text, step.commands) == ("Nothing more to train: the question is decided.", ())


def test_of_rows_that_are_alike_the_fastest_is_named(architectures):
    architectures.comparison["margin"] = 0.5
    for seed in (0, 1, 2):
        architectures("unet", seed, 90 + seed % 2, cost={"wall_seconds": 9000.0})
        architectures("attunet", seed, 91 - seed % 2, cost={"wall_seconds": 36_000.0})
    comparison = compare(collect([architectures.root]))
    assert evidence(comparison).verdict.word == "alike"
    said = "Nothing more to train: the rows are alike, so "
    assert next_step(comparison, evidence(comparison)).text == f"{said}choose by cost; unet trains fastest (2.5 hours)."


def test_a_row_that_is_ruled_out_is_not_chosen_by_cost(architectures):
    for model, tps, seconds in (("unet", (90, 91, 90), 9000.0), ("attunet", (91, 90, 91), 36_000.0),
                                ("fcn", (40, 41, 40), 60.0)):  # fmt: skip
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp, cost={"wall_seconds": seconds})
    comparison = replace(compare(collect([architectures.root])), margin=0.2)
    found = evidence(comparison)
    assert (found.verdict.word, len(found.decision.ruled_out)) == ("alike", 1)
    said = "Nothing more to train: the rows that may be best are alike, so "
    assert next_step(comparison, found).text == f"{said}choose by cost; unet trains fastest (2.5 hours)."


def test_where_something_is_left_it_is_not_said_that_nothing_is(architectures):
    comparison = written(architectures, {"unet": (80, 80, 81), "attunet": (95, 96, 95)})
    found = evidence(comparison)
    assert next_step(comparison, found) is not None
    for state, open_ in (("failed", True), ("missing", True), ("excluded", False)):
        left = ((replace(comparison.rows[0].done[0], state=state), "why"),)
        step = next_step(replace(comparison, unfinished=left), found)
        begun = "Finish the sweep: 1 of 7 runs is not done (the others are skipped):"
        assert (step.text == begun) == open_
    # Undecided against another row, by a difference of nothing, which no number of seeds would find.
    equal = (replace(found.decision.compared[0], gain=0.0, low=-0.1, high=0.1, p=1.0),)
    unsettled = replace(found.decision, question="pairs", compared=equal)
    open_ = replace(found, decision=unsettled, margin=replace(found.margin, value=math.nan))
    assert next_step(comparison, open_) is None


@pytest.mark.slow
def test_a_row_that_is_undecided_against_the_baseline_is_settled_where_another_is_better(architectures):
    architectures.comparison["baseline"] = {"model": "unet"}
    rows = {"unet": (80, 80, 81), "attunet": (95, 96, 95), "fcn": (80, 84, 79)}
    comparison = written(architectures, rows)
    found = evidence(comparison)
    assert found.verdict.word == "better"
    assert [word_of(one, found.margin) for one in found.decision.compared] == ["better", "undecided"]
    assert " between fcn and unet" in next_step(comparison, found).text


@pytest.mark.slow
def test_the_time_is_that_of_whole_runs_as_the_sweep_saw_them(architectures):
    comparison = written(architectures, UNLIKE)
    # By status.json an hour less the seed's seconds; the fit alone took 252 seconds.
    assert [run.seconds for run in comparison.done] == [3600, 3599, 3598] * 2
    names = [run.directory.name for run in comparison.done]
    jobs = [{"directory": name, "exit_code": 0, "seconds": 7200.0} for name in names]
    (architectures.root / "carvana/architectures/sweep.json").write_text(json.dumps({"jobs": jobs}))
    comparison = compare(collect([architectures.root]))
    (step,) = next_steps(comparison, open_question(comparison))
    more = OUTLOOK.settle(0.01) - 3
    assert step.text.endswith(f"{more} more seeds each, about {4 * more}.0 hours (what is trained is skipped):")


def cut_off(run, best, epochs=5):
    return replace(
        run,
        summary=run.summary | {"best": {"epoch": best, "value": 0.1}, "epochs": 5},
        config=run.config | {"trainer": {"max_epochs": epochs, "monitor": "val/loss"}},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("best", "words"), [
    ({"unet": (5, 5, 4), "attunet": (3, 5, 2)}, "the best epoch of unet is the last of 5 (by val/loss), so it was still improving."),
    ({"unet": (5, 5, 5), "attunet": (5, 5, 5)},
     "the best epoch of attunet and unet is the last of 5 (by val/loss), so they were still improving."),
    ({"unet": (4, 5, 3), "attunet": (5, 1, 2)}, None),
])  # fmt: skip
def test_what_was_still_improving_is_to_be_trained_longer(architectures, best, words):
    architectures.comparison["published"] = []
    runs = collect([written(architectures, UNLIKE).directory])
    comparison = compare([cut_off(run, best[run.choices["model"]][run.seed]) for run in runs])
    steps = next_steps(comparison, open_question(comparison))
    assert len(steps) == 1 + bool(words)
    if words:
        assert steps[0].text == f"Train longer: {words} Twice as many epochs, about 12.0 hours:"
        (command,) = steps[0].commands
        assert command.startswith("python src/run.py -m experiment=carvana/architectures ")
        assert "trainer.max_epochs=10" in command
        # A report's epochs belong to its question: seeds first.
        asked = replace(comparison, claims=({"text": "?"},))
        assert next_steps(asked, open_question(comparison)) == steps[::-1]


@pytest.mark.slow
def test_rows_that_the_answer_says_were_still_improving_are_to_be_trained_longer(architectures):
    """Where only their lost seeds were, too."""
    comparison = written(architectures, UNLIKE)
    runs = [cut_off(run, 3) for run in collect([comparison.directory])]
    comparison = replace(compare(runs), published=(), claims=())
    found = open_question(comparison)
    assert not any("Train longer" in step.text for step in next_steps(comparison, found))
    short = replace(found, verdict=replace(found.verdict, improving=frozenset({1})))
    said = f"the best epoch of seeds of {comparison.rows[1].label} that learned little is the last of 5 (by val/loss)"
    assert f"{said}, so they were still improving" in next_steps(comparison, short)[0].text


@pytest.mark.slow
def test_where_nothing_says_how_many_seeds_settle_it_twice_as_many_are_proposed(architectures):
    comparison = written(architectures, UNLIKE)
    found = replace(open_question(comparison), outlook=None)
    step = next_step(comparison, found)
    assert step.text == (
        "Each seed has groups of images of its own, so nothing says how many would settle it. To narrow it: 3 more seeds"
        " each, about 6.0 hours (what is trained is skipped):"
    )
    assert "seed=0,1,2,3,4,5" in step.commands[0]
    untested = replace(found, decision=replace(found.decision, compared=()))
    assert next_step(comparison, untested) is None
