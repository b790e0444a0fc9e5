import re

import numpy as np
import pytest
from simulated import comparison, counts, layouts

from segbench.reporting.conclusions.notes import notes
from segbench.reporting.conclusions.reading import found_line, variance_line
from segbench.reporting.statistics.outlook import Outlook
from segbench.reporting.statistics.variance_components import Components
from segbench.scores.score import Metric, Share

DICE = Metric("dice", Share("dice", "Dice"))


def outlook(seed, image, rest, shape=(3, 20)):
    return Outlook(Components(seed, image, rest), *shape, 2)


def test_the_shares_are_those_of_the_mean_difference():
    said = variance_line(outlook(0.3, 2, 0), DICE, "image")
    assert said.startswith(
        "What makes the difference of two rows uncertain: 50% comes from the seed and 50% comes from the image."
    )


@pytest.mark.slow
def test_a_source_that_does_not_show_is_not_called_nothing():
    said = variance_line(outlook(0, 0.4, 0.6), DICE, "image")
    assert "33% comes from both together, as each seed errs on other images (" in said
    assert "; the seed alone does not show." in said
    assert (
        "other groups of images (more of either helps); the seed and the group of images alone do not"
        in variance_line(outlook(0, 0, 1), DICE, "group of images")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "said"),
    [
        # The figures of the cardiac experiments: what more images could not do, two more seeds do.
        ((0.0095**2, 0.008**2, 0.04**2), "More seeds would help more than more images: 6 seeds would find 0.0"),
        ((0, 0.03**2, 0.001**2), "More images would help more than more seeds: 6 seeds would find 0.0"),
    ],
)
def test_what_would_help_is_said(sources, said):
    assert said in variance_line(outlook(*sources), DICE, "image")


@pytest.mark.slow
def test_what_would_be_found_has_one_digit_and_a_range():
    said = found_line(outlook(0.01**2, 0.01**2, 0.02**2), DICE)
    assert re.fullmatch(
        r"An experiment like this notices a true difference of 0\.0\d in 80 % of cases \(estimated: 0\.0\d to 0\.\d+\)\.",
        said,
    )
    assert found_line(outlook(1, 1, 1, (2, 4)), DICE).startswith("An experiment like this notices no difference")


@pytest.mark.slow
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
