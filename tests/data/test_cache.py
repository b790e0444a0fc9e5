import errno
import fcntl
import importlib
import itertools
import logging
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from segbench.data import building, cache, identified, measure
from segbench.data.cache import load_arrays
from segbench.data.carvana import CarvanaData
from segbench.data.dataset import ImageDataset
from segbench.data.records import Record
from segbench.data.stack_file import StackFile
from segbench.data.weights import load_weights
from segbench.errors import ConfigError, DataError


def arrays_of(module):
    module.setup()
    arrays = module.datasets["train"].arrays
    return np.array(arrays.images), np.array(arrays.targets)


def counted(module, monkeypatch):
    """Count how many records are decoded."""
    reads = []
    original = CarvanaData.read
    monkeypatch.setattr(CarvanaData, "read", lambda self, record: reads.append(record.id) or original(self, record))
    arrays = arrays_of(module)
    monkeypatch.undo()
    return len(reads), arrays


def test_the_second_time_nothing_is_decoded(carvana, monkeypatch):
    first, built = counted(carvana(), monkeypatch)
    second, opened = counted(carvana(), monkeypatch)
    assert (first, second) == (12, 0)
    assert np.array_equal(built[0], opened[0])
    assert np.array_equal(built[1], opened[1])
    assert built[0].shape == (12, 20, 30, 3)


def test_what_is_cached_is_what_was_read(carvana):
    module = carvana()
    images, masks = arrays_of(module)
    for i, record in enumerate(module.records):
        image, mask = module.read(record)
        assert np.array_equal(images[i], image)
        assert np.array_equal(masks[i], mask)


def test_another_size_and_a_changed_file_are_other_caches(carvana, carvana_folder, monkeypatch):
    assert counted(carvana(), monkeypatch)[0] == 12
    assert counted(carvana(size=[10, 20]), monkeypatch)[0] == 12
    photograph = carvana_folder / "train" / "car0_01.jpg"
    os.utime(photograph, ns=(1, 1))
    assert counted(carvana(), monkeypatch)[0] == 12
    assert counted(carvana(), monkeypatch)[0] == 0


def test_data_is_told_apart_without_decoding_any(carvana, carvana_folder, monkeypatch):
    monkeypatch.setattr(CarvanaData, "read", lambda *_: pytest.fail("a file was decoded"))
    before = carvana().find()
    assert carvana().find() == before
    os.utime(carvana_folder / "train" / "car0_01.jpg", ns=(1, 1))
    assert carvana().find() != before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_cache_is_built_again(carvana, tmp_path, monkeypatch, caplog, name, damage):
    _, expected = counted(carvana(), monkeypatch)
    (path,) = (tmp_path / "cache").glob(f"*/{name}")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-9])
    else:
        path.unlink()
    reads, arrays = counted(carvana(), monkeypatch)
    assert reads == 12
    assert "damaged" in caplog.text
    assert np.array_equal(arrays[0], expected[0])


@pytest.mark.slow
@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"crc33": {}, "records": 12}'])
def test_a_manifest_that_is_json_but_not_ours_is_damage(carvana, tmp_path, monkeypatch, content):
    counted(carvana(), monkeypatch)
    (manifest,) = (tmp_path / "cache").glob("*/manifest.json")
    manifest.write_text(content)
    assert counted(carvana(), monkeypatch)[0] == 12


def test_a_full_disk_keeps_the_data_in_memory(carvana, tmp_path, monkeypatch, caplog):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StackFile, "append", full)
    images, _ = arrays_of(carvana())
    assert images.shape == (12, 20, 30, 3)
    assert "kept in memory" in caplog.text
    assert not list((tmp_path / "cache").rglob("*.npy"))


@pytest.fixture
def mixed_sizes(carvana_folder):
    for path in (carvana_folder / "train" / "car0_01.jpg", carvana_folder / "train_masks" / "car0_01_mask.gif"):
        image = Image.open(path)
        image.resize((30, 20), Image.Resampling.NEAREST).save(path)


def test_images_of_several_sizes_are_kept_as_they_are(carvana, mixed_sizes):
    module = carvana(size=None, batch_size=1)
    module.setup()
    arrays = module.datasets["train"].arrays
    for i, record in enumerate(module.records):
        image, mask = module.read(record)
        assert np.array_equal(arrays.images[i], image)
        assert np.array_equal(arrays.targets[i], mask)
    assert not list(module.cache_dir.rglob("*.partial"))
    shapes = {tuple(dataset[i]["image"].shape) for dataset in module.datasets.values() for i in range(len(dataset))}
    assert shapes == {(3, 40, 60), (3, 20, 30)}


def test_images_of_several_sizes_make_no_batch(carvana, mixed_sizes):
    with pytest.raises(ConfigError, match="data.size=null: the images have 2 sizes .* data.batch_size=1") as refusal:
        carvana(size=None, batch_size=2).setup()
    assert "\n" not in str(refusal.value)
    carvana(batch_size=2).setup()


def _build(make_options, barrier, counter):
    original = CarvanaData.read

    def slow(self, record):
        with counter.get_lock():
            counter.value += 1
        time.sleep(0.01)
        return original(self, record)

    CarvanaData.read = slow
    barrier.wait()
    CarvanaData(**make_options).setup()


@pytest.mark.slow
def test_two_processes_build_it_once(carvana_folder, tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, counter = fork.Barrier(2), fork.Value("i", 0)
    options = {"root": str(carvana_folder), "size": [20, 30], "cache_dir": tmp_path / "cache"}
    processes = [fork.Process(target=_build, args=(options, barrier, counter)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert counter.value == 12


def _build_until_killed(options, number):
    building._SECONDS = 0.0
    # One by one, so that what is noted before the kill is known.
    CarvanaData.reads_at_once = lambda self: False
    reads, original = itertools.count(1), CarvanaData.read

    def read(self, record):
        if next(reads) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, record)

    CarvanaData.read = read
    CarvanaData(**options).setup()


@pytest.mark.parametrize(("number", "left"), [(1, 12), (7, 6), (12, 1)])
def test_a_build_that_was_killed_is_no_cache_and_goes_on(carvana, carvana_folder, tmp_path, monkeypatch, number, left):
    expected = arrays_of(carvana(cache_dir=tmp_path / "other"))
    options = {"root": str(carvana_folder), "size": [20, 30], "cache_dir": tmp_path / "cache"}
    process = multiprocessing.get_context("fork").Process(target=_build_until_killed, args=(options, number))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    reads, arrays = counted(carvana(), monkeypatch)
    assert reads == left
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(arrays, expected, strict=True))


def interrupted_at(record, records, folder, read, **options):
    """Begin a cache, and end it as Ctrl-C does at a record."""

    def until(wanted):
        if wanted.id == record:
            raise KeyboardInterrupt
        return read(wanted)

    with pytest.raises(KeyboardInterrupt):
        load_arrays(records, "key", folder, until, **options)


def numbered(record):
    return np.full((4, 5, 1), int(record.id), np.uint8), np.full((4, 5), int(record.id) + 1, np.uint8)


@pytest.mark.parametrize(
    "damage", [None, "flip", "cut", "other records", "noted too late", "-99", "99", "Infinity", '"6"', "[6]"]
)
def test_a_build_that_was_stopped_goes_on_if_what_it_left_is_whole(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(building, "_SECONDS", 60.0 if damage == "noted too late" else 0.0)
    records, reads = [Record(str(i), "g") for i in range(9)], []
    interrupted_at("6", records, tmp_path / "one", numbered)
    (left,) = (tmp_path / "one").glob("*.partial")
    if damage in ("flip", "cut"):
        content = bytearray((left / "images.npy").read_bytes())
        content[140] ^= damage == "flip"
        (left / "images.npy").write_bytes(content[:150] if damage == "cut" else content)
    if damage in ("-99", "99", "Infinity", '"6"', "[6]"):
        noted = (left / "progress.json").read_text()
        (left / "progress.json").write_text(re.sub(r'("written": )\d+', rf"\g<1>{damage}", noted))
        assert damage in (left / "progress.json").read_text()
    if damage == "other records":
        records[2] = Record("2", "h")
    found, faults = load_arrays(records, "key", tmp_path / "one", lambda r: reads.append(r.id) or numbered(r))
    assert (len(reads), faults) == (9 if damage else 3, [])
    load_arrays(records, "key", tmp_path / "other", numbered)
    for name in ("images.npy", "masks.npy", "manifest.json"):
        assert (tmp_path / "one/key" / name).read_bytes() == (tmp_path / "other/key" / name).read_bytes()
    assert sorted(path.name for path in found.folder.iterdir()) == ["images.npy", "manifest.json", "masks.npy"]


def test_threads_read_a_few_records_ahead_and_leave_the_same_files_and_faults(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "reading_threads", lambda: 3)
    records, begun, most = [Record(str(i), "g") for i in range(40)], [], []
    append = StackFile.append

    def slow(record):
        begun.append(record.id)
        time.sleep(0.002 * (int(record.id) % 3))
        return numbered(record)

    def appended(self, array):
        most.append(len(begun) - len(most) // 2)
        append(self, array)

    monkeypatch.setattr(StackFile, "append", appended)
    load_arrays(records, "key", tmp_path / "threads", slow, at_once=True)
    assert 1 < max(most) <= 2 * 3 + 1
    monkeypatch.undo()
    load_arrays(records, "key", tmp_path / "one", numbered)
    for name in ("images.npy", "masks.npy", "manifest.json"):
        assert (tmp_path / "threads/key" / name).read_bytes() == (tmp_path / "one/key" / name).read_bytes()

    def bad(record):
        if int(record.id) % 17 == 1:
            raise DataError(f"{record.id}: bad")
        return slow(record)

    monkeypatch.setattr(cache, "reading_threads", lambda: 3)
    assert load_arrays(records, "bad", tmp_path, bad, at_once=True)[1] == ["1: bad", "18: bad", "35: bad"]


def test_the_oldest_cache_of_the_same_content_is_none_that_is_being_built(tmp_path):
    for age, name in enumerate(("other.partial", "first", "second"), start=1):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text('{"records": 2}')
        os.utime(tmp_path / name / "manifest.json", (age, age))
    assert [cache.first_key(key, tmp_path) for key in ("second", "third")] == ["first", "third"]


def test_a_reader_of_ones_own_is_not_called_by_threads_unless_it_says_so(carvana, monkeypatch):
    """What a base class says is said of the base class's ``read``."""

    class Own(CarvanaData):
        def read(self, record):
            return super().read(record)

    class Careful(Own):
        def reads_at_once(self):
            return True

    seen = []
    monkeypatch.setattr(identified, "load_arrays", lambda *given, at_once: seen.append(at_once))
    for kind in (CarvanaData, Own, Careful):
        module = carvana()
        module.__class__ = kind
        module.find()
        module.load(module.records)
    assert seen == [True, False, True]


def test_a_worker_gets_the_map_and_not_the_arrays(carvana):
    module = carvana()
    module.setup()
    dataset = module.datasets["train"]
    frozen = pickle.dumps(dataset)
    assert len(frozen) < 5000
    thawed = pickle.loads(frozen)
    assert np.array_equal(thawed[0]["image"], dataset[0]["image"])


def test_faults_are_all_found_and_leave_no_cache(tmp_path):
    def read(record):
        if int(record.id) % 3 == 1:
            raise DataError(f"{record.id}: bad")
        return np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8)

    _, faults = load_arrays([Record(str(i), "g") for i in range(6)], "key", tmp_path, read)
    assert faults == ["1: bad", "4: bad"]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_training_set_is_measured_once_and_to_the_same_bits(tmp_path, monkeypatch):
    chance = np.random.default_rng(0)
    pairs = {str(i): (chance.integers(0, 255, (4, 4, 3), np.uint8), np.full((4, 4), i, np.uint8)) for i in range(6)}
    records = [Record(name, "g") for name in pairs]

    def measured(indices, augmentation=None):
        arrays, _ = load_arrays(records, "key", tmp_path, lambda record: pairs[record.id])
        return measure.measure_training(arrays, indices, augmentation, ImageDataset, (1, 1), 3, 255.0)

    first, other = measured([0, 2, 3]), measured([0, 2])
    again = (np.full(3, 7.0), np.full(3, 7.0), np.full(256, 7))
    monkeypatch.setattr(measure, "measure", lambda *_: again)
    for before, after in ((first, measured([0, 2, 3])), (other, measured([0, 2]))):
        assert [(array.dtype, array.tobytes()) for array in before] == [(a.dtype, a.tobytes()) for a in after]
    assert measured([1]) is again
    with monkeypatch.context() as patch:
        patch.setattr(measure, "_CODE", "another measure()")
        assert measured([0, 2, 3]) is again
    for known in (tmp_path / "key").glob("statistics-*.json"):
        known.write_text(known.read_text().replace("0.", "1.", 1))
    assert measured([0, 2, 3]) is again
    assert not np.array_equal(first[0], other[0])


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A user's modules of a reader, of its base and of pixel weights; each counts what it has made."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = "    def {0}(self, *_):\n        self.made.append(1)\n        return {1}\n    made = []\n"
    texts = {
        "own_base": "class Base:\n    pass\n",
        "own_reader": "import numpy\nfrom own_base import Base\nclass Reader(Base):\n"
        + made.format("read", "numpy.zeros((4, 4, 1), 'uint8'), numpy.zeros((4, 4), 'uint8')"),
        "own_weights": "import numpy\nclass Weights:\n    def weight_settings(self):\n        return {}\n"
        + made.format("pixel_weights", "numpy.ones((4, 4), 'float32')"),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    yield importlib.import_module("own_reader").Reader(), importlib.import_module("own_weights").Weights()
    for name in texts:
        del sys.modules[name]


def test_what_the_user_s_own_code_has_made_lasts_until_it_changes(own_code, tmp_path, caplog):
    reader, weights = own_code
    records = [Record(str(i), "g") for i in range(3)]

    def made():
        arrays, _ = load_arrays(records, "key", tmp_path / "cache", reader.read, type(reader))
        load_weights(arrays, records, weights, lambda *_: None, {}, tmp_path / "cache", "here", type(reader))
        counts = len(reader.made), len(weights.made)
        reader.made.clear()
        weights.made.clear()
        return counts

    assert [made(), made()] == [(3, 3), (0, 0)]
    for name, again in {"own_weights": (0, 3), "own_reader": (3, 3), "own_base": (3, 3)}.items():
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("# changed\n")
        caplog.clear()
        assert [made(), made()] == [again, (0, 0)]
        assert "damaged" not in caplog.text
        assert caplog.text.count("is by other code than yours is now; rebuilding it") == sum(map(bool, again))


def _peak(tmp_path, frames, height, width):
    """Prepare generated frames; return the most bytes ever allocated at a time, and the bytes of one frame."""
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 255, (height, width, 3), dtype=np.uint8)

    def read(record):
        return np.roll(noise, int(record.id), axis=0), np.full((height, width), int(record.id) % 19, np.uint8)

    records = [Record(str(i), "g") for i in range(frames)]
    tracemalloc.start()
    arrays, faults = load_arrays(records, "key", tmp_path, read)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not faults
    for i in (0, frames // 2, frames - 1):
        assert np.array_equal(arrays.images[i], read(records[i])[0])
        assert np.array_equal(arrays.targets[i], read(records[i])[1])
    return peak, height * width * 4


def test_preparing_holds_a_few_frames_and_not_all(tmp_path):
    peak, frame = _peak(tmp_path, 40, 256, 512)
    # The frame as read, and what is being written of it; 40 frames would be 10 times as much.
    assert peak < 4 * frame + 2**20


@pytest.mark.slow
def test_preparing_full_size_street_scenes_holds_a_few_frames(tmp_path):
    peak, frame = _peak(tmp_path, 60, 1024, 2048)
    assert peak < 4 * frame + 2**20


@pytest.mark.parametrize("taken", [False, True])
def test_who_waits_for_another_that_builds_it_is_told_so(tmp_path, caplog, taken):
    # As another process holds it.
    with (tmp_path / "lock").open("w") as other, caplog.at_level(logging.INFO, "segbench"):
        if taken:
            fcntl.flock(other, fcntl.LOCK_EX)
            threading.Timer(0.1, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        with cache._locked(tmp_path / "lock"), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert caplog.messages == ["waiting for another process that checks and caches the same data"] * taken
