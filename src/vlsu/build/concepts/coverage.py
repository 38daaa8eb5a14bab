"""How much of what could be drawn the concepts cover, and how different they are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.shortcuts.features import letters, tfidf
from vlsu.build.concepts.alike import embedded
from vlsu.build.concepts.parameters import DIMENSIONS, values_of
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record
from vlsu.build.plan.cells import Place

__all__ = ["coverage", "diversity", "measured", "vendi"]

#: Concepts whose likeness is looked at, of all and of one place; of more, that many are drawn.
MOST, MOST_OF_PLACE = 500, 200


def measured(store: Reader, *, meaning: bool) -> dict[str, Any]:
    """Coverage and diversity of the concepts that are kept.

    Args:
        store: Of the build.
        meaning: Embed the concepts too, some 7 ms each; where the extra ``baseline`` is installed.

    Returns:
        ``n``, concepts kept; ``values``, ``pairs`` (`coverage`); ``diversity``: ``words`` and
        ``meaning``, each as `diversity` or null; ``places``: category and severity of the image,
        with ``n`` and the Vendi score ``vendi`` of its concepts by words, of `MOST_OF_PLACE` at
        most.
    """
    records = store.records(STAGES[0], kept=True)
    by_place: dict[Place, list[Record]] = {}
    for record in records:
        by_place.setdefault(Place.of(record.cell), []).append(record)
    texts = _drawn(records, MOST)
    vectors = embedded(texts) if meaning else None
    cosines = None if vectors is None else (vectors @ vectors.T).astype(np.float64)
    return {
        "n": len(records),
        **coverage([record.content for record in records]),
        "diversity": {
            "words": diversity(_by_words(texts)),
            "meaning": None if cosines is None else diversity(cosines),
        },
        "places": [
            {
                "category": place.category_name,
                "severity": place.severity.label,
                "n": len(found),
                "vendi": vendi(_by_words(_drawn(found, MOST_OF_PLACE))),
            }
            for place, found in by_place.items()
        ],
    }


def coverage(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many of the values, and of the pairs of values, that could be drawn came up.

    Args:
        contents: Of concepts; one that says nothing of a dimension has no value of it.

    Returns:
        ``values``: dimension -> ``met``, ``of``, and how often the rarest and the commonest came
        up, ``least`` and ``most``. ``pairs``: over all pairs of dimensions, ``met``; ``of``, how
        many there are; ``reachable``, how many so many concepts can hold at best; ``by_chance``,
        how many they would hold on average if each value was drawn by chance.
    """
    n = len(contents)
    sizes = {dimension: len(values) for dimension, values in values_of().items()}
    values = {}
    for dimension, listed in values_of().items():
        counts = Counter(each.get(dimension) for each in contents)
        times = [counts[value] for value in listed]
        values[dimension] = {
            "met": sum(1 for number in times if number),
            "of": len(listed),
            "least": min(times),
            "most": max(times),
        }
    pairs = list(combinations(DIMENSIONS, 2))
    kinds = [sizes[one] * sizes[other] for one, other in pairs]
    return {
        "values": values,
        "pairs": {
            "met": sum(_met(contents, one, other) for one, other in pairs),
            "of": sum(kinds),
            "reachable": sum(min(n, number) for number in kinds),
            "by_chance": round(sum(number * (1 - (1 - 1 / number) ** n) for number in kinds), 1),
        },
    }


def _met(contents: Sequence[Mapping[str, Any]], one: str, other: str) -> int:
    """Pairs of values of two dimensions that came up."""
    return len({(each[one], each[other]) for each in contents if one in each and other in each})


def diversity(kernel: FloatArray) -> dict[str, Any]:
    """How different things are, by how alike each two are.

    Args:
        kernel: Similarities with 1 on the diagonal, ``(n, n)``, positive semidefinite.

    Returns:
        ``n``; ``vendi``, how many wholly different things would be as diverse, in [1, n];
        ``distance``, the mean of 1 - similarity over pairs of two; null where there are too few.
    """
    n = len(kernel)
    alike = (kernel.sum() - np.trace(kernel)) / (n * (n - 1)) if n > 1 else None
    return {
        "n": n,
        "vendi": vendi(kernel),
        "distance": None if alike is None else float(1 - alike),
    }


def vendi(kernel: FloatArray) -> float | None:
    """The Vendi score: the exponential of the entropy of the eigenvalues of ``kernel / n``.

    Source: Friedman and Dieng, *The Vendi Score: A Diversity Evaluation Metric for Machine
    Learning*, TMLR 2023.

    Args:
        kernel: As of `diversity`.

    Example:
        >>> round(vendi(np.eye(3)), 6), round(vendi(np.ones((3, 3))), 6)
        (3.0, 1.0)
    """
    if not len(kernel):
        return None
    values = np.linalg.eigvalsh(kernel / len(kernel))
    positive = values[values > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def _by_words(texts: Sequence[str]) -> FloatArray:
    """Cosines of tf-idf of letter sequences; each text is wholly like itself."""
    if not texts:
        return np.zeros((0, 0))
    kernel = tfidf(map(letters, texts))
    np.fill_diagonal(kernel, 1)
    return kernel


def _drawn(records: Sequence[Record], most: int) -> list[str]:
    """At most so many concepts, the same ones each time."""
    drawn = list(records)
    if len(records) > most:
        drawn.sort(key=lambda each: hashlib.sha256(each.key.encode()).digest())
    return [record.content["concept"] for record in drawn[:most]]
