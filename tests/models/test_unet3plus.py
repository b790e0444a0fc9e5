import pytest
import torch
from equations import Layers, assert_gradient_everywhere, bilinear, pool, randomised, weights

from segbench.models import TrainingOutputs, UNet3Plus


def paper(layers, image):
    """Huang et al. 2020, equation 1, one stage after the other; returns logits and the features of all stages."""
    encoder = [layers.double(image, "encoder.levels.0")]
    for level in range(1, 5):
        encoder.append(layers.double(pool(encoder[-1], 2), f"encoder.levels.{level}"))
    decoder = {4: encoder[4]}
    for i in (3, 2, 1, 0):
        height, width = encoder[i].shape[2:]
        parts = []
        for k in range(5):
            if k < i:
                x = pool(encoder[k], 2 ** (i - k))
            elif k == i:
                x = encoder[i]
            else:
                x = bilinear(decoder[k], height, width)
            parts.append(layers.unit(x, f"nodes.{i}.sources.{k}"))
        decoder[i] = layers.unit(torch.cat(parts, dim=1), f"nodes.{i}.mix")
    return layers.conv(decoder[0], "head"), decoder


@pytest.mark.parametrize("training", [True, False])
def test_outputs_agree_with_the_paper_s_equation(training):
    torch.manual_seed(0)
    network = randomised(UNet3Plus(2, 3, width=2)).train(training)
    layers, image = Layers(network), torch.randn(2, 2, 32, 48, dtype=torch.float64)
    torch.testing.assert_close(network(image), paper(layers, image)[0], rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_weights_are_those_of_the_paper():
    # Table 1 of the paper: 26.97 M.
    assert weights(UNet3Plus(3, 1)) == 26_971_777
    assert round(26_971_777 / 1e6, 2) == 26.97


def test_gradient_reaches_every_weight_with_and_without_options():
    torch.manual_seed(0)
    plain = UNet3Plus(1, 4, width=2)
    assert_gradient_everywhere(plain, plain(torch.randn(2, 1, 32, 48)))
    full = UNet3Plus(1, 4, width=2, deep_supervision=True, classification=True)
    outputs = full(torch.randn(2, 1, 32, 48))
    everything = [outputs.logits, *outputs.side_logits, outputs.presence]
    assert_gradient_everywhere(full, torch.cat([part.flatten() for part in everything]))


def test_side_outputs_are_those_of_the_inner_stages():
    torch.manual_seed(0)
    network = randomised(UNet3Plus(1, 3, width=2, deep_supervision=True)).train()
    layers, image = Layers(network), torch.randn(2, 1, 32, 48, dtype=torch.float64)
    outputs = network(image)
    logits, stages = paper(layers, image)
    assert isinstance(outputs, TrainingOutputs)
    torch.testing.assert_close(outputs.logits, logits, rtol=1e-8, atol=1e-8)
    for index, side in enumerate(outputs.side_logits):
        expected = bilinear(layers.conv(stages[index + 1], f"side_heads.{index}"), 32, 48)
        torch.testing.assert_close(side, expected, rtol=1e-8, atol=1e-8)
    assert len(outputs.side_logits) == 4
    assert isinstance(network.eval()(image), torch.Tensor)


@pytest.mark.parametrize("classes", [1, 4])
def test_a_class_called_absent_is_taken_out_in_evaluation_only(classes):
    torch.manual_seed(0)
    network = UNet3Plus(1, classes, width=2, classification=True).eval()
    image = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        network.presence[1].weight.zero_()
        network.presence[1].bias.fill_(1.0)
        present = network(image)
        network.presence[1].bias[-1] = -1.0
        absent = network(image)
    torch.testing.assert_close(absent[:, :-1], present[:, :-1])
    torch.testing.assert_close(absent[:, -1], present[:, -1] - 20)
    outputs = network.train()(image)
    assert outputs.presence.shape == (2, max(classes - 1, 1))
    assert outputs.side_logits == ()


@pytest.mark.parametrize("width", [0, -1, 2.0, True])
def test_impossible_widths_are_refused(width):
    with pytest.raises(ValueError, match=f"^width must be a positive integer, got {width}$"):
        UNet3Plus(1, 1, width=width)
