"""Masks, areas and overlays of images, by trained runs: ``python src/predict.py run=<directory> images=<folder>``."""

import sys

from segbench.commands.predict import command

if __name__ == "__main__":
    sys.exit(command())
