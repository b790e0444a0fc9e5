"""segbench: fair comparisons of segmentation networks."""

from segbench.import_hooks import install

__version__ = "0.1.0"

install()
