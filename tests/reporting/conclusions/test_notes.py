import numpy as np
import pytest
from simulated import comparison, counts, layouts

from segbench.reporting.conclusions.notes import notes
from segbench.reporting.conclusions.reading import variance_line


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"seed": 0.25, "image": 0.5, "rest": 0.25},
         "Of the variance of a single score, 25% comes from the seed, 50% comes from the image and 25% comes from what"
         " neither explains."),
        ({"seed": 0.0, "image": 0.4, "rest": 0.6},
         "Of the variance of a single score, 40% comes from the image and 60% comes from what neither explains; what"
         " comes from the seed does not show beside it."),
        ({"seed": 0.0, "image": 0.0, "rest": 1.0},
         "Of the variance of a single score, 100% comes from what neither explains; what comes from the seed and the"
         " image does not show beside it."),
        ({"seed": 0.001, "image": 0.4, "rest": 0.599},
         "Of the variance of a single score, <1% comes from the seed, 40% comes from the image and 60% comes from what"
         " neither explains."),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_source_that_does_not_show_is_not_called_nothing(shares, said):
    assert variance_line(shares, "image") == said


@pytest.mark.parametrize(("groups", "unit"), [(None, "images"), ([f"g{index // 2}" for index in range(20)], "groups")])
def test_groups_are_named_only_where_images_come_in_groups(groups, unit):
    rng = np.random.default_rng(0)
    rows = {
        name: {
            seed: counts(scores, groups=groups)
            for seed, scores in enumerate(0.7 + layouts(rng, 1, (3, 20), 0.01, 0.05, 0.02)[0])
        }
        for name in ("a", "b")
    }
    said = " ".join(notes(comparison(rows)))
    assert ("group" in said) == (unit == "groups")
    whole = "groups of images" if groups else "images"
    assert f"for other seeds and other {whole}." in said
    assert f"{10 if groups else 20} {whole}, fewer than 50" in said
