"""What an experiment's folder remembers is added to and never replaced."""

import pytest

from segbench.errors import StorageError
from segbench.runs import history
from segbench.runs.readers import planned_runs


def job(name, seed=0, **more):
    return {"directory": name, "seed": seed, "choices": {"model": "unet"}, "overrides": [f"seed={seed}"]} | more


def test_a_second_sweep_adds_to_the_plan_and_repeats_nothing(tmp_path):
    history.plan(tmp_path, [job("a"), job("b", 1)])
    history.plan(tmp_path, [job("b", 1), job("c", 2)])
    assert [entry["directory"] for entry in history.read(tmp_path / history.PLAN)] == ["a", "b", "c"]
    assert {name: run.seed for name, run in planned_runs(tmp_path).items()} == {"a": 0, "b": 1, "c": 2}
    assert not any(run.started for run in planned_runs(tmp_path).values())


def test_half_a_line_swallows_nothing(tmp_path):
    path = tmp_path / history.PLAN
    history.plan(tmp_path, [job("a")])
    path.write_text(path.read_text() + '{"directory": "lo')
    history.plan(tmp_path, [job("b")])
    assert list(planned_runs(tmp_path)) == ["a", "b"]


def test_no_letter_ends_a_line_but_a_line_end(tmp_path):
    history.plan(tmp_path, [job("a", overrides=["comparison.question='a\u2028b\x85c'"])])
    assert planned_runs(tmp_path)["a"].overrides == ("comparison.question='a\u2028b\x85c'",)


def test_a_single_run_is_planned_by_an_experiment_only(tmp_path):
    identity = job("a") | {"experiment": "runs"}
    history.start(tmp_path / "a", identity)
    assert not (tmp_path / history.PLAN).exists()
    history.plan(tmp_path, [job("a")])
    history.start(tmp_path / "a", identity)
    history.start(tmp_path / "b", identity | {"experiment": "x"})
    history.start(tmp_path / "b", identity | {"experiment": "x"})
    assert {name: run.started for name, run in planned_runs(tmp_path).items()} == {"a": True, "b": True}
    assert len(history.read(tmp_path / history.PLAN)) == 3


@pytest.mark.parametrize(
    "line",
    ["[]", "7", '{"directory": 7, "seed": "x"}', '{"directory": "..", "seed": 1}', '{"directory": "a", "choices": []}',
     '{"seed": 1}', "\x00", '{"directory": "a", "overrides": 7}'],
)  # fmt: skip
def test_damaged_lines_cost_themselves_only(tmp_path, line):
    (tmp_path / history.PLAN).write_text(f"{line}\n")
    history.plan(tmp_path, [job("b")])
    assert "b" in planned_runs(tmp_path)
    assert ".." not in planned_runs(tmp_path)


def test_no_name_leads_out_of_the_folder(tmp_path):
    history.plan(tmp_path, [job("../../etc")])
    assert list(planned_runs(tmp_path)) == ["etc"]


def test_a_plan_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / history.PLAN).mkdir()
    with pytest.raises(StorageError, match=r"paths\.outputs: cannot write .*plan\.jsonl"):
        history.plan(tmp_path, [job("a")])


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("kept\n")
    (tmp_path / history.PLAN).symlink_to(outside)
    with pytest.raises(StorageError):
        history.plan(tmp_path, [job("a")])
    assert outside.read_text() == "kept\n"


@pytest.mark.slow
def test_a_plan_of_any_number_of_runs_is_known_and_one_that_cannot_be_read_is_warned_of(tmp_path, caplog):
    path = tmp_path / history.PLAN
    history.plan(tmp_path, [job("first")])
    with path.open("a") as stream:
        stream.write((" " * 1023 + "\n") * (17 * 1024))
    history.plan(tmp_path, [job("last")])
    assert list(planned_runs(tmp_path)) == ["first", "last"]
    assert not caplog.text
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert history.read(path) == []
    assert "plan.jsonl: it is a link" in caplog.text
