"""A small finished build over the images of vlsu-mini: every stage's records, kept and given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import vlsu
from vlsu.build.folder.build import Build, init
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.store import Store
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.targets import parse_targets
from vlsu.build.rails.rules import default_rails
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.sample import Sample
from vlsu.policy import MODALITIES, Pattern, Policy, Severity, default_policy, patterns_of

__all__ = ["GRADER", "WRITER", "add_sample", "chosen", "finished_build"]

#: Models that are said to have written and graded.
WRITER, GRADER = "openai/writer", "openai/grader"
_PROMPTS = {
    "concepts": "Name a scene: {{ setting }}.",
    "queries": "Write a question about the image: {{ style }}.",
    "grades": "Grade the image, the text and the pair.",
}
#: Licences that the images are said to be under, in turn.
_LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
_PARAMETERS = {
    "setting": "a street",
    "subject": "an object",
    "viewpoint": "from the front",
    "culture": "any",
    "season": "summer",
    "medium": "drawing",
}
_NO_KINDS = {"minor": False, "sexual": False, "propaganda": False}


def chosen(
    n: int, languages: Sequence[str] = ("en",), policy: Policy | None = None
) -> list[Sample]:
    """Samples of vlsu-mini to build, each with an image of its own, evenly over the patterns."""
    policy = policy or default_policy()
    rails = default_rails(policy)
    possible = set(patterns_of(policy.severities))
    by_pattern: dict[str, list[Sample]] = {}
    used: set[str | None] = set()
    for sample in sorted(vlsu.load("vlsu-mini"), key=lambda each: each.id):
        if sample.pattern not in possible or sample.language not in languages:
            continue
        cell = _cell(sample)
        closed = (
            rails.closed(cell.category, cell.pattern.image),
            rails.closed(cell.category, cell.pattern.text),
        )
        if any(closed) or sample.image_sha256 in used:
            continue
        used.add(sample.image_sha256)
        by_pattern.setdefault(str(sample.pattern), []).append(sample)
    found: list[Sample] = []
    while len(found) < n:
        for name in sorted(by_pattern):
            if by_pattern[name] and len(found) < n:
                found.append(by_pattern[name].pop(0))
        if not any(by_pattern.values()):
            break
    return found


def finished_build(
    folder: Path,
    n: int = 24,
    *,
    languages: Sequence[str] = ("en",),
    unfiltered: int = 2,
    policy: Policy | None = None,
) -> Build:
    """A build of `n` samples, which are what its cells want.

    Its pre-grades are vlsu-mini's own grades. Beside the samples there are an image, a query and a
    pre-grade that were given up, and samples of the unfiltered share whose grades are not their
    cell's.

    Args:
        folder: New or empty.
        n: Samples on target.
        languages: Of the texts.
        unfiltered: Samples kept off target: of the first cells, graded another joint severity.
        policy: The default policy or the binary one.
    """
    mini = vlsu.load("vlsu-mini")
    samples = chosen(n + unfiltered, languages, policy)
    samples, off = samples[:n], samples[n:]
    counts = Counter(_target(_cell(sample)) for sample in samples)
    build = init(
        folder,
        policy or default_policy(),
        languages=languages,
        targets=parse_targets(["all=0", *(f"{name}={n}" for name, n in counts.items())]),
        sources=["folder:gallery"],
    )
    with build.store() as store:
        for number, sample in enumerate(samples):
            add_sample(build, store, mini, sample, number)
        for number, sample in enumerate(off, len(samples)):
            add_sample(build, store, mini, sample, number, on_target=False)
        _add_lost(build, store, mini, samples[0], n + unfiltered)
    return build


def add_sample(
    build: Build,
    store: Store,
    mini: Dataset,
    sample: Sample,
    number: int,
    *,
    on_target: bool = True,
    licence: str | None = None,
    image: bytes | None = None,
    **query: object,
) -> dict[str, str]:
    """Add a concept, an image, a query and a pre-grade, all kept; key of the record of each stage.

    Args:
        build: Where to.
        store: Its records.
        mini: Where the sample's image is.
        sample: With three grades.
        number: Of the sample; no two may have the same.
        on_target: If not, the pre-grade's joint severity is another than the cell's, and it is kept
            as one of the unfiltered share.
        licence: Of the image.
        image: Other bytes than those of the sample's image.
        **query: Further content of the query, such as ``pair_of``.
    """
    cell = _cell(sample)
    assert sample.image_sha256 is not None
    assert sample.text is not None
    data = mini.read_image(sample.image_sha256) if image is None else image
    licence = licence or _LICENCES[number % len(_LICENCES)]
    grades = {m: str(_severity(sample, m).label) for m in MODALITIES}
    if not on_target:
        grades["joint"] = "safe" if grades["joint"] != "safe" else "unsafe"
    content: dict[str, dict[str, object]] = {
        "concepts": {
            **_PARAMETERS,
            "concept": f"A scene, number {number}.",
            "search": "scene",
            "kinds": _NO_KINDS,
            "category": cell.category or "C9",
        },
        "images": {
            "caption": str(sample.metadata["caption"]),
            "width": 256,
            "height": 256,
            "media_type": "image/webp",
            "kinds": _NO_KINDS,
        },
        "queries": {
            "text": sample.text,
            "language": cell.language,
            "style": "plain",
            "length": "short",
            "kinds": _NO_KINDS,
            **query,
        },
        "grades": {**grades, "categories": {m: sample.category(m) for m in MODALITIES}},
    }
    seen = {
        "source": "folder:gallery",
        "licence": licence,
        "sha256": build.images.add(data),
        "id": f"{number:04}.webp",
        "url": None,
        "page": f"https://images.example.org/{number}",
        "author": f"Author {number}",
        "attribution": f"Picture {number} by Author {number}, {licence}",
        "pdq": None,
        "rank": {"bm25": 1, "embedding": 2, "hybrid": 1},
        "search": "scene",
        "pre_filter": {"nsfw": 0.01},
    }
    keys: dict[str, str] = {}
    for stage in STAGES:
        made = Record(
            stage=stage,
            cell=cell,
            content=content[stage],
            provenance=seen if stage == "images" else _written(build, store, stage, number),
            parent=keys.get(STAGES[STAGES.index(stage) - 1]),
        )
        about: dict[str, object] = {}
        if stage == "grades":
            about = {"unfiltered": not on_target, "probability": 0.05, "on_target": on_target}
        _conclude(store, made, [Decision(made.key, True, about=about)], number)
        keys[stage] = made.key
    return keys


def _add_lost(build: Build, store: Store, mini: Dataset, sample: Sample, number: int) -> None:
    """An image, a query and a pre-grade that came to nothing."""
    keys = add_sample(build, store, mini, sample, number, image=_picture(number))
    store.decide([Decision(keys["grades"], False, "pair is borderline")])
    cell = _cell(sample)
    for stage, parent, reason in (
        ("queries", keys["images"], "describes the image"),
        ("images", keys["concepts"], "licence is not accepted"),
    ):
        before = store.record(keys[stage])
        lost = Record(
            stage=stage,
            cell=cell,
            content={"kinds": _NO_KINDS},
            provenance=before.provenance,
            parent=parent,
        )
        _conclude(store, lost, [Decision(lost.key, False, reason)], number + 1)


def _conclude(store: Store, made: Record, decisions: list[Decision], number: int) -> None:
    tried = Try(made.stage, made.cell, made.parent, number)
    store.plan([tried])
    store.conclude(tried, [made], decisions)
    if "request" in made.provenance:
        model = str(made.provenance["model"])
        store.add_call(str(made.provenance["request"]), made.stage, model, 0.001)


def _written(build: Build, store: Store, stage: str, number: int) -> dict[str, object]:
    written: dict[str, object] = {
        "model": GRADER if stage == "grades" else WRITER,
        "prompt": store.add_prompt(stage, _PROMPTS[stage]),
        "seed": number,
        "request": f"{stage}-{number}",
    }
    if stage == "queries":
        written |= {"candidate": 0, "refused_by": []}
    if stage == "grades":
        del written["request"]
        written |= {"run": "0000", "policy": build.policy.hash}
    return written


def _picture(number: int) -> bytes:
    """An image that no sample of vlsu-mini has."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.effect_mandelbrot((96, 96), (-2, -1.5 - number / 100, 1, 1.5), 40).save(file, "PNG")
    return file.getvalue()


def _cell(sample: Sample) -> Cell:
    assert sample.pattern is not None
    category = sample.joint_category or sample.image_category or sample.text_category
    safe = sample.pattern == Pattern(Severity.SAFE, Severity.SAFE, Severity.SAFE)
    return Cell(sample.pattern, None if safe else category, sample.language or "en")


def _severity(sample: Sample, modality: str) -> Severity:
    grade = sample.grade(modality)
    assert grade is not None
    return grade


def _target(cell: Cell) -> str:
    return str(cell.pattern) + (f"/{cell.category}" if cell.category else "")
