"""Tables and figures of finished runs: ``python src/report.py outputs/carvana/architectures``."""

import sys

from segbench.commands.report import command

if __name__ == "__main__":
    sys.exit(command())
