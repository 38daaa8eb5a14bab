"""What an import says of the severities of its policy."""

from __future__ import annotations

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.importers import About, Note
from vlsu.policy import MODALITIES, Severity

__all__ = ["not_at_hand", "only_two"]

#: Grades of a modality from which on it is no accident that none is borderline.
_ENOUGH = 100


def only_two(dataset: Dataset) -> Note | None:
    """A note that a table graded by three severities holds only safe and unsafe ones.

    The policy is not changed by itself: the next file of the same kind may have the third.
    """
    if Severity.BORDERLINE not in dataset.policy.severities:
        return None
    counts = [
        (pl.col(f"{modality}_grade") == severity.label).sum().alias(f"{modality} {severity.label}")
        for modality in MODALITIES
        for severity in Severity
    ]
    with dataset.reading():
        found = dataset.frame().select(counts).collect(engine="streaming").row(0, named=True)
    if any(found[f"{modality} {Severity.BORDERLINE.label}"] for modality in MODALITIES):
        return None
    for modality in MODALITIES:
        safe, unsafe = (found[f"{modality} {s.label}"] for s in (Severity.SAFE, Severity.UNSAFE))
        if safe and unsafe and safe + unsafe >= _ENOUGH:
            return Note(
                0,
                "every grade is safe or unsafe: --policy binary is made for these",
            )
    return None


def not_at_hand(about: About) -> Note | None:
    """A note that the grades are of a policy that this package does not have."""
    if not about.lacking:
        return None
    return Note(
        0,
        "graded by another policy than the default one: give its file with --policy",
        about.lacking,
    )
