"""The entries of the sample list: what the page's script shows of a sample, whatever the task.

The script knows no task: it lists entries, filters them by their facets and shows their grid and
answers. An entry is plain JSON:

- ``id``, ``text`` and ``cut`` (characters of the text that are left out), ``image`` (its SHA-256),
  ``reason`` (why the pair has its gold grade), ``caption`` (what the model was shown in place of
  the image, where it was), ``tag`` and ``family`` (its pattern).
- ``facets``: filter -> value, or values of which one has to match.
- ``each``: facets of parts of the sample, such as its answers under each framing; all filters on
  parts have to match in one of them.
- ``marks``: short words for the list, each with whether it is right.
- ``grid``: rows of cells under the columns of the page, the first of each row its name.
- ``said``: whose answer, the answer, and how many characters of it are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from vlsu.tasks import CAPTION

__all__ = [
    "Entry",
    "GridCell",
    "cut",
    "entry",
    "mark_cell",
    "redacted",
    "redacted_id",
    "severity_cell",
]

#: Characters of a text and of an answer in a page at most; what is cut is counted.
TEXT_CHARACTERS = 2000
ANSWER_CHARACTERS = 1200

#: Cells of grids that are kept: few differ, and each stands in many entries.
_CELLS = 4096

#: What of an entry can be shared.
_REDACTED = ("tag", "family", "facets", "each", "marks", "grid")

#: As the module says.
Entry = Mapping[str, Any]
#: Text, or an object that the script draws: a severity with its colour, right or wrong.
GridCell = str | Mapping[str, object]


def entry(
    row: Mapping[str, object],
    *,
    facets: Mapping[str, object],
    marks: Sequence[GridCell],
    grid: Sequence[Sequence[GridCell]],
    answers: Sequence[tuple[str, object]],
    each: Sequence[Mapping[str, object]] = (),
    captions: bool = False,
) -> Entry:
    """The entry of a sample.

    Args:
        row: Its ``id`` and, where the dataset is at hand, ``text``, ``image_sha256`` and
            ``metadata``.
        facets: As the module says; those that are null are left out.
        marks: As the module says.
        grid: As the module says.
        answers: Whose answer, and the answer; `None` where there is none.
        each: As the module says.
        captions: Whether the model was shown captions in place of the images.
    """
    text, text_cut = cut(row.get("text"), TEXT_CHARACTERS)
    members: dict[str, object] = {
        "id": row["id"],
        "text": text,
        "cut": text_cut,
        "image": row.get("image_sha256"),
        "reason": _in_metadata(row.get("metadata"), "reason"),
        "caption": _in_metadata(row.get("metadata"), CAPTION) if captions else None,
        "tag": facets.get("pattern"),
        "family": facets.get("family"),
        "facets": {name: value for name, value in facets.items() if value is not None},
        "each": list(each),
        "marks": list(marks),
        "grid": grid,
        "said": [
            [name, *cut(answer, ANSWER_CHARACTERS)]
            for name, answer in answers
            if answer is not None
        ],
    }
    return {key: value for key, value in members.items() if value}


def redacted(entry: Entry, dataset_hash: str) -> Entry:
    """The entry without texts, image and answers, under `redacted_id`."""
    kept = {name: entry[name] for name in _REDACTED if name in entry}
    return {"id": redacted_id(str(entry["id"]), dataset_hash), **kept}


def redacted_id(sample_id: str, dataset_hash: str) -> str:
    """What a sample is called in a report to share: those who have the dataset can find it.

    The first 12 hex digits of the SHA-256 of the dataset's content hash, a newline and the
    identifier, in UTF-8.
    """
    text = f"{dataset_hash}\n{sample_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@lru_cache(_CELLS)
def severity_cell(severity: object, more: object = None) -> GridCell:
    """A severity with its colour, and what stands after it."""
    if severity is None:
        return "–" if more is None else str(more)
    return {"severity": severity, **({} if more is None else {"more": more})}


@lru_cache(_CELLS)
def mark_cell(right: bool | None, words: str | None = None) -> GridCell:
    """Right or wrong, or other words in that colour; empty where neither is known."""
    if right is None:
        return words or ""
    mark = "right" if right else "wrong"
    return {"mark": mark, **({} if words is None else {"words": words})}


def _in_metadata(metadata: object, name: str) -> str | None:
    """An entry of a dataset's own metadata, if it is a text."""
    try:
        tree = orjson.loads(metadata) if isinstance(metadata, str) else None
    except orjson.JSONDecodeError:
        return None
    value = tree.get(name) if isinstance(tree, dict) else None
    return value[:TEXT_CHARACTERS] if isinstance(value, str) else None


def cut(value: object, characters: int) -> tuple[str | None, int]:
    """The text as far as it is shown, and how many characters are not."""
    if value is None:
        return None, 0
    text = str(value)
    if len(text) <= characters:
        return text, 0
    return text[:characters], len(text) - characters
