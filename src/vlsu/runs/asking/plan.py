"""The plan: which requests a run needs, streamed so that its size never matters.

For asking, samples that share an image come next to each other, so that the image is read and
encoded once and a server's prefix cache, which holds the image's tokens, is hit while it is warm.
For judging, samples come in the dataset's order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

import polars as pl

from vlsu.data import Dataset, Sample
from vlsu.data.parquet import scan_parquet
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.runs.asking.dataset_files import File, files_of
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.parted import PartedRows
from vlsu.tasks import RequestSource, TaskRequest, Understanding

__all__ = [
    "ChosenSamples",
    "Chunk",
    "KeyedRows",
    "Lacking",
    "Planned",
    "Selection",
    "Subset",
    "keyed",
    "plan",
    "planned",
    "rank",
    "rows",
    "samples",
    "unanswered",
]

#: Samples looked at together: bounds memory, and one look into the store serves them all.
CHUNK = 16
#: Samples sorted by image at a time; a larger dataset is split by image first.
SORTED = 20_000
#: Samples whose requests are looked up together before any is planned: some milliseconds.
LOOKED_UP = 256
#: Samples of a draw that are kept once they are read: a start looks at them a dozen times.
KEPT = 256
#: Keys of requests about an image alone that are kept for further samples with the image.
KEPT_KEYS = 50_000
#: Rows read at a time where a part of a dataset is read in its order.
READ = 8192


class Planned(NamedTuple):
    """One request of a sample under its key."""

    key: str
    task_request: TaskRequest
    sample: Sample


class Chunk(NamedTuple):
    """Samples next to each other and the requests they need; a sample may need none.

    Attributes:
        stored: Further requests of the plan, of samples left out since all of theirs are stored.
    """

    samples: list[Sample]
    planned: list[Planned]
    stored: int = 0


class Selection(Protocol):
    """Which samples of a dataset a run covers."""

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""


@dataclass(frozen=True, slots=True)
class Subset:
    """All samples of a dataset, or `limit` drawn by `seed`.

    The draw takes the samples whose hash of seed and identifier is smallest, so a larger limit
    holds the smaller one, and what was asked for it is not asked again.
    """

    limit: int | None = None
    seed: int = 0

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""
        if self.limit is None or self.limit >= len(dataset):
            return dataset.frame()
        with dataset.reading():
            files = files_of(dataset)
            if self.limit <= KEPT:
                return _drawn_rows(files, self.limit, self.seed).lazy()
            return dataset.frame_with(_drawn(files, self.limit, self.seed))

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""
        return min(len(dataset), len(dataset) if self.limit is None else self.limit)


@dataclass(frozen=True, slots=True)
class ChosenSamples:
    """The samples with these identifiers."""

    ids: tuple[str, ...]

    def frame(self, dataset: Dataset) -> pl.LazyFrame:
        """The dataset's rows that the run covers, in the dataset's order."""
        return dataset.frame_with(pl.Series("id", self.ids, dtype=pl.String()))

    def size(self, dataset: Dataset) -> int:
        """How many samples the run covers."""
        return len(self.ids)


def rank(seed: int, id_: str) -> bytes:
    """Where a sample stands in the draws of this seed: the smallest come first."""
    return hashlib.blake2b(f"{seed}\x00{id_}".encode(), digest_size=8).digest()


@lru_cache(maxsize=2)
def _drawn(files: tuple[File, ...], limit: int, seed: int) -> pl.Series:
    """The `limit` identifiers in these files of the smallest rank, of equal ranks the smaller.

    A start looks at its samples several times, and ranks them once.
    """
    ids = scan_parquet(file.path for file in files).select("id").collect().get_column("id")
    ranks = pl.Series("rank", [rank(seed, id_) for id_ in ids], dtype=pl.Binary)
    return pl.DataFrame([ids, ranks]).bottom_k(limit, by=["rank", "id"]).get_column("id")


@lru_cache(maxsize=2)
def _drawn_rows(files: tuple[File, ...], limit: int, seed: int) -> pl.DataFrame:
    """The rows in these files with the identifiers that `_drawn` draws, in their order."""
    drawn = pl.col("id").is_in(_drawn(files, limit, seed).implode())
    return scan_parquet(file.path for file in files).filter(drawn).collect()


def samples(dataset: Dataset, selection: Selection, *, by_image: bool = False) -> Iterator[Sample]:
    """The samples that a run covers.

    Args:
        dataset: The dataset.
        selection: Which of its samples.
        by_image: Those sharing an image next to each other, else in the dataset's order.

    Raises:
        DataError: A file of samples is damaged, or a row cannot be read as a sample.
        RunError: The temporary folder is full.
    """
    whole = selection.size(dataset) >= len(dataset)
    with dataset.reading():
        if by_image:
            for part in _by_image(dataset, selection):
                yield from map(to_sample, part.iter_rows())
        elif whole:
            yield from dataset.samples()
        else:
            rows = selection.frame(dataset).select(COLUMNS)
            for part in rows.collect_batches(chunk_size=READ, maintain_order=True):
                yield from map(to_sample, part.iter_rows())


def rows(dataset: Dataset, selection: Selection, size: int) -> Generator[pl.DataFrame]:
    """The rows of the samples that a run covers, in the dataset's order, so many at a time.

    Args:
        dataset: The dataset.
        selection: Which of its samples.
        size: Rows of each part but the last, which may have fewer.

    Raises:
        DataError: A file of samples is damaged.
    """
    held = pl.DataFrame()
    with dataset.reading():
        frame = selection.frame(dataset).select(COLUMNS)
        for part in frame.collect_batches(chunk_size=size, maintain_order=True):
            held = pl.concat([held, part]) if held.height else part
            while held.height >= size:
                yield held[:size]
                held = held[size:]
    if held.height:
        yield held


def _by_image(dataset: Dataset, selection: Selection) -> Iterator[pl.DataFrame]:
    """The rows of the samples, those sharing an image next to each other."""
    frame = selection.frame(dataset).select(COLUMNS)
    parts = -(-selection.size(dataset) // SORTED)
    if parts <= 1:
        yield frame.collect(engine="streaming").sort("image_sha256", maintain_order=True)
        return
    # Digests are uniform, so their first digits split the images evenly.
    digits = pl.coalesce(
        pl.col("image_sha256").str.slice(0, 6).str.to_integer(base=16, strict=False),
        pl.col("id").hash() % 2**24,
    )
    with PartedRows(frame, digits % parts, parts) as parted:

        def part(number: int) -> pl.DataFrame:
            return parted.part(number).sort("image_sha256", maintain_order=True)

        with ThreadPoolExecutor(1, thread_name_prefix="samples") as reader:
            ahead = reader.submit(part, 0)
            for number in range(parts):
                rows = ahead.result()
                if number + 1 < parts:
                    ahead = reader.submit(part, number + 1)
                yield rows


def plan(
    dataset: Dataset,
    selection: Selection,
    task: RequestSource,
    keys: RequestKeys,
    *,
    by_image: bool = False,
) -> Iterator[Chunk]:
    """Every request of every sample, in chunks; requests that samples share come up each time."""
    return planned(samples(dataset, selection, by_image=by_image), task, keys)


def planned(covered: Iterable[Sample], task: RequestSource, keys: RequestKeys) -> Iterator[Chunk]:
    """Every request of these samples, in chunks and in their order."""
    left = iter(covered)
    while taken := list(islice(left, CHUNK)):
        requests = [
            Planned(keys.key(task_request.request), task_request, sample)
            for sample in taken
            for task_request in task.requests(sample)
        ]
        yield Chunk(taken, requests)


def keyed(covered: Iterable[Sample], task: Understanding, keys: RequestKeys) -> Iterator[Chunk]:
    """`planned` for judging: of each request the key, the modality and the draw, without content.

    The requests of a modality differ in their content alone, so that one stands for all, which
    takes half the time.
    """
    requests = {
        modality: [task.request(modality, (), draw) for draw in task.draws]
        for modality in task.modalities
    }
    of_modality = {
        modality: [(keys.like(each.request), each) for each in of_draws]
        for modality, of_draws in requests.items()
    }
    left = iter(covered)
    while taken := list(islice(left, CHUNK)):
        found = [
            Planned(key(parts), task_request, sample)
            for sample in taken
            for modality, parts in task.turns(sample.text, sample.image_sha256)
            for key, task_request in of_modality[modality]
        ]
        yield Chunk(taken, found)


class Lacking(NamedTuple):
    """Which of some rows have a request without a stored response.

    Attributes:
        rows: Their places, from 0.
        stored: How many requests the other rows have.
        digests: The keys of the requests of all rows, one after another.
    """

    rows: list[int]
    stored: int
    digests: bytes


class KeyedRows:
    """Makes the keys of all requests about rows of a dataset, without samples or requests.

    Args:
        task: Makes the requests.
        keys: Makes their keys.
    """

    def __init__(self, task: Understanding, keys: RequestKeys) -> None:
        self._task = task
        self._keys_of = {
            modality: [keys.like(task.request(modality, (), draw).request) for draw in task.draws]
            for modality in task.modalities
        }
        if "image" in self._keys_of:  # which samples share that do not stand together
            remembered = lru_cache(maxsize=KEPT_KEYS)
            self._keys_of["image"] = [remembered(key) for key in self._keys_of["image"]]

    def lacking(self, rows: pl.DataFrame, stored: Callable[[Sequence[str]], set[str]]) -> Lacking:
        """Which of these rows lack a response.

        Args:
            rows: Of a dataset: its texts and images.
            stored: Which of some keys have a response.
        """
        needed = self._needed(rows)
        names = [key for of_row in needed for key in of_row]
        there = stored(names)
        lacking: list[int] = []
        if len(there) < len(set(names)):
            lacking = [n for n, of_row in enumerate(needed) if not there.issuperset(of_row)]
        count = len(names) - sum(len(needed[n]) for n in lacking)
        return Lacking(lacking, count, _digests(names))

    def digests(self, rows: pl.DataFrame) -> bytes:
        """The keys of the requests of all rows, as of `Lacking`."""
        return _digests([key for of_row in self._needed(rows) for key in of_row])

    def _needed(self, rows: pl.DataFrame) -> list[list[str]]:
        """The keys of each row."""
        return [
            [key(parts) for modality, parts in turns for key in self._keys_of[modality]]
            for content in rows.select("text", "image_sha256").iter_rows()
            for turns in [self._task.turns(*content)]
        ]


def _digests(keys: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(keys))


def unanswered(
    dataset: Dataset,
    selection: Selection,
    task: Understanding,
    keys: RequestKeys,
    stored: Callable[[Sequence[str]], set[str]],
) -> Iterator[Chunk]:
    """`plan` by image, without the samples all of whose requests are stored.

    Of those neither samples nor chunks are made, which takes a third of the time.

    Args:
        dataset: The dataset.
        selection: Which of its samples.
        task: Makes the requests.
        keys: Makes their keys.
        stored: Which of some keys have a response.

    Raises:
        DataError: As `samples`.
        RunError: As `samples`, or the store is damaged.
    """
    keyed_rows = KeyedRows(task, keys)
    with dataset.reading():
        for part in _by_image(dataset, selection):
            for rows in part.iter_slices(LOOKED_UP):
                lacking = keyed_rows.lacking(rows, stored)
                yield Chunk([], [], lacking.stored)
                if lacking.rows:
                    yield from planned(map(to_sample, rows[lacking.rows].iter_rows()), task, keys)
