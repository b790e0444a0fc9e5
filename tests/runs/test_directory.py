"""What a run directory keeps and what it lets go."""

import json

import pytest

from segbench.errors import CheckpointError
from segbench.runs.directory import SCHEMA, RunDirectory


def test_a_run_that_starts_from_nothing_keeps_what_is_being_written(tmp_path):
    run = RunDirectory(tmp_path)
    with run.locked():
        for name in ("train.log", "console.log", "summary.json", "checkpoints/last.ckpt"):
            (tmp_path / name).write_text("before")
        run.clear()
        names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert names - {".lock"} == {"train.log", "console.log", "checkpoints", "figures"}


@pytest.mark.parametrize("schema", [None, 0, SCHEMA + 1, "1"])
def test_a_run_of_another_schema_is_neither_resumed_nor_reported_as_done(tmp_path, schema):
    run = RunDirectory(tmp_path)
    run.begin({"seed": 0})
    assert json.loads((tmp_path / "run.json").read_text()) == {"seed": 0, "schema": SCHEMA}
    (tmp_path / "run.json").write_text(json.dumps({"seed": 0, "schema": schema}))
    for ask in (lambda: run.begin({"seed": 0}), lambda: run.check_sources({})):
        with pytest.raises(CheckpointError, match=rf"has schema .*reads {SCHEMA}; train it again with rerun=true"):
            ask()
