"""The README's commands are good ones, and what it promises is touched by the tests that run every day."""

import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from segbench.configuration.arguments import arranged
from segbench.configuration.schema import validate

TESTS = Path(__file__).parent
README = (TESTS.parent / "README.md").read_text()
# What a setting belongs to, where the README says so in words or beside it.
BESIDE = {"model.pretrained=file": ["model=deeplabv3_imagenet"], "data.tiles=2x2": ["data=cityscapes"]}


def lines():
    """What the README gives to run.py: in whole commands, and as settings alone in the table of tasks."""
    found = re.findall(r"`python src/run\.py ([^`]+)`", README)
    tasks = README[README.index("| I want to |") : README.index("### Data")]
    for row in tasks.splitlines()[2:]:
        found += re.findall(r"`([+\w./]+=[^`]*)`", row.partition(" | ")[2])
    return sorted({line for line in found if line.removeprefix("-m ")[0] != "-" and "<key>" not in line})


def every_day(all_lines):
    """Mark lines as slow but the first that begins with each part of the configuration, as composing takes long."""
    keys = set()
    for line in all_lines:
        key = re.match(r"[^\w]*(?:m )?(\w*)", line)[1]
        yield pytest.param(line, marks=pytest.mark.slow if key in keys else ())
        keys.add(key)


@pytest.mark.parametrize("line", every_day(lines()))
def test_a_command_of_the_readme_is_a_valid_configuration(compose, line):
    parts = shlex.split(re.sub(r"<[^>]*>", "file", line).removeprefix("-m "))
    # What is of the sweep alone, as decide= is, leaves the configuration of a job.
    own = [part for part in arranged(parts) if not part.startswith(("hydra", "--"))]
    if line.startswith("-m "):
        own = [re.sub(r"interval\((.*)\)", r"\1", part).partition(",")[0] for part in own]
    validate(compose(*BESIDE.get(parts[0], ()), *own))


def test_the_whole_configuration_is_printed(program):
    done = program("run.py", "--cfg", "job", "model.width=3")
    assert done.returncode == 0, done.stderr
    assert OmegaConf.create(done.stdout).model.width == 3


def test_each_promise_is_touched_every_day(pytestconfig, collected):
    """A test of a file that this session did not collect need only be there; with all files, all must run."""
    assert "not slow and not gpu and not slurm" in pytestconfig.getini("addopts")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS / "README.md").read_text())
    assert len(named) > 60
    files = {name.partition("::")[0] for name in collected}
    for file, test in named:
        assert f"\ndef {test}(" in (TESTS / file).read_text(), f"{file}: no {test}"
        assert file not in files or collected[f"{file}::{test}"], f"{file}: {test} does not run every day"
