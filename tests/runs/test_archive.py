import numpy as np
import pytest

from segbench.runs.archive import Archive, ArchiveWriter, JoinedArchive, images_name


def masks():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 5, size).astype(np.int64) for size in ((8, 12), (20, 6))] + [np.full((4, 4), 255)]


def written(path, limit=2**20):
    writer = ArchiveWriter(limit)
    for number, mask in enumerate(masks()):
        image = np.full((*mask.shape, 3 if number else 1), 40, np.uint8)
        image[..., -1] = 200
        writer.add(f"case/{number}", mask, image)
    return writer.write(path, split="test", class_names=["a", "b"])


def test_masks_come_back_exactly_and_images_nearly(tmp_path):
    assert written(tmp_path / "p.zip")
    archive = Archive.open(tmp_path / "p.zip")
    assert (archive.split, archive.ids) == ("test", ("case/0", "case/1", "case/2"))
    for number, mask in enumerate(masks()):
        np.testing.assert_array_equal(archive.mask(f"case/{number}"), mask)
    assert archive.image("case/0").shape == (8, 12)
    red, _, blue = archive.image("case/1").mean(axis=(0, 1))
    assert (red, blue) == (pytest.approx(40, abs=4), pytest.approx(200, abs=4))


def test_the_same_pictures_are_the_same_bytes(tmp_path):
    for name in ("a.zip", "b.zip"):
        written(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_beyond_the_limit_nothing_is_kept(tmp_path):
    assert not written(tmp_path / "p.zip", limit=300)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"PK no zip", None])
def test_a_damaged_or_missing_file_is_none(tmp_path, damage):
    if damage is not None:
        (tmp_path / "p.zip").write_bytes(damage)
    assert Archive.open(tmp_path / "p.zip") is None


def test_a_picture_that_is_not_there_is_named(tmp_path):
    written(tmp_path / "p.zip")
    with pytest.raises(ValueError, match=r"p\.zip: no picture of other"):
        Archive.open(tmp_path / "p.zip").mask("other")


def test_archives_of_folds_are_read_as_one(tmp_path):
    for number, mask in enumerate(masks()):
        writer = ArchiveWriter(2**20)
        writer.add(f"case/{number}", mask, np.full((*mask.shape, 1), 50 * number, np.uint8), objects=mask)
        writer.write(tmp_path / f"{number}.zip", split="test")
    joined = JoinedArchive(tuple(Archive.open(tmp_path / f"{number}.zip") for number in range(3)))
    assert (joined.split, joined.ids) == ("test", ("case/0", "case/1", "case/2"))
    for number, mask in enumerate(masks()):
        np.testing.assert_array_equal(joined.mask(f"case/{number}"), mask)
        assert joined.image(f"case/{number}").mean() == pytest.approx(50 * number, abs=2)
        assert joined.objects(f"case/{number}").shape == mask.shape
    with pytest.raises(ValueError, match=r"0\.zip: no picture of other"):
        joined.mask("other")


def test_names_tell_split_data_and_images_apart():
    names = {
        images_name(split, data, ids)
        for split in ("val", "test")
        for data in ("aaaabbbbcc", "ccccddddee")
        for ids in (("a", "b"), ("a",), ("ab",))
    }
    assert len(names) == 12
    assert images_name("test", "aaaabbbb", ["b", "a"]) == images_name("test", "aaaabbbb", ["a", "b"])


def test_objects_are_kept_in_the_order_of_their_labels(tmp_path):
    labels = np.array([[0, 70_000, 70_000], [3, 0, 3]])
    writer = ArchiveWriter(2**20)
    writer.add("a", labels > 0, objects=labels)
    writer.add("b", labels > 0)
    writer.add("c", labels > 0, objects=np.arange(260 * 260).reshape(260, 260))
    assert writer.write(tmp_path / "images.zip", split="test")
    archive = Archive.open(tmp_path / "images.zip")
    assert archive.objects("a").tolist() == [[0, 2, 2], [1, 0, 1]]
    # Not told, and more than 16 bits can tell.
    assert archive.objects("b") is archive.objects("c") is None
    with pytest.raises(ValueError, match="no picture of d"):
        archive.objects("d")
