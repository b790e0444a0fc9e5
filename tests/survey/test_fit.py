"""The score of contours on edges, and the search for a better place, against slow and simple ones."""

import numpy as np
import pytest
from tests.survey import planted

from segbench.masks import MaskKey
from segbench.survey import fit

KEY = MaskKey(("background", "disc", "bar"))


def edges_of(image):
    return fit.image_edges((image / 255).astype(np.float32)[..., None])


def slow_score(edges, tensors, rows, columns):
    """The mean over the shifted contours that are inside, pixel by pixel."""
    height, width = edges.shape[1:]
    found = weight = 0.0
    for row in range(max(0, -rows), min(height, height - rows)):
        for column in range(max(0, -columns), min(width, width - columns)):
            normal, edge = tensors[:, row, column], edges[:, row + rows, column + columns]
            found += normal[0] * edge[0] + 2 * normal[1] * edge[1] + normal[2] * edge[2]
            weight += normal[0] + normal[2]
    mean, total = edges.mean(axis=(1, 2)), tensors.sum(axis=(1, 2))
    chance = (mean[0] * total[0] + 2 * mean[1] * total[1] + mean[2] * total[2]) / (total[0] + total[2])
    return found / weight - chance, weight / (total[0] + total[2])


def test_the_best_shift_is_that_of_a_search_place_by_place():
    image, mask = planted.scene(5)
    image, mask = image[20:48, 30:62], np.roll(mask[20:48, 30:62], (2, -3), (0, 1))
    edges, contours = edges_of(image), fit.mask_contours(mask, KEY)
    assert fit.score(edges, contours) == pytest.approx(slow_score(edges, contours.tensors, 0, 0)[0], abs=1e-5)
    best = fit.best_shift(edges, contours, reach=5 / 32)
    scores = {}
    for rows in range(-5, 6):
        for columns in range(-5, 6):
            value, inside = slow_score(edges, contours.tensors, rows, columns)
            scores[rows, columns] = value if inside >= 0.6 else -1
    assert (best.rows, best.columns) == max(scores, key=scores.__getitem__)
    assert best.score == pytest.approx(max(scores.values()), abs=1e-4)


@pytest.mark.parametrize("offset", [(0, 0), (9, -12), (-7, 3)])
def test_a_mask_comes_back_by_the_way_it_went(offset):
    image, mask = planted.scene(3)
    moved = np.roll(mask, offset, (0, 1))
    best = fit.best_shift(edges_of(image), fit.mask_contours(moved, KEY))
    assert (best.rows, best.columns) == (-offset[0], -offset[1])
    assert best.margin > 0.4 * best.score


def test_noise_has_a_score_about_0_whatever_its_texture():
    chance = np.random.default_rng(1)
    scores = []
    for number in range(20):
        noise = chance.integers(0, 255, (96, 96)).astype(np.uint8)
        scores.append(fit.score(edges_of(noise), fit.mask_contours(planted.scene(number)[1], KEY)))
    assert abs(np.mean(scores)) < 0.03


def test_ignored_pixels_have_no_contours():
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 255
    assert fit.mask_contours(mask, KEY).length == 0
    assert np.isnan(fit.score(edges_of(mask), fit.mask_contours(mask, KEY)))


@pytest.mark.parametrize("turn", fit.TURNS)
def test_each_way_to_turn_a_mask_is_another(turn):
    mask = planted.scene(2)[1]
    others = [fit.turned(mask, other) for other in fit.TURNS if other != turn]
    assert not any(np.array_equal(fit.turned(mask, turn), other) for other in [mask, *others])
