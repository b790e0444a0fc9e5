"""Tables and figures of finished runs: ``python src/report.py outputs/carvana/architectures``."""

from segbench.commands import leave_after
from segbench.commands.report import command

if __name__ == "__main__":
    leave_after(command)
