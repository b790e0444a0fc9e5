import os
import platform
import subprocess

import pytest

from segbench import environment
from segbench.environment import git_state, processor_name


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        author = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    (tmp_path / "src" / "package").mkdir(parents=True)
    (tmp_path / "src" / "package" / "module.py").write_text("a = 1\n")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "begin")
    return tmp_path


def state(checkout):
    return git_state(checkout / "src" / "package")


def test_a_checkout_as_committed(checkout):
    assert len(state(checkout)["commit"]) == 40
    assert state(checkout)["dirty"] is False


@pytest.mark.parametrize("name", ["src/package/new.py", "conf/model/new.yaml", "src/package/module.py"])
def test_changed_and_unknown_files_that_shape_results_are_told(checkout, name):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("b = 2\n")
    assert state(checkout)["dirty"] is True


@pytest.mark.parametrize("name", ["notes.txt", "outputs/scores.csv", "src/package/module.pyc"])
def test_other_files_are_not(checkout, name):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("b = 2\n")
    assert state(checkout)["dirty"] is False


def test_outside_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == {"commit": None, "dirty": False}


@pytest.mark.parametrize("content", ["processor\t: 0\nmodel name\t: Fast CPU: 9000\nmodel name\t: Slow\n", "", None])
def test_the_processor_is_named_by_the_kernel_or_else_by_its_architecture(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert processor_name() == ("Fast CPU: 9000" if content else platform.machine())


def test_asking_for_the_commit_writes_nothing_into_the_checkout(checkout):
    """A run without room for a file would leave git's lock behind, and block the user's next commit."""
    # git would note in its index that the file is as it was.
    os.utime(checkout / "src" / "package" / "module.py", (1, 1))
    index = (checkout / ".git" / "index").read_bytes()
    assert state(checkout)["dirty"] is False
    assert (checkout / ".git" / "index").read_bytes() == index
