"""Train and test one configuration, or sweep many: ``python src/run.py --help``."""

from segbench.commands import leave_after
from segbench.commands.run import command

if __name__ == "__main__":
    leave_after(command)
