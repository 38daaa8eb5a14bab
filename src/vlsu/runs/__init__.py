"""Plan, execute, store, judge."""

from vlsu.runs.alignment.alignment import align, prepare_alignment
from vlsu.runs.alignment.alignment_run import AlignmentRun
from vlsu.runs.alignment.options import AlignmentOptions
from vlsu.runs.asking.limits import BatchPrice, Limits, Price
from vlsu.runs.asking.plan import Subset
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.ensembles.ensemble import Ensemble
from vlsu.runs.ensembles.members import MemberModels
from vlsu.runs.estimate import Estimate
from vlsu.runs.evaluating import evaluate, prepare
from vlsu.runs.finished.controls import Controls, prepare_controls
from vlsu.runs.finished.projection import load_traffic, project_run
from vlsu.runs.options import UNSET, ModelOptions
from vlsu.runs.run import Run, load_run, load_runs
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.runs.tuning.options import TuningOptions
from vlsu.runs.tuning.proposals import Proposer
from vlsu.runs.tuning.result import read_tuning
from vlsu.runs.tuning.tuning import Tuning, prepare_tuning
from vlsu.runs.understanding.evaluation import Evaluation
from vlsu.runs.understanding.options import UnderstandingOptions

__all__ = [
    "JUDGMENTS",
    "NO_PROGRESS",
    "UNSET",
    "AlignmentOptions",
    "AlignmentRun",
    "BatchPrice",
    "Controls",
    "Ensemble",
    "Estimate",
    "Evaluation",
    "Limits",
    "MemberModels",
    "ModelOptions",
    "Price",
    "Progress",
    "Proposer",
    "ResponseStore",
    "Run",
    "Stored",
    "Subset",
    "Tuning",
    "TuningOptions",
    "UnderstandingOptions",
    "align",
    "evaluate",
    "load_run",
    "load_runs",
    "load_traffic",
    "prepare",
    "prepare_alignment",
    "prepare_controls",
    "prepare_tuning",
    "project_run",
    "read_tuning",
]
