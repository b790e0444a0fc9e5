import os

import numpy as np
import pytest
from tests.data.folder.conftest import drawing, picture, read, save

from segbench.data.folder import inspection
from segbench.errors import ConfigError, DataError


@pytest.fixture
def written(own):
    for number in range(8):
        save(own / f"images/{number}.png", picture(number))
        save(own / f"masks/{number}.png", drawing(number))
    return own


def test_files_are_looked_at_once_until_they_change(written, folder, monkeypatch):
    looked = []
    seen = inspection._seen
    monkeypatch.setattr(inspection, "_seen", lambda sample, masks: looked.append(sample.id) or seen(sample, masks))
    folder().inspect()
    folder(split_seed=3, classes={"background": 0, "a": 1}).inspect()
    assert sorted(looked) == [str(number) for number in range(8)]
    save(written / "masks/3.png", drawing(3, labels=(0, 2)))
    os.utime(written / "masks/3.png", (1, 1))
    data = folder()
    data.inspect()
    assert len(looked) == 16
    assert data.class_names == ("background", "class 1", "class 2")


def test_a_damaged_cache_is_made_again(written, folder, tmp_path):
    folder().inspect()
    (path,) = (tmp_path / "cache").glob("*.seen.json")
    path.write_text(path.read_text()[:100])
    assert len(read(folder())) == 8


def test_all_damaged_files_are_listed(written, folder):
    for name in ("images/2.png", "masks/5.png"):
        content = (written / name).read_bytes()
        (written / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="2 files cannot be used") as refused:
        read(folder())
    assert "images/2.png" in str(refused.value)
    assert "masks/5.png" in str(refused.value)


def test_what_was_found_is_part_of_the_fingerprint(written, folder):
    kinds = ({}, {"size": [16, 16]}, {"percentiles": [1, 99]}, {"classes": {"foreground": 0, "background": 1}})
    prints = [folder(**options).find() for options in kinds]
    assert len(set(prints)) == 4
    assert folder().find() == prints[0]


def test_regions_are_unions_of_classes_that_were_found(written, folder):
    data = folder(regions={"all": ["background", "foreground"], "leaf": ["foreground"]})
    data.setup()
    assert data.class_names == ("all", "leaf")
    assert data.datasets["train"][0]["mask"].shape == (2, 24, 32)
    with pytest.raises(ConfigError, match="no class stem"):
        folder(regions={"leaf": ["stem"]}).inspect()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"percentiles": [1, 99], "intensity": [0, 255]},
        {"intensity": [5, 5]},
        {"test_fraction": 0.9},
        {"boundary": -1},
        {"channels": 0},
        {"classes": {"background": 0, "a": 1}, "colours": {"a": "#000000"}},
        {"colours": {"a": "red"}},
        {"masks": {"a": "masks"}, "instances": True},
    ],
)
def test_options_that_make_no_sense(written, folder, options):
    with pytest.raises(ConfigError, match=r"^data\."):
        folder(**options).inspect()


def test_grey_and_colour_go_together(written, folder):
    save(written / "images/3.png", picture(3)[..., 0])
    data = folder()
    found = read(data)
    assert data.in_channels == 3
    assert (found["3"][0] == picture(3)[..., :1]).all()
    grey = folder(channels=1)
    assert np.array_equal(read(grey)["3"][0][..., 0], picture(3)[..., 0])
