"""Planes of classes that overlap: to bit sets and back, and their counts by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segbench.scores.overlaps import overlap_counts, pack_bits, unpack_bits


@given(st.integers(1, 7), st.integers(0, 10_000))
def test_planes_are_packed_and_unpacked(classes, seed):
    generator = torch.Generator().manual_seed(seed)
    planes = torch.randint(0, 2, (2, classes, 4, 3), generator=generator)
    unknown = (torch.rand(2, 1, 4, 3, generator=generator) < 0.2).expand_as(planes)
    planes = torch.where(unknown, 255, planes)
    sets = pack_bits(planes)
    assert (sets.dtype, sets.shape) == (torch.uint8, (2, 4, 3))
    assert torch.equal(unpack_bits(sets, classes), planes)
    assert torch.equal(unpack_bits(sets[0], classes), planes[0])
    assert torch.equal(pack_bits(planes == 1), torch.where(unknown[:, 0], 0, sets).to(torch.uint8))


def test_counts_by_hand():
    truth = torch.tensor([[[[1, 1, 0, 0, 255]], [[0, 1, 1, 0, 0]]]])
    guess = torch.tensor([[[[1, 0, 1, 0, 1]], [[1, 1, 1, 1, 1]]]])
    expected = [[[1, 1, 1, 1], [2, 3, 0, 0]]]
    assert overlap_counts(guess, truth).tolist() == expected
    assert overlap_counts(guess.bool(), truth).tolist() == expected


@pytest.mark.parametrize("name", ["truth", "prediction"])
def test_labels_that_are_no_yes_or_no_are_refused(name):
    good, bad = torch.zeros(1, 2, 2, 2, dtype=torch.long), torch.full((1, 2, 2, 2), 2)
    with pytest.raises(ValueError, match=f"^{name}: labels must be 0 or 1, got"):
        overlap_counts(*((good, bad) if name == "truth" else (bad, good)))
