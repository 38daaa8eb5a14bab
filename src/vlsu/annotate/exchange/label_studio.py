"""Grades from a JSON export of Label Studio: tasks with annotations whose choices are severities.

Format: labelstud.io/guide/task_format. A result names its control (``from_name``); who annotated is
``completed_by``, a number or an account; cancelled annotations do not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlsu.annotate.exchange.incoming import FIELDS, Cells, Incoming, Reader, Refused
from vlsu.data.grades.columns import CATEGORY, GRADE, ITEM, MODALITY
from vlsu.data.sources.base import Entry
from vlsu.data.sources.documents import json_source
from vlsu.data.tables import normalise
from vlsu.errors import DataError

__all__ = ["read_label_studio"]

_ITEM = ("sample", *ITEM)


def read_label_studio(
    path: Path, reader: Reader, mapped: Mapping[str, str]
) -> Iterator[Incoming | Refused]:
    """The annotations of a file, one by one.

    Args:
        path: The file.
        reader: Reads words and categories.
        mapped: Name of a control, or of a key of the tasks' data -> field.

    Raises:
        DataError: It cannot be read, or has no annotated tasks.
    """
    found = False
    for number, each in enumerate(json_source(path).read(), 1):
        if not isinstance(each, Entry):
            yield Refused(f"task {number}", "", "is no JSON object")
            continue
        task = each.values
        annotations, data = task.get("annotations"), task.get("data")
        if not isinstance(annotations, list) or not isinstance(data, dict):
            continue
        found = True
        about = _about(data, mapped)
        for place, annotation in enumerate(annotations, 1):
            where = f"task {task.get('id', number)}, annotation {place}"
            if not isinstance(annotation, dict):
                yield Refused(where, about.get("item", ""), "is no JSON object")
            elif annotation.get("was_cancelled"):
                yield Refused(where, about.get("item", ""), "cancelled in the file", set_aside=True)
            else:
                yield _read(where, about, annotation, reader, mapped)
    if not found:
        raise DataError(
            f"{path}: no tasks with annotations; export them from Label Studio as JSON, not "
            "JSON-MIN"
        )


def _about(data: Mapping[str, Any], mapped: Mapping[str, str]) -> dict[str, str]:
    """What the data of a task tell of its item."""
    cells: dict[str, str] = {}
    names = {normalise(str(key)): str(key) for key in data}
    for field, usual in (("item", _ITEM), ("modality", MODALITY)):
        key = next((k for k, f in mapped.items() if f == field and k in data), None) or next(
            (names[name] for name in usual if name in names), None
        )
        if key is not None and isinstance(data[key], str | int):
            cells[field] = str(data[key])
    return cells


def _read(
    where: str,
    about: Cells,
    annotation: Mapping[str, Any],
    reader: Reader,
    mapped: Mapping[str, str],
) -> Incoming | Refused:
    item = about.get("item", "")
    given: dict[str, list[str]] = {}
    results = annotation.get("result")
    for result in results if isinstance(results, list) else []:
        if isinstance(result, dict) and (words := _words(result)):
            given.setdefault(str(result.get("from_name")), []).extend(words)
    cells = dict(about)
    for name, words in given.items():
        field = mapped.get(name) or (name if name in FIELDS else None)
        if field is None and normalise(name) in CATEGORY:
            field = "category"
        if field is not None and field not in ("item", "modality", "grade"):
            cells[field] = "|".join(words)
    controls = _grade_controls(given, reader, mapped)
    if len(controls) > 1:
        names = ", ".join(controls)
        return Refused(where, item, f"several grades ({names}): say which with --map NAME=grade")
    if controls:
        words = given[controls[0]]
        if len(words) > 1:
            return Refused(where, item, f"several choices of {controls[0]}")
        cells["grade"] = words[0]
    cells.setdefault("grader", _grader(annotation.get("completed_by")))
    cells.setdefault("seconds", str(annotation.get("lead_time") or ""))
    return reader.read(where, cells)


def _grade_controls(
    given: Mapping[str, list[str]], reader: Reader, mapped: Mapping[str, str]
) -> list[str]:
    """Names of the controls that hold the grade: as told, by their name, or by their words."""
    told = [name for name in given if mapped.get(name) == "grade"]
    if told or "grade" in mapped.values():
        return told
    free = [name for name in given if name not in mapped]
    usual = [name for name in free if normalise(name) in GRADE]
    if len(usual) == 1:
        return usual
    return [
        name
        for name in free
        if name not in FIELDS and all(reader.grade(word) for word in given[name])
    ] or usual


def _words(result: Mapping[str, Any]) -> list[str]:
    value = result.get("value")
    if not isinstance(value, dict):
        return []
    if result.get("type") == "choices":
        return _texts(value.get("choices"))
    if result.get("type") == "textarea":
        return _texts(value.get("text"))
    if result.get("type") == "rating":
        return _texts([value.get("rating")])
    return []


def _texts(values: object) -> list[str]:
    listed: Iterable[object] = values if isinstance(values, list) else [values]
    return [str(each) for each in listed if isinstance(each, str | int) and str(each).strip()]


def _grader(who: object) -> str:
    """Who annotated: an account's address or number."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    if isinstance(who, int):
        return f"annotator {who}"
    return who if isinstance(who, str) else "" if who is None else json.dumps(who)[:80]
