"""Layers written as formulas over a state dict: what the networks are compared with."""

import torch
from torch.nn import functional


class Layers:
    """Convolution and normalisation by the names of a state dict; ``training`` chooses batch or running statistics."""

    def __init__(self, network):
        self.w = {name: value.clone() for name, value in network.state_dict().items()}
        self.training = network.training

    def conv(self, x, name, dilation=1, stride=1):
        kernel, bias = self.w[f"{name}.weight"], self.w.get(f"{name}.bias")
        padding = dilation * (kernel.shape[-1] // 2)
        return functional.conv2d(x, kernel, bias, stride=stride, padding=padding, dilation=dilation)

    def norm(self, x, name):
        if self.training:
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), unbiased=False)
        else:
            mean, var = self.w[f"{name}.running_mean"], self.w[f"{name}.running_var"]
        scaled = (x - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]
        return scaled * self.w[f"{name}.weight"][:, None, None] + self.w[f"{name}.bias"][:, None, None]

    def unit(self, x, name, dilation=1):
        return self.norm(self.conv(x, f"{name}.0", dilation), f"{name}.1").clamp(min=0)

    def double(self, x, name):
        x = self.norm(self.conv(x, f"{name}.0"), f"{name}.1").clamp(min=0)
        return self.norm(self.conv(x, f"{name}.3"), f"{name}.4").clamp(min=0)

    def deconv(self, x, name):
        # Kernel as large as the stride: every pixel becomes its own 2x2 block.
        blocks = torch.einsum("bchw,cdij->bdhiwj", x, self.w[f"{name}.weight"])
        return blocks.flatten(4, 5).flatten(2, 3) + self.w[f"{name}.bias"][:, None, None]


def pool(x, size):
    return x.unfold(2, size, size).unfold(3, size, size).flatten(4).max(dim=4).values


def bilinear(x, height, width):
    """Bilinear interpolation with pixel centres at (i + 1/2), by matrices."""

    def matrix(before, after):
        position = ((torch.arange(after, dtype=x.dtype) + 0.5) * before / after - 0.5).clamp(0, before - 1)
        low = position.floor().long()
        high = (low + 1).clamp(max=before - 1)
        result = torch.zeros(after, before, dtype=x.dtype)
        result[torch.arange(after), low] += 1 - (position - low)
        result[torch.arange(after), high] += position - low
        return result

    return matrix(x.shape[2], height) @ x @ matrix(x.shape[3], width).T


def randomised(network):
    """Give batch norm statistics and factors that a mistake would show in; returns it in float64."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.dim() == 1:
            value.copy_(
                torch.rand(value.shape, generator=generator) + (0.5 if "var" in name or "weight" in name else 0)
            )
    return network.double()


def weights(network):
    return sum(weight.numel() for weight in network.parameters())


def assert_gradient_everywhere(network, logits):
    """Every weight takes part; a bias before batch normalisation cannot change a result and is left out."""
    logits.square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.dim() == 1 or weight.grad.abs().sum() > 0, name
