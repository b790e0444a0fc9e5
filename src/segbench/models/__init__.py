"""Networks: (B,C,H,W) images to (B,K,H,W) logits, with no knowledge of data, loss or Lightning."""

from segbench.models.deeplab import DeepLabV3
from segbench.models.fcn import FCN
from segbench.models.outputs import TrainingOutputs
from segbench.models.r2unet import R2AttentionUNet, R2UNet
from segbench.models.resenc_unet import ResEncUNet
from segbench.models.segnet import SegNet, SegNetASPP
from segbench.models.unet import AttentionUNet, UNet
from segbench.models.unet3plus import UNet3Plus
from segbench.models.unet_cardiac import CardiacUNet
from segbench.models.unet_compressed import UNetCompressed
from segbench.models.unetpp import UNetPlusPlus

__all__ = [
    "FCN",
    "AttentionUNet",
    "CardiacUNet",
    "DeepLabV3",
    "R2AttentionUNet",
    "R2UNet",
    "ResEncUNet",
    "SegNet",
    "SegNetASPP",
    "TrainingOutputs",
    "UNet",
    "UNet3Plus",
    "UNetCompressed",
    "UNetPlusPlus",
]
