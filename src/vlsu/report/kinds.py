"""Many rows that are few different ones: the different ones, and which of them each row is.

A million samples differ in some thousand ways, as far as they are sorted and filtered. What a
sample is filtered by is therefore worked out once for each kind of sample, and of the samples only
the number of their kind is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray

__all__ = [
    "NONE",
    "CodeArray",
    "Kinds",
    "Texts",
    "concatenated",
    "first_of",
    "hashed",
    "identifiers",
    "interleaved",
    "kinds_of_numbers",
    "numbered",
    "of_samples",
    "ranked",
]

#: Whole numbers, of as few bytes as hold them.
CodeArray = np.ndarray[Any, np.dtype[Any]]
#: Code of a value that is missing.
NONE = np.iinfo(np.uint32).max
#: Combinations of codes that are looked up in a table, in place of being sorted.
_TABLE = 1 << 22
#: Rows read at once to be coded.
_READ = 120_000
#: Rows whose identifiers are held at once.
_ROWS = 300_000


@dataclass(frozen=True, slots=True)
class Kinds:
    """Rows by their kind.

    Attributes:
        frame: What rows of a kind have in common; a row a kind.
        kind: Row of `frame` of each row; shape ``(n,)``.
    """

    frame: pl.DataFrame
    kind: CodeArray

    @classmethod
    def none(cls) -> Kinds:
        """No rows, and no columns."""
        return cls(pl.DataFrame(), np.zeros(0, dtype=np.uint32))

    def select(self, *columns: pl.Expr | str, **named: pl.Expr) -> Kinds:
        """The same rows with other columns, each made of those of its own row alone."""
        return Kinds(self.frame.select(*columns, **named), self.kind)

    def array(self, column: pl.Expr) -> CodeArray:
        """A number or a truth value of each row; shape ``(n,)``."""
        values: CodeArray = self.frame.select(column).to_series().to_numpy()[self.kind]
        return values

    def taken(self, rows: CodeArray | BoolArray) -> Kinds:
        """Some of the rows, in this order."""
        return Kinds(self.frame, self.kind[rows])

    def first(self) -> CodeArray:
        """The first row of each kind, or how many rows there are if it has none."""
        found = np.full(self.frame.height, len(self.kind))
        found[self.kind[::-1]] = np.arange(len(self.kind))[::-1]
        return found

    def rows(self) -> pl.DataFrame:
        """All rows in full."""
        return self.frame[self.kind]


class Texts:
    """Numbers of texts that occur again and again, over all tables that are read with it."""

    def __init__(self) -> None:
        self._kind = pl.Categorical(pl.Categories.random())
        self._held = pl.Series([], dtype=self._kind)  # without a series the numbers are lost

    def codes(self, frame: pl.LazyFrame, columns: Mapping[str, pl.Expr]) -> dict[str, CodeArray]:
        """The rows of a frame as codes, in their order: 4 bytes a row for each column.

        Args:
            frame: Unread, but of a file or in memory: it is read by slices.
            columns: Name -> a text with few different values.

        Returns:
            Name -> code of each row, `NONE` where it is null. Shape ``(n,)`` each.
        """
        texts = {name: text.cast(pl.String).cast(self._kind) for name, text in columns.items()}
        rows = int(frame.select(pl.len()).collect().item())
        codes = {name: np.empty(rows, dtype=np.uint32) for name in columns}
        for start, part in _slices(frame.select(**texts), rows):
            for name, code in codes.items():
                numbers = part[name].to_physical().cast(pl.UInt32).fill_null(NONE)
                code[start : start + part.height] = numbers.to_numpy()
        return codes

    def code(self, text: str) -> int:
        """The code of a text; one that no other has where it is in no table."""
        texts = self._kind.categories.to_series()
        found = texts.index_of(text)
        return NONE - 1 if found is None else found

    def kinds(self, columns: Mapping[str, CodeArray]) -> Kinds:
        """Rows by their kind, from the codes of their columns.

        Args:
            columns: Name -> codes, shape ``(n,)``; one at least.
        """
        texts = self._kind.categories.to_series()
        n = len(next(iter(columns.values())))
        number, size = np.zeros(n, dtype=np.int64), 1
        for codes in columns.values():
            # Numbered from 1 as they are in use; 0 is for none.
            code = np.where(codes == NONE, len(texts), codes)
            there = np.zeros(len(texts) + 1, dtype=bool)
            there[code] = True
            there[-1] = False
            narrow = np.where(there, np.cumsum(there), 0)
            several = int(narrow.max()) + 1
            number, size = _renumbered(number * several + narrow[code], size * several)
        rows = np.zeros(size, dtype=np.int64)
        rows[number[::-1]] = np.arange(n)[::-1]
        frame = pl.DataFrame(
            {
                name: texts.gather(pl.Series(codes[rows]).replace(NONE, None))
                for name, codes in columns.items()
            }
        )
        return Kinds(frame, number.astype(np.uint32))


def hashed(frame: pl.LazyFrame, sample: str) -> CodeArray:
    """The hash of each row's identifier, shape ``(n,)``.

    Args:
        frame: As for `Texts.codes`.
        sample: Its column of identifiers.
    """
    rows = int(frame.select(pl.len()).collect().item())
    samples = np.empty(rows, dtype=np.uint64)
    for start, part in _slices(frame.select(pl.col(sample).hash()), rows):
        samples[start : start + part.height] = part[sample].to_numpy()
    return samples


def _slices(frame: pl.LazyFrame, rows: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The first row of each slice, and the slice: nothing is read ahead."""
    for start in range(0, rows, _READ):
        yield start, frame.slice(start, _READ).collect(engine="streaming")


def kinds_of_numbers(**columns: CodeArray) -> Kinds:
    """Rows by their kind, from columns of small numbers, none of them negative; ``(n,)`` each."""
    number, size = np.zeros(len(next(iter(columns.values()))), dtype=np.int64), 1
    for values in columns.values():
        several = int(values.max(initial=0)) + 1
        number, size = _renumbered(number * several + values, size * several)
    found = Kinds(pl.DataFrame({"": np.arange(size)}), number.astype(np.uint32))
    rows = found.first()
    return Kinds(pl.DataFrame({name: v[rows] for name, v in columns.items()}), found.kind)


def concatenated(tables: Sequence[Kinds]) -> Kinds:
    """The rows of several tables of the same columns, table after table."""
    before = np.cumsum([0, *(kinds.frame.height for kinds in tables)])
    kind = [(k.kind + start).astype(np.uint32) for k, start in zip(tables, before, strict=False)]
    frame = pl.concat([kinds.frame for kinds in tables], how="vertical_relaxed")
    return Kinds(frame, np.concatenate(kind))


def interleaved(tables: Sequence[Kinds], there: BoolArray) -> Kinds:
    """The rows of several tables of equal length, row after row.

    Args:
        tables: Of the same columns.
        there: Which rows of which table there are; shape ``(n, tables)``.
    """
    whole = concatenated(tables)
    return Kinds(whole.frame, whole.kind.reshape(len(tables), -1).T[there])


def _renumbered(number: CodeArray, size: int) -> tuple[CodeArray, int]:
    """Numbers below a size, those in use numbered anew in the same order, and how many they are."""
    if size > max(_TABLE, 4 * len(number)):
        used, number = np.unique(number, return_inverse=True)
        return number.reshape(-1), len(used)
    used = np.zeros(size, dtype=bool)
    used[number] = True
    new = np.cumsum(used) - 1
    return new[number], int(used.sum())


def numbered(samples: Sequence[CodeArray]) -> tuple[list[CodeArray], list[CodeArray]]:
    """Samples numbered in the order in which they first occur, over several tables.

    Args:
        samples: Of each table the sample of each row, by its hash.

    Returns:
        Of each table the number of each row's sample; and the rows in which those that no table
        before it has occur first.
    """
    starts = [np.flatnonzero(np.append(True, s[1:] != s[:-1])[: len(s)]) for s in samples]
    # What occurs in a row is looked up once.
    heads = np.concatenate([s[start] for s, start in zip(samples, starts, strict=True)])
    of_heads, new = _first_places(heads)
    del heads
    numbers, rows, before = [], [], 0
    for sample, start in zip(samples, starts, strict=True):
        end = before + len(start)
        lengths = np.diff(start, append=len(sample))
        numbers.append(np.repeat(of_heads[before:end], lengths))
        rows.append(start[new[(new >= before) & (new < end)] - before])
        before = end
    return numbers, rows


def _first_places(heads: CodeArray) -> tuple[CodeArray, CodeArray]:
    """Numbers of samples in the order in which they first occur, and where each does so."""
    ordered = np.sort(heads)
    if (ordered[1:] != ordered[:-1]).all():  # as of one run: each occurs once
        return np.arange(len(heads), dtype=np.uint32), np.arange(len(heads))
    del ordered
    _, first, number = np.unique(heads, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(first), dtype=np.uint32)
    place[order] = np.arange(len(first), dtype=np.uint32)
    return place[number.reshape(-1)], first[order]


def first_of(codes: CodeArray, number: CodeArray, among: BoolArray, size: int) -> CodeArray:
    """Of each sample the code in its first row among some, or `NONE`; shape ``(size,)``.

    Args:
        codes: Of each row.
        number: The sample of each row.
        among: The rows that count.
        size: Samples.
    """
    found = np.full(size, NONE, dtype=np.uint32)
    rows = np.flatnonzero(among)[::-1]
    found[number[rows]] = codes[rows]  # the last that is written stays
    return found


def of_samples(
    samples: CodeArray, columns: Mapping[str, CodeArray], wanted: CodeArray
) -> dict[str, CodeArray]:
    """Codes by sample of another table, whose every sample has one row; `NONE` of those without.

    Args:
        samples: Of that table the sample of each row, by its hash.
        columns: Name -> codes of that table.
        wanted: Hashes of the samples wanted.
    """
    if not len(samples):
        return {name: np.full(len(wanted), NONE, dtype=np.uint32) for name in columns}
    if np.array_equal(samples, wanted):
        return dict(columns)
    order = np.argsort(samples)
    at = np.minimum(np.searchsorted(samples, wanted, sorter=order), len(samples) - 1)
    row = order[at]
    known = samples[row] == wanted
    return {
        name: np.where(known, codes[row], NONE).astype(np.uint32) for name, codes in columns.items()
    }


def identifiers(frame: pl.LazyFrame, sample: str, rows: CodeArray) -> pl.Series:
    """The identifiers in some rows of a frame, a part of its rows at a time.

    Args:
        frame: Unread.
        sample: Its column of identifiers.
        rows: Sorted; shape ``(n,)``.
    """
    found = [pl.Series("id", [], dtype=pl.String)]
    end = int(rows[-1]) + 1 if len(rows) else 0
    for start in range(0, end, _ROWS):
        low, high = np.searchsorted(rows, (start, start + _ROWS))
        part = frame.select(id=sample).slice(start, _ROWS).collect(engine="streaming")
        found.append(part["id"].gather(rows[low:high] - start))
    return pl.concat(found)


def ranked(order: Kinds, *descending: pl.Expr) -> CodeArray:
    """The rows sorted by some columns, the largest first; what is alike stays in its order.

    Args:
        order: The rows.
        descending: What they are sorted by; no value is null.

    Returns:
        Their numbers, shape ``(n,)``.
    """
    frame = order.frame.select(pl.struct(*descending).rank("dense", descending=True) - 1)
    rank = frame.to_series().to_numpy()
    narrow = rank.astype(np.uint16 if len(rank) <= np.iinfo(np.uint16).max else np.uint32)
    return np.argsort(narrow[order.kind], kind="stable")
