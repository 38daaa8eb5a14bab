"""The severities of the policy that a run grades by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vlsu.errors import PolicyError, RunError
from vlsu.policy import Severity
from vlsu.runs.run import Run

__all__ = ["recorded_severities", "shared_severities"]


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


def shared_severities(runs: Sequence[Run]) -> tuple[Severity, ...]:
    """Those that the policies of all runs have, mildest first: what they are compared over.

    Raises:
        RunError: As `recorded_severities`.
    """
    shared = set(Severity).intersection(*(recorded_severities([run]) for run in runs))
    return tuple(sorted(shared))
