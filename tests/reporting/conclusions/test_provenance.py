"""The command that makes the runs of a report again."""

import shlex
from dataclasses import replace
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from segbench.reporting.collection.runs import Run
from segbench.reporting.conclusions.provenance import provenance, sweep_commands


def runs(*overrides):
    return [Run(Path("a") / str(index), "done", overrides=tuple(texts)) for index, texts in enumerate(overrides)]


def test_a_full_grid_is_one_command_and_anything_else_as_few_as_do():
    full = [[f"a={a}", f"b={b}"] for a in (1, 2) for b in (3, 4)]
    assert sweep_commands(runs(*full), "x") == ["python src/run.py -m experiment=x a=1,2 b=3,4"]
    assert sweep_commands(runs(*full[:3]), "x") == [
        "python src/run.py -m experiment=x a=1 b=3,4",
        "python src/run.py experiment=x a=2 b=3",
    ]


def test_rows_that_are_trained_for_different_times_are_a_sweep_of_seeds_each():
    made = [[f"variant={name}", f"trainer.max_epochs={epochs}", f"seed={seed}"]
            for name, epochs in (("free", 5), ("frozen", 5), ("scratch", 10)) for seed in range(3)]  # fmt: skip
    assert sweep_commands(runs(*made), "x") == [
        "python src/run.py -m experiment=x variant=free,frozen trainer.max_epochs=5 seed=0,1,2",
        "python src/run.py -m experiment=x variant=scratch trainer.max_epochs=10 seed=0,1,2",
    ]


def test_runs_of_other_outputs_are_commands_of_their_own_and_equal_ones_are_one():
    apart = runs(["paths.outputs=/x", "a=1"], ["paths.outputs=/y", "a=2"])
    assert len(sweep_commands(apart, "x", places=True)) == 2
    assert sweep_commands(apart, "x") == ["python src/run.py -m experiment=x a=1,2 'paths.outputs=<folder>'"]
    assert sweep_commands(runs([], []), "x") == ["python src/run.py experiment=x"]
    twice = runs(["paths.data=/a", "a=1"], ["paths.data=/b", "a=2"])
    assert sweep_commands(twice, "x", places=True) == ["python src/run.py -m experiment=x a=1,2 paths.data=/b"]


def test_where_the_data_of_a_run_lay_is_told_by_neither_its_command_nor_its_settings():
    """Of runs whose data was named on the command line, and one that found it by SEGBENCH_DATA."""
    named, found = runs(["data.root=/mnt/a", "seed=0"], ["seed=1"])
    found = replace(found, config={"data": {"root": "/mnt/b"}})
    said = "python src/run.py -m experiment=x 'data.root=<folder>' seed=0,1"
    assert sweep_commands([named, found], "x") == [said]


def made_by(line):
    """The runs of a command, each a sorted tuple of keys and values."""
    swept = [part.split("=") for part in shlex.split(line) if part.partition("=")[0] in {"a", "b", "c"}]
    cells = product(*(values.split(",") for _, values in swept))
    return [tuple(sorted(zip((key for key, _ in swept), map(int, cell), strict=True))) for cell in cells]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), max_size=27))
def test_the_commands_make_each_run_once(jobs):
    """Also of networks that lack a key of the others'."""
    wanted = {tuple(sorted(job.items())) for job in jobs}
    commands = sweep_commands(runs(*([f"{key}={value}" for key, value in job.items()] for job in jobs)), "x")
    assert sorted(run for line in commands for run in made_by(line)) == sorted(wanted)


def test_what_was_to_be_trained_again_is_not_a_second_time():
    made = runs(["a=1", "rerun=true"], ["a=2", "debug=true"])
    assert sweep_commands(made, "x") == ["python src/run.py -m experiment=x a=1,2"]


def test_combinations_of_many_keys_are_not_listed():
    apart = [[f"k{key}={value}" for key in range(60)] for value in range(2)]
    assert len(sweep_commands(runs(*apart), "x")) == 2


def test_where_outputs_were_said_to_go_is_in_the_command_but_for_who_ran_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command = "python src/run.py -m experiment=x a=1,2"
    for typed, told in (("outputs/leaves", "outputs/leaves"), (tmp_path / "o", "o"), ("/mnt/o", "<folder>")):
        made = runs([f"paths.outputs={typed}", "a=1"], ["paths.data=/d", f"paths.outputs={typed}", "a=2"])
        (public,) = sweep_commands(made, "x")
        assert shlex.split(public) == [*shlex.split(command), f"paths.outputs={told}"]
        (own,) = sweep_commands(made, "x", places=True)
        assert shlex.split(own) == [*shlex.split(command), "paths.data=/d", f"paths.outputs={typed}"]


def test_runs_that_would_differ_when_repeated_are_counted_with_the_reason():
    def said(*reasons):
        found = [{"repeats": {"to_the_bit": not because, "because": because}} for because in reasons]
        made = [Run(Path("a") / str(number), "done", summary=summary) for number, summary in enumerate(found)]
        return [line.text for line in provenance(made, "x") if line.text.startswith("Repeated")]

    assert said([], []) == [
        "Repeated: a run done again on its device, with its threads and versions, has the same bits."
    ]
    assert said([], ["max_unpool2d"]) == ["Repeated: 1 of 2 runs would differ in the last bits, for max_unpool2d."]
    assert not [line for line in provenance(runs([]), "x") if line.text.startswith("Repeated")]
