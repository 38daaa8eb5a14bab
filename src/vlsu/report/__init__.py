"""HTML, Markdown, LaTeX, CSV, JSON and pictures from runs.

Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'vlsu.report' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
