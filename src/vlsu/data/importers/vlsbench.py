"""The importer for VLSBench (arXiv 2411.19939): harm in the image, not in the text.

``data.json`` is a list of objects: ``instruction_id``, ``instruction``, ``image_path``
(``imgs/0.png``), ``category``, ``sub_category``, ``source``, ``image_description``,
``safety_reason``. By construction the image is unsafe, the text is not, and the pair is.
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

__all__ = ["VLSBENCH", "read_vlsbench"]

_COLUMNS = {"instruction_id", "instruction", "image_path", "category", "sub_category"}
_ABOUT = ("category", "sub_category", "source", "image_description", "safety_reason")


def read_vlsbench(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read ``data.json``, or the folder that holds it.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not VLSBench, or cannot be read.
    """
    refuse_options(options, "vlsbench")
    (file, *_) = find_files(path, ["data.json", "*.json"], "vlsbench")
    rows = entries(file, _COLUMNS, "vlsbench", options)
    return (_row(item, options) if isinstance(item, Entry) else item for item in rows)


def _row(entry: Entry, options: ImportOptions) -> ImportItem:
    values = entry.values
    return sample_row(
        entry,
        "vlsbench",
        options,
        id=text_of(values["instruction_id"]),
        text=values["instruction"],
        image=values["image_path"],
        grades=(UNSAFE, SAFE, UNSAFE),
        category=values["sub_category"],
        metadata={name: values.get(name) for name in _ABOUT},
    )


VLSBENCH = Importer(
    read_vlsbench,
    name="vlsbench",
    licence="Apache-2.0",
    citation="@article{hu2024vlsbench, title = {VLSBench: Unveiling Visual Leakage in Multimodal "
    "Safety}, author = {Hu, Xuhao and Liu, Dongrui and Li, Hao and Huang, Xuanjing and Shao, "
    "Jing}, journal = {arXiv preprint arXiv:2411.19939}, year = {2024}}",
    source="https://huggingface.co/datasets/Foreshhh/vlsbench",
    description="VLSBench: harm that is in the image and not in the text.",
)
