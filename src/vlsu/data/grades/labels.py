"""Reading answers as labels: missing values, and the user's rules and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

import polars as pl

from vlsu.data.grades.answers import plain_answers
from vlsu.data.grades.wide import CONSENSUS
from vlsu.data.tables import MissingWords, listing, mapped, normalise, tally
from vlsu.data.tables.keys import spelling
from vlsu.data.tables.labels import label_key
from vlsu.data.tables.missing import MISSING_WORDS
from vlsu.errors import UsageError
from vlsu.policy import NOT_SURE, Severity

__all__ = ["LabelReader", "doubtful_names"]

_SEVERITIES = frozenset(
    {*(s.label for s in Severity), *(s.letter.lower() for s in Severity), NOT_SURE}
)
_ARTICLES = {"item": "n item", "grader": " grader"}
#: Maximum pairs of names that are listed individually.
_LISTED = 3
#: A whole number with added zero decimals, with a decimal comma.
_COMMA_ZERO = re.compile(r"([-+]?\d+),0+")
#: May be a label ("none, mild, grave") or a missing value.
_NONE = "none"


class LabelReader:
    """Reads answers.

    Args:
        missing: Words for a missing answer.
        relabel: ``"GLOB=LABEL"``: matching answers are read as this label.
        labels: The labels, if the user declares them; none of them is a missing value.

    Raises:
        UsageError: A rule of `relabel` is invalid.
    """

    def __init__(
        self, missing: MissingWords, relabel: Sequence[str], labels: Sequence[str]
    ) -> None:
        self._missing = missing
        self._declared = frozenset(label.strip().lower() for label in labels)
        self._rules: list[tuple[str, str]] = []
        for rule in relabel:
            pattern, equals, label = rule.rpartition("=")
            if not equals or not pattern.strip() or not label.strip():
                raise UsageError(f"--map {rule!r}: give ANSWER=LABEL, * for any letters: '1*=safe'")
            self._rules.append((pattern.strip().lower(), label.strip()))
        self._left_out: Counter[str] = Counter()
        self._none_is_label = False

    def read(self, cells: pl.Series, delimiter: str = ",") -> pl.Series:
        """The labels in cells, null for no answer.

        Args:
            cells: The answers as in the file.
            delimiter: Delimiter of the file; if it is not a comma, decimals may have one.
        """
        answers = plain_answers(cells)
        times = tally(answers)  # few are different, whatever their number
        if delimiter != "," and all(map(_COMMA_ZERO.fullmatch, (a for a in times if "," in a))):
            answers = mapped(answers, lambda answer: _COMMA_ZERO.sub(r"\1", answer))
            times = tally(answers)
        declared = self._declared
        if _NONE not in declared and self._is_label(times):
            self._none_is_label = True
            declared |= {_NONE}
        labels = {answer: self._label(answer, declared, n) for answer, n in times.items()}
        return mapped(answers, labels.__getitem__)

    def notes(self) -> Iterator[str]:
        """Sentences about answers that were taken for missing values."""
        if self._left_out:
            words = listing([repr(word) for word, _ in self._left_out.most_common()])
            count = self._left_out.total()
            yield (
                f"{count} {'answer is' if count == 1 else 'answers are'} a word for a missing value"
                f" ({words}) and count as none; --missing '' takes such words for labels."
            )
        if self._none_is_label:
            yield (
                "'none' is taken for a label; if it stands for a missing value, say so with "
                "--missing none."
            )

    def _label(self, answer: str, declared: frozenset[str], times: int) -> str | None:
        if not answer:
            return None
        spellings = {answer.lower(), label_key(answer)}
        for pattern, label in self._rules:
            if any(fnmatchcase(spelling, pattern) for spelling in spellings):
                return label
        if self._missing(answer, declared):
            self._left_out[answer] += times
            return None
        return answer

    def _is_label(self, answers: Collection[str]) -> bool:
        """Whether ``none`` is a label, not a missing value.

        It is a label among other words of the same style. Among numbers or severities, or as
        Python's ``None`` among lower-case words, it is a missing value.
        """
        given = set(answers)
        spelt = {answer for answer in given if answer.lower() == _NONE}
        others = {a for a in given - spelt if not self._missing(a, self._declared)}
        if self._missing.words is not None or not spelt or not others:
            return False
        if not all(any(map(str.isalpha, other)) for other in others):
            return False
        if all(normalise(other) in _SEVERITIES for other in others):
            return False
        as_python = spelt == {"None"} and not any(other[:1].isupper() for other in others)
        return not as_python


def doubtful_names(frame: pl.DataFrame) -> Iterator[str]:
    """Warnings about names of items and graders that may be duplicates, or not names at all.

    A name may be no item or grader if it is a word for a missing value or a consensus such as gold.
    Two names may be duplicates if they differ only in spelling and never occur together.
    """
    for column in ("item", "grader"):
        missing = MissingWords()
        if absent := [name for name in _may_be_missing(frame[column]) if missing(name)]:
            yield (
                f"{listing(absent)}: taken for the name of a{_ARTICLES[column]}; if that stands "
                "for a missing value, fill in those rows or remove them."
            )
    names = frame["grader"].drop_nulls().unique().sort()
    if consensus := [name for name in names if CONSENSUS & set(re.split(r"[\W_]+", name.lower()))]:
        yield f"{listing(consensus)} may be no single grader; if so, leave these rows out."
    for column, other in (("item", "grader"), ("grader", "item")):
        alike = _alike(frame[column])
        spelt = pl.col(column).is_in([name for names in alike for name in names])
        beside: dict[str, set[str]] = {}
        for name, partner in frame.filter(spelt).select(column, other).iter_rows():
            beside.setdefault(name, set()).add(partner)
        pairs = [
            (one, two)
            for names in alike
            for one, two in pairwise(names)
            if not beside[one] & beside[two]
        ]
        for one, two in pairs[:_LISTED]:
            yield (
                f"The {column}s {one[:40]!r} and {two[:40]!r} may be one that was spelt in two "
                "ways; if so, spell them alike."
            )
        if len(pairs) > _LISTED:
            yield f"So may {len(pairs) - _LISTED:,} more pairs of {column}s."


def _may_be_missing(names: pl.Series) -> pl.Series:
    """The different names, sorted, without most that are surely no word for a missing value."""
    different = names.drop_nulls().unique().sort()
    word = pl.col("name").str.to_lowercase()
    foreign = pl.col("name").str.len_bytes() > pl.col("name").str.len_chars()
    return (
        different.to_frame("name")
        .filter(foreign | word.is_in(list(MISSING_WORDS)) | word.str.contains(r"^[-?.]*$"))
        .to_series()
    )


def _alike(names: pl.Series) -> list[list[str]]:
    """Groups of different names that have one `spelling`, in order of appearance."""
    different = names.unique(maintain_order=True).to_frame("name")
    name = pl.col("name")
    ascii_only = name.str.len_bytes() == name.str.len_chars()
    # Of most names the key is plain to see: whole numbers, and words that are no number.
    number = name.str.contains(r"^(?:0|[1-9][0-9]{0,14})$")
    word = name.str.contains(r"[^-+0-9eE.,'\s]") & ~name.str.contains(
        r"^'|^\s|\s$|\s\s|[^\x20-\x7e]"
    )
    plain = ascii_only & (number | word)
    rest = different.filter(plain.not_()).to_series()
    keys = pl.Series([spelling(each) for each in rest], dtype=pl.String)
    keyed = different.with_columns(key=pl.when(plain).then(name.str.to_lowercase()))
    if len(rest):
        spelt = pl.DataFrame({"name": rest, "other": keys})
        keyed = keyed.join(spelt, on="name", how="left", maintain_order="left").with_columns(
            key=pl.col("key").fill_null(pl.col("other"))
        )
    several = keyed.filter(pl.col("key").is_duplicated())
    groups: dict[str, list[str]] = {}
    for each, key in several.select("name", "key").iter_rows():
        groups.setdefault(key, []).append(each)
    return list(groups.values())
