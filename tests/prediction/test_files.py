"""Which files are predicted, and where their results go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.prediction import predict_files
from segbench.prediction.files import find_files


@pytest.fixture
def tree(tmp_path, classes):
    """Images in folders in folders, with what is no image."""
    for name in ("a.png", "plate 1/a.png", "plate 1/a.bmp", "plate 1/deep/b.png", ".hidden/c.png", "__MACOSX/d.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(classes * 64).save(path)
    (tmp_path / "photos" / "plate 1" / "notes.txt").touch()
    (tmp_path / "photos" / "plate 1" / "._a.png").touch()
    return tmp_path / "photos"


def test_the_tree_of_a_folder_is_kept(tree, reader, tmp_path, classes):
    outcome = predict_files(reader(), tree, tmp_path / "out", overlays=True)
    expected = ["a.png", "plate 1/a.bmp.png", "plate 1/a.png.png", "plate 1/deep/b.png"]
    for kind in ("masks", "overlays"):
        assert (
            sorted(p.relative_to(tmp_path / "out" / kind).as_posix() for p in (tmp_path / "out" / kind).rglob("*.png"))
            == expected
        )
    assert (outcome.predicted, outcome.skipped, outcome.ignored) == (4, [], 1)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out" / "masks" / "plate 1" / "deep" / "b.png")), classes
    )


def test_masks_that_would_share_a_name_are_told_from_those_of_other_folders(tree, tmp_path):
    Image.new("L", (4, 4)).save(tree / "plate 1" / "a.png.bmp")
    found = find_files(tree, tmp_path / "out", [""])
    assert found.faults == [f"{tree / 'plate 1'}: a.png and a.png.bmp share the mask name a.png.png; rename one"]
    assert set(found.names.values()) == {Path("a"), Path("plate 1/a.bmp"), Path("plate 1/deep/b")}


def test_links_are_followed_but_not_in_circles(tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "elsewhere" / "e.png")
    (tree / "linked").symlink_to(tmp_path / "elsewhere")
    (tree / "round").symlink_to(tree)
    found = find_files(tree, tmp_path / "out", [""])
    assert Path("linked/e") in found.names.values()
    assert len(found.names) == 5


@pytest.mark.slow
@pytest.mark.parametrize("place", ["predicted", ".", ".."])
def test_results_of_an_earlier_command_are_no_images(tree, reader, place):
    for _ in range(2):
        outcome = predict_files(reader(), tree, tree / place, overlays=True)
        assert outcome.predicted == 4
    # Unless they are asked for.
    assert predict_files(reader(), tree / place / "masks", tree / place, overlays=False).predicted == 4
