"""The metrics of an understanding run with what older versions did not compute.

What a report shows is in `metrics.json`. A run judged before the flow from the parts to the pair
and the categories by severity were in there, or missing answers to pairs were counted apart, has
them counted from its judgments.
"""

from __future__ import annotations

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import plain
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.attribution import attribution
from vlsu.analysis.understanding.breakdown import flow, severities
from vlsu.policy import MODALITIES
from vlsu.report.judgments import run_cells
from vlsu.runs import Run

__all__ = ["completed_metrics"]


def completed_metrics(run: Run) -> Metrics:
    """The metrics of a run, complete whichever version judged it.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    metrics = run.metrics
    complete = {"flow", "severities"} <= metrics.keys()
    estimated = bool(metrics.get("sampling"))
    if complete and (estimated or "no_answer" in metrics["attribution"]):
        return metrics
    cells = run_cells(run)
    apart = {"attribution": plain(attribution(cells)), "flow": flow(cells)}
    if complete:
        return Metrics({**metrics, **apart})
    answered = {
        modality: {**metrics[modality], **_answered(cells, number)}
        for number, modality in enumerate(MODALITIES)
    }
    return Metrics({**metrics, **answered, **apart, "severities": severities(cells)})


def _answered(cells: Cells, number: int) -> dict[str, object]:
    """How many graded judgments of a modality were answered, and the accuracy over these."""
    estimator = Estimator(Resampler(cells, replicates=1, seed=0))
    among = cells.graded[:, number] & cells.asked[:, number] & cells.answered[:, number]
    accuracy = estimator.proportion(cells.right[:, number], among)
    return {"n_answered": estimator.size(among), "accuracy_answered": accuracy.as_dict()}
