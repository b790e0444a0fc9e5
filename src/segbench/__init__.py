"""segbench: fair comparisons of segmentation networks."""

from segbench.import_hooks import install

__version__ = "0.2.0"

install()
