"""Several runs on the same samples: what they share, and how they were set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from vlsu.data import BUNDLED, Dataset, load
from vlsu.errors import DataError, RunError, UsageError
from vlsu.policy import MODALITIES
from vlsu.runs.run import Run, dataset_title

__all__ = [
    "JUDGED_COLUMNS",
    "PairedChunk",
    "dataset_of",
    "drawn_for",
    "paired_chunks",
    "run_names",
    "sample_counts",
    "setup_differences",
]

#: Samples looked at together; bounds memory.
SAMPLES = 200_000

#: Of an understanding run's judgments, what its metrics are taken from.
JUDGED_COLUMNS = ("sample_id", "modality", "framing", "expected", "predicted", "outcome")

_GRADES = tuple(f"{modality}_grade" for modality in MODALITIES)
#: Of a model's identity what says who it is, and not how it was asked.
_WHO = ("spec", "model", "format", "fingerprint")


@dataclass(frozen=True, slots=True)
class PairedChunk:
    """Some of the samples that all runs judged.

    Attributes:
        judgments: Of each run its judgments of these samples.
        gold: One row per sample: `sample_id`, grades, `joint_category`, `group`.
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
    for part in range(parts):
        mine = pl.col("sample_id").hash() % parts == part
        judgments = [run.judged(pl.col(columns), where=mine) for run in runs]
        ids = [frame.select("sample_id").unique() for frame in judgments]
        common = ids[0]
        for others in ids[1:]:
            common = common.join(others, on="sample_id", how="semi")
        gold = (
            dataset.frame()
            .select(pl.col("id").alias("sample_id"), *_GRADES, "joint_category", "group")
            .filter(mine)
            .collect(engine="streaming")
            .join(common, on="sample_id", how="semi")
        )
        yield PairedChunk(
            [frame.join(common, on="sample_id", how="semi") for frame in judgments],
            gold,
            [frame.height for frame in ids],
        )


def dataset_of(runs: Sequence[Run], given: str | Path | None = None) -> Dataset:
    """The dataset that finished runs were made with, where it lies now.

    Args:
        runs: At least one; all must be of one dataset.
        given: Where it lies, if not where it lay when a run was made.

    Raises:
        RunError: A run is not finished, or they are of different datasets.
        DataError: It lies nowhere, or what lies there is another.
    """
    first, *others = runs
    for run in runs:
        run.require_finished()
    about = first.record["dataset"]
    for run in others:
        if run.record["dataset"]["content_hash"] != about["content_hash"]:
            raise RunError(
                f"{first.path} is a run on {dataset_title(first)}, {run.path} on "
                f"{dataset_title(run)}: other samples cannot be paired"
            )
    if given is not None:
        dataset = load(given)
        if dataset.info.content_hash != about["content_hash"]:
            raise DataError(
                f"{given}: not the dataset of {first.path}, which is {dataset_title(first)}"
            )
        return dataset
    places = [run.record["dataset"]["path"] for run in runs]
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


def run_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model's, if no two have one; else its folder's, else its path.

    Raises:
        UsageError: A folder is given twice.
    """
    paths = [run.path.resolve() for run in runs]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{path} is given twice; give each run once")
    choices = (
        [str(run.record["model"]["spec"]) for run in runs],
        [path.name for path in paths],
        [str(path) for path in paths],
    )
    return next(names for names in choices if len(set(names)) == len(names))


def sample_counts(names: Sequence[str], shared: int, judged: Sequence[int]) -> dict[str, object]:
    """How many samples all runs judged, how many each judged, and how many are left out."""
    return {
        "paired": shared,
        "judged": dict(zip(names, judged, strict=True)),
        "left_out": {name: n - shared for name, n in zip(names, judged, strict=True)},
    }


def setup_differences(runs: Sequence[Run], names: Sequence[str]) -> list[dict[str, object]]:
    """What the runs do not share beside the model, each ``{"what", "values", "note"}``.

    ``values`` is by the run's name; ``note`` says what it does to the comparison.
    """
    found: list[dict[str, object]] = []
    for what, note, of in _SETUP:
        values = {name: of(run.record) for name, run in zip(names, runs, strict=True)}
        if len(set(values.values())) > 1:
            found.append({"what": what, "values": values, "note": note})
    return found


def drawn_for(sampling: Mapping[str, Any]) -> str:
    """The options a run was drawn by, such as ``--budget 500, joint.f1_macro +- 0.02``.

    Args:
        sampling: Of the run's record.
    """
    wanted = (sampling["budget"] and f"--budget {sampling['budget']}", sampling["until"])
    return ", ".join(each for each in wanted if each)


def _hashed(part: str) -> Callable[[Mapping[str, Any]], str]:
    def of(record: Mapping[str, Any]) -> str:
        about = record.get(part)
        return f"{about['name']} ({about['hash'][:12]})" if about else "none"

    return of


def _subset(record: Mapping[str, Any]) -> str:
    if drawn := record.get("sampling"):
        return f"drawn by pattern ({drawn_for(drawn)})"
    limit = record.get("limit")
    return "all" if limit is None else f"{limit} drawn by seed {record.get('seed')}"


def _settings(record: Mapping[str, Any]) -> str:
    identity = record["model"]["identity"]
    how = {key: value for key, value in identity.items() if key not in _WHO and value}
    return ", ".join(f"{key} {value}" for key, value in sorted(how.items())) or "none"


def _judge(record: Mapping[str, Any]) -> str:
    judges = record.get("judges")
    return f"{judges[0]['spec']} ({judges[0]['fingerprint'][:12]})" if judges else "none"


_SETUP: tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("prompt", "a difference may be the prompts', not the models'", _hashed("prompt")),
    (
        "policy",
        "they were told different rules; a difference may be the policies'",
        _hashed("policy"),
    ),
    (
        "judge",
        "the judges' own errors differ: nothing is claimed",
        _judge,
    ),
    (
        "framings",
        "only framings of the same words are compared",
        lambda record: ", ".join(record.get("framings", ())) or "none",
    ),
    (
        "captions",
        "one saw images, another what they show in words",
        lambda record: "in place of images" if record.get("captions") else "none",
    ),
    ("draws", "draws of a sample are averaged", lambda record: str(record.get("draws", 1))),
    (
        "modalities",
        "a metric needs both runs to have asked what it is of",
        lambda record: ", ".join(record["modalities"]),
    ),
    ("samples", "only samples that all runs have are compared", _subset),
    ("settings", "a difference may be the settings', not the models'", _settings),
    (
        "version of vlsu",
        "answers may have been read by other rules; the same vlsu run command reads them again",
        lambda record: str(record["versions"]["vlsu"]),
    ),
)
