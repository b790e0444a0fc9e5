"""Looks: which seeds are trained for which rows, what a plan survives, and when it ends. Nothing is trained here."""

import json

import pytest
from hydra.core.utils import JobReturn

from segbench.errors import ConfigError, StorageError
from segbench.reporting import look
from segbench.runs.planned_looks import FILE, PlannedRow, read_plan
from segbench.sweep.looking import Looking

ROWS = ("a", "b", "c")
MINUTE = 60.0


class Machine:
    """A launcher whose jobs take a minute each and fail where they are told to."""

    def __init__(self, folder):
        self.folder, self.batches, self.failing, self.killed_at = folder, [], set(), None
        self.questions = []

    def launch(self, overrides, first):
        batch = [(row[0].removeprefix("model="), int(row[-1].removeprefix("seed="))) for row in overrides]
        self.batches.append(batch)
        path = self.folder / "sweep.json"
        record = json.loads(path.read_text())["jobs"] if first else []
        results = []
        for job in batch:
            if job == self.killed_at:
                raise SystemExit(137)
            run = self.folder / name_of(*job)
            skipped = (run / "status.json").exists()
            failed = job in self.failing
            if not failed and not skipped:
                run.mkdir()
                (run / "status.json").write_text(json.dumps({"state": "done", "finished": "2999"}))
                (run / "summary.json").write_text(json.dumps({"cost": {"wall_seconds": MINUTE / 2}}))
            record = [known for known in record if known["directory"] != run.name]
            record.append({"directory": run.name, "exit_code": 4 * failed, "reason": "diverged" if failed else None,
                           "seconds": 0.0 if skipped else MINUTE, "skipped": skipped})  # fmt: skip
            results.append(JobReturn(working_dir=str(run)))
        path.write_text(json.dumps({"jobs": record}))
        return results

    def trained(self, batch=-1):
        """Return row to the seeds of a batch."""
        return {row: [seed for name, seed in self.batches[batch] if name == row] for row, _ in self.batches[batch]}


def name_of(row, seed):
    return f"{row}-seed{seed}"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def decide(machine, monkeypatch):
    """Train look by look, ``answers``: look to the rows that are settled; the question is decided when one is left."""

    def decided(answers=None, rows=ROWS, looks=(3, 5, 10), hours=None, asked=("metric=dice",), tested=True, first=0):
        def judge(folder, names, plan):
            machine.questions.append((len(plan.taken), sorted(names)))
            out = (answers or {}).get(len(plan.taken), ())
            left = set(rows) - {plan.rows[row].settings[0] for row in plan.dropped} - set(out)
            settled = {name: "worse" for name in names if name[0] in out}
            return look.Judgement(settled, tested and len(left) == 1, tested)

        monkeypatch.setattr(look, "judge", judge)
        known = [(PlannedRow(name=name_of(row, 0), settings=(row,)), [f"model={row}"]) for row in rows]
        looking = Looking(machine.folder, looks, first, hours, known, asked)
        looking.train(machine.launch)
        return read_plan(machine.folder / FILE)

    return decided


def test_each_look_trains_the_rows_that_are_left_up_to_its_seeds(decide, machine):
    plan = decide({1: "b", 2: "c"})
    assert machine.trained(0) == {row: [0, 1, 2] for row in ROWS}
    assert machine.trained(1) == {row: [3, 4] for row in "ac"}
    assert len(machine.batches) == 2
    assert (plan.end, plan.seeds, plan.dropped) == ("decided", 5, {1: 1, 2: 2})
    assert plan.taken[0].dropped[0].reason == "worse"
    assert [count for count, _ in machine.questions] == [1, 2]
    # What is asked is asked of all that is finished: the report says so of dropped rows too.
    assert name_of("b", 2) in machine.questions[1][1]


def test_a_plan_after_another_goes_on_from_its_seeds(decide, machine):
    plan = decide({1: "b", 2: "c"}, looks=(2, 4), first=10)
    assert machine.trained(0) == {row: [10, 11] for row in ROWS}
    assert machine.trained(1) == {row: [12, 13] for row in "ac"}
    assert [list(plan.known_at(look)) for look in (0, 1, 2)] == [[10, 11], [10, 11], [10, 11, 12, 13]]
    with pytest.raises(ConfigError, match="begun with looks at 2 and 4 seeds from 10, and"):
        decide(looks=(2, 4))


def test_the_looks_end_undecided(decide, machine):
    plan = decide(looks=(2, 3))
    assert (plan.end, plan.seeds) == ("looks", 3)
    assert sum(plan.rates) > 0.05 > max(plan.rates)


def test_without_anything_to_test_no_more_seeds_are_trained(decide, machine):
    assert decide(tested=False).end == "untested"
    assert len(machine.batches) == 1


@pytest.mark.parametrize(
    ("failing", "end"),
    [
        ({("a", 1), ("b", 0)}, "looks"),
        # One row is left.
        ({(row, seed) for row in "ab" for seed in range(2)}, "untested"),
    ],
)
def test_where_seeds_failed_more_may_still_show_something(decide, machine, failing, end):
    machine.failing = failing
    assert decide(tested=False, looks=(2, 3)).end == end


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [("a", 0), ("b", 1), ("c", 2), ("a", 3), ("c", 4)])
def test_a_sweep_that_is_killed_goes_on(decide, machine, killed_at):
    answers = {1: "b", 2: "c"}
    machine.killed_at = killed_at
    with pytest.raises(SystemExit):
        decide(answers)
    assert (machine.folder / FILE).exists()
    machine.killed_at = None
    plan = decide(answers)
    assert (plan.end, plan.dropped) == ("decided", {1: 1, 2: 2})
    # Each was asked once with the same runs, and each run was trained once.
    assert [count for count, _ in machine.questions] == [1, 2]
    directories = {run.directory for run in plan.runs}
    assert directories == {
        name_of(*job) for job in [("b", s) for s in range(3)] + [(r, s) for r in "ac" for s in range(5)]
    }
    # The last record has all of them, so that the report has.
    assert {job["directory"] for job in json.loads((machine.folder / "sweep.json").read_text())["jobs"]} == directories


def test_a_plan_that_is_carried_out_trains_nothing_more_and_is_reported_again(decide, machine):
    first = decide({1: "bc"})
    batches = len(machine.batches)
    assert decide({1: "bc"}) == first
    assert machine.trained() == {row: [0, 1, 2] for row in ROWS}
    assert len(machine.batches) == batches + 1
    assert len(machine.questions) == 1


def test_a_row_keeps_the_seeds_it_has_and_one_without_any_is_out(decide, machine):
    machine.failing = {("a", 1), *(("b", seed) for seed in range(3))}
    plan = decide({1: "", 2: "c"})
    assert plan.dropped == {1: 1, 2: 2}
    assert plan.taken[0].dropped[0].reason == "no run is finished: diverged"
    assert set(plan.taken[0].failed) == {name_of("a", 1), *(name_of("b", seed) for seed in range(3))}
    assert machine.trained(1) == {"a": [3, 4], "c": [3, 4]}
    assert name_of("a", 1) not in machine.questions[1][1]
    assert plan.taken[1].failed == (name_of("a", 1),)


def test_the_same_command_tries_failed_runs_again_and_asks_again(decide, machine):
    machine.failing = {("a", 1)}
    assert decide({1: "bc"}).taken[0].failed
    machine.failing = set()
    plan = decide({1: "b", 2: "c"})
    assert (plan.taken[0].failed, plan.dropped) == ((), {1: 1, 2: 2})


def test_the_budget_counts_what_runs_took_and_what_the_next_look_would_take(decide, machine, caplog):
    caplog.set_level("WARNING")
    plan = decide(hours=10 / 60)
    # 9 minutes for the first look; 6 more would be 15.
    assert (plan.end, plan.seeds, plan.spent) == ("budget", 3, 9 * MINUTE)
    # One run of each row shows how long they take.
    assert machine.trained(0) == {row: [0] for row in ROWS}
    assert (
        "look 2 of 3 (5 seeds) would take about 6 min 00 s more, and 9 min 00 s of decide.hours=0.166667" in caplog.text
    )
    plan = decide(hours=15 / 60)
    assert (plan.end, plan.seeds, plan.spent) == ("budget", 5, 15 * MINUTE)
    assert decide().end == "looks"


def test_a_budget_that_the_first_look_does_not_fit_in_ends_after_one_seed(decide, machine):
    plan = decide(hours=5 / 60)
    assert (plan.end, plan.seeds, plan.spent) == ("budget", 0, 3 * MINUTE)


def test_runs_that_were_finished_before_take_nothing_off_the_budget(decide, machine):
    machine.launch([[f"model={row}", f"seed={seed}"] for row in ROWS for seed in range(3)], 0)
    for path in machine.folder.glob("*/status.json"):
        path.write_text(json.dumps({"state": "done", "finished": "2000"}))
    plan = decide(hours=7 / 60)
    assert (plan.spent, plan.seeds) == (6 * MINUTE, 5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"looks": (3, 6)}, "looks at 3, 5 and 10 seeds"),
        ({"rows": ("a", "b")}, r"the rows a, b and c"),
        ({"asked": ("metric=iou",)}, "the question metric=dice"),
    ],
)
def test_another_plan_for_runs_that_exist_is_refused(decide, machine, changed, said):
    decide({1: "bc"})
    before = (machine.folder / FILE).read_text()
    with pytest.raises(
        ConfigError, match=rf"^decide=true: .* was begun with {said}.*go on with it, or begin elsewhere"
    ):
        decide(**changed)
    assert (machine.folder / FILE).read_text() == before


def test_another_plan_replaces_one_that_has_no_runs(decide, machine):
    machine.killed_at = ("a", 0)
    with pytest.raises(SystemExit):
        decide()
    machine.killed_at = None
    assert decide(looks=(2, 4)).looks == (2, 4)


def test_the_order_of_rows_does_not_matter(decide, machine):
    decide({1: "b"}, looks=(2, 3))
    assert decide({1: "b"}, rows=("c", "b", "a"), looks=(2, 3)).end == "looks"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"looks": "3"}', "null", "\0"])
def test_a_damaged_plan_is_one_line(decide, machine, text):
    (machine.folder / FILE).write_text(text)
    with pytest.raises(StorageError, match=f"{FILE}: .*; restore it, or delete it to plan anew") as error:
        decide()
    assert "\n" not in str(error.value)
