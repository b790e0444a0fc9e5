"""What only looks at the configuration does not wait for torch."""

import json
import os
import subprocess
import sys

import pytest

# Runs the script in this process, and says which of the slow packages it has brought.
LOOK = """
import contextlib, io, json, runpy, sys
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code
print(json.dumps([code, [name for name in ("torch", "pytorch_lightning", "matplotlib") if name in sys.modules]]))
"""


def look(repository, folder, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", LOOK, str(repository / "src" / "run.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
def test_help_the_configuration_and_refused_keys_are_told_without_torch(repository, tmp_path):
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
