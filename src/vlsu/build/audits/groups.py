"""Which groups of people a text or a caption names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from vlsu._yaml import read_yaml
from vlsu.build.rails.ages import AgeWords as Phrases

__all__ = ["Group", "known_groups", "named_groups"]

_PEOPLE = "{people}"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of people.

    Attributes:
        id: Its name.
        axis: What sets it apart, such as religion.
        twin: Whether a harmful pair on it needs a benign twin.
        phrases: Language -> what names it.
    """

    id: str
    axis: str
    twin: bool
    phrases: Mapping[str, Phrases]


@cache
def known_groups() -> Mapping[str, Group]:
    """Name -> group, of ``groups.yaml``."""
    text = files("vlsu.build.audits").joinpath("groups.yaml").read_text(encoding="utf-8")
    tree: Any = read_yaml(text)
    people: Mapping[str, list[str]] = tree["people"]
    return {
        entry["id"]: Group(
            entry["id"],
            entry["axis"],
            entry.get("twin", True),
            {
                language: Phrases.of([each for term in entry[language] for each in _each(term, of)])
                for language, of in people.items()
            },
        )
        for entry in tree["groups"]
    }


def _each(term: str, nouns: list[str]) -> list[str]:
    term = term.casefold()
    return [term.replace(_PEOPLE, noun) for noun in nouns] if _PEOPLE in term else [term]


def named_groups(text: str, language: str = "en") -> frozenset[str]:
    """The groups that a text names, by the plain words for them.

    Args:
        text: A text or a caption.
        language: Of the text; in one without a list nothing is found.

    Example:
        >>> sorted(named_groups("An older man beside a black car and two black women"))
        ['Black', 'men', 'older', 'women']
    """
    return frozenset(
        group.id
        for group in known_groups().values()
        if language in group.phrases and group.phrases[language].found(text)
    )
