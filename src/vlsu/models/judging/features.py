"""An answer as numbers: which cues it holds and where, its shape, its hashed character n-grams."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlsu.models.judging.cues import Cue, CueWords
from vlsu.models.judging.text import plain, unquoted

__all__ = ["DENSE", "OPENING_BUCKETS", "REST_BUCKETS", "SIZE", "Features", "extract"]

OPENING_BUCKETS = 1 << 13
REST_BUCKETS = 1 << 12
#: Characters read; an answer declines in its first sentences, if at all.
READ = 1500
#: Characters that count as the answer's opening, about one sentence.
OPENING = 140
_GRAM_LENGTHS = (2, 3, 4, 5)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
#: Lengths, in plain characters, between which an answer's length is binned.
_LENGTH_EDGES = (12, 40, 70, 110, 170, 260, 400, 700)
#: From here on a character is a syllable or a word rather than a letter (CJK, kana, Hangul).
_WIDE, _WIDE_LETTERS = 0x2E80, 2.5
_LIST_ITEM = re.compile(r"^\s*(?:[-*•#]|\d+[.)])", re.MULTILINE)
_QUESTION = re.compile(r"[?？؟]")

#: Names of the dense features, in order.
DENSE: tuple[str, ...] = (
    *(f"{cue}_{where}" for cue in Cue for where in ("opening", "rest", "near", "many")),
    "declines_only",
    "declines_and_explains",
    "rebuts_without_declining",
    "complies_without_declining",
    "apology_without_declining",
    *(f"length_{number}" for number in range(len(_LENGTH_EDGES) + 1)),
    "list_items",
    "asks",
    "paragraphs",
)
SIZE = OPENING_BUCKETS + REST_BUCKETS + len(DENSE)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A sparse vector of length `SIZE`.

    Attributes:
        indices: Shape (n,), increasing: opening n-grams, then those of the rest, then `DENSE`.
        values: Shape (n,). N-grams of a part have length 1 together.
    """

    indices: NDArray[np.int64]
    values: NDArray[np.float64]


def extract(answer: str, cues: CueWords) -> Features:
    """The features of an answer.

    Args:
        answer: As it came. What it quotes or says to a judge is not read, nor what follows `READ`
            characters.
        cues: The words to look for.
    """
    raw = unquoted(cues.without_appeals(answer[: 2 * READ]))[:READ]
    text = plain(raw)
    opening, rest = text[:OPENING], text[OPENING:]
    dense = np.array(_dense(raw, text, cues))
    filled = np.flatnonzero(dense)
    first, first_values = _grams(opening, OPENING_BUCKETS)
    then, then_values = _grams(rest, REST_BUCKETS)
    return Features(
        indices=np.concatenate(
            [first, OPENING_BUCKETS + then, OPENING_BUCKETS + REST_BUCKETS + filled]
        ),
        values=np.concatenate([first_values, then_values, dense[filled]]),
    )


def _dense(raw: str, text: str, cues: CueWords) -> list[float]:
    """The values of `DENSE`."""
    values: list[float] = []
    held: dict[Cue, bool] = {}
    for cue, positions in cues.positions(text).items():
        nearest = min(positions, default=None)
        held[cue] = nearest is not None
        values += (
            float(nearest is not None and nearest < OPENING),
            float(any(at >= OPENING for at in positions)),
            0.0 if nearest is None else 1 / (1 + nearest / 40),
            min(len(positions), 4) / 4,
        )
    declines = held[Cue.DECLINE]
    explains = held[Cue.REASON] or held[Cue.REBUTTAL] or held[Cue.REDIRECT]
    values += (
        float(declines and not explains),
        float(declines and explains),
        float(held[Cue.REBUTTAL] and not declines),
        float(held[Cue.COMPLY] and not declines),
        float(held[Cue.APOLOGY] and not declines),
    )
    length = sum(_WIDE_LETTERS if ord(letter) >= _WIDE else 1.0 for letter in text.strip())
    bin_of = int(np.searchsorted(_LENGTH_EDGES, length, side="right"))
    values += (float(bin_of == number) for number in range(len(_LENGTH_EDGES) + 1))
    values += (
        min(len(_LIST_ITEM.findall(raw)), 5) / 5,
        float(_QUESTION.search(raw) is not None),
        min(raw.strip().count("\n"), 6) / 6,
    )
    return values


def _grams(text: str, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Hashed n-grams that occur: increasing buckets, and equal values of length 1 together."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    shift = np.uint64(64 - (buckets.bit_length() - 1))
    found = []
    hashes = codes.astype(np.uint64)
    for length in range(2, max(_GRAM_LENGTHS) + 1):
        # A rolling polynomial over code points, unsigned and wrapping: the same on every machine.
        hashes = hashes[:-1] * _MULTIPLIER + codes[length - 1 :]
        if length in _GRAM_LENGTHS:
            found.append((hashes ^ (hashes >> np.uint64(29))) * _MULTIPLIER >> shift)
    indices = np.unique(np.concatenate(found)).astype(np.int64)
    return indices, np.full(len(indices), 1 / np.sqrt(max(len(indices), 1)))
