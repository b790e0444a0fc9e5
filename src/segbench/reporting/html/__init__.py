"""A comparison as one self-contained HTML page: no network, no framework, nothing but the file itself."""

from segbench.reporting.html.document import html_page

__all__ = ["html_page"]
