"""A file of graders' answers, long or wide, as one row per item, modality and grader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from vlsu.data.tables import Broken, Record, Table, normalise
from vlsu.errors import DataError, UsageError
from vlsu.policy import NOT_SURE, Severity
from vlsu.registry import did_you_mean

__all__ = ["GradeColumns", "GradeFile", "read_grades"]

#: Names a column is found by, best first, in any letter case.
_ITEM = ("item", "item_id", "sample_id", "id", "uuid")
_GRADER = ("grader", "grader_id", "annotator", "annotator_id", "rater", "rater_id", "worker_id")
_GRADE = ("grade", "label", "rating", "severity")
_CATEGORY = ("category",)
_MODALITY = ("modality",)
#: How the name of a grader's column begins in a wide file.
_GRADERS = ("grader", "annot", "rater", "coder", "labeler", "labeller", "worker")

#: Most different answers of a grader's column that is found by nothing but its answers.
_FEW_LABELS = 20

_WORDS = {*(s.label for s in Severity), *(s.letter.lower() for s in Severity), NOT_SURE}


@dataclass(frozen=True, slots=True)
class GradeColumns:
    """Columns named by the user, in place of those found by their usual names.

    Attributes:
        item: What is graded; in a wide file it may be absent, and every row is then an item.
        grader: Who graded (long files).
        grade: The answer (long files).
        graders: One column a grader (wide files).
        category: Of the item, if the file has one.
        modality: What of the item was graded, if the file tells.
    """

    item: str | None = None
    grader: str | None = None
    grade: str | None = None
    graders: Sequence[str] = ()
    category: str | None = None
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class GradeFile:
    """The answers of a file.

    Attributes:
        grades: `item`, `modality`, `category`, `grader`, `grade` (text; null is no answer) and the
            `line` of the file.
        layout: ``"long"`` or ``"wide"``.
        columns: Which column was read as what.
    """

    grades: pl.DataFrame
    layout: str
    columns: dict[str, str | list[str] | None]


def read_grades(
    path: Path,
    columns: GradeColumns | None = None,
    *,
    relabel: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> GradeFile:
    """Read a CSV or TSV of graders' answers.

    Long, if it has a column for the grader and one for the grade; wide otherwise. The columns of a
    wide file are those named, else those that hold mostly severities, ``not_sure`` or `labels`,
    else those whose name begins like ``grader``, ``annot``, ``rater``, ``coder``, ``labeler`` or
    ``worker``, else those that share a few labels.

    Args:
        path: The file.
        columns: Names that differ from the usual ones.
        relabel: ``"GLOB=LABEL"``: answers that match are read as this label; the first that
            matches holds.
        labels: Labels other than severities, if it is known which they are.

    Raises:
        UsageError: An option names a column that is not there, or is not understood.
        DataError: The file cannot be read, or has no grades.
    """
    named = columns or GradeColumns()
    table = Table(path, {*_ITEM, *_GRADER, *_GRADE, *_CATEGORY, *_MODALITY})
    records = list(_records(table))
    found = _Finder(table, named)
    item = found.column("--item", named.item, _ITEM)
    category = found.column("--category", named.category, _CATEGORY)
    modality = found.column("--modality", named.modality, _MODALITY)
    grader = found.column("--grader", named.grader, _GRADER)
    grade = found.column("--grade", named.grade, _GRADE)
    if named.graders and (named.grader or named.grade):
        raise UsageError(
            "--graders is for a wide file, --grader and --grade are for a long one; give either"
        )
    long = grader is not None and grade is not None and not named.graders
    if (named.grader or named.grade) and not long:
        absent = "--grader" if grader is None else "--grade"
        raise UsageError(f"{path}: a long file needs a column for each; name it with {absent}")
    merge = _Relabelling(relabel)
    if long:
        if item is None:
            raise DataError(
                f"{path}: no column for the item; name it with --item; "
                f"found: {', '.join(table.header)}"
            )
        raters: list[str] = []
        rows = [
            (_cell(r, item), _cell(r, modality), _cell(r, category), _cell(r, grader),
             merge(_cell(r, grade)), r.line)
            for r in records
        ]  # fmt: skip
        _require(path, rows, "item", 0)
        _require(path, rows, "grader", 3)
    else:
        raters = found.graders(records, {item, category, modality}, labels)
        positions = [(name, table.header.index(name)) for name in raters]
        rows = [
            (_cell(r, item) if item is not None else f"line {r.line}", _cell(r, modality),
             _cell(r, category), name, merge(_cell(r, position)), r.line)
            for r in records
            for name, position in positions
        ]  # fmt: skip
        _require(path, rows, "item", 0)
    frame = pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys(("item", "modality", "category", "grader", "grade"), pl.String),
            "line": pl.Int64,
        },
        orient="row",
    )
    if frame["grade"].is_null().all():
        raise DataError(f"{path}: no grades; give a file with at least one answer")
    return GradeFile(
        frame,
        "long" if long else "wide",
        {
            "item": found.name(item),
            "category": found.name(category),
            "modality": found.name(modality),
            **(
                {"grader": found.name(grader), "grade": found.name(grade)}
                if long
                else {
                    "graders": raters,
                    "other": [
                        name
                        for n, name in enumerate(table.header)
                        if name not in raters and n not in (item, category, modality)
                    ],
                }
            ),
        },
    )


class _Finder:
    """Columns by their names."""

    def __init__(self, table: Table, named: GradeColumns) -> None:
        self._table = table
        self._named = named
        self._by_name = {normalise(name): n for n, name in reversed([*enumerate(table.header)])}

    def name(self, position: int | None) -> str | None:
        return None if position is None else self._table.header[position]

    def column(self, option: str, wanted: str | None, usual: Sequence[str]) -> int | None:
        """Position of the column named, or of the first with a usual name, if there is one."""
        if wanted is None:
            return next((self._by_name[n] for n in usual if n in self._by_name), None)
        position = self._by_name.get(normalise(wanted))
        if position is None:
            raise UsageError(
                f"{self._table.path}: no column {wanted!r} ({option}); "
                f"{did_you_mean(wanted, self._table.header)}"
            )
        return position

    def graders(
        self,
        records: Sequence[Record],
        taken: set[int | None],
        labels: Sequence[str],
    ) -> list[str]:
        """Names of the graders' columns of a wide file, at least two."""
        header = self._table.header
        if self._named.graders:
            positions = [self.column("--graders", name, ()) for name in self._named.graders]
            found = [header[p] for p in positions if p is not None]
            if len(set(found)) < len(found):
                raise UsageError("--graders names a column twice; name each once")
        else:
            answers = {
                name: [answer for r in records if (answer := _cell(r, n)) is not None]
                for n, name in enumerate(header)
                if n not in taken and name
            }
            words = _WORDS | {normalise(label) for label in labels}
            found = [name for name, given in answers.items() if _mostly(given, words)]
            if len(found) < 2:
                found = [name for name in answers if normalise(name).startswith(_GRADERS)]
            if len(found) < 2:
                found = _sharing_labels(answers)
        if len(found) < 2:
            raise DataError(
                f"{self._table.path}: fewer than two graders found; a long file has columns item, "
                "grader and grade, a wide one a column a grader: name them with --graders A,B,...; "
                f"columns: {', '.join(header)}"
            )
        return found


class _Relabelling:
    """Answers read as other labels."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = []
        for rule in rules:
            pattern, equals, label = rule.rpartition("=")
            if not equals or not pattern.strip() or not label.strip():
                raise UsageError(f"--map {rule!r}: give ANSWER=LABEL, * for any letters: '1*=safe'")
            self._rules.append((pattern.strip().lower(), label.strip()))

    def __call__(self, answer: str | None) -> str | None:
        if answer is not None:
            folded = answer.lower()
            for pattern, label in self._rules:
                if fnmatchcase(folded, pattern):
                    return label
        return answer


def _records(table: Table) -> Iterable[Record]:
    for each in table.records():
        if isinstance(each, Record):
            yield each
        elif isinstance(each, Broken):
            what = ": ".join(part for part in (each.reason, each.value) if part)
            raise DataError(f"{table.path}: line {each.line}: {what}; {each.advice}")


def _cell(record: Record, position: int | None) -> str | None:
    return None if position is None else record.fields[position].strip() or None


def _require(path: Path, rows: Sequence[tuple[object, ...]], what: str, position: int) -> None:
    for row in rows:
        if row[position] is None:
            raise DataError(f"{path}: line {row[-1]}: no {what}; fill it in or remove the line")


def _mostly(answers: Sequence[str], words: set[str]) -> bool:
    """Whether most answers are such words: one misspelt must not cost a grader."""
    return 2 * sum(normalise(answer) in words for answer in answers) > len(answers)


def _sharing_labels(answers: Mapping[str, Sequence[str]]) -> list[str]:
    """Columns of few labels, most of whose answers are labels of another such column."""
    kinds = {name: {normalise(a) for a in given} for name, given in answers.items()}
    few = {name for name, kind in kinds.items() if 0 < len(kind) <= _FEW_LABELS}
    return [
        name
        for name in answers
        if name in few
        and _mostly(answers[name], set().union(*(kinds[other] for other in few - {name})))
    ]
