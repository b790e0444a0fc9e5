"""Odd command lines: each is right, or one line with the key and the remedy, and no odd folder is made."""

from pathlib import Path

import pytest
import yaml

TINY = (
    "data.subjects=6",
    "data.slices=2",
    "data.size=[32,32]",
    "data.batch_size=4",
    "model.width=2",
    "trainer.max_epochs=1",
)
LISTED = yaml.safe_load((Path(__file__).parent / "odd_command_lines.yaml").read_text())


def case(listed):
    marks = () if listed.get("daily") else pytest.mark.slow
    return pytest.param(listed, marks=marks, id=" ".join(listed["arguments"]))


@pytest.mark.slow
@pytest.mark.parametrize("listed", [case(listed) for listed in LISTED])
def test_an_odd_command_line_is_one_line_with_the_key_and_the_remedy(program, tmp_path, listed):
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    out = tmp_path / "outputs"
    arguments = [argument.replace("{out}", str(out)) for argument in listed["arguments"]]
    result = program("run.py", f"paths.outputs={out}", *TINY, *arguments, folder=cwd)
    assert result.returncode == listed["code"], result.stderr
    assert listed["says"] in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(cwd.iterdir())
