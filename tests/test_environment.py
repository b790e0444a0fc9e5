import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from segbench import environment
from segbench.environment import git_state, native_precision, processor_has_bfloat16, processor_name


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


@pytest.mark.parametrize(
    ("content", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 avx512vl\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        # Of these torch runs bfloat16 too, by way of float32.
        ("flags\t\t: fpu avx2 avx512f avx512vl avx512bw avx512dq\n", False),
        ("Features\t: fp asimd ebf16x\n", False),
        ("model name\t: avx512_bf16\n", False),
        (None, False),
    ],
)
def test_a_processor_has_bfloat16_if_it_says_so(tmp_path, monkeypatch, content, has):
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    assert processor_has_bfloat16() is has
    assert native_precision("cpu").value == ("bf16-mixed" if has else 32)


@pytest.mark.parametrize(("capable", "value", "said"), [(True, "bf16-mixed", "has"), (False, 32, "lacks")])
def test_a_graphics_card_is_asked_without_what_it_only_imitates(monkeypatch, capable, value, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: capable or including_emulation)
    for accelerator in ("auto", "gpu", "cuda"):
        assert native_precision(accelerator) == (value, f"Tesla V100 {said} bfloat16")
    monkeypatch.setattr(environment, "processor_has_bfloat16", lambda: not capable)
    assert native_precision("cpu").value != value


def test_the_peak_memory_is_that_of_this_process_and_not_of_what_started_it():
    held = np.ones(2**26, np.uint8)
    mine = environment.peak_memory_bytes()
    assert mine > held.nbytes
    code = "from segbench.environment import peak_memory_bytes; print(peak_memory_bytes())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 2**20 < child < min(mine, 2**28)
