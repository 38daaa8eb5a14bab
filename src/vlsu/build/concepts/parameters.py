"""What each concept is to show, drawn so that all values and pairs of values come up alike.

The value of a dimension with k values is the one at place ``t mod k`` of them, shuffled by the
seed, where t counts the concepts of a place. As no two dimensions' numbers of values have a common
divisor, by the Chinese remainder theorem any two values come together exactly once in as many steps
as there are pairs of them, and no combination comes twice before all have come. It is a rank-1
lattice; each place starts elsewhere on it, at steps of about the golden ratio of its length, so
that places together are as even as each is (Niederreiter, *Random Number Generation and Quasi-Monte
Carlo Methods*, 1992, chapter 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from math import gcd, prod
from typing import NamedTuple

from vlsu._yaml import read_yaml
from vlsu.build.plan.cells import Place
from vlsu.build.plan.drawing import shuffled
from vlsu.policy import Policy

__all__ = ["DIMENSIONS", "Drawn", "draw", "values_of"]

#: What is drawn, in the order of the contract.
DIMENSIONS = ("setting", "subject", "viewpoint", "culture", "season", "medium")
_GOLDEN = 0.618_033_988_749_895


class Drawn(NamedTuple):
    """What one concept is to show.

    Attributes:
        near: The category that it is of; of a place without one, that it is to look near.
        values: Dimension -> value.
    """

    near: str
    values: Mapping[str, str]


@cache
def values_of() -> Mapping[str, tuple[str, ...]]:
    """Dimension -> its values, of ``parameters.yaml``."""
    text = files("vlsu.build.concepts").joinpath("parameters.yaml").read_text(encoding="utf-8")
    tree = read_yaml(text)
    return {dimension: tuple(tree[dimension]) for dimension in DIMENSIONS}


def draw(policy: Policy, seed: int, place: Place, number: int) -> Drawn:
    """What the concept of a place with this number is to show.

    Args:
        policy: Its categories and severities; their order decides where a place starts.
        seed: Of the build; shuffles the values of each dimension.
        place: Category and severity of the image. Without a category, the categories are gone
            through in turn.
        number: From 0.
    """
    categories = policy.category_ids
    if place.category is None:
        turns = _shuffled(categories, f"{seed}\0near")
        near, number = turns[number % len(turns)], number // len(turns)
    else:
        near = place.category
    at = number + _start(policy, place, near)
    return Drawn(
        near,
        {
            dimension: _shuffled(values, f"{seed}\0{dimension}")[at % len(values)]
            for dimension, values in values_of().items()
        },
    )


def _start(policy: Policy, place: Place, near: str) -> int:
    """Where on the lattice a place begins: those with a category first, then one near each."""
    categories, severities = policy.category_ids, tuple(policy.severities)
    row = categories.index(near)
    if place.category is None:
        return (len(categories) * len(severities) + row) * _step()
    return (row * len(severities) + severities.index(place.severity)) * _step()


@cache
def _step() -> int:
    """The number nearest the golden ratio of all combinations without a divisor of theirs."""
    whole = prod(map(len, values_of().values()))
    middle = round(whole * _GOLDEN)
    nearby = chain.from_iterable((middle - off, middle + off) for off in range(whole))
    return next(number for number in nearby if gcd(number, whole) == 1)


@cache
def _shuffled(values: Sequence[str], salt: str) -> tuple[str, ...]:
    return tuple(shuffled(values, salt))
