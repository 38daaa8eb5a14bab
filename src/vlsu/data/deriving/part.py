"""A dataset of some samples of another, with what it says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.rows import valid_frame
from vlsu.data.sample import Sample


def rows_where(dataset: Dataset, wanted: pl.Series) -> Iterator[pl.DataFrame]:
    """The rows of a dataset that are wanted, as frames that `write_part` takes.

    Args:
        dataset: The dataset.
        wanted: Whether it is, for each of its rows.

    Raises:
        DataError: A row is not a valid sample.
    """
    start = 0
    for part in dataset.frames():
        yield valid_frame(part).filter(wanted[start : start + part.height])
        start += part.height


def write_part(
    dataset: Dataset,
    out: str | Path,
    samples: Iterable[Sample | pl.DataFrame],
    *,
    suffix: str,
    which: str,
    how: str,
    overwrite: bool,
) -> Dataset:
    """Write some samples of `dataset`, with its policy, images, licence and answers of its author.

    Args:
        dataset: What they are of.
        out: The folder to write.
        samples: They, in order, or frames of them.
        suffix: What is added to the dataset's name.
        which: Which samples they are, before "of NAME", in the description.
        how: How they were chosen, after it.
        overwrite: Replace a dataset in `out`.

    Raises:
        DataError: `out` cannot be written, or the dataset not read.
    """
    info = dataset.info
    return write_dataset(
        out,
        samples,
        name=f"{info.name}-{suffix}",
        version=info.version,
        licence=info.licence,
        citation=info.citation,
        source=info.source,
        policy=dataset.policy,
        images=dataset.images,
        description=f"{which} of {info.name} {info.version} ({info.content_hash}){how}. "
        f"{info.description}".strip(),
        overwrite=overwrite,
        datasheet=info.datasheet,
    )
