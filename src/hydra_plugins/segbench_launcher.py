"""Hydra discovers launchers in this package; ours is :mod:`segbench.sweep.launcher`."""

from segbench.sweep import launcher


class ProcessesLauncher(launcher.ProcessesLauncher):
    """``hydra/launcher=processes``: each job of a sweep in its own process, a few at a time."""
