"""Parts of a set of samples by their gold grades: patterns, families, categories."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.table.cells import ABSENT, IMAGE, JOINT, TEXT
from vlsu.policy import Family, Pattern, Severity

__all__ = ["by_family", "by_pattern", "family_conditions", "natural_order"]


def by_pattern(gold: IntArray, among: BoolArray) -> dict[str, BoolArray]:
    """Cells of every pattern that occurs, on the list of 17 or not, by family and severity.

    Args:
        gold: Gold grades by cell and modality, shape ``(C, 3)``.
        among: Cells that count at all, shape ``(C,)``; those without three grades are left out.

    Example:
        >>> gold = np.array([[0, 0, 2], [0, 0, 0], [2, 0, 2]])
        >>> {name: cells.tolist() for name, cells in by_pattern(gold, np.full(3, True)).items()}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'S-S-S': [False, True, False], 'U-S-U': [False, False, True],
         'S-S-U': [True, False, False]}
    """
    whole = among & _graded(gold)
    found = {Pattern(*map(Severity, grades)) for grades in np.unique(gold[whole], axis=0).tolist()}
    return {
        str(pattern): whole & (gold == (pattern.image, pattern.text, pattern.joint)).all(axis=1)
        for pattern in sorted(found, key=lambda pattern: pattern.order)
    }


def by_family(gold: IntArray, among: BoolArray) -> dict[str, BoolArray]:
    """Cells of every family; arguments as `by_pattern`.

    Example:
        >>> families = by_family(np.array([[0, 0, 2], [0, 0, 0], [2, 0, 1]]), np.full(3, True))
        >>> [name for cell in range(3) for name, cells in families.items() if cells[cell]]
        ['escalating', 'late-fusion', 'de-escalating']
    """
    whole = among & _graded(gold)
    families = family_conditions(gold[:, JOINT], gold[:, [IMAGE, TEXT]].max(axis=1))
    return {family.value: whole & inside for family, inside in families.items()}


def family_conditions(joint: Any, worse: Any) -> dict[Family, Any]:
    """Which samples are of each family, in the usual order of the families.

    Args:
        joint: Joint grades: an array, or an expression of a data frame.
        worse: The worse of image and text grade, of the same kind.
    """
    return {
        Family.LATE_FUSION: joint == worse,
        Family.ESCALATING: joint > worse,
        Family.DE_ESCALATING: joint < worse,
    }


def natural_order(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key that puts ``C9`` before ``C10``.

    Example:
        >>> sorted(["C10", "C9", "C1"], key=natural_order)
        ['C1', 'C9', 'C10']
    """
    return tuple(
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d+)", name)
    )


def _graded(gold: IntArray) -> BoolArray:
    graded: BoolArray = (gold != ABSENT).all(axis=1)
    return graded
