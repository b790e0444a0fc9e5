"""What to look at before training: ``python src/survey.py data=folder data.images=photos data.masks=drawings``."""

from segbench.commands import leave_after
from segbench.commands.survey import command

if __name__ == "__main__":
    leave_after(command)
