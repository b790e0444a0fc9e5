"""Measure one part of what ``benchmarks/gpu.sh`` measures: ``python -m benchmarks.gpu speed --out outputs/gpu``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from benchmarks.gpu.bits import measure_bits
from benchmarks.gpu.feeding import measure_feeding
from benchmarks.gpu.record import Record
from benchmarks.gpu.runs import measure_resume, measure_together
from benchmarks.gpu.speed import measure_speed
from segbench.environment import graphics_card, versions

PARTS = {
    "bits": measure_bits,
    "resume": measure_resume,
    "speed": measure_speed,
    "feeding": measure_feeding,
    "together": measure_together,
}


def main() -> int:
    """Return 2 where there is no card, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "facts"])
    parser.add_argument("--out", type=Path, default=Path("outputs/gpu"))
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the part may take")
    parser.add_argument("--smoke", action="store_true", help="toy sizes on the processor, to try the script")
    arguments = parser.parse_args()
    if not arguments.smoke and not torch.cuda.is_available():
        print("no CUDA device; --smoke tries the script on the processor", file=sys.stderr)
        return 2
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    record = Record(arguments.out.resolve(), arguments.part, arguments.seconds, arguments.smoke)
    if arguments.part == "facts":
        card = graphics_card("auto")
        record.add(card=str(card), cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version(), **versions())
    else:
        PARTS[arguments.part](record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
