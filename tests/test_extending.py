"""docs/extending.md, done as it says: its files written, its commands typed, what it shows seen."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segbench.reporting.figures import FIGURES, draw_all

PAGE = Path(__file__).resolve().parent.parent / "docs" / "extending.md"
# Sections that go on where another one ended.
AFTER = {"A figure": "An experiment"}


@dataclass
class Section:
    """What a section tells its reader to do: files to write, then lines to type and what they show."""

    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


def read_page(text: str) -> dict[str, Section]:
    """A block below a line that ends with a path in backticks and a colon is that file; ``sh`` is typed, ``text`` shown."""
    sections = {}
    for part in re.split(r"^## ", f"## \n{text}", flags=re.MULTILINE)[1:]:
        section = sections.setdefault(part.partition("\n")[0].strip(), Section())
        for fence in re.finditer(r"^```(\w*)\n(.*?)^```$", part, re.DOTALL | re.MULTILINE):
            kind, block = fence.groups()
            path = re.search(r"`([^`\n]+)`:$", part[: fence.start()].rstrip())
            if kind == "sh":
                section.commands += block.splitlines()
            elif kind == "text":
                section.shown += block.splitlines()
            elif path is not None:
                section.files[path.group(1)] = block
    return sections


SECTIONS = read_page(PAGE.read_text())
PREFACE = SECTIONS.pop("")
EXECUTED = [name for name, section in SECTIONS.items() if section.commands]


@pytest.fixture(scope="module")
def reader(repository, tmp_path_factory):
    """The reader's home, with the checkout where the page takes it to be, and the environment of their shell."""
    home = tmp_path_factory.mktemp("home")
    (home / "segbench").symlink_to(repository)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SEGBENCH_DATA", raising=False)
        patch.delenv("PYTHONPATH", raising=False)
        patch.setattr("segbench.reporting.page.draw_all", few_figures)
        yield {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def few_figures(comparison, evidence, folder, figures=FIGURES):
    """Draw the reader's own figures and one of ours: the others take seconds, and are drawn elsewhere."""
    few = [spec for spec in figures if spec not in FIGURES or spec.file == "curves.png"]
    return draw_all(comparison, evidence, folder, figures=few)


def shell(line, folder, reader):
    command = ["bash", "-euc", "\n".join([*PREFACE.commands, line])]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **reader}, capture_output=True, text=True, timeout=240
    )


def type_in_a_fork(line, folder, reader, program):
    """Type a line; what begins with ``python`` runs in a fork of this process, the words as the shell would make them."""
    if not line.startswith("python "):
        return shell(line, folder, reader)
    _, script, *words = shell(f"printf '%s\\0' {line}", folder, reader).stdout.split("\0")[:-1]
    path = shell("printf %s $PYTHONPATH", folder, reader).stdout
    return program(str(folder / script), *words, folder=folder, PYTHONPATH=path)


@pytest.fixture(scope="module")
def done(reader, program, tmp_path_factory):
    """Do what a section says, once: return its folder and all that was shown."""
    known = {}

    def do(name):
        if name not in known:
            folder = do(AFTER[name])[0] if name in AFTER else tmp_path_factory.mktemp("reader")
            known[name] = follow(name, folder, lambda line: type_in_a_fork(line, folder, reader, program))
        return known[name]

    return do


def follow(name, folder, enter):
    for path, text in SECTIONS[name].files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    shown = ""
    for line in SECTIONS[name].commands:
        result = enter(line)
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
        shown += result.stdout + result.stderr
    return folder, shown


def check_shown(name, shown):
    lines = [line.rstrip() for line in shown.splitlines()]
    for expected in SECTIONS[name].shown:
        pattern = ".*".join(re.escape(part) for part in expected.split("..."))
        assert any(re.fullmatch(pattern, line) for line in lines), f"not shown: {expected}\n{shown}"


def test_the_page_is_read_as_people_read_it():
    section = read_page("Preface\n\n## One\n\nA file, `a/b.yaml`:\n\n```yaml\nkey: 1\n```\n\n```sh\nls\ncat a\n```\n\n"
                        "so\n\n```text\n... 1\n```\n\n```\nnothing\n```\n")["One"]  # fmt: skip
    assert section == Section({"a/b.yaml": "key: 1\n"}, ["ls", "cat a"], ["... 1"])


def test_everything_that_is_added_is_executed_and_its_name_is_seen():
    assert len(EXECUTED) >= 8
    for name, section in SECTIONS.items():
        assert bool(section.files) == bool(section.commands) == bool(section.shown), name
        shown = " ".join(section.shown).replace("_", " ")
        for path in map(Path, section.files):
            if path.parts[0] == "conf":
                assert path.stem.replace("_", " ") in shown, path
    kinds = set(re.findall(r"^```(\w+)", PAGE.read_text(), re.MULTILINE))
    assert kinds == {"python", "yaml", "sh", "text"}


# What the README promises; CI does all that the page says: one section in a shell, where nothing of the tests' own process
# takes part, and the others in forks.
EVERY_DAY = ("A network",)
IN_A_SHELL = "A data set"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow)
        for name in EXECUTED
        if name != IN_A_SHELL
    ],
)
def test_a_section_does_what_it_says(done, name):
    _, shown = done(name)
    check_shown(name, shown)


@pytest.mark.slow
def test_a_section_typed_into_a_shell_does_what_it_says(reader, tmp_path):
    """A script of the reader's, a training and a prediction."""
    _, shown = follow(IN_A_SHELL, tmp_path, lambda line: shell(line, tmp_path, reader))
    check_shown(IN_A_SHELL, shown)
