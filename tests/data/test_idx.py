"""idx files: what is written is read, and whatever is wrong with one is said with its name."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from segbench.data.idx import read_idx, read_idx_shape
from segbench.errors import DataError


def pack(path, values, magic=None, cut=None):
    content = (magic or b"\0\0\x08" + bytes([values.ndim])) + struct.pack(f">{values.ndim}I", *values.shape)
    content += values.tobytes()
    path.write_bytes(gzip.compress(content[:cut]))
    return path


@pytest.mark.parametrize("shape", [(5,), (3, 28, 28), (2, 3, 4, 5)])
def test_values_and_shape_come_back(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = pack(tmp_path / "x.gz", values)
    assert read_idx_shape(path) == shape
    np.testing.assert_array_equal(read_idx(path), values)


GOOD = np.zeros((4, 3), np.uint8)
MAGIC = b"\0\0\x08\x02"
CASES = {
    "wrong magic number": (lambda p: pack(p, GOOD, magic=b"\0\0\x0d\x02"), "wrong magic number 00000d02"),
    "no head": (lambda p: p.write_bytes(gzip.compress(b"\0\0")), "wrong magic number 0000"),
    "cut within the head": (lambda p: pack(p, GOOD, cut=9), "truncated header"),
    "too few values": (lambda p: pack(p, GOOD, cut=-1), "11 values, but its header says (4, 3)"),
    "not gzip": (lambda p: p.write_bytes(b"<html>"), "truncated or damaged"),
    "truncated archive": (lambda p: p.write_bytes(pack(p, GOOD).read_bytes()[:-9]), "truncated or damaged"),
    "too many values": (
        lambda p: pack(p, GOOD, magic=MAGIC + struct.pack(">2I", 2, 3)),
        "more values than its header's (2, 3)",
    ),
    "terabytes": (
        lambda p: pack(p, GOOD, magic=MAGIC + struct.pack(">2I", 2**31, 784)),
        "at most 1,000,000,000 values",
    ),
    "a pipe": (os.mkfifo, "not a file"),
    "a folder": (lambda p: p.mkdir(), "not a file"),
    "absent": (lambda p: None, "cannot be read"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_refused_by_name(tmp_path, case):
    harm, expected = CASES[case]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    harm(path)
    with pytest.raises(DataError) as refusal:
        read_idx(path)
    assert str(path) in str(refusal.value)
    assert expected in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    """A gigabyte of zeros behind a header of 12 values."""
    path = tmp_path / "x.gz"
    head = MAGIC + struct.pack(">2I", 4, 3)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(head)
        for _ in range(64):
            stream.write(bytes(1 << 24))
    tracemalloc.start()
    with pytest.raises(DataError, match="more values"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("place", [-8, -1])
def test_a_wrong_checksum_or_length_behind_the_values_is_noticed(tmp_path, place):
    path = pack(tmp_path / "x.gz", np.arange(12, dtype=np.uint8).reshape(4, 3))
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_idx(path)
