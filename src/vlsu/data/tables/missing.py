"""Words that stand for a value that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["MISSING_WORDS", "MissingWords"]

#: What programs and people write where there is no value: R, pandas, JSON, SQL, spreadsheets.
MISSING_WORDS = frozenset(
    {
        *("na", "n/a", "n.a.", "n.a", "#n/a", "#n/a n/a", "#na", "<na>"),
        *("nan", "-nan", "<nan>", "nat", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("null", "<null>", "(null)", "[null]", "nil", "none", "<none>", "\\n"),
        *("#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "#error!", "#getting_data"),
        *("(blank)", "(empty)", "<empty>"),
    }
)
#: Dashes, question marks and full stops alone; two of these are the folder above.
_MARKS = re.compile(r"[-\u2010-\u2015\u2212]{1,5}|\?{1,5}|\.|\.{3,5}|\u2026")
#: Codes of languages that are such words as well: Nauru, and Min Nan Chinese.
_LANGUAGES = frozenset({"na", "nan"})


@dataclass(frozen=True, slots=True)
class MissingWords:
    """Which cells stand for a missing value; an empty one always does.

    Attributes:
        words: The words, in lower case; `None` for those that are usual.
    """

    words: frozenset[str] | None = None

    @classmethod
    def read(cls, options: Sequence[str] | None) -> MissingWords:
        """The words that an option states, separated by commas: none if all it holds is empty.

        Args:
            options: Its values; `None` where it is not given.
        """
        if options is None:
            return cls()
        return cls(_lowered(word for option in options for word in option.split(",")))

    def __call__(self, text: str, declared: frozenset[str] = frozenset()) -> bool:
        """Whether a cell is such a word.

        Args:
            text: The cell.
            declared: Words, in lower case, that are values here, whatever they stand for elsewhere.
        """
        word = text.strip().lower()
        if not word:
            return True
        if word in declared:
            return False
        if self.words is not None:
            return word in self.words or re.sub(r"(?<=\d)\.0+$", "", word) in self.words
        return word in MISSING_WORDS or _MARKS.fullmatch(word) is not None

    def language(self, text: str) -> bool:
        """Whether a cell with the code of a language is such a word: ``nan`` is Min Nan Chinese."""
        usual = self.words is None
        code = text.strip()
        return self(text, _LANGUAGES if usual and code in _LANGUAGES else frozenset())


def _lowered(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word for each in words if (word := each.strip().lower()))
