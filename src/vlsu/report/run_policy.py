"""The policy that a run's pairs are graded by, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vlsu.errors import VlsuError
from vlsu.policy import Policy, known_policy
from vlsu.report.table import Table
from vlsu.runs import Run

__all__ = ["not_covered", "not_covered_note", "policy_of", "with_not_covered"]


def policy_of(run: Run) -> Policy | None:
    """The run's policy; `None` if it is not at hand."""
    hash_ = run.record["policy"]["hash"]
    if (known := known_policy(hash_)) is not None:
        return known
    try:
        policy = run.dataset.policy
    except VlsuError:
        return None
    return policy if policy.hash == hash_ else None


def not_covered(run: Run) -> str:
    """The harms that no category of the run's policy covers, in a line; empty if it names none."""
    policy = policy_of(run)
    return "" if policy is None else "; ".join(each.harm for each in policy.not_covered)


def not_covered_note(run: Run) -> str:
    """The same as a sentence."""
    harms = not_covered(run)
    return harms and f"Nothing here says anything of what the policy does not cover: {harms}."


def with_not_covered(tables: Iterable[Table], runs: Sequence[Run]) -> list[Table]:
    """The tables of these runs, of which the first says in its note what no policy of them covers.

    For formats whose tables stand alone, as in a paper: what a page says beside them is lost there.
    """
    first, *rest = tables
    said = dict.fromkeys(note for run in runs if (note := not_covered_note(run)))
    return [replace(first, note=" ".join(filter(None, (first.note, *said)))), *rest]
