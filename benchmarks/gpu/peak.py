"""The fastest convolution that the card shows, against which a network's speed is a share."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks.gpu.record import Record

# Channels, side of the image, images: from a U-Net's first level to its last but one.
_SHAPES = ((64, 224, 16), (128, 112, 16), (256, 56, 32), (512, 28, 64))
_SECONDS = 0.25


def measure_peak(record: Record) -> dict[str, float]:
    """Return operations per second of a 3x3 convolution, forward and backward, in each precision; the best shape's."""
    found = {}
    for precision in ("fp32", "tf32", "bf16"):
        allow_tf32(precision == "tf32")
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        rates = []
        for channels, side, images in _SHAPES[:1] if record.smoke else _SHAPES:
            channels, side, images = (8, 16, 2) if record.smoke else (channels, side, images)
            x = torch.randn(images, channels, side, side, device=record.device, dtype=kind)
            x = x.to(memory_format=torch.channels_last).requires_grad_()
            kernel = torch.randn(channels, channels, 3, 3, device=record.device, dtype=kind)
            kernel = kernel.to(memory_format=torch.channels_last).requires_grad_()

            def step(x: torch.Tensor = x, kernel: torch.Tensor = kernel) -> None:
                result = functional.conv2d(x, kernel, padding=1)
                torch.autograd.grad(result, (x, kernel), torch.ones_like(result))

            # Forward, and backward to image and kernel: three products of the same size.
            operations = 3 * 2 * 9 * channels**2 * side**2 * images
            rates.append(operations * rate(step, record, _SECONDS))
        found[precision] = max(rates)
    record.add(what="peak of a 3x3 convolution", **{f"{name}_tflops": value / 1e12 for name, value in found.items()})
    return found


def allow_tf32(allowed: bool) -> None:
    """Set whether float32 is multiplied with rounded factors."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def rate(step: Callable[[], object], record: Record, seconds: float, warm_up: int = 3) -> float:
    """Return steps per second, over at least so many seconds; the card is waited for every few steps only."""
    for _ in range(warm_up):
        step()
    record.synchronize()
    began, steps = time.perf_counter(), 0
    while True:
        for _ in range(1 if record.smoke else 5):
            step()
            steps += 1
        record.synchronize()
        elapsed = time.perf_counter() - began
        if elapsed >= (0.01 if record.smoke else seconds):
            return steps / elapsed
