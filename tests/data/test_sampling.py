"""Images with rare classes are drawn more often, in an order that is a function of seed and epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.loader import EpochOrder
from segbench.data.phantom import PhantomData
from segbench.data.sampling import occurrences, repeat_factors, weighted_pass
from segbench.errors import ConfigError
from segbench.processes import Share


def test_factors_are_those_of_the_rarest_class_of_an_image():
    present = np.zeros((8, 4), bool)
    present[:, 0] = True  # everywhere
    present[:2, 1] = True  # a quarter
    present[1, 2] = True  # an eighth; class 3 nowhere
    assert repeat_factors(present, 0.5).tolist() == pytest.approx([2**0.5, 2, *[1] * 6])
    assert repeat_factors(present, 0.125).tolist() == [1] * 8


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match=f"data.oversample={share}: must be above 0 and at most 1"):
        repeat_factors(np.ones((2, 2), bool), share)


@given(st.lists(st.floats(1, 20), min_size=1, max_size=30), st.integers(0, 99))
def test_each_is_drawn_as_often_as_its_weight_asks_but_for_a_fraction(weights, seed):
    weights = np.array(weights)
    drawn = np.bincount(weighted_pass(weights, np.random.default_rng(seed)), minlength=len(weights))
    expected = weights / weights.sum() * len(weights)
    assert drawn.sum() == len(weights)
    assert (np.abs(drawn - expected) < 1 + 1e-9).all()


def test_on_average_it_is_the_weight():
    weights = np.array([1.0, 1.0, 1.5, 4.0])
    passes = [weighted_pass(weights, np.random.default_rng(seed)) for seed in range(2000)]
    drawn = np.bincount(np.concatenate(passes)) / len(passes)
    assert drawn == pytest.approx(weights / weights.sum() * 4, abs=0.05)
    assert len({tuple(order) for order in passes}) > 20


@given(st.lists(st.integers(0, 5), max_size=20))
def test_occurrences_count_what_came_before(order):
    assert occurrences(np.array(order, int)).tolist() == [order[:place].count(item) for place, item in enumerate(order)]


@pytest.mark.parametrize("weights", [None, np.array([1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0])])
@pytest.mark.parametrize("steps", [None, 6])
def test_the_order_goes_on_anywhere_and_is_shared(weights, steps):
    def batches(start=0, share=None, epoch=3):
        order = EpochOrder(7, 3, 5, steps, share, weights)
        return [[list(map(int, part)) for part in batch] for batch in order.batches(epoch, start)]

    whole = batches()
    assert whole == batches()
    assert whole != batches(epoch=4)
    assert batches(start=2) == whole[2:]
    for rank in range(2):
        assert batches(share=Share(rank, 2)) == [[part[rank::2] for part in batch] for batch in whole]
    drawn = [pair for batch in whole for pair in zip(*batch, strict=True)]
    assert len(set(drawn)) == len(drawn)  # none has the same random numbers twice


@pytest.fixture
def data(tmp_path):
    def made(**options):
        module = PhantomData(cache_dir=tmp_path, subjects=8, slices=6, size=(32, 32), **options)
        module.setup()
        return module

    return made


def test_what_an_image_has_is_what_its_mask_says(data):
    regions = {"heart": ["right ventricle", "myocardium", "left ventricle"], "right": ["right ventricle"]}
    for options in ({}, {"tiles": "2x2"}, {"regions": regions}):
        train = data(**options).datasets["train"]
        masks = [train[index]["mask"] for index in range(len(train))]
        overlapping = masks[0].ndim == 3
        expected = [
            [
                bool((mask[index] == 1).any() if overlapping else (mask == index).any())
                for index in range(train.num_classes)
            ]
            for mask in masks
        ]
        assert train.classes_present().tolist() == expected


def test_without_the_option_nothing_is_weighed(data):
    assert data().draw_weights() is None
    module = data(oversample=1.0)
    rare = module.datasets["train"].classes_present().mean(axis=0).min()
    assert module.draw_weights().max() == pytest.approx(rare**-0.5)
