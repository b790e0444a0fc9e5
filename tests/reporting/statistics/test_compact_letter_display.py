from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.reporting.statistics.compact_letter_display import compact_letter_display


@pytest.mark.slow
@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.sets(
    st.sampled_from(list(combinations(range(n), 2)) or [(0, 0)]).filter(lambda pair: pair[0] != pair[1])
) if n > 1 else st.just(set()))))  # fmt: skip
def test_rows_share_a_letter_if_and_only_if_they_are_not_told_apart(case):
    order, apart = case
    found = compact_letter_display(order, apart)
    for pair in combinations(sorted(order), 2):
        assert bool(set(found[pair[0]]) & set(found[pair[1]])) == (pair not in apart)
    # No letter says what another says already, and the best row has the first one.
    sets = [{row for row in order if letter in found[row]} for letter in sorted(set("".join(found.values())))]
    assert not any(first <= second for first in sets for second in sets if first is not second)
    assert found[order[0]].startswith("a")


def test_by_hand():
    # Piepho's case of a chain: the ends are told apart, the middle from neither.
    assert compact_letter_display([2, 0, 1], [(1, 2)]) == {2: "a", 0: "ab", 1: "b"}
    assert compact_letter_display([0, 1, 2], []) == {0: "a", 1: "a", 2: "a"}
    assert compact_letter_display([0, 1, 2], [(0, 1), (0, 2), (1, 2)]) == {0: "a", 1: "b", 2: "c"}
    assert compact_letter_display([0, 1, 2, 3], [(0, 2), (0, 3), (1, 3)]) == {0: "a", 1: "ab", 2: "bc", 3: "c"}


@pytest.mark.parametrize("rows", [60, 400])
def test_more_rows_than_the_alphabet_has_letters(rows):
    found = (
        compact_letter_display(range(rows), combinations(range(rows), 2))
        if rows < 100
        else compact_letter_display(range(rows), [])
    )
    assert len(set(found.values())) == (rows if rows < 100 else 1)
    assert all(len(text) == 1 for text in found.values())
