"""Long files: one row per answer, or, as exported by Argilla, one row per item with a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from vlsu.data.grades.answers import Answer, given, mostly_in, read_list
from vlsu.data.grades.exports import Export
from vlsu.data.tables import LINE, columns_found, listing, normalise
from vlsu.errors import DataError

__all__ = ["Responses", "choose_answer", "responses_of"]

#: Maximum distinct answers of a column that is recognised only by its answers.
_FEW_LABELS = 20
#: Usual names of columns with the graded content.
_DATA = frozenset(
    {
        *("text", "image", "prompt", "query", "question", "html", "url", "link"),
        *("image_url", "image_path", "file", "filename", "path", "audio", "video", "title"),
        *("language", "options", "response", "context", "meta", "metadata"),
    }
)


@dataclass(frozen=True, slots=True)
class Responses:
    """The lists of answers to one question that Argilla writes into a row.

    Attributes:
        question: Its name.
        answers: Position of the column of answers.
        users: Position of the column of who gave them.
        states: Position of the column that says which were submitted, where there is one.
    """

    question: str
    answers: int
    users: int
    states: int | None

    def read(self, where: str, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Grader and answer of each answer that was submitted.

        Args:
            where: The file, for messages.
            record: A row of what `vlsu.data.tables.read_frame` gives.

        Raises:
            DataError: The lists cannot be read, or are not as long as each other.
        """
        columns = [self.answers, self.users, *([] if self.states is None else [self.states])]
        if not any(record[str(n)].strip().strip("[]") for n in columns[:2]):
            return
        lists = [read_list(record[str(n)]) for n in columns]
        answers, users, *states = (each or [] for each in lists)
        if None in lists or len({len(each) for each in (answers, users, *states)}) > 1:
            raise DataError(
                f"{where}: line {record[LINE]}: the lists of {self.question!r} cannot be read; "
                "write a row an answer, with columns item, grader and grade"
            )
        for n, (answer, user) in enumerate(zip(answers, users, strict=True)):
            if not states or states[0][n].lower() == "submitted":
                yield user, answer


def responses_of(header: Sequence[str]) -> list[Responses]:
    """The questions of an Argilla export."""
    places = {normalise(name): n for n, name in enumerate(header)}
    return [
        Responses(
            name.removesuffix(".responses"),
            n,
            places[f"{name}.users"],
            places.get(f"{name}.status"),
        )
        for name, n in places.items()
        if name.endswith(".responses") and f"{name}.users" in places
    ]


def choose_answer(
    where: str,
    header: Sequence[str],
    cells: pl.DataFrame,
    taken: set[int | None],
    words: frozenset[str],
    export: Export | None,
) -> Answer:
    """Find the answer in a long file, if the user names no column.

    It is the column that the tool is known to write; else the column with mostly `words`; else the
    only one with a few repeated labels.

    Raises:
        DataError: There is no such column, or several; the message names them.
    """
    if export is not None and (known := export.answers(header, cells)):
        return _only(where, known, export, words, cells)
    columns = [
        Answer(name, n, {})
        for n, name in enumerate(header)
        if n not in taken and name and not _is_other(normalise(name), export)
    ]
    counts = {answer.name: given(answer.read(cells)) for answer in columns}
    graded = [a for a in columns if mostly_in(counts[a.name], words)]
    few = [
        a
        for a in columns
        if 0 < len(kinds := counts[a.name]) <= _FEW_LABELS and len(kinds) < sum(kinds.values())
    ]
    chosen = graded or few
    if len(chosen) == 1:
        return chosen[0]
    what = export.described if export else "a file with a column for the grader"
    if not chosen:
        raise DataError(
            f"{where}: {what}, and no column that looks like the grade; name it with --grade; "
            f"columns: {columns_found(header)}"
        )
    names = listing([answer.name for answer in chosen])
    raise DataError(f"{where}: {what}; the grade may be {names}: say which with --grade")


def _only(
    where: str,
    known: Sequence[Answer],
    export: Export,
    words: frozenset[str],
    cells: pl.DataFrame,
) -> Answer:
    if len(known) > 1:
        graded = [answer for answer in known if mostly_in(given(answer.read(cells)), words)]
        known = graded if len(graded) == 1 else known
    if len(known) == 1:
        return known[0]
    names = listing([answer.name for answer in known])
    raise DataError(
        f"{where}: {export.described} with several answers ({names}); say which with --grade"
    )


def _is_other(name: str, export: Export | None) -> bool:
    return (
        name in _DATA
        or name.startswith(("_", "orig_"))
        or name.endswith(("_gold", "_gold_reason"))
        or (export is not None and export.never_has_answers(name))
    )
