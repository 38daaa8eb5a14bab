"""Words that say that someone is under 18, by language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu._text import normal_form

__all__ = ["AgeWords", "normalised", "read_ages"]

_NO_WORD = re.compile(r"[\W_]+")
_AGE = "{age}"


@dataclass(frozen=True, slots=True)
class AgeWords:
    """How a language says that someone is under 18.

    Attributes:
        pattern: Matches such words in a `normalised` text.
    """

    pattern: re.Pattern[str]

    @classmethod
    def of(
        cls, words: Sequence[str], years: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> AgeWords:
        """Put together from words and phrases.

        Args:
            words: Words and phrases; a star at the end stands for any ending.
            years: Phrases in which ``{age}`` is a number below 18.
            numbers: The numbers below 18 as words, beside digits.

        Example:
            >>> words = AgeWords.of(["teen*"], ["{age} year old"], ["ten"])
            >>> [words.found(text) for text in ("A Teenager", "a 17-year-old", "an 18-year-old")]
            ['teenager', '17 year old', None]
        """
        spelt = (_expression(each) for each in numbers)
        age = f"(?:{'|'.join(('1[0-7]', '0?[0-9]', *spelt))})"
        phrases = [_expression(each) for each in words]
        phrases += [age.join(map(_expression, each.split(_AGE))) for each in years]
        return cls(re.compile(rf"(?<!\S)(?:{'|'.join(phrases)})(?!\S)"))

    def found(self, text: str) -> str | None:
        """The first such word of a text, or `None`."""
        match = self.pattern.search(normalised(text))
        return None if match is None else match.group()


def _expression(phrase: str) -> str:
    return re.escape(phrase).replace(r"\*", r"\S*")


def normalised(text: str) -> str:
    """Lower case, one form of each character, and single spaces for all that is no word.

    Example:
        >>> normalised("A 12–year-old’s  ＢＩＫＥ!")
        'a 12 year old s bike '
    """
    return _NO_WORD.sub(" ", normal_form("NFKC", text).casefold())


def read_ages(tree: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, AgeWords]:
    """Language -> its words, of the entry ``ages`` of the rules."""
    return {
        language: AgeWords.of(
            [str(each).casefold() for each in entry["words"]],
            [str(each).casefold() for each in entry.get("years", ())],
            [str(each).casefold() for each in entry.get("numbers", ())],
        )
        for language, entry in tree.items()
    }
