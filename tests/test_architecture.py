"""The page about the architecture names every room, and its picture can be drawn from the imports."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("grimp")
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_the_picture_is_drawn(script, tmp_path):
    script.draw(tmp_path / "architecture.png")
    assert (tmp_path / "architecture.png").stat().st_size > 20_000
