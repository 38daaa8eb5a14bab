"""Reading files of graders' answers, long or wide, as one row per item, modality and grader."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vlsu.data.grades.answers import Answer, given, mostly_in
from vlsu.data.grades.columns import (
    CATEGORY,
    GRADE,
    GRADER,
    ITEM,
    MODALITY,
    RESPONDENT,
    SET_ASIDE,
    GradeColumns,
    cells_of,
)
from vlsu.data.grades.exports import Export, recognise
from vlsu.data.grades.labels import LabelReader, doubtful_names
from vlsu.data.grades.long import Responses, choose_answer, responses_of
from vlsu.data.grades.surveys import survey_of
from vlsu.data.grades.wide import GraderColumn, find_graders
from vlsu.data.tables import (
    LINE,
    MissingWords,
    Table,
    columns_found,
    find_column,
    listing,
    normalise,
    read_frame,
    split_names,
    stripped,
    tally,
)
from vlsu.errors import DataError, UsageError
from vlsu.policy import NOT_SURE, Severity

__all__ = ["GradeFile", "read_grades"]

_WORDS = frozenset({*(s.label for s in Severity), *(s.letter.lower() for s in Severity), NOT_SURE})

_ABOUT = ("item", "modality", "category")
#: Layout; `item`, `modality`, `category`, `grader`, `grade` as it is in the file, `line`; columns.
_Rows = tuple[str, pl.DataFrame, dict[str, str | list[str] | None]]


@dataclass(frozen=True, slots=True)
class GradeFile:
    """The answers in a file.

    Attributes:
        grades: `item`, `modality`, `category`, `grader`, `grade` (text; null is no answer) and the
            `line` of the file.
        layout: ``"long"`` or ``"wide"``.
        columns: The columns by their roles.
        notes: Sentences about rows left out and interpretations made.
    """

    grades: pl.DataFrame
    layout: str
    columns: dict[str, str | list[str] | None]
    notes: tuple[str, ...] = ()


def read_grades(
    path: Path,
    columns: GradeColumns | None = None,
    *,
    relabel: Sequence[str] = (),
    labels: Sequence[str] = (),
    missing: Sequence[str] | None = None,
    encoding: str | None = None,
) -> GradeFile:
    """Read a CSV or TSV of graders' answers.

    A file is long if it is the export of a known tool or has a column for the grader, else wide.
    The graders' columns of a wide file are those named, else those with mostly severities,
    ``not_sure`` or `labels`, else those whose name begins with ``grader``, ``annot``, ``rater``,
    ``coder``, ``labeler`` or ``worker``, else those that share a few labels.

    Args:
        path: The file.
        columns: Columns whose names differ from the usual ones.
        relabel: ``"GLOB=LABEL"``: matching answers are read as this label; the first matching rule
            applies.
        labels: Labels other than severities, if known.
        missing: Words for a missing answer, instead of the usual ones such as ``NA``.
        encoding: Text encoding of the file, if it is not Unicode.

    Raises:
        UsageError: An option is invalid, or names a missing column.
        DataError: The file cannot be read, has no grades, or its columns are ambiguous.
    """
    named = columns or GradeColumns()
    table = Table(path, {*ITEM, *GRADER, *GRADE, *CATEGORY, *MODALITY}, encoding=encoding)
    file = _File(path, table, read_frame(table), named, labels)
    words = LabelReader(MissingWords.read(missing), relabel, labels)
    layout, frame, used = file.long() or file.wide()
    described, found = {**file.described(), **used}, file.notes
    del file  # the cells, of which there may be millions
    frame = frame.with_columns(words.read(frame["grade"], table.delimiter).alias("grade"))
    if frame["grade"].is_null().all():
        raise DataError(f"{path}: no grades; give a file with at least one answer")
    notes = (*found, *words.notes(), *doubtful_names(frame))
    return GradeFile(frame, layout, described, notes)


class _File:
    """Finds the columns of a file of grades."""

    def __init__(
        self,
        path: Path,
        table: Table,
        cells: pl.DataFrame,
        named: GradeColumns,
        labels: Sequence[str],
    ) -> None:
        self._path = path
        self._header = table.header
        self._where = f"{path}: line {table.header_line}"
        self._cells = cells
        self._named = named
        self._words = _WORDS | {normalise(label) for label in labels}
        self.notes: list[str] = []
        self._export = recognise(table.header)
        self._item = self._column("--item", named.item, ITEM)
        self._category = self._column("--category", named.category, CATEGORY)
        self._modality = self._column("--modality", named.modality, MODALITY)
        if named.graders and (named.grader or named.grade):
            raise UsageError(
                "--graders is for a wide file, --grader and --grade are for a long one; give either"
            )

    def described(self) -> dict[str, str | list[str] | None]:
        """The columns by their roles, for both layouts."""
        return {
            "item": self._name(self._item),
            "category": self._name(self._category),
            "modality": self._name(self._modality),
        }

    def long(self) -> _Rows | None:
        """The rows of a long file; `None` if it is not one."""
        if self._named.graders:
            return None
        if questions := responses_of(self._header):
            return self._lists(self._question(questions))
        export = self._export
        if export is not None and export.refused:
            raise DataError(f"{self._path}: {export.described}: {export.refused}")
        if export is not None and self._named.item is None:
            self._item = self._first(export.item)
        grader = self._column("--grader", self._named.grader, () if export else GRADER)
        if export is not None and grader is None:
            grader = self._first(export.grader)
        grade = self._answer()
        if grader is None:
            if self._named.grader or self._named.grade:
                raise UsageError(
                    f"{self._path}: a long file needs a column for each; name it with --grader"
                )
            if export is not None:
                raise DataError(
                    f"{self._path}: {export.described} without a column of who graded "
                    f"({' or '.join(export.grader)}); name it with --grader"
                )
            return None
        if export is None and not self._named.grader and self._is_wide(grader, grade):
            return None
        if grade is None:
            taken = {self._item, self._category, self._modality, grader}
            grade = choose_answer(
                str(self._path), self._header, self._cells, taken, self._words, export
            )
        if self._item is None:
            raise DataError(
                f"{self._path}: no column for the item; name it with --item; "
                f"found: {columns_found(self._header)}"
            )
        kept = self._kept(export)
        graders = cells_of(kept, "grader", grader)
        rows = self._about(kept, graders, grade.read(kept).alias("grade"))
        self._require(rows, "item")
        self._require(rows, "grader")
        if export is not None:
            self.notes.append(
                f"Read as {export.described}: {self._name(self._item)} is the item, "
                f"{self._name(grader)} the grader, {grade.name} the grade."
            )
        return "long", rows, {"grader": self._name(grader), "grade": grade.name}

    def wide(self) -> _Rows:
        """The rows of a wide file.

        Raises:
            DataError: There are fewer than two graders' columns.
        """
        graders = self._graders()
        if not self._named.graders:
            self._refuse_survey({grader.column for grader in graders})
        rows = self._interleaved(graders)
        self._require(rows, "item")
        used = {g.column for g in graders}
        roles = (self._item, self._category, self._modality)
        other = [name for n, name in enumerate(self._header) if name not in used and n not in roles]
        columns = list(dict.fromkeys(g.column for g in graders))
        return "wide", rows, {"graders": columns, "other": other}

    def _interleaved(self, graders: Sequence[GraderColumn]) -> pl.DataFrame:
        """A row for each record and grader, those of a record together."""
        about, height, count = self._about(self._cells), self._cells.height, len(graders)
        if self._item is None:
            about = about.with_columns(item="line " + pl.col(LINE).cast(pl.String))
        columns = [self._cells[str(self._header.index(g.column))] for g in graders]
        order = np.arange(height * count).reshape(count, height).T.ravel()
        repeated = about[np.repeat(np.arange(height), count)]
        modalities = [
            about["modality"] if g.modality is None else pl.repeat(g.modality, height, eager=True)
            for g in graders
        ]
        names = [pl.repeat(g.name, height, dtype=pl.String, eager=True) for g in graders]
        return repeated.with_columns(
            pl.concat(each).gather(order).alias(name)
            for name, each in (("modality", modalities), ("grader", names), ("grade", columns))
        ).select(*_ABOUT, "grader", "grade", LINE)

    def _refuse_survey(self, graders: Collection[str]) -> None:
        """Refuse the table of a web form, whose rows are graders and whose columns are items.

        Raises:
            DataError: It is the export of a survey, or it has no column of the item, but one of
                respondents that differs in every row.
        """
        fix = (
            "so a row is a grader and a column an item; write a row an answer (columns item, "
            "grader, grade), or name the graders' columns with --graders A,B,..."
        )
        person = self._first((*GRADER, *RESPONDENT)) if self._item is None else None
        if person is not None:
            names = given(stripped(self._cells[str(person)]))
            if (
                len(names) > 1
                and all(count == 1 for count in names.values())
                and not mostly_in(names, self._words)
            ):
                raise DataError(
                    f"{self._path}: {self._name(person)} names another person in every row, {fix}"
                )
        if survey := survey_of(self._header, graders, has_item=self._item is not None):
            raise DataError(f"{self._path}: an export of {survey}, {fix}")

    def _graders(self) -> list[GraderColumn]:
        taken = {self._item, self._category, self._modality}
        if self._named.graders:
            names = [n for each in self._named.graders for n in split_names(each, self._header)]
            places = [find_column(self._header, n, self._where, "--graders") for n in names]
            if len(set(places)) < len(places):
                raise UsageError("--graders names a column twice; name each once")
            if len(places) < 2:
                raise DataError(
                    f"{self._path}: --graders names one column; agreement is between two or more"
                )
            return [GraderColumn(self._header[n], self._header[n]) for n in places]
        usual = MissingWords()
        answers = {
            name: {
                cell: count
                for cell, count in tally(stripped(self._cells[str(n)])).items()
                if not usual(cell)
            }
            for n, name in enumerate(self._header)
            if n not in taken and name
        }
        graders = find_graders(
            str(self._path),
            self._header,
            answers,
            self._words,
            self.notes,
            by_modality=self._modality is None,
        )
        columns = [each.column for each in graders]
        if repeated := next((name for name in columns if self._header.count(name) > 1), None):
            find_column(self._header, repeated, self._where, "a grader's")
        if {*columns} <= {cell for name in columns for cell in answers[name]}:
            self.notes.append(
                "The names of the graders' columns are grades: if the first line is a row, put a "
                "line with names before it."
            )
        return graders

    def _lists(self, question: Responses) -> _Rows:
        """The rows of an Argilla export."""
        if self._item is None:
            self._item = self._first(("_server_id",))
        found = [
            (n, grader, answer)
            for n, row in enumerate(self._cells.iter_rows(named=True))
            for grader, answer in question.read(str(self._path), row)
        ]
        schema = {"row": pl.Int64, "grader": pl.String, "grade": pl.String}
        answers = pl.DataFrame(found, schema=schema, orient="row")
        rows = (
            self._about(self._cells)[answers["row"]]
            .with_columns(answers["grader"], answers["grade"])
            .select(*_ABOUT, "grader", "grade", LINE)
        )
        if self._item is None:
            raise DataError(f"{self._path}: no column for the item; name it with --item")
        self.notes.append(
            f"Read as an Argilla export: {self._name(self._item)} is the item, "
            f"{question.question} the grade; answers that were not submitted are left out."
        )
        users = self._header[question.users]
        return "long", rows, {"grader": users, "grade": question.question}

    def _question(self, questions: Sequence[Responses]) -> Responses:
        if (wanted := self._named.grade) is not None:
            folded = normalise(wanted).removesuffix(".responses")
            questions = [q for q in questions if q.question == folded] or questions
        if len(questions) > 1:
            names = listing([q.question for q in questions])
            raise DataError(
                f"{self._path}: an Argilla export with several questions ({names}); say which with "
                "--grade"
            )
        return questions[0]

    def _answer(self) -> Answer | None:
        """The answer named by the user, or with a usual name if the tool is unknown."""
        wanted = self._named.grade
        if wanted is not None and self._export is not None:
            for answer in self._export.answers(self._header, self._cells):
                if normalise(answer.name) == normalise(wanted):
                    return answer
        usual = () if self._export else GRADE
        position = self._column("--grade", wanted, usual)
        return None if position is None else Answer(self._header[position], position, {})

    def _is_wide(self, grader: int, grade: Answer | None) -> bool:
        """Whether the apparent column of graders contains one grader's answers instead.

        That is the case if its cells are grades, or if there is no column of the grade and no item
        is graded twice.
        """
        if mostly_in(given(stripped(self._cells[str(grader)])), self._words):
            return True
        if grade is not None:
            return False
        return self._item is None or cells_of(self._cells, "item", self._item).is_unique().all()

    def _kept(self, export: Export | None) -> pl.DataFrame:
        """The records whose answers count."""
        kept = self._cells
        for name, values in (export.left_out if export else SET_ASIDE).items():
            position = self._first((name,))
            if position is None:
                continue
            marks = kept[str(position)]
            aside = [mark for mark in marks.unique() if mark.strip().lower() in values]
            sound = kept.filter(~marks.is_in(aside)) if aside else kept
            if sound.height < kept.height:
                self.notes.append(
                    f"{kept.height - sound.height} of {kept.height} rows are left out: "
                    f"{self._header[position]} is {' or '.join(sorted(values))}."
                )
            kept = sound
        return kept

    def _about(self, cells: pl.DataFrame, *others: pl.Expr | pl.Series) -> pl.DataFrame:
        """What each record is about, other columns of it, and its line."""
        places = zip(_ABOUT, (self._item, self._modality, self._category), strict=True)
        return cells.select(*(cells_of(cells, name, n) for name, n in places), *others, LINE)

    def _name(self, position: int | None) -> str | None:
        return None if position is None else self._header[position]

    def _first(self, names: Sequence[str]) -> int | None:
        """Position of the first column with one of these normalised names."""
        places = {normalise(name): n for n, name in reversed([*enumerate(self._header)])}
        # Tools prefix the columns that they add with an underscore.
        places = {name.lstrip("_"): n for name, n in places.items()} | places
        return next((places[name] for name in names if name in places), None)

    def _column(self, option: str, wanted: str | None, usual: Sequence[str]) -> int | None:
        """Position of the column named by the user, or of the first with a usual name."""
        if wanted is not None:
            return find_column(self._header, wanted, str(self._path), option)
        return self._first(usual)

    def _require(self, rows: pl.DataFrame, name: str) -> None:
        for line in rows.filter(pl.col(name).is_null())[LINE].head(1):
            raise DataError(f"{self._path}: line {line}: no {name}; fill it in or remove the line")
