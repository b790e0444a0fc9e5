"""A training step against the reference that is commonly copied: ``python -m benchmarks.reference``.

The reference is U-Net or Attention U-Net by their equations, upsampled and then convolved, in the loop that is commonly
copied (:func:`benchmarks.steps.copied_step`). Its steps take turns with those of segbench in Lightning, with default
logging, and with bare ones of the same network, in channels_last memory too, in float32 and in bfloat16. Medians of CPU
time, one thread.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.steps import WARM_UP, Generated, bare_step, compare, copied_step
from segbench.callbacks.cost import device_name
from segbench.environment import processor_has_bfloat16
from segbench.losses import BinaryCrossEntropy
from segbench.models import AttentionUNet, UNet
from segbench.models.upconvolution import as_defined
from segbench.trainer import quiet_lightning

NETWORKS = {"U-Net": UNet, "Attention U-Net": AttentionUNet}


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("width", 64), ("side", 224), ("images", 2), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(1)
    quiet_lightning()
    sizes = f"width {options.width}, {options.images} images of {options.side}x{options.side}"
    print(f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}, {sizes}, {options.steps} steps")
    for name in NETWORKS:
        taken = measure(name, options.width, options.side, options.images, options.steps, ("channels_last", "bf16"))
        copied = taken.pop("copied")
        ratios = [f"{_WORDS[way]} {copied / seconds:.2f} ({seconds:.3f} s)" for way, seconds in taken.items()]
        print(f"{name}: times as fast as the reference ({copied:.3f} s): {', '.join(ratios)}", flush=True)


_WORDS = {"segbench": "float32", "channels_last": "float32 channels_last", "bf16": "bfloat16 channels_last"}
# How a bare step of each way is made.
_ALSO = {
    "bare": {},
    "channels_last": {"channels_last": True, "fused": True},
    "bf16": {"bf16": True, "channels_last": True, "fused": True},
}


def measure(
    name: str, width: int = 64, side: int = 224, images: int = 2, steps: int = 5, also: Sequence[str] = ()
) -> dict[str, float]:
    """Return the median seconds of a step: ``segbench``, ``copied``, and those asked for that the processor can.

    Args:
        name: Of the network.
        width: Filters of its first level.
        side: Height and width of an image.
        images: Of a batch.
        steps: Of each that are counted.
        also: The same network in a bare loop: ``bare``, ``channels_last`` in that memory, ``bf16`` in bfloat16 too.
    """
    # As many images as are needed: no step is the first of another epoch.
    data = Generated((WARM_UP + steps) * images, 3, side, 2, side)
    network = NETWORKS[name](3, 1, width=width)
    loss = BinaryCrossEntropy()
    rivals = {"copied": _defined(copy.deepcopy(network), data.images[:images], data.masks[:images])}
    for way in also:
        if way == "bf16" and not processor_has_bfloat16():
            # It is emulated there: a step takes minutes.
            continue
        rivals[way] = bare_step(copy.deepcopy(network), loss, data, images, **_ALSO[way])
    with tempfile.TemporaryDirectory() as folder:
        return compare(network, loss, data, images, steps, Path(folder), rivals)


def _defined(network: nn.Module, image: Tensor, mask: Tensor) -> Callable[[], None]:
    step = copied_step(network, image, mask)

    def defined() -> None:
        with as_defined():
            step()

    return defined


if __name__ == "__main__":
    main()
