"""A run whose small files are lost, cut or something else: the same command again is one line or goes on."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from rich.console import Console

from segbench.errors import CheckpointError, StorageError
from segbench.reporting.collection.runs import read_run
from segbench.reporting.single import print_run
from segbench.runs.bounded import YAML_END, YAML_START
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import run_id
from segbench.runs.readers import (
    DamagedError,
    config_file,
    curves_file,
    identity_file,
    json_file,
    named,
    summary_file,
)
from segbench.runs.scores_file import read_scores
from segbench.runs.unfolding import open_zip
from segbench.train import train

NESTED = "[" * 100_000
SHAPES = {"lost": None, "empty": "", "cut": 0.1, "a list": "[1]", "a word": '"x"', "a number": "5", "nested": NESTED,
          "no text": b"\xff\xfe", "a folder": ..., "an object": '{"git": [1], "attempts": "x", "state": [1]}'}  # fmt: skip
# Without these a run's results or what it was made of are not known.
NEEDED = ("run.json", "scores.parquet", "summary.json", "config.yaml")
EVERY_DAY = {("run.json", "a list"), ("scores.parquet", "lost"), ("status.json", "nested")}


@pytest.fixture(scope="module")
def finished(run, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    cfg = tiny(folder)
    run(cfg, folder / "run")
    return cfg, folder / "run"


def spoil(path, shape):
    content = SHAPES[shape]
    if content is not ... and type(content) is float:
        content = path.read_bytes()[: int(content * path.stat().st_size)]
    path.unlink()
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def cases():
    for name in (*NEEDED, "status.json"):
        for shape in SHAPES:
            yield pytest.param(name, shape, marks=[pytest.mark.slow] * ((name, shape) not in EVERY_DAY))


def again(cfg, directory):
    """What src/run.py does with a run."""
    identity = {
        "id": run_id(cfg),
        "name": "run",
        "experiment": "runs",
        "choices": {},
        "overrides": [],
        "seed": cfg.seed,
    }
    train(cfg, RunDirectory(directory), identity)
    print_run(directory, Console(quiet=True))


READERS = {
    "run.json": identity_file,
    "status.json": json_file,
    "summary.json": summary_file,
    "config.yaml": config_file,
    "scores.parquet": lambda path: named(path, read_scores),
    "predictions.zip": lambda path: named(path, kept),
    "metrics.csv": lambda path: curves_file(path, json.loads((path.parent / "summary.json").read_text())),
    "checkpoints/manifest.json": json_file,
}


def kept(path):
    with open_zip(path) as archive:
        return archive.namelist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "scores.parquet")) for name in READERS]
)
def test_no_beginning_of_a_file_is_taken_for_the_file(finished, tmp_path, name):
    directory, read = shutil.copytree(finished[1], tmp_path / "run"), READERS[name]
    path = directory / name
    whole = path.read_bytes()
    read(path)
    # Without its last line break a JSON file still holds all.
    for size in reversed(range(len(whole) - name.endswith(".json"))):
        os.truncate(path, size)
        with pytest.raises(DamagedError, match=path.name):
            read(path)


@pytest.mark.slow
def test_a_configuration_of_before_files_had_an_end_is_read(finished, tmp_path):
    text = (finished[1] / "config.yaml").read_text()
    assert text.startswith(YAML_START)
    (tmp_path / "config.yaml").write_text(text.removeprefix(YAML_START).removesuffix(YAML_END))
    assert config_file(tmp_path / "config.yaml") == config_file(finished[1] / "config.yaml")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), cases())
def test_the_same_command_again_names_the_file_and_the_remedy_or_goes_on(finished, tmp_path, caplog, name, shape):
    cfg, directory = finished[0], shutil.copytree(finished[1], tmp_path / "run")
    spoil(directory / name, shape)
    if name in NEEDED:
        with pytest.raises(CheckpointError, match=name) as refusal:
            again(cfg, directory)
        assert "rerun=true" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    elif shape == "a folder":
        with pytest.raises(StorageError, match=f"{name}: Is a directory; delete what lies there"):
            again(cfg, directory)
        return
    else:
        # What it says is known from the other files: nothing that was finished is lost.
        again(cfg, directory)
        assert json.loads((directory / name).read_text())["state"] == "done"
        assert shape == "lost" or f"{directory / name}: damaged" in caplog.text
        scores = [read_run(folder).summary["scores"] for folder in (directory, finished[1])]
        assert scores[0] == scores[1]
    cfg = cfg.copy()
    cfg.rerun = True
    again(cfg, directory)
    assert read_run(directory).state == "done"


# What the run puts there: a file where a folder belongs and the reverse.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder"),
    [("checkpoints", False), ("figures", False), ("metrics.csv", True), ("summary.json", True), (".lock", True),
     *((name, True) for name in ("run.json", "config.yaml", "scores.parquet")),
     ("tensorboard", False)],
)  # fmt: skip
def test_a_file_where_a_folder_belongs_and_the_reverse_is_one_line(run, tiny, tmp_path, name, folder):
    cfg = tiny(tmp_path, *["logger=default"] * (name == "tensorboard"))
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / name).mkdir() if folder else (directory / name).touch()
    with pytest.raises((StorageError, CheckpointError), match=name.replace(".", r"\.")) as refusal:
        run(cfg, directory)
    assert "\n" not in str(refusal.value)


def test_a_link_in_place_of_the_lock_is_not_emptied(run, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(StorageError, match="it is a link; delete it"):
        run(tiny(tmp_path), tmp_path / "run")
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.slow
def test_a_folder_in_place_of_the_log_is_one_line(program, tmp_path):
    tiny = ["data.subjects=8", "data.slices=2", "data.size=[32,32]", "model.width=2", "trainer.max_epochs=1"]
    command = ["run.py", f"paths.outputs={tmp_path}", *tiny]
    assert program(*command).returncode == 0
    (path,) = tmp_path.glob("runs/*/train.log")
    path.unlink()
    path.mkdir()
    ended = program(*command)
    assert ended.returncode == 74, ended.stderr
    assert ended.stderr == f"error: paths.outputs: cannot write {path}: Is a directory\n"
