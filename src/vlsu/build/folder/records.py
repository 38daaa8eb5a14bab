"""What the stages leave: records that are made once, and decisions to keep them or give them up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from vlsu.build.plan.cells import Cell
from vlsu.errors import BuildError

__all__ = [
    "ANOTHER_KEPT",
    "REFILL",
    "REQUIRED",
    "STAGES",
    "Decision",
    "Record",
    "Try",
    "require_fits",
]

#: The stages, in their order: each makes its records out of kept ones of the stage before.
STAGES = ("concepts", "images", "queries", "grades")
#: What the provenance of a stage's records must hold; each may hold more.
REQUIRED: Mapping[str, frozenset[str]] = {
    "concepts": frozenset({"model", "prompt", "seed"}),
    "images": frozenset({"source", "licence", "sha256"}),
    "queries": frozenset({"model", "prompt", "seed"}),
    "grades": frozenset({"model", "prompt", "seed"}),
}
#: Why a candidate is given up that was as good as the one kept of its image and cell.
ANOTHER_KEPT = "another candidate was kept"
#: Entries of provenance that name a prompt by its hash.
PROMPT = "prompt"
#: In decisions that give up samples of full cells to have them replaced: how often that was done.
REFILL = "refill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One concept, image, query or pre-grade.

    Attributes:
        stage: One of `STAGES`.
        cell: What it was made for.
        content: The concept, what describes the image, the query, or the grades by modality.
        provenance: Where it is from; at least what `REQUIRED` says.
        parent: Key of the record of the stage before that it was made out of; `None` of a concept.
    """

    stage: str
    cell: Cell
    content: Mapping[str, Any]
    provenance: Mapping[str, Any]
    parent: str | None = None
    _key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """SHA-256 over everything: the same record, made again, is the same one."""
        if not self._key:  # computed once: loops over records ask for it again and again
            object.__setattr__(self, "_key", self._hash())
        return self._key

    def _hash(self) -> str:
        tree = {
            "stage": self.stage,
            "parent": self.parent,
            "pattern": str(self.cell.pattern),
            "category": self.cell.category,
            "language": self.cell.language,
            "content": self.content,
            "provenance": self.provenance,
        }
        return hashlib.sha256(dumped(tree)).hexdigest()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a record is kept.

    Attributes:
        key: Of the record.
        kept: Whether the next stage may use it; of the last stage, whether it is a sample.
        reason: Why it is given up: short, the same for all that is given up for the same, and
            without the content.
        about: Further findings, such as the numbers of a filter. ``on_target: False`` on a
            pre-grade that is kept marks one of the share kept unfiltered whose grades are not its
            cell's: it is handed on, and does not fill the cell.
    """

    key: str
    kept: bool
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Try:
    """One piece of a stage's work, planned before anything is asked or searched for.

    A stage first plans its tries, then works on those without an outcome, in their order. What is
    asked for a try depends on the build's seed and the try alone, never on what other tries of
    its stage came to: a stage that was killed asks nothing twice.

    Attributes:
        stage: One of `STAGES`.
        cell: What it is for.
        subject: Key of the record of the stage before that it works on; `None` for concepts.
        number: From 0, counted for this stage and subject; for concepts, for the category and
            the image's severity of the cell.
    """

    stage: str
    cell: Cell
    subject: str | None
    number: int

    @property
    def key(self) -> str:
        """SHA-256 over everything."""
        cell = (str(self.cell.pattern), self.cell.category, self.cell.language)
        return hashlib.sha256(dumped([self.stage, *cell, self.subject, self.number])).hexdigest()


def dumped(tree: object) -> bytes:
    """JSON with sorted names: the same bytes for the same values.

    Raises:
        BuildError: Something in it has no JSON.
    """
    try:
        return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise BuildError(f"a record cannot be written ({error})") from None


def require_fits(record: Record, parent: Record | None) -> None:
    """Refuse a record that says too little of where it is from, or that its parent cannot have.

    A concept may serve other cells than its own, and an image too, as long as the category and the
    severity of the image are the same; a pre-grade is of the very cell of its query.

    Raises:
        BuildError: It does not fit.
    """
    if record.stage not in STAGES:
        raise BuildError(f"stage {record.stage!r} is none of {', '.join(STAGES)}")
    if lacking := REQUIRED[record.stage] - {
        k for k, v in record.provenance.items() if v is not None
    }:
        raise BuildError(f"{record.stage}: the provenance of a record lacks {min(lacking)!r}")
    place = STAGES.index(record.stage)
    if (parent is None) != (place == 0):
        needs = "no parent" if place == 0 else f"a parent of stage {STAGES[place - 1]}"
        raise BuildError(f"{record.stage}: a record needs {needs}")
    if parent is None:
        return
    if parent.stage != STAGES[place - 1]:
        raise BuildError(f"{record.stage}: made out of {parent.stage}, not {STAGES[place - 1]}")
    mine, its = record.cell, parent.cell
    same = (mine.category, mine.pattern.image) == (its.category, its.pattern.image)
    if not same or (record.stage == STAGES[-1] and mine != its):
        raise BuildError(
            f"{record.stage}: a record for {mine.pattern} {mine.category_name} {mine.language} "
            f"cannot be made out of one for {its.pattern} {its.category_name} {its.language}"
        )
