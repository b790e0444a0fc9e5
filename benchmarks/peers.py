"""An epoch beside other ways to write it: ``python -m benchmarks.peers``, and ``--page results/speed.md`` for the page.

The same U-Net, images, loss (binary cross entropy) and optimiser (Adam), from image files to validation scores, as

- a bare loop on tensors in memory: the least that training takes;
- segbench, everything as by default: checks, checkpoints, curves, scores;
- Lightning with torchmetrics and a data set that reads its files with Pillow, as its tutorials do it;
- MONAI's transforms, ``CacheDataset``, loss and metric, as its tutorials do it;
- segmentation_models_pytorch's ``get_stats`` after every step in Lightning, as its tutorials do it, where it is
  installed;
- the loop that is commonly copied: files are read in every epoch, the network upsamples and then convolves, loss and
  scores are read in every step.

Each trains for three epochs in a process of its own, in turns; CPU seconds of an epoch (user and system, one thread),
without the first, in which caches are filled, and of the first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.ways import BATCH, SIDE, TRAIN, VAL, WAYS, WIDTH, make_images
from segbench.callbacks.cost import device_name
from segbench.environment import git_state

TURNS = 2


def main() -> None:
    """Print a line for each way as it is measured, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="a Markdown file to write")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        print(json.dumps(WAYS[options.only][1](options.folder)))
        return
    ways = [name for name in WAYS if name != "smp" or find_spec("segmentation_models_pytorch")]
    setting = (
        f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}; U-Net of width {WIDTH},"
        f" {TRAIN} + {VAL} images of {SIDE}x{SIDE}, batches of {BATCH}, {options.turns} turns"
    )
    print(setting, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_images(folder)
        found: dict[str, list[list[float]]] = {name: [] for name in ways}
        for _, name in itertools.product(range(options.turns), ways):
            found[name].append(measure(name, folder))
            print(f"{WAYS[name][0]}: {', '.join(f'{value:.2f}' for value in found[name][-1])} s", flush=True)
    rows = list(table(found))
    print("\n".join(rows))
    if options.page:
        options.page.write_text(page(setting, rows))


def measure(name: str, folder: Path) -> list[float]:
    """Return the CPU seconds of each epoch of one way, in a process of its own.

    Raises:
        RuntimeError: If it fails.
    """
    command = [sys.executable, "-m", "benchmarks.peers", "--only", name, "--folder", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def table(found: dict[str, list[list[float]]]) -> Iterable[str]:
    """Return the lines of the table: the later epochs, their ratio to the bare loop, and what the first took more."""
    later = {name: statistics.median(itertools.chain(*(turn[1:] for turn in turns))) for name, turns in found.items()}
    yield "| | an epoch, CPU s | times the bare loop | the first epoch more, CPU s |"
    yield "| --- | ---: | ---: | ---: |"
    for name, turns in found.items():
        more = statistics.median(turn[0] for turn in turns) - later[name]
        yield f"| {WAYS[name][0]} | {later[name]:.2f} | {later[name] / later['bare']:.2f} | {more:.2f} |"


def page(setting: str, rows: Iterable[str]) -> str:
    """Return the page."""
    commit = git_state()["commit"]
    return PAGE.format(setting=setting, table="\n".join(rows), commit=str(commit)[:12])


PAGE = """# An epoch beside other ways to write it

The same U-Net, images, loss and optimiser, from PNG files to validation scores: as segbench trains it by default, and
as tutorials of other libraries and the loop that is commonly copied write it. CPU seconds of an epoch without the
first, in which files are decoded and caches filled; what the first took more includes imports. All train in float32
with {setting}.

{table}

Made by `python -m benchmarks.peers --page results/speed.md` at commit {commit}. The libraries' rows are the ways that
their tutorials show, not the fastest that they allow. segbench's epoch has its checks, curves, checkpoints and counts
for every score in it.
"""


if __name__ == "__main__":
    main()
