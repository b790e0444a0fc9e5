"""A step over several batches is that over all their images at once, also where the epoch cuts it short."""

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from segbench.callbacks import Curves
from segbench.data.loader import EpochOrder, ReplayLoader, progress_of, steps_of
from segbench.losses import CrossEntropy
from segbench.tasks import ClassificationTask
from segbench.trainer import quiet_lightning

RATE, SEED = 0.5, 3


class Points(Dataset):
    """Images of 2x2 pixels in three classes."""

    def __init__(self, length):
        chance = torch.Generator().manual_seed(length)
        self.images = torch.rand(length, 1, 2, 2, generator=chance)
        self.labels = torch.randint(3, (length,), generator=chance)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, draw):
        return {"image": self.images[draw.item], "label": self.labels[draw.item], "id": str(draw.item)}


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


class Logged(pl.loggers.logger.DummyLogger):
    def __init__(self):
        super().__init__()
        self.losses = {}

    def log_metrics(self, metrics, step=None):
        if "train/loss_step" in metrics:
            assert step not in self.losses
            self.losses[step] = metrics["train/loss_step"]


def trained(points, batch_size, together, limit, epochs, folder):
    """Train as a run does; return the weights, the number of steps and the loss of each that was logged."""
    quiet_lightning()
    task = ClassificationTask(
        linear(), CrossEntropy(), lambda weights: torch.optim.SGD(weights, lr=RATE), None, ("a", "b", "c")
    )
    logged = Logged()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=[logged],
        callbacks=[Curves(folder / "metrics.csv", log_every_n_steps=1)],
        accumulate_grad_batches=together,
        limit_train_batches=limit,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = ReplayLoader(points, batch_size, SEED, lambda: progress_of(trainer), steps_of(trainer))
    trainer.fit(task, loader)
    return task.network[1].weight.detach(), trainer.global_step, logged.losses


def by_hand(points, batch_size, together, limit, epochs):
    """Descend along the mean gradient over the images of each step."""
    network, losses = linear(), []
    steps = limit if isinstance(limit, int) else None
    for epoch in range(epochs):
        batches = [indices for indices, _ in EpochOrder(len(points), batch_size, SEED, steps).batches(epoch, 0)]
        if isinstance(limit, float):
            batches = batches[: int(len(batches) * limit)]
        for first in range(0, len(batches), together):
            images = [int(index) for batch in batches[first : first + together] for index in batch]
            loss = functional.cross_entropy(network(points.images[images]), points.labels[images])
            losses.append(loss.item())
            for weight, gradient in zip(
                network.parameters(), torch.autograd.grad(loss, network.parameters()), strict=True
            ):
                weight.data -= RATE * gradient
    return network[1].weight.detach(), losses


def assert_as_by_hand(folder, *arguments):
    weight, steps, losses = trained(*arguments, folder)
    expected, expected_losses = by_hand(*arguments)
    torch.testing.assert_close(weight, expected, rtol=2e-6, atol=2e-6)
    assert list(losses) == list(range(1, steps + 1))
    assert list(losses.values()) == pytest.approx(expected_losses, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "batch_size", "together", "limit"),
    [
        pytest.param(12, 4, 4, None, id="3 of 4 batches"),
        pytest.param(10, 4, 3, None, id="a last batch of half the size"),
        pytest.param(13, 4, 2, 3, id="a limit that cuts a step short"),
        pytest.param(20, 4, 2, 0.61, id="a share that does"),
        pytest.param(5, 3, 4, 7, id="more batches than one pass has"),
        pytest.param(6, 6, 4, None, id="all images at once"),
    ],
)
def test_a_step_is_the_mean_over_its_images(tmp_path, length, batch_size, together, limit):
    assert_as_by_hand(tmp_path, Points(length), batch_size, together, limit, 2)


@pytest.mark.slow
@examples(20)
@given(st.integers(1, 14), st.integers(1, 5), st.integers(1, 5), st.one_of(st.none(), st.integers(1, 9)))
def test_whatever_the_numbers(tmp_path_factory, length, batch_size, together, limit):
    assert_as_by_hand(tmp_path_factory.mktemp("run"), Points(length), batch_size, together, limit, 2)


def test_full_batches_keep_lightning_s_bits(tmp_path):
    # A third of a loss is not exact: another order of the same operations would show.
    points = Points(9)
    found, _, _ = trained(points, 1, 3, None, 2, tmp_path)
    network = linear()
    for epoch in range(2):
        order = [int(index[0]) for index, _ in EpochOrder(9, 1, SEED).batches(epoch, 0)]
        for first in range(0, 9, 3):
            network.zero_grad()
            for index in order[first : first + 3]:
                image, label = points.images[index : index + 1], points.labels[index : index + 1]
                (functional.cross_entropy(network(image), label) / 3).backward()
            for weight in network.parameters():
                weight.data.add_(weight.grad, alpha=-RATE)
    assert torch.equal(found, network[1].weight)


def test_one_batch_a_step_has_its_own_mean_however_few_images(tmp_path):
    assert_as_by_hand(tmp_path, Points(5), 4, 1, None, 2)
