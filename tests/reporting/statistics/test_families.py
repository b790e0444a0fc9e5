"""Corrected p-values against scipy's distributions and draws."""

import numpy as np
import pytest
from scipy import stats

from segbench.reporting.statistics.families import LEVEL, dunnett, level, one_sided_dunnett, tukey

P = np.array([1e-12, 1e-6, 0.001, 0.01, 0.2, 0.9])


@pytest.mark.parametrize("rows", [2, 3, 7, 15])
def test_all_pairs_are_the_studentised_range(rows):
    p = P[1:]
    wide = stats.studentized_range.sf(-np.sqrt(2) * stats.norm.ppf(p / 2), rows, np.inf)
    assert tukey(p, rows) == pytest.approx(wide, rel=1e-4, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "correlation"), [(1, 0.0), (2, 0.5), (6, 0.5), (14, 0.2)])
def test_comparisons_with_one_row_are_a_multivariate_normal_distribution(count, correlation):
    drawn = np.random.default_rng(0).normal(size=(100_000, count + 1))
    together = np.sqrt(correlation) * drawn[:, :1] + np.sqrt(1 - correlation) * drawn[:, 1:]
    for p in (0.002, 0.02, 0.3):
        one, two = stats.norm.isf(p), stats.norm.isf(p / 2)
        assert one_sided_dunnett(np.array(p), count, correlation) == pytest.approx(
            (together.max(axis=1) > one).mean(), abs=0.004
        )
        assert dunnett(np.array(p), count, correlation) == pytest.approx(
            (np.abs(together).max(axis=1) > two).mean(), abs=0.004
        )


def test_critical_values_are_those_of_dunnetts_tables():
    """C. W. Dunnett (1955), table 1a, and Biometrics 20 (1964), table 2: infinite degrees of freedom."""
    for count, expected in ((1, 1.64), (2, 1.92), (6, 2.29), (9, 2.42)):
        p = level(lambda one, count=count: one_sided_dunnett(one, count, 0.5))
        assert stats.norm.isf(p) == pytest.approx(expected, abs=0.006)
    for count, expected in ((1, 1.96), (2, 2.21), (6, 2.57)):
        p = level(lambda one, count=count: dunnett(one, count, 0.5))
        assert stats.norm.isf(p / 2) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    "adjust", [lambda p: tukey(p, 5), lambda p: dunnett(p, 4, 0.5), lambda p: one_sided_dunnett(p, 4, 0.3)]
)
def test_corrected_is_never_below_p_nor_above_bonferroni(adjust):
    corrected = adjust(P)
    assert (corrected >= P).all()
    assert (corrected <= np.minimum(10 * P, 1)).all()
    assert (np.diff(corrected) >= 0).all()
    assert adjust(np.array(level(adjust))) == pytest.approx(LEVEL)
