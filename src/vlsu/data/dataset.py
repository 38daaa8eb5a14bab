"""A dataset: a folder of samples and images that is complete, described and hashed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import polars as pl

from vlsu._files import read_text
from vlsu._yaml import YamlError, read_yaml
from vlsu.data.images import ImageStore
from vlsu.data.parquet import scan_parquet
from vlsu.data.rows import COLUMNS, Row, to_sample
from vlsu.data.sample import Sample
from vlsu.errors import DataError
from vlsu.policy import Policy, default_policy, load_policy

__all__ = [
    "BUNDLED",
    "DATASET_FILE",
    "FORMAT",
    "POLICY_FILE",
    "Dataset",
    "DatasetInfo",
    "PolicyReference",
    "load",
    "open_folder",
]

#: Datasets that come with this package and are loaded by name.
BUNDLED = ("vlsu-mini",)
#: Written last: a folder without it is not a dataset.
DATASET_FILE = "dataset.yaml"
#: Only there if the dataset's policy is not the default one.
POLICY_FILE = "policy.yaml"
#: Value of `format` in `DATASET_FILE`.
FORMAT = "vlsu-dataset/1"


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
    """What ``dataset.yaml`` says.

    Attributes:
        source: Where the samples came from: a file name or an address.
        counts: ``samples``, ``images`` (different ones), ``without_image`` and ``without_text``.
        content_hash: SHA-256 over the samples in order, the hashes of their images included; names,
            descriptions and the way the files are split do not count.
        files: The Parquet files, in order.
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


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples and images in a folder; made by `load` and `write_dataset`."""

    path: Path
    info: DatasetInfo
    policy: Policy

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
        try:
            return scan_parquet(self.path / name for name in self.info.files)
        except OSError as error:
            raise DataError(
                f"{error.filename or self.path}: {error.strerror}; write the dataset again"
            ) from None

    def samples(self, batch: int = 8192) -> Iterator[Sample]:
        """Every sample in order, reading `batch` rows at a time: memory does not grow with the set.

        Raises:
            DataError: A row cannot be read as a sample; the message names it.
        """
        return map(to_sample, self.rows(batch))

    def rows(self, batch: int = 8192) -> Iterator[Row]:
        """Every row in order as it is in the files, read like `samples`."""
        for name in self.info.files:
            file = scan_parquet(self.path / name).select(COLUMNS)
            start = 0
            while True:
                rows = file.slice(start, batch).collect()
                yield from rows.iter_rows()
                if rows.height < batch:
                    break
                start += batch

    def image_path(self, sha256: str) -> Path | None:
        """Where the image of that hash lies, or `None` if it is missing."""
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

    A folder of one's own with a bundled name is meant by ``"./vlsu-mini"``, as text.

    Raises:
        DataError: No such folder, not a finished dataset, or one whose parts do not fit together.
    """
    if str(path) in BUNDLED:
        return open_folder(Path(str(files("vlsu").joinpath("bundled", str(path)))))
    return open_folder(Path(path))


def open_folder(folder: Path) -> Dataset:
    """Open a dataset folder, whatever its name.

    Raises:
        DataError: As `load`.
    """
    if not folder.is_dir():
        names = ", ".join(BUNDLED)
        raise DataError(
            f"{folder}: no such dataset folder; give a folder or a bundled name: {names}"
        )
    info = _read_info(folder)
    _check_files(folder, info)
    own_policy = folder / POLICY_FILE
    policy = load_policy(own_policy) if own_policy.exists() else default_policy()
    return Dataset(folder, info, policy)


def _read_info(folder: Path) -> DatasetInfo:
    file = folder / DATASET_FILE
    try:
        tree = read_yaml(read_text(file))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: not a finished dataset, it has no {DATASET_FILE}; make one with "
            "vlsu data import"
        ) from None
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror}); write the dataset again"
        ) from None
    except (UnicodeDecodeError, YamlError) as error:
        why = error if isinstance(error, YamlError) else "not UTF-8"
        raise DataError(f"{file}: cannot be read ({why}); write the dataset again") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        found = tree.get("format") if isinstance(tree, dict) else None
        raise DataError(f"{file}: format is {found!r}, not {FORMAT!r}; update vlsu or the dataset")
    try:
        return DatasetInfo(
            **{key: str(tree[key]) for key in _TEXTS},
            policy=PolicyReference(**tree["policy"]),
            counts={str(key): int(value) for key, value in tree["counts"].items()},
            files=tuple(map(str, tree["files"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{file}: a part is missing or of the wrong kind ({error}); write the dataset again"
        ) from None


_TEXTS = ("name", "version", "licence", "citation", "source", "description", "content_hash")


def _check_files(folder: Path, info: DatasetInfo) -> None:
    for name in info.files:
        if Path(name).name != name or not (folder / name).is_file():
            raise DataError(f"{folder}: {name} is missing; write the dataset again")
        try:
            found = scan_parquet(folder / name).collect_schema()
        except (pl.exceptions.PolarsError, OSError):
            raise DataError(
                f"{folder / name}: not a readable Parquet file; write the dataset again"
            ) from None
        for column in COLUMNS:
            if found.get(column) != pl.String:
                what = f"is {found[column]}" if column in found else "is missing"
                raise DataError(
                    f"{folder / name}: column {column!r} {what}, a string is expected; "
                    "write the dataset again"
                )
    paths = [folder / name for name in info.files]
    rows = scan_parquet(paths).select(pl.len()).collect().item() if paths else 0
    if rows != info.counts.get("samples"):
        raise DataError(
            f"{folder}: {DATASET_FILE} says {info.counts.get('samples')} samples, the files hold "
            f"{rows}; write the dataset again"
        )
