"""Known answers, from a table: for training and for hidden checks."""

from __future__ import annotations

from pathlib import Path

from vlsu._text import quoted
from vlsu.data import Dataset
from vlsu.data.tables import read_rows
from vlsu.errors import DataError
from vlsu.policy import MODALITIES, Policy, Severity

__all__ = ["read_gold"]


def read_gold(
    file: Path, dataset: Dataset, policy: Policy
) -> dict[tuple[str, str], tuple[str, str | None]]:
    """The known answers in a table with the columns item, grade, and perhaps modality and category.

    Args:
        file: The table.
        dataset: Whose samples they are of.
        policy: Whose severities and categories.

    Returns:
        (sample, modality) -> (severity, category).

    Raises:
        DataError: It cannot be read, or an answer cannot be used; the message names the row.
    """
    known = set(dataset.frame().select("id").collect()["id"])
    severities = {severity.label for severity in policy.severities}
    answers: dict[tuple[str, str], tuple[str, str | None]] = {}
    for row in read_rows(file, ("item", "grade"), ("modality", "category")):
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
        if answers.setdefault((sample, modality), (grade, category)) != (grade, category):
            raise DataError(f"{where}: another answer for {quoted(sample)} stands above; keep one")
    if not answers:
        raise DataError(f"{file}: no answers; give a row for each item, or leave --gold out")
    return answers
