"""In what two jobs of a sweep differ."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from segbench.sweep.difference import difference, next_ready


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ({"a": 0.1}, {"a": 1e-1}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, "a.c"),
        ({"scores": {}}, {"scores": {"hd95": {"_target_": "x"}}}, "scores"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a"),
        ({"a": 1, "hydra": {"job": {"num": 0}}}, {"a": 1, "hydra": {"job": {"num": 1}}}, None),
    ],
)
def test_the_first_key_with_another_value_is_named(one, other, key):
    assert difference(OmegaConf.create(one), OmegaConf.create(other)) == key


def test_a_job_waits_for_the_one_that_trains_its_weights():
    def job(seed, tta, window=None):
        return SimpleNamespace(config=OmegaConf.create({"seed": seed, "predict": {"tta": tta, "window": window}}))

    plain, flips, other, windows = job(0, None), job(0, "flips"), job(1, "flips"), job(0, "flips", [8, 8])
    assert next_ready([plain, flips], []) is plain
    assert next_ready([flips, other], [plain]) is other
    assert next_ready([flips, windows], [plain]) is windows
    assert next_ready([flips], [plain]) is None
    assert next_ready([], [plain]) is None
