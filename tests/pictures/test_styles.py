"""What all figures have in common."""

import pytest

from segbench.pictures.styles import wrapped


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("tiles=none, cells_curriculum", ["tiles=none,", "cells_curriculum"]),
        ("cityscapes/overfit_segnet_aspp", ["cityscapes/overfit_", "segnet_aspp"]),
        ("on cityscapes/overfit_segnet_aspp", ["on cityscapes/", "overfit_segnet_aspp"]),
        ("Donaudampfschifffahrtsgesellschaft", ["Donaudampfschifffahrts", "gesellschaft"]),
        ("one two", ["one two"]),
        ("", [""]),
    ],
)
def test_labels_are_wrapped_where_they_may_be_divided(label, lines):
    assert wrapped(label, 22).split("\n") == lines


def test_a_label_of_too_many_lines_ends_in_an_ellipsis():
    assert wrapped("one two three", 5, lines=2) == "one\ntwo …"
