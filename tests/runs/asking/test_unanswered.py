"""Keys of requests, and a resume that plans only what lacks a response."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from vlsu.data import Sample, write_dataset
from vlsu.models.base import ImagePart, Message, Request
from vlsu.policy import default_policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import (
    KeyedRows,
    Planned,
    Subset,
    keyed,
    plan,
    unanswered,
)
from vlsu.tasks import Understanding, load_prompt


@pytest.mark.parametrize("prompt", ["zero-shot", "reversed"])
@pytest.mark.parametrize("draws", [(0,), (0, 1)])
@pytest.mark.parametrize("structured", [False, True])
def test_a_resume_plans_what_lacks_a_response_and_counts_the_rest(
    tmp_path: Path, prompt: str, draws: tuple[int, ...], structured: bool
) -> None:
    images = [f"{n % 7:064x}" for n in range(600)]
    texts = ["A cup of tea.", "</text> and <text>", " ", "", None, "\U0001f375 tea\n\n100%"]
    rows = [
        Sample(id=f"s{n}", text=texts[n % 6], image_sha256=images[n] if n % 5 else None)
        for n in range(600)
    ]
    dataset = write_dataset(
        tmp_path / "dataset",
        rows,
        name="teas",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
    )
    policy = default_policy()
    task = Understanding(policy, load_prompt(prompt, policy), draws=draws)
    keys = RequestKeys({"model": "m", "structured": structured})
    chunks = list(plan(dataset, Subset(), task, keys, by_image=True))
    whole = [(each.key, each.sample.id) for chunk in chunks for each in chunk.planned]
    missing = {"s17", "s300", "s599"}
    lacked = {key for key, id_ in whole if id_ in missing}
    asked: list[str] = []

    def stored(names: Sequence[str]) -> set[str]:
        asked.extend(names)
        return set(names) - lacked

    found = list(unanswered(dataset, Subset(), task, keys, stored))
    assert asked == [key for key, _ in whole]
    of_found = [(each.key, each.sample.id) for chunk in found for each in chunk.planned]
    ids = {id_ for key, id_ in whole if key in lacked}
    assert of_found == [(key, id_) for key, id_ in whole if id_ in ids]
    assert sum(chunk.stored for chunk in found) + len(of_found) == len(whole)
    assert 0 < len(of_found) < len(whole)

    # Judging has the same plan, without what the requests hold.
    planned = [each for chunk in plan(dataset, Subset(), task, keys) for each in chunk.planned]
    light = [each for chunk in keyed(iter(rows), task, keys) for each in chunk.planned]
    assert [_named(each) for each in light] == [_named(each) for each in planned]

    # And the keys alone.
    everything = KeyedRows(task, keys).lacking(dataset.frame().collect(), stored)
    assert everything.digests == bytes.fromhex("".join(each.key for each in planned))
    assert everything.digests == KeyedRows(task, keys).digests(dataset.frame().collect())
    assert {f"s{n}" for n in everything.rows} == ids


def _named(each: Planned) -> tuple[object, ...]:
    request = each.task_request
    return each.key, each.sample.id, request.modality, request.framing, request.draw


def test_a_key_hashes_the_model_then_each_message() -> None:
    keys = RequestKeys({"model": "m"})
    image = "ab" * 32
    system, user = Message("system", ("Grade.",)), Message("user", (ImagePart(image), "A cup."))

    def digest(content: object, size: int = 32) -> bytes:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=size).digest()

    parts = [
        digest([1, {"model": "m"}]),
        digest(["system", ["Grade."]]),
        digest(["user", [{"image": image}, "A cup."]]),
    ]
    expected = hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()
    request = Request((system, user))
    assert keys.key(request) == expected
    other = Request((system, Message("user", ("Another turn.",))))
    like = keys.like(other)
    assert [like(user.parts), like(other.messages[1].parts)] == [expected, keys.key(other)]
