"""Vision-Language Safety Understanding: does a model understand what image and text mean together?

The names below are imported when first used, so that ``import vlsu`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vlsu._version import __version__

if TYPE_CHECKING:
    from vlsu.data import Dataset, Sample, load
    from vlsu.errors import VlsuError
    from vlsu.policy import Category, Family, Pattern, Policy, Severity
    from vlsu.runs import Run, evaluate, load_run

_HOMES = {
    "Category": "vlsu.policy",
    "Dataset": "vlsu.data",
    "Family": "vlsu.policy",
    "Pattern": "vlsu.policy",
    "Policy": "vlsu.policy",
    "Run": "vlsu.runs",
    "Sample": "vlsu.data",
    "Severity": "vlsu.policy",
    "VlsuError": "vlsu.errors",
    "evaluate": "vlsu.runs",
    "load": "vlsu.data",
    "load_run": "vlsu.runs",
}

__all__ = [
    "Category",
    "Dataset",
    "Family",
    "Pattern",
    "Policy",
    "Run",
    "Sample",
    "Severity",
    "VlsuError",
    "__version__",
    "evaluate",
    "load",
    "load_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vlsu' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
