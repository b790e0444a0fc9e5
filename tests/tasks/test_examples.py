"""Which images of a split a picture shows; the pictures themselves are tested with the callback that draws them."""

import numpy as np
import pytest

from segbench.tasks.examples import ranked

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "images", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], 3, {3: "best", 1: "median", 0: "worst"}),
        ([NAN, 0.9, NAN, 0.5, 0.7], 3, {1: "best", 4: "median", 3: "worst"}),
        ([NAN, 0.9, NAN, 0.5], 3, {1: "best", 3: "worst", 2: ""}),
        ([NAN, 0.9, NAN, NAN], 3, {1: "", 0: "", 3: ""}),
        ([NAN, NAN], 3, {0: "", 1: ""}),
        ([0.5, 0.5, 0.5], 2, {0: "best", 2: "worst"}),
        (
            np.arange(20) / 20,
            5,
            {19: "best", 14: "rank 6 of 20", 9: "median", 5: "rank 15 of 20", 0: "worst"},
        ),
        (np.arange(4), 9, {3: "best", 2: "rank 2 of 4", 1: "median", 0: "worst"}),
    ],
)
def test_ranks_are_spread_from_best_to_worst_and_images_without_score_come_last(scores, images, expected):
    assert ranked(np.asarray(scores, float), images) == list(expected.items())
