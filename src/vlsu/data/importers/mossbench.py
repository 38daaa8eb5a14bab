"""The importer for MOSSBench (arXiv 2406.17806): 300 harmless queries that look harmful.

``data/images_information/information.json`` is an object of objects: ``pid``, ``question``,
``image`` (``images/1.png``), ``short description``, ``description``, ``metadata`` with ``over``
(type 1 exaggerated risk, 2 negated harm, 3 counterintuitive interpretation), ``human``, ``child``,
``syn``, ``ocr``, ``harm``. The copy of the Hugging Face hub has a table ``metadata.csv`` with
``metadata_over`` and so on. Only query and image together are graded: safe. The contrast set
(``data_contrast``) is not described as safe and has no grades.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.benchmark import (
    SAFE,
    entries,
    find_files,
    refuse_options,
    sample_row,
    text_of,
)
from vlsu.data.sources import Entry

__all__ = ["MOSSBENCH", "read_mossbench"]


def read_mossbench(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read ``information.json`` or ``metadata.csv``, or the folder that holds it.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not MOSSBench, or cannot be read.
    """
    refuse_options(options, "mossbench")
    names = ["information.json", "metadata.csv", "*.parquet"]
    files = find_files(path, names, "mossbench")
    file = next((each for each in files if "contrast" not in str(each)), files[0])
    rows = entries(file, {"pid", "question"}, "mossbench", options)
    contrast = "contrast" in str(file)
    # The repository has pictures of one name in several folders; its own are beside the table's.
    inside = path.is_dir() and file.name == "information.json" and file.parent.parent != path
    folder = f"{file.parent.parent.relative_to(path).as_posix()}/" if inside else ""
    return (
        _row(item, folder, contrast, options) if isinstance(item, Entry) else item for item in rows
    )


def _row(entry: Entry, folder: str, contrast: bool, options: ImportOptions) -> ImportItem:
    values = entry.values
    stated = values.get("metadata")
    others = stated if isinstance(stated, dict) else {}
    others = others | {
        name.removeprefix("metadata_"): value
        for name, value in values.items()
        if name.startswith("metadata_") or name in ("short_description", "description")
    }
    image = values.get("image") or values.get("file_name")
    return sample_row(
        entry,
        "mossbench",
        options,
        id=text_of(values["pid"]),
        text=values["question"],
        image=f"{folder}{image}" if isinstance(image, str) else image,
        grades=(None, None, None if contrast else SAFE),
        metadata=others,
    )


MOSSBENCH = Importer(
    read_mossbench,
    name="mossbench",
    licence="CC-BY-SA-4.0",
    citation="@misc{li2024mossbench, title = {MOSSBench: Is Your Multimodal Language Model "
    "Oversensitive to Safe Queries?}, author = {Li, Xirui and Zhou, Hengguang and Wang, Ruochen "
    "and Zhou, Tianyi and Cheng, Minhao and Hsieh, Cho-Jui}, year = {2024}, eprint = "
    "{2406.17806}, archivePrefix = {arXiv}}",
    source="https://github.com/xirui-li/MOSSBench",
    description="MOSSBench: harmless queries that look harmful. For testing, not for training.",
)
