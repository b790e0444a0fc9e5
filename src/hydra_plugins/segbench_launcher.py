"""Hydra discovers launchers in this package; ours are in :mod:`segbench.sweep`."""

from segbench.sweep import processes


class ProcessesLauncher(processes.ProcessesLauncher):
    """``hydra/launcher=processes``: each job of a sweep in its own process, a few at a time."""
