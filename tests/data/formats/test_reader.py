import os
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.formats.reader import read_orientation, read_stored
from segbench.errors import DataError

STARTS = {
    b"<!DOCTYPE html><html>": " but a web page, from a failed download",
    b"\n  <HTML><body>": " but a web page, from a failed download",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:": " but a Git LFS pointer; run git lfs pull",
    b"\0\5\x16\7\0\2\0\0Mac OS X": " but AppleDouble metadata; delete it",
    b"\0\0\0\x18ftypheic": " but HEIF, AVIF or a video; PNG, JPEG, GIF, BMP, TIFF and WebP can be read",
    b"\0\0\0\x0cjP  \r\n": " but JPEG 2000; PNG, JPEG",
    b"%PDF-1.4": " but a PDF; PNG, JPEG",
    b"8BPS\0\1": " but a Photoshop file; PNG, JPEG",
    b"\x1f\x8b\x08": " but a gzip archive; PNG, JPEG",
    b"label, name": "; PNG, JPEG, GIF, BMP, TIFF and WebP can be read",
    b"P5 3 3 255 ": "; PNG, JPEG, GIF, BMP, TIFF and WebP can be read",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("read", [read_stored, read_orientation])
def test_what_is_no_image_is_named_as_far_as_it_can_be(tmp_path, start, read):
    (tmp_path / "image.png").write_bytes(start + b"\0" * 100)
    with pytest.raises(DataError) as refusal:
        read(tmp_path / "image.png")
    assert f"image.png: not an image{STARTS[start]}" in str(refusal.value)


@pytest.mark.parametrize("name", ["image.png", "image.jpg", "image.nii.gz", "image"])
def test_the_content_decides_and_not_the_name(tmp_path, name):
    values = np.random.default_rng(0).integers(0, 65536, (4, 5), np.uint16)
    tifffile.imwrite(tmp_path / name, values)
    np.testing.assert_array_equal(read_stored(tmp_path / name).samples[..., 0], values)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refusals = []

    def read():
        for path in (tmp_path / "pipe", tmp_path, tmp_path / "gone", tmp_path / "empty"):
            try:
                read_stored(path)
            except DataError as error:
                refusals.append(str(error).removeprefix(f"{path}: "))

    (tmp_path / "empty").touch()
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(120)
    assert refusals == ["not a file", "not a file", "cannot be read (No such file or directory)", "empty file"]


def test_a_whole_image_with_bytes_behind_it_is_read(tmp_path):
    """As cameras append them: a film, or a second picture."""
    Image.new("RGB", (6, 4), (9, 9, 9)).save(tmp_path / "image.jpg", quality=100)
    content = (tmp_path / "image.jpg").read_bytes()
    (tmp_path / "image.jpg").write_bytes(content + b"\0\0\0\x18ftypmp42" + b"\1" * 500)
    assert read_stored(tmp_path / "image.jpg").samples.shape == (4, 6, 3)
