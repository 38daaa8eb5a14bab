"""The human oracle in a report: a single grader as ``vlsu agreement FILE --json`` measures it.

A grader is compared with the consensus of the others, a run with the gold grade: two references, of
which the first is less sure. Where the graders' items are samples of the runs, all are compared
with the first, on the items that they share, and stand side by side for that alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from vlsu._files import MAX_BYTES, read_text
from vlsu.analysis.agreement.references import References, reference_scores
from vlsu.analysis.stats.intervals import Rate
from vlsu.errors import UsageError
from vlsu.policy import Pattern
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.runs import Run

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
        references: Item -> for each grader the consensus and the grader's answer; empty where the
            file has none.
    """

    name: str
    joint: Mapping[str, Rate]
    n: int | None
    families: Mapping[str, tuple[Rate, int]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[Rate, int]] = field(default_factory=dict)
    references: References = field(default_factory=dict)

    def shared(self, runs: Mapping[str, Run]) -> dict[str, Mapping[str, Any]]:
        """The runs and the grader on the same references, by run; see `reference_scores`.

        Args:
            runs: Name -> run. One that shares no item with the graders is left out.
        """
        found: dict[str, Mapping[str, Any]] = {}
        for name, run in runs.items():
            scores = reference_scores(self.references, self._predictions(run))
            if scores is not None:
                found[name] = scores
        return found

    def is_about(self, run: Run) -> bool:
        """Whether the grader graded any of the run's samples, and the run was asked about them."""
        return bool(self._predictions(run))

    def _predictions(self, run: Run) -> dict[str, str | None]:
        """The run's answers to the pairs that the grader graded."""
        if not self.references:
            return {}
        mine = pl.col("sample_id").is_in(list(self.references)) & (pl.col("modality") == "joint")
        return dict(run.judged(pl.col("sample_id"), pl.col("predicted"), where=mine).iter_rows())

    def tables(self, runs: Mapping[str, Run]) -> list[Table]:
        """The grader's scores, and those of the runs on the same references where they share any.

        Args:
            runs: Name -> run.
        """
        if shared := self.shared(runs):
            return [self._table_of(shared)]
        scores = [key for key in _SCORES if key in self.joint]
        return [
            Table(
                "oracle",
                "Human oracle",
                ("", *(_SCORES[key] for key in scores)),
                ((self.name, *(format_rate(self.joint[key]) for key in scores)),),
                "One grader against the consensus of the others, on the pair. The items are not "
                "the runs' samples and the reference is not their gold grade, so this and the "
                "runs' figures cannot be compared.",
            )
        ]

    def _table_of(self, shared: Mapping[str, Mapping[str, Any]]) -> Table:
        rows = []
        for name, scores in shared.items():
            cells = {
                who: [format_rate(Rate.from_json(scores[who][key])) for key in _SCORES]
                for who in ("human", "model")
            }
            n = f"{scores['model']['n']:,}"
            difference = format_change(Rate.from_json(scores["difference"]))
            human = (self.name, *cells["human"], n, ABSENT)
            if human not in rows:
                rows.append(human)
            rows.append((name, *cells["model"], n, difference))
        return Table(
            "oracle",
            "Human oracle and runs on the same references",
            ("", *_SCORES.values(), "n", "accuracy less the grader's"),
            tuple(rows),
            "Each answer of a grader is compared with the consensus of the others, on the pair, "
            "and the run's answer to the same item with the same consensus; n: these comparisons. "
            "In the leaderboard the runs are compared with the gold grade, the consensus of all, "
            "which no grader can be; so the grader does not stand there. Intervals resample items.",
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
        scores = {key: Rate.from_json(joint[key]) for key in _SCORES if key in joint}
        n = joint.get("n")
        families, patterns = _parts(oracle, "families"), _parts(oracle, "patterns")
        for name in patterns:
            Pattern.parse(name)
        references = {
            str(item): [(str(reference), _answer(answer)) for reference, answer in rows]
            for item, rows in oracle.get("references", {}).items()
        }
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"{path}: no human oracle of the pair; write it with vlsu agreement FILE --json, where "
            "FILE has grades of the modality joint"
        ) from None
    known = n if isinstance(n, int) else None
    return Oracle("human grader", scores, known, families, patterns, references)


def _answer(value: object) -> str | None:
    """A grader's answer.

    Raises:
        ValueError: It is neither a text nor null.
    """
    if value is not None and not isinstance(value, str):
        raise ValueError("an answer is a text or null")
    return value


def _parts(oracle: Mapping[str, Any], name: str) -> dict[str, tuple[Rate, int]]:
    """Accuracy and n of the parts that have any."""
    return {
        part: (Rate.from_json(scores["accuracy"]), int(scores["n"]))
        for part, scores in oracle.get(name, {}).items()
        if scores["n"]
    }
