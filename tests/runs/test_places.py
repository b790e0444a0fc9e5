"""What people publish does not tell who they are and where their files lie."""

from pathlib import Path

import pytest

from segbench.runs.places import places_of, public, public_assignment

HERE, HOME = Path.cwd(), Path.home()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"python src/report.py {HERE}/outputs/a --page {HERE}/results/a.md",
            "python src/report.py outputs/a --page results/a.md",
        ),
        (f"cannot write '{HERE}': full", "cannot write '.': full"),
        (f"init_from={HOME}/runs/a", "init_from=~/runs/a"),
        ("root=/home/alice/data, /Users/bob/x", "root=~/data, ~/x"),
        ("--config-dir /root/own", "--config-dir ~/own"),
        ("/scratch/alice/outputs/a/train.log: gone", "<outputs>/a/train.log: gone"),
        ("/scratch/alice/outputs2/a", "/scratch/alice/outputs2/a"),
        ("outputs/a, results/home/x, 3/home/y", "outputs/a, results/home/x, 3/home/y"),
    ],
)
def test_places_lose_their_owners(text, shown):
    assert public(text, {"outputs": "/scratch/alice/outputs", "data": "data"}) == shown
    assert public(shown, [1]) == shown


def test_the_root_is_no_place():
    assert public("init_from=/scratch/a and 1/2", {"data": "/"}) == "init_from=/scratch/a and 1/2"


def test_the_place_of_the_data_is_said_by_its_name():
    config = {"paths": {"outputs": "out"}, "data": {"root": "/scratch/clinic/leaves", "size": [1, 2]}}
    places = places_of(config)
    assert places == {"outputs": "out", "root": "/scratch/clinic/leaves"}
    assert public("data.root=/scratch/clinic/leaves: no image", places) == "data.root=<root>: no image"
    assert places_of({"paths": None, "data": [1]}) == {}


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("data.root", "../clinic", "<folder>"),
        ("data.masks", "/scratch/clinic/masks", "<folder>"),
        ("data.images", "images/*.png", "images/*.png"),
        ("model", "/odd", "/odd"),
    ],
)
def test_no_command_tells_where_the_data_lies(key, value, shown):
    assert public_assignment(key, value) == shown
