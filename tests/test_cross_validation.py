from itertools import product

import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.page import write_report


@pytest.mark.slow
def test_folds_are_trained_joined_and_drawn(tiny, run, tmp_path, monkeypatch):
    # Networks of so few epochs may have learned nothing, and would not be compared.
    monkeypatch.setattr("segbench.reporting.conclusions.evidence.collapses", lambda _: {})
    # Two seeds, as with one nothing is tested and no difference drawn.
    for width, seed, fold in product((2, 3), (0, 1), range(3)):
        options = (f"model.width={width}", "data.folds=3", f"data.fold={fold}", "trainer.max_epochs=1", f"seed={seed}")
        summary = run(tiny(tmp_path, *options), tmp_path / "runs" / f"{width}-{seed}-{fold}")
        assert summary["data"]["images"]["test"] in (4, 6)
    found = compare(collect([tmp_path / "runs"]))
    assert (found.factors, found.folds, len(found.rows)) == (("model.width",), 3, 2)
    for part in found.parts:
        assert len(part.ids) == 16
        assert len(set(part.groups)) == 8
    written = {path.name for path in write_report(found)}
    assert {"index.html", "panels.png", "differences.png", "curves.png"} <= written
    page = (tmp_path / "runs" / "index.html").read_text()
    assert "Folds share training images" in page
