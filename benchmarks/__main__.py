"""Print the project's speed as ratios measured in one run: ``make bench``.

Exits with 1 if a ratio is above its limit. A ratio compares two things that took turns on the same machine, so it is
more meaningful than seconds, which are printed too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import checkpoints, data, mnist, prediction, startup, steps, street, weight_map
from segbench.callbacks.cost import device_name
from segbench.trainer import quiet_lightning

LIMITS = {
    "CPU time of refusing a misspelled key over import torch": 0.6,
    "CPU time from start to first training step (phantom) over import torch": 4.5,
    "CPU time of a run of one epoch in a sweep (phantom, width 4) over the same by itself": 0.6,
    "step of the U-Net (224x224, batch 4) over a bare loop": 1.03,
    "epoch of MNIST's CNN (21,688 parameters, batch 100) over a bare loop on resident tensors": 1.3,
    "U-Net step in bfloat16 + channels_last over float32": 0.45,
    "epoch's data from the cache over decoding each image (Carvana)": 0.05,
    "epoch's data from the cache over decoding each image (Cityscapes at 512x256)": 0.05,
    "epoch's data resident over a DataLoader of PIL images (MNIST)": 0.05,
    "CPU time of checkpoints in 50 epochs of the phantom at 32x32 (width 4) over all of the training": 0.08,
    "CPU time of an image of 1000x1000 to mask and overlay over their PNG by Pillow as it does by default": 0.5,
    "CPU time of 2000x1504 by windows of 256 that overlap by a quarter over the whole image": 1.6,
    "distances to the two nearest of 171 cells (512x512) over one transform per cell": 0.05,
}


def main() -> int:
    """Measure everything and print it as it comes; return the exit code."""
    torch.set_num_threads(1)
    quiet_lightning()
    console = Console(soft_wrap=True)
    console.print(
        f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}, medians; about 5 minutes"
    )
    failed, sources = False, list[str]()
    with tempfile.TemporaryDirectory() as scratch:
        for name, ours, reference in measured(Path(scratch), sources):
            ratio, limit = ours / reference, LIMITS[name]
            failed |= ratio > limit
            verdict = "ok      " if ratio <= limit else "TOO SLOW"
            console.print(f"{verdict} {ratio:.3f}, at most {limit:.2f}: {name} ({_time(ours)} to {_time(reference)})")
    console.print(f"data: {'; '.join(sources)}")
    return int(failed)


def measured(folder: Path, sources: list[str]) -> Iterator[tuple[str, float, float]]:
    """Measure one ratio of :data:`LIMITS` after the other.

    Args:
        folder: An empty folder.
        sources: Takes where the data came from.

    Yields:
        Its name, and the seconds of ours and of the reference.
    """
    names, root = iter(LIMITS), os.environ.get("SEGBENCH_DATA")
    yield next(names), *startup.refusal()
    yield next(names), *startup.first_step(folder / "first")
    yield next(names), *startup.sweep_job(folder / "sweep")
    large = steps.unet(folder / "large")
    yield next(names), large["segbench"], large["bare"]
    digits, source = mnist.root(folder / "digits", root)
    sources.append(source)
    yield next(names), *mnist.cnn_epoch(folder / "cnn", digits)
    yield next(names), large["bf16"], large["bare"]
    for epoch in (data.carvana_epoch, street.street_epoch):
        name = next(names)
        cached, decoded, source = epoch(folder / epoch.__name__, root)
        sources.append(source)
        yield name, cached, decoded
    yield next(names), *mnist.data_time(folder / "resident", digits)
    yield next(names), *checkpoints.share(folder / "tiny")
    yield next(names), *prediction.files(folder / "prediction")
    yield next(names), *prediction.windows()
    yield next(names), *weight_map.distances()


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
