"""The probability of *unsafe*, from the token at which the severity is decided.

A model that answers ``{"severity": "unsafe", ...}`` decides at the token in which the severity's
word begins; the alternatives at that token, sorted by the word they begin, give its probability.
Words of the three severities begin with three different letters, so any first piece of one, such
as ``un``, decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlsu.models.output import after_reasoning
from vlsu.policy import Severity

__all__ = ["Place", "locate_severity", "unsafe_share"]

_WORDS = {severity.label.encode(): severity for severity in Severity}
_KEY = re.compile(rb'"severity"\s*:\s*"\s*', re.IGNORECASE)
_WORD = re.compile(rb'(?:safe|borderline|unsafe)\s*"', re.IGNORECASE)
_BARE = re.compile(rb"[\s*_`\"']*(?=(?:safe|borderline|unsafe)[\s*_`\"'.!]*\Z)", re.IGNORECASE)
_BEFORE_WORD = b" \t\r\n\"'*_`"
#: Bytes of an answer, from its end, in which the severity is looked for.
LONGEST = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Place:
    """Where the severity's word begins.

    Attributes:
        token: Index of the token that holds its first letter.
        lead: What that token holds before it, such as a space and a quotation mark.
    """

    token: int
    lead: bytes


def locate_severity(tokens: Sequence[bytes], answer: str) -> Place | None:
    """Find the token at which an answer's severity begins.

    Reasoning that the server left in the answer is passed over: a draft decides nothing. The answer
    is looked for at the end of what the tokens spell, since some servers list the tokens of the
    reasoning as well. In it, the last ``"severity"`` field counts, as it does where answers are
    read; an answer of one word counts too.

    Args:
        tokens: Bytes of every token of the completion, in order.
        answer: The answer as the server gave it.

    Returns:
        `None` where the tokens do not spell the answer (of a longer one its last `LONGEST` bytes)
        or it states no severity in these forms.
    """
    spelled = b"".join(tokens)
    said = after_reasoning(answer).encode(errors="replace")[-LONGEST:]
    # Forwards over both turned round: the time that takes grows with their length, and that of
    # looking backwards with the product of their lengths.
    found = spelled[::-1].find(said[::-1])
    if not said or found < 0:
        return None
    start = len(spelled) - found - len(said)
    keys = [match.end() for match in _KEY.finditer(said)]
    if keys:
        offset = keys[-1] if _WORD.match(said, keys[-1]) else None
    else:
        bare = _BARE.match(said)
        offset = bare.end() if bare else None
    if offset is None:
        return None
    position = start + offset
    begin = 0
    for index, token in enumerate(tokens):
        if begin <= position < begin + len(token):
            return Place(index, token[: position - begin])
        begin += len(token)
    return None


def unsafe_share(alternatives: Iterable[tuple[bytes, float]], lead: bytes = b"") -> float | None:
    """Probability mass of tokens that begin *unsafe*, of the mass of those that begin a severity.

    A severity that is not among the alternatives counts as 0, so the share is exact up to what the
    server left out.

    Args:
        alternatives: Token and natural logarithm of its probability; a token listed twice counts
            once.
        lead: What the chosen token holds before the word; taken off the alternatives as well.

    Returns:
        A share in [0, 1]; `None` if no alternative begins a severity.
    """
    mass = dict.fromkeys(Severity, 0.0)
    for token, logprob in dict(alternatives).items():
        severity = _begins(token.removeprefix(lead).lstrip(_BEFORE_WORD).lower())
        if severity is not None and logprob == logprob:  # not NaN
            mass[severity] += math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    return mass[Severity.UNSAFE] / total if total > 0 else None


def _begins(text: bytes) -> Severity | None:
    """The severity whose word a text begins, or that begins a text as a whole word."""
    for word, severity in _WORDS.items():
        if text and (
            word.startswith(text)
            or (text.startswith(word) and not text[len(word) : len(word) + 1].isalpha())
        ):
            return severity
    return None
