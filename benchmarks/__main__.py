"""Print the project's speed as ratios measured in one run: ``make bench``.

Exits with 1 if a ratio is above its limit. A ratio compares two things that took turns on the same machine, so it is
more meaningful than seconds, which are printed too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import data, mnist, steps, street, weight_map
from segbench.callbacks.cost import device_name
from segbench.trainer import quiet_lightning

LIMITS = {
    "step of the U-Net (224x224, batch 4) over a bare loop": 1.03,
    "epoch of MNIST's CNN (21,688 parameters, batch 100) over a bare loop on resident tensors": 1.3,
    "U-Net step in bfloat16 + channels_last over float32": 0.45,
    "epoch's data from the cache over decoding each image (Carvana)": 0.05,
    "epoch's data from the cache over decoding each image (Cityscapes at 512x256)": 0.05,
    "epoch's data resident over a DataLoader of PIL images (MNIST)": 0.05,
    "distances to the two nearest of 171 cells (512x512) over one transform per cell": 0.05,
}


def main() -> int:
    """Measure and print everything; return the exit code."""
    torch.set_num_threads(1)
    quiet_lightning()
    console = Console()
    table = Table(title=f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}, medians")
    for column in ("ratio of", "ours", "reference", "ratio", "at most", ""):
        table.add_column(column, justify="left" if column == "ratio of" else "right")
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        console.print("timing MNIST's CNN, the data, the U-Net and its weight map (about 4 minutes)")
        digits, digits_source = mnist.root(folder / "digits", os.environ.get("SEGBENCH_DATA"))
        cnn = mnist.cnn_epoch(folder / "cnn", digits)
        resident = mnist.data_time(folder / "resident", digits)
        cached, decoded, source = data.carvana_epoch(folder / "data", os.environ.get("SEGBENCH_DATA"))
        street_cached, street_decoded, street_source = street.street_epoch(
            folder / "street", os.environ.get("SEGBENCH_DATA")
        )
        large = steps.unet(folder / "large")
        nearest = weight_map.distances()
    pairs = [
        (large["segbench"], large["bare"]),
        cnn,
        (large["bf16"], large["bare"]),
        (cached, decoded),
        (street_cached, street_decoded),
        resident,
        nearest,
    ]
    for (name, limit), (ours, reference) in zip(LIMITS.items(), pairs, strict=True):
        ratio = ours / reference
        failed |= ratio > limit
        verdict = "ok" if ratio <= limit else "TOO SLOW"
        table.add_row(name, _time(ours), _time(reference), f"{ratio:.3f}", f"{limit:.2f}", verdict)
    console.print(table)
    console.print(f"data: {source}; {street_source}; {digits_source}")
    return int(failed)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
