"""Vision-Language Safety Understanding: does a model understand what image and text mean together?

The names in ``__all__`` are what a notebook needs::

    dataset = vlsu.load("vlsu-mini")
    run = vlsu.evaluate(dataset, model="openai/NAME", out="R", limits=vlsu.Limits(max_requests=100))
    vlsu.write_report([run], Path("report.html"))

Each is imported when it is first used, so that ``import vlsu`` costs next to nothing. Everything
else is public in the package that it belongs to, such as `vlsu.report.publish_tables`; these
packages are imported when first used, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vlsu._version import __version__

if TYPE_CHECKING:
    from vlsu import analysis as analysis
    from vlsu import data as data
    from vlsu import errors as errors
    from vlsu import models as models
    from vlsu import policy as policy
    from vlsu import report as report
    from vlsu import runs as runs
    from vlsu import tasks as tasks
    from vlsu.analysis.comparison.results import Comparison
    from vlsu.analysis.results import Metrics
    from vlsu.analysis.stats.intervals import Rate
    from vlsu.data import Dataset, Sample, check_dataset, import_dataset, load, write_dataset
    from vlsu.errors import VlsuError
    from vlsu.models import Model, Settings, open_model
    from vlsu.models.inprocess import InProcessModel
    from vlsu.policy import Category, Family, Pattern, Policy, Severity, load_policy
    from vlsu.report import write_report
    from vlsu.runs import Limits, Run, align, evaluate, load_run, load_runs
    from vlsu.runs.finished.comparison import compare
    from vlsu.runs.finished.gating import Gate, gate

#: Name -> the module that it is imported from.
_HOMES = {
    "Category": "vlsu.policy",
    "Comparison": "vlsu.analysis.comparison.results",
    "Dataset": "vlsu.data",
    "Family": "vlsu.policy",
    "Gate": "vlsu.runs.finished.gating",
    "InProcessModel": "vlsu.models.inprocess",
    "Limits": "vlsu.runs",
    "Metrics": "vlsu.analysis.results",
    "Model": "vlsu.models",
    "Pattern": "vlsu.policy",
    "Policy": "vlsu.policy",
    "Rate": "vlsu.analysis.stats.intervals",
    "Run": "vlsu.runs",
    "Sample": "vlsu.data",
    "Settings": "vlsu.models",
    "Severity": "vlsu.policy",
    "VlsuError": "vlsu.errors",
    "align": "vlsu.runs",
    "check_dataset": "vlsu.data",
    "compare": "vlsu.runs.finished.comparison",
    "evaluate": "vlsu.runs",
    "gate": "vlsu.runs.finished.gating",
    "import_dataset": "vlsu.data",
    "load": "vlsu.data",
    "load_policy": "vlsu.policy",
    "load_run": "vlsu.runs",
    "load_runs": "vlsu.runs",
    "open_model": "vlsu.models",
    "write_dataset": "vlsu.data",
    "write_report": "vlsu.report",
}
_PACKAGES = ("analysis", "data", "errors", "models", "policy", "report", "runs", "tasks")

__all__ = [
    "Category",
    "Comparison",
    "Dataset",
    "Family",
    "Gate",
    "InProcessModel",
    "Limits",
    "Metrics",
    "Model",
    "Pattern",
    "Policy",
    "Rate",
    "Run",
    "Sample",
    "Settings",
    "Severity",
    "VlsuError",
    "__version__",
    "align",
    "check_dataset",
    "compare",
    "evaluate",
    "gate",
    "import_dataset",
    "load",
    "load_policy",
    "load_run",
    "load_runs",
    "open_model",
    "write_dataset",
    "write_report",
]

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object

    def __getattr__(name: str) -> object:
        if name in _PACKAGES:
            return import_module(f"vlsu.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'vlsu' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_PACKAGES])
