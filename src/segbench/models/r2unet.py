"""Recurrent U-Nets: RU-Net, R2U-Net and R2-Attention U-Net."""

from __future__ import annotations

from torch import Tensor, nn

from segbench.models.unet import AttentionUNet, UNet


class RecurrentConv(nn.Sequential):
    """One 3x3 convolution with batch normalisation and ReLU, applied t + 1 times; (B,C,H,W) to (B,C,H,W).

        h_0 = f(x),  h_i = f(x + h_{i-1}) for i = 1..t,  result h_t

    after Alom et al. 2018 (arXiv 1802.06955), equations 1 and 2, and Liang and Hu, "Recurrent Convolutional Neural
    Network for Object Recognition", CVPR 2015. The paper filters input and state with two kernels; here one kernel
    filters their sum, as in the code that most comparisons use and as the published parameter count implies. All steps
    share the parameters of f, including batch normalisation's scale and shift, but each step has its own running
    statistics, after Cooijmans et al., "Recurrent Batch Normalization", ICLR 2017 (arXiv 1603.09025). In training every
    step is normalised by its own batch statistics; with one shared running mean and variance, as in the code that most
    comparisons use, evaluation would normalise every step by a mixture of all of them. Training is the same either way;
    results/cityscapes.md shows what sharing costs in evaluation.

    Args:
        channels: Channels in and out.
        t: Number of recurrent steps; 0 is a plain convolution.
        shared_statistics: Whether all steps share one running mean and variance.
    """

    def __init__(self, channels: int, t: int, shared_statistics: bool = False) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        self.t = t
        # The first step's normalisation is in the sequence; later steps share its scale and shift.
        self.later = nn.ModuleList(() if shared_statistics else [nn.BatchNorm2d(channels) for _ in range(t)])
        for norm in self.later:
            norm.weight, norm.bias = self[1].weight, self[1].bias

    def forward(self, x: Tensor) -> Tensor:
        """Return h_t."""
        convolution, first, activation = self[0], self[1], self[2]
        state = activation(first(convolution(x)))
        for norm in self.later or [first] * self.t:
            state = activation(norm(convolution(x + state)))
        return state


class RecurrentBlock(nn.Module):
    """1x1 convolution to the block's channels and two :class:`RecurrentConv`; (B,in,H,W) to (B,out,H,W).

    With the residual, the output of the 1x1 convolution is added to the result: Alom et al. 2018, equation 3. Without,
    the 1x1 convolution only changes the number of channels, so both variants have the same number of parameters.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        t: See :class:`RecurrentConv`.
        residual: Whether to add the residual.
        shared_statistics: See :class:`RecurrentConv`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, t: int, residual: bool, shared_statistics: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        self.project = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.recurrent = nn.Sequential(*(RecurrentConv(out_channels, t, shared_statistics) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of the block."""
        x = self.project(x)
        return x + self.recurrent(x) if self.residual else self.recurrent(x)


class R2UNet(UNet):
    """R2U-Net: a U-Net of recurrent residual blocks; 39,091,393 parameters at width 64 for 3 channels and 1 logit.

    Alom et al., "Recurrent Residual Convolutional Neural Network based on U-Net (R2U-Net) for Medical Image
    Segmentation", 2018 (arXiv 1802.06955).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first level; each level below doubles them. 64 is the paper's.
        depth: Number of levels, including the lowest. 5 is the paper's.
        t: Recurrent steps of each convolution, 0 or more. 2 is the paper's.
        residual: Whether blocks add their input; without it this is the RU-Net, with as many parameters.
        shared_statistics: Whether all recurrent steps share each batch normalisation's running mean and variance, as in
            the code that most comparisons use; by default each step has its own.
        checkpointing: Recompute each block's activations in the backward pass instead of storing them: the same
            training with less memory and more time.

    Attributes are those of :class:`UNet`.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        depth: int = 5,
        t: int = 2,
        residual: bool = True,
        shared_statistics: bool = False,
        checkpointing: bool = False,
    ) -> None:
        if isinstance(t, bool) or not isinstance(t, int) or t < 0:
            raise ValueError(f"t must be an integer, 0 or more, got {t}")
        self.t, self.residual, self.shared_statistics = t, residual, shared_statistics  # what make_block needs
        super().__init__(in_channels, out_channels, width, depth, checkpointing)

    def make_block(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a recurrent block."""
        return RecurrentBlock(in_channels, out_channels, self.t, self.residual, self.shared_statistics)


class R2AttentionUNet(R2UNet, AttentionUNet):
    """R2U-Net with attention gates on its skips; 39,442,925 parameters at width 64 for 3 channels and 1 logit.

    The gates are those of :class:`segbench.models.AttentionUNet`: Oktay et al. 2018 (arXiv 1804.03999).

    Args, attributes and errors are those of :class:`R2UNet`.
    """
