"""Plan, execute, store, judge."""

from vlsu.runs.alignment import AlignmentRun, align, prepare_alignment
from vlsu.runs.estimate import Estimate
from vlsu.runs.evaluation import Evaluation, evaluate, prepare
from vlsu.runs.judging import JUDGMENTS
from vlsu.runs.limits import Limits, Price
from vlsu.runs.plan import Subset
from vlsu.runs.progress import NO_PROGRESS, Progress
from vlsu.runs.projection import load_traffic, project_run
from vlsu.runs.run import Run, load_run, load_runs
from vlsu.runs.store import ResponseStore, Stored
from vlsu.runs.tuning import Tuning, prepare_tuning
from vlsu.runs.tuning_proposals import Proposer
from vlsu.runs.tuning_result import read_tuning

__all__ = [
    "JUDGMENTS",
    "NO_PROGRESS",
    "AlignmentRun",
    "Estimate",
    "Evaluation",
    "Limits",
    "Price",
    "Progress",
    "Proposer",
    "ResponseStore",
    "Run",
    "Stored",
    "Subset",
    "Tuning",
    "align",
    "evaluate",
    "load_run",
    "load_runs",
    "load_traffic",
    "prepare",
    "prepare_alignment",
    "prepare_tuning",
    "project_run",
    "read_tuning",
]
