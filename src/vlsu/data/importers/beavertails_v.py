"""The importer for BeaverTails-V (the data of *Safe RLHF-V*, arXiv 2503.17682).

The copies of the Hugging Face hub have a configuration for each of 20 categories, with ``image``,
``question``, ``category``, ``image_severity`` (a number) and answers of models: ``response`` with
``is_response_safe``, or two of them, compared.

The source does not say what its numbers of severity mean in safe, borderline and unsafe, and grades
neither question nor pair. Without ``--grades`` all grades are absent; with, for instance,
``--grades 0=safe,1=borderline,2=unsafe,3=unsafe``, the image has the grade of its number. Answers
and their labels are kept in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions
from vlsu.data.importers.benchmark import entries, refuse_options, sample_row, text_of
from vlsu.data.sources import Entry
from vlsu.data.tables.labels import label_key

__all__ = ["BEAVERTAILS_V", "read_beavertails_v"]

_COLUMNS = {"question", "image", "category", "image_severity"}


def read_beavertails_v(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read the downloaded repository, a configuration of it, or a file of its rows.

    Raises:
        UsageError: A map is given.
        DataError: It is not BeaverTails-V, or cannot be read.
    """
    refuse_options(options, "beavertails-v", grades=True)
    rows = entries(path, _COLUMNS, "beavertails-v", options, folder=path.is_dir())
    return (_row(item, options) if isinstance(item, Entry) else item for item in rows)


def _row(entry: Entry, options: ImportOptions) -> ImportItem:
    values = entry.values
    severity = text_of(values["image_severity"])
    grade = options.grades.get(label_key(severity)) if severity is not None else None
    others = {name: value for name, value in values.items() if name not in ("question", "image")}
    return sample_row(
        entry,
        "beavertails-v",
        options,
        id=text_of(values.get("id")) or f"beavertails-v-{entry.line}",
        text=values["question"],
        image=values["image"],
        grades=(grade, None, None),
        category=values["category"],
        metadata={**others, "split": entry.place.rpartition("/")[2]},
    )


BEAVERTAILS_V = Importer(
    read_beavertails_v,
    name="beavertails-v",
    licence="CC-BY-NC-4.0",
    citation="@misc{ji2025saferlhfv, title = {Safe RLHF-V: Safe Reinforcement Learning from "
    "Multi-modal Human Feedback}, author = {Ji, Jiaming and Chen, Xinyu and Pan, Rui and others}, "
    "year = {2025}, eprint = {2503.17682}, archivePrefix = {arXiv}}",
    source="https://huggingface.co/datasets/PKU-Alignment/BeaverTails-V",
    description="BeaverTails-V: images of graded severity with questions and labelled answers.",
)
