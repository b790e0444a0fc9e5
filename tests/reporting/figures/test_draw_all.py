import logging
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from segbench.pictures.canvas import save
from segbench.reporting.figures import FIGURES, FigureSpec, draw_all, figures_of

SVG = "{http://www.w3.org/2000/svg}"


def picture(words="Größe <b> & 50 %"):
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.plot([1, 2], [1, 2])
    axes.set_title(words)
    return figure


@pytest.mark.slow
def test_text_stays_text_and_a_figure_made_again_is_the_same(tmp_path):
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        save(picture(), tmp_path / name / "figure.png")
        written.append({path.suffix: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    assert sorted(written[0]) == [".pdf", ".png", ".svg"]
    texts = [node.text for node in ElementTree.fromstring(written[0][".svg"]).iter(f"{SVG}text")]
    assert "Größe <b> & 50 %" in texts
    assert b"date" not in written[0][".svg"]
    assert b"CreationDate" not in written[0][".pdf"]


@pytest.mark.slow
def test_every_figure_is_written_twice_and_named_once(compared, evidence, tmp_path):
    comparison = compared({"unet": (90, 88), "attunet": (80, 79)})
    skipped = []
    drawn = draw_all(comparison, evidence(comparison), tmp_path, skipped)
    assert len(drawn) + len(skipped) == len(figures_of(comparison))
    assert all(reason for _, reason in skipped)
    for _, file in drawn:
        assert Image.open(tmp_path / file).size[0] > 300
        for kind in (".svg", ".pdf"):
            assert (tmp_path / file).with_suffix(kind).exists() or file == "panels.png"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_what_has_nothing_to_show_is_left_out_with_its_reason_and_its_old_file(compared, evidence, tmp_path, caplog):
    for kind in ("png", "svg", "pdf"):
        for name in ("frequencies", "mistakes"):  # the second of classifications only
            (tmp_path / f"{name}.{kind}").write_bytes(b"of an earlier report")
    comparison = compared({"unet": (90,)})
    skipped = []
    with caplog.at_level(logging.INFO):
        drawn = draw_all(comparison, evidence(comparison), tmp_path, skipped)
    # One line, however many there are: a verdict follows it on the terminal.
    (line,) = (record.getMessage() for record in caplog.records if "nothing to show" in record.getMessage())
    assert line == f"{len(skipped)} figures with nothing to show left out: {'; '.join(title for title, _ in skipped)}"
    assert len(skipped) > 1
    assert "frequencies.png" not in [file for _, file in drawn]
    assert not list(tmp_path.glob("frequencies.*"))
    assert not list(tmp_path.glob("mistakes.*"))
    assert dict(skipped)["Class frequencies"] == "no finished run tells the class frequencies of its training set"


@pytest.mark.slow
def test_a_figure_that_fails_does_not_cost_the_others(compared, evidence, tmp_path, caplog):
    def broken(*_):
        raise ZeroDivisionError("division by zero\nsecond line")

    kept = [spec for spec in FIGURES if spec.file == "classes.png"]
    tried = (FigureSpec("Broken", "broken.png", broken), *kept)
    comparison, skipped = compared({"unet": (90,)}), []
    with caplog.at_level(logging.WARNING):
        assert draw_all(comparison, evidence(comparison), tmp_path, skipped, tried) == [(kept[0].title, "classes.png")]
    assert skipped == [("Broken", "it failed (ZeroDivisionError: division by zero)")]
    assert "Broken: not drawn" in caplog.text


@pytest.mark.slow
def test_names_are_no_formulas(compared, evidence, tmp_path):
    comparison, skipped = compared({r"a$\frac{b$": (90,), "c": (80,)}), []
    draw_all(comparison, evidence(comparison), tmp_path, skipped)
    assert not [reason for _, reason in skipped if "failed" in reason]
    assert r"a$\frac{b$" in (tmp_path / "curves.svg").read_text()


def test_a_full_disk_is_not_hidden(compared, evidence, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    comparison = compared({"unet": (90,)})
    with pytest.raises(OSError, match="No space"):
        draw_all(comparison, evidence(comparison), tmp_path, figures=(FigureSpec("Any", "any.png", full),))


def test_every_figure_is_explained(repository):
    text = (repository / "docs" / "figures.md").read_text()
    for spec in FIGURES:
        assert f"\n## {spec.title}\n" in text, spec.title
    for section in text.split("\n## ")[1:-1]:
        said = " ".join(section.split())
        assert all(part in said for part in ("*Shows*", "*Read*", "*It cannot show*")), section.splitlines()[0]
