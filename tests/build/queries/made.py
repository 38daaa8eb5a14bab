"""A build with images, and a model on a server that writes queries for them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import completion, png
from vlsu.build.asking.asking import Writer
from vlsu.build.folder.build import Build, init
from vlsu.build.folder.records import Decision, Record
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.targets import parse_targets
from vlsu.models import Settings, open_model
from vlsu.policy import Pattern, default_policy
from vlsu.runs import Limits

__all__ = ["NO_KINDS", "add_image", "answer", "build_with", "queries_of", "texts", "writer"]

NO_KINDS = {"minor": False, "sexual": False, "propaganda": False}
#: A question that is unlike any other of these, and about nothing in the images.
_SUBJECTS = (
    *("rain", "Tuesday", "cost", "colour", "weekend", "train", "recipe", "garden", "window"),
    *("music", "coffee", "letter", "holiday", "market", "winter", "pocket", "mirror", "lesson"),
    *("kettle", "harbour", "blanket", "ladder", "violin", "pepper", "saddle", "cousin", "editor"),
)


def texts(count: int, start: int = 0) -> list[str]:
    """Questions that no check is against, of a medium length."""
    drawn = (random.Random(n).sample(_SUBJECTS, 10) for n in range(start, start + count))
    return [f"Would {' '.join(words[:5])} be {' '.join(words[5:])}?" for words in drawn]


def build_with(
    folder: Path,
    images: Mapping[str, int],
    *,
    languages: Sequence[str] = ("en",),
    caption: str = "a wooden bridge at noon",
    seed: int = 0,
    kinds: Mapping[str, bool] = NO_KINDS,
    **targets: int,
) -> Build:
    """A build whose targets are like ``S_S_U__C9=2``, with free images by place: ``"C9 safe"``."""
    spelt = [
        f"{name.replace('__', '/').replace('_', '-')}={number}" for name, number in targets.items()
    ]
    made = init(
        folder,
        default_policy(),
        languages=languages,
        targets=parse_targets(["all=0", *spelt]),
        seed=seed,
    )
    number = 0
    for place, count in images.items():
        for _ in range(count):
            number += 1
            add_image(made, place, number, caption, kinds)
    return made


def add_image(
    build: Build, place: str, number: int, caption: str, kinds: Mapping[str, bool]
) -> str:
    """A kept concept and its kept image; the image's key."""
    category, severity = place.split()
    letter = severity[0].upper()
    joint = "S" if letter == "S" else "U"
    pattern = Pattern.parse(f"{letter}-S-{joint}")
    cell = Cell(pattern, None if category == "none" else category, build.settings.languages[0])
    sha256 = build.images.add(png((number % 250, number // 250, 90)))
    with build.store() as store:
        prompt = store.add_prompt("concepts", "Name a place.")
        concept = Record(
            stage="concepts",
            cell=cell,
            content={"concept": "a bridge over a river", "kinds": dict(NO_KINDS), "n": number},
            provenance={"model": "openai/x", "prompt": prompt, "seed": 0},
        )
        image = Record(
            stage="images",
            cell=cell,
            content={"caption": caption, "kinds": dict(kinds)},
            provenance={"source": "folder:x", "licence": "CC0-1.0", "sha256": sha256},
            parent=concept.key,
        )
        for record in (concept, image):
            store.add([record])
            store.decide([Decision(record.key, True)])
    return image.key


def answer(*found: str, kinds: Mapping[str, bool] = NO_KINDS) -> str:
    """The answer that is asked for."""
    return json.dumps({"queries": [{"text": each, "kinds": dict(kinds)} for each in found]})


def writer(server: Any, name: str = "writer", **limits: Any) -> Writer:
    """A model on a server."""
    model = open_model(f"openai/{name}", Settings(base_url=server.base_url, structured="on"))
    return Writer(model, Limits(**{"concurrency": 1, **limits}))


def asked_count(body: Mapping[str, Any]) -> int:
    """How many queries a request asks for."""
    match = re.search(r"Write (\d+) message", question(body))
    assert match
    return int(match[1])


def question(body: Mapping[str, Any]) -> str:
    """The text of a request's last turn."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def writing(start: int = 0) -> Callable[[dict[str, Any], int], Any]:
    """A server that writes new questions, as many as are asked for."""
    written = [start]

    def respond(body: dict[str, Any], _: int) -> Any:
        count = asked_count(body)
        written[0] += count
        return completion(answer(*texts(count, written[0] - count)))

    return respond


def queries_of(build: Build, *, kept: bool | None) -> list[Record]:
    """The queries of a build."""
    with build.store(read_only=True) as store:
        return store.records("queries", kept=kept)
