"""Data modules: records -> cache -> batches, one module for each data set."""
