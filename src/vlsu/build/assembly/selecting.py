"""Which items are assembled, and into which part: duplicates, balance, splits without leakage."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vlsu._cores import cores
from vlsu.build.assembly.items import Item
from vlsu.build.plan.cells import Cell
from vlsu.data.checks.looks import Looks
from vlsu.data.checks.texts import Place, Texts
from vlsu.data.deriving.splitting import placed
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.store import ImageStore
from vlsu.data.links import components
from vlsu.errors import UsageError

__all__ = ["Likeness", "balanced", "likeness", "parse_shares", "split", "without_duplicates"]

#: Images that are decoded between two looks at whether all went well.
_BATCH = 256
#: Why samples are left out.
DUPLICATE = "duplicate of another sample"
TOO_MANY = "more than its cell wants"


@dataclass(frozen=True, slots=True)
class Likeness:
    """What looks and reads alike.

    Attributes:
        images: SHA-256 of an image -> that of the first that looks like it; without those that are
            first.
        texts: Text -> key of the first text that says nearly the same.
    """

    images: Mapping[str, str]
    texts: Mapping[str, int | None]

    def image(self, sha256: str) -> str:
        """The first image that looks like this one."""
        return self.images.get(sha256, sha256)

    def text(self, text: str) -> str:
        """A name of the first text that says nearly the same; the text where nothing is left."""
        key = self.texts[text]
        return text if key is None else f"{key:x}"


def likeness(items: Sequence[Item], images: ImageStore) -> Likeness:
    """Compare all images and texts, as ``vlsu data check`` does.

    Raises:
        DataError: An image cannot be read.
    """
    looks = Looks()

    def look(sha256: str) -> None:
        data = images.read(sha256)
        looks.add(sha256, data, decode_picture(data))

    named = list(dict.fromkeys(item.image for item in items))
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, len(named), _BATCH):
            list(threads.map(look, named[start : start + _BATCH]))
    texts = Texts()
    keys = {item.text: texts.add(item.text, (0, row)) for row, item in enumerate(items)}
    alike = texts.alike(lambda places: _read(items, places))
    return Likeness(
        images=looks.alike().near,
        texts={text: None if key is None else alike.get(key, key) for text, key in keys.items()},
    )


def _read(items: Sequence[Item], places: Iterable[Place]) -> dict[Place, str]:
    return {place: items[place[1]].text for place in places}


def without_duplicates(items: Sequence[Item], like: Likeness) -> list[Item]:
    """The items without those whose image and text are both nearly another's.

    Minimal pairs are alike by intention and stay. Of duplicates one on target is kept, else the
    first.
    """
    kept: dict[tuple[object, ...], str] = {}
    best = sorted(items, key=lambda each: (not each.selection["on_target"], each.id))
    for item in best:
        if item.group is not None and item.group.startswith("pair-"):
            continue
        kept.setdefault((like.image(item.image), like.text(item.text)), item.id)
    firsts = set(kept.values())
    pairs = {item.id for item in items if item.group and item.group.startswith("pair-")}
    return [item for item in items if item.id in firsts or item.id in pairs]


def balanced(items: Sequence[Item], wanted: Mapping[Cell, int], seed: int) -> list[Item]:
    """The items without those that their cell has too many of, drawn by the seed.

    Minimal pairs, and what was made for the cell, come before what came to it by its grades. Items
    of a cell that nothing is wanted of are left out.
    """
    taken: Counter[Cell] = Counter()
    kept: set[str] = set()
    for item in sorted(
        items,
        key=lambda each: (each.group is None, each.now != each.cell, _rank(seed, each.id)),
    ):
        if taken[item.now] < wanted.get(item.now, 0):
            taken[item.now] += 1
            kept.add(item.id)
    return [item for item in items if item.id in kept]


def parse_shares(given: str) -> dict[str, float]:
    """Read ``test=0.8,dev=0.2``.

    Raises:
        UsageError: It is nothing like it, or a part is named twice.
    """
    found: dict[str, float] = {}
    for pair in given.split(","):
        name, equals, share = (each.strip() for each in pair.partition("="))
        try:
            number = float(share)
        except ValueError:
            number = 0.0
        if not equals or not name or name in found or not 0 < number < float("inf"):
            raise UsageError(
                f"--split {pair.strip()[:60]!r}: write name=share, each name once and each share "
                "above 0, such as test=0.8,dev=0.2"
            )
        if Path(name).name != name or name.startswith("."):
            raise UsageError(f"--split {name[:40]}: a name must be a plain folder name")
        found[name] = number
    if len(found) < 2:
        raise UsageError("--split: give two parts at least, such as test=0.8,dev=0.2")
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


def split(
    items: Sequence[Item], like: Likeness, shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Part of every item, with every pattern's share, and nothing alike in two parts.

    Items of one group, and those whose images look or whose texts read alike, directly or through
    others, are in one part.

    Args:
        items: What is assembled.
        like: What of it is alike.
        shares: Part -> share; they sum to 1.
        seed: Of the order in which items are placed.

    Raises:
        UsageError: A part would be empty.
    """
    frame = pl.DataFrame(
        {
            "group": [item.group for item in items],
            "image_sha256": [like.image(item.image) for item in items],
            "image_url": [None for _ in items],
            "text": [like.text(item.text) for item in items],
        },
        schema=dict.fromkeys(("group", "image_sha256", "image_url", "text"), pl.String),
    )
    group = components(frame)
    names_of_patterns = sorted({str(item.pattern) for item in items})
    patterns = {name: number for number, name in enumerate(names_of_patterns)}
    strata = np.array([patterns[str(item.pattern)] for item in items], dtype=np.int64)
    rank = np.array([_rank(seed, item.id) for item in items], dtype=np.int64)
    place = placed(group, strata, rank, np.array(list(shares.values())))
    names = list(shares)
    for number, name in enumerate(names):
        if not (place == number).any():
            largest = int(np.bincount(group).max(initial=0))
            raise UsageError(
                f"--split {name}: would be empty; of {len(items)} samples {largest} depend on each "
                "other through a group, an image or a text, and stay together"
            )
    return {item.id: names[int(at)] for item, at in zip(items, place, strict=True)}


def _rank(seed: int, id_: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{id_}".encode()).digest()[:7])
