"""Networks: (B,C,H,W) images to (B,K,H,W) logits, with no knowledge of data, loss or Lightning."""

from segbench.models.unet import AttentionUNet, UNet
from segbench.models.unet_cardiac import CardiacUNet

__all__ = ["AttentionUNet", "CardiacUNet", "UNet"]
