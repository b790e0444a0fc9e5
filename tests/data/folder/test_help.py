import pytest
from tests.data.folder.conftest import drawing, picture, save

from segbench.data.folder.data import FolderData
from segbench.data.folder.help import suggestion
from segbench.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("images", "masks", "command"),
    [
        ("photos/{}.jpg", "drawings/{}.png", "data.images=photos data.masks=drawings"),
        ("a/{}.png", "b/{}_mask.png", "data.images=a data.masks=b"),
        ("b/{}.png", "a/labels/{}.png", "data.images=b data.masks=a/labels"),
        ("raw/{}.png", "z/{}.png", "data.images=raw data.masks=z"),
    ],
)
def test_the_command_for_the_folders_that_are_here(tmp_path, images, masks, command):
    for number in range(3):
        save(tmp_path / images.format(number), picture(number))
        save(tmp_path / masks.format(number), drawing(number))
    save(tmp_path / "outputs/figures/x.png", picture(0))
    assert f"python src/run.py data=folder data.root={tmp_path} {command} (" in suggestion(tmp_path)
    with pytest.raises(DataError, match="no such folder") as refused:
        FolderData(root=str(tmp_path), images="nowhere", cache_dir=tmp_path / "cache").inspect()
    assert command in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_without_images_there_is_an_example(tmp_path):
    assert "data.images=photos data.masks=drawings (no images" in suggestion(tmp_path)


def test_without_any_key_the_command_is_the_answer(tmp_path, monkeypatch):
    for number in range(3):
        save(tmp_path / f"pics/{number}.jpg", picture(number))
        save(tmp_path / f"marks/{number}.png", drawing(number))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"try: python src/run.py data=folder data.images=pics data.masks=marks \("):
        FolderData(root=".", cache_dir=tmp_path / "cache").inspect()


@pytest.mark.parametrize(
    ("typed", "near"),
    [("../histoo", "../histo"), ("../histoo/rgb", "../histo/rgb"), ("../histo/rgbs", "../histo/rgb")],
)
def test_a_misspelled_folder_is_looked_for_where_it_was_typed(tmp_path, typed, near):
    save(tmp_path / "histo/rgb/1.png", picture(1))
    save(tmp_path / "here/docs/1.png", picture(1))
    with pytest.raises(DataError) as refused:
        FolderData(root=str(tmp_path / "here"), images=typed, cache_dir=tmp_path / "cache").inspect()
    assert str(refused.value) == f"data.images={typed}: no such folder; did you mean {near}?"


def test_folders_of_the_checkout_are_not_proposed(tmp_path):
    for folder in ("results/a", "docs", "tests/data", "outputs/x", "pics", "marks"):
        save(tmp_path / folder / "1.png", picture(1))
    assert "(folders with images here: docs (1), marks (1), pics (1), results/a (1) and tests/data (1))" in suggestion(
        tmp_path
    )
    (tmp_path / "src/segbench").mkdir(parents=True)
    assert "(folders with images here: marks (1) and pics (1))" in suggestion(tmp_path)
