"""The importer for HoliSafe-Bench (arXiv 2506.04704), which is gated.

The copy of the Hugging Face hub (``etri-vilab/holisafe-bench``) has one split with ``image``,
``query``, ``type``, ``subcategory``. ``type`` is three letters, ``S`` or ``U`` for image, query and
both together: SSS, SSU, USU, UUU, SUU. All three grades are given, none of them borderline.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Rejected
from vlsu.data.importers.benchmark import (
    SAFE,
    UNSAFE,
    entries,
    refuse_options,
    sample_row,
    text_of,
)
from vlsu.data.sources import Entry

__all__ = ["HOLISAFE", "read_holisafe"]

_GRADES = {"S": SAFE, "U": UNSAFE}
_COLUMNS = {"query", "type", "subcategory"}


def read_holisafe(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read the downloaded repository, or a file of its rows.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not HoliSafe-Bench, or cannot be read.
    """
    refuse_options(options, "holisafe")
    rows = entries(path, _COLUMNS, "holisafe", options, folder=path.is_dir())
    return (_row(item, options) if isinstance(item, Entry) else item for item in rows)


def _row(entry: Entry, options: ImportOptions) -> ImportItem:
    values = entry.values
    letters = str(values["type"]).strip().upper()
    if len(letters) != 3 or not set(letters) <= set(_GRADES):
        return Rejected(entry.line, "unknown type", letters[:20], "it should be like SSU")
    image, text, joint = (_GRADES[letter] for letter in letters)
    return sample_row(
        entry,
        "holisafe",
        options,
        id=text_of(values.get("id")) or f"holisafe-{entry.line}",
        text=values["query"],
        image=values.get("image") or values.get("image_path"),
        grades=(image, text, joint),
        category=values["subcategory"],
        metadata={name: values.get(name) for name in ("type", "category", "subcategory")},
    )


HOLISAFE = Importer(
    read_holisafe,
    name="holisafe",
    licence="gated: see the terms of the source",
    citation="@article{lee2025holisafe, title = {HoliSafe: Holistic Safety Benchmarking and "
    "Modeling with Safety Meta Token for Vision-Language Model}, author = {Lee, Youngwan and Kim, "
    "Kangsan and Park, Kwanyong and Jung, Ilcahe and Jang, Soojin and Lee, Seanie and Lee, Yong-Ju "
    "and Hwang, Sung Ju}, journal = {arXiv preprint arXiv:2506.04704}, year = {2025}}",
    source="https://huggingface.co/datasets/etri-vilab/holisafe-bench",
    description="HoliSafe-Bench: all five combinations of safe and unsafe image, query and pair.",
    policy="binary",
)
