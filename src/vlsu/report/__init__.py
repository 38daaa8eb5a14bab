"""HTML, Markdown, LaTeX and JSON from runs."""

from vlsu.report.write import FORMATS, write_report

__all__ = ["FORMATS", "write_report"]
