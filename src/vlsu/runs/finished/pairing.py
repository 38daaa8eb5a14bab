"""Several runs on the same samples: the dataset and the samples that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from vlsu.data import BUNDLED, Dataset, load
from vlsu.data.links import with_links
from vlsu.data.marks import mark_columns
from vlsu.errors import DataError, RunError
from vlsu.policy import MODALITIES
from vlsu.runs.run import Run, dataset_title

__all__ = [
    "JUDGED_COLUMNS",
    "PairedChunk",
    "dataset_of",
    "paired_chunks",
    "sample_counts",
]

#: Samples looked at together; bounds memory.
SAMPLES = 200_000

#: Of an understanding run's judgments, what its metrics are taken from.
JUDGED_COLUMNS = ("sample_id", "modality", "framing", "expected", "predicted", "outcome")

_GRADES = tuple(f"{modality}_grade" for modality in MODALITIES)


@dataclass(frozen=True, slots=True)
class PairedChunk:
    """Some of the samples that all runs judged.

    Attributes:
        judgments: Of each run its judgments of these samples.
        gold: One row per sample: `sample_id`, grades, `joint_category`, and what it shares.
        judged: Samples of this part that each run judged, shared or not.
    """

    judgments: list[pl.DataFrame]
    gold: pl.DataFrame
    judged: list[int]


def paired_chunks(
    runs: Sequence[Run], dataset: Dataset, columns: Sequence[str]
) -> Iterator[PairedChunk]:
    """The samples that all runs judged, a part of them at a time.

    Whatever the order of the files, memory does not grow with the number of samples.

    Args:
        runs: Finished runs on the dataset, at least one.
        dataset: The dataset.
        columns: Of the judgments.

    Raises:
        RunError: A run's judgments are damaged.
    """
    rows = max(run.judged(pl.len()).item() for run in runs)
    parts = max(1, -(-rows // (SAMPLES * len(MODALITIES))))
    links = dataset.links()
    for part in range(parts):
        mine = pl.col("sample_id").hash() % parts == part
        judgments = [run.judged(pl.col(columns), where=mine) for run in runs]
        ids = [frame.select("sample_id").unique() for frame in judgments]
        common = ids[0]
        for others in ids[1:]:
            common = common.join(others, on="sample_id", how="semi")
        gold = (
            dataset.frame()
            .select(
                pl.col("id").alias("sample_id"),
                *_GRADES,
                "joint_category",
                *mark_columns(),
            )
            .filter(mine)
            .collect(engine="streaming")
            .join(common, on="sample_id", how="semi")
        )
        yield PairedChunk(
            [frame.join(common, on="sample_id", how="semi") for frame in judgments],
            with_links(gold, links),
            [frame.height for frame in ids],
        )


def dataset_of(runs: Sequence[Run], given: str | Path | None = None) -> Dataset:
    """The dataset of finished runs, at its current location.

    Args:
        runs: At least one; all must be of one dataset.
        given: Its folder, if it was moved since the runs.

    Raises:
        RunError: A run is not finished, or they are of different datasets.
        DataError: It is not found, or has changed.
    """
    first, *others = runs
    for run in runs:
        run.require_finished()
    about = first.record["dataset"]
    for run in others:
        if run.record.dataset.content_hash != about["content_hash"]:
            raise RunError(
                f"{first.path} is a run on {dataset_title(first)}, {run.path} on "
                f"{dataset_title(run)}: samples of different datasets cannot be paired"
            )
    if given is not None:
        dataset = load(given)
        if dataset.info.content_hash != about["content_hash"]:
            raise DataError(
                f"{given}: not the dataset of {first.path}, which is {dataset_title(first)}"
            )
        return dataset
    places = [run.record.dataset.path for run in runs]
    if about["name"] in BUNDLED:
        places.append(about["name"])
    for place in places:
        try:
            dataset = load(place)
        except DataError:
            continue
        if dataset.info.content_hash == about["content_hash"]:
            return dataset
    raise DataError(
        f"{places[0]}: the dataset of {first.path} ({dataset_title(first)}) is not there or has "
        "changed; say where it lies with --dataset"
    )


def sample_counts(names: Sequence[str], shared: int, judged: Sequence[int]) -> dict[str, object]:
    """How many samples all runs judged, how many each judged, and how many are left out."""
    return {
        "paired": shared,
        "judged": dict(zip(names, judged, strict=True)),
        "left_out": {name: n - shared for name, n in zip(names, judged, strict=True)},
    }
