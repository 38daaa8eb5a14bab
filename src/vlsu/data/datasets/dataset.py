"""A dataset: a folder of samples and images that is complete, described and hashed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import polars as pl

from vlsu._arguments import require_path
from vlsu._files import is_regular, read_text
from vlsu._text import one_line
from vlsu._yaml import YamlError, read_yaml
from vlsu.data.images.store import ImageStore
from vlsu.data.links import shared
from vlsu.data.parquet import reading, scan_parquet
from vlsu.data.rows import COLUMNS, Row, to_sample, valid_frame
from vlsu.data.sample import Sample
from vlsu.errors import DataError
from vlsu.policy import Policy, default_policy, load_policy

__all__ = [
    "BUNDLED",
    "DATASET_FILE",
    "FORMAT",
    "IMPORT_FILE",
    "POLICY_FILE",
    "Dataset",
    "DatasetInfo",
    "PolicyReference",
    "load",
    "open_folder",
    "read_info",
]

#: Datasets that come with this package and are loaded by name.
BUNDLED = ("vlsu-mini",)
#: Written last: a folder without it is not a dataset.
DATASET_FILE = "dataset.yaml"
#: Present only if the dataset's policy is not the default one.
POLICY_FILE = "policy.yaml"
#: Written by imports: every row that was rejected or corrected.
IMPORT_FILE = "import.json"
#: Value of `format` in `DATASET_FILE`.
FORMAT = "vlsu-dataset/1"

#: So many identifiers are looked for in a list; more are joined.
LISTED = 10_000

_AGAIN = "write the dataset again"


@dataclass(frozen=True, slots=True)
class PolicyReference:
    """Which policy the grades of a dataset follow."""

    name: str
    version: str
    hash: str

    @classmethod
    def of(cls, policy: Policy) -> PolicyReference:
        """The reference to a policy."""
        return cls(policy.name, policy.version, policy.hash)


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """The content of ``dataset.yaml``.

    Attributes:
        source: Origin of the samples: a file name or a URL.
        counts: ``samples``, ``images`` (distinct), ``without_image`` and ``without_text``.
        content_hash: SHA-256 over the samples in order with the hashes of their images, without
            name, description and the split into files.
        files: The Parquet files, in order.
        datasheet: The author's answers to the questions of a datasheet, by key
            (`vlsu.data.exporting.questions`); empty if there are none.
    """

    name: str
    version: str
    licence: str
    citation: str
    source: str
    description: str
    policy: PolicyReference
    counts: Mapping[str, int]
    content_hash: str
    files: tuple[str, ...]
    datasheet: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """Samples and images in a folder; made by `load` and `write_dataset`."""

    path: Path
    info: DatasetInfo
    policy: Policy

    def __repr__(self) -> str:
        about = f"{one_line(self.info.name)} {one_line(self.info.version)}"
        return f"<Dataset {about}: {len(self)} samples in {self.path}>"

    def __len__(self) -> int:
        return self.info.counts["samples"]

    def __iter__(self) -> Iterator[Sample]:
        return self.samples()

    @property
    def images(self) -> ImageStore:
        """The images of the dataset."""
        return ImageStore(self.path)

    def frame(self) -> pl.LazyFrame:
        """All rows in order, lazily: the columns `COLUMNS`, each a string."""
        with self.reading():
            return scan_parquet(self.path / name for name in self.info.files)

    def links(self) -> pl.DataFrame:
        """What samples share with others: see `vlsu.data.links.shared`.

        Raises:
            DataError: A file of samples is damaged.
        """
        with self.reading():
            return shared(self.frame())

    def linked_frame(self, links: pl.DataFrame | None = None) -> pl.LazyFrame:
        """As `frame`, with what samples share: `group`, `shared_image` and `shared_text`.

        Args:
            links: What `links` gives, in any order, where that is known.

        Raises:
            DataError: A file of samples is damaged.
        """
        shares = self.links() if links is None else links
        shares = shares.rename({"sample_id": "id"})
        frame = self.frame().drop("group")
        return frame.join(shares.lazy(), on="id", how="left", maintain_order="left")

    def reading(self) -> AbstractContextManager[None]:
        """Context in which rows are collected: a damaged file raises a `DataError` of one line."""
        return reading(self.path, _AGAIN)

    def samples(self, batch: int = 8192) -> Iterator[Sample]:
        """Every sample in order, reading `batch` rows at a time, in constant memory.

        Raises:
            DataError: A row is not a valid sample; the message names it.
        """
        return map(to_sample, self.rows(batch))

    def frame_with(self, ids: pl.Series) -> pl.LazyFrame:
        """The rows with these identifiers, in order, lazily; as `frame`."""
        if len(ids) <= LISTED:
            # Evaluated as the file is read, so that other columns are decoded of few rows only;
            # but with a hash table of its own for every part of the file.
            return self.frame().filter(pl.col("id").is_in(ids.implode()))
        wanted = ids.rename("id").to_frame().lazy()
        return self.frame().join(wanted, on="id", how="semi", maintain_order="left")

    def frames_with(self, ids: pl.Series, batch: int = 8192) -> Iterator[pl.DataFrame]:
        """The rows with these identifiers, in order, as frames that `write_dataset` takes.

        Raises:
            DataError: As `samples`.
        """
        with self.reading():
            rows = self.frame_with(ids).select(COLUMNS)
            parts = rows.collect_batches(chunk_size=batch, maintain_order=True)
            yield from map(valid_frame, parts)

    def rows(self, batch: int = 8192) -> Iterator[Row]:
        """Every raw row in order, read like `samples`."""
        for part in self.frames(batch):
            yield from part.iter_rows()

    def frames(self, batch: int = 8192) -> Iterator[pl.DataFrame]:
        """Every raw row in order, as frames of `batch` rows at most."""
        for name in self.info.files:
            with reading(self.path / name, _AGAIN):
                file = scan_parquet(self.path / name).select(COLUMNS)
                start = 0
                while True:
                    rows = file.slice(start, batch).collect()
                    yield rows
                    if rows.height < batch:
                        break
                    start += batch

    def image_path(self, sha256: str) -> Path | None:
        """Path of the image with that hash, or `None` if it is missing."""
        return self.images.path(sha256)

    def read_image(self, sha256: str) -> bytes:
        """The bytes of an image, unchanged.

        Raises:
            DataError: The image is missing or cannot be read.
        """
        return self.images.read(sha256)

    def media_type(self, sha256: str) -> str:
        """The media type of an image, such as ``"image/jpeg"``.

        Raises:
            DataError: The image is missing.
        """
        return self.images.media_type(sha256)


def load(path: str | Path) -> Dataset:
    """Open a dataset folder, or a bundled dataset by its name, such as ``"vlsu-mini"``.

    A folder of the same name as a bundled dataset is opened by ``"./vlsu-mini"``.

    Raises:
        UsageError: It is no path.
        DataError: No such folder, not a complete dataset, or an inconsistent one.
    """
    path = require_path("dataset", path)
    if str(path) in BUNDLED:
        return open_folder(Path(str(files("vlsu").joinpath("bundled", str(path)))))
    return open_folder(path)


def open_folder(folder: Path) -> Dataset:
    """Open a dataset folder, whatever its name.

    Raises:
        DataError: As `load`.
    """
    try:
        found = folder.is_dir()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{one_line(folder)}: cannot be opened ({why})") from None
    if not found:
        names = ", ".join(BUNDLED)
        raise DataError(
            f"{folder}: no such dataset folder; give a folder or a bundled name: {names}"
        )
    info = read_info(folder)
    _check_files(folder, info)
    own_policy = folder / POLICY_FILE
    policy = load_policy(own_policy) if own_policy.exists() else default_policy()
    return Dataset(folder, info, policy)


def read_info(folder: Path) -> DatasetInfo:
    """Read the ``dataset.yaml`` of a folder.

    Raises:
        DataError: It is missing, invalid, or not of this package's format.
    """
    file = folder / DATASET_FILE
    try:
        tree = read_yaml(read_text(file))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: not a finished dataset, it has no {DATASET_FILE}; make one with "
            "vlsu data import"
        ) from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); {_AGAIN}") from None
    except (UnicodeDecodeError, YamlError) as error:
        why = error if isinstance(error, YamlError) else "not UTF-8"
        raise DataError(f"{file}: cannot be read ({why}); {_AGAIN}") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        found = tree.get("format") if isinstance(tree, dict) else None
        raise DataError(
            f"{file}: format is {one_line(repr(found))}, not {FORMAT!r}; update vlsu or the dataset"
        )
    try:
        return DatasetInfo(
            **{key: _text(tree, key) for key in _TEXTS},
            policy=_policy_reference(tree.get("policy")),
            counts=_counts(tree.get("counts")),
            files=_files(tree.get("files")),
            datasheet=_datasheet(tree.get("datasheet")),
        )
    except ValueError as error:
        raise DataError(
            f"{file}: a part is missing or of the wrong kind ({error}); {_AGAIN}"
        ) from None


_TEXTS = ("name", "version", "licence", "citation", "source", "description", "content_hash")
_COUNTS = ("samples", "images", "without_image", "without_text")


def _text(tree: Mapping[str, object], key: str) -> str:
    """A field that is a text, a number or empty.

    Raises:
        ValueError: It is missing or something else.
    """
    if key not in tree:
        raise ValueError(f"{key} is missing")
    value = tree[key]
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise ValueError(f"{key}: a text is expected")
    return str(value)


def _policy_reference(tree: object) -> PolicyReference:
    if not isinstance(tree, dict):
        raise ValueError("policy: name, version and hash are expected")
    return PolicyReference(*(_text(tree, key) for key in ("name", "version", "hash")))


def _counts(tree: object) -> dict[str, int]:
    if not isinstance(tree, dict):
        raise ValueError("counts: a number for each of samples and images is expected")
    counts = dict.fromkeys(_COUNTS, 0) | {str(key): value for key, value in tree.items()}
    if "samples" not in tree or any(
        not isinstance(value, int) or value < 0 for value in counts.values()
    ):
        raise ValueError("counts: whole numbers are expected, samples among them")
    return counts


def _files(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError("files: a list of Parquet files is expected")
    if len(set(names)) < len(names):
        raise ValueError("files: one is listed twice")
    return tuple(names)


def _datasheet(tree: object) -> dict[str, object]:
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ValueError("datasheet: an answer for each question is expected")
    return {str(key): answer for key, answer in tree.items()}


def _check_files(folder: Path, info: DatasetInfo) -> None:
    for name in info.files:
        shown = one_line(name)
        if Path(name).name != name or not is_regular(folder / name):
            raise DataError(f"{folder}: {shown} is missing; {_AGAIN}")
        try:
            found = scan_parquet(folder / name).collect_schema()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            raise DataError(f"{folder / name}: not a readable Parquet file; {_AGAIN}") from None
        for column in COLUMNS:
            if found.get(column) != pl.String:
                what = f"is {one_line(found[column])}" if column in found else "is missing"
                raise DataError(
                    f"{folder / name}: column {column!r} {what}, a string is expected; {_AGAIN}"
                )
    paths = [folder / name for name in info.files]
    with reading(folder, _AGAIN):
        rows = scan_parquet(paths).select(pl.len()).collect().item()
    if rows != info.counts["samples"]:
        raise DataError(
            f"{folder}: {DATASET_FILE} says {info.counts['samples']} samples, the files hold "
            f"{rows}; {_AGAIN}"
        )
