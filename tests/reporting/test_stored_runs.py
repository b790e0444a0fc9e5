"""results/runs: what runs recorded, without the machine and the data, and that reports come of it."""

import json
import re
import tarfile
from pathlib import Path

import pytest
from labelled import digits, label_run
from tests.scripts import ROOT, load_script

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence

ARCHIVES = sorted((ROOT / "results" / "runs").glob("*.tar.xz"))
KEPT = {".yaml", ".json", ".jsonl", ".csv", ".parquet"}


@pytest.fixture(scope="module")
def pack():
    return load_script("results/runs/pack.py").pack


def unpacked(archive, folder):
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / archive.name.partition(".")[0]


@pytest.mark.slow
def test_the_report_of_what_was_kept_is_that_of_the_runs(architectures, pack, tmp_path):
    """Also of a run that another experiment shares, which is a link."""
    data = {"config": {"paths.data": "/home/somebody/data", "data.root": "/home/somebody/data/cars"}}
    for model, tps in {"unet": (80, 84, 82), "attunet": (90, 91, 93)}.items():
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp, **data)
    report = architectures.root / "carvana"
    before = compare(collect([report / "architectures"]))
    (report / "other").mkdir()
    (report / "other" / "fake-unet-dice-seed0").symlink_to("../architectures/fake-unet-dice-seed0")
    typed = {"event": "planned", "overrides": ["data.root=/home/somebody/data/cars"]}
    for name in ("plan.jsonl", "sweep.json"):
        (report / "other" / name).write_text(json.dumps(typed))
    pack(report, tmp_path / "carvana.tar.xz")
    kept = unpacked(tmp_path / "carvana.tar.xz", tmp_path / "elsewhere")
    after = compare(collect([kept / "architectures"]))
    assert evidence(after).answer == evidence(before).answer
    assert [row.scores for row in after.rows] == [row.scores for row in before.rows]
    assert (kept / "other" / "fake-unet-dice-seed0" / "scores.parquet").exists()
    assert {path.suffix for path in kept.rglob("*") if path.is_file()} <= KEPT
    texts = [path for suffix in ("yaml", "json", "jsonl") for path in kept.rglob(f"*.{suffix}")]
    assert not [path for path in texts if "somebody" in path.read_text()]
    assert (kept / "other" / "sweep.json").read_text() == json.dumps(typed).replace("/home/somebody/", "")


@pytest.mark.slow
def test_labels_of_the_data_are_not_kept(make_run, pack, tmp_path):
    label_run(make_run, "ff", 0, *digits(20, 0.1, 0))
    with pytest.raises(ValueError, match="holds the true class of every image"):
        pack(make_run.root / "mnist", tmp_path / "mnist.tar.xz")
    assert not (tmp_path / "mnist.tar.xz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_a_stored_report_can_be_collected_and_packed_again_and_names_no_machine(archive, pack, tmp_path):
    report = unpacked(archive, tmp_path)
    for experiment in (path for path in report.iterdir() if path.is_dir()):
        assert compare(collect([experiment])).rows
    files = [path for path in report.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= KEPT
    # An absolute path, at the start of a value.
    text = [path.read_text() for path in files if path.suffix != ".parquet"]
    assert not [found for each in text if (found := re.search(r"""(?<=[\s"'=\[])/\w[^\s"']*""", each))]
    pack(report, tmp_path / "again.tar.xz")
    assert (tmp_path / "again.tar.xz").read_bytes() == Path(archive).read_bytes()
