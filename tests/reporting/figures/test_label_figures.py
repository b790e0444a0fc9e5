"""The pictures of classifiers: of labels, not of pixels, and of their mistakes where all else is right."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from labelled import digits, label_run
from PIL import Image

from segbench.pictures.mistakes import Mistake, draw_mistakes
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures import NothingToDrawError, confusion, draw_all, mistakes
from segbench.reporting.figures.bars import MEAN, run_scores
from segbench.reporting.figures.mistakes import draw_best_mistakes
from segbench.reporting.figures.shortfalls import draw_shortfalls
from segbench.runs.archive import Archive, ArchiveWriter, images_name

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


def words(path: Path) -> str:
    return " ".join(node.text or "" for node in ElementTree.parse(path).iter(f"{SVG}text"))


@pytest.fixture
def classifiers(make_run):
    """Two classifiers of two seeds, with the images beside the runs."""
    for model, wrong in (("cnn", 0.05), ("ff", 0.3)):
        for seed in range(2):
            folder = label_run(make_run, model, seed, *digits(200, wrong, seed + 10 * len(model)))
            (folder / "summary.json").write_text('{"data": {"name": "digits", "fingerprint": "0123456789"}}')
    writer = ArchiveWriter(2**20)
    for index in range(200):
        writer.add(f"i{index:05d}", None, np.full((28, 28, 1), index, np.uint8), exact=True)
    assert writer.write(folder.parent / images_name("test", "0123456789", writer.ids), split="test")
    return compare(collect([make_run.root]))


def test_no_share_of_mistakes_is_above_one(make_run, tmp_path):
    """There is room for figures above the longest bar, but the axis ends where mistakes do."""
    label_run(make_run, "ff", 0, *digits(200, 0.95, 0))
    draw_shortfalls(compare(collect([make_run.root])), tmp_path / "mistakes.png")
    ticks = [float(word) for word in words(tmp_path / "mistakes.svg").split() if re.fullmatch(r"\d\.\d", word)]
    assert sorted({*ticks}) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_every_figure_speaks_of_images(classifiers, tmp_path):
    skipped = []
    drawn = draw_all(classifiers, evidence(classifiers), tmp_path, skipped)
    assert [title for title, _ in skipped] == ["Score against cost", "Class frequencies"]
    assert "panels.png" not in dict(map(reversed, drawn))
    for _, file in drawn:
        assert Image.open(tmp_path / file).size[0] > 300
        text = words((tmp_path / file).with_suffix(".svg")).lower()
        assert not any(word in text for word in ("pixel", "dice", "background")), file


def test_images_are_kept_exactly_and_read_again(classifiers):
    found = Archive.open(next(classifiers.directory.glob("images-*.zip")))
    assert found is not None
    assert (found.image("i00137") == 137).all()
    assert found.image("i00137").shape == (28, 28)


def test_bars_are_the_shares_of_mistakes(classifiers):
    row = classifiers.rows[1]
    labels = row.done[0].counts["test"]
    eels = labels.truth == 2
    assert run_scores(classifiers, row, "sensitivity", "eel", missing=True)[0] == pytest.approx(
        np.mean(labels.prediction[eels] != 2)
    )
    named = labels.prediction == 2
    assert run_scores(classifiers, row, "precision", "eel", missing=True)[0] == pytest.approx(
        np.mean(labels.truth[named] != 2)
    )
    means = [run_scores(classifiers, row, "sensitivity", name, missing=True)[0] for name in ("cat", "dog", "eel")]
    assert run_scores(classifiers, row, "sensitivity", MEAN, missing=True)[0] == pytest.approx(np.mean(means))


def test_the_shade_of_a_confusion_is_that_of_mistakes_alone(classifiers, tmp_path, monkeypatch):
    shades = []
    real = confusion._cells
    monkeypatch.setattr(confusion, "_cells", lambda axes, values: shades.append(values) or real(axes, values))
    confusion.draw_confusion(classifiers, tmp_path / "confusion.png")
    assert max(np.nanmax(part) for part in shades) == pytest.approx(1)
    assert all((part.diagonal() == 0).all() for part in shades)
    total = sum(run.counts["test"].confusion for run in classifiers.rows[0].done)
    assert f"{total[0, 2] / 2:g}" in words(tmp_path / "confusion.svg").split()


def test_the_most_confident_errors_of_the_best_are_shown_in_order(classifiers, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(mistakes, "MOST_SHOWN", 3)
    real = mistakes.draw_mistakes
    monkeypatch.setattr(
        mistakes, "draw_mistakes", lambda part, heading: shown.append((part, heading)) or real(part, heading)
    )
    draw_best_mistakes(classifiers, tmp_path / "mistakes.png")
    ((found, heading),) = shown
    labels = classifiers.rows[0].done[0].counts["test"]
    wrong = sorted(np.flatnonzero(~labels.right), key=lambda index: -labels.probability[index])
    assert heading.startswith(f"cnn, seed 0: misclassified, the 3 most confident of {len(wrong)} among 200 images")
    for part, index in zip(found, wrong, strict=False):
        assert (part.image == index).all()
        assert part.truth == labels.class_names[labels.truth[index]]
        assert part.prediction == labels.class_names[labels.prediction[index]]
        assert part.probability == labels.probability[index]


def test_without_mistakes_or_images_there_is_nothing_to_show(make_run, tmp_path):
    truth, _ = digits(50, 0.0, 0)
    label_run(make_run, "perfect", 0, truth, truth)
    with pytest.raises(NothingToDrawError, match="classified every image correctly"):
        draw_best_mistakes(compare(collect([make_run.root])), tmp_path / "mistakes.png")
    label_run(make_run, "perfect", 1, *digits(50, 0.5, 0))
    best = compare([run for run in collect([make_run.root]) if run.seed == 1])
    with pytest.raises(NothingToDrawError, match="images were not kept"):
        draw_best_mistakes(best, tmp_path / "mistakes.png")


def test_captions_never_look_certain_and_long_names_take_two_lines():
    image = np.zeros((8, 8), np.uint8)
    figure = draw_mistakes([Mistake(image, "4", "9", 0.99999), Mistake(image, "1", "7", 0.5)], "heading")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["4 → 9\n>99.9 %", "1 → 7\n50.0 %"]
    long = draw_mistakes([Mistake(np.zeros((8, 8, 3), np.float32), "airplane", "automobile", 0.7)], "heading")
    assert long.axes[0].get_title() == "airplane\n→ automobile\n70.0 %"
