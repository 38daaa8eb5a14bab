"""The severities of the policy that a run grades by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vlsu.analysis.understanding.levels import gives_all
from vlsu.errors import PolicyError, RunError
from vlsu.policy import Severity
from vlsu.runs.run import Run

__all__ = [
    "recorded_levels",
    "recorded_severities",
    "shared_severities",
    "tells_unsafe_alone",
]


def recorded_severities(runs: Iterable[Run]) -> tuple[Severity, ...]:
    """Those that any of the runs' policies has, mildest first.

    Raises:
        RunError: A record names a severity that does not exist.
    """
    found: set[Severity] = set()
    for run in runs:
        labels = run.record["policy"].get("severities")
        try:
            found |= set(Severity) if labels is None else {Severity.parse(s) for s in labels}
        except PolicyError as error:
            raise RunError(f"{run.path}: run.yaml: policy: {error}") from None
    return tuple(sorted(found))


def recorded_levels(run: Run) -> tuple[Severity, ...] | None:
    """The severities that a run's model can give, mildest first; `None` for all there are.

    Raises:
        RunError: The record names a severity that does not exist.
    """
    labels = run.record["model"].get("levels")
    try:
        return None if labels is None else tuple(sorted(Severity.parse(s) for s in labels))
    except PolicyError as error:
        raise RunError(f"{run.path}: run.yaml: model: {error}") from None


def tells_unsafe_alone(run: Run) -> bool:
    """Whether a run's model cannot give every severity of its policy, so unsafe or not alone.

    Raises:
        RunError: The record names a severity that does not exist.
    """
    return not gives_all(recorded_levels(run), recorded_severities([run]))


def shared_severities(runs: Sequence[Run]) -> tuple[Severity, ...]:
    """Those that the policies of all runs have, mildest first: what they are compared over.

    Raises:
        RunError: As `recorded_severities`.
    """
    shared = set(Severity).intersection(*(recorded_severities([run]) for run in runs))
    return tuple(sorted(shared))
