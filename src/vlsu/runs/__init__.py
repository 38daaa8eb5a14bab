"""Plan, execute, store, judge.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
    from vlsu.runs.alignment.alignment import align, prepare_alignment
    from vlsu.runs.alignment.alignment_run import AlignmentRun
    from vlsu.runs.alignment.options import AlignmentOptions
    from vlsu.runs.asking.limits import BatchPrice, Limits, Price
    from vlsu.runs.asking.plan import Subset
    from vlsu.runs.asking.progress import NO_PROGRESS, Progress, SilentProgress
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

#: Name -> the module that it is imported from.
_HOMES = {
    "AlignmentOptions": "vlsu.runs.alignment.options",
    "AlignmentRun": "vlsu.runs.alignment.alignment_run",
    "BatchPrice": "vlsu.runs.asking.limits",
    "Controls": "vlsu.runs.finished.controls",
    "Ensemble": "vlsu.runs.ensembles.ensemble",
    "Estimate": "vlsu.runs.estimate",
    "Evaluation": "vlsu.runs.understanding.evaluation",
    "JUDGMENTS": "vlsu.runs.columns",
    "Limits": "vlsu.runs.asking.limits",
    "MemberModels": "vlsu.runs.ensembles.members",
    "ModelOptions": "vlsu.runs.options",
    "NO_PROGRESS": "vlsu.runs.asking.progress",
    "Price": "vlsu.runs.asking.limits",
    "Progress": "vlsu.runs.asking.progress",
    "Proposer": "vlsu.runs.tuning.proposals",
    "ResponseStore": "vlsu.runs.store.store",
    "Run": "vlsu.runs.run",
    "SilentProgress": "vlsu.runs.asking.progress",
    "Stored": "vlsu.runs.store.store",
    "Subset": "vlsu.runs.asking.plan",
    "Tuning": "vlsu.runs.tuning.tuning",
    "TuningOptions": "vlsu.runs.tuning.options",
    "UNSET": "vlsu.runs.options",
    "UnderstandingOptions": "vlsu.runs.understanding.options",
    "align": "vlsu.runs.alignment.alignment",
    "evaluate": "vlsu.runs.evaluating",
    "load_run": "vlsu.runs.run",
    "load_runs": "vlsu.runs.run",
    "load_traffic": "vlsu.runs.finished.projection",
    "prepare": "vlsu.runs.evaluating",
    "prepare_alignment": "vlsu.runs.alignment.alignment",
    "prepare_controls": "vlsu.runs.finished.controls",
    "prepare_tuning": "vlsu.runs.tuning.tuning",
    "project_run": "vlsu.runs.finished.projection",
    "read_tuning": "vlsu.runs.tuning.result",
}

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
    "SilentProgress",
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

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, _HOMES)
