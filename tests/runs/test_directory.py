"""What a run directory keeps and what it lets go."""

from segbench.runs.directory import RunDirectory


def test_a_run_that_starts_from_nothing_keeps_what_is_being_written(tmp_path):
    run = RunDirectory(tmp_path)
    with run.locked():
        for name in ("train.log", "console.log", "summary.json", "checkpoints/last.ckpt"):
            (tmp_path / name).write_text("before")
        run.clear()
        names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert names - {".lock"} == {"train.log", "console.log", "checkpoints", "figures"}
