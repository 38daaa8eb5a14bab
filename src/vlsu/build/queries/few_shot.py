"""Examples of one's own: pairs of an image in words and a text, by pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlsu._text import quoted
from vlsu._yaml import load_yaml
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.drawing import rank
from vlsu.build.rails.rules import Proposal, Rails
from vlsu.build.rails.telling import telling
from vlsu.errors import PolicyError, UsageError
from vlsu.policy import Pattern, Policy

__all__ = ["MOST_SHOWN", "Example", "FewShot", "read_few_shot"]

#: Examples in one request, at most.
MOST_SHOWN = 4
#: Characters of an entry, at most.
_MOST_CHARACTERS = 1000
_NAMES = ("pattern", "image", "text", "category", "language", "kinds")


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that is of its pattern.

    Attributes:
        image: What the image shows, in a few words.
        text: The query.
        category: `None`: shown in every category.
    """

    pattern: Pattern
    image: str
    text: str
    category: str | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class FewShot:
    """The examples of a file.

    Attributes:
        examples: In the file's order.
        text: The file's, kept with the records that were made with it.
    """

    examples: tuple[Example, ...] = field(default=())
    text: str = ""

    def of(self, cell: Cell, salt: str) -> list[Example]:
        """At most `MOST_SHOWN` of a cell's pattern and language, drawn by a salt.

        Those of the category go before those without one; others are not shown.
        """
        fitting = [
            each
            for each in self.examples
            if each.pattern == cell.pattern
            and each.language == cell.language
            and each.category in (None, cell.category)
        ]
        drawn = sorted(
            fitting,
            key=lambda each: (each.category is None, rank(salt, each.text)),
        )
        return drawn[:MOST_SHOWN]


def read_few_shot(path: Path, policy: Policy, rails: Rails) -> FewShot:
    """Read a YAML list of entries with ``pattern``, ``image``, ``text``.

    An entry may have ``category``, ``language`` (``en`` if it has none) and ``kinds``, a list of
    what it speaks of, of the kinds of the rails: an example passes the same checks as a query.

    Raises:
        UsageError: The file cannot be read, or an entry cannot be used; the message names it.
    """
    tree = load_yaml(path, UsageError)
    if not isinstance(tree, list) or not tree:
        raise UsageError(f"{path}: expected a list of entries with pattern, image and text")
    examples = tuple(
        _example(entry, f"{path}: entry {n}", policy, rails) for n, entry in enumerate(tree, 1)
    )
    return FewShot(examples, path.read_text(encoding="utf-8"))


def _example(entry: Any, where: str, policy: Policy, rails: Rails) -> Example:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected a mapping with pattern, image and text")
    if unknown := [name for name in entry if name not in _NAMES]:
        raise UsageError(f"{where}: {quoted(str(unknown[0]))} is none of {', '.join(_NAMES)}")
    image, text = (_text(entry, name, where) for name in ("image", "text"))
    try:
        pattern = Pattern.parse(_text(entry, "pattern", where))
        named = _text(entry, "category", where) if "category" in entry else None
        category = None if named is None else policy.category(named).id
        language = _text(entry, "language", where) if "language" in entry else "en"
        kinds = _kinds(entry, where)
        for words, severity in ((image, pattern.image), (text, pattern.text)):
            proposal = Proposal(
                text=words, category=category, severity=severity, language=language, kinds=kinds
            )
            if (refused := rails.refusal(proposal)) is not None:
                raise UsageError(f"it is refused: {refused.reason}")
    except (PolicyError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from None
    if told := telling(text):
        raise UsageError(f"{where}: text: queries ask and never tell, and this tells {told[0]}")
    return Example(pattern, image, text, category, language)


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= _MOST_CHARACTERS:
        raise UsageError(f"{where}: {name}: expected a text of 1 to {_MOST_CHARACTERS} characters")
    return " ".join(value.split())


def _kinds(entry: Mapping[str, Any], where: str) -> Sequence[str]:
    value = entry.get("kinds", [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{where}: kinds: expected a list of names")
    return value
