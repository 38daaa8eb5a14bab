"""Checking a run's metrics against requirements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu._arguments import require_kind, require_list
from vlsu.analysis.deployment.missing_answers import require_answers
from vlsu.analysis.deployment.requirements import FEWEST, Check, Requirement
from vlsu.analysis.stats.intervals import LEVEL
from vlsu.analysis.table.answered import ENOUGH, require_share
from vlsu.errors import RunError, UsageError
from vlsu.policy import MODALITIES
from vlsu.runs.finished.confidence import metrics_at
from vlsu.runs.finished.ledger import cost_figures
from vlsu.runs.finished.non_inferiority import AgainstCheck, check_against
from vlsu.runs.finished.tasks import task_of
from vlsu.runs.run import Run, as_run

__all__ = ["Gate", "gate"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A run checked against requirements.

    Attributes:
        run: The run.
        confidence: Of the intervals whose bounds were compared.
        checks: One a requirement, in their order.
        against: One a metric that must not be worse than a base run's.
    """

    run: Run
    confidence: float
    checks: tuple[Check, ...]
    against: tuple[AgainstCheck, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every requirement is met.

        As all must be, the chance that a run passes which is short of any is at most that of the
        one test (Berger 1982), however many there are.
        """
        return all(check.met for check in self.checks) and all(each.met for each in self.against)

    @property
    def all_checks(self) -> list[Check | AgainstCheck]:
        """Those of the requirements, then those against the base run."""
        return [*self.checks, *self.against]

    def to_dict(self) -> dict[str, object]:
        """Plain Python, ready for JSON."""
        record, drawn = self.run.record, self.run.metrics.get("sampling")
        answered = {
            name: part["answered"]
            for name, part in (
                *((modality, self.run.metrics.get(modality, {})) for modality in MODALITIES),
                *self.run.metrics.get("framings", {}).items(),
            )
            if part.get("answered", {}).get("value") is not None
        }
        estimated = drawn and {key: drawn[key] for key in ("sampled", "population")}
        return {
            "run": str(self.run.path),
            "task": record.task,
            "model": record.model.spec,
            "dataset": {k: v for k, v in record["dataset"].items() if k != "path"},
            "confidence": self.confidence,
            "answered": answered,
            **({"estimated_from": estimated} if estimated else {}),
            "passed": self.passed,
            "requirements": [check.to_dict() for check in self.checks],
            **({"against": [check.to_dict() for check in self.against]} if self.against else {}),
        }


def gate(
    run: Run | str | Path,
    requirements: Sequence[str | Requirement] = (),
    *,
    against: Run | str | Path | None = None,
    margin: float | None = None,
    primary: Sequence[str] = (),
    confidence: float = LEVEL,
    enough: float = ENOUGH,
    fewest: int = FEWEST,
    dataset: str | Path | None = None,
) -> Gate:
    """Check a finished run against requirements.

    Args:
        run: The run, or its folder.
        requirements: Such as ``"joint.f1_macro >= 0.6"``: any number of `metrics.json` by its path,
            or of a run with a price ``cost.per_1000`` (money for 1,000 samples), ``cost.total`` and
            ``cost.saved.*``. Of a rate the bound of its interval that is against the requirement is
            compared, never the value. At least one, or `against`.
        against: A base run of the same task and dataset, or its folder: the run must not be worse
            than it by `margin` or more.
        margin: The loss that must be excluded, in (0, 1).
        primary: The metrics it is excluded of. If not given, those of `requirements` that runs are
            compared by, and without any the primary ones of the task.
        confidence: Of the intervals. At another than 0.95 they are computed anew from the
            judgments.
        enough: Share of answers below which a requirement that missing answers may be the reason
            to meet, such as any upper bound, is not met; see `require_answers`.
        fewest: Samples below which a part of a requirement of many, such as ``categories.*``,
            cannot be told; at least 1.
        dataset: The dataset's folder, if it was moved; needed only for another confidence.

    Raises:
        UsageError: An argument is of the wrong kind or missing; `enough` is no share; the run is a
            framing search; a requirement cannot be read, names no number of `metrics.json` (the
            message lists similar ones), or one that exists at 95% only.
        RunError: The run is not finished or damaged, or its judgments are not those of its metrics.
        DataError: The dataset is not found.
    """
    run = as_run(run)
    require_list("requirements", requirements)
    require_list("primary", primary)
    if not requirements and against is None:
        raise UsageError(
            "nothing is required; give --require, such as 'joint.f1_macro >= 0.6', or --against "
            "BASE --margin 0.02"
        )
    if (against is None) != (margin is None):
        raise UsageError(
            "--against BASE and --margin go together: which run it is held to, and what loss must "
            "be excluded, such as --margin 0.02"
        )
    if primary and against is None:
        raise UsageError("--primary: give --against BASE, the run that these are compared with")
    wanted = [r if isinstance(r, Requirement) else Requirement.parse(r) for r in requirements]
    run.require_finished()
    task_of(run)  # else it has no such requirements
    require_share(enough, "enough")
    require_kind("fewest", fewest, int)
    if fewest < 1:
        raise UsageError(f"--min-samples {fewest}: give at least 1")
    held: tuple[AgainstCheck, ...] = ()
    # At 95% first: a name that is wrong is wrong at any confidence.
    spent = {"cost": figures} if (figures := cost_figures(run)) else {}
    metrics = {**run.metrics, **spent}
    known = [requirement.check(metrics, fewest) for requirement in wanted]
    if against is not None and margin is not None:
        base = as_run(against)
        base.require_finished()
        keys = [requirement.key for requirement in wanted]
        held = check_against(
            run, base, margin, primary=primary, wanted=keys, enough=enough, dataset=dataset
        )
    if confidence == LEVEL:
        checked = tuple(require_answers(each, metrics, enough) for each in known)
        return Gate(run, confidence, checked, held)
    metrics = {**metrics_at(run, confidence, dataset), **spent}
    checks = []
    for requirement, before in zip(wanted, known, strict=True):
        try:
            check = requirement.check(metrics, fewest)
        except UsageError:
            raise UsageError(
                f"--require {str(requirement)!r}: is available at a confidence of 0.95 only; leave "
                "--confidence out"
            ) from None
        changed = [
            (was.value, now.value)
            for was, now in zip(_each(before), _each(check), strict=True)
            if not _same(was.value, now.value)
        ]
        if changed:
            raise RunError(
                f"{run.path}: {requirement.key} is {changed[0][0]} in metrics.json and "
                f"{changed[0][1]} by its judgments; leave --confidence out, or run the same "
                "vlsu run command again"
            )
        checks.append(require_answers(check, metrics, enough))
    return Gate(run, confidence, tuple(checks), held)


def _each(check: Check) -> list[Check]:
    """The check, or those of its parts, in the order of their names."""
    return [part for _, part in sorted(check.parts, key=lambda each: each[0])] or [check]


def _same(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)
