"""segbench: fair comparisons of segmentation networks."""

__version__ = "0.1.0"
