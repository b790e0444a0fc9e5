"""Train and test one configuration, or sweep many: ``python src/run.py --help``."""

import sys

from segbench.commands.run import command

if __name__ == "__main__":
    sys.exit(command())
