"""Results that threads write beside the network."""

import csv
import threading

import numpy as np
import pytest
from PIL import Image

from segbench.errors import StorageError
from segbench.prediction import predict_files
from segbench.prediction.results import Results, Wanted
from segbench.prediction.writing import Writers

NAMES = [f"{letter}.png" for letter in "abcdefghij"]


@pytest.fixture
def photos(tmp_path):
    """Images of one class each, the first of them the largest, so that it takes longest."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        side = 400 if number == 0 else 8
        Image.fromarray(np.full((side, side), number % 4 * 64, np.uint8)).save(folder / name)
    return folder


def test_lists_are_in_the_order_of_the_images_whoever_is_written_first(photos, reader, tmp_path, monkeypatch):
    write, others = Results.write, threading.Event()

    def last_first(self, image, *rest):
        # The first image is written when the last of those that may wait beside it is.
        assert image.name != NAMES[0] or others.wait(20)
        done = write(self, image, *rest)
        if image.name == NAMES[1]:
            others.set()
        return done

    monkeypatch.setattr(Results, "write", last_first)
    monkeypatch.setattr("segbench.prediction.writing.usable_cores", lambda: 2)
    outcome = predict_files(reader(), photos, tmp_path / "out", overlays=False)
    assert [path.name for path in outcome.masks] == NAMES
    with (tmp_path / "out" / "areas.csv").open() as stream:
        rows = [row["image"] for row in csv.DictReader(stream)]
    assert list(dict.fromkeys(rows)) == NAMES
    for number, path in enumerate(outcome.masks):
        assert (np.asarray(Image.open(path)) == number % 4).all()


def test_no_more_images_wait_than_are_written(photos, reader, tmp_path, monkeypatch):
    free, fifth, begun = threading.Event(), threading.Event(), []
    monkeypatch.setattr(Results, "take", lambda *_: None)
    monkeypatch.setattr("segbench.prediction.writing.usable_cores", lambda: 2)
    writers = Writers(Results(tmp_path, reader(), Wanted()))

    def add():
        for name in NAMES:
            begun.append(name)
            if len(begun) == 5:
                fifth.set()
            writers.add(lambda: free.wait(20))

    adding = threading.Thread(target=add)
    adding.start()
    assert fifth.wait(20)
    adding.join(0.1)
    # Two are written, two wait, and the fifth is not taken before one of them is done.
    assert begun == NAMES[:5]
    free.set()
    adding.join(20)
    writers.settle()
    assert begun == NAMES


def test_an_error_ends_the_command_and_costs_no_image_that_is_written(photos, reader, tmp_path, monkeypatch):
    write, network = Results.write, reader()
    predicted, predict = [], network.masks

    def failing(self, image, *rest):
        if image.name == NAMES[2]:
            raise OSError(28, "No space left on device")
        return write(self, image, *rest)

    def counted(probabilities):
        predicted.append(None)
        return predict(probabilities)

    network.masks = counted
    monkeypatch.setattr(Results, "write", failing)
    monkeypatch.setattr("segbench.prediction.writing.usable_cores", lambda: 1)
    out = tmp_path / "out"
    with pytest.raises(
        StorageError, match=r"^out=\S+: cannot be written \(No space left on device\); 3 files predicted"
    ):
        predict_files(network, photos, out, overlays=False)
    # What was added before the error was known is written, and the rest not even predicted.
    assert sorted(path.name for path in (out / "masks").iterdir()) == [NAMES[0], NAMES[1], NAMES[3]]
    assert len(predicted) < len(NAMES)
    assert "d.png" in (out / "areas.csv").read_text()


def test_an_error_of_the_network_keeps_what_waits(photos, reader, tmp_path):
    network = reader()
    predict, number = network.masks, iter(range(len(NAMES)))

    def refusing(probabilities):
        if next(number) == 3:
            raise KeyboardInterrupt
        return predict(probabilities)

    network.masks = refusing
    with pytest.raises(KeyboardInterrupt):
        predict_files(network, photos, tmp_path / "out", overlays=False)
    assert sorted(path.name for path in (tmp_path / "out" / "masks").iterdir()) == NAMES[:3]
    assert "c.png" in (tmp_path / "out" / "areas.csv").read_text()


def test_another_error_of_a_writer_is_raised_as_it_is(photos, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(Results, "write", lambda *_: (_ for _ in ()).throw(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        predict_files(reader(), photos, tmp_path / "out", overlays=False)
