"""A run is known again where its data is the same, wherever the files lie now; where they hold anything else it is not."""

import json
import logging
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from segbench.data.cmr import CMRData
from segbench.errors import DataError
from segbench.reporting.collection.factors import other_differences
from segbench.reporting.collection.runs import collect
from segbench.sweep.finished import done_before

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(compose, run, tmp_path_factory):
    """A finished run on image files, below a folder that other tests copy."""
    folder = tmp_path_factory.mktemp("first")
    chance = np.random.default_rng(0)
    for part, numbers in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 10))):
        for number in numbers:
            for kind, name in (("image", f"cmr{number}"), ("mask", f"cmr{number}_mask")):
                if part == "test" and kind == "mask":
                    continue
                path = folder / "data" / part / kind / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = chance.integers(0, 4 if kind == "mask" else 256, (32, 32)).astype(np.uint8)
                Image.fromarray(pixels).save(path, compress_level=0)
    overrides = ("data=cmr", "data.size=[32,32]", "data.batch_size=3", "model.width=2", "trainer.max_epochs=1")
    overrides += ("trainer.accelerator=cpu", "trainer.progress=lines", "~callbacks.panels")

    def configured(place, *more):
        places = f"data.root={place / 'data'}", f"paths.outputs={place / 'runs'}", f"paths.cache={place / 'cache'}"
        return compose(*overrides, *places, *more)

    run(configured(folder), folder / "runs" / "one")
    return folder, configured


@pytest.fixture
def moved(trained, tmp_path):
    """The run and its data on another machine: in other folders, with other times, without a cache."""
    folder, configured = trained
    for name in ("data", "runs"):
        shutil.copytree(folder / name, tmp_path / name, copy_function=shutil.copyfile)
    for path in (tmp_path / "data").rglob("*"):
        os.utime(path, ns=(1, 1))
    return tmp_path, tmp_path / "runs" / "one", lambda *more: configured(tmp_path, *more)


def known(directory, file="run.json"):
    return json.loads((directory / file).read_text())


def add(directory, file="run.json", **values):
    (directory / file).write_text(json.dumps(known(directory, file) | values))


def strip(directory):
    """Make a run one of before the content was recorded."""
    identity, summary = known(directory), known(directory, "summary.json")
    del identity["data_content"], summary["data"]["content"]
    for name, value in (("run.json", identity), ("summary.json", summary)):
        (directory / name).write_text(json.dumps(value))


def change(folder):
    """Change one pixel of one image."""
    path = folder / "data" / "train" / "image" / "cmr0.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(path, compress_level=0)


def test_a_run_records_what_it_read(trained):
    directory = trained[0] / "runs" / "one"
    content = known(directory)["data_content"]
    assert len(content) == 32
    assert known(directory, "summary.json")["data"]["content"] == content


def test_a_finished_run_is_done_where_its_data_was_copied(moved, run, caplog):
    _, directory, configured = moved
    before = known(directory), known(directory, "summary.json")
    with caplog.at_level(logging.INFO, logger="segbench"):
        assert run(configured(), directory) == before[1]
    assert "already done, nothing to do" in caplog.text
    assert known(directory) == before[0]
    assert done_before(directory, configured())


def test_a_killed_run_goes_on_where_its_data_was_copied(moved, run, caplog):
    _, directory, configured = moved
    fingerprint = known(directory)["data_fingerprint"]
    add(directory, "status.json", state="running")
    with caplog.at_level(logging.INFO, logger="segbench"):
        summary = run(configured(), directory)
    assert "going on from" in caplog.text
    assert summary["data"]["fingerprint"] != fingerprint == known(directory)["data_fingerprint"]
    assert summary["data"]["content"] == known(directory)["data_content"]


def forget_split(directory):
    """Make a run one of before splits were recorded."""
    older = {name: value for name, value in known(directory).items() if name != "data_split"}
    (directory / "run.json").write_text(json.dumps(older))


@pytest.fixture
def otherwise(monkeypatch):
    """Lets the same images be split otherwise: one to train on and one to validate by change places."""
    split = CMRData.split

    def turned(data, records):
        parts = split(data, records)
        (one, *rest), (other, *more) = parts["train"], parts["val"]
        return parts | {"train": sorted([other, *rest]), "val": sorted([one, *more])}

    return lambda: monkeypatch.setattr(CMRData, "split", turned)


OTHER_SPLIT = "which images train, validate and test changed since this run began; start again with rerun=true"


@pytest.mark.parametrize("state", ["done", "failed"])
def test_another_split_of_the_same_images_is_refused(moved, run, otherwise, state):
    _, directory, configured = moved
    add(directory, "status.json", state=state)
    otherwise()
    with pytest.raises(DataError, match=f"{directory}: {OTHER_SPLIT}"):
        run(configured(), directory)


def test_the_split_of_an_older_run_is_known_by_the_images_that_it_has_scored(moved, run, otherwise):
    _, directory, configured = moved
    forget_split(directory)
    assert run(configured(), directory) == known(directory, "summary.json")
    otherwise()
    with pytest.raises(DataError, match=f"{directory}: {OTHER_SPLIT}"):
        done_before(directory, configured())
    # Of a trial, which scores nothing, nothing tells it.
    (directory / "scores.parquet").unlink()
    assert done_before(directory, configured())


def test_an_older_run_that_goes_on_is_not_given_the_split_of_today(moved, run, caplog):
    _, directory, configured = moved
    folded = configured("data.folds=3", "data.fold=0")
    run(folded, directory.parent / "folded")
    for cfg, path in ((configured(), directory), (folded, directory.parent / "folded")):
        caplog.clear()
        forget_split(path)
        add(path, "status.json", state="failed")
        run(cfg, path)
        assert "data_split" not in known(path)
        # Only folds were once dealt otherwise.
        assert ("other images may have been in its fold then" in caplog.text) is (cfg is folded)


def test_an_older_run_that_was_killed_before_its_first_checkpoint_has_the_split_of_today(moved, run):
    _, directory, configured = moved
    forget_split(directory)
    add(directory, "status.json", state="failed")
    for path in (directory / "checkpoints").iterdir():
        path.unlink()
    run(configured(), directory)
    assert "data_split" in known(directory)


@pytest.mark.parametrize("state", ["done", "failed"])
def test_another_pixel_is_refused(moved, run, state):
    folder, directory, configured = moved
    change(folder)
    add(directory, "status.json", state=state)
    with pytest.raises(DataError, match="one: the data files or their reading changed since this run began"):
        run(configured(), directory)


def test_another_pixel_is_noticed_behind_equal_times_where_the_data_is_read(moved, run, trained):
    """Of files with the names, sizes and times of before."""
    folder, directory, configured = moved
    shutil.rmtree(folder / "data")
    shutil.copytree(trained[0] / "data", folder / "data")
    path = folder / "data" / "train" / "image" / "cmr0.png"
    status = path.stat()
    change(folder)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    add(directory, "status.json", state="failed")
    with pytest.raises(DataError, match="the data files or their reading changed"):
        run(configured(), directory)


def test_a_report_tells_other_data_and_not_other_places(moved, run):
    folder, _, configured = moved
    run(configured("seed=1"), folder / "runs" / "two")
    assert other_differences(collect([folder / "runs"]), ()) == []
    change(folder)
    run(configured("seed=2"), folder / "runs" / "three")
    assert other_differences(collect([folder / "runs"]), ()) == ["data.fingerprint"]


def test_runs_without_the_digest_are_told_by_their_files_as_before(moved, run, trained):
    folder, directory, configured = moved
    cfg = configured()
    strip(directory)
    with pytest.raises(DataError, match="one: the data files changed since this run began"):
        run(cfg, directory)
    # The cache of the files of before tells that they hold the same.
    shutil.rmtree(folder / "cache")
    shutil.copytree(trained[0] / "cache", folder / "cache", copy_function=shutil.copy2)
    summary = known(directory, "summary.json")
    assert run(cfg, directory) == summary
    assert run(cfg, folder / "other")["data"]["fingerprint"] == summary["data"]["fingerprint"]
    change(folder)
    with pytest.raises(DataError, match="one: the data files changed since this run began"):
        run(cfg, directory)


def test_the_digest_can_be_given_to_a_run_of_before(moved, run, trained):
    folder, directory, configured = moved
    content = known(directory)["data_content"]
    strip(directory)
    add(directory, data_content=content)
    assert run(configured(), directory) == known(directory, "summary.json")
    run(configured("seed=1"), folder / "runs" / "two")
    assert other_differences(collect([folder / "runs"]), ()) == ["data.fingerprint"]
    # A run that has both says what the files held that the other names.
    three = shutil.copytree(directory, folder / "runs" / "three")
    add(three, "summary.json", data=known(directory, "summary.json")["data"] | {"content": content})
    assert other_differences(collect([folder / "runs"]), ()) == []
