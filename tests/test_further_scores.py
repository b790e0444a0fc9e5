"""A further score of an image is one Python file and one YAML file, from training to the page."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from segbench.predictor import Predictor
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.text.tables import markdown_body
from segbench.runs.scores_file import read_scores

METRIC = "hd95_left ventricle"


@pytest.fixture(scope="module")
def sweep(tiny, run, tmp_path_factory):
    """Two networks of two seeds each, one of which is hardly trained, by all scores of surfaces."""
    folder = tmp_path_factory.mktemp("sweep")
    for width, seed in ((2, 0), (2, 1), (8, 0), (8, 1)):
        trained = ("optimizer.lr=1e-5", "trainer.max_epochs=1") if width == 2 else ("optimizer.lr=0.01", "loss=ce_dice")
        cfg = tiny(folder, *trained, "scores=surface", f"model.width={width}", f"seed={seed}", "trainer.monitor=last")
        run(cfg, folder / "runs" / f"width{width}-{seed}")
    return folder / "runs"


def by_distance(sweep):
    return compare(collect([sweep]), mix=True, asked={"metric": METRIC, "split": "test"})


@pytest.fixture(scope="module")
def compared(sweep):
    return by_distance(sweep)


@pytest.mark.slow
def test_a_distance_decides_a_comparison_and_the_lower_one_is_better(sweep, monkeypatch):
    # The network that is hardly trained marks one thing everywhere, and would not be ranked.
    monkeypatch.setattr("segbench.reporting.conclusions.evidence.collapses", lambda _: {})
    compared = by_distance(sweep)
    proof = evidence(compared)
    assert compared.score.direction == -1
    means = [row.scores[METRIC].mean for row in compared.rows]
    assert len(means) == 2
    assert proof.best.argmax() == np.argmin(means)
    for mean, printed in zip(proof.means, means, strict=True):
        assert mean.mean == pytest.approx(printed)
        assert 0 <= mean.low < printed < mean.high < np.inf
    (pair,) = proof.pairs
    assert pair.difference.low < means[0] - means[1] < pair.difference.high
    assert 0 < pair.p < 1


@pytest.mark.slow
def test_the_page_says_which_way_is_better_and_what_an_empty_side_is_worth(compared):
    said = " ".join(notes(compared))
    assert "in pixels: lower is better." in said
    assert "HD95: a class that only truth or only prediction has counts as the diagonal" in said
    page = markdown_body(compared)
    for name in ("hd95 left ventricle", "hd95", "assd", "nsd", "boundary f1"):
        assert re.search(rf"^\|.* {name} \|", page, re.MULTILINE), name


@pytest.mark.slow
def test_every_number_of_the_page_is_that_of_the_columns(sweep, compared):
    for row in compared.rows:
        for done in row.done:
            table = pd.read_parquet(done.directory / "scores.parquet")
            part = table[(table["split"] == "test") & (table["class_name"] == "left ventricle")]
            scored = part[part["hd95_images"] > 0]
            expected = (scored["hd95_sum"] / scored["hd95_images"]).mean()
            counts = read_scores(done.directory / "scores.parquet")["test"]
            found = counts.additive(compared.score, compared.convention).total
            assert found == pytest.approx(expected)
            summary = done.summary["scores"]["test"]
            every = table[(table["split"] == "test") & (table["nsd_points"] > 0)]
            nsd = (every["nsd_within"] / every["nsd_points"]).groupby(every["class_name"]).mean().mean()
            assert summary["nsd"] == pytest.approx(nsd)


def documented(page, heading):
    """Return the Python and the YAML block of a section of the documentation."""
    section = page[page.index(f"\n## {heading}\n") :]
    python, yaml = (re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL)[1] for kind in ("python", "yaml"))
    return python, yaml


def test_the_score_of_the_documentation_is_one_file_and_one_yaml(run, repository, tmp_path, monkeypatch, tiny):
    """Both lie outside the checkout; nothing else is told of it."""
    python, yaml = documented((repository / "docs" / "extending.md").read_text(), "A score")
    (tmp_path / "area_error.py").write_text(python)
    (tmp_path / "conf" / "scores").mkdir(parents=True)
    (tmp_path / "conf" / "scores" / "area_error.yaml").write_text(yaml)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = tiny(tmp_path, f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "scores=[area_error,nsd]")
    summary = run(cfg, tmp_path / "runs" / "one")
    table = pd.read_parquet(tmp_path / "runs" / "one" / "scores.parquet")
    part = table[(table["split"] == "test") & (table["class_index"] > 0) & (table["area_error_images"] > 0)]
    true, predicted = part["tp"] + part["fn"], part["tp"] + part["fp"]
    np.testing.assert_allclose(part["area_error_sum"], (predicted - true).abs() / true)
    expected = part["area_error_sum"].groupby(part["class_name"]).mean().mean()
    assert summary["scores"]["test"]["area_error"] == pytest.approx(expected)
    found = compare(collect([tmp_path / "runs"]), asked={"metric": "area_error_myocardium"})
    assert found.score.direction == -1
    assert re.search(r"^\|.* area error myocardium \|", markdown_body(found), re.MULTILINE)


@pytest.mark.slow
def test_a_network_predicts_without_the_scores_that_it_was_compared_by(run, tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "withdrawn.py").write_text("from segbench.scores.hd95 import HD95\n")
    comparison = "{question: q, factors: [], metric: hd95, split: test}"
    own = ("+scores.mine={_target_: withdrawn.HD95}", f"comparison={comparison}", "trainer.max_epochs=1")
    run(tiny(tmp_path, *own), tmp_path / "run")
    (tmp_path / "withdrawn.py").unlink()
    del sys.modules["withdrawn"]
    predictor = Predictor.load(tmp_path / "run", torch.device("cpu"))
    assert predictor.key.names == ("background", "right ventricle", "myocardium", "left ventricle")
