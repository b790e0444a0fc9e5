"""Sweeps: the launcher, each job's share of the machine, and what happens before and after a sweep."""
