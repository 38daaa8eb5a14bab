"""Words that say that someone is under 18, by language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vlsu._text import normal_form

__all__ = ["AgeWords", "normalised", "read_ages"]

_NO_WORD = re.compile(r"[\W_]+")
_AGE = "{age}"
#: Letters that are spelt with two where there is no key for them.
_UMLAUTS = {"ä": "ae?", "ö": "oe?", "ü": "ue?"}
#: Letters of other alphabets that look like Latin ones, and Latin ones that are no accented form.
_ALIKE = str.maketrans(
    "аеорсухіјѕԁһӏктмнвԛԝ" + "αεορτυνκηχγι" + "ɑɡıłøđ",
    "aeopcyxijsdhlktmhbqw" + "aeoptuvknxyi" + "agilod",
)
_DIGITS = str.maketrans("013457", "oieast")
#: A word of letters and digits, and letters that stand alone one after another.
_MIXED = re.compile(r"(?<!\S)(?=\d*[^\W\d])(?=[^\W\d]*\d)\w+")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d] ){2,}[^\W\d](?!\S)")


@dataclass(frozen=True, slots=True)
class AgeWords:
    """How a language says that someone is under 18.

    Attributes:
        pattern: Matches such words in a `normalised` text.
    """

    pattern: re.Pattern[str]

    @classmethod
    def of(
        cls,
        words: Sequence[str],
        years: Sequence[str] = (),
        numbers: Sequence[str] = (),
        tens: Sequence[str] = (),
    ) -> AgeWords:
        """Put together from words and phrases.

        Args:
            words: Words and phrases; a star stands for any letters.
            years: Phrases in which ``{age}`` is a number below 18.
            numbers: The numbers below 18 as words, beside digits.
            tens: Words after which such a word is the end of a greater number.

        Example:
            >>> words = AgeWords.of(["teen*"], ["{age} year old"], ["ten"])
            >>> [words.found(text) for text in ("A Teenager", "a 17-year-old", "an 18-year-old")]
            ['teenager', '17 year old', None]
        """
        return cls(_pattern([*_phrases(words, years, numbers, tens)]))

    def found(self, text: str) -> str | None:
        """The first such word of a text, or `None`; however the text spells it."""
        for form in _forms(normalised(text)):
            if (match := self.pattern.search(form)) is not None:
                return match.group()
        return None


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Of any of some expressions; those of one first letter together, which is much faster."""
    by_letter: dict[str, list[str]] = {}
    for each in dict.fromkeys(phrases):
        letter = each[0] if each[0].isalpha() else ""
        by_letter.setdefault(letter, []).append(each[len(letter) :])
    groups = (f"{letter}(?:{'|'.join(rest)})" for letter, rest in by_letter.items())
    return re.compile(rf"(?<!\S)(?:{'|'.join(groups)})(?!\S)")


def _phrases(
    words: Sequence[str], years: Sequence[str], numbers: Sequence[str], tens: Sequence[str]
) -> Iterator[str]:
    yield from map(_expression, words)
    alone = "".join(f"(?<!{normalised(each)} )" for each in tens)
    first = "".join(sorted({_expression(each)[0] for each in numbers}))
    spelt = [f"(?=[{first}]){alone}(?:{'|'.join(map(_expression, numbers))})"] if numbers else []
    age = f"(?:{'|'.join(('1[0-7]', '0?[0-9]', *spelt))})"
    after: dict[str, list[str]] = {}
    for each in years:
        before, _, rest = each.partition(_AGE)
        after.setdefault(before, []).append(_expression(rest))
    for before, rests in after.items():
        yield f"{_expression(before)}{age}(?:{'|'.join(rests)})"


def _expression(phrase: str) -> str:
    signs = []
    for sign in phrase.casefold():
        plain = sign if sign == " " else "\\S*" if sign == "*" else re.escape(_folded(sign))
        signs.append(_UMLAUTS.get(sign, plain))
    return "".join(signs)


def normalised(text: str) -> str:
    """Lower case, one form of each letter, and single spaces for all that is no word.

    Accents are left out, but for the tilde that makes another letter of an n; what cannot be seen
    too; letters that look like Latin ones are those.

    Example:
        >>> normalised("A 12–year-old’s  ＢＩＫＥ!")
        'a 12 year old s bike '
        >>> normalised("Garçon, niño, mädchen")
        'garcon niño madchen'
    """
    return _NO_WORD.sub(" ", _folded(text))


def _folded(text: str) -> str:
    if text.isascii():
        return text.casefold()
    signs = []
    for sign in normal_form("NFKD", normal_form("NFKC", text).casefold()):
        category = unicodedata.category(sign)
        if category == "Nd":
            signs.append(str(unicodedata.decimal(sign)))
        elif sign == "\u0303" and signs and signs[-1] == "n":
            signs[-1] = "ñ"
        elif category not in {"Mn", "Cf"}:
            signs.append(sign)
    return "".join(signs).translate(_ALIKE)


def _forms(text: str) -> Iterator[str]:
    """A text as it is; with its digits as the letters they look like; with spaced words joined."""
    yield text
    if _MIXED.search(text):
        yield _MIXED.sub(lambda word: word.group().translate(_DIGITS), text)
    if _SPACED.search(text):  # the first letter may be a word: "a b o y"
        yield _SPACED.sub(lambda word: word.group().replace(" ", ""), text)
        yield _SPACED.sub(lambda word: word[0][:2] + word[0][2:].replace(" ", ""), text)


def read_ages(tree: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, AgeWords]:
    """Language -> its words and those of the others, of the entry ``ages`` of the rules.

    A text in one language may use a word of another. Left out are those of a language's entry
    ``not``, which mean something else in it.
    """
    own = {
        language: (
            entry["words"],
            [*_phrases((), entry["years"], entry["numbers"], entry.get("tens", ()))],
        )
        for language, entry in tree.items()
    }
    found = {}
    for language, entry in tree.items():
        strange = set(entry.get("not", ()))
        phrases = []
        for other, (words, years) in own.items():
            meant = [each for each in words if other == language or each not in strange]
            phrases += [*map(_expression, meant), *years]
        found[language] = AgeWords(_pattern(phrases))
    return found
