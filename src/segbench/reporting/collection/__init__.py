"""Runs as they are found on disk: which there are, how they differ, and which of them count."""
