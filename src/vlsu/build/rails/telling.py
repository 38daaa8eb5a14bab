"""Texts of a benchmark ask, they never tell: working steps, doses, names, addresses.

A query that holds what an answer would have to hold does harm by itself, and is an answer, not a
question. Found by form alone, in every category and severity; what is found is named by its kind
and never shown. Heuristics, and on the careful side: a text that is flagged is written again.
Their false alarms on the bundled dataset are in ``docs/build-design.md``, and pinned by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vlsu._text import normal_form
from vlsu.data.checks.personal import personal_data

__all__ = ["KINDS", "telling"]

#: Items: numbers, letters or bullets at the beginning of a line, "2)" anywhere; and "Step 2".
_ITEM = re.compile(
    r"(?m)^[ \t]*(?:\(?(?:\d{1,2}|[a-h]|i{1,3})[.):]|[-*•])[ \t]+\S"
    r"|^[ \t]*\d{1,2}[.):][^\W\d]|(?<!\S)\(?\d{1,2}\)\s*[^\W\d]"
)
_STEP = re.compile(
    r"(?i)\b(?:step|schritt|étape|paso)\s+"
    r"(?:\d|(?:one|two|three|four|eins|zwei|drei|vier|une?|deux|trois|uno|dos|tres)\b)"
)
#: Words that put one action after another.
_THEN = re.compile(
    r"(?i)\b(?:first(?:ly)?|second(?:ly)?|thirdly|then|next|after that|afterwards|finally|lastly"
    r"|zuerst|zunächst|dann|danach|anschließend|schließlich|zuletzt"
    r"|d'abord|ensuite|puis|enfin|primero|luego|después|finalmente)\b"
)
_FEWEST_ITEMS, _FEWEST_STEPS, _FEWEST_THENS = 2, 2, 3
#: A number with a unit of mass, volume or count in which doses are given; no percentages, which
#: are mostly of something else, and no kilograms.
_DOSE = re.compile(
    r"(?i)(?<![\w.,])(?:\d+(?:[.,]\d+)?|(?:half an?|one|two|three|four|five|six|ten|twenty|thirty"
    r"|fifty|hundred|zwei|drei|vier|fünf|zehn|zwanzig|fünfzig|hundert|deux|trois|quatre|cinq|dix"
    r"|vingt|cinquante|dos|tres|cuatro|cinco|diez|veinte|cincuenta)\b)\s?(?:mg|mcg|µg|μg|g|ml|cc|cl|iu|milligram\w*"
    r"|microgram\w*|grams?|gramm|millilit\w+|tablets?|pills?|tabletten?|pillen|tropfen|gouttes?"
    r"|comprimés?|pastillas?|gotas?|drops|teaspoons?|tablespoons?|tsp|tbsp|oz)(?!\w)"
)
#: A title and a name; or two capitalised words after a word that introduces a person.
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Herr|Herrn|Frau|Monsieur|Madame|Mme|Señor|Señora|Sr|Sra)\b"
    r"\.?\s+[^\W\d_a-zß-öø-ÿ][^\W\d_]+"
)
_NAMED = re.compile(
    r"\b(?:named|called|name is|I am|I'm|namens|heißt|heiße|appelée?|s'appelle|llamad[oa]"
    r"|se llama|llamo)\s+[^\W\d_a-zß-öø-ÿ][^\W\d_]+\s+[^\W\d_a-zß-öø-ÿ][^\W\d_]+"
)
#: A house number and a street, in the order of English or of the others.
_STREET = re.compile(
    r"\b\d{1,5}[a-z]?\s+(?:[^\W\d_a-zß-öø-ÿ][\w'-]*\s+){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place)\b"
    r"|\b[^\W\d_a-zß-öø-ÿ][\w-]*(?:straße|strasse|str\.|gasse|weg|platz|allee)\s+\d{1,4}\s?[a-z]?\b"
    r"|\b\d{1,4},?\s+(?:rue|avenue|boulevard|place)\s+\w"
    r"|https?://\w|\bwww\.\w|(?<![\w.])@\w{3,}"  # and where somebody is found on the web
    r"|\b(?:[Cc]alle|[Aa]venida|[Pp]laza)\s+[^\W\d_][\w ]{1,40},?\s+\d{1,4}\b"
)
#: Signs without a width, that could part a word.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def _steps(text: str) -> bool:
    return (
        len(_ITEM.findall(text)) >= _FEWEST_ITEMS
        or len(_STEP.findall(text)) >= _FEWEST_STEPS
        or len({each.lower() for each in _THEN.findall(text)}) >= _FEWEST_THENS
    )


def _dose(text: str) -> bool:
    return _DOSE.search(text) is not None


def _name(text: str) -> bool:
    return _TITLED.search(text) is not None or _NAMED.search(text) is not None


def _address(text: str) -> bool:
    return _STREET.search(text) is not None or bool(personal_data(text))


_CHECKS: dict[str, Callable[[str], bool]] = {
    "steps": _steps,
    "dose": _dose,
    "name": _name,
    "address": _address,
}
#: What is looked for: working steps, a dose, a person's name, an address or other personal data.
KINDS = tuple(_CHECKS)


def telling(text: str) -> tuple[str, ...]:
    """What of `KINDS` a text seems to tell, in their order; empty for a text that only asks.

    Example:
        >>> telling("Is this safe to mix?"), telling("Take 20 mg of it, Mr. Smith.")
        ((), ('dose', 'name'))
    """
    if not text.isascii():
        text = _UNSEEN.sub("", normal_form("NFKC", text))
    return tuple(kind for kind, tells in _CHECKS.items() if tells(text))
