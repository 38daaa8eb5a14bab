"""Grades as they are read from a file, before they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from vlsu._text import quoted
from vlsu.annotate.plan.answers import BECAUSE, CONFIDENCES, REFERS, Answer, check_answer
from vlsu.data.tables.labels import folded_label, label_key
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, NOT_SURE, Policy, Severity

__all__ = ["FIELDS", "Cells", "Incoming", "Reader", "Refused"]

#: What a column, or a control of a labelling configuration, can hold.
FIELDS = (
    *("item", "modality", "grader", "grade", "category", "confidence", "seconds", "note"),
    *("policy_version", "set_aside", "admissible", "refers", "because", "revealed"),
)
_DAY = 24 * 3600
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})

T = TypeVar("T")

#: Field -> text of a row; what a row lacks is empty or not there.
Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A grade of a file.

    Attributes:
        where: Its place in the file, for messages.
        grader: As the file calls them; empty if it does not say.
    """

    where: str
    item: str
    modality: str
    grader: str
    answer: Answer
    policy_version: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not taken.

    Attributes:
        why: Without the item, so that equal reasons can be counted.
        set_aside: Whether the file itself says that it does not count.
    """

    where: str
    item: str
    why: str
    set_aside: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rows by a project's policy.

    Attributes:
        grades: Word of the file, as `label_key` makes it -> grade.
        modality: Of rows that do not say.
        category: Of harmful grades that do not say; `None` to refuse these.
    """

    policy: Policy
    grades: Mapping[str, str] = field(default_factory=dict)
    modality: str = "joint"
    category: str | None = None

    def grade(self, word: str) -> str | None:
        """The grade that a word stands for; `None` if it is none."""
        mapped = self.grades.get(label_key(word), word)
        folded = folded_label(mapped)
        names = {s.letter.lower(): s.label for s in Severity} | {s.label: s.label for s in Severity}
        return NOT_SURE if folded == NOT_SURE else names.get(folded)

    def read(self, where: str, cells: Cells) -> Incoming | Refused:
        """The grade of a row, or why there is none."""
        item = cells.get("item", "").strip()

        def refused(why: str, *, set_aside: bool = False) -> Refused:
            return Refused(where, item, why, set_aside)

        if not item:
            return refused("no item")
        if cells.get("set_aside", "").strip().lower() in _TRUE:
            return refused("set aside in the file", set_aside=True)
        modality = cells.get("modality", "").strip().lower() or self.modality
        if modality not in MODALITIES:
            return refused(f"modality {quoted(modality)}: give image, text or joint")
        word = cells.get("grade", "").strip()
        grade = self.grade(word) if word else None
        if grade is None:
            return refused(f"grade {quoted(word)} is no severity; say what it is with --grades"
                           if word else "no grade")  # fmt: skip
        category = None
        if grade not in (Severity.SAFE.label, NOT_SURE):
            named = cells.get("category", "").strip()
            category = self.policy.find_category(named) if named else self.category
            if named and category is None:
                return refused(f"category {quoted(named)} is not of the policy")
            if category is None:
                return refused(f"an item that is {grade} needs a category; see --category")
        answer = Answer(
            client_id="import",
            slot=0,
            token="",
            grade=grade,
            category=category,
            confidence=_known(cells.get("confidence", ""), dict(zip(map(str, CONFIDENCES),
                                                                    CONFIDENCES, strict=True))),
            admissible=tuple(
                label
                for each in cells.get("admissible", "").split("|")
                if each.strip() and (label := self.grade(each)) not in (None, NOT_SURE)
                and label is not None
            ),
            refers=_known(cells.get("refers", ""), {name: name for name in REFERS}),
            because=_known(cells.get("because", ""), {name: name for name in BECAUSE}),
            revealed=_truth(cells.get("revealed", "")),
            note=cells.get("note", "").strip()[:2000],
            seconds=_seconds(cells.get("seconds", "")),
        )  # fmt: skip
        try:
            check_answer(answer, self.policy)
        except UsageError as error:
            return refused(str(error))
        version = cells.get("policy_version", "").strip()
        return Incoming(where, item, modality, cells.get("grader", "").strip(), answer, version)


def _known(text: str, values: Mapping[str, T]) -> T | None:
    return values.get(text.strip().lower())


def _truth(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _seconds(text: str) -> float:
    try:
        told = float(text)
    except ValueError:
        return 0.0
    return min(told, _DAY) if told > 0 else 0.0
