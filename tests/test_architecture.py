"""The page about the architecture names every room, and its picture can be drawn from the imports."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from tests.scripts import ROOT, load_script

PICTURE = ROOT / "docs" / "architecture.png"


@pytest.fixture(scope="module")
def script():
    return load_script("docs/architecture.py")


def test_every_room_stands_on_one_floor_and_in_the_table(script):
    rooms = [room for floor in script.floors() for room in floor]
    there = {path.stem for path in (ROOT / "src" / "segbench").iterdir() if path.name[0] not in "_."}
    assert sorted(rooms) == sorted(there)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 100
    (table,) = re.findall(r"\| room \|.*?\n\n", page, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.strip().splitlines())))
    foundations = {room for floor in script.floors()[-script.FOUNDATIONS :] for room in floor}
    assert named == set(rooms) - foundations


@pytest.mark.slow
def test_the_picture_shows_the_imports_that_there_are(script, tmp_path):
    script.draw(tmp_path / "architecture.png")
    drawn, kept = (Image.open(path).text["Description"] for path in (tmp_path / "architecture.png", PICTURE))
    assert json.loads(drawn)["arrows"]
    assert drawn == kept, "docs/architecture.png is out of date; draw it again with: python docs/architecture.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("upper", "line", "broken"),
    [
        ("callbacks/cost.py", "import segbench.reporting.page", "Training knows nothing of reports"),
        ("reporting/text/latex.py", "import segbench.tasks.base", "Reports read the files of runs"),
        ("reporting/statistics/ranks.py", "import segbench.reporting.html.document", "made stage by stage"),
        ("words.py", "import segbench.scores.counts", "Imports run downward"),
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path, upper, line, broken):
    shutil.copytree(ROOT / "src" / "segbench", tmp_path / "segbench")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "segbench" / upper).open("a") as file:
        file.write(f"\n{line}\n")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 1
    assert re.search(rf"{broken}.* BROKEN", found.stdout)
