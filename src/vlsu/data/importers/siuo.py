"""The importer for SIUO, *Safe Inputs but Unsafe Output* (arXiv 2406.15279).

``siuo_gen.json`` is a list of objects: ``question_id``, ``image`` (a file name), ``question``,
``category``, ``safety_warning``, ``reference_answer``. Each pair is safe apart and unsafe together
by construction. The images are in the folder ``images`` of its repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.benchmark import (
    SAFE,
    UNSAFE,
    entries,
    find_files,
    refuse_options,
    sample_row,
    text_of,
)
from vlsu.data.sources import Entry

__all__ = ["SIUO", "read_siuo"]


def read_siuo(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read ``siuo_gen.json``, or the folder that holds it.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not SIUO, or cannot be read.
    """
    refuse_options(options, "siuo")
    (file, *_) = find_files(path, ["siuo_gen.json", "*siuo*.json"], "siuo")
    rows = entries(file, {"question_id", "image", "question", "category"}, "siuo", options)
    return (_row(item, options) if isinstance(item, Entry) else item for item in rows)


def _row(entry: Entry, options: ImportOptions) -> ImportItem:
    values = entry.values
    others = ("category", "safety_warning", "reference_answer")
    return sample_row(
        entry,
        "siuo",
        options,
        id=text_of(values["question_id"]),
        text=values["question"],
        image=values["image"],
        grades=(SAFE, SAFE, UNSAFE),
        category=values["category"],
        metadata={name: values.get(name) for name in others},
    )


SIUO = Importer(
    read_siuo,
    name="siuo",
    licence="CC-BY-NC-4.0",
    citation="@misc{wang2024siuo, author = {Wang, Siyin and Ye, Xingsong and Cheng, Qinyuan and "
    "Duan, Junwen and Li, Shimin and Fu, Jinlan and Qiu, Xipeng and Huang, Xuanjing}, title = "
    "{Safe Inputs but Unsafe Output: Benchmarking Cross-modality Safety Alignment of Large "
    "Vision-Language Model}, year = {2024}, eprint = {2406.15279}, archivePrefix = {arXiv}}",
    source="https://github.com/sinwang20/SIUO",
    description="SIUO: pairs of an image and a text that are safe apart and unsafe together.",
)
