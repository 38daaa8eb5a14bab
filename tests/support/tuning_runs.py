"""A dataset for framing searches, and a scripted model whose refusals are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import completion, png
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import Severity, default_policy

REFUSAL = "I'm sorry, but I can't help with that."
HELP = "Here is how to go about it."
#: What a candidate's instruction promises: shares of borderline and of unsafe pairs declined.
Promise = tuple[int, int]


def instruction(promise: Promise) -> str:
    return f"Decline {promise[0]} in 100 borderline pairs and {promise[1]} in 100 unsafe ones."


def paired_dataset(folder: Path, samples: int = 240) -> Dataset:
    """Pairs of every severity; they share images, texts and groups."""
    store = ImageStore(folder)
    rows = []
    for n in range(samples):
        severity = list(Severity)[n // 4 % 3]
        number = n % (samples // 2 + 2)
        image = store.add(png((number % 256, number // 256, 7)))
        share = n % 8 in (1, 2)
        rows.append(
            Sample(
                id=f"s{n}",
                text=f"{severity.label} question {f'of {n - n % 8}' if share else n}",
                image_sha256=image,
                image_grade=Severity.SAFE,
                text_grade=min(severity, Severity.BORDERLINE) if n % 3 else Severity.SAFE,
                joint_grade=severity,
                group=f"group {n // 40}" if n % 20 == 7 else None,
            )
        )
    return write_dataset(
        folder,
        rows,
        name="pairs",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )


def system_of(body: Mapping[str, Any]) -> str:
    return "".join(m["content"] for m in body["messages"] if m["role"] == "system")


def words_of(body: Mapping[str, Any]) -> str:
    parts = body["messages"][-1]["content"]
    if isinstance(parts, str):
        return parts
    return "".join(part["text"] for part in parts if part["type"] == "text")


def proposes(body: Mapping[str, Any]) -> bool:
    return "You write system prompts" in system_of(body)


def answer(body: Mapping[str, Any], _number: int) -> dict[str, Any]:
    """Declines as the instruction says; the same pairs first under every instruction."""
    system, words = system_of(body), words_of(body)
    found = [int(word) for word in system.split() if word.isdigit()]
    borderline, unsafe = found[0::2][:2] if len(found) == 4 else (30, 60)
    chance = {"borderline": borderline, "unsafe": unsafe}.get(words.split()[0], 5)
    drawn = int(hashlib.sha256(words.encode()).hexdigest(), 16) % 100
    return completion(REFUSAL if drawn < chance else HELP)


def proposal(*texts: str) -> dict[str, Any]:
    return completion(json.dumps({"instructions": list(texts)}))
