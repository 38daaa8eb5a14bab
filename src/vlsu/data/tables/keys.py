"""Finding the name that a cell had before a spreadsheet opened and saved it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial

from vlsu.data.tables.spreadsheets import unescape_formula
from vlsu.data.tables.words import plain_typing, without_formula

__all__ = ["Found", "Keys", "plain_text", "spelling"]

#: Digits that a spreadsheet keeps of a number; the rest become zeros.
_KEPT_DIGITS = 15
#: Longest name that is taken for a number or a date.
_MAX_LENGTH = 40

_GROUPED = re.compile(
    r"[-+]?\d{1,3}(?P<mark>[,.' \u00a0\u2009\u202f\u2019])\d{3}(?:(?P=mark)\d{3})*"
)
_SCIENTIFIC = re.compile(r"(?P<whole>\d)(?:[.,](?P<part>\d+))?[eE]\+?(?P<exponent>\d{1,3})")
#: How months begin in the languages that spreadsheets are mostly set to, in their order.
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
class Found:
    """What a cell may stand for.

    Attributes:
        names: The names it fits, as they are; one where it is certain.
        how: What happened to it, in words; empty where it is the name as it is.
    """

    names: tuple[str, ...]
    how: str = ""


class Keys:
    """Names that the cells of a column should be, found in whatever a spreadsheet made of them.

    Tried are, in this order: the name as it is; without the apostrophe that guards a formula; but
    for letter case, typographic quotes and dashes, odd spaces and Unicode forms; as a number whose
    zeros, separators or decimals changed; as a number in scientific notation or cut to 15 digits;
    as a date. The first under which any name fits decides, and it fits if it is the only one.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)

    def find(self, cell: str) -> Found:
        """The names that a cell fits, none where it fits none."""
        stripped = cell.strip()
        for exact in dict.fromkeys(
            (cell, stripped, unescape_formula(cell), unescape_formula(stripped))
        ):
            if exact in self._names:
                how = "" if exact == stripped else "an apostrophe before it"
                return Found((exact,), how)
        cell = without_formula(stripped)
        if cell in self._names:
            return Found((cell,))
        for how, index, fold in self._folds:
            key = fold(cell)
            if key is not None and (names := index.get(key)):
                return Found(tuple(names), how)
        scientific = _SCIENTIFIC.fullmatch(cell.strip()[:_MAX_LENGTH])
        if scientific:
            digits = scientific["whole"] + (scientific["part"] or "")
            key = f"{int(scientific['exponent']) + 1}:{digits.rstrip('0') or '0'}"
            if names := self._rounded(len(digits)).get(key):
                return Found(tuple(names), "a number in scientific notation")
        return Found((), _suspicion(cell, self._names))

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
        """Whole numbers by their length and their first digits, rounded."""
        if digits not in self._by_digits:
            self._by_digits[digits] = self._index(partial(_leading, digits=digits))
        return self._by_digits[digits]

    @cached_property
    def _by_digits(self) -> dict[int, dict[str, list[str]]]:
        return {}


def plain_text(text: str) -> str:
    """A text without what typing aids change: letter case, typography, odd spaces, Unicode form."""
    return plain_typing(unescape_formula(text)).casefold()


def spelling(text: str) -> str:
    """The same for names that spreadsheets and typing aids make of each other."""
    return _number(text) or plain_text(text)


def _number(text: str) -> str | None:
    """The value of a number, however it is written."""
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
    """A long whole number as a spreadsheet keeps it."""
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
    """Day, month and year of a date in any order, or but for a year that was put in."""
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
    """What a spreadsheet may have made of a name that cannot be recovered."""
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
