"""Where Hydra looks for launchers; ours is :mod:`segbench.runs.launcher`."""

from segbench.runs import launcher


class ProcessesLauncher(launcher.ProcessesLauncher):
    """``hydra/launcher=processes``: each job of a sweep in a process of its own, some at a time."""
