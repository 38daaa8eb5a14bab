"""Records of harmless content, as the stages will make them."""

from __future__ import annotations

from vlsu.build.folder.records import STAGES, Decision, Record
from vlsu.build.folder.store import Store
from vlsu.build.plan.cells import Cell
from vlsu.policy import Pattern

__all__ = ["CELL", "PROMPT", "chain", "keep", "record"]

CELL = Cell(Pattern.parse("S-S-U"), "C9", "en")
PROMPT = "Name a place."
WRITTEN = {"model": "openai/x", "seed": 1}
SEEN = {"source": "folder", "licence": "CC0-1.0", "sha256": "ab" * 32}
CONTENT = {
    "concepts": {"concept": "a bridge"},
    "images": {"caption": "a bridge at noon"},
    "queries": {"text": "How high is it?"},
    "grades": {"image": "safe", "text": "safe", "joint": "unsafe"},
}


def record(stage, prompt, parent=None, cell=CELL, **content):
    """A record of a stage."""
    written = SEEN if stage == "images" else {**WRITTEN, "prompt": prompt}
    return Record(
        stage=stage,
        cell=cell,
        content={**CONTENT[stage], **content},
        provenance=written,
        parent=parent,
    )


def keep(store: Store, *keys: str) -> None:
    """Keep records."""
    store.decide(Decision(key, True) for key in keys)


def chain(store: Store, upto="grades", cell=CELL, **content) -> list[str]:
    """Records of every stage up to one, kept; their keys."""
    prompt = store.add_prompt("concepts", PROMPT)
    keys: list[str] = []
    for stage in STAGES[: STAGES.index(upto) + 1]:
        parent = keys[-1] if keys else None
        keys += store.add([record(stage, prompt, parent, cell, **content)])
        keep(store, keys[-1])
    return keys
