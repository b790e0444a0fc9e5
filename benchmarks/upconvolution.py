"""Whether the up-convolution gains by being folded: ``python -m benchmarks.upconvolution``.

Prints a row for each precision, memory format, number of channels and size: the time of upsampling and convolving, and
the folded form's share of it, forward alone and forward and backward. Both take turns; time is the process's CPU time,
and a share is the median of the turns' shares, so that other load on the machine changes little. On a graphics card
(``--device cuda``) time is that of the clock, once the card is done.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

from segbench.callbacks.cost import device_name, synchronize
from segbench.models.upconvolution import folded

# Images, channels in and out, side of the input: the levels of the U-Net of 64 filters at 224x224, those of one of 16
# filters at 96x96, and few small images.
CASES = (
    (1, 128, 64, 112), (1, 256, 128, 56), (1, 512, 256, 28), (1, 1024, 512, 14),
    (8, 32, 16, 48), (8, 64, 32, 24), (8, 128, 64, 12), (8, 256, 128, 6),
    (1, 32, 16, 48), (1, 128, 64, 12), (2, 8, 4, 16),
)  # fmt: skip
FORMS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}
Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def apart(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Upsample, then convolve."""
    return functional.conv2d(functional.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1)


def together(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Do both at once."""
    return functional.conv_transpose2d(x, folded(weight), bias, stride=2, padding=1)


def main() -> None:
    """Print the table as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    print(f"{device_name(device)}, torch {torch.__version__}, one thread, median of {options.turns} turns\n")
    print("| precision | memory | images | channels | input | forward | folded | forward, backward | folded |")
    print("|---|---|---|---|---|---|---|---|---|")
    for precision, form, case in product((torch.float32, torch.bfloat16), FORMS, CASES):
        images, before, after, side = case
        (forward, one), (step, both) = measure(case, precision, FORMS[form], device, options.turns)
        print(
            f"| {str(precision).removeprefix('torch.')} | {form} | {images} | {before} to {after} | {side}x{side} | "
            f"{forward * 1e3:.2f} ms | {one:.2f} | {step * 1e3:.2f} ms | {both:.2f} |",
            flush=True,
        )


def measure(
    case: tuple[int, int, int, int],
    precision: torch.dtype,
    form: torch.memory_format,
    device: torch.device,
    turns: int = 5,
) -> list[tuple[float, float]]:
    """Return the seconds of the form that is not folded, and the folded one's share: forward, and with backward."""
    images, before, after, side = case
    chance = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance).to(device, memory_format=form)

    x, weight = random(images, before, side, side).requires_grad_(), random(after, before, 3, 3).requires_grad_()
    bias = torch.zeros(after, device=device, requires_grad=True)
    gradient = random(images, after, 2 * side, 2 * side).to(precision)

    def forward(function: Function) -> None:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            function(x, weight, bias)

    def step(function: Function) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            result = function(x, weight, bias)
        torch.autograd.grad(result, (x, weight, bias), gradient)

    return [_compared(what, device, turns) for what in (forward, step)]


def _compared(what: Callable[[Function], None], device: torch.device, turns: int) -> tuple[float, float]:
    for function in (apart, together):
        what(function)
    pairs = [(_seconds(what, apart, device), _seconds(what, together, device)) for _ in range(turns)]
    return median(before for before, _ in pairs), median(after / before for before, after in pairs)


def _seconds(what: Callable[[Function], None], function: Function, device: torch.device) -> float:
    """Return the seconds of one call, of as many as take a while together."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    begin, calls = clock(), 0
    while clock() - begin < 0.02:
        what(function)
        synchronize(device)
        calls += 1
    return (clock() - begin) / calls


if __name__ == "__main__":
    main()
