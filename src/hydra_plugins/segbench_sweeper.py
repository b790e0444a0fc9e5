"""Hydra discovers sweepers in this package; ours are :mod:`segbench.sweep.looks` and :mod:`segbench.sweep.search`."""

from segbench.sweep import looks, search


class LooksSweeper(looks.LooksSweeper):
    """``hydra/sweeper=looks``: trains seeds until the question is decided."""


class OptunaSweeper(search.OptunaSweeper):
    """``hydra/sweeper=optuna``: searches for the settings that validate best, then trains the seeds with them."""
