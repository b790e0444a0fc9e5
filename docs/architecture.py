"""Draw docs/architecture.png from the imports: ``python docs/architecture.py``.

The floors are those of the import contract in ``pyproject.toml``, the boxes the packages and modules of ``segbench``
with their lines of code. An arrow is an import; one that follows from two others is left out, and so are those of the
three lowest floors, which everything stands on.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import grimp
import matplotlib.pyplot as plt
import networkx as nx
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "segbench"
WIDTH, FLOOR = 9.0, 0.74
BOX_WIDTH, BOX_HEIGHT = 1.5, 0.4
FOUNDATIONS = 3

Place = tuple[float, float]


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the highest first, as the import contract orders them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [contract for contract in settings["contracts"] if contract["id"] == "floors"]
    return [[name.strip().removeprefix("segbench.") for name in layer.split("|")] for layer in contract["layers"]]


def imports(rooms: list[str]) -> nx.DiGraph:
    """Return which of the rooms imports which, without what follows from other imports."""
    graph = grimp.build_graph("segbench", cache_dir=None)
    direct = nx.DiGraph()
    direct.add_nodes_from(rooms)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            ends = [name.split(".")[1] for name in (module, imported) if name != "segbench"]
            if len(ends) == 2 and ends[0] != ends[1] and set(ends) <= set(rooms):
                direct.add_edge(*ends)
    return nx.transitive_reduction(direct)


def described() -> str:
    """Return what the picture shows, rooms and arrows, as the text that it carries."""
    levels = floors()[:-FOUNDATIONS]
    arrows = sorted(imports([room for rooms in levels for room in rooms]).edges)
    return json.dumps({"floors": levels, "arrows": arrows})


def lines(room: str) -> int:
    """Return the lines of a package or module."""
    files = (PACKAGE / room).rglob("*.py") if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def places(levels: list[list[str]]) -> dict[str, Place]:
    """Return the centre of each room in inches; rooms alone on a floor stand left and right in turn."""
    centres = {}
    for level, rooms in enumerate(levels):
        for index, room in enumerate(rooms):
            shift = (0.2 if level % 2 else -0.2) * (len(rooms) == 1)
            centres[room] = (WIDTH * ((index + 0.5) / len(rooms) + shift), -FLOOR * level)
    return centres


def draw_box(axes: Axes, centre: Place, title: str, below: str, width: float = BOX_WIDTH) -> None:
    """Draw a box with a title and a small line below it."""
    x, y = centre
    corner = (x - width / 2, y - BOX_HEIGHT / 2)
    style = {"boxstyle": "round,pad=0.02", "fc": "#e8f1fa", "ec": "#0072b2", "lw": 1}
    axes.add_patch(FancyBboxPatch(corner, width, BOX_HEIGHT, **style))
    axes.text(x, y + 0.07, title, ha="center", va="center", fontsize=10)
    axes.text(x, y - 0.11, below, ha="center", va="center", fontsize=7.5, color="0.3")


def draw(path: Path) -> None:
    """Draw the rooms on their floors and the imports between them."""
    levels = floors()
    foundations = [room for rooms in levels[-FOUNDATIONS:] for room in rooms]
    levels = levels[:-FOUNDATIONS]
    figure = plt.figure(figsize=(WIDTH, FLOOR * (len(levels) + 1)))
    axes = figure.add_axes((0, 0, 1, 1))
    centres = places(levels)
    for above, below in imports(list(centres)).edges:
        start, end = centres[above], centres[below]
        arrow = FancyArrowPatch(
            (start[0], start[1] - BOX_HEIGHT / 2),
            (end[0], end[1] + BOX_HEIGHT / 2 + 0.02),
            arrowstyle="-|>",
            mutation_scale=9,
            color="0.6",
            lw=0.9,
            connectionstyle=f"arc3,rad={0.1 if end[0] >= start[0] else -0.1}",
        )
        axes.add_patch(arrow)
    for room, centre in centres.items():
        draw_box(axes, centre, room, f"{lines(room):,} lines")
    total = sum(map(lines, foundations))
    low = (WIDTH / 2, -FLOOR * len(levels))
    draw_box(axes, low, ", ".join(sorted(foundations)), f"{total:,} lines; anybody may import them", WIDTH - 0.4)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(low[1] - FLOOR / 2, FLOOR / 2)
    axes.set_axis_off()
    figure.savefig(path, dpi=120, metadata={"Description": described()})


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    draw(ROOT / "docs" / "architecture.png")
