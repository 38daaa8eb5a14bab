"""Parts of a set of samples by their gold grades: patterns, families, categories."""

from __future__ import annotations

import re

import numpy as np

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.table.cells import ABSENT
from vlsu.policy import Family, Pattern, Severity

__all__ = ["by_family", "by_pattern", "natural_order"]


def by_pattern(gold: IntArray, among: BoolArray) -> dict[str, BoolArray]:
    """Cells of every pattern that occurs, on the list of 17 or not, by family and severity.

    Args:
        gold: Gold grades by cell and modality, shape ``(C, 3)``.
        among: Cells that count at all, shape ``(C,)``; those without three grades are left out.
    """
    whole = among & _graded(gold)
    found = {Pattern(*map(Severity, grades)) for grades in np.unique(gold[whole], axis=0).tolist()}
    families = list(Family)
    ordered = sorted(found, key=lambda p: (families.index(p.family), p.image, p.text, p.joint))
    return {str(p): whole & (gold == (p.image, p.text, p.joint)).all(axis=1) for p in ordered}


def by_family(gold: IntArray, among: BoolArray) -> dict[str, BoolArray]:
    """Cells of every family; arguments as `by_pattern`."""
    whole = among & _graded(gold)
    joint, worse = gold[:, 2], gold[:, :2].max(axis=1)
    of_family = {
        Family.LATE_FUSION: joint == worse,
        Family.ESCALATING: joint > worse,
        Family.DE_ESCALATING: joint < worse,
    }
    return {family.value: whole & of_family[family] for family in Family}


def natural_order(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key that puts ``C9`` before ``C10``."""
    return tuple(
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d+)", name)
    )


def _graded(gold: IntArray) -> BoolArray:
    graded: BoolArray = (gold != ABSENT).all(axis=1)
    return graded
