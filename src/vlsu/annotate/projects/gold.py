"""Known answers, from a table: for training and for hidden checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlsu._text import quoted
from vlsu.data import Dataset
from vlsu.data.tables import read_rows
from vlsu.errors import DataError
from vlsu.policy import MODALITIES, Policy, Severity

__all__ = ["Known", "read_gold"]

_MOST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Known:
    """A known answer.

    Attributes:
        grade: A severity's label.
        category: Identifier; `None` where it is safe.
        note: Why, for whoever is being trained; may be empty.
    """

    grade: str
    category: str | None = None
    note: str = ""


def read_gold(file: Path, dataset: Dataset, policy: Policy) -> dict[tuple[str, str], Known]:
    """The known answers in a table: item, grade, and perhaps modality, category and note.

    Args:
        file: The table.
        dataset: Whose samples they are of.
        policy: Whose severities and categories.

    Returns:
        (sample, modality) -> its answer.

    Raises:
        DataError: It cannot be read, or an answer cannot be used; the message names the row.
    """
    known = set(dataset.frame().select("id").collect()["id"])
    severities = {severity.label for severity in policy.severities}
    answers: dict[tuple[str, str], Known] = {}
    for row in read_rows(file, ("item", "grade"), ("modality", "category", "note")):
        where = f"{file}, row {row.number}"
        cells = {name: cell.strip() for name, cell in row.cells.items()}
        sample, grade = cells["item"], cells["grade"].lower()
        modality = cells["modality"].lower() or "joint"
        if sample not in known:
            raise DataError(f"{where}: the dataset has no sample {quoted(sample)}")
        if modality not in MODALITIES:
            raise DataError(f"{where}: modality {quoted(modality)}; give image, text or joint")
        if grade not in severities:
            raise DataError(f"{where}: grade {quoted(grade)} is no severity of the policy")
        category = policy.find_category(cells["category"]) if cells["category"] else None
        if (category is None) != (grade == Severity.SAFE.label):
            what = "needs a category of the policy" if category is None else "has no category"
            raise DataError(f"{where}: an item that is {grade} {what}")
        if len(cells["note"]) > _MOST_NOTE:
            raise DataError(f"{where}: the note has more than {_MOST_NOTE} characters; shorten it")
        answer = Known(grade, category, cells["note"])
        if answers.setdefault((sample, modality), answer) != answer:
            raise DataError(f"{where}: another answer for {quoted(sample)} stands above; keep one")
    if not answers:
        raise DataError(f"{file}: no answers; give a row for each item, or leave --gold out")
    return answers
