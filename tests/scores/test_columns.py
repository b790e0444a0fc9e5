"""What a declared score makes of columns, whatever fills them."""

import numpy as np
import pytest

from segbench.scores.columns import ColumnScore, Ratio, Region


def halves(**options):
    ratios = Ratio({"right": 1}, {"said": 1}), Ratio({"found": 1}, {"there": 1})
    return ColumnScore("both", "both", ratios, **options)


@pytest.mark.parametrize(
    ("terms", "arithmetic", "harmonic"),
    [
        ([1, 4, 1, 2], 0.375, 1 / 3),
        ([0, 4, 1, 2], 0.25, 0),
        # What is unknown changes nothing where the other is 0; else nothing is known.
        ([0, 0, 0, 2], 0, 0),
        ([0, 4, 0, 0], 0, 0),
        ([0, 0, 1, 2], 0.5, np.nan),
        ([0, 0, 0, 0], np.nan, np.nan),
    ],
)
def test_the_means_of_two_ratios(terms, arithmetic, harmonic):
    for mean, expected in (("arithmetic", arithmetic), ("harmonic", harmonic)):
        score = halves(mean=mean)
        assert score.columns == ("right", "said", "found", "there")
        assert score.score(np.array(terms, float)) == pytest.approx(expected, nan_ok=True)
        # Of many at once.
        np.testing.assert_allclose(score.score(np.array([[terms] * 2] * 3, float)), np.full((3, 2), expected))


def test_what_is_left_out_on_purpose_is_not_nothing():
    score = halves(left_out="skipped")
    assert score.columns == ("right", "said", "found", "there", "skipped")
    terms = np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [1, 1, 1, 1, 0], [np.nan] * 5])
    assert score.nothing_to_score(terms).tolist() == [True, False, False, False]
    assert np.isnan(score.score(terms)).tolist() == [True, True, False, True]
    # Beside others it counts nowhere.
    assert score.score(terms[:3].sum(axis=0)) == 1


def test_the_diagonal_of_images_and_volumes():
    for shape, spacing, expected in (
        ((4, 5), (1, 1), 5),
        ((4, 5), (2.0, 0.5), 40**0.5),
        ((3, 4, 5), (8, 1, 1), 281**0.5),
    ):
        mask = np.zeros(shape, bool)
        assert Region(mask, mask, mask, spacing).diagonal == pytest.approx(expected)
