"""A run's network for use elsewhere: ``python src/export.py run=<directory> to=onnx``."""

from segbench.commands import leave_after
from segbench.commands.export import command

if __name__ == "__main__":
    leave_after(command)
