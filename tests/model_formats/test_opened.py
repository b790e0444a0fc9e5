"""What is said where no trained network lies."""

import re
from pathlib import Path

import pytest

from segbench.errors import CheckpointError
from segbench.model_formats.opened import open_trained


def test_a_folder_of_runs_names_one_and_the_ensemble(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "checkpoints" / "best.ckpt").touch()
    said = f"run={tmp_path}: 2 runs below it; name one, as {tmp_path / 'one'}, or predict by ensemble={tmp_path}"
    with pytest.raises(CheckpointError, match=f"^{re.escape(said)}$"):
        open_trained(tmp_path)


def test_several_runs_are_no_network():
    with pytest.raises(CheckpointError, match=r"^run=\[a,b\]: one network is asked for; name one of these runs$"):
        open_trained(Path("[a,b]"))
