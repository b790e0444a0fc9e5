"""A comparison as one self-contained HTML page: no network, no framework, nothing but the file itself."""

from segbench.reporting.html.document import html_page
from segbench.reporting.html.overview import OverviewLine, overview_page

__all__ = ["OverviewLine", "html_page", "overview_page"]
