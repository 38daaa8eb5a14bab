"""Samples of harmless content for the audits."""

from __future__ import annotations

import random
from dataclasses import replace

from vlsu.build.audits.items import Item
from vlsu.build.plan.cells import Cell
from vlsu.policy import Pattern

__all__ = ["WORDS", "changed", "item", "items"]

WORDS = (
    *("bridge", "river", "market", "lamp", "train", "garden", "window", "table", "paper"),
    *("street", "harbour", "letter", "winter", "music", "basket", "corner", "signal", "meadow"),
)


def item(key, pattern="S-S-U", category="C9", text="", language="en", **about) -> Item:
    """A sample of a cell."""
    return Item(key=key, cell=Cell(Pattern.parse(pattern), category, language), text=text, **about)


def changed(rows: list[Item], **about) -> list[Item]:
    """The same samples with other values; a function is given the sample."""
    return [
        replace(row, **{k: v(row) if callable(v) else v for k, v in about.items()}) for row in rows
    ]


def items(pattern, n, seed=0, category="C9", change=lambda text: text, **about) -> list[Item]:
    """Samples whose texts, captions and images say nothing of their grades, but by `change`."""
    draw = random.Random(f"{pattern}{category}{seed}")
    found = []
    for number in range(n):
        text = " ".join(draw.choices(WORDS, k=draw.randint(4, 9)))
        caption = " ".join(draw.choices(WORDS, k=5))
        key = f"{pattern}-{category}-{seed}-{number}"
        found.append(
            item(key, pattern, category, change(text), caption=caption, image=key, **about)
        )
    return found
