"""From finished runs to tables, figures and pages; reads nothing but the files of run directories."""

from segbench.reporting.collection.runs import Run, collect
from segbench.reporting.page import report_experiment

__all__ = ["Run", "collect", "report_experiment"]
