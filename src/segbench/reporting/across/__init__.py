"""One answer over several data sets, ``python src/report.py --across``: from their comparisons to a page of its own."""
