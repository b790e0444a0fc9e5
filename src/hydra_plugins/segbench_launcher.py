"""Hydra discovers launchers in this package; ours are in :mod:`segbench.sweep`."""

from segbench.sweep import batches, processes, submitted


class ProcessesLauncher(processes.ProcessesLauncher):
    """``hydra/launcher=processes``: each job of a sweep in its own process, a few at a time."""


class JoblibLauncher(batches.JoblibLauncher):
    """``hydra/launcher=joblib``: joblib runs the jobs on this machine."""


class RayLauncher(batches.RayLauncher):
    """``hydra/launcher=ray``: Ray runs the jobs, on this machine or a cluster's."""


class SubmititLocalLauncher(submitted.LocalLauncher):
    """``hydra/launcher=submitit_local``: submitit runs the jobs on this machine."""


class SubmititSlurmLauncher(submitted.SlurmLauncher):
    """``hydra/launcher=submitit_slurm``: Slurm runs the jobs."""
