"""Batches that a network cannot be trained on are refused before the first."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import nn

from segbench.data.loader import EpochOrder, images_per_batch
from segbench.errors import ConfigError
from segbench.models import UNet
from segbench.tasks import SegmentationTask
from segbench.tasks.batches import check_batches


def network(size):
    """Batch normalisation over one value per channel of each image of this size, behind a dropout."""
    return nn.Sequential(nn.Conv2d(1, 2, size), nn.Dropout(0.5), nn.BatchNorm2d(2)).train()


def settings(batch_size, limit=None):
    trainer = {"limit_train_batches": limit, "devices": 1, "num_nodes": 1, "sync_batchnorm": True}
    return OmegaConf.create({"data": {"batch_size": batch_size}, "trainer": trainer})


def images_of(number, batch_size, size=8):
    dataset = [None] * number
    return SimpleNamespace(
        datasets={"train": dataset},
        in_channels=1,
        images_per_batch=lambda dataset: images_per_batch(batch_size, dataset),
        trained_size=lambda: (size, size),
    )


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    number=st.integers(1, 20),
    batch_size=st.integers(1, 20) | st.just("all"),
    limit=st.none() | st.integers(1, 20) | st.floats(0.01, 1),
)
def test_a_lone_image_is_refused_exactly_where_an_epoch_has_a_batch_of_one(number, batch_size, limit):
    size = images_per_batch(batch_size, [None] * number)
    order = EpochOrder(number, size, seed=0, steps=limit if isinstance(limit, int) else None)
    lengths = [len(indices) for indices, _ in order.batches(0, 0)]
    if isinstance(limit, float):
        lengths = lengths[: int(len(lengths) * limit)]  # as Lightning does
    cfg, data = settings(batch_size, limit), images_of(number, batch_size)
    if not lengths:
        with pytest.raises(ConfigError, match="is less than one batch of an epoch's") as refused:
            check_batches(cfg, network(8), data)
        share = float(str(refused.value).partition("; set ")[2].partition(" ")[0])
        assert int(-(-number // size) * share) >= 1
    elif 1 in lengths:
        with pytest.raises(ConfigError, match="batch normalisation sees a single value per channel"):
            check_batches(cfg, network(8), data)
    else:
        check_batches(cfg, network(8), data)
    if lengths:
        check_batches(cfg, network(3), data)


@pytest.mark.parametrize(
    ("number", "batch_size", "said"),
    [
        (6, 5, "data.batch_size=5: of the 6 training images one is a batch by itself, and of one image of 8x8"),
        (6, 5, "set data.batch_size=4 or a larger data.size"),
        (6, 1, "set data.batch_size=2 or a larger data.size"),
        (1, "all", "set a larger data.size"),
    ],
)
def test_the_refusal_names_a_size_of_batches_that_leaves_no_image_alone(number, batch_size, said):
    with pytest.raises(ConfigError, match=said):
        check_batches(settings(batch_size), network(8), images_of(number, batch_size))


def test_the_question_changes_neither_statistics_nor_random_numbers():
    asked = network(3)
    before, state = {name: value.clone() for name, value in asked.state_dict().items()}, torch.get_rng_state()
    check_batches(settings(1), asked, images_of(6, 1))
    assert all(torch.equal(value, before[name]) for name, value in asked.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_lone_image_of_any_size_is_padded_as_in_training():
    names = ("background", "cell")
    task = SegmentationTask(UNet(1, 2, width=2), nn.Identity(), optimizer=None, scheduler=None, class_names=names)
    check_batches(settings(1), task.train(), images_of(6, 1, size=41))
