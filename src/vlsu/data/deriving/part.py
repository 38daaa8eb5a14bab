"""A dataset of some samples of another, with what it says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.sample import Sample


def write_part(
    dataset: Dataset,
    out: str | Path,
    samples: Iterable[Sample],
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
        samples: They, in order.
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
