"""A step of several processes has the loss, the gradients and the statistics of the same step of one."""

import pytest
import torch
from tests.spread import spread
from torch import nn

from segbench.errors import ConfigError
from segbench.losses import (
    BCEDice,
    BoundaryCrossEntropy,
    BoundaryLoss,
    CEDice,
    CLDiceLoss,
    CrossEntropy,
    DiceFocal,
    FocalTverskyLoss,
    GeneralisedDiceLoss,
    LovaszLoss,
    OHEMCrossEntropy,
    SmoothedCrossEntropy,
    WeightedCrossEntropy,
)
from segbench.models.deeplab import SingleValueBatchNorm
from segbench.models.over_processes import has_batch_norm, share_batch_norm, share_dropout
from segbench.processes import begin_step, end_step, mean_over_processes, own_share
from segbench.tasks.sharing import share_layers

IMAGES = 5
# All sizes of shares that there are: as many, one more, none at all.
BATCHES = [range(4), range(5), range(1)]
LOSSES = {
    "mean over pixels and over images": CEDice(),
    "focal": DiceFocal(),
    "weights of pixels": BoundaryCrossEntropy(),
    "weights of classes": WeightedCrossEntropy(),
    "overlapping classes": BCEDice(),
}
OTHER_LOSSES = {
    "focal_tversky": FocalTverskyLoss(),
    "generalised_dice": GeneralisedDiceLoss(),
    "lovasz": LovaszLoss(),
    "boundary": BoundaryLoss(),
    "cldice": CLDiceLoss(),
    "smoothed_ce": SmoothedCrossEntropy(),
    "hard pixels": OHEMCrossEntropy(threshold=0.4, kept=0.2),
}


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        SingleValueBatchNorm(6),
        nn.Dropout2d(0.4),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.Dropout(0.3),
        nn.Conv2d(6, 3, 1),
    )


def batch_of(chosen, overlapping):
    """Images of which each has another number of pixels that count."""
    drawn = [torch.Generator().manual_seed(number) for number in chosen]
    shape = (3, 6, 5) if overlapping else (6, 5)
    masks = [torch.randint(0, 2 if overlapping else 3, shape, generator=generator) for generator in drawn]
    for number, mask in zip(chosen, masks, strict=True):
        mask[..., : number + 1, :3] = 255
    return (
        torch.stack([torch.randn(2, 6, 5, generator=generator) for generator in drawn]),
        torch.stack(masks),
        torch.stack([torch.rand(6, 5, generator=generator) for generator in drawn]),
    )


def step(batch, loss):
    """Loss, gradients and statistics after a step, with this process's share of the batch."""
    share, net = own_share(), network()
    if share.count > 1:
        share_dropout(net)
        share_batch_norm(net, cuda=False)
        assert has_batch_norm(network())
    begin_step(len(batch))
    torch.manual_seed(7)
    image, mask, weight = map(share.cut, batch_of(batch, isinstance(loss, BCEDice)))
    value = loss(net.train()(image), mask, weight if isinstance(loss, BoundaryCrossEntropy) else None)
    value.backward()
    end_step()
    gradients = [mean_over_processes(parameter.grad) for parameter in net.parameters()]
    return [mean_over_processes(value), *gradients, *net.buffers()]


def steps(losses):
    for loss in losses:
        loss.prepare(torch.tensor([30, 20, 10]))
    return [step(batch, loss) for loss in losses for batch in BATCHES]


@pytest.mark.parametrize("chosen", [LOSSES, pytest.param(OTHER_LOSSES, marks=pytest.mark.slow)])
def test_losses_gradients_dropout_and_batch_statistics_are_those_of_one_process(tmp_path, chosen):
    losses = list(chosen.values())
    expected = steps(losses)
    for found in spread(tmp_path, steps, losses):
        for one, other in zip(found, expected, strict=True):
            for a, b in zip(one, other, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def classified():
    share, (logits, labels) = (
        own_share(),
        (torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 3),
    )
    begin_step(5)
    return mean_over_processes(CrossEntropy()(share.cut(logits), share.cut(labels)))


@pytest.mark.slow
def test_a_classifier_s_loss_is_that_of_one_process(tmp_path):
    expected = classified()
    end_step()
    for found in spread(tmp_path, classified):
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)


class NormAndActivation(nn.BatchNorm2d):
    """As of other libraries: torch's layer and more."""

    def forward(self, x):
        return super().forward(x).relu()


@pytest.mark.parametrize("cuda", [False, True])
def test_batch_normalisation_that_is_more_than_torch_s_is_refused_and_not_replaced(cuda):
    net = nn.Sequential(nn.Conv2d(1, 2, 1), NormAndActivation(2))
    assert has_batch_norm(net)
    with pytest.raises(ConfigError, match="sync_batchnorm=true: NormAndActivation"):
        share_batch_norm(net, cuda)


def test_on_cards_a_single_value_is_normalised_as_in_one_process():
    net = network()
    share_batch_norm(net, cuda=True)
    assert isinstance(net[1], SingleValueBatchNorm)
    assert isinstance(net[5], nn.SyncBatchNorm)


@pytest.mark.parametrize(("layer", "shared"), [(nn.Dropout(), True), (nn.AlphaDropout(), False)])
def test_a_layer_that_draws_what_is_not_shared_is_noticed(layer, shared):
    task = nn.Module()
    task.network = nn.Sequential(nn.Conv2d(1, 2, 1), layer)
    task.forward = task.network.forward
    share_layers(task, torch.zeros(1, 1, 2, 2), statistics=True, cuda=False)
    assert task.shares_draws == shared
