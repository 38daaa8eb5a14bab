"""Seats: what one person grades of one sample.

A slot is a grade that is asked for: (sample, modality, seat). The slots of a seat are graded by one
person, its parts first, in an order drawn for each seat, and the pair last. So nobody grades a pair
before their own parts of it, and no arrangement of graders can lock a pair for ever: a seat that
its owner leaves is split, and what is left of it is a seat for somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vlsu.annotate.plan.drawing import fraction, integer
from vlsu.annotate.plan.settings import REGRADED_BY, Plan

__all__ = ["Slot", "slots_of", "wanted_grades"]

#: A slot of a sample: modality, seat (from 1) and place in the seat (from 0).
Slot = tuple[str, int, int]


def wanted_grades(plan: Plan, sample: str, *, image: bool, text: bool) -> dict[str, int]:
    """How many grades a sample is to have, by modality; a modality that it lacks has none.

    Args:
        plan: The plan.
        sample: Its identifier, which decides whether it is regraded.
        image: Whether it has an image.
        text: Whether it has a text.
    """
    has = {"image": image, "text": text, "joint": image and text}
    again = fraction(plan.seed, "regrade", sample) < plan.regrade
    return {
        modality: REGRADED_BY if number == 1 and again else number
        for modality, number in plan.graders.items()
        if has[modality]
    }


def slots_of(plan: Plan, sample: str, wanted: Mapping[str, int]) -> Iterator[Slot]:
    """The slots of a sample.

    Example:
        >>> list(slots_of(Plan(), "s1", {"image": 1, "text": 2, "joint": 2}))
        [('image', 1, 0), ('text', 1, 1), ('joint', 1, 2), ('text', 2, 0), ('joint', 2, 1)]
        >>> list(slots_of(Plan(disjoint=True), "s1", {"image": 1, "text": 1, "joint": 1}))
        [('image', 1, 0), ('text', 1, 1), ('joint', 2, 0)]
    """
    parts = {modality: wanted.get(modality, 0) for modality in ("image", "text")}
    pairs = wanted.get("joint", 0)
    first_pair = max(parts.values()) + 1 if plan.disjoint else 1
    last = max(*parts.values(), first_pair + pairs - 1)
    for seat in range(1, last + 1):
        order = ("text", "image") if integer(plan.seed, "parts", sample, seat) % 2 else tuple(parts)
        of_seat = [modality for modality in order if parts[modality] >= seat]
        if first_pair <= seat < first_pair + pairs:
            of_seat.append("joint")
        yield from ((modality, seat, place) for place, modality in enumerate(of_seat))
