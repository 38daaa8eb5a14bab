"""Recognising survey exports, whose rows are respondents and whose columns are questions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vlsu.data.tables import normalise

__all__ = ["survey_of"]

#: Program -> columns that its exports always have.
_PROGRAMS = (
    ("Qualtrics", frozenset({"responseid"})),
    ("Qualtrics", frozenset({"startdate", "enddate"})),
    ("Microsoft Forms", frozenset({"start_time", "completion_time"})),
    ("LimeSurvey", frozenset({"submitdate", "lastpage"})),
)


def survey_of(header: Sequence[str], graders: Collection[str], *, has_item: bool) -> str | None:
    """The survey program that exported a file, if any.

    Args:
        header: All columns' names.
        graders: Columns that look like graders'.
        has_item: Whether a column looks like that of the item.
    """
    names = {normalise(name) for name in header if name not in graders}
    program = next((name for name, columns in _PROGRAMS if columns <= names), None)
    if program is None and not has_item and normalise(header[0]) == "timestamp":
        return "Google Forms"
    return program
