"""What the tests of surface scores share: regions, blobs, and the score that follows from one region's columns."""

import numpy as np
import pytest
from scipy import ndimage

from segbench.scores.columns import Region


@pytest.fixture(scope="session")
def region():
    """Make a region of two masks; spacing 1 unless it is given, everything labelled."""

    def made(truth, predicted, spacing=None, known=None):
        truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
        known = np.ones(truth.shape, bool) if known is None else known
        return Region(truth & known, predicted & known, known, spacing or (1.0,) * truth.ndim)

    return made


@pytest.fixture(scope="session")
def score_of():
    """Derive the one score that a class of columns declares from the columns of one region or of several together."""

    def derived(columns, *regions):
        (score,) = columns.declare("px")
        terms = [columns.terms(region) for region in regions]
        assert all(set(found) == set(score.columns) for found in terms)
        return float(score.score(np.array([[found[name] for name in score.columns] for found in terms]).sum(axis=0)))

    return derived


@pytest.fixture(scope="session")
def blobs():
    """Return two similar random masks, which touch the image's edge."""

    def drawn(shape, seed):
        chance = np.random.default_rng(seed)
        field = ndimage.gaussian_filter(chance.standard_normal(shape), 3)
        change = ndimage.gaussian_filter(chance.standard_normal(shape), 3)
        level = np.quantile(field, 0.7)
        return field > level, field + 0.4 * change > level

    return drawn
