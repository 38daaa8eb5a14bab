"""What ``run.yaml`` says of an ensemble: its identity, its prompt, its members."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from vlsu.analysis.combining.stacking import FOLDS, STRENGTH
from vlsu.data import Sample
from vlsu.models.ensemble import EnsembleSpec
from vlsu.policy import Policy, Severity
from vlsu.runs.ensembles.members import Member, MemberRun
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.run import Run
from vlsu.tasks import TaskRequest

__all__ = ["Combining", "Described", "combined_prompt", "description", "digest", "identity"]

#: What must be known of a stack.
_SEEN = (
    "of other samples: each is predicted by a model fitted to the gold grades of the other folds, "
    "which share no image, text or group with it; not comparable with models that saw none"
)


@dataclass(frozen=True, slots=True)
class Described:
    """What a record holds of an ensemble in the place of a model.

    Attributes:
        spec: ``ensemble/RULE:A+B``.
        content: The rule and the members.
        levels: The severities that it can give; `None` for all of the policy.
    """

    spec: str
    content: Mapping[str, object]
    levels: Sequence[Severity] | None

    def identity(self) -> Mapping[str, object]:
        """All that could change a verdict."""
        return self.content


@dataclass(slots=True)
class Combining:
    """The understanding task, of which an ensemble itself asks nothing.

    Attributes:
        prompt: Name and hash of its members' prompts.
        policy: The policy it is graded by.
    """

    prompt: Mapping[str, str]
    policy: Policy
    name: str = "understanding"

    def identity(self) -> Mapping[str, object]:
        """As of the task whose judgments are combined."""
        return {"task": self.name, "prompt": self.prompt, "policy": self.policy.identity}

    def requests(self, sample: Sample) -> tuple[TaskRequest, ...]:
        """None."""
        return ()


def identity(
    spec: EnsembleSpec, members: Sequence[Member], runs: Sequence[MemberRun]
) -> dict[str, object]:
    """The rule and the members: all that could change a verdict."""
    return {
        "rule": spec.rule,
        "members": [
            {"member": member.label, "only": member.spec.only, **runs[member.run].identity()}
            for member in members
        ],
    }


def combined_prompt(runs: Sequence[MemberRun]) -> dict[str, str]:
    """Name and hash of the runs' prompt; of several, all names and a hash of all hashes."""
    prompts = {run.prompt["hash"]: run.prompt["name"] for run in runs}
    if len(prompts) == 1:
        return {"name": next(iter(prompts.values())), "hash": next(iter(prompts))}
    return {"name": ", ".join(dict.fromkeys(prompts.values())), "hash": digest(list(prompts))}


def description(
    spec: EnsembleSpec,
    members: Sequence[Member],
    runs: Sequence[MemberRun],
    seed: int,
    done: Sequence[Run] = (),
    incomplete: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """``ensemble`` of the record.

    Args:
        spec: The ensemble's.
        members: Its voters.
        runs: Their runs.
        seed: Of the folds of a stack.
        done: The same once they are finished, in the same order.
        incomplete: Modality -> items that were decided though a member had no answer.
    """
    found: dict[str, Any] = {
        "rule": spec.rule,
        "members": [
            {
                "name": member.label,
                **_of(runs[member.run]),
                "contributes": {m: list(reads) for m, reads in member.reads.items()},
                **(_of_finished(done[member.run].record) if done else {}),
            }
            for member in members
        ],
    }
    if incomplete is not None:
        found["decided_without_all"] = dict(incomplete)
    if spec.rule == "stack":
        found["gold_seen"] = _SEEN
        found["fitted"] = {"folds": FOLDS, "seed": seed, "strength": STRENGTH}
    return found


def _of(run: MemberRun) -> dict[str, object]:
    levels = run.levels
    return {
        "spec": run.spec,
        "prompt": run.prompt["name"],
        "live": run.evaluation is not None,
        "folder": run.folder,
        **({} if levels is None else {"levels": [level.label for level in levels]}),
    }


def _of_finished(record: RunRecord) -> dict[str, object]:
    outcomes: Counter[str] = Counter()
    for counts in record.outcomes.values():
        outcomes.update(counts)
    return {
        "fingerprint": record.fingerprint,
        "judgments": record.get("results", {}).get("judgments.parquet"),
        "outcomes": dict(sorted(outcomes.items())),
        **({"cost": record["cost"]["total"]} if "cost" in record else {}),
    }


def digest(parts: object) -> str:
    """A hash of JSON values."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
