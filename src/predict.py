"""Masks, areas and overlays of images, by trained runs: ``python src/predict.py run=<directory> images=<folder>``."""

from segbench.commands import leave_after
from segbench.commands.predict import command

if __name__ == "__main__":
    leave_after(command)
