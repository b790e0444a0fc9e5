"""MNIST: its splits, what it refuses, and how absent files are fetched."""

import gzip
import hashlib
import http.server
import os
import shutil
import struct
import threading

import numpy as np
import pytest

from segbench.data import mnist
from segbench.data.mnist import MNISTData
from segbench.errors import ConfigError, DataError

SIZES = {"train": 40, "t10k": 12}


def write(folder, name, values):
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    (folder / name).write_bytes(gzip.compress(head + values.tobytes()))


@pytest.fixture
def folder(tmp_path):
    """Small files in MNIST's format: digits in turn, each image as bright as its digit."""
    root = tmp_path / "mnist"
    root.mkdir()
    for part, images in SIZES.items():
        labels = (np.arange(images) % 10).astype(np.uint8)
        pixels = np.broadcast_to(labels[:, None, None] * 20, (images, 28, 28)).astype(np.uint8)
        write(root, f"{part}-images-idx3-ubyte.gz", pixels)
        write(root, f"{part}-labels-idx1-ubyte.gz", labels)
    return root


def module(root, **options):
    return MNISTData(root=str(root), cache_dir=root.parent / "cache", val_images=8, **options)


def test_splits_are_disjoint_official_and_by_split_seed(folder):
    data, again, other = module(folder), module(folder, seed=3), module(folder, split_seed=1)
    for item in (data, again, other):
        item.setup()
    ids = {split: set(data.datasets[split].ids) for split in data.datasets}
    assert {split: len(found) for split, found in ids.items()} == {"train": 32, "val": 8, "test": 12}
    assert all(name.startswith("test/") for name in ids["test"])
    assert not ids["train"] & ids["val"]
    assert data.splits == again.splits
    assert set(other.datasets["val"].ids) != ids["val"]
    assert other.datasets["test"].ids == data.datasets["test"].ids


def test_a_copy_has_the_same_content_and_another_label_has_not(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    found = module(folder).digest()
    assert len(found) == 32
    assert module(copy).digest() == found
    write(copy, "t10k-labels-idx1-ubyte.gz", np.full(SIZES["t10k"], 3, np.uint8))
    assert module(copy).digest() != found


def test_items_are_images_with_their_own_label(folder):
    data = module(folder)
    data.setup()
    assert data.class_pixels.sum() == 32
    for split, dataset in data.datasets.items():
        for index in range(len(dataset)):
            item = dataset[index]
            assert item["label"].shape == ()
            position = int(item["id"].split("/")[1])
            assert int(item["label"]) == position % 10, split
            bright = float((item["image"].mean() * data.std[0] + data.mean[0]) * 255)
            assert bright == pytest.approx(20 * (position % 10), abs=1e-3)
    train = np.array([int(data.datasets["train"][i]["label"]) for i in range(32)])
    scaled = 20 * train / 255
    np.testing.assert_allclose([data.mean[0], data.std[0]], [scaled.mean(), scaled.std()])


def test_a_final_model_takes_the_validation_images_too(folder):
    data = module(folder, fit_on="train+val")
    data.setup()
    assert len(data.datasets["train"]) == 40
    assert set(data.datasets) == {"train", "test"}


def test_copied_files_are_the_same_data_and_changed_ones_are_not(folder):
    first = module(folder).find()
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert module(folder).find() == first
    write(folder, "t10k-labels-idx1-ubyte.gz", np.zeros(12, np.uint8))
    assert module(folder).find() != first


def test_image_and_label_counts_that_differ_are_refused(folder):
    write(folder, "t10k-labels-idx1-ubyte.gz", np.zeros(11, np.uint8))
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte.gz: 12 images, but 11 labels in"):
        module(folder).find()


def test_all_damaged_files_are_named_at_once(folder):
    for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError) as refusal:
        module(folder).setup()
    assert "train-images-idx3-ubyte.gz: truncated" in str(refusal.value)
    assert "t10k-labels-idx1-ubyte.gz: truncated" in str(refusal.value)


def test_all_wrong_heads_are_named_at_once(folder):
    for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (folder / name).write_bytes(gzip.compress(b"\x89PNG" + bytes(20)))
    with pytest.raises(DataError) as refusal:
        module(folder).find()
    assert "train-images-idx3-ubyte.gz: wrong magic number 89504e47" in str(refusal.value)
    assert "t10k-labels-idx1-ubyte.gz: wrong magic number 89504e47" in str(refusal.value)


def test_files_without_images_are_refused(folder):
    write(folder, "t10k-images-idx3-ubyte.gz", np.zeros((0, 28, 28), np.uint8))
    write(folder, "t10k-labels-idx1-ubyte.gz", np.zeros(0, np.uint8))
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte.gz: contains no images"):
        module(folder).find()


def test_labels_beyond_nine_and_images_of_another_size_are_refused(folder):
    write(folder, "t10k-labels-idx1-ubyte.gz", np.full(12, 10, np.uint8))
    with pytest.raises(DataError, match="found label 10; digits are 0 to 9"):
        module(folder).setup()
    write(folder, "t10k-images-idx3-ubyte.gz", np.zeros((12, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"shape \(12, 32, 32\), not images of 28x28"):
        module(folder).setup()


def test_options_that_do_not_fit_are_refused(folder):
    with pytest.raises(ConfigError, match="data.size"):
        module(folder, size=[32, 32])
    with pytest.raises(ConfigError, match="leaves none of the 40"):
        MNISTData(root=str(folder), cache_dir=folder / "c", val_images=40).setup()


@pytest.fixture
def server(folder, serve):
    with serve(folder) as address:
        yield address


@pytest.fixture
def right_checksums(folder, monkeypatch):
    sums = {name: hashlib.md5(gzip.decompress((folder / name).read_bytes())).hexdigest() for name in mnist._MD5}
    monkeypatch.setattr(mnist, "_MD5", sums)


@pytest.mark.usefixtures("right_checksums")
def test_absent_files_are_fetched_and_others_left(folder, server, tmp_path):
    there = tmp_path / "new" / "mnist"
    there.mkdir(parents=True)
    kept = there / "train-labels-idx1-ubyte.gz"
    kept.write_bytes((folder / kept.name).read_bytes())
    before = kept.stat().st_mtime_ns
    data = module(there, url=server)
    data.setup()
    assert len(data.datasets["test"]) == 12
    assert kept.stat().st_mtime_ns == before
    assert not list(there.glob("*.tmp"))


def test_a_wrong_checksum_leaves_no_file(server, tmp_path):
    there = tmp_path / "new" / "mnist"
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz: wrong checksum") as refusal:
        module(there, url=server).find()
    assert "\n" not in str(refusal.value)
    assert not list(there.glob("*ubyte*"))


def test_an_answer_that_is_cut_off_is_refused_in_one_line(tmp_path):
    class CutOff(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"less")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CutOff) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(DataError, match="cannot download") as refusal:
            module(tmp_path / "mnist", url=f"http://127.0.0.1:{running.server_port}").find()
        running.shutdown()
    assert "\n" not in str(refusal.value)


def test_without_network_the_message_says_what_belongs_where(tmp_path):
    there = tmp_path / "mnist"
    with pytest.raises(DataError, match="cannot download") as refusal:
        module(there, url="http://127.0.0.1:9").find()
    assert str(there / "train-images-idx3-ubyte.gz") in str(refusal.value)
    assert "\n" not in str(refusal.value)
