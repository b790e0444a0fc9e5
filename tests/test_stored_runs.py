"""results/runs: what the results' runs recorded, and that the pages come of it."""

import importlib.util
import re
import tarfile
from pathlib import Path

import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.text.markdown import markdown_text

RESULTS = Path(__file__).parent.parent / "results"
ARCHIVES = sorted((RESULTS / "runs").glob("*.tar.xz"))


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def report(request, tmp_path_factory):
    """A report's folder of experiments, unpacked."""
    folder = tmp_path_factory.mktemp("outputs")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    return folder / request.param.name.partition(".")[0]


@pytest.mark.slow
def test_finished_experiments_answer_as_their_pages_do(report):
    page, answered = (RESULTS / f"{report.name}.md").read_text(), 0
    for experiment in sorted(path for path in report.iterdir() if path.is_dir()):
        comparison = compare(collect([experiment]))
        if any(run.state != "done" for row in comparison.rows for run in row.runs):
            continue
        section = page.partition(f"<!-- begin {report.name}/{experiment.name} -->")[2].partition("<!-- end")[0]
        assert markdown_text(evidence(comparison).answer) in section, experiment.name
        answered += 1
    if not answered:
        pytest.skip("none of its experiments is complete yet")


@pytest.mark.slow
def test_no_place_of_a_machine_is_in_them(report):
    files = [
        path for path in report.rglob("*") if path.is_file() and path.suffix in {".yaml", ".json", ".jsonl", ".csv"}
    ]
    assert len(files) > 20
    # An absolute path, at the start of a value.
    found = {
        path.name: match for path in files if (match := re.search(r"""(?<=[\s"'=\[])/\w[^\s"']*""", path.read_text()))
    }
    assert not found
    assert {path.suffix for path in report.rglob("*") if path.is_file()} <= {
        ".yaml",
        ".json",
        ".jsonl",
        ".csv",
        ".parquet",
    }


@pytest.mark.slow
def test_equal_runs_make_equal_archives(report, tmp_path):
    spec = importlib.util.spec_from_file_location("pack", RESULTS / "runs" / "pack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = module.pack(report, tmp_path / "again.tar.xz")
    assert len(names) > 20
    (stored,) = [path for path in ARCHIVES if path.name.partition(".")[0] == report.name]
    assert (tmp_path / "again.tar.xz").read_bytes() == stored.read_bytes()
