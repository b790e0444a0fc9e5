"""Checkpoints that someone sent: predict.py executes nothing of them, and says in one line why it will not."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.hostile_checkpoints import ATTACKS, CANARY, DAMAGES, FILES, SECRET, Payload, make

from segbench.assembly import build_data, build_task
from segbench.entry import run_entry_point
from segbench.errors import ConfigError
from segbench.prediction_record import describe_prediction
from segbench.runs.directory import SCHEMA

SECONDS = 20


@pytest.fixture(scope="module")
def good(compose, tmp_path_factory):
    """A checkpoint as training leaves it, and an image for it."""
    folder = tmp_path_factory.mktemp("good")
    # Few weights: they are read and written again for each attack.
    cfg = compose("model.width=2", "+model.depth=2", "data.size=[32,32]")
    data = build_data(cfg)
    data.mean, data.std = np.full(1, 0.5), np.full(1, 0.25)
    task = build_task(cfg, data)
    known = {"schema": SCHEMA, "run": "a", "task": task.name, "prediction": describe_prediction(cfg, data, task)}
    torch.save({"segbench": known, "state_dict": task.state_dict()}, folder / "best.ckpt")
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(folder / "image.png")
    return folder


@pytest.fixture
def predict(good, tmp_path, monkeypatch, capfd, caplog):
    """Type the command on a checkpoint; return exit code and what was said. Nothing of an attack may have happened."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SEGBENCH_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    from segbench.commands.predict import main

    def typed(path, *options):
        arguments = [f"run={path}", f"images={good / 'image.png'}", f"out={tmp_path / 'out'}", "accelerator=cpu"]
        began = time.monotonic()
        code = run_entry_point(lambda: main([*arguments, *options]))
        assert time.monotonic() - began < SECONDS
        said = capfd.readouterr()
        # pytest listens to the log, which goes to the terminal otherwise.
        lines = [line for message in (*caplog.messages, said.err) for line in message.splitlines()]
        caplog.clear()
        assert SECRET not in "".join([said.out, *lines])
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
        # That nothing verifies a file without a manifest is a line of its own.
        return code, [line for line in lines if "not verified, as no manifest.json" not in line]

    return typed


@pytest.mark.slow
def test_a_good_one_is_predicted_with(predict, good, tmp_path):
    assert predict(good / "best.ckpt") == (0, [])
    assert np.asarray(Image.open(tmp_path / "out" / "masks" / "image.png")).shape == (40, 30)


def test_the_payload_would_be_noticed(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / CANARY)))
    assert (tmp_path / CANARY).exists()


# MONAI alone takes longer to import than the other attacks together to refuse.
EVERY_DAY = [name for name in ATTACKS if "MONAI" not in name]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow) for name in (*ATTACKS, *DAMAGES)],
)
def test_it_is_refused_in_one_line_and_nothing_is_executed(predict, good, tmp_path, name):
    case = {**ATTACKS, **DAMAGES}[name]
    code, lines = predict(make(name, good / "best.ckpt", tmp_path))
    assert not (tmp_path / CANARY).exists()
    assert not (tmp_path / "out").exists()
    assert len(lines) == 1, lines
    assert case.said in lines[0]
    assert len(lines[0]) < 1000
    assert lines[0].isprintable()
    assert code == case.code


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(predict, good, tmp_path, name):
    code, lines = predict(make(name, good / "best.ckpt", tmp_path))
    assert not (tmp_path / CANARY).exists()
    assert len(lines) == 1, lines
    assert FILES[name][1] in lines[0]
    assert code == 5


def test_a_hostile_pickle_among_the_weights_is_not_unpickled(predict, good, tmp_path):
    stored = torch.load(good / "best.ckpt", weights_only=True)
    stored["segbench"]["prediction"]["arguments"]["width"] = Payload(tmp_path / CANARY)
    torch.save(stored, tmp_path / "best.ckpt")
    code, lines = predict(tmp_path / "best.ckpt")
    assert (code, len(lines)) == (5, 1)
    assert not (tmp_path / CANARY).exists()


def test_trust_says_what_it_imports_and_does(predict, good, tmp_path):
    path = make("a module beside it", good / "best.ckpt", tmp_path)
    code, lines = predict(path, "trust=true")
    assert lines[0].endswith("trust=true: importing hostile_module.Network")
    assert (tmp_path / CANARY).exists()
    assert (code, len(lines)) == (2, 2)
    assert "hostile_module" in lines[1]
    assert "has no Network" in lines[1]


def test_trust_does_not_resolve_interpolations(predict, good, tmp_path):
    code, lines = predict(make("the environment", good / "best.ckpt", tmp_path), "trust=true")
    assert (code, len(lines)) == (5, 1)


@pytest.mark.parametrize("place", ["predictions", "predictions/image", "predictions/image/masks"])
def test_nothing_is_written_through_a_link_of_the_run(good, tmp_path, repository, monkeypatch, place):
    from segbench.commands.predict import main

    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "best.ckpt").write_bytes((good / "best.ckpt").read_bytes())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "run" / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"{place}: is a link, which may lead anywhere; give out="):
        main([f"run={tmp_path / 'run'}", f"images={good / 'image.png'}", "accelerator=cpu"])
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_a_file_that_no_memory_can_hold_is_not_read(predict, good, tmp_path, monkeypatch):
    monkeypatch.setattr("segbench.runs.checkpoint_io.memory_bytes", lambda: 2**20)
    path = tmp_path / "best.ckpt"
    path.touch()
    os.truncate(path, 2**21)
    code, lines = predict(path)
    assert (code, len(lines)) == (5, 1)
    assert "has 2,097,152 bytes, which no memory of this machine can hold" in lines[0]


def test_a_folder_of_pipes_and_links_is_not_waited_for(predict, good, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    os.mkfifo(run / "checkpoints" / "best.ckpt")
    assert predict(run)[0] == 5
    (run / "checkpoints" / "best.ckpt").unlink()
    (run / "checkpoints" / "best.ckpt").write_bytes((good / "best.ckpt").read_bytes())
    os.mkfifo(run / "checkpoints" / "manifest.json")
    code, lines = predict(run)
    assert (code, len(lines)) == (5, 1)
    assert "manifest.json: missing or damaged" in lines[0]
    (run / "checkpoints" / "manifest.json").unlink()
    Path(run / "checkpoints" / "manifest.json").symlink_to("/dev/zero")
    assert predict(run)[0] == 5
