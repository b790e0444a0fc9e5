"""Intervals, tests and probabilities from the images and seeds of two or more rows."""
