"""Recovering identifiers that a spreadsheet changed when it opened and saved a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial

from vlsu.data.tables.spreadsheets import unescape_formula
from vlsu.data.tables.words import plain_typing, without_formula

__all__ = ["KeyMatch", "Keys", "plain_text", "spelling"]

#: Digits of a number that a spreadsheet preserves; the rest become zeros.
_KEPT_DIGITS = 15
#: Maximum characters of a name that is taken for a number or a date.
_MAX_LENGTH = 40

_GROUPED = re.compile(
    r"[-+]?\d{1,3}(?P<mark>[,.' \u00a0\u2009\u202f\u2019])\d{3}(?:(?P=mark)\d{3})*"
)
_SCIENTIFIC = re.compile(r"(?P<whole>\d)(?:[.,](?P<part>\d+))?[eE]\+?(?P<exponent>\d{1,3})")
#: Abbreviations of the months in common languages of spreadsheets, in order.
_MONTHS = (
    *("jan ene gen", "feb fév fev", "mar mär mrz mrt maa", "apr abr avr", "may mai mag mei maj"),
    *("jun juin giu", "jul juil lug", "aug aoû ago", "sep set", "oct okt ott out", "nov"),
    "dec dez déc dic",
)
_MONTH_OF = {name: n for n, names in enumerate(_MONTHS, 1) for name in names.split()}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})[^\W\d]*\.?"
_DATES = (
    re.compile(r"(\d{1,4})[-/.](\d{1,2})(?:[-/.](\d{1,4}))?(?: 0?0:00(?::00)?)?"),
    re.compile(rf"(\d{{1,2}})[-/. ]*{_MONTH}(?:[-/. ]*(\d{{2,4}}))?", re.IGNORECASE),
    re.compile(rf"{_MONTH}[-/. ]*(\d{{1,4}})(?:[-/., ]*(\d{{2,4}}))?", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """The names that a cell may stand for.

    Attributes:
        names: The matching names; exactly one if the match is unique.
        how: Description of the change; empty for an exact match.
    """

    names: tuple[str, ...]
    how: str = ""


class Keys:
    """Matches cells to known names, undoing changes by spreadsheets.

    In this order: the exact name; without the apostrophe that escapes a formula; ignoring letter
    case, typographic quotes and dashes, unusual spaces and Unicode forms; as a number with changed
    zeros, separators or decimals; as a number cut to 15 digits; as a date; as a number in
    scientific notation. The first way in which any name matches decides, and it counts if the match
    is unique.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)

    def find(self, cell: str) -> KeyMatch:
        """The names that a cell matches, if any."""
        stripped = cell.strip()
        for exact in dict.fromkeys(
            (cell, stripped, unescape_formula(cell), unescape_formula(stripped))
        ):
            if exact in self._names:
                how = "" if exact == stripped else "an apostrophe before it"
                return KeyMatch((exact,), how)
        cell = without_formula(stripped)
        if cell in self._names:
            return KeyMatch((cell,))
        for how, index, fold in self._folds:
            key = fold(cell)
            if key is not None and (names := index.get(key)):
                return KeyMatch(tuple(names), how)
        scientific = _SCIENTIFIC.fullmatch(cell.strip()[:_MAX_LENGTH])
        if scientific:
            digits = scientific["whole"] + (scientific["part"] or "")
            key = f"{int(scientific['exponent']) + 1}:{digits.rstrip('0') or '0'}"
            if names := self._rounded(len(digits)).get(key):
                return KeyMatch(tuple(names), "a number in scientific notation")
        return KeyMatch((), _suspicion(cell, self._names))

    @cached_property
    def _folds(self) -> list[tuple[str, dict[str, list[str]], Callable[[str], str | None]]]:
        return [
            (how, self._index(of_name), of_cell)
            for how, of_name, of_cell in (
                ("another spelling of its letters", plain_text, plain_text),
                ("a number whose zeros or separators changed", _number, _number),
                ("a number cut to 15 digits", _cut_number, _cut_number),
                ("a date made of it", _date, _date),
                ("a date made of it", partial(_date, whole=False), partial(_date, whole=False)),
            )
        ]

    def _index(self, fold: Callable[[str], str | None]) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for name in self._names:
            key = fold(name)
            if key is not None:
                index.setdefault(key, []).append(name)
        return index

    def _rounded(self, digits: int) -> dict[str, list[str]]:
        """Integers by their length and their rounded first digits."""
        if digits not in self._by_digits:
            self._by_digits[digits] = self._index(partial(_leading, digits=digits))
        return self._by_digits[digits]

    @cached_property
    def _by_digits(self) -> dict[int, dict[str, list[str]]]:
        return {}


def plain_text(text: str) -> str:
    """A text without letter case, typography, unusual spaces and Unicode forms."""
    return plain_typing(unescape_formula(text)).casefold()


def spelling(text: str) -> str:
    """A key that is equal for names that spreadsheets and autocorrection change into each other."""
    return _number(text) or plain_text(text)


def _number(text: str) -> str | None:
    """The value of a number in any notation."""
    plain = unescape_formula(text).strip()
    if not plain or len(plain) > _MAX_LENGTH or not any(map(str.isdigit, plain)):
        return None
    if grouped := _GROUPED.fullmatch(plain):
        plain = plain.replace(grouped["mark"], "")
    elif plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    else:
        plain = re.sub(r"(?<=\d)[,'\s](?=\d{3}(?!\d))", "", plain)
    if not re.fullmatch(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,2})?", plain, re.ASCII):
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return format(value.normalize() + 0, "f")


def _cut_number(text: str) -> str | None:
    """A long integer as a spreadsheet rounds it."""
    digits = unescape_formula(text).strip().lstrip("0")
    if (
        not digits.isascii()
        or not digits.isdigit()
        or not _KEPT_DIGITS < len(digits) <= _MAX_LENGTH
    ):
        return None
    return digits[:_KEPT_DIGITS] + "0" * (len(digits) - _KEPT_DIGITS)


def _leading(text: str, digits: int) -> str | None:
    number = text.strip().lstrip("0")
    if not number.isascii() or not number.isdigit() or len(number) > 310:
        return None
    # As spreadsheets do: halves up; a carry makes the number a digit longer.
    rounded = int(number[: digits + 1].ljust(digits + 1, "0"))
    rounded = (rounded + 5) // 10
    length = len(number) + (len(str(rounded)) > digits)
    return f"{length}:{str(rounded).rstrip('0') or '0'}"


def _date(text: str, *, whole: bool = True) -> str | None:
    """Day, month and year of a date in any order, or without a year that was added."""
    plain = unescape_formula(text).strip()
    if len(plain) > _MAX_LENGTH:
        return None
    for form in _DATES:
        found = form.fullmatch(plain)
        if found is None:
            continue
        numbers = [int(part) for part in found.groups() if part and part.isdigit()]
        if month := found.groupdict().get("month"):
            numbers.append(_MONTH_OF[month.lower()])
        short = [n % 100 if n > 1900 else n for n in numbers]
        if whole:
            return "-".join(map(str, sorted(short)))
        years = [n for n in numbers if n > 1900]
        if len(numbers) == 3 and len(years) == 1:
            short = [n for n in numbers if n <= 1900]
        return "-".join(map(str, sorted(short)))
    return None


def _suspicion(cell: str, names: Iterable[str]) -> str:
    """Explanation of a cell that a spreadsheet changed irrecoverably."""
    plain = cell.strip()
    if _SCIENTIFIC.fullmatch(plain[:_MAX_LENGTH]):
        return "a spreadsheet writes long numbers so"
    if re.fullmatch(r"#[A-Z0-9/?!]+", plain):
        return "a spreadsheet writes errors of formulas so"
    if _date(plain) is not None:
        return "a spreadsheet makes dates of what looks like one"
    if _number(plain) is not None and any(name.startswith(("=", "+", "@")) for name in names):
        return "a spreadsheet computes what begins with = + or @"
    return ""
