import pytest
import torch
from equations import Layers, pool, randomised
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.models import AttentionUNet, UNet

# -- an implementation of its own, from the papers' equations; tensors are taken by name --------------------------


class Equations(Layers):
    """U-Net (arXiv 1505.04597) and its attention gates (arXiv 1804.03999, eq. 1 and 2), written as formulas."""

    def __init__(self, network, depth):
        super().__init__(network)
        self.depth = depth

    def up(self, x, name):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return self.norm(self.conv(x, f"{name}.1"), f"{name}.2").clamp(min=0)

    def gate(self, x, g, name):
        q = self.norm(self.conv(x, f"{name}.skip.0"), f"{name}.skip.1")
        q = q + self.norm(self.conv(g, f"{name}.gating.0"), f"{name}.gating.1")
        q = self.norm(self.conv(q.clamp(min=0), f"{name}.psi.0"), f"{name}.psi.1")
        return x / (1 + torch.exp(-q))

    def __call__(self, x, attention):
        skips = []
        for level in range(self.depth):
            x = self.double(pool(x, 2) if level else x, f"encoder.levels.{level}")
            skips.append(x)
        for step, skip in enumerate(reversed(skips[:-1])):
            x = self.up(x, f"ups.{step}")
            if attention:
                skip = self.gate(skip, x, f"gates.{step}")
            x = self.double(torch.cat([skip, x], dim=1), f"blocks.{step}")
        return self.conv(x, "head")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [UNet, AttentionUNet])
def test_outputs_agree_with_the_papers_equations(kind, training):
    torch.manual_seed(0)
    network = randomised(kind(3, 2, width=4, depth=4)).train(training)
    image = torch.randn(2, 3, 24, 40, dtype=torch.float64)
    expected = Equations(network, 4)(image, kind is AttentionUNet)
    torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "weights"), [(UNet, 34_527_041), (AttentionUNet, 34_878_573)])
def test_weight_counts_are_the_published_ones(kind, weights):
    with torch.device("meta"):
        network = kind(3, 1)
    assert sum(weight.numel() for weight in network.parameters()) == weights


@examples(15)
@given(
    st.sampled_from([UNet, AttentionUNet]),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_any_channels_width_depth_and_size(kind, channels, classes, width, depth, rows, columns):
    network = kind(channels, classes, width=width, depth=depth)
    size = (rows * network.stride, columns * network.stride)
    assert network.stride == 2 ** (depth - 1)
    logits = network.eval()(torch.randn(2, channels, *size))
    assert logits.shape == (2, classes, *size)


@pytest.mark.parametrize("kind", [UNet, AttentionUNet])
def test_the_gradient_reaches_every_weight(kind):
    torch.manual_seed(0)
    network = kind(1, 2, width=4, depth=3)
    network(torch.randn(4, 1, 16, 16)).square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        # A bias in front of batch normalisation has no effect; all others must feel the loss.
        normalised = name.endswith(".bias") and not name.startswith("head") and weight.dim() == 1
        assert normalised or weight.grad.abs().sum() > 0, name


def test_head_and_encoder_are_what_fine_tuning_takes_them_for():
    network = AttentionUNet(3, 1, width=4)
    names = [name for name, _ in network.named_parameters()]
    assert [name for name in names if name.startswith("head.")] == ["head.weight", "head.bias"]
    encoder = [name for name in names if name.startswith("encoder.")]
    assert len(encoder) == 5 * 8
    assert network.head.kernel_size == (1, 1)


@pytest.mark.parametrize(
    ("argument", "value"), [("width", 0), ("width", 1.5), ("depth", 0), ("in_channels", -1), ("out_channels", 0)]
)
def test_impossible_numbers_are_refused(argument, value):
    arguments = {"in_channels": 1, "out_channels": 1} | {argument: value}
    with pytest.raises(ValueError, match=f"{argument} must be a positive integer, got {value}"):
        UNet(**arguments)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [UNet, AttentionUNet])
@pytest.mark.parametrize(("channels", "classes", "width", "depth"), [(1, 4, 3, 2), (2, 2, 1, 3), (3, 5, 2, 1)])
def test_the_equations_hold_for_other_channels_widths_and_depths(kind, channels, classes, width, depth, training):
    torch.manual_seed(1)
    network = randomised(kind(channels, classes, width=width, depth=depth)).train(training)
    image = torch.randn(3, channels, 2 * network.stride, 3 * network.stride, dtype=torch.float64)
    expected = Equations(network, depth)(image, kind is AttentionUNet)
    torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


def test_gates_stand_deepest_first_with_half_the_filters_inside():
    network = AttentionUNet(1, 1, width=3, depth=4)
    assert [gate.skip[0].in_channels for gate in network.gates] == [12, 6, 3]
    assert [gate.gating[0].in_channels for gate in network.gates] == [12, 6, 3]
    assert [gate.skip[0].out_channels for gate in network.gates] == [6, 3, 1]
    assert [gate.psi[0].in_channels for gate in network.gates] == [6, 3, 1]
    assert all(gate.psi[0].out_channels == 1 for gate in network.gates)


def test_make_gates_is_asked_for_the_filters_deepest_first_and_gates_see_skip_then_decoder():
    seen = []

    class Gate(torch.nn.Module):
        def forward(self, skip, gating):
            seen.append((tuple(skip.shape), tuple(gating.shape)))
            return skip

    class Recorder(UNet):
        def make_gates(self, filters):
            self.asked = filters
            return torch.nn.ModuleList(Gate() for _ in filters)

    torch.manual_seed(0)
    network = Recorder(1, 1, width=2, depth=4).eval()
    assert network.asked == [8, 4, 2]
    image = torch.randn(1, 1, 16, 8)
    logits = network(image)
    sizes = [(1, 8, 4, 2), (1, 4, 8, 4), (1, 2, 16, 8)]
    assert seen == [(size, size) for size in sizes]
    plain = UNet(1, 1, width=2, depth=4).eval()
    plain.load_state_dict(network.state_dict())
    assert torch.equal(plain(image), logits)


def test_a_plain_u_net_has_no_gates_and_shares_every_other_name():
    plain = {name: value.shape for name, value in UNet(2, 3, width=2, depth=3).state_dict().items()}
    gated = {name: value.shape for name, value in AttentionUNet(2, 3, width=2, depth=3).state_dict().items()}
    assert not any(name.startswith("gates.") for name in plain)
    assert {name: shape for name, shape in gated.items() if not name.startswith("gates.")} == plain


def test_a_closed_gate_shuts_the_skip_connection_out():
    torch.manual_seed(0)
    network = AttentionUNet(1, 2, width=2, depth=2).eval()
    with torch.no_grad():
        network.gates[0].psi[1].bias.fill_(-1e4)  # alpha = 0 everywhere
        image = torch.randn(1, 1, 4, 4)
        below = network.ups[0](network.encoder(image)[1])
        expected = network.head(network.blocks[0](torch.cat([torch.zeros(1, 2, 4, 4), below], dim=1)))
        torch.testing.assert_close(network(image), expected)


@examples(10)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
def test_the_encoder_gives_every_level_with_its_filters(channels, width, depth):
    network = UNet(channels, 1, width=width, depth=depth)
    side = network.stride
    levels = network.eval().encoder(torch.randn(1, channels, side, 2 * side))
    assert [tuple(level.shape) for level in levels] == [
        (1, width * 2**i, side // 2**i, 2 * side // 2**i) for i in range(depth)
    ]
    assert network.head.weight.shape == (1, width, 1, 1)


@pytest.mark.parametrize("argument", ["in_channels", "out_channels", "width", "depth"])
@pytest.mark.parametrize("value", [0, -3, 2.0, "4", None])
@pytest.mark.parametrize("kind", [UNet, AttentionUNet])
def test_every_argument_must_be_a_positive_integer(kind, argument, value):
    arguments = {"in_channels": 1, "out_channels": 1, "width": 2, "depth": 2} | {argument: value}
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got {value}$"):
        kind(**arguments)


@pytest.mark.parametrize("kind", [UNet, AttentionUNet])
def test_with_fixed_statistics_the_gradient_reaches_every_weight_and_bias_without_exception(kind):
    torch.manual_seed(0)
    network = randomised(kind(2, 3, width=4, depth=3)).eval()  # no batch statistics that would cancel a bias
    network(torch.randn(2, 2, 16, 16, dtype=torch.float64)).square().mean().backward()
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name
