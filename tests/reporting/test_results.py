"""The folder of results pages and its overview."""

import re
from urllib.parse import unquote

import pytest

import report


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
    assert "unet scores above attunet" in line
    (claim,) = [line for line in text.splitlines() if line.startswith("| Attention is better |")]
    assert "does not hold" in claim
    assert claim.endswith(f"| {link} |")


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
    assert [line for line in lines if line.startswith("#")] == [r"# Results: carvana \*1\*", "## carvana/architectures"]
    assert sum(line.startswith("<!--") for line in lines) == 2
    links = re.findall(r"\]\((.*?)\)", before)
    assert "carvana%20%2A1%2A/carvana-architectures-curves.png" in links
    assert all((page.parent / unquote(link)).is_file() for link in links)
    overview = [line for line in (page.parent / "README.md").read_text().splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in overview] == [4, 4, 4, 5, 5, 5]
    assert "(carvana%20%2A1%2A.md#carvanaarchitectures)" in overview[2]


@pytest.mark.usefixtures("no_figures")
def test_a_section_without_its_runs_stays_and_is_said(architectures, tmp_path, capsys):
    folder, page = made(architectures, tmp_path)
    folder.rename(tmp_path / "gone")
    before = page.read_text()
    assert report.main([str(page.parent)]) == 0
    assert page.read_text() == before
    assert f"a section stays as it is: {folder} is not here" in capsys.readouterr().err
    assert "Attention is better" in (page.parent / "README.md").read_text()


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
