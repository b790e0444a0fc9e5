"""Where Hydra looks for launchers; ours is :mod:`segbench.sweep.launcher`."""

from segbench.sweep import launcher


class ProcessesLauncher(launcher.ProcessesLauncher):
    """``hydra/launcher=processes``: each job of a sweep in a process of its own, some at a time."""
