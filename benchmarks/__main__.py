"""Print the project's speed as ratios measured in one run: ``make bench``, and the quick ones: ``--quick``.

Exits with 1 if a ratio is above its limit. A ratio compares two things that took turns on the same machine, so it is
more meaningful than seconds, which are printed too. What a machine cannot judge, as bfloat16 where the processor has
none, is said.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import (
    checkpoints,
    data,
    mnist,
    prediction,
    reference,
    report,
    scores,
    startup,
    street,
    weight_map,
)
from segbench.callbacks.cost import device_name
from segbench.environment import processor_has_bfloat16
from segbench.trainer import quiet_lightning


class Bench:
    """What the rows share: an empty folder, the folder of real data, and steps that several rows are about.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, os.environ.get("SEGBENCH_DATA")
        self.sources: dict[str, None] = {}

    @cached_property
    def large(self) -> dict[str, float]:
        """Seconds of a step of the U-Net of 34.5 M parameters, and of its rivals."""
        return reference.measure("U-Net", steps=3, also=("bare", "bf16"))

    @cached_property
    def digits(self) -> Path:
        """MNIST's files."""
        path, source = mnist.root(self.folder / "digits", self.root)
        self.sources[source] = None
        return path

    def epoch(self, measure: Callable[[Path, str | None], tuple[float, float, str]]) -> tuple[float, float]:
        """Return the seconds of data from the cache and of decoding it, and note where it came from."""
        cached, decoded, source = measure(self.folder / measure.__name__, self.root)
        self.sources[source] = None
        return cached, decoded


def attention() -> tuple[float, float]:
    """Return the seconds of the Attention U-Net's step, and of the commonly copied loop's."""
    found = reference.measure("Attention U-Net", steps=3)
    return found["segbench"], found["copied"]


@dataclass(frozen=True)
class Row:
    """A ratio.

    Attributes:
        name: What is set beside what.
        limit: What it may be at most.
        measure: Returns the seconds of ours and of the reference.
        quick: Whether it takes seconds, not a minute.
        needs_bfloat16: Whether only a processor with bfloat16 can judge it.
    """

    name: str
    limit: float
    measure: Callable[[Bench], tuple[float, float]]
    quick: bool = False
    needs_bfloat16: bool = False


ROWS = (
    Row("CPU time of refusing a misspelled key over import torch", 0.6, lambda _: startup.refusal(), quick=True),
    Row("CPU time from start to first training step (phantom) over import torch", 4.5,
        lambda bench: startup.first_step(bench.folder / "first"), quick=True),
    Row("CPU time of a run of one epoch in a sweep (phantom, width 4) over the same by itself", 0.6,
        lambda bench: startup.sweep_job(bench.folder / "sweep")),
    Row("step of the U-Net (224x224, batch 2) over a bare loop", 1.06,
        lambda bench: (bench.large["segbench"], bench.large["bare"])),
    # Folded up-convolutions leave 0.88 of the U-Net's products, and times of one machine vary by some hundredths.
    Row("step of the U-Net over that of the commonly copied loop", 0.93,
        lambda bench: (bench.large["segbench"], bench.large["copied"])),
    Row("step of the Attention U-Net over that of the commonly copied loop", 0.93, lambda _: attention()),
    Row("epoch of MNIST's CNN (21,688 parameters, batch 100) over a bare loop on resident tensors", 1.3,
        lambda bench: mnist.cnn_epoch(bench.folder / "cnn", bench.digits)),
    # 0.43 and 0.46 were measured, on two processors whose AVX-512 doubles the products of a cycle.
    Row("U-Net step in bfloat16 + channels_last over float32", 0.48,
        lambda bench: (bench.large["bf16"], bench.large["bare"]), needs_bfloat16=True),
    Row("epoch's data from the cache over decoding each image (Carvana)", 0.05,
        lambda bench: bench.epoch(data.carvana_epoch), quick=True),
    Row("epoch's data from the cache over decoding each image (Cityscapes at 512x256)", 0.05,
        lambda bench: bench.epoch(street.street_epoch)),
    Row("epoch's data resident over a DataLoader of PIL images (MNIST)", 0.06,
        lambda bench: mnist.data_time(bench.folder / "resident", bench.digits), quick=True),
    Row("CPU time of checkpoints in 50 epochs of the phantom at 32x32 (width 4) over all of the training", 0.07,
        lambda bench: checkpoints.share(bench.folder / "tiny")),
    Row("CPU time of an image of 1000x1000 to mask and overlay over their PNG by Pillow as it does by default", 0.5,
        lambda bench: prediction.files(bench.folder / "prediction"), quick=True),
    # They have 1.92 times the pixels; where pages of memory are costly, the whole image takes twice as long.
    Row("CPU time of 2000x1504 by windows of 256 that overlap by a quarter over the whole image", 2.6,
        lambda _: prediction.windows()),
    Row("CPU time of a report of 100 runs of 500 images over reading the scores and their means by pandas", 35,
        lambda bench: report.hundred(bench.folder / "report")),
    Row("confusion counts of 50 masks of 512x512 and 19 classes over np.bincount", 1.6, lambda _: scores.counts(),
        quick=True),
    Row("surfaces of a frame of 2048x1024 and 19 classes over trees of their points", 0.33,
        lambda _: scores.surfaces(rounds=1), quick=True),
    Row("distances to the two nearest of 171 cells (512x512) over one transform per cell", 0.05,
        lambda _: weight_map.distances(), quick=True),
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure everything and print it as it comes; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    quick = parser.parse_args(arguments).quick
    torch.set_num_threads(1)
    quiet_lightning()
    console = Console(soft_wrap=True)
    console.print(f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}, medians")
    failed, began = False, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        for row in ROWS:
            if quick and not row.quick:
                continue
            if row.needs_bfloat16 and not processor_has_bfloat16():
                console.print(f"not here at most {row.limit:.2f}: {row.name} (the processor has no bfloat16)")
                continue
            row_began = time.monotonic()
            ours, other, before = _measured(row, bench)
            failed |= ours / other > row.limit
            verdict = "TOO SLOW" if ours / other > row.limit else "ok      "
            times = f"{_time(ours)} to {_time(other)}{before}; measured in {time.monotonic() - row_began:.0f} s"
            console.print(f"{verdict} {ours / other:.3f}, at most {row.limit:.2f}: {row.name} ({times})")
        console.print(f"data: {'; '.join(bench.sources) or 'generated'}; {time.monotonic() - began:.0f} s in all")
    return int(failed)


def _measured(row: Row, bench: Bench) -> tuple[float, float, str]:
    """Return the seconds of ours and of the reference, and what was measured before if these are of a second time.

    What takes seconds and was above its limit is measured again, as something else may have slowed one of the two.
    """
    ours, other = row.measure(bench)
    if not row.quick or ours / other <= row.limit:
        return ours, other, ""
    # Where nothing lies yet, as at first.
    bench.folder /= "again"
    return *row.measure(bench), f"; {ours / other:.3f} the first time"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
