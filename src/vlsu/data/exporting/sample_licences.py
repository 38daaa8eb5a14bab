"""Licences that single samples of a dataset state."""

from __future__ import annotations

import orjson
import polars as pl

from vlsu.data.datasets.dataset import Dataset

__all__ = ["sample_licences"]

#: A member of a sample's metadata that states a licence, such as ``unsafe_image_license``.
_STATED = r'"[A-Za-z0-9_ -]*[Ll]icen[cs]e(?:_name)?":"(?:[^"\\]|\\.)*"'


def sample_licences(dataset: Dataset) -> dict[str, int]:
    """Licences that samples state in their metadata -> samples, the most frequent first.

    Raises:
        DataError: A file of samples is damaged.
    """
    members = pl.col("metadata").str.extract_all(_STATED).list.unique()
    with dataset.reading():
        found = (
            dataset.frame()
            .select(member=members)
            .explode("member")
            .drop_nulls()
            .group_by("member")
            .len("samples")
            .collect(engine="streaming")
        )
    counts: dict[str, int] = {}
    for member, samples in found.iter_rows():
        for name in orjson.loads(f"{{{member}}}").values():
            counts[name.strip()] = counts.get(name.strip(), 0) + samples
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
