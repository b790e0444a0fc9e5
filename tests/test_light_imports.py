"""What only looks at the configuration does not wait for torch."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TINY

# Runs the script in this process, and says which of the slow packages it has brought.
LOOK = """
import contextlib, io, json, os, runpy, sys
seen = sys.argv.pop(1).split(",")
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
out = os.fdopen(os.dup(1), "w")
def leave(code):
    out.write(json.dumps([code, [name for name in seen if name in sys.modules]]))
    out.flush()
os._exit = leave
with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
    runpy.run_path(script, run_name="__main__")
"""
# A refusal, the help and the configuration need none of them; a report does not train, and what is trained does not
# report. torch's compiler, and sympy with it, is for trainer.compile=true alone.
HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "PIL", "matplotlib", "torch", "pytorch_lightning", "albumentations")
COMPILER = ("sympy", "torch._dynamo.eval_frame", "scipy.signal", "wandb")


def look(repository, folder, *arguments, script="run.py", seen=HEAVY):
    result = subprocess.run(
        [sys.executable, "-c", LOOK, ",".join(seen), str(repository / "src" / script), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
def test_help_the_configuration_and_refused_keys_are_told_without_them(repository, tmp_path):
    told = {
        "--help": 0,
        "--cfg job model=attunet callbacks.panels.images=2": 0,
        "model=attnet": 2,
        "optimizer.lrr=3": 2,
        "optimizer.lr=abc": 2,
    }
    for arguments, code in told.items():
        assert look(repository, tmp_path, *arguments.split()) == [code, []], arguments
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_unknown_option_of_a_class_needs_the_class(repository, tmp_path):
    """So that the test above can fail."""
    code, brought = look(repository, tmp_path, "+model.witdh=3")
    assert (code, "torch" in brought) == (2, True)


@pytest.mark.slow
def test_what_trains_predicts_and_reports_leaves_out_what_it_does_not_need(repository, tmp_path):
    settings = [*TINY, f"paths.outputs={tmp_path}", "trainer.max_epochs=1", "paths.cache=cache"]
    run = ("scipy.stats", "jinja2", "albumentations", *COMPILER)
    assert look(repository, tmp_path, *settings, seen=run) == [0, []]
    (trained,) = (tmp_path / "runs").glob("phantom-*")
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "image.png")
    asked = (f"run={trained}", f"images={tmp_path / 'image.png'}")
    assert look(repository, tmp_path, *asked, script="predict.py", seen=run) == [0, []]
    training = ("torch", "pytorch_lightning", "albumentations", *COMPILER)
    assert look(repository, tmp_path, str(tmp_path / "runs"), script="report.py", seen=training) == [0, []]
