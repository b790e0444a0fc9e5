"""The ends of a mean: an interval on the logit scale, or of few groups their range."""

import numpy as np
import pytest
from simulated import comparison, counts

from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.statistics.means import Mean, interval


def rows(images, seeds=2, groups=None):
    rng = np.random.default_rng(0)
    return {"a": {seed: counts(0.8 + 0.05 * rng.normal(size=images), groups=groups) for seed in range(seeds)}}


def test_an_interval_of_a_share_is_symmetric_on_the_logit_scale():
    low, high = interval(0.9, 0.05, 1.0)
    odds = [end / (1 - end) for end in (low, 0.9, high)]
    assert odds[1] / odds[0] == pytest.approx(odds[2] / odds[1])
    assert 0.9 - low > high - 0.9
    # So narrow an interval is that of the plain scale.
    assert interval(0.9, 1e-6, 1.0) == pytest.approx((0.9 - 1e-6, 0.9 + 1e-6), abs=1e-10)
    assert 0 < interval(0.9, 5.0, 1.0)[0] < interval(0.9, 5.0, 1.0)[1] <= 1


@pytest.mark.parametrize(
    ("mean", "half", "most", "ends"), [(7, 3, np.inf, (4, 10)), (2, 3, np.inf, (0, 5)), (1, 0.1, 1, (0.9, 1))]
)
def test_that_of_a_distance_ends_at_0_and_that_of_a_perfect_score_at_1(mean, half, most, ends):
    assert interval(mean, half, most) == pytest.approx(ends)


def test_ten_groups_give_an_interval_and_nine_their_range():
    many, few = (comparison(rows(images)) for images in (10, 9))
    assert (evidence(many).ends, evidence(many).means[0].ranges) == ("95 % interval", False)
    (mean,) = evidence(few).means
    images = np.mean([run.counts["test"].image_scores(few.score, few.convention) for run in few.done], axis=0)
    assert (mean.ranges, evidence(few).ends) == (True, "range over images")
    assert (mean.mean, mean.low, mean.high) == pytest.approx((images.mean(), images.min(), images.max()))
    assert "Range over images: the lowest and the highest of the images (each the mean over seeds)" in " ".join(
        notes(few)
    )


def test_groups_are_counted_not_images():
    found = evidence(comparison(rows(30, groups=[f"g{index // 6}" for index in range(30)])))
    assert found.ends == "range over groups of images"
    assert found.means[0].low > 0.7


def test_text():
    assert Mean(0.5, np.nan, np.nan).interval("images") == "0.5000"
    assert Mean(0.5, 0.4, 0.6).interval("images") == "0.5000 [0.4000, 0.6000]"
    assert Mean(0.5, 0.4, 0.6, ranges=True).interval("images") == "0.5000 (images from 0.4000 to 0.6000)"
