"""In what two jobs of a sweep differ."""

import pytest
from omegaconf import OmegaConf

from segbench.sweep.difference import difference


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
