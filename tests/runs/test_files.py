import subprocess
import sys
import time

import pytest

from segbench.runs.files import atomic_open, read_json, sweep_temporaries, write_json


def test_an_exception_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "status.json"
    write_json(path, {"state": "running"})
    with pytest.raises(RuntimeError, match="half way"), atomic_open(path) as stream:
        stream.write(b"{")
        raise RuntimeError("half way")
    assert read_json(path) == {"state": "running"}
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, 0)
    code = (
        "import sys, pathlib\nfrom segbench.runs.files import write_json\n"
        "n = 0\nprint('ready', flush=True)\nwhile True:\n    n += 1\n    write_json(pathlib.Path(sys.argv[1]), [n] * 5000)\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.05)
        process.kill()
        process.wait()
        value = read_json(path)
        assert len(value) == 5000
        assert len(set(value)) == 1
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
