"""The second pass of an import: duplicates left out, identifiers made unique, notes counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product, starmap
from operator import itemgetter

import orjson
import polars as pl

from vlsu.data.importers import Note, Rejected
from vlsu.data.importers.record import shown_name
from vlsu.data.importing.blocks import LINE, Block, Spool
from vlsu.data.importing.duplicates import IdIndex
from vlsu.data.importing.report import MAX_EXAMPLES, Tally
from vlsu.data.marks import ADMISSIBLE, MARKS, unread
from vlsu.data.rows import COLUMNS
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["resolved_rows"]

_NEAR_DUPLICATE_ID = "id differs from another's only in letter case or Unicode form"


def resolved_rows(spool: Spool, ids: IdIndex, tally: Tally) -> Iterator[pl.DataFrame]:
    """Second pass: the rows without duplicates, with unique ids.

    Notes are counted here, so that those of a duplicate row do not count twice.

    Args:
        spool: All rows that can be stored.
        ids: Their identifiers.
        tally: Counts what is noted.
    """
    decisions = ids.duplicates()
    near_duplicates = ids.near_duplicates()
    start = 0
    for block in spool:
        numbers = range(start, start + block.frame.height)
        start = numbers.stop
        decided = {n - numbers.start: decisions[n] for n in numbers if n in decisions}
        near = [n - numbers.start for n in numbers if n in near_duplicates]
        yield _resolved(block, decided, near, ids, tally)


def _resolved(
    block: Block, decided: Mapping[int, int], near: Sequence[int], ids: IdIndex, tally: Tally
) -> pl.DataFrame:
    """The rows of a block that are no duplicates, after their notes were counted.

    Args:
        block: The block.
        decided: Row -> what `IdIndex.duplicates` says of it.
        near: Rows that `IdIndex.near_duplicates` names.
        ids: All identifiers.
        tally: Counts the notes.
    """
    frame, lines = block.frame, block.frame[LINE]
    dropped = {n for n, number in decided.items() if not number}
    # Of each row in this order; rows are sorted at last.
    noted: list[tuple[int, Note | Rejected]] = []
    if decided:
        stated = {n: frame["id"][n] for n in decided}
        for n in dropped:
            name = shown_name(stated[n])
            noted.append((n, Rejected(lines[n], "duplicate row", name, "remove the line")))
        renamed = [n for n in decided if n not in dropped]
        renamed.sort()
        unique = ids.unique_ids([stated[n] for n in renamed], [decided[n] for n in renamed])
        for n, id_ in zip(renamed, unique, strict=True):
            kind, fix = "duplicate id, row differs -> id changed", "give the row an id of its own"
            change = f"{shown_name(stated[n])} -> {shown_name(id_)}"
            noted.append((n, Note(lines[n], kind, change, fix, problem=True)))
        changed = dict(zip(renamed, unique, strict=True))
        new = [changed.get(n, id_) for n, id_ in enumerate(frame["id"])]
        frame = frame.with_columns(pl.Series("id", new, dtype=pl.String))
    more: list[tuple[Note, int]] = []

    def add(note: Note, rows: Iterable[int]) -> None:
        on = [n for n in rows if n not in dropped]
        if not (note.problem or note.value):
            more.append((note, len(on[MAX_EXAMPLES:])))
            on = on[:MAX_EXAMPLES]
        noted.extend((n, replace(note, line=lines[n])) for n in on)

    for note, rows in block.notes:
        add(note, rows)
    for n in near:
        name = shown_name(frame["id"][n])
        add(Note(0, _NEAR_DUPLICATE_ID, name, "see whether both are meant"), [n])
    for n, (name, value, wanted) in _unread(frame["metadata"]):
        add(Note(0, f"{name} not understood", value, f"write {wanted}", problem=True), [n])
    for kind, rows in _unlisted(frame):
        add(Note(0, kind), rows)
    for _, each in sorted(noted, key=itemgetter(0)):
        if isinstance(each, Rejected):
            tally.reject(each)
        else:
            tally.note(each)
    for note, count in more:
        tally.note_more(note, count)
    if dropped:
        frame = frame.filter([n not in dropped for n in range(frame.height)])
    return frame.drop(LINE)


def _unread(metadata: pl.Series) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Rows with marks that are not understood, and what `vlsu.data.marks.unread` says of each."""
    marks = [orjson.dumps(name).decode() for name in (*MARKS, ADMISSIBLE)]
    for n in metadata.str.contains_any(marks).arg_true():
        for each in unread(orjson.loads(metadata[n])):
            yield n, each


_UNLISTED = {
    "|".join(each.label for each in (pattern.image, pattern.text, pattern.joint)): str(pattern)
    for pattern in starmap(Pattern, product(Severity, repeat=3))
    if not pattern.listed
}


def _unlisted(frame: pl.DataFrame) -> Iterator[tuple[str, list[int]]]:
    """A note on each pattern that the paper does not list, and its rows."""
    grades = [f"{modality}_grade" for modality in MODALITIES]
    found = frame.select(
        pl.concat_str(sorted(grades, key=COLUMNS.index), separator="|").alias("grades"),
        pl.int_range(pl.len()).alias("row"),
    ).filter(pl.col("grades").is_in(list(_UNLISTED)))
    for (key,), rows in found.group_by(["grades"], maintain_order=True):
        yield f"unlisted pattern {_UNLISTED[str(key)]}", rows["row"].to_list()
