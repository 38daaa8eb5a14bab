"""Plan, execute, store, judge."""

from vlsu.runs.evaluation import NO_PROGRESS, evaluate
from vlsu.runs.executor import Progress
from vlsu.runs.judging import JUDGMENTS
from vlsu.runs.plan import Subset
from vlsu.runs.run import Run, load_run
from vlsu.runs.store import ResponseStore, Stored

__all__ = [
    "JUDGMENTS",
    "NO_PROGRESS",
    "Progress",
    "ResponseStore",
    "Run",
    "Stored",
    "Subset",
    "evaluate",
    "load_run",
]
