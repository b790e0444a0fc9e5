"""What a wheel holds: segbench in an environment without a checkout, from an empty folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segbench

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parent.parent / "docs" / "package.md").read_text()
# What the page's first comparison is shrunk by, so that it takes seconds.
SHRUNK = {
    "data.size=": "data.size=[32,32]",
    "model.width=": "model.width=2",
    "trainer.max_epochs=": "trainer.max_epochs=1",
    "seed=": "seed=0,1",
}
SOURCES = ("src", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")
NETWORK = """
from torch import nn


class TinyNet(nn.Sequential):
    stride = 1

    def __init__(self, in_channels, out_channels, width):
        super().__init__(nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, out_channels, 1))
"""
TINY = [
    "data.subjects=8",
    "data.slices=2",
    "data.size=[32,32]",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
]


@pytest.fixture(scope="module")
def environment(repository, tmp_path_factory) -> Path:
    """An environment with the wheel and, as downloading them again would take minutes, the packages of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = repository / name, folder / "checkout" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    built = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(folder / "checkout")]
    subprocess.run(built, check=True, capture_output=True)
    shutil.rmtree(folder / "checkout")
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"segbench-{segbench.__version__}-py3-none-any.whl"
    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    # A line of it adds a folder without its own .pth files, of which one is that of this checkout.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    python = str(place / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", str(wheel)], check=True, capture_output=True)
    return place


@pytest.fixture
def typed(environment, tmp_path):
    """Type a command in an empty folder."""
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SEGBENCH_DATA")}
    variables = known | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(tmp_path)}

    def type_it(*words: str) -> str:
        command = [str(environment / "bin" / words[0]), *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=variables, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return type_it


def test_a_network_of_one_s_own_is_compared_and_predicts_far_from_any_checkout(typed, tmp_path):
    (tmp_path / "tiny.py").write_text(NETWORK)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "tiny.yaml").write_text("_target_: tiny.TinyNet\nwidth: 8\n")
    assert typed("segbench", "--version").strip() == f"segbench {segbench.__version__}"
    typed("segbench", "run", "-m", "--config-dir", "conf", "model=tiny", *TINY)
    (run,) = (tmp_path / "outputs" / "runs").glob("phantom-tiny-*")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["versions"]["segbench"] == segbench.__version__
    assert list(summary["git"]["own"]) == ["tiny"]
    assert summary["git"]["commit"] is None
    page = (tmp_path / "outputs" / "runs" / "index.html").read_text()
    assert "segbench run --config-dir conf model=tiny" in page
    assert "src/run.py" not in page
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(tmp_path / "new.png")
    assert "1 predicted, 0 skipped" in typed(
        "segbench", "predict", f"run={run}", "images=new.png", "trust=true", "out=masks"
    )
    assert "held against the run" in typed("segbench", "export", f"run={run}", "to=safetensors", "trust=true")


def first_comparison() -> list[list[str]]:
    """The words of each command of the page's first comparison."""
    section = PAGE[PAGE.index("\n## A first comparison") : PAGE.index("\n## The same commands")]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def test_the_page_s_first_comparison_works_as_it_is_typed(typed, tmp_path):
    chance = np.random.default_rng(0)
    for folder in ("photos", "drawings", "new_photos"):
        (tmp_path / folder).mkdir()
    for number in range(12):
        mask = np.zeros((48, 40), np.uint8)
        mask[8 : 20 + number, 10:30] = 255
        photo = Image.fromarray(mask // 2 + chance.integers(0, 60, mask.shape, np.uint8))
        photo.save(tmp_path / "photos" / f"p{number}.png")
        Image.fromarray(mask).save(tmp_path / "drawings" / f"p{number}.png")
        if number < 2:
            photo.save(tmp_path / "new_photos" / f"n{number}.png")
    commands = first_comparison()
    assert [command[1] for command in commands] == ["survey", "run", "run", "report", "predict", "export"]
    for command in commands:
        words = [next((tiny for key, tiny in SHRUNK.items() if word.startswith(key)), word) for word in command]
        if command[1] == "export":
            (run,) = (tmp_path / "outputs" / "runs").glob("*-unet-*-seed0-*")
            words = [word.replace("outputs/runs/<run>", str(run.relative_to(tmp_path))) for word in words]
        said = typed(*words, *(["trainer.accelerator=cpu"] if command[1] == "run" else []))
        if command[1] == "predict":
            assert "2 predicted by 2 runs together, 0 skipped" in said
    assert (tmp_path / "outputs" / "surveys" / "photos" / "index.html").is_file()
    # The try has a page of its own, and that of the comparison shows none of its runs.
    for place in ("outputs/try/runs", "outputs/runs"):
        assert len(list((tmp_path / place).glob("*-seed?-*"))) == 4
        assert (tmp_path / place / "index.html").is_file()
    assert list((tmp_path / "outputs" / "runs").glob("*/exports/onnx/model.onnx"))
