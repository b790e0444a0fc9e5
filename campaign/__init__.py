"""Faults and attacks, tried on the real commands: ``make campaign``."""
