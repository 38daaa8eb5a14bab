"""The columns of a file of grades: named by the user, or by their usual names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from vlsu.data.tables import stripped

__all__ = [
    "CATEGORY",
    "GRADE",
    "GRADER",
    "ITEM",
    "MODALITY",
    "RESPONDENT",
    "SET_ASIDE",
    "GradeColumns",
    "cells_of",
]

#: Usual names of columns, the most specific first, in any letter case.
ITEM = (
    *("item", "item_id", "sample_id", "id", "uuid", "task", "task_id", "unit_id", "instance_id"),
    *("example_id", "document_id", "doc_id", "question_id", "pair_id", "hitid"),
)
GRADER = (
    *("grader", "grader_id", "annotator", "annotator_id", "rater", "rater_id", "worker_id"),
    *("worker", "coder", "performer", "user_id", "user", "username", "labeler", "labeller"),
    *("participant_id", "annotator_name", "workerid", "annotatorid"),
    *("annotator_email", "graderid", "raterid", "userid", "prolific_id"),
)
#: Columns of the respondent in the table of a web form, with a row per person.
RESPONDENT = (
    *("email_address", "email", "e_mail", "e_mail_address", "your_name", "name", "respondent"),
    *("respondent_id", "response_id", "responseid"),
)
GRADE = ("grade", "label", "rating", "severity", "choice", "verdict")
CATEGORY = ("category",)
MODALITY = ("modality",)
#: Column of long files -> what marks an answer that no longer counts, as ``vlsu annotate`` exports.
SET_ASIDE: Mapping[str, frozenset[str]] = MappingProxyType({"set_aside": frozenset({"1", "true"})})


@dataclass(frozen=True, slots=True)
class GradeColumns:
    """Columns named by the user, instead of those with usual names.

    Attributes:
        item: The graded item; a wide file may lack it, and every row is then an item.
        grader: The grader (long files).
        grade: The answer (long files).
        graders: One column per grader (wide files); a text may hold several names, separated by
            commas.
        category: The category of the item, if the file has one.
        modality: The graded modality, if the file has it.
    """

    item: str | None = None
    grader: str | None = None
    grade: str | None = None
    graders: Sequence[str] = ()
    category: str | None = None
    modality: str | None = None


def cells_of(cells: pl.DataFrame, name: str, position: int | None) -> pl.Series:
    """The cells of a column without outer space; null where empty, or if there is no column."""
    if position is None:
        return pl.Series(name, [None], dtype=pl.String).new_from_index(0, cells.height)
    column = cells[str(position)]
    text = stripped(column)
    if (text == column).all() and (text != "").all():
        return column.alias(name)  # millions of texts, which are there already
    return text.to_frame(name).select(pl.when(pl.col(name) != "").then(pl.col(name))).to_series()
