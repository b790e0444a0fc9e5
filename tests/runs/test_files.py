import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from segbench.runs.files import (
    atomic_open,
    read_json,
    shortened,
    sweep_abandoned,
    sweep_temporaries,
    write_json,
    write_text,
)


def test_an_exception_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "status.json"
    write_json(path, {"state": "running"})
    with pytest.raises(RuntimeError, match="half way"), atomic_open(path) as stream:
        stream.write(b"{")
        raise RuntimeError("half way")
    assert read_json(path) == {"state": "running"}
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"n": [0] * 5000})
    code = (
        "import sys, pathlib\nfrom segbench.runs.files import write_json\n"
        "n = 0\nprint('ready', flush=True)\nwhile True:\n    n += 1\n    write_json(pathlib.Path(sys.argv[1]), {'n': [n] * 5000})\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.05)
        process.kill()
        process.wait()
        numbers = read_json(path)["n"]
        assert len(numbers) == 5000
        assert len(set(numbers)) == 1
    sweep_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_file_reads_as_none(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") is None
    assert read_json(tmp_path / "missing.json") is None


def test_json_is_valid_for_every_reader(tmp_path):
    write_json(tmp_path / "x.json", {"a": [1.5, float("nan")], "b": {"c": float("-inf")}})
    assert "NaN" not in (tmp_path / "x.json").read_text()
    assert read_json(tmp_path / "x.json") == {"a": [1.5, None], "b": {"c": None}}


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 240 + ".json"])
def test_a_name_of_255_bytes_is_written(tmp_path, name):
    write_text(tmp_path / name, "content")
    assert (tmp_path / name).read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_temporary_name_that_was_cut_is_swept(tmp_path):
    def fail():
        with atomic_open(tmp_path / ("x" * 255)) as stream:
            (leftover,) = tmp_path.iterdir()
            assert len(leftover.name) == 255
            (tmp_path / f"{leftover.name[:-20]}.1.partial").touch()
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    sweep_temporaries(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_swept_and_what_others_write_is_not(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_killed_as_it_writes, args=(tmp_path / "killed.txt",))
    process.start()
    process.join()
    elsewhere = tmp_path / ".far.txt.0123abcd-1.partial"
    elsewhere.touch()
    with atomic_open(tmp_path / "mine.txt") as stream:
        assert len(list(tmp_path.iterdir())) == 3
        sweep_abandoned(tmp_path)
        stream.write(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [elsewhere.name, "mine.txt"]


def _killed_as_it_writes(path):
    with atomic_open(path):
        os.kill(os.getpid(), signal.SIGKILL)


def test_names_are_shortened_to_what_fits_and_stay_different():
    assert shortened("a" * 255, reserve=0) == "a" * 255
    short = [shortened("é" * 127 + end, 10) for end in "ab"]
    assert short[0] != short[1]
    assert all(len(name.encode()) <= 245 for name in short)


def test_a_write_without_room_names_its_file(tmp_path):
    """What the system says of a write or a flush has no name."""
    with pytest.raises(OSError, match="No space left") as refusal, atomic_open(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert refusal.value.filename == str(tmp_path / "a.json")
    with pytest.raises(OSError) as refusal, atomic_open(tmp_path / "a.json"):  # noqa: PT011
        raise OSError(errno.ENOSPC, "No space left on device", "another.json")
    assert refusal.value.filename == "another.json"
    assert not list(tmp_path.iterdir())
