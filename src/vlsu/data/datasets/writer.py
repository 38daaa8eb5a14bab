"""Writing a dataset folder: streamed, atomic, and with a reproducible content hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from vlsu._arguments import require_path
from vlsu._files import read_text
from vlsu._folders import among_images, foreign_names, is_dataset
from vlsu._text import one_line
from vlsu._yaml import write_yaml
from vlsu.data.datasets.dataset import (
    DATASET_FILE,
    FORMAT,
    IMPORT_FILE,
    POLICY_FILE,
    Dataset,
    DatasetInfo,
    PolicyReference,
    open_folder,
    read_info,
)
from vlsu.data.datasets.shards import SHARD_ROWS, RowTally, ShardWriter
from vlsu.data.images.store import ImageStore
from vlsu.data.rows import Row, to_frame, to_row
from vlsu.data.sample import Sample
from vlsu.data.tables.columns import listing
from vlsu.errors import DataError
from vlsu.policy import Policy, default_policy

__all__ = [
    "hash64",
    "prepare_folder",
    "refresh_readme",
    "sync_file",
    "write_dataset",
    "write_text_file",
]

#: Samples that are made a frame at once.
_FRAME_ROWS = 5_000
_README = "README.md"
#: Exists while the new files replace those of a former dataset, and lists the former names.
_UNFINISHED = ".dataset-unfinished"
_SHARD_NAME = re.compile(r"[0-9a-f]{2}")
_TEXTS = (_README, POLICY_FILE, IMPORT_FILE)
_SAMPLES = re.compile(r"samples(?:-\d{5}-of-\d{5})?\.parquet")
_TEMPORARY = re.compile(
    r"\.(?:samples-\d{5}|README\.md|policy\.yaml|dataset\.yaml|import\.json|\.dataset-unfinished)"
    r"-\d+\.tmp"
)


def write_dataset(
    out: str | Path,
    rows: Iterable[Sample | pl.DataFrame],
    *,
    name: str,
    version: str,
    licence: str,
    citation: str,
    source: str,
    policy: Policy | None = None,
    images: ImageStore | Sequence[ImageStore] | None = None,
    description: str = "",
    overwrite: bool = False,
    shard_rows: int = SHARD_ROWS,
    datasheet: Mapping[str, object] | None = None,
) -> Dataset:
    """Write samples, in the order given, into a dataset folder.

    The rows are streamed: memory stays within one shard. Everything is written under temporary
    names and renamed at the end, ``dataset.yaml`` last, so that a crash never leaves a folder that
    looks complete.

    Args:
        out: The folder, which is created if missing. It may already contain the images, added by
            ``ImageStore(out).add``.
        rows: The samples, or frames of them with the columns of a dataset; their `id` must be
            unique.
        name: Name of the dataset.
        version: Version of the dataset, in any numbering.
        licence: Licence of the samples, such as ``"CC-BY-4.0"``.
        citation: How to cite it; may be empty.
        source: Origin of the samples: a file name or a URL.
        policy: The policy of the grades; the default policy if `None`, else it is written beside
            the samples.
        images: A store, or several, from which images that `out` lacks are copied.
        description: Description of the dataset.
        overwrite: Replace an existing dataset in `out`.
        shard_rows: Maximum rows per file, at least 1; a larger dataset is sharded.
        datasheet: The author's answers to the questions of a datasheet; those of a dataset that is
            replaced are kept if `None`.

    Raises:
        DataError: `out` contains a dataset already, two samples have the same id, a sample cannot
            be stored, or the folder cannot be written.
    """
    folder = require_path("out", out)
    policy = policy or default_policy()
    sources = [images] if isinstance(images, ImageStore) else list(images or ())
    shard_rows = max(1, shard_rows)
    try:
        prepare_folder(folder, overwrite=overwrite)
        shards = ShardWriter(folder, shard_rows)
        try:
            tally = RowTally()
            for frame in _frames(rows, min(_FRAME_ROWS, shard_rows)):
                if sources:
                    _copy_images(sources, ImageStore(folder), frame)
                tally.add(frame)
                shards.add(frame)
            shards.flush()
            if twin := tally.repeated_id(shards.temporary):
                shown = one_line(twin)
                raise DataError(f"{folder}: two samples have the id {shown!r}; ids must be unique")
            info = DatasetInfo(
                name=name,
                version=version,
                licence=licence,
                citation=citation,
                source=source,
                description=description,
                policy=PolicyReference.of(policy),
                counts=tally.counts(),
                content_hash=tally.digest(),
                files=tuple(shards.names()),
                datasheet=_former_answers(folder) if datasheet is None else datasheet,
            )
            _commit(folder, shards, info, policy)
        finally:
            shards.discard()
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from None
    return open_folder(folder)


def _frames(rows: Iterable[Sample | pl.DataFrame], at_once: int) -> Iterator[pl.DataFrame]:
    """The samples as frames, in order, of so many single ones at most."""
    held: list[Row] = []
    for each in rows:
        if not isinstance(each, pl.DataFrame):
            held.append(to_row(each))
        if held and (isinstance(each, pl.DataFrame) or len(held) == at_once):
            yield to_frame(held)
            held = []
        if isinstance(each, pl.DataFrame):
            yield each
    if held:
        yield to_frame(held)


def _copy_images(sources: Sequence[ImageStore], store: ImageStore, frame: pl.DataFrame) -> None:
    for sha256 in frame["image_sha256"].drop_nulls().unique(maintain_order=True):
        for source in sources:
            store.copy_from(source, sha256)


def prepare_folder(folder: Path, *, overwrite: bool) -> None:
    """Prepare a folder for a dataset: it must be new, empty, or contain only a dataset's files.

    Files of an interrupted writer are overwritten. A folder with other files is never written to.

    Raises:
        DataError: It contains a dataset and `overwrite` is false, it contains other files, it is a
            file, or it cannot be created.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; choose another folder")
    if wrong := among_images(folder):
        raise DataError(f"{folder}: {wrong}; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = foreign_names(folder, _is_own)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder"
        ) from None
    if is_dataset(folder):
        if not overwrite:
            raise DataError(
                f"{folder}: holds a dataset already; choose another folder or overwrite it"
            )
    elif others and not (folder / _UNFINISHED).exists():
        raise DataError(
            f"{folder}: holds other files ({listing(others[:5])}"
            f"{' and more' if len(others) > 5 else ''}); choose a new or an empty folder"
        )
    for pattern in (".samples-*.tmp", "images/[0-9a-f][0-9a-f]/.*.tmp"):
        for leftover in folder.glob(pattern):  # of a writer that was killed
            leftover.unlink(missing_ok=True)


def _is_own(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is from an unfinished writer."""
    if entry.name == "images":
        # Made by ImageStore, which sorts images by the first two digits of their hashes.
        if not entry.is_dir(follow_symlinks=False):
            return False
        return not foreign_names(
            Path(entry.path), lambda e: _SHARD_NAME.fullmatch(e.name) is not None
        )
    return _TEMPORARY.fullmatch(entry.name) is not None


def hash64(text: str) -> int:
    """A 64-bit hash that is the same on every machine; never 0, which means no value.

    The probability of a collision among a million texts is 3e-8.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) or 1


def _commit(folder: Path, shards: ShardWriter, info: DatasetInfo, policy: Policy) -> None:
    replaced = _replaceable(folder)
    write_text_file(folder / _UNFINISHED, "".join(f"{name}\n" for name in replaced))
    with contextlib.suppress(FileNotFoundError):
        (folder / DATASET_FILE).unlink()
    for name in replaced:
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
    for temporary, name in zip(shards.temporary, info.files, strict=True):
        sync_file(temporary)
        temporary.replace(folder / name)
    if policy.hash != default_policy().hash:
        write_text_file(folder / POLICY_FILE, policy.text)
    if not (folder / _README).exists():  # an edited one is kept
        write_text_file(folder / _README, _readme(info))
    # `counts` and `files` are a mapping and a tuple in memory, plain YAML in the file.
    tree = {"format": FORMAT, **asdict(info), "files": list(info.files)}
    if not info.datasheet:
        del tree["datasheet"]
    write_text_file(folder / DATASET_FILE, write_yaml(tree, width=100))
    (folder / _UNFINISHED).unlink(missing_ok=True)


def _former_answers(folder: Path) -> Mapping[str, object]:
    """What the author of a dataset that is replaced has answered once."""
    try:
        return read_info(folder).datasheet
    except DataError:
        return {}


def _replaceable(folder: Path) -> list[str]:
    """Names of the files of the former dataset in a folder, without ``dataset.yaml``."""
    if not (folder / DATASET_FILE).exists():
        try:  # of a writer that was killed while it replaced them
            listed = read_text(folder / _UNFINISHED).splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        return [name for name in listed if _SAMPLES.fullmatch(name) or name in _TEXTS]
    try:
        info = read_info(folder)
    except DataError:  # damaged: its files are recognised by their names
        names = [path.name for path in folder.iterdir() if _SAMPLES.fullmatch(path.name)]
        return [*names, POLICY_FILE, IMPORT_FILE]
    names = [name for name in info.files if _SAMPLES.fullmatch(name)]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if read_text(folder / _README) == _readme(info):
            names.append(_README)
    return [*names, POLICY_FILE, IMPORT_FILE]


def refresh_readme(folder: Path, before: DatasetInfo, after: DatasetInfo) -> None:
    """Bring a dataset's ``README.md`` up to date; an edited one is kept."""
    file = folder / _README
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if read_text(file) == _readme(before):
            write_text_file(file, _readme(after))


def write_text_file(path: Path, text: str) -> None:
    """Write a text file atomically, and onto the disk."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    sync_file(temporary)
    temporary.replace(path)


def sync_file(path: Path) -> None:
    """Have the system write a file onto the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _readme(info: DatasetInfo) -> str:
    # The front matter makes Hugging Face `datasets` read the samples, not the images folder.
    return "\n".join(
        [
            "---",
            "configs:",
            "- config_name: default",
            "  data_files:",
            "  - split: test",
            "    path: samples*.parquet",
            "---",
            "",
            f"# {info.name}",
            "",
            *([info.description, ""] if info.description else []),
            f"Version {info.version}. Licence: {info.licence}. Source: {info.source}.",
            "",
            f"{info.counts['samples']} samples, {info.counts['images']} images; graded by the "
            f"policy {info.policy.name} {info.policy.version}.",
            "",
            "`samples*.parquet` holds the samples, `images/ab/<sha256>.<ext>` the images by the",
            "SHA-256 of their bytes, `dataset.yaml` the description. Open it with `vlsu.load`,",
            "polars, DuckDB or Hugging Face `datasets`.",
            *(["", f"Cite: {info.citation}"] if info.citation else []),
            "",
        ]
    )
