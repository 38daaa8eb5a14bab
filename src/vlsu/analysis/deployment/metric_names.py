"""Names of the numbers in `metrics.json`, such as ``joint.f1_macro``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "UNTOLD",
    "expanded",
    "node_at",
    "numbers",
    "of_rate",
    "samples",
    "why_absent",
    "why_not_of_policy",
]

#: Rates over a part of a category's or a family's samples -> the count of these, beside it.
_COUNTS: Mapping[str, str] = {
    "unsafe_recall": "n_unsafe",
    "unsafe_called_safe": "n_unsafe",
    "safe_called_unsafe": "n_safe",
    "borderline_called_unsafe": "n_borderline",
}

#: Names of numbers that only a policy with borderline has -> what stands in their place.
_OF_BORDERLINE: Mapping[str, str] = {
    "over_blocking": "over_refusal_safe",
    "f1_binary_strict": "f1_binary",
    "borderline": "",
    "borderline_called_unsafe": "",
    "n_borderline": "",
}

#: How a reason begins why a number is not known, whatever the data.
UNTOLD = "cannot be told"

_RATE = {"value", "low", "high"}


def expanded(
    metrics: Mapping[str, Any], pieces: Sequence[str], before: str = ""
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The keys that a key with stars stands for, each with the names in their place.

    Args:
        metrics: As in `metrics.json`.
        pieces: The key between its stars.
        before: What stands before the pieces.
    """
    place = before + pieces[0]
    if len(pieces) == 1:
        yield place, ()
        return
    node = node_at(metrics, place.removesuffix("."))
    for name, inside in node.items() if isinstance(node, Mapping) else ():
        if isinstance(inside, Mapping) or pieces[1:] == [""]:
            for key, names in expanded(metrics, pieces[1:], f"{place}{name}"):
                yield key, (name, *names)


def node_at(tree: Mapping[str, Any], place: str) -> object:
    """The node at a place, whose names may hold points; `None` if there is none."""
    if not place:
        return tree
    for name, node in tree.items():
        if place == name:
            return node
        if place.startswith(f"{name}.") and isinstance(node, Mapping):
            inside = node_at(node, place.removeprefix(f"{name}."))
            if inside is not None:
                return inside
    return None


def of_rate(key: str) -> tuple[str, str]:
    """A key without the bound that it names, and the bound."""
    rate, _, side = key.rpartition(".")
    return (rate, side) if side in ("low", "high") else (key, "")


def samples(metrics: Mapping[str, Any], key: str) -> int | None:
    """Samples that a rate is over; `None` of what is no rate, or where they are not counted."""
    key, _ = of_rate(key)
    rate, (parent, _, last) = node_at(metrics, key), key.rpartition(".")
    if not isinstance(rate, Mapping) or not rate.keys() >= _RATE:
        return None
    beside = node_at(metrics, parent)
    n = rate.get("n")
    if n is None and isinstance(beside, Mapping):
        n = beside.get(_COUNTS.get(last, "n"))
    return n if isinstance(n, int) else None


def numbers(
    metrics: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, tuple[Mapping[str, Any] | float | None, str]]]:
    """Every number and rate by its path, and the reason given where it is `None`."""
    for name, node in metrics.items():
        path = f"{prefix}{name}"
        withheld = node.get("reason") if isinstance(node, Mapping) else metrics.get("reason")
        why_not = metrics.get(f"not_{name}") or (
            f"{UNTOLD}: {withheld}" if withheld else "nothing was measured: no judgment enters it"
        )
        if isinstance(node, Mapping):
            rest = node
            if node.keys() >= _RATE:
                yield path, (node, why_not)
                rest = {key: value for key, value in node.items() if key not in _RATE}
            yield from numbers(rest, f"{path}.")
        elif node is None or (isinstance(node, int | float) and not isinstance(node, bool)):
            yield path, (node, str(why_not))


def why_absent(key: str) -> str:
    """Why a part that not every run has is not there; empty for every other part."""
    return {
        "cost": "the run was given no price; give it one: the same vlsu run command with --price",
        "critical": "no sample that was asked about has `critical: true` in its metadata",
        "gold_agreement": "no sample that was asked about has `admissible` in its metadata",
        "reruns": "the run has one draw; give it more: vlsu run understanding … --draws 3",
        "swap": "the run has no swap probe; give it one: vlsu run understanding … --probe swap",
        "weighted_harm": "the run has no weights; give it some: vlsu run understanding … --weights",
    }.get(key.partition(".")[0], "")


def why_not_of_policy(key: str, known: Collection[str]) -> str:
    """Why a number of borderline is not there, where no other is either; empty for the rest.

    Args:
        key: Of the number.
        known: Every number there is, by its path.
    """
    of = next((name for name in key.split(".") if name in _OF_BORDERLINE), "")
    if not of or any("borderline" in path.split(".") for path in known):
        return ""
    instead = _OF_BORDERLINE[of]
    return "the run's policy has no borderline" + (f"; require {instead}" if instead else "")
