"""Comparisons as Markdown, LaTeX, CSV and tables on the terminal."""
