"""A fourth task, as docs/extending.md tells it, from its files to the page: nothing else has to know of it."""

import re
import sys
from pathlib import Path

import pytest
import yaml

import report
import segbench
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.runs import scores_file


@pytest.fixture
def written(repository, tmp_path, monkeypatch):
    """The files of the section, the code beside the project's packages, so that it is found as if it lay in them."""
    section = (repository / "docs" / "extending.md").read_text().partition("## A task\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^`([^`]+)`[^`]*?(?:`[^`]*`[^`]*?)*?\n\n```\w+\n(.*?)```", section, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    for name, text in blocks:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in ("tasks", "runs", "data"):
        monkeypatch.setattr(
            sys.modules[f"segbench.{package}"],
            "__path__",
            [*sys.modules[f"segbench.{package}"].__path__, str(tmp_path / "src" / "segbench" / package)],
        )
    monkeypatch.setattr(scores_file, "TASKS", scores_file._found())
    monkeypatch.setattr("segbench.reporting.comparison.metrics.TASKS", scores_file.TASKS)
    yield tmp_path
    for name in [name for name in sys.modules if name.endswith((".screening", ".split_screening"))]:
        del sys.modules[name]


def test_three_files_are_a_task(written, tiny, run):
    cfg = tiny(written, "loss=bce_dice", "trainer.max_epochs=4", "optimizer.lr=0.01")
    settings = yaml.safe_load((written / "conf" / "data" / "screening.yaml").read_text())
    for seed in (0, 1):
        cfg.data, cfg.seed = settings | {"size": [32, 32], "scenes": 12}, seed
        run(cfg, written / "outputs" / "screening" / f"seed{seed}", "screening")
    runs = collect([written / "outputs"])
    assert [found.state for found in runs] == ["done"] * 2, [found.reason for found in runs]
    comparison = compare(runs)
    assert (comparison.task.name, comparison.metric) == ("screening", "sensitivity")
    assert comparison.rows[0].scores["sensitivity"].mean > 0
    assert report.main([str(written / "outputs" / "screening")]) == 0
    assert (written / "outputs" / "screening" / "panels.png").stat().st_size > 1000


def test_the_project_has_no_fourth_task_of_its_own():
    """So that the test above can fail."""
    assert sorted(scores_file.TASKS) == ["classification", "multilabel", "segmentation"]
    assert not list(Path(segbench.__file__).parent.rglob("*screening*"))
