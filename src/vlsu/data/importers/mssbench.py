"""The importer for MSSBench, *Multimodal Situational Safety* (arXiv 2410.06172).

``combined.json`` is an object of two lists. An entry of ``chat`` has ``queries``,
``safe_image_path``, ``unsafe_image_path``, ``intent``, ``unsafe_image`` (a description) and
``Type``; one of ``embodied`` has ``task``, ``category``, ``safe_instruction``,
``safe_instructions``, ``unsafe_instruction``, ``unsafe_instructions``, ``safe`` and ``unsafe`` (the
images). The images are in the folders ``chat`` and ``embodied``.

Each query with the safe and the unsafe image is a minimal pair, and a group. Only the pair of query
and image is graded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.benchmark import (
    SAFE,
    UNSAFE,
    find_files,
    refuse_options,
    sample_row,
)
from vlsu.data.sources import Entry
from vlsu.data.sources.documents import read_document
from vlsu.data.tables import listing, normalise
from vlsu.errors import DataError

__all__ = ["MSSBENCH", "read_mssbench"]

_LISTS = ("chat", "embodied")


def read_mssbench(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read ``combined.json``, or the folder that holds it.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not MSSBench, or cannot be read.
    """
    refuse_options(options, "mssbench")
    (file, *_) = find_files(path, ["combined.json", "*.json"], "mssbench")
    document = read_document(file, options.encoding)
    if not isinstance(document, dict) or not any(
        isinstance(document.get(name), list) for name in _LISTS
    ):
        found = listing(list(map(str, document))) if isinstance(document, dict) else "a list"
        raise DataError(f"{file}: is not mssbench: no list 'chat' or 'embodied'; found {found}")
    return _rows(document, options)


def _rows(document: Mapping[str, object], options: ImportOptions) -> Iterator[ImportItem]:
    number = 0
    for part in _LISTS:
        listed = document.get(part)
        for place, row in enumerate(listed if isinstance(listed, list) else ()):
            number += 1
            if not isinstance(row, dict):
                continue
            values = {normalise(str(name)): value for name, value in row.items()}
            pairs = _chat(values) if part == "chat" else _embodied(values)
            for query, texts in enumerate(pairs):
                yield from _pair(Entry(number, values), f"{part}-{place}-{query}", texts, options)


def _pair(
    entry: Entry, group: str, texts: tuple[object, object], options: ImportOptions
) -> Iterator[ImportItem]:
    """The two samples of a query: with the safe image, and with the unsafe one."""
    values = entry.values
    part = group.partition("-")[0]
    safe, unsafe = (
        ("safe_image_path", "unsafe_image_path") if part == "chat" else ("safe", "unsafe")
    )
    word = values.get("type") or values.get("category")
    others = ("type", "category", "task", "intent")
    about = {name: values.get(name) for name in others}
    for text, key, grade in zip(texts, (safe, unsafe), (SAFE, UNSAFE), strict=True):
        image = values.get(key)
        yield sample_row(
            entry,
            "mssbench",
            options,
            id=f"{group}-{grade.label}",
            text=text,
            image=f"{part}/{image}" if isinstance(image, str) else None,
            grades=(None, None, grade),
            category=word,
            group=group,
            metadata=about | {"image_description": values.get("unsafe_image")}
            if grade is UNSAFE
            else about,
        )


def _chat(values: Mapping[str, object]) -> list[tuple[object, object]]:
    queries = values.get("queries")
    return [(query, query) for query in queries] if isinstance(queries, list) else []


def _embodied(values: Mapping[str, object]) -> list[tuple[object, object]]:
    safe, unsafe = values.get("safe_instructions"), values.get("unsafe_instructions")
    if isinstance(safe, list) and isinstance(unsafe, list):
        return list(zip(safe, unsafe, strict=False))
    return [(values.get("safe_instruction"), values.get("unsafe_instruction"))]


MSSBENCH = Importer(
    read_mssbench,
    name="mssbench",
    licence="MIT",
    citation="@misc{zhou2024mssbench, title = {Multimodal Situational Safety}, author = {Zhou, "
    "Kaiwen and Liu, Chengzhi and Zhao, Xuandong and Compalas, Anderson and Song, Dawn and Wang, "
    "Xin Eric}, year = {2024}, eprint = {2410.06172}, archivePrefix = {arXiv}}",
    source="https://huggingface.co/datasets/kzhou35/mssbench",
    description="MSSBench: queries that one image makes safe and another unsafe.",
    policy="binary",
)
