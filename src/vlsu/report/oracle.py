"""The human oracle in a report: what ``vlsu agreement FILE --json`` says of a single grader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsu._files import MAX_BYTES, read_text
from vlsu.analysis.intervals import Rate
from vlsu.errors import UsageError
from vlsu.policy import Pattern
from vlsu.report.table import Table, format_rate, rate

__all__ = ["Oracle", "load_oracle"]

_SCORES = {
    "accuracy": "accuracy",
    "f1_macro": "macro-F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
}


@dataclass(frozen=True, slots=True)
class Oracle:
    """A single human grader against the others, in the metrics of a model.

    Attributes:
        name: What the row is called.
        joint: Score of the pair -> its rate.
        n: Judgments it is over.
        families: Family -> accuracy on the pair and its n; empty unless image and text were graded.
        patterns: The same by pattern.
    """

    name: str
    joint: Mapping[str, Rate]
    n: int | None
    families: Mapping[str, tuple[Rate, int]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[Rate, int]] = field(default_factory=dict)

    def table(self) -> Table:
        """Its row."""
        found = [key for key in _SCORES if key in self.joint]
        return Table(
            "oracle",
            "Human oracle",
            ("", *(_SCORES[key] for key in found)),
            ((self.name, *(format_rate(self.joint[key]) for key in found)),),
            "One grader against the consensus of the others, on the pair; not the same samples as "
            "the runs' unless they were graded for them.",
        )


def load_oracle(path: Path) -> Oracle:
    """Read the output of ``vlsu agreement FILE --json``.

    Raises:
        UsageError: It cannot be read, or holds no oracle of the pair.
    """
    try:
        tree: Any = json.loads(read_text(path, limit=MAX_BYTES))
        oracle = tree["oracle"]
        joint = oracle["joint"]
        scores = {key: rate(joint[key]) for key in _SCORES if key in joint}
        n = joint.get("n")
        families, patterns = _parts(oracle, "families"), _parts(oracle, "patterns")
        for name in patterns:
            Pattern.parse(name)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"{path}: no human oracle of the pair; write it with vlsu agreement FILE --json, where "
            "FILE has grades of the modality joint"
        ) from None
    return Oracle("human grader", scores, n if isinstance(n, int) else None, families, patterns)


def _parts(oracle: Mapping[str, Any], name: str) -> dict[str, tuple[Rate, int]]:
    """Accuracy and n of the parts that have any."""
    return {
        part: (rate(found["accuracy"]), int(found["n"]))
        for part, found in oracle.get(name, {}).items()
        if found["n"]
    }
