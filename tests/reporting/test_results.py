"""The folder of results pages and its overview."""

import re
import shutil
from urllib.parse import unquote

import pytest

from segbench.commands import report
from segbench.reporting import figures, results

pytestmark = pytest.mark.usefixtures("no_power")

# Draws the row labels, and leaves a file where it was imported.
FIGURE = """
from pathlib import Path

from matplotlib.figure import Figure

from segbench.pictures.canvas import save
from segbench.reporting.figures import FigureSpec

Path(__file__).with_suffix(".imported").touch()


def draw(comparison, evidence, path):
    figure = Figure(figsize=(2, 1))
    figure.text(0, 0, " | ".join(row.label for row in comparison.rows))
    save(figure, path)


FIGURE = FigureSpec("Rows & columns", "own_rows.png", draw, shows_data=True)
"""


@pytest.fixture
def own_figure(tmp_path, monkeypatch):
    """The file of a module with a figure, which Python finds; whether it was imported a file beside it tells."""
    (tmp_path / "modules").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "modules")
    # The others take seconds to draw, and are drawn elsewhere.
    monkeypatch.setattr(figures, "FIGURES", tuple(spec for spec in figures.FIGURES if spec.file == "curves.png"))
    path = tmp_path / "modules" / f"figure_{tmp_path.name}.py"
    path.write_text(FIGURE)
    return path


def made(architectures, tmp_path):
    """A page with one experiment, made by the command."""
    architectures.comparison["claims"] = [
        {"text": "Attention is better", "better": {"model": "attunet"}, "than": [{"model": "unet"}]}
    ]
    for seed in range(3):
        architectures("unet", seed, tp=90 + seed)
        folder = architectures("attunet", seed, tp=70 + seed).parent
    page = tmp_path / "results" / "carvana.md"
    page.parent.mkdir()
    assert report.main([str(folder), "--page", str(page)]) == 0
    return folder, page


@pytest.mark.usefixtures("no_figures")
def test_the_overview_has_every_experiment_answer_and_claim(architectures, tmp_path, capsys):
    folder, page = made(architectures, tmp_path)
    page.write_text(page.read_text() + "\nWritten by hand.\n")
    before = page.read_text()
    assert report.main([str(page.parent)]) == 0
    assert page.read_text() == before  # made again, what people wrote stays
    text = (page.parent / "README.md").read_text()
    link = "[carvana/architectures](carvana.md#carvanaarchitectures)"
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {link} |")]
    assert architectures.comparison["question"] in line
    assert "| better | " in line
    assert "unet is better than attunet: Dice 0." in line
    (claim,) = [line for line in text.splitlines() if line.startswith("| Attention is better |")]
    assert "does not hold" in claim
    assert claim.endswith(f"| {link} |")
    found = (page.parent / "index.html").read_text()
    assert '<a href="carvana.md#carvanaarchitectures">carvana/architectures</a>' in found
    assert "unet is better than attunet: Dice 0." in found


@pytest.mark.slow
def test_no_name_breaks_a_page_or_its_overview(architectures, tmp_path, capsys):
    evil = "Is <b>a | b</b> *better*\n\n# by `far`\n<!-- end carvana/architectures -->?"
    claim = {"text": f"| {evil} |", "better": {"model": "attunet"}, "than": [{"model": "unet"}]}
    architectures.comparison |= {"question": evil, "claims": [claim], "differences": {"evil": evil}}
    for model in ("unet", "attunet"):
        for seed in range(2):
            folder = architectures(model, seed, tp=90 - seed).parent
    architectures("unet", 2, state="failed", reason=evil)
    page = tmp_path / "my results (new)" / "carvana *1*.md"
    page.parent.mkdir()
    assert report.main([str(folder), "--page", str(page)]) == 0
    before = page.read_text()
    assert report.main([str(page.parent)]) == 0
    assert page.read_text() == before
    lines = before.splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert heads == [r"# Results: carvana \*1\*", "## carvana/architectures", "## How to read the tables"]
    # The section's edges, the notes that it names, and theirs.
    assert sum(line.startswith("<!--") for line in lines) == 5
    links = re.findall(r"\]\((.*?)\)", before)
    assert "carvana%20%2A1%2A/carvana-architectures-curves.png" in links
    assert all((page.parent / unquote(link)).is_file() for link in links)
    overview = [line for line in (page.parent / "README.md").read_text().splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in overview] == [5, 5, 5, 5, 5, 5]
    assert "(carvana%20%2A1%2A.md#carvanaarchitectures)" in overview[2]


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_a_section_without_its_runs_stays_and_is_said(architectures, tmp_path, capsys):
    folder, page = made(architectures, tmp_path)
    folder.rename(tmp_path / "gone")
    # As it was before there were verdicts.
    page.write_text(
        re.sub(r"^\*\*Better\.\*\* .*", "**unet scores above attunet.**", page.read_text(), flags=re.MULTILINE)
    )
    before = page.read_text()
    assert report.main([str(page.parent)]) == 0
    assert page.read_text() == before
    assert f"a section stays as it is: {folder} is not here" in capsys.readouterr().err
    overview = (page.parent / "README.md").read_text()
    assert "Attention is better" in overview
    assert " | – | Is attention worth its weights? | unet scores above attunet. |" in overview
    assert results.OLDER in overview
    assert results.OLDER in (page.parent / "index.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_a_page_that_cannot_be_read_costs_the_others_nothing(architectures, tmp_path, capsys):
    _, page = made(architectures, tmp_path)
    damaged = page.parent / "broken.md"
    damaged.write_bytes(b"\xff\xfe\x00 no text")
    page.write_text(page.read_text().replace("| unet |", "| touched |"))
    assert report.main([str(page.parent)]) == 2
    assert "| touched |" not in page.read_text()  # made again
    assert f"{damaged}: cannot be read" in capsys.readouterr().err
    overview = (page.parent / "README.md").read_text()
    assert "Attention is better" in overview
    assert "Cannot be read, so its experiments are missing here: `broken.md`." in overview


def test_a_folder_without_pages_is_none(tmp_path, capsys):
    (tmp_path / "notes.md").write_text("# Notes")
    assert report.main([str(tmp_path)]) == 2
    assert "no runs here" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("few_figures")
def test_a_figure_of_ones_own_is_drawn_behind_the_others_and_shown_on_the_page(architectures, tmp_path, own_figure):
    for model in ("unet", "attunet"):
        folder = architectures(model).parent
    page = tmp_path / "results" / "carvana.md"
    command = [str(folder), "--figure", own_figure.stem, "--page", str(page)]
    assert report.main(command) == 0
    assert "attunet | unet" in (folder / "own_rows.svg").read_text()
    assert (folder / "own_rows.png").read_bytes()[:4] == b"\x89PNG"
    text = (folder / "index.html").read_text()
    assert "Rows &amp; columns" in text
    assert text.index("Learning curves") < text.index("Rows &amp; columns")
    assert "own_rows" not in page.read_text()  # it shows images, which go nowhere unasked
    assert report.main([*command, "--pictures"]) == 0
    assert "(carvana/architectures-own_rows.png)" in page.read_text()
    assert (page.parent / "carvana" / "architectures-own_rows.png").is_file()
    assert report.main(command) == 0
    assert not (page.parent / "carvana" / "architectures-own_rows.png").exists()


def test_a_figure_that_cannot_be_had_is_one_line(architectures, own_figure, capsys):
    folder = architectures("unet").parent
    kinds = {
        "FigureSpec('x', 'curves.png', print)": "there is a figure curves.png already; name its file differently",
        "FigureSpec('x', '../x.png', print)": "its file ../x.png must be the plain name of a .png",
        "FigureSpec('x', 'index.html', print)": "its file index.html must be the plain name of a .png",
        "'a string'": "it has no FIGURE, a segbench.reporting.figures.FigureSpec",
    }
    for number, (made, said) in enumerate(kinds.items()):
        module = own_figure.with_name(f"{own_figure.stem}_{number}.py")
        module.write_text(f"from segbench.reporting.figures import FigureSpec\nFIGURE = {made}\n")
        assert report.main([str(folder), "--figure", module.stem]) == 2
        assert capsys.readouterr().err == f"--figure {module.stem}: {said}\n"
    assert report.main([str(folder), "--figure", "absent_figure"]) == 2
    assert capsys.readouterr().err.startswith("--figure absent_figure: no module absent_figure; PYTHONPATH must hold")


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_a_page_cannot_choose_code_and_its_reader_can(architectures, tmp_path, own_figure, capsys):
    _, page = made(architectures, tmp_path)
    imported, text = own_figure.with_suffix(".imported"), page.read_text()
    refusals = {
        f"--figure {own_figure.stem}": f"--figure {own_figure.stem}: a page asks for it",
        f"--fig={own_figure.stem}": "its command is none of report's: unrecognized arguments: --fig=",
    }
    for asked, said in refusals.items():
        before = text.replace("src/report.py ", f"src/report.py {asked} ")
        assert before != text
        page.write_text(before)
        assert report.main([str(page.parent)]) == 2
        assert not imported.exists()
        assert page.read_text() == before
        assert said in capsys.readouterr().err
    page.write_text(text.replace("src/report.py ", f"src/report.py --figure {own_figure.stem} "))
    assert report.main([str(page.parent), "--figure", own_figure.stem]) == 0
    assert imported.exists()


def test_the_overview_says_where_runs_are_missing(architectures, tmp_path, no_figures):
    for seed in (0, 1):
        architectures("unet", seed, state="failed" if seed else "done", reason="disk full")
    folder = architectures.root / "carvana/architectures"
    report.main([str(folder), "--page", str(tmp_path / "carvana.md")])
    assert "(1 of 2 runs) |" in results.overview(tmp_path)
    architectures("unet", 2)
    shutil.rmtree(folder / "fake-unet-dice-seed1")
    report.main([str(folder), "--page", str(tmp_path / "carvana.md")])
    assert "of 2 runs" not in results.overview(tmp_path)
