"""What to look at before training: ``python src/survey.py data=folder data.images=photos data.masks=drawings``."""

import sys

from segbench.commands.survey import command

if __name__ == "__main__":
    sys.exit(command())
