"""The graders' columns of a wide file: a row an item, a column a grader."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vlsu.data.grades.answers import mostly
from vlsu.data.tables import listing, normalise
from vlsu.errors import DataError
from vlsu.policy import MODALITIES

__all__ = ["GraderColumn", "find_graders"]

#: How the name of a grader's column begins.
_GRADERS = ("grader", "annot", "rater", "coder", "labeler", "labeller", "worker")
#: Most different answers of a grader's column that is found by nothing but its answers.
_FEW_LABELS = 20

_MODALITY_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("image", "img", "picture", "photo", "visual"), "image"),
    **dict.fromkeys(("text", "prompt", "caption", "query", "textual"), "text"),
    **dict.fromkeys(("joint", "combined", "pair", "both", "multimodal", "overall"), "joint"),
}
#: Words of a column's name that tell nothing of who graded.
_GENERIC = frozenset(
    {
        *("grade", "grades", "label", "labels", "rating", "ratings", "severity", "score"),
        *("answer", "answers", "annotation", "value", "class", "verdict", "category"),
        *("safety", "harm", "human", "by", "of", "annotator", "annot", "grader", "rater"),
        *("coder", "labeler", "labeller", "worker"),
    }
)
#: Words of the name of a column whose grades are settled, or a model's: no grader's.
_SETTLED = frozenset(
    {
        *("gold", "golden", "consensus", "majority", "final", "adjudicated"),
        *("adjudication", "aggregated", "expected", "truth", "reference", "resolved"),
        *("settled", "predicted", "prediction"),
    }
)
#: Words of the name of a column that tells of a grading and is none.
_ABOUT = frozenset(
    {
        *("id", "ids", "uuid", "hash", "name", "email", "mail", "time", "times"),
        *("timestamp", "date", "at", "created", "updated", "started", "submitted"),
        *("duration", "seconds", "lead", "session", "comment", "comments", "note", "notes"),
        *("remark", "remarks", "reason", "reasons", "explanation", "rationale"),
        *("confidence", "certainty", "count", "url", "link", "ip", "country", "city"),
        *("region", "status", "trust", "channel", "page", "order", "index", "rank"),
        *("agreement", "agreements"),
    }
)


@dataclass(frozen=True, slots=True)
class GraderColumn:
    """A grader's column.

    Attributes:
        name: Of the grader.
        column: Its name in the file.
        modality: What was graded, where the column's name tells.
    """

    name: str
    column: str
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    """What a column's name tells: a modality, who graded, whether the grade is settled."""

    column: str
    modality: str | None
    grader: str
    settled: bool

    @classmethod
    def read(cls, column: str) -> _Named:
        words = [word for word in re.split(r"[\W_]+", normalise(column)) if word]
        modality = next((_MODALITY_WORDS[w] for w in words if w in _MODALITY_WORDS), None)
        others = [w for w in words if w not in _MODALITY_WORDS and w not in _SETTLED]
        own = [w for w in others if w not in _GENERIC]
        # A number alone names no one: grader 1, annotator 2.
        named = own if any(not w.isdigit() for w in own) else others if own else []
        return cls(column, modality, "_".join(named), bool(_SETTLED & set(words)))


def find_graders(
    where: str,
    header: Sequence[str],
    answers: Mapping[str, Sequence[str]],
    words: frozenset[str],
    notes: list[str],
    *,
    by_modality: bool,
) -> list[GraderColumn]:
    """The graders' columns, at least two.

    These are the columns that hold mostly `words`; if fewer than two do, those named like a grader;
    else those that share a few labels.

    Args:
        where: The file, for messages.
        header: All columns' names.
        answers: Column that may be a grader's -> its answers.
        words: Severities and labels that are known, normalised.
        notes: What is to be said of columns that were not taken is added to it.
        by_modality: Whether columns may be told apart by the modality that their names tell.

    Raises:
        DataError: Fewer than two are found, or they are grades of different things.
    """
    found = [name for name, given in answers.items() if given and mostly(given, words)]
    if len(found) < 2:
        found = [
            name for name in answers if normalise(name).startswith(_GRADERS) and not _is_about(name)
        ]
    if len(found) < 2:
        found = _sharing_labels({n: given for n, given in answers.items() if not _is_about(n)})
    named = [_Named.read(name) for name in found]
    graders = _of_modalities(where, named, notes) if by_modality else None
    if graders is None:
        graders = _single(named, notes)
    if len({grader.name for grader in graders}) < 2:
        settled = [each.column for each in named if each.settled]
        seen = f"{listing(settled)} is no single grader's; " if settled and len(named) > 1 else ""
        raise DataError(
            f"{where}: fewer than two graders found; {seen}a long file has columns item, grader "
            "and grade, a wide one a column a grader: name them with --graders A,B,...; columns: "
            f"{listing(header)}"
        )
    return graders


def _single(named: Sequence[_Named], notes: list[str]) -> list[GraderColumn]:
    """One column a grader, those left out whose grades are settled ones."""
    graders = [each for each in named if not each.settled]
    settled = [each.column for each in named if each.settled]
    if settled and len(graders) > 1:
        notes.append(
            f"{listing(settled)}: not taken for a grader, by its name; --graders takes it."
        )
    return [GraderColumn(each.column, each.column) for each in graders]


def _of_modalities(
    where: str, named: Sequence[_Named], notes: list[str]
) -> list[GraderColumn] | None:
    """A column for each grader and modality, where the columns' names tell both.

    Raises:
        DataError: They are grades of different things, or it cannot be told.
    """
    told = [each for each in named if each.modality is not None]
    of_graders = [each for each in told if each.grader and not each.settled]
    anonymous = [each for each in told if each not in of_graders]
    plain = [each for each in named if each.modality is None and not each.settled]
    if len(told) < 2 or len(plain) > 1:
        if of_graders and len(plain) > 1 and len(told) > 1:
            raise DataError(
                f"{where}: {listing([each.column for each in told])} name what was graded and "
                f"{listing([each.column for each in plain])} do not; say which columns are "
                "graders of the same thing: --graders A,B,..."
            )
        if anonymous and len(plain) > 1:
            notes.append(
                f"{listing([e.column for e in anonymous])}: not taken for a grader, by its name; "
                "--graders takes it."
            )
            return [GraderColumn(each.column, each.column) for each in plain]
        return None
    names = {each.grader for each in of_graders}
    if len(names) < 2 or plain:
        things = ", ".join(dict.fromkeys(str(e.modality) for e in told))
        raise DataError(
            f"{where}: {listing([each.column for each in told])} are grades of different things "
            f"({things}), not different graders of one; give a file with the answers of several "
            "graders (columns item, grader, grade), or name graders of one thing with --graders "
            "A,B,..."
        )
    if anonymous:
        notes.append(
            f"{listing([each.column for each in anonymous])}: not taken for a grader, by its name."
        )
    by_place: dict[tuple[str, str], GraderColumn] = {}
    for each in sorted(of_graders, key=lambda e: MODALITIES.index(str(e.modality))):
        column = GraderColumn(each.grader, each.column, each.modality)
        other = by_place.setdefault((each.grader, str(each.modality)), column)
        if other is not column:
            raise DataError(
                f"{where}: {other.column} and {column.column} are both {each.grader}'s grades of "
                f"the {each.modality}; say which columns are graders with --graders A,B,..."
            )
    return list(by_place.values())


def _is_about(column: str) -> bool:
    """Whether a column, by its name, tells of a grading and is none."""
    words = re.split(r"[\W_]+", normalise(column))
    return column.startswith("_") or bool(_ABOUT & set(words))


def _sharing_labels(answers: Mapping[str, Sequence[str]]) -> list[str]:
    """Columns of few labels, most of whose answers are labels of another such column."""
    kinds = {name: {normalise(a) for a in given} for name, given in answers.items()}
    few = [
        name
        for name, kind in kinds.items()
        if 0 < len(kind) <= _FEW_LABELS and (len(kind) < len(answers[name]) or len(kind) < 3)
    ]
    # A label's columns, so that each column is compared with all others in one look.
    columns_of: dict[str, int] = {}
    for name in few:
        for label in kinds[name]:
            columns_of[label] = columns_of.get(label, 0) + 1
    shared: Collection[str] = {label for label, count in columns_of.items() if count > 1}
    return [name for name in few if mostly(answers[name], frozenset(shared))]
