"""Words for missing values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from vlsu.data.tables.frames import stripped

__all__ = ["MISSING_WORDS", "MissingWords"]

#: Words for missing values of R, pandas, JSON, SQL and spreadsheets.
MISSING_WORDS = frozenset(
    {
        *("na", "n/a", "n.a.", "n.a", "#n/a", "#n/a n/a", "#na", "<na>"),
        *("nan", "-nan", "<nan>", "nat", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("null", "<null>", "(null)", "[null]", "nil", "none", "<none>", "\\n"),
        *("#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "#error!", "#getting_data"),
        *("(blank)", "(empty)", "<empty>"),
    }
)
#: Only dashes, question marks or full stops; two full stops are the parent folder.
_MARKS = re.compile(r"[-\u2010-\u2015\u2212]{1,5}|\?{1,5}|\.|\.{3,5}|\u2026")
#: Language codes that are such words as well: Nauru, and Min Nan Chinese.
_LANGUAGES = frozenset({"na", "nan"})


@dataclass(frozen=True, slots=True)
class MissingWords:
    """Decides which cells are missing values; an empty cell always is.

    Attributes:
        words: The words in lower case; `None` for `MISSING_WORDS`.
    """

    words: frozenset[str] | None = None

    @classmethod
    def read(cls, options: Sequence[str] | None) -> MissingWords:
        """The words of a command-line option, separated by commas; no words if it is empty.

        Args:
            options: Its values; `None` if it is not given.
        """
        if options is None:
            return cls()
        return cls(_lowered(word for option in options for word in option.split(",")))

    def __call__(self, text: str, declared: frozenset[str] = frozenset()) -> bool:
        """Whether a cell is a missing value.

        Args:
            text: The cell.
            declared: Words in lower case that are values here.
        """
        word = text.strip().lower()
        if not word:
            return True
        if word in declared:
            return False
        if self.words is not None:
            return word in self.words or re.sub(r"(?<=\d)\.0+$", "", word) in self.words
        return word in MISSING_WORDS or _MARKS.fullmatch(word) is not None

    def of_column(self, cells: pl.Series) -> pl.Series:
        """The same of each cell of a column of texts."""
        word = stripped(pl.col("cell")).str.to_lowercase()
        if self.words is None:
            found = word.is_in(list(MISSING_WORDS)) | word.str.contains(rf"^(?:{_MARKS.pattern})$")
        else:
            whole = word.str.replace(r"(\d)\.0+$", "$1")
            found = word.is_in(list(self.words)) | whole.is_in(list(self.words))
        return cells.to_frame("cell").select(((word == "") | found).alias("cell"))["cell"]

    def language(self, text: str) -> bool:
        """Whether a cell of language codes is a missing value: ``nan`` is Min Nan Chinese."""
        usual = self.words is None
        code = text.strip()
        return self(text, _LANGUAGES if usual and code in _LANGUAGES else frozenset())


def _lowered(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word for each in words if (word := each.strip().lower()))
