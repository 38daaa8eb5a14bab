"""A table ready to print, and how a rate is written in one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share

__all__ = [
    "ABSENT",
    "RateCell",
    "Table",
    "format_change",
    "format_rate",
    "numeric",
    "percent",
]

#: Cell of a number that nothing was measured for.
ABSENT = "–"
_NUMBER = re.compile(r"[-+–<\d]")


class RateCell(str):
    """The text of a rate in a cell, and the rate itself for those who compute with it."""

    __slots__ = ("rate",)

    rate: Rate

    def __new__(cls, text: str, rate: Rate) -> RateCell:
        """A cell that reads `text`."""
        cell = super().__new__(cls, text)
        cell.rate = rate
        return cell


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to print.

    Attributes:
        name: Stable and unique within a report, such as ``"families"``.
        columns: Headings; the first column holds the row's name.
        rows: Cells as text, as many in each row as there are columns; those of rates are
            `RateCell`.
        note: What the numbers mean, in a line; may be empty.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def numeric(table: Table) -> tuple[bool, ...]:
    """Of each column, whether it holds numbers, which stand at its right side."""
    return tuple(
        all(_NUMBER.match(row[n]) for row in table.rows) for n in range(len(table.columns))
    )


def format_rate(rate: Rate, digits: int = 2) -> str:
    """``0.62 [0.55, 0.69]``, or `ABSENT` where nothing was measured."""
    if rate.value is None:
        return ABSENT
    value, low, high = (f"{each:.{digits}f}" for each in (rate.value, rate.low, rate.high))
    return RateCell(f"{value} [{low}, {high}]", rate)


def format_change(rate: Rate) -> str:
    """``+0.20 [-0.01, +0.41]``, or `ABSENT` where nothing was measured."""
    if rate.value is None:
        return ABSENT
    return RateCell(f"{rate.value:+.2f} [{rate.low:+.2f}, {rate.high:+.2f}]", rate)


def percent(rate: Rate) -> str:
    """``62% [55, 69]``, of a share that is nearly all ``99.6% [98, 100]``; empty if unmeasured."""
    if rate.value is None or rate.low is None or rate.high is None:
        return ""
    return f"{format_share(rate.value)} [{round(100 * rate.low)}, {round(100 * rate.high)}]"
