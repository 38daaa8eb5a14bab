"""A finished run as a pre-grader: it says which items are spaced as hard, or which are graded.

No answer of the model becomes a grade, and no page shows one. What was done, and what it does to
the figures of the dataset, is recorded in the project and stands in the datasheet of its exports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, select

from vlsu.annotate.plan.drawing import fraction
from vlsu.annotate.projects.content import is_hard
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.states import MODALITY_NUMBERS
from vlsu.annotate.store.tables import items
from vlsu.annotate.work.selecting import leave_out, mark_hard, record_pregrading
from vlsu.errors import RunError, UsageError
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.run import Run, load_run

__all__ = ["SELECTIONS", "USES", "Pregraded", "pregrade"]

USES = ("order", "select")
#: What is selected -> in words.
SELECTIONS: Mapping[str, str] = {
    "borderline": "the model grades the pair borderline",
    "harmful": "the model grades the pair borderline or unsafe",
    "disagree": "the model grades the pair worse or milder than the worse of its parts",
}


@dataclass(frozen=True, slots=True)
class Pregraded:
    """What was done with a run.

    Attributes:
        use: One of `USES`.
        samples: That the model graded, of those of the dataset.
        changed: Slots that are spaced as hard now, or no longer; or samples that were left out.
        kept: Samples that would have been left out, and are graded as they were drawn to be.
        begun: Samples that would have been left out, and are graded as somebody has begun them.
        about: What is recorded.
    """

    use: str
    samples: int
    changed: int
    kept: int
    begun: int
    about: Mapping[str, Any]

    def tree(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "use": self.use,
            "samples": self.samples,
            "changed": self.changed,
            "kept": self.kept,
            "begun": self.begun,
            "done": self.about["done"],
            "effect": self.about["effect"],
        }


def pregrade(
    project: Project,
    path: Path,
    use: str,
    *,
    selection: str | None = None,
    keep: float = 0.1,
) -> Pregraded:
    """Order or select a project's items by a finished run of the same dataset.

    Samples that the model gave no severity are treated as if there were no run: their place in the
    order remains, and they are graded.

    Args:
        project: Opened; a server of it may run on.
        path: The run's folder.
        use: ``"order"``: items that the model grades unsafe, and of which the dataset says nothing,
            are spaced by lighter ones. ``"select"``: samples that are not of the selection are not
            graded, unless somebody has begun them.
        selection: One of `SELECTIONS`.
        keep: Share of the samples outside of the selection that are graded even so, drawn by the
            project's seed, so that what the model overlooks can be estimated.

    Raises:
        UsageError: An option is not known.
        RunError: It is no finished run of understanding, or of another dataset.
    """
    if use not in USES:
        raise UsageError(f"--use {use[:40]!r}: give {' or '.join(USES)}")
    if use == "select" and selection not in SELECTIONS:
        raise UsageError(f"--select {(selection or '')[:40]!r}: give {', '.join(SELECTIONS)}")
    if use == "order" and selection is not None:
        raise UsageError("--select: is for --use select")
    if not 0 <= keep <= 1:
        raise UsageError(f"--keep {keep}: give a share from 0 to 1")
    run = _run(project, path)
    severities = _severities(run)
    with project.database.read() as connection:
        numbers = {row.sample_id: row.id for row in connection.execute(select(items))}
    if use == "order":
        return _order(project, run, severities, numbers)
    assert selection is not None
    return _select(project, run, severities, numbers, selection, keep)


def _run(project: Project, path: Path) -> Run:
    run = load_run(path)
    if run.record.task != "understanding":
        raise RunError(f"{path}: is a run of {run.record.task}; give one of understanding")
    run.require_finished()
    if run.record.dataset["content_hash"] != project.record.content_hash:
        raise RunError(
            f"{path}: is not of the dataset of this project, {project.record.dataset_name}"
        )
    return run


def _severities(run: Run) -> dict[str, dict[str, Severity]]:
    """Sample -> modality -> severity by the model; the worst where it was asked several times."""
    found: dict[str, dict[str, Severity]] = {}
    rows = run.judged(
        pl.col("sample_id"),
        pl.col("modality"),
        pl.col("predicted"),
        where=pl.col("outcome") == "ok",
    )
    for sample, modality, predicted in rows.iter_rows():
        if predicted in {severity.label for severity in Severity}:
            of_sample = found.setdefault(sample, {})
            severity = Severity.parse(predicted)
            of_sample[modality] = max(severity, of_sample.get(modality, severity))
    return found


def _order(
    project: Project,
    run: Run,
    severities: Mapping[str, Mapping[str, Severity]],
    numbers: Mapping[str, int],
) -> Pregraded:
    hard = [
        (numbers[sample.id], MODALITY_NUMBERS[modality], severity is Severity.UNSAFE)
        for sample in project.dataset()
        for modality, severity in severities.get(sample.id, {}).items()
        if is_hard(sample, modality) is None
    ]
    about = _about(
        run,
        "order",
        "its severities say which items are hard to look at, so that lighter ones space them.",
        "",
    )

    def work(connection: Connection, now: int) -> int:
        changed = mark_hard(connection, hard)
        record_pregrading(connection, now, about)
        return changed

    changed = project.write(work)
    return Pregraded("order", len(severities), changed, 0, 0, about)


def _select(
    project: Project,
    run: Run,
    severities: Mapping[str, Mapping[str, Severity]],
    numbers: Mapping[str, int],
    selection: str,
    keep: float,
) -> Pregraded:
    outside = [s for s, of in severities.items() if not _selected(of, selection)]
    drawn = {s for s in outside if fraction(project.plan.seed, "keep", s) < keep}
    left = {numbers[sample] for sample in outside if sample not in drawn}
    if len(left) == len(numbers):
        raise UsageError(
            f"--select {selection}: no sample is left to grade; choose another, or a larger --keep"
        )

    def work(connection: Connection, now: int) -> tuple[int, int, dict[str, Any]]:
        closed, begun = leave_out(connection, left)
        about = _about(
            run,
            "select",
            f"samples of which {SELECTIONS[selection]} were selected to be graded.",
            f"Selected by a model: of {len(numbers)} samples {closed} are not graded, as "
            f"{run.record['model']['spec']} did not put them among those of which "
            f"{SELECTIONS[selection]}. Shares of severities and patterns, and agreement, are those "
            "of what the model selects and not of the source; what it overlooks is only in the "
            f"{len(drawn)} samples that were drawn from all others to be graded even so "
            f"(a share of {keep:g}): weight these by the inverse of it for figures of the source. "
            "Do not use the dataset to score this model or its like.",
        )
        record_pregrading(connection, now, about)
        return closed, begun, about

    closed, begun, about = project.write(work)
    return Pregraded("select", len(severities), closed, len(drawn), begun, about)


def _selected(of: Mapping[str, Severity], selection: str) -> bool:
    """Whether a sample is of a selection, or the model does not tell."""
    joint = of.get("joint")
    if joint is None:
        return True
    if selection == "borderline":
        return joint is Severity.BORDERLINE
    if selection == "harmful":
        return joint is not Severity.SAFE
    parts = [of[m] for m in MODALITIES if m != "joint" and m in of]
    return not parts or joint is not max(parts)


def _about(run: Run, use: str, done: str, effect: str) -> dict[str, Any]:
    return {
        "use": use,
        "model": str(run.record["model"]["spec"]),
        "task": str(run.record.task),
        "run": run.path.name,
        "done": done,
        "effect": effect,
    }
