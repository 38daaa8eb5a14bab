"""The probability of a guard's verdict, from the alternatives to the token that decides it.

A guard that prints ``unsafe`` decides at the token in which that word begins. The alternatives
there, grouped by the word that they begin, give its probability: ``un`` and ``unsafe`` count
together, and so does a token with a space or a line end before the word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from vlsu.models.guards.grading.base import Answer, TokenSteps
from vlsu.models.output import after_reasoning

__all__ = ["word_probabilities", "word_probability"]

#: What may stand in a token before the word.
_BEFORE = b" \t\r\n\"'*_`:"
#: Bytes at the end of an output in which the word is searched for.
_MAX_BYTES = 64 * 2**10
#: Alternatives that a position needs: a server that gives the chosen token alone tells nothing of
#: the other word.
_FEWEST = 2
#: A logarithm of a probability is at most 0, up to rounding; a server that gives more gives
#: something else, such as logits.
_MOST = 0.01


def word_probability(
    answer: Answer, word: str, against: Sequence[str], after: str = ""
) -> float | None:
    """Probability that the word at which an output is decided is `word`, and not one of `against`.

    Args:
        answer: An output with its tokens.
        word: Such as ``unsafe``; letter case does not count.
        against: The other words, such as ``safe``; none begins as another does.
        after: What stands directly before the word, such as ``Safety:``; its last occurrence
            counts. Empty for the beginning of the output, after reasoning.

    Returns:
        A probability in [0, 1] among these words, exact up to the alternatives that the server left
        out; `None` without tokens, where they do not spell the output, or where none of the words
        stands in that place, or what stands there are no logarithms of probabilities.
    """
    found = word_probabilities(answer, (word, *against), after)
    return None if found is None else found[word]


def word_probabilities(
    answer: Answer, words: Sequence[str], after: str = ""
) -> Mapping[str, float] | None:
    """Probability of each of some words; see `word_probability`. They sum to 1."""
    if not answer.tokens:
        return None
    steps = answer.tokens
    tokens = steps.spelled if isinstance(steps, TokenSteps) else [step.token for step in steps]
    place = _place(tokens, answer.text, words, after)
    if place is None:
        return None
    index, lead = place
    alternatives = dict(answer.tokens[index].alternatives)
    if len(alternatives) < _FEWEST or max(alternatives.values()) > _MOST:
        return None
    mass = dict.fromkeys(words, 0.0)
    for token, logprob in alternatives.items():
        begun = token.removeprefix(lead).lstrip(_BEFORE).lower()
        matching = [word for word in words if _begins(word.lower().encode(), begun)]
        if len(matching) == 1 and not math.isnan(logprob):
            mass[matching[0]] += math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    return {word: value / total for word, value in mass.items()} if total > 0 else None


def _place(
    tokens: Sequence[bytes], text: str, words: Sequence[str], after: str
) -> tuple[int, bytes] | None:
    """The token in which the word begins, and its bytes before that."""
    spelled = b"".join(tokens)
    visible = after_reasoning(text).encode(errors="replace")[-_MAX_BYTES:]
    # A forward search in the reversed texts: linear, while `rfind` is quadratic in the worst case.
    found = spelled[::-1].find(visible[::-1])
    if not visible or found < 0:
        return None
    start = len(spelled) - found - len(visible)
    markers = list(re.finditer(re.escape(after.encode()), visible, re.IGNORECASE)) if after else []
    if after and not markers:
        return None
    offset = markers[-1].end() if markers else 0
    offset += len(visible[offset:]) - len(visible[offset:].lstrip(_BEFORE))
    rest = visible[offset:].lower()
    if not any(rest.startswith(word.lower().encode()) for word in words):
        return None
    position, begin = start + offset, 0
    if position and spelled[position - 1 : position].isalnum():
        return None  # the end of another word, such as unsafe
    for index, token in enumerate(tokens):
        if begin <= position < begin + len(token):
            return index, token[: position - begin]
        begin += len(token)
    return None


def _begins(word: bytes, token: bytes) -> bool:
    """Whether a token is the start of a word, or begins with the whole of it."""
    if not token:
        return False
    whole = token.startswith(word) and not token[len(word) : len(word) + 1].isalnum()
    return whole or word.startswith(token)
