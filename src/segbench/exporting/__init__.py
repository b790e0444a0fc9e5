"""From a finished run to a file that predicts elsewhere, held against the run before it is written."""

from segbench.exporting.procedure import Exported, export

__all__ = ["Exported", "export"]
