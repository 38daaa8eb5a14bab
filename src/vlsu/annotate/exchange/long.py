"""The long table of grades: a row for each, by pseudonym, as ``vlsu agreement`` reads it."""

from __future__ import annotations

import csv
from typing import TextIO

from vlsu.annotate.exchange.grading import Graded

__all__ = ["LONG_COLUMNS", "LongTable"]

#: Columns in order; `note` follows where notes are asked for.
LONG_COLUMNS = (
    *("item", "modality", "grader", "grade", "category", "confidence", "seconds"),
    *("policy_version", "set_aside", "admissible", "refers", "because", "revealed"),
)


class LongTable:
    """Writes grades as they come.

    Args:
        file: An open text file, its newlines untranslated.
        notes: Whether graders' notes are written, which may quote content.
    """

    def __init__(self, file: TextIO, *, notes: bool = False) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        self._notes = notes
        self._csv.writerow([*LONG_COLUMNS, *(("note",) if notes else ())])

    def add(self, graded: Graded) -> None:
        """Write the grades of a sample, those set aside marked; none of what was taken back."""
        for modality, unit in graded.units.items():
            for each in unit.given:
                row = [
                    graded.sample_id,
                    modality,
                    each.grader,
                    each.grade,
                    each.category,
                    each.confidence,
                    round(each.seconds, 3),
                    each.policy_version,
                    _word(each.set_aside),
                    "|".join(each.admissible),
                    each.refers,
                    each.because,
                    _word(each.revealed),
                ]
                self._csv.writerow([*row, each.note] if self._notes else row)


def _word(value: bool | None) -> str:
    return "" if value is None else str(value).lower()
