"""The command that makes the runs of a report again."""

from pathlib import Path

from segbench.reporting.collection.runs import Run
from segbench.reporting.conclusions.provenance import sweep_commands


def runs(*overrides):
    return [Run(Path("a") / str(index), "done", overrides=tuple(texts)) for index, texts in enumerate(overrides)]


def test_a_full_grid_is_one_command_and_anything_else_one_for_each_run():
    full = [[f"a={a}", f"b={b}"] for a in (1, 2) for b in (3, 4)]
    assert sweep_commands(runs(*full), "x") == ["python src/run.py -m experiment=x a=1,2 b=3,4"]
    assert len(sweep_commands(runs(*full[:3]), "x")) == 3


def test_combinations_of_many_keys_are_not_listed():
    apart = [[f"k{key}={value}" for key in range(60)] for value in range(2)]
    assert len(sweep_commands(runs(*apart), "x")) == 2
