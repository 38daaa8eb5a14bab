"""HTML, Markdown, LaTeX, CSV, JSON and pictures from runs."""

from vlsu.report.export.publish import publish_figures, publish_tables
from vlsu.report.export.write import FORMATS, write_report

__all__ = ["FORMATS", "publish_figures", "publish_tables", "write_report"]
