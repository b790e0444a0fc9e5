"""Data is the same where the same is read, wherever the files lie and however old they are."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from segbench.data.carvana import CarvanaData
from segbench.data.folder.data import FolderData
from segbench.fitting import image_digest


def content(module):
    module.setup()
    assert len(module.content) == 32
    return module.content


def elsewhere(folder, name="elsewhere"):
    """A copy of a folder with other times."""
    copy = shutil.copytree(folder, folder.parent / name / folder.name, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        os.utime(path, ns=(1, 1))
    return copy


def of_folder(root, cache, **options):
    return FolderData(**{"root": str(root), "images": "train", "masks": "train_masks", "cache_dir": cache} | options)


def of_carvana(root, cache, **options):
    return CarvanaData(root=str(root), cache_dir=cache, **{"size": [20, 30]} | options)


@pytest.mark.parametrize("kind", [of_carvana, of_folder])
def test_a_copy_with_other_times_and_another_cache_has_the_same_content(kind, carvana_folder, tmp_path):
    first, other = kind(carvana_folder, tmp_path / "cache"), kind(elsewhere(carvana_folder), tmp_path / "other")
    assert content(first) == content(other)
    assert first.fingerprint != other.fingerprint
    assert first.summary()["content"] == first.content


@pytest.mark.parametrize("size", [[20, 30], None])
def test_data_in_memory_has_the_content_of_cached_data(carvana, tmp_path, size):
    (tmp_path / "file").touch()
    cached = carvana(size=size, batch_size=1)
    held = carvana(size=size, batch_size=1, cache_dir=tmp_path / "file" / "cache")
    assert content(cached) == content(held)
    assert cached.datasets["train"].arrays.folder is not None
    assert held.datasets["train"].arrays.folder is None


def test_a_cache_that_another_process_removes_is_still_what_was_read(carvana, monkeypatch):
    found = content(carvana())
    read = CarvanaData.checksums

    def removed(module, arrays):
        shutil.rmtree(arrays.folder)
        return read(module, arrays)

    monkeypatch.setattr(CarvanaData, "checksums", removed)
    assert content(carvana()) == found


def test_images_of_several_sizes_which_no_cache_holds_have_a_content(carvana, carvana_folder, tmp_path):
    for kind, suffix in (("train", ".jpg"), ("train_masks", "_mask.gif")):
        path = carvana_folder / kind / f"car0_01{suffix}"
        Image.open(path).crop((0, 0, 50, 40)).save(path)
    options = {"size": None, "batch_size": 1}
    found = content(carvana(**options))
    copy = elsewhere(carvana_folder)
    assert content(carvana(root=str(copy), cache_dir=tmp_path / "other", **options)) == found
    path = copy / "train_masks" / "car0_01_mask.gif"
    mask = Image.open(path)
    mask.putpixel((0, 0), 1 - mask.getpixel((0, 0)))
    mask.save(path)
    assert content(carvana(root=str(copy), cache_dir=tmp_path / "other", **options)) != found


def test_a_pixel_a_name_and_a_size_make_other_content(carvana, carvana_folder, tmp_path):
    found = content(carvana(size=None, batch_size=1))
    mask = elsewhere(carvana_folder, "mask")
    path = mask / "train_masks" / "car0_01_mask.gif"
    status = path.stat()
    changed = Image.open(path)
    changed.putpixel((3, 3), 1 - changed.getpixel((3, 3)))
    changed.save(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    name = elsewhere(carvana_folder, "name")
    for kind, suffix in (("train", ".jpg"), ("train_masks", "_mask.gif")):
        (name / kind / f"car5_02{suffix}").rename(name / kind / f"car6_02{suffix}")
    others = [carvana(root=str(root), size=None, batch_size=1, cache_dir=root / "cache") for root in (mask, name)]
    assert len({found, *map(content, [*others, carvana(size=[40, 60])])}) == 4


def test_splits_batches_and_weights_leave_the_content_as_it_is(carvana):
    options = ({}, {"split_seed": 1}, {"folds": 3, "fold": 1}, {"batch_size": 1, "fit_on": "train+val"})
    assert len({content(carvana(**each)) for each in options}) == 1


def test_the_cache_tells_the_content_and_nothing_is_decoded(carvana, monkeypatch):
    fresh = carvana()
    fresh.find()
    assert fresh.content == ""
    found = content(carvana())
    monkeypatch.setattr(CarvanaData, "read", lambda *_: pytest.fail("a file was decoded"))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("the cache was read"))
    again = carvana()
    again.find()
    assert again.content == again.digest() == found


def test_a_digest_reads_what_no_cache_tells_and_leaves_the_setup_to_come(carvana):
    module = carvana()
    assert module.digest() == content(carvana())
    assert not module.datasets
    module.setup()
    assert module.datasets


def test_a_class_that_reads_otherwise_than_the_cache_is_asked_for_its_content(carvana):
    class Dimmed(CarvanaData):
        def load(self, records):
            arrays, faults = super().load(records)
            return type(arrays)(np.asarray(arrays.images) // 2, np.asarray(arrays.targets)), faults

    def dimmed():
        module = carvana()
        module.__class__ = Dimmed
        return module

    first, again = dimmed(), dimmed()
    first.setup()
    again.find()
    assert again.content == ""
    assert again.digest() == first.content


def test_processes_that_train_together_read_the_same_to_the_pixel(carvana, carvana_folder, tmp_path):
    """Of nodes that each have a copy."""
    copy, other = (elsewhere(carvana_folder, name) for name in ("copy", "other"))
    path = other / "train_masks" / "car0_01_mask.gif"
    mask = Image.open(path)
    mask.putpixel((0, 0), 1 - mask.getpixel((0, 0)))
    mask.save(path)
    found = []
    for root in (carvana_folder, copy, other):
        module = carvana(root=str(root), size=None, batch_size=1, cache_dir=tmp_path / root.parent.name)
        module.setup()
        found.append(image_digest(module))
    assert found[0] == found[1] != found[2]
