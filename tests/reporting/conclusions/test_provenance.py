"""The command that makes the runs of a report again."""

import shlex
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


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), unique=True, min_size=1, max_size=27))
def test_the_commands_make_each_run_once(cells):
    typed = [shlex.split(line) for line in sweep_commands(runs(*([f"{key}={value}" for key, value in
             zip("abc", cell, strict=True)] for cell in cells)), "x")]  # fmt: skip
    swept = [[part.partition("=")[2].split(",") for part in line if part[:2] in ("a=", "b=", "c=")] for line in typed]
    made = [tuple(map(int, cell)) for line in swept for cell in product(*line)]
    assert sorted(made) == sorted(cells)


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
