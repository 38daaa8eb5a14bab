"""The importer for the Hateful Memes challenge (arXiv 2005.04790).

``train.jsonl``, ``dev.jsonl``, ``dev_seen.jsonl``, ``test_seen.jsonl`` and so on have an object a
line: ``id``, ``img`` (``img/42953.png``), ``label`` (1 hateful, 0 not; absent in some test sets),
``text``, the meme's text. The label is of the meme; text and picture are not graded. Memes that
share a picture or a text with another (benign confounders) are known by what they share.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, Rejected
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

__all__ = ["HATEFUL_MEMES", "read_hateful_memes"]

_LABELS = {"0": SAFE, "1": UNSAFE, None: None}
_FILES = ["dev_seen.jsonl", "dev.jsonl", "test_seen.jsonl", "train.jsonl", "*.jsonl"]


def read_hateful_memes(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read one of the files; of a folder, the first of dev, test and training set.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is not the Hateful Memes data, or cannot be read.
    """
    refuse_options(options, "hateful-memes")
    (file, *_) = find_files(path, _FILES, "hateful-memes")
    rows = entries(file, {"id", "img", "text"}, "hateful-memes", options)
    return (_row(item, options) if isinstance(item, Entry) else item for item in rows)


def _row(entry: Entry, options: ImportOptions) -> ImportItem:
    values = entry.values
    label = text_of(values.get("label"))
    if label not in _LABELS:
        fix = "it should be 0 or 1"
        return Rejected(entry.line, "unknown label", str(label)[:20], fix)
    grade = _LABELS[label]
    return sample_row(
        entry,
        "hateful-memes",
        options,
        id=text_of(values["id"]),
        text=values["text"],
        image=values["img"],
        grades=(None, None, grade),
        category="hateful" if grade is UNSAFE else None,
        metadata={"label": label},
    )


HATEFUL_MEMES = Importer(
    read_hateful_memes,
    name="hateful-memes",
    licence="Hateful Memes licence: research only, no redistribution (non-commercial)",
    citation="@inproceedings{kiela2020hateful, title = {The Hateful Memes Challenge: Detecting "
    "Hate Speech in Multimodal Memes}, author = {Kiela, Douwe and Firooz, Hamed and Mohan, Aravind "
    "and Goswami, Vedanuj and Singh, Amanpreet and Ringshia, Pratik and Testuggine, Davide}, "
    "booktitle = {NeurIPS}, year = {2020}}",
    source="https://hatefulmemeschallenge.com",
    description="Hateful Memes: memes that are hateful or not, with confounders.",
    policy="binary",
)
