"""A build whose queries wait for the pre-grader: real images, and texts that a server grades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.build.folder.made import PROMPT, keep
from tests.conftest import completion
from vlsu.build.folder.build import Build, init
from vlsu.build.folder.records import Record
from vlsu.build.folder.store import Store
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.targets import parse_targets
from vlsu.data import load
from vlsu.policy import Pattern, Policy, default_policy

__all__ = ["SSU", "add_image", "add_queries", "answering", "build_of", "image", "images"]

SSU = Cell(Pattern.parse("S-S-U"), "C9", "en")
_WORDS = {"S": "safe", "B": "borderline", "U": "unsafe"}


def images(number: int) -> list[bytes]:
    """Some of the bundled images."""
    dataset = load("vlsu-mini")
    digests = dataset.frame().select("image_sha256").unique(maintain_order=True).collect()
    chosen = digests.get_column("image_sha256").drop_nulls().to_list()[:number]
    return [dataset.read_image(each) for each in chosen]


def image() -> bytes:
    """One of them."""
    return images(1)[0]


def build_of(folder: Path, *targets: str, policy: Policy | None = None, seed: int = 0) -> Build:
    """A build that wants samples of the targets alone."""
    policy = default_policy() if policy is None else policy
    wanted = parse_targets([*(targets or ("S-S-U=20",)), "all=0"])
    return init(folder, policy, targets=wanted, seed=seed)


def add_image(build: Build, store: Store, data: bytes, cell: Cell = SSU, number: int = 0) -> str:
    """A kept image with its concept; its key."""
    prompt = store.add_prompt("concepts", PROMPT)
    written = {"model": "openai/x", "seed": 1, "prompt": prompt}
    content = {"concept": f"a thing on a table, number {number}"}
    concept = Record(stage="concepts", cell=cell, content=content, provenance=written)
    store.add([concept])
    keep(store, concept.key)
    sha256 = build.images.add(data)
    image = Record(
        stage="images",
        cell=cell,
        content={"caption": "a thing"},
        provenance={"source": "folder:x", "licence": "CC0-1.0", "sha256": sha256},
        parent=concept.key,
    )
    store.add([image])
    keep(store, image.key)
    return image.key


def add_queries(store: Store, image: str, *texts: str, cell: Cell = SSU, **content) -> list[str]:
    """Kept queries of an image; their keys."""
    written = {"model": "openai/x", "seed": 1, "prompt": store.add_prompt("concepts", PROMPT)}
    made = [
        Record(
            stage="queries",
            cell=cell,
            content={"text": text, **content},
            provenance={**written, "candidate": n},
            parent=image,
        )
        for n, text in enumerate(texts)
    ]
    keys = store.add(made)
    keep(store, *keys)
    return keys


def answering(body: dict[str, Any], number: int, alone: str = "S") -> dict[str, Any]:
    """A chat completion that grades as the text says: ``... [S-S-U C9]``; images get `alone`.

    A text may stand for an answer besides: ``[refuse]`` or ``[mumble]``.
    """
    del number
    content = body["messages"][-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    shown = any(part["type"] != "text" for part in parts)
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    if "[refuse]" in text:
        return completion("I'm sorry, but I can't help with that.")
    if "[mumble]" in text:
        return completion("Well, it depends.")
    if "[" in text:
        pattern, _, category = text[text.rindex("[") + 1 : text.rindex("]")].partition(" ")
        letter = pattern.split("-")[2 if shown else 1]
    else:
        letter, _, category = alone.partition(" ")
    return completion(json.dumps({"severity": _WORDS[letter], "category": category or None}))
