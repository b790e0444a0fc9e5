"""The runs of an experiment as one table: rows, metrics, estimates."""
