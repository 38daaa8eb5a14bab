"""HTML, Markdown, LaTeX, CSV, JSON and pictures from runs.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
    from vlsu.report.export.publish import publish_figures, publish_tables
    from vlsu.report.export.write import FORMATS, write_report

#: Name -> the module that it is imported from.
_HOMES = {
    "FORMATS": "vlsu.report.export.write",
    "publish_figures": "vlsu.report.export.publish",
    "publish_tables": "vlsu.report.export.publish",
    "write_report": "vlsu.report.export.write",
}

__all__ = ["FORMATS", "publish_figures", "publish_tables", "write_report"]

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, _HOMES)
