"""The rows of datasets with a key for what each holds, so that the like of them can be joined."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from vlsu.data.checks.looks import Looks
from vlsu.data.checks.personal import KINDS, personal_data
from vlsu.data.checks.scripts import fits, script_of
from vlsu.data.checks.texts import Place, Texts
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import hash64
from vlsu.policy import MODALITIES

__all__ = ["MAX_IDS", "TextFacts", "joined_rows"]

#: Identifiers that are listed of one finding.
MAX_IDS = 20
_BATCH = 8192
#: Key of a sample's metadata that tells which part of the data it is in.
_SPLIT = "split"
_TEXTS = ("text", "text_equal")
_GRADES = [f"{modality}_grade" for modality in MODALITIES]


@dataclass(slots=True)
class TextFacts:
    """What texts hold, counted as they are read.

    Attributes:
        texts: Samples with a text.
        scripts: Script -> samples.
        mismatched: Samples whose text is not in a script of its stated language, and the first ids.
        personal: Kind of personal data -> samples, and the first ids.
    """

    texts: int = 0
    scripts: dict[str, int] = field(default_factory=dict)
    mismatched: list[str] = field(default_factory=list)
    mismatches: int = 0
    personal: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    personal_ids: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, id_: str, text: str, language: str | None) -> None:
        """Add a sample's text."""
        self.texts += 1
        script = script_of(text)
        name = script or "none"
        self.scripts[name] = self.scripts.get(name, 0) + 1
        if language and script and not fits(language, script):
            self.mismatches += 1
            if len(self.mismatched) < MAX_IDS:
                self.mismatched.append(id_)
        for kind in personal_data(text):
            self.personal[kind] += 1
            if len(self.personal_ids[kind]) < MAX_IDS:
                self.personal_ids[kind].append(id_)


def joined_rows(datasets: Sequence[Dataset], looks: Looks) -> tuple[pl.DataFrame, TextFacts]:
    """The rows of all datasets, and what the texts of the first hold.

    Returns:
        Columns `source` (the dataset's number), `row`, `id`, `split`, `group`, the grades,
        `image` (SHA-256), `image_equal` and `image_near` (that of the first image of the same
        pixels, or that looks the same), `text` (hash), `text_equal` and `text_near` (that of the
        normalised text, or of the first that is alike); null where there is none.
    """
    texts, facts = Texts(), TextFacts()
    frames = [
        _rows(dataset, number, texts, facts if number == 0 else None)
        for number, dataset in enumerate(datasets)
    ]
    rows = pl.concat(frames)
    images = looks.alike()
    near_texts = texts.alike(lambda places: _read(datasets, places))
    rows = rows.with_columns(
        image_equal=_looked_up("image", images.equal, pl.String),
        image_near=_looked_up("image", images.near, pl.String),
        text_near=_looked_up("text_equal", near_texts, pl.UInt64),
    )
    return rows, facts


def _looked_up(column: str, table: Mapping[Any, Any], kind: type[pl.DataType]) -> pl.Expr:
    """The value of a table, or the key itself where it is in none."""
    return pl.col(column).replace_strict(table, default=pl.col(column), return_dtype=kind)


def _rows(dataset: Dataset, number: int, texts: Texts, facts: TextFacts | None) -> pl.DataFrame:
    raw, plain = array("Q"), array("Q")  # 0 where there is none
    frame = dataset.frame().select("id", "text", "language")
    row = 0
    while (batch := frame.slice(row, _BATCH).collect()).height:
        for at, (id_, text, language) in enumerate(batch.iter_rows()):
            raw.append(hash64(text) if text else 0)
            plain.append((texts.add(text, (number, row + at)) or 0) if text else 0)
            if facts is not None and text:
                facts.add(id_, text, language)
        row += batch.height
    split = pl.col("metadata").str.json_path_match(f"$.{_SPLIT}")
    kept = dataset.frame().select(
        "id", split.alias("split"), "group", *_GRADES, image="image_sha256"
    )
    return (
        kept.collect()
        .with_columns(
            text=pl.Series(np.asarray(raw)),
            text_equal=pl.Series(np.asarray(plain)),
            source=pl.lit(number, dtype=pl.Int32),
        )
        .with_columns(pl.when(pl.col(name) != 0).then(pl.col(name)).alias(name) for name in _TEXTS)
        .with_row_index("row")
    )


def _read(datasets: Sequence[Dataset], places: Iterable[Place]) -> dict[Place, str]:
    wanted: dict[int, list[int]] = {}
    for source, row in places:
        wanted.setdefault(source, []).append(row)
    return {
        (source, row): text
        for source, rows in wanted.items()
        for row, text in datasets[source]
        .frame()
        .select("text")
        .with_row_index("row")
        .filter(pl.col("row").is_in(rows))
        .collect()
        .iter_rows()
    }
