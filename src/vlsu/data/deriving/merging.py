"""Several datasets as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from vlsu._text import one_line, quoted
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.links import found_groups
from vlsu.data.sample import Sample
from vlsu.errors import UsageError

__all__ = ["merge_datasets"]


def merge_datasets(
    datasets: Sequence[Dataset],
    out: str | Path,
    *,
    prefix: bool = False,
    name: str | None = None,
    version: str = "1",
    licence: str | None = None,
    overwrite: bool = False,
) -> Dataset:
    """Write the samples of several datasets, in order, into one.

    Identifiers are kept. Groups are those of the datasets; a group keeps its name where no other
    dataset has it.

    Args:
        datasets: Two or more, graded by the same policy.
        out: The folder to write.
        prefix: Put the dataset's name before an identifier that several datasets have, instead of
            refusing it.
        name: Of the result; by default the names joined.
        version: Of the result.
        licence: Of the result; by default the different licences joined by ``AND``, so that the
            restrictions of each hold.
        overwrite: Replace an existing dataset in `out`.

    Raises:
        UsageError: Fewer than two datasets, different policies, an identifier in several datasets,
            or, with `prefix`, two datasets of one name.
        DataError: `out` cannot be written.
    """
    if len(datasets) < 2:
        raise UsageError("merge: give two datasets at least")
    _require_same_policy(datasets)
    colliding = _colliding(datasets)
    if colliding and not prefix:
        raise UsageError(
            f"{len(colliding)} identifiers are in several datasets, such as "
            f"{quoted(min(colliding))}; give --prefix to put the dataset's name before them, or "
            "compare the datasets with vlsu data diff"
        )
    names = [dataset.info.name for dataset in datasets]
    twin = next((name for name in names if names.count(name) > 1), None)
    if colliding and twin is not None:
        raise UsageError(
            f"--prefix: two datasets are called {one_line(twin)!r}, so that a prefix would not "
            "tell their samples apart; give one another name in its dataset.yaml"
        )
    infos = [dataset.info for dataset in datasets]
    merged = "; ".join(f"{i.name} {i.version} ({i.content_hash})" for i in infos)
    return write_dataset(
        out,
        _merged(datasets, colliding),
        name=name or "+".join(names),
        version=version,
        licence=licence or " AND ".join(dict.fromkeys(i.licence for i in infos)),
        citation="\n".join(dict.fromkeys(i.citation for i in infos if i.citation)),
        source="; ".join(dict.fromkeys(i.source for i in infos)),
        policy=datasets[0].policy,
        images=[dataset.images for dataset in datasets],
        description=f"Merged of {merged}.",
        overwrite=overwrite,
    )


def _require_same_policy(datasets: Sequence[Dataset]) -> None:
    first, *others = datasets
    for other in others:
        if other.policy.hash != first.policy.hash:
            raise UsageError(
                f"{first.path} is graded by {_policy(first)}, {other.path} by {_policy(other)}; "
                "grades by different policies cannot be merged"
            )


def _policy(dataset: Dataset) -> str:
    return f"{one_line(dataset.policy.name)} {one_line(dataset.policy.version)}"


def _colliding(datasets: Sequence[Dataset]) -> set[str]:
    """Identifiers that more than one dataset has."""
    hashes = []
    for dataset in datasets:
        with dataset.reading():
            hashes.append(dataset.frame().select("id").collect())
    repeated = pl.concat(hashes).group_by("id").len().filter(pl.col("len") > 1)
    return set(repeated["id"].to_list())


def _merged(datasets: Sequence[Dataset], colliding: set[str]) -> Iterator[Sample]:
    """The samples with their new identifiers and groups."""
    taken: set[str] = set()
    for dataset in datasets:
        # The same name in two datasets is not the same group.
        names: dict[str, str] = {}
        with dataset.reading():
            found = found_groups(dataset.frame())
        for sample in dataset.samples():
            id_ = sample.id
            if id_ in colliding:
                id_ = f"{dataset.info.name}/{id_}"
            group = None if sample.group in found else sample.group
            if group is not None:
                if group not in names:
                    names[group] = _free(group, taken)
                group = names[group]
            yield replace(sample, id=id_, group=group)


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number if another group has it."""
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}#{number}", number + 1
    taken.add(candidate)
    return candidate
