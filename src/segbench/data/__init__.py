"""Data modules, one per data set: records -> cache -> batches."""
