"""Random subsets of a dataset, and export of its samples to other formats."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import orjson
import polars as pl

from vlsu._files import open_binary
from vlsu._folders import require_replaceable
from vlsu._text import one_line
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.parquet import literal, scan_parquet
from vlsu.data.rows import COLUMNS, Row
from vlsu.data.tables.spreadsheets import escaped_column
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity
from vlsu.registry import did_you_mean

__all__ = ["EXPORT_FORMATS", "export_dataset", "sample_dataset"]

#: Formats `export_dataset` writes.
EXPORT_FORMATS = ("csv", "jsonl", "parquet")

#: Maximum bytes of the first line of a JSONL export.
_MAX_LINE_BYTES = 64 * 2**20

_GRADES = ["image_grade", "text_grade", "joint_grade"]

#: The three grades of a pattern, the joint one last.
_Stratum = tuple[str | None, ...]


def sample_dataset(
    dataset: Dataset,
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    balanced: bool = False,
    overwrite: bool = False,
) -> Dataset:
    """Draw a random subset, stratified by pattern, as a new dataset.

    Each pattern keeps its share, rounded by largest remainders; combinations with missing grades
    are strata too. The draw depends only on the seed and the samples' ids, on every machine.

    A balanced subset has equally many samples of each joint severity, so that rates per severity
    are equally precise; each pattern keeps its share of its severity, and samples without a joint
    grade are left out.

    Args:
        dataset: The dataset to draw from.
        out: The folder to write.
        n: Number of samples to draw.
        seed: Seed of the draw.
        balanced: Equally many of each joint severity; if `n` is not divisible, the milder
            severities get one more.
        overwrite: Replace an existing dataset in `out`.

    Raises:
        UsageError: `n` is not between 1 and the size of the dataset, or a severity has too few
            samples for a balanced draw.
        DataError: `out` cannot be written.
    """
    if not 1 <= n <= len(dataset):
        raise UsageError(f"n is {n}; the dataset has {len(dataset)} samples, choose 1 to that many")
    strata: dict[_Stratum, list[tuple[bytes, str]]] = {}
    with dataset.reading():
        rows = dataset.frame().select("id", *_GRADES).collect()
    for id_, *grades in rows.iter_rows():
        rank = hashlib.sha256(f"{seed}\0{id_}".encode()).digest()
        strata.setdefault(tuple(grades), []).append((rank, id_))
    found = {key: len(members) for key, members in strata.items()}
    sizes = _balanced(found, n) if balanced else _proportional(found, n)
    chosen = {id_ for key, members in strata.items() for _, id_ in sorted(members)[: sizes[key]]}
    info = dataset.info
    how = ("balanced by joint severity, " if balanced else "") + "stratified by pattern"
    return write_dataset(
        out,
        (sample for sample in dataset.samples() if sample.id in chosen),
        name=f"{info.name}-sample",
        version=info.version,
        licence=info.licence,
        citation=info.citation,
        source=info.source,
        policy=dataset.policy,
        images=dataset.images,
        description=f"{n} of the {len(dataset)} samples of {info.name} {info.version} "
        f"({info.content_hash}), {how}, seed {seed}. {info.description}".strip(),
        overwrite=overwrite,
    )


def _proportional(found: Mapping[_Stratum, int], n: int) -> dict[_Stratum, int]:
    """How many of `n` each stratum gets: its share, by largest remainders."""
    total = sum(found.values())
    shares = {key: count * n / total for key, count in found.items()}
    sizes = {key: int(share) for key, share in shares.items()}
    by_remainder = sorted(shares, key=lambda key: (sizes[key] - shares[key], str(key)))
    for key in by_remainder[: n - sum(sizes.values())]:
        sizes[key] += 1
    return sizes


def _balanced(found: Mapping[_Stratum, int], n: int) -> dict[_Stratum, int]:
    """The same with equally many of each joint severity.

    Raises:
        UsageError: A severity has too few samples.
    """
    sizes = dict.fromkeys(found, 0)
    present = [s.label for s in Severity if any(key[-1] == s.label for key in found)]
    for place, severity in enumerate(present):
        available = {key: count for key, count in found.items() if key[-1] == severity}
        wanted = n // len(present) + (place < n % len(present))
        if wanted > sum(available.values()):
            raise UsageError(
                f"n is {n}, of which {wanted} {severity}; there are "
                f"{sum(available.values())} {severity} samples, choose fewer or "
                "leave --balanced out"
            )
        sizes |= _proportional(available, wanted)
    return sizes


def export_dataset(dataset: Dataset, format: str, out: str | Path) -> Path:
    """Write the samples, without images, into one file, atomically.

    CSV and Parquet have the dataset's columns; a line of JSONL is an object of them, with metadata
    as a nested object. In the CSV, cells that a spreadsheet would take for a formula are prefixed
    with an apostrophe, which the importer ``csv`` removes. An existing file is replaced only if it
    is an export.

    Raises:
        UsageError: No such format, or a file exists that is not an export.
        DataError: The file cannot be written.
    """
    if format not in EXPORT_FORMATS:
        near = did_you_mean(format, list(EXPORT_FORMATS))
        raise UsageError(f"--format {format}: no such format; {near}")
    path = Path(out)
    require_replaceable(path, "--out")
    if path.exists() and path.stat().st_size and not _is_export(path):
        raise UsageError(
            f"{path}: is there already and is no export of a dataset; choose another --out"
        )
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        if format == "jsonl":
            with temporary.open("wb") as file:
                file.writelines(map(_json_line, dataset.rows()))
        else:
            _sink(dataset, format, temporary)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); choose another place"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _sink(dataset: Dataset, format: str, path: Path) -> None:
    frame = dataset.frame().select(COLUMNS)
    try:
        if format == "csv":
            frame.select(map(escaped_column, COLUMNS)).sink_csv(literal(path))
        else:
            frame.sink_parquet(literal(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        with dataset.reading():
            frame.select(pl.all().null_count()).collect(engine="streaming")  # a damaged file
        raise


def _is_export(path: Path) -> bool:
    """Whether a file is what `export_dataset` writes, in any format."""
    try:
        with open_binary(path) as file:
            first = file.readline(_MAX_LINE_BYTES)
    except OSError:
        return False
    if first.rstrip(b"\r\n") == ",".join(COLUMNS).encode():
        return True
    try:
        if first.startswith(b"PAR1"):
            return tuple(scan_parquet(path).collect_schema()) == COLUMNS
        return tuple(orjson.loads(first)) == COLUMNS
    except (OSError, ValueError, TypeError, pl.exceptions.PolarsError):
        return False


def _json_line(row: Row) -> bytes:
    tree: dict[str, object] = dict(zip(COLUMNS, row, strict=True))
    try:
        tree["metadata"] = orjson.loads(row[-1] or "{}")
        return orjson.dumps(tree, option=orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONDecodeError, TypeError):
        raise DataError(
            f"sample {one_line(row[0])!r}: metadata is not JSON that can be written; "
            "write the dataset again"
        ) from None
