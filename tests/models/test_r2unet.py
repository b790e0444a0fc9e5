import pytest
import torch
from equations import Layers, assert_gradient_everywhere, pool, randomised, weights
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.models import AttentionUNet, R2AttentionUNet, R2UNet, UNet
from segbench.models.r2unet import RecurrentConv


class Equations(Layers):
    """The recurrence unrolled by hand; tensors are taken by name."""

    shared = False

    def recurrent(self, x, name, t):
        kernel, bias = self.w[f"{name}.0.weight"], self.w[f"{name}.0.bias"]
        state = torch.zeros_like(x)
        for step in range(t + 1):
            columns = torch.nn.functional.unfold(x + state, 3, padding=1)
            state = (kernel.flatten(1) @ columns).unflatten(2, x.shape[2:]) + bias[:, None, None]
            own = f"{name}.later.{step - 1}" if step and not self.shared else f"{name}.1"
            state = self.norm(state, own).clamp(min=0)
        return state

    def block(self, x, name, t, residual):
        x = self.conv(x, f"{name}.project")
        result = self.recurrent(self.recurrent(x, f"{name}.recurrent.0", t), f"{name}.recurrent.1", t)
        return x + result if residual else result

    def gate(self, x, g, name):
        q = self.norm(self.conv(x, f"{name}.skip.0"), f"{name}.skip.1")
        q = q + self.norm(self.conv(g, f"{name}.gating.0"), f"{name}.gating.1")
        return x / (1 + torch.exp(-self.norm(self.conv(q.clamp(min=0), f"{name}.psi.0"), f"{name}.psi.1")))

    def __call__(self, x, depth, t, residual, attention):
        skips = []
        for level in range(depth):
            x = self.block(pool(x, 2) if level else x, f"encoder.levels.{level}", t, residual)
            skips.append(x)
        for step, skip in enumerate(reversed(skips[:-1])):
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            x = self.norm(self.conv(x, f"ups.{step}.1"), f"ups.{step}.2").clamp(min=0)
            skip = self.gate(skip, x, f"gates.{step}") if attention else skip
            x = self.block(torch.cat([skip, x], dim=1), f"blocks.{step}", t, residual)
        return self.conv(x, "head")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [(R2UNet, 39_091_393), (R2AttentionUNet, 39_442_925)])
@pytest.mark.parametrize(("t", "residual"), [(2, True), (2, False), (0, True), (5, True)])
def test_weight_counts_are_the_published_ones_whatever_the_recurrence(kind, count, t, residual):
    with torch.device("meta"):
        assert weights(kind(3, 1, t=t, residual=residual)) == count


def test_gates_cost_what_they_cost_the_attention_u_net():
    with torch.device("meta"):
        assert weights(R2AttentionUNet(3, 1)) - weights(R2UNet(3, 1)) == weights(AttentionUNet(3, 1)) - weights(
            UNet(3, 1)
        )


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [R2UNet, R2AttentionUNet])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("t", "residual"), [(2, True), (2, False), (0, True), (1, False)])
def test_outputs_agree_with_the_recurrence_unrolled(kind, t, residual, training, shared):
    torch.manual_seed(0)
    network = kind(3, 2, width=4, depth=3, t=t, residual=residual, shared_statistics=shared)
    network = randomised(network).train(training)
    image = torch.randn(2, 3, 12, 20, dtype=torch.float64)
    equations = Equations(network)
    equations.shared = shared
    expected = equations(image, 3, t, residual, kind is R2AttentionUNet)
    torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


def test_each_step_keeps_the_statistics_of_what_it_normalises():
    torch.manual_seed(0)
    layer, x = RecurrentConv(3, t=2).double(), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    for norm in (layer[1], *layer.later):
        norm.momentum = 1.0
    with torch.no_grad():
        layer[1].weight.uniform_(0.5, 2)
        layer[1].bias.uniform_(-1, 1)
    trained = layer(x)
    conv, state = layer[0], 0
    for norm in (layer[1], *layer.later):
        inner = conv(x + state)
        torch.testing.assert_close(norm.running_mean, inner.mean(dim=(0, 2, 3)))
        torch.testing.assert_close(norm.running_var, inner.var(dim=(0, 2, 3)))
        state = torch.nn.functional.batch_norm(inner, None, None, layer[1].weight, layer[1].bias, True).clamp(min=0)
        assert norm.weight is layer[1].weight
        assert norm.bias is layer[1].bias
    # So a network in evaluation is the one that was trained, but for the variance's n - 1.
    torch.testing.assert_close(layer.eval()(x), trained, rtol=0.1, atol=0.05)


def test_statistics_can_be_shared_by_all_steps_of_the_recurrence():
    torch.manual_seed(0)
    layer, x = RecurrentConv(3, t=2, shared_statistics=True).double(), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    conv, mean, state = layer[0], torch.zeros(3, dtype=torch.float64), 0
    for _ in range(3):
        inner = conv(x + state)
        mean = 0.9 * mean + 0.1 * inner.mean(dim=(0, 2, 3))
        state = torch.nn.functional.batch_norm(inner, None, None, training=True).clamp(min=0)
    torch.testing.assert_close(layer(x), state)
    torch.testing.assert_close(layer[1].running_mean, mean)
    assert layer[1].num_batches_tracked == 3


@pytest.mark.parametrize("kind", [R2UNet, R2AttentionUNet])
def test_gradient_reaches_every_weight(kind):
    torch.manual_seed(0)
    network = kind(1, 2, width=4, depth=3)
    assert_gradient_everywhere(network, network(torch.randn(2, 1, 16, 16)))


@examples(10)
@given(
    st.sampled_from([R2UNet, R2AttentionUNet]),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_any_channels_width_depth_and_recurrence(kind, channels, classes, depth, t):
    network = kind(channels, classes, width=2, depth=depth, t=t).eval()
    size = (network.stride, 3 * network.stride)
    assert network(torch.randn(1, channels, *size)).shape == (1, classes, *size)


@pytest.mark.parametrize("t", [-1, 1.5, True, "2"])
def test_an_impossible_recurrence_is_refused(t):
    with pytest.raises(ValueError, match=f"^t must be an integer, 0 or more, got {t}$"):
        R2UNet(1, 1, t=t)
    with pytest.raises(ValueError, match="^width must be a positive integer, got 0$"):
        R2UNet(1, 1, width=0)


@pytest.mark.slow
def test_the_configurations_differ_in_what_their_names_say(compose):
    full, plain, gated = (compose(f"model={name}").model for name in ("r2unet", "runet", "r2attunet"))
    assert (full.t, full.residual, plain.residual, gated.residual) == (2, True, False, True)
    assert full._target_ == plain._target_ != gated._target_
