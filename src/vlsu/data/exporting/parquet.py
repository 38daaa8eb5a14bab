"""Parquet with the images inside, as the `Image` feature of Hugging Face `datasets` has them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import orjson
import polars as pl
from polars.io.plugins import register_io_source

from vlsu.data.exporting.content import Batch, Content
from vlsu.data.parquet import literal
from vlsu.data.rows import COLUMNS

__all__ = ["EMBEDDED_COLUMNS", "FEATURES", "write_one", "write_shards"]

#: Columns of the files: those of a dataset, and the image.
EMBEDDED_COLUMNS = (*COLUMNS, "image")

_IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(COLUMNS, pl.String),
    "image": _IMAGE,
}

#: The features that `datasets` reads from a file, as its own JSON has them.
FEATURES: dict[str, dict[str, str]] = {
    **{column: {"dtype": "string", "_type": "Value"} for column in COLUMNS},
    "image": {"_type": "Image"},
}

#: Bytes of images after which a shard is closed, and rows at most.
SHARD_BYTES, SHARD_ROWS = 256 * 2**20, 100_000
#: Few rows a group, as the hub's viewer reads whole groups.
_GROUP_ROWS = 100


def _metadata() -> dict[str, str]:
    """Metadata of a file.

    ``datasets`` finds the features under ``huggingface`` in the metadata of the Arrow schema, which
    Parquet files carry serialised; Polars writes one without metadata, so it is replaced. The
    columns never change: it is a file of this package.
    """
    schema = files(__package__).joinpath("arrow-schema.bin").read_bytes()
    return {
        "ARROW:schema": base64.b64encode(schema).decode(),
        "huggingface": orjson.dumps({"info": {"features": FEATURES}}).decode(),
    }


def _frame(batch: Batch) -> pl.DataFrame:
    frame = pl.DataFrame(batch.rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    data = [None if each is None else each.data for each in batch.pictures]
    names = [None if each is None else each.name for each in batch.pictures]
    parts = pl.struct(
        pl.Series("bytes", data, dtype=pl.Binary), pl.Series("path", names, dtype=pl.String)
    )
    image = pl.when(pl.Series(names, dtype=pl.String).is_not_null()).then(parts).alias("image")
    return frame.with_columns(image)


def write_one(content: Content, path: Path) -> None:
    """Write all rows into one file, in flat memory.

    Raises:
        DataError: An image cannot be read.
        OSError: The file cannot be written.
    """
    failed: list[Exception] = []

    def batches(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield from map(_frame, content.batches())
        except Exception as error:  # Polars would wrap it in one of its own
            failed.append(error)
            raise

    try:
        register_io_source(batches, schema=pl.Schema(_SCHEMA)).sink_parquet(
            literal(path), statistics=False, row_group_size=1000, metadata=_metadata()
        )
    except BaseException:
        if failed:
            raise failed[0] from None
        raise


def write_shards(content: Content, folder: Path, split: str = "test") -> list[Path]:
    """Write all rows into shards ``<split>-00000-of-0000N.parquet``; memory is that of one shard.

    Args:
        content: The rows.
        folder: Where the shards go; it is created.
        split: Name of the split.

    Returns:
        The shards, in order; at least one.

    Raises:
        DataError: An image cannot be read.
        OSError: A shard cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary: list[Path] = []
    parts: list[pl.DataFrame] = []
    rows = size = 0

    def close() -> None:
        path = folder / f".{split}-{len(temporary):05}.tmp"
        # Statistics would repeat whole images as least and greatest value.
        pl.concat(parts).write_parquet(
            literal(path), statistics=False, row_group_size=_GROUP_ROWS, metadata=_metadata()
        )
        temporary.append(path)

    for batch in content.batches():
        parts.append(_frame(batch))
        rows += len(batch.rows)
        size += batch.image_bytes
        if rows >= SHARD_ROWS or size >= SHARD_BYTES:
            close()
            parts, rows, size = [], 0, 0
    if parts or not temporary:
        close()
    named = []
    for number, path in enumerate(temporary):
        target = folder / f"{split}-{number:05}-of-{len(temporary):05}.parquet"
        named.append(path.replace(target))
    return named
