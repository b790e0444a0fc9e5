"""Runs and sweeps: identity, the run directory, checkpoints, Hydra's hooks and the launcher."""
