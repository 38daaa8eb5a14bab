"""The shape of the released VLSU file: its nine columns, and the images beside it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.exporting.content import Content, Picture
from vlsu.data.rows import COLUMNS

__all__ = ["CSV_NAME", "MORE_COLUMNS", "VLSU_COLUMNS", "write_folder"]

CSV_NAME = "VLSU.csv"

#: Column of the released file -> column of a dataset.
VLSU_COLUMNS = {
    "uuid": "id",
    "web_path": "image_url",
    "prompt": "text",
    "image_grade": "image_grade",
    "consensus_text_grade": "text_grade",
    "consensus_combined_grade": "joint_grade",
    "image_category": "image_category",
    "text_category": "text_category",
    "combined_category": "joint_category",
}
#: Columns that the released file lacks; those in which a sample has a value follow the nine, and so
#: does that of groups where samples that share an image or a text are in none.
MORE_COLUMNS = ("language", "group", "metadata")
#: Identifiers that every file system takes as a name.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}")


def write_folder(dataset: Dataset, content: Content, folder: Path) -> tuple[Path, list[str]]:
    """Write ``VLSU.csv`` and ``images``.

    An image is named by its sample, as the importer looks for it; if the identifier is no plain
    file name, by its hash, and ``web_path`` has its path in the folder. Else ``web_path`` has the
    address, empty if none is known. Categories are written as the release writes them: identifier,
    colon, name.

    Returns:
        The CSV file and its columns.

    Raises:
        DataError: An image cannot be read.
        OSError: A file cannot be written.
    """
    images = folder / "images"
    images.mkdir()
    titles = {category.id: category.title for category in dataset.policy.categories}
    more = _more(dataset)
    path = folder / CSV_NAME
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*VLSU_COLUMNS, *more])
        for row, picture in content.rows():
            values = dict(zip(COLUMNS, row, strict=True))
            for column in ("image_category", "text_category", "joint_category"):
                category = values[column]
                values[column] = titles.get(category, category) if category else None
            if picture is not None:
                place = _place(values["id"] or "", picture)
                (images / place).write_bytes(picture.data)
                if place == picture.name:
                    values["image_url"] = values["image_url"] or f"images/{place}"
            if values["metadata"] == "{}":
                values["metadata"] = None
            table.writerow([values[name] for name in (*VLSU_COLUMNS.values(), *more)])
    return path, [*VLSU_COLUMNS, *more]


def _more(dataset: Dataset) -> list[str]:
    language = pl.col("language").is_not_null().any()
    group = pl.col("group").is_not_null().any()
    metadata = (pl.col("metadata").fill_null("{}") != "{}").any()
    columns = {"language": language, "group": group, "metadata": metadata}
    with dataset.reading():
        used = dataset.frame().select(**columns).collect(engine="streaming").row(0)
    return [name for name, value in zip(MORE_COLUMNS, used, strict=True) if value]


def _place(id_: str, picture: Picture) -> str:
    if _PLAIN_NAME.fullmatch(id_) and not id_.endswith("."):
        return f"{id_}.{picture.extension}"
    return picture.name
