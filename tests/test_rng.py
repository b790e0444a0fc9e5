from hypothesis import given
from hypothesis import strategies as st

from segbench.rng import derive_seed, generator

part = st.one_of(st.integers(0, 10**9), st.sampled_from(["order", "augment", "step"]))


@given(st.integers(0, 2**40), st.lists(part, max_size=4))
def test_a_seed_is_a_function_of_its_arguments_alone(seed, parts):
    assert derive_seed(seed, *parts) == derive_seed(seed, *parts)
    assert 0 <= derive_seed(seed, *parts) < 2**63


def test_known_value_so_that_old_results_stay_reproducible():
    # BLAKE2b-64 of "0/augment/1/2", shifted right by one; computed with b2sum -l 64.
    assert derive_seed(0, "augment", 1, 2) == 0xA0E65976CE3D3974 >> 1


def test_seeds_of_an_epoch_differ_from_each_other_and_from_the_next_epoch():
    seeds = {derive_seed(0, "augment", epoch, index) for epoch in range(20) for index in range(500)}
    assert len(seeds) == 20 * 500


def test_arguments_do_not_run_into_each_other():
    assert derive_seed(1, 23) != derive_seed(12, 3)


def test_generators_repeat():
    assert generator(3, "order", 1).permutation(50).tolist() == generator(3, "order", 1).permutation(50).tolist()
    assert generator(3, "order", 1).permutation(50).tolist() != generator(3, "order", 2).permutation(50).tolist()
