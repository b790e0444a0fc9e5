"""The page as text: what it holds, and that nothing in it points outside. How it behaves: test_html_browser.py."""

import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from made import made
from PIL import Image
from scored import rewrite

from segbench.masks import MaskKey
from segbench.pages import data_uri
from segbench.pictures.panels import draw_panels
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import Evidence, evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.html import html_page
from segbench.reporting.html.dot_plot import MARGIN, WIDTH, dot_plots
from segbench.reporting.html.pictures import gallery, split_panels
from segbench.reporting.html.runs import differing_settings, log_tail, run_views
from segbench.reporting.html.scores import pair_table, score_table
from segbench.reporting.page import write_report
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.means import Mean
from segbench.reporting.statistics.outlook import Outlook
from segbench.reporting.statistics.variance_components import Components

pytestmark = pytest.mark.usefixtures("no_power")

NAN = math.nan
OUTLOOK = Outlook(Components(0.0001, 0.0002, 0.0001), 2, 4, 2)


class Page(HTMLParser):
    """Collects elements with their attributes, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        self.words += "" if self._silent else data

    @property
    def text(self) -> str:
        return " ".join(self.words.split())


def evidence_for(rows: int) -> Evidence:
    """The second row above the first, by 0.02; the third, if there is one, is compared with none."""
    means = [Mean(0.8 + 0.01 * index, 0.7, 0.9) for index in range(rows)]
    compared = [Compared(1, 0, 0.02, -0.01, 0.05, 0.12, 0.95)] if rows > 1 else []
    return made(means, compared, "B beats A.", caveats=("Two seeds are few.",), outlook=OUTLOOK)


@pytest.fixture(scope="module")
def drawn_panels(tmp_path_factory):
    """Prediction panels of three images, as two runs leave them."""
    rng, paths = np.random.default_rng(0), []
    for seed in (0, 1):
        images = [rng.integers(0, 200, (24, 30), dtype=np.uint8) for _ in range(3)]
        masks = [np.pad(np.full((8, 8), 1), ((8, 8), (11, 11))) for _ in range(3)]
        titles = [f"{rank}   test{seed}   Dice 0.9" for rank in ("best", "median", "worst")]
        paths.append(tmp_path_factory.mktemp("panels") / "predictions.png")
        draw_panels(images, masks, masks, MaskKey(("background", "disc")), paths[-1], titles)
    return paths


def sweep(architectures, drawn_panels):
    """Two networks with two seeds each, panels and logs, and a run that failed."""
    for model, tp in (("unet", 80), ("attunet", 90)):
        for seed in (0, 1):
            folder = architectures(model, seed, tp + seed)
            shutil.copyfile(drawn_panels[seed], folder / "figures" / "predictions.png")
            (folder / "train.log").write_text("".join(f"epoch {epoch}\n" for epoch in range(30)))
    architectures("unet", 2, state="failed", reason="val/loss is not finite")
    return architectures


@pytest.fixture
def swept(architectures, drawn_panels):
    return sweep(architectures, drawn_panels)


@pytest.fixture(scope="module")
def comparison(shared_architectures, drawn_panels):
    """The sweep's comparison, for tests that only read."""
    return compare(collect([sweep(shared_architectures, drawn_panels).root]))


@pytest.fixture
def own_comparison(swept):
    """The same of runs that a test may change."""
    return compare(collect([swept.root]))


@pytest.fixture(params=["few_figures", pytest.param("all_figures", marks=pytest.mark.slow)])
def figures(request):
    """How many figures a report draws."""
    if request.param == "few_figures":
        request.getfixturevalue("few_figures")


@pytest.mark.usefixtures("figures")
def test_the_report_writes_a_page_that_points_nowhere(own_comparison):
    path = own_comparison.directory / "index.html"
    assert path in write_report(own_comparison)
    page = Page(path.read_text())
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not {"link", "iframe", "object", "embed", "base"} & {
        tag for tag, a in page.elements if a.get("rel") != "icon"
    }
    for tag, attributes in page.elements:
        target = attributes.get("src") or attributes.get("href") or ""
        assert tag != "img" or target.startswith("data:image/"), tag
        assert target.startswith(("data:", "#")) or target in ("", "table.csv", "table.md", "table.tex"), target
        # The policy allows no styles and handlers on elements, so one that crept in would silently do nothing.
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


@pytest.mark.slow
def test_the_answer_stands_on_top_and_everything_else_is_there(comparison):
    text = Page(html_page(comparison, (), evidence_for(2), "python src/report.py here")).text
    parts = ["undecided B beats A.", "Question Is attention worth its weights?", "Two seeds are few.", "Table 1.",
             "notices a true difference of", "comes from the seed", "Table 2.",
             "report X, table 1", "12 cars instead of 318", "val/loss is not finite", "Conventions and notes",
             "python src/report.py here"]  # fmt: skip
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_caveats_stand_once(comparison):
    found = evidence(comparison)
    assert found.caveats
    text = Page(html_page(comparison, (), found)).text
    assert [text.count(caveat) for caveat in found.caveats] == [1] * len(found.caveats)
    assert all(caveat in notes(comparison) for caveat in found.caveats)


def test_names_keep_their_letters(architectures):
    architectures.comparison["metric"] = "dice_RV"
    for seed in (0, 1):
        path = architectures("unet", seed) / "scores.parquet"
        frame = pd.read_parquet(path)
        frame["class_name"] = frame["class_name"].replace("disc", "RV")
        rewrite(path, frame)
    found = compare(collect([architectures.root]))
    assert "Table 1. Dice RV of every configuration" in Page(html_page(found, (), evidence(found))).text


@pytest.mark.parametrize(
    ("done", "answer"),
    [(0, "No finished run has a score"), (1, "as there is only one configuration, nothing is compared")],
)
def test_one_row_or_none_still_makes_a_page(make_run, done, answer):
    make_run("unet", 0, state="done" if done else "failed", reason=None if done else "out of memory")
    comparison = compare(collect([make_run.root]))
    text = Page(html_page(comparison, (), evidence(comparison))).text
    assert answer in text
    assert done or "out of memory" in text


def test_the_highest_row_comes_first_with_what_it_cannot_be_told_from(architectures):
    for model, tp in (("a", 70), ("b", 90), ("c", 80)):
        architectures(model, 0, tp)
    table = score_table(compare(collect([architectures.root])), evidence_for(3))
    assert [line.cells[0].text for line in table.lines] == ["b", "c", "a"]
    # Nothing is ruled out.
    assert [line.top for line in table.lines] == [False, False, False]
    assert all(len(line.cells) == len(table.columns) for line in table.lines)
    assert table.groups == ["classes", "other scores", "cost"]
    shown = dict(zip((column.title for column in table.columns), table.lines[0].cells, strict=True))
    assert shown["verdict"].text == "may be best"
    assert (shown["dice disc"].text, shown["parameters"].text) == ("0.9000", "34,527,041")


def test_a_table_of_short_names_says_so_to_the_style_sheet(comparison):
    assert '<table id="scores-table" class="short"' in html_page(comparison, (), evidence_for(2))
    row = replace(comparison.rows[0], values=("name" * 20,))
    long = replace(comparison, rows=(row, *comparison.rows[1:]))
    assert '<table id="scores-table" aria-label' in html_page(long, (), evidence_for(2))


def test_the_comparisons_of_the_question_are_in_the_table(comparison):
    table, more = pair_table(comparison, evidence_for(2))
    texts = [cell.text for cell in table.lines[0].cells]
    assert texts == ["unet", "attunet", "undecided", "+0.0200", "[-0.0100, +0.0500]", "0.120", "70%", "+0.50"]
    assert (more, table.lines[0].top) == (0, False)


@pytest.mark.slow
def test_the_dot_plot_spans_all_scores_and_leaves_out_what_is_missing(comparison):
    unknown = made([Mean(NAN, NAN, NAN)] * 2, answer="None.")
    drawn, scale = dot_plots(comparison, unknown)
    places = [place for plot in drawn for place in (*plot.seeds, plot.published) if place is not None]
    assert (min(places), max(places)) == (MARGIN, WIDTH - MARGIN)
    # attunet comes first by name; the published 0.75 belongs to unet, and lies above all scores.
    assert drawn[0].published is None
    assert drawn[1].published == WIDTH - MARGIN
    assert scale[1] == "0.750"
    assert [plot.interval for plot in drawn] == [None, None]
    assert None not in [plot.interval for plot in dot_plots(comparison, evidence_for(2))[0]]
    text = Page(html_page(comparison, (), unknown)).text
    assert not re.search(r"\bnan\b", text)
    # Where nothing was tested, no letter may be explained.
    assert "share a letter" not in text
    assert "share a letter" in Page(html_page(comparison, (), replace(evidence_for(2), letters=("b", "a")))).text


@pytest.mark.parametrize("ranges", [False, True])
def test_the_heading_of_the_dot_plot_says_range_where_the_ends_are_those_of_images(comparison, ranges):
    found = evidence_for(2)
    found = replace(found, means=tuple(replace(mean, ranges=ranges) for mean in found.means))
    titles = [column.title for column in score_table(comparison, found).columns]
    assert ("seeds and range" in titles, "seeds and interval" in titles) == (ranges, not ranges)


def test_panels_are_cut_into_their_images_with_their_titles(comparison):
    path = comparison.done[0].directory / "figures" / "predictions.png"
    images, legend = split_panels(path.read_bytes())
    assert len(images) == 3
    assert len({image.size for image in images}) == 1
    assert legend is not None
    assert legend.height < 40
    found = gallery(comparison, ())
    assert [(panels.row, panels.seed) for panels in found.panels] == [
        ("attunet", "0"), ("attunet", "1"), ("unet", "0"), ("unet", "1"),
    ]  # fmt: skip
    assert found.panels[1].pictures[2].title == "worst test1 Dice 0.9"


def test_white_parts_of_an_image_do_not_cut_it(tmp_path):
    image = np.zeros((96, 96), np.uint8)
    image[:20] = image[52:56] = 255
    mask = np.zeros((96, 96), int)
    draw_panels(
        [image] * 2,
        [mask] * 2,
        [mask] * 2,
        MaskKey(("background", "disc")),
        tmp_path / "p.png",
        ["first_1", "second_2"],
    )
    images, _ = split_panels((tmp_path / "p.png").read_bytes())
    assert len(images) == 2
    # Each starts with its caption: ink in the first rows, at the left only.
    for part in images:
        ink = (np.asarray(part) < 255).any(axis=2)
        assert ink[2, :80].any()
        assert not ink[:8, 100:].any()
        assert np.flatnonzero(ink[:, 100:].any(axis=1))[0] > 9


@pytest.mark.slow
def test_a_picture_that_cannot_be_cut_is_shown_as_it_is(own_comparison):
    path = own_comparison.done[0].directory / "figures" / "predictions.png"
    Image.fromarray(np.full((30, 40), 255, np.uint8)).save(path)
    assert [image.size for image in split_panels(path.read_bytes())[0]] == [(40, 30)]
    path.write_bytes(b"damaged")
    assert len(gallery(own_comparison, ()).panels) == 3


@pytest.mark.slow
def test_what_does_not_fit_is_left_out_and_said(own_comparison):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)).save(
        own_comparison.directory / "big.png"
    )
    sizes = [sum(len(picture.uri) for picture in panels.pictures) for panels in gallery(own_comparison, ()).panels]
    found = gallery(own_comparison, [("noise", "big.png")], budget=3 * max(sizes))
    # The first seed of both rows comes before the second seed of any.
    assert {panels.row for panels in found.panels} == {"attunet", "unet"}
    assert "Predictions of 2 runs are left out" in " ".join(found.left_out)
    found = gallery(own_comparison, [("noise", "big.png")], budget=10)
    assert (found.figures, found.panels) == ([], [])
    assert "The figure big.png is too large for this page" in found.left_out[0]
    assert (
        "big.png is too large"
        in Page(html_page(own_comparison, [("noise", "big.png")], evidence_for(2), budget=10)).text
    )


@pytest.mark.slow
def test_a_drawing_is_preferred_to_its_pixels(own_comparison):
    (own_comparison.directory / "curves.png").write_bytes(b"pixels")
    (own_comparison.directory / "curves.svg").write_bytes(b"<svg/>")
    found = gallery(own_comparison, [("curves", "curves.png"), ("none", "none.png")])
    assert [picture.uri for picture in found.figures] == [data_uri(b"<svg/>", "svg+xml")]
    (own_comparison.directory / "curves.svg").write_bytes(b"<svg/>" * 400_000)
    found = gallery(own_comparison, [("curves", "curves.png")])
    assert [picture.uri for picture in found.figures] == [data_uri(b"pixels", "png")]


def test_settings_tell_runs_apart(comparison):
    runs = [run for row in comparison.rows for run in row.runs]
    first = {setting.key: (setting.value, setting.shared) for setting in differing_settings(runs)[0]}
    assert first == {
        "seed": ("0", 1), "model": ("attunet", 1), "model._target_": ("fake.attunet", 1), "trainer.seed": ("0", 1),
    }  # fmt: skip


def test_a_run_without_configuration_shows_what_started_it(swept):
    folder = swept.root / "carvana/architectures"
    job = {"directory": "lost", "exit_code": 1, "reason": "no space", "overrides": ["model=unet", "seed=9"]}
    (folder / "sweep.json").write_text(json.dumps({"jobs": [job]}))
    run = next(run for run in run_views(compare(collect([folder]))) if run.name == "lost")
    assert [(setting.key, setting.value) for setting in run.settings] == [("model", "unet"), ("seed", "9")]
    assert (run.state, run.reason, run.log) == ("failed", "no space", "")


def test_the_end_of_a_log_is_clean_and_short(tmp_path):
    log = tmp_path / "train.log"
    lines = [f"line {index}" for index in range(5000)]
    log.write_bytes(
        "\n".join([*lines, "\x1b[31mred\x1b[0m", "10%\r20%\r100%", "\x00bad \xff", "x" * 999]).encode("latin-1")
    )
    shown = log_tail(log).splitlines()
    assert shown[0] == "line 4992"
    assert shown[-4:-1] == ["red", "100%", "bad �"]
    assert (len(shown), len(shown[-1]), shown[-1][-1]) == (12, 240, "…")
    assert log_tail(tmp_path / "missing.log") == ""


def test_many_commands_are_folded_away(comparison, monkeypatch):
    monkeypatch.setattr(
        "segbench.reporting.conclusions.provenance.sweep_commands", lambda *_: [f"python {n}" for n in range(9)]
    )
    page = Page(html_page(comparison, (), evidence_for(2)))
    assert "Made by: 9 commands python 0" in page.text


def test_a_slider_holds_no_more_runs_than_a_hand_can_choose(comparison, monkeypatch):
    monkeypatch.setattr("segbench.reporting.html.pictures.MOST_RUNS", 3)
    found = gallery(comparison, ())
    assert len(found.panels) == 3
    assert "Predictions of 1 runs are left out" in found.left_out[0]


def test_logs_of_many_runs_are_shorter_but_for_those_that_failed(own_comparison, monkeypatch):
    failed = next(run.directory for row in own_comparison.rows for run in row.runs if run.state == "failed")
    (failed / "train.log").write_text("".join(f"epoch {epoch}\n" for epoch in range(30)))
    lengths = {run.state: len(run.log.splitlines()) for run in run_views(own_comparison)}
    assert lengths == {"done": 12, "failed": 12}
    monkeypatch.setattr("segbench.reporting.html.runs.MANY_RUNS", 4)
    assert {run.state: len(run.log.splitlines()) for run in run_views(own_comparison)} == {"done": 3, "failed": 12}


def test_settings_of_another_choice_are_no_difference_of_their_own(architectures):
    architectures("unet", 0)
    architectures("attunet", 0, config={"model.gates": 4})
    runs = collect([architectures.root])
    keys = [[setting.key for setting in settings] for settings in differing_settings(runs)]
    assert keys == [["model", "model._target_", "model.gates"], ["model", "model._target_"]]


def test_templates_are_package_data(repository):
    found = {entry.name for entry in (files("segbench.reporting.html") / "templates").iterdir()}
    assert {"index.html.j2", "script.js"} <= found
    declared = (repository / "pyproject.toml").read_text()
    assert re.search(r'"segbench.reporting.html" = \["templates/\*"\]', declared)
    assert re.search(r'"segbench.pages" = \["style.css"\]', declared)
