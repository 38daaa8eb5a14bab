"""What a classifier may see of one part of a sample, as similarities between samples.

A similarity is a kernel: a symmetric matrix of scalar products with about 1 on its diagonal, so
that several can be added up. A linear classifier on a sum of them sees the features of all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from vlsu.analysis.arrays import FloatArray

__all__ = ["SURFACE", "equality", "letters", "scaled", "surface", "tfidf", "words"]

#: Characters of a text that are looked at.
LONGEST = 5_000
#: Terms of a vocabulary: those in the most texts.
MOST_TERMS = 5_000

_HEDGES = re.compile(
    r"\b(i read|i hear|i heard|they say|it is said|are said|some (people|say)|people (say|on)|"
    r"studies|research(ers)? say|the (article|report) says|in the report|reportedly|apparently|"
    r"supposedly|i know|as i understand|experts)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(i|i'm|i'll|i've|me|my|mine|we|our|ours|us)\b", re.IGNORECASE)
_DEIXIS = re.compile(r"\b(this|these|that|those|it|here|there)\b", re.IGNORECASE)
_OTHERS = re.compile(r"\b(he|him|his|she|her|hers|they|them|their)\b", re.IGNORECASE)
_ORDERS = re.compile(
    r"(^|[.!?] )(please )?(add|answer|describe|draw|explain|find|give|help|list|make|post|put|"
    r"say|send|show|tell|translate|turn|write|word|swap|change|summari[sz]e)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?。！？؟।]+[.!?。！？؟।]*")
_QUESTION = re.compile(r"[?？؟]")
_WORD = re.compile(r"\b\w\w+\b")

#: Names of the columns of `surface`.
SURFACE = (
    *("characters", "words", "word length", "sentences", "questions", "ends in a question"),
    *("exclamations", "commas", "digits", "hedges", "first person", "third person"),
    *("pointing words", "orders", "ascii"),
)


def surface(texts: Sequence[str]) -> FloatArray:
    """What can be counted in texts without understanding them; ``(n, len(SURFACE))``.

    Hedges, persons, pointing words and orders are those of English.

    Example:
        >>> dict(zip(SURFACE, surface(["Is it so? They say."])[0].tolist()))["sentences"]
        2.0
    """
    return np.array([_counted(text[:LONGEST]) for text in texts], dtype=np.float64)


def _counted(text: str) -> tuple[float, ...]:
    """In the order of `SURFACE`."""
    words = text.split()
    return (
        len(text),
        len(words),
        sum(map(len, words)) / max(1, len(words)),
        sum(bool(part.strip()) for part in _SENTENCE.findall(text)),
        len(_QUESTION.findall(text)),
        bool(_QUESTION.search(text[-2:])),
        text.count("!"),
        text.count(","),
        any(c.isdigit() for c in text),
        bool(_HEDGES.search(text)),
        len(_FIRST.findall(text)),
        len(_OTHERS.findall(text)),
        len(_DEIXIS.findall(text)),
        bool(_ORDERS.search(text)),
        text.isascii(),
    )


def scaled(features: FloatArray) -> FloatArray:
    """Similarity by features ``(n, d)``, each brought to mean 0 and variance 1; ``(n, n)``."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 0
    standard = centred[:, varies] / spread[varies]
    kernel: FloatArray = standard @ standard.T / max(1, standard.shape[1])
    return kernel


def equality(values: Sequence[str | None]) -> FloatArray:
    """1 where two samples have the same value, else 0; null is like no other; ``(n, n)``."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    number = np.array([codes[value] for value in values])
    known = np.array([value is not None for value in values])
    same = (number[:, None] == number) & known[:, None]
    kernel: FloatArray = (same | np.eye(len(values), dtype=bool)).astype(np.float64)
    return kernel


def words(text: str) -> list[str]:
    """Words of two letters or more, and pairs of neighbours.

    Example:
        >>> words("Is it so?")
        ['is', 'it', 'so', 'is it', 'it so']
    """
    single = _WORD.findall(text[:LONGEST].lower())
    return [*single, *map(" ".join, pairwise(single))]


def letters(text: str) -> list[str]:
    """Sequences of two to four characters within words, a space on either side of each."""
    padded = [f" {word} " for word in text[:LONGEST].lower().split()]
    return [
        word[start : start + length]
        for word in padded
        for length in (2, 3, 4)
        if length <= len(word)
        for start in range(len(word) - length + 1)
    ]


def tfidf(texts: Iterable[Sequence[str]]) -> FloatArray:
    """Similarity by terms: cosine of their sublinear tf-idf; ``(n, n)``.

    Terms of one text alone are left out, as nothing can be learned from them about another.

    Args:
        texts: The terms of each.
    """
    counted = [Counter(terms) for terms in texts]
    documents = Counter(term for counts in counted for term in counts)
    common = [term for term in sorted(documents) if documents[term] > 1]
    common.sort(key=documents.__getitem__, reverse=True)
    column = {term: number for number, term in enumerate(common[:MOST_TERMS])}
    table = np.zeros((len(counted), len(column)), dtype=np.float32)
    for row, counts in enumerate(counted):
        for term, count in counts.items():
            if term in column:
                table[row, column[term]] = 1 + np.log(count)
    frequency = np.array([documents[term] for term in column], dtype=np.float32)
    table *= np.log((1 + len(counted)) / (1 + frequency)) + 1
    length = np.sqrt((table**2).sum(axis=1, keepdims=True))
    np.divide(table, length, out=table, where=length > 0)
    return (table @ table.T).astype(np.float64)
