"""Exports of annotation tools, recognised by the columns that each tool always writes.

Label Studio, Prodigy, Amazon Mechanical Turk, Appen (Figure Eight and CrowdFlower before), Toloka,
Potato and doccano; `vlsu.data.grades.long` reads Argilla's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from vlsu.data.grades.answers import Answer, options_of
from vlsu.data.tables import normalise

__all__ = ["EXPORTS", "Export", "recognise"]


@dataclass(frozen=True, slots=True)
class Export:
    """The table that a tool exports, one row per answer; names are normalised.

    Attributes:
        tool: Name of the tool.
        needs: Columns that must all be present.
        item: Columns of the item, of which the first present is used.
        grader: Columns of the grader, of which the first present is used.
        grade: Column of the answer, if its name is known.
        prefix: Prefix of the columns of answers, if any.
        separator: Separator in them between a question and one of its options.
        other: Columns that never contain answers.
        left_out: Column -> values, in lower case, of rows whose answer does not count.
        refused: Why the export cannot be used, and what to do instead; empty if it can.
    """

    tool: str
    needs: frozenset[str]
    item: tuple[str, ...] = ()
    grader: tuple[str, ...] = ()
    grade: tuple[str, ...] = ()
    prefix: str = ""
    separator: str = ""
    other: frozenset[str] = field(default_factory=frozenset)
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: str = ""

    @property
    def described(self) -> str:
        """Description of the file, such as ``an Appen export``."""
        return f"a{'n' if self.tool[0] in 'AEIOU' else ''} {self.tool} export"

    def answers(self, header: Sequence[str], cells: pl.DataFrame) -> list[Answer]:
        """The answers, by the names of the columns."""
        if self.prefix or self.separator:
            return options_of(header, cells, self.prefix, self.separator or ".")
        names = list(map(normalise, header))
        return [Answer(header[names.index(g)], names.index(g), {}) for g in self.grade[:1]]

    def never_has_answers(self, name: str) -> bool:
        """Whether a column, by its normalised name, never contains answers."""
        return name in self.other or name in self.item or name in self.grader


#: The known exports, the most specific first.
EXPORTS = (
    Export(
        "Label Studio",
        frozenset({"annotation_id", "annotator", "lead_time"}),
        item=("id",),
        grader=("annotator",),
        other=frozenset(
            {"annotation_id", "created_at", "updated_at", "lead_time", "was_cancelled", "agreement"}
        ),
        left_out={"was_cancelled": frozenset({"true", "1"})},
    ),
    Export(
        "Prodigy",
        frozenset({"_input_hash", "_task_hash", "answer", "accept"}),
        item=("_input_hash",),
        grader=("_annotator_id", "_session_id"),
        grade=("accept",),
        left_out={"answer": frozenset({"reject", "ignore"})},
    ),
    Export(
        "Prodigy",
        frozenset({"_task_hash", "answer"}),
        item=("_task_hash",),
        grader=("_annotator_id", "_session_id"),
        grade=("answer",),
        left_out={"answer": frozenset({"ignore"})},
    ),
    Export(
        "Mechanical Turk",
        frozenset({"hitid", "workerid"}),
        item=("hitid",),
        grader=("workerid",),
        prefix="answer.",
        left_out={"assignmentstatus": frozenset({"rejected"})},
    ),
    Export(
        "Appen",
        frozenset({"_unit_id", "_trusted_judgments"}),
        refused="one aggregated answer a unit, not those of single graders; download the full "
        "report, which has a row a judgment",
    ),
    Export(
        "Appen",
        frozenset({"_unit_id", "_worker_id"}),
        item=("_unit_id",),
        grader=("_worker_id",),
        left_out={"_tainted": frozenset({"true"})},
    ),
    Export(
        "Toloka",
        frozenset({"assignment:worker_id"}),
        item=("assignment:task_id",),
        grader=("assignment:worker_id",),
        prefix="output:",
        left_out={"assignment:status": frozenset({"rejected", "skipped", "expired"})},
    ),
    Export(
        "Potato",
        frozenset({"user", "instance_id", "displayed_text"}),
        item=("instance_id",),
        grader=("user",),
        separator=":::",
    ),
    Export(
        "doccano",
        frozenset({"id", "text", "label", "comments"}),
        refused="the labels of one annotator; put the annotators' files into one, with a column "
        "grader",
    ),
)


def recognise(header: Sequence[str]) -> Export | None:
    """The export that has these columns."""
    names = set(map(normalise, header))
    for export in EXPORTS:
        if export.needs <= names and not (export.refused and names & _GRADERS):
            return export
    return None


#: A file with one of these columns has graders, even if its format usually has none.
_GRADERS = frozenset({"grader", "annotator", "rater", "user", "worker", "coder"})
