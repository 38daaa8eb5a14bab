"""From stored responses to judgments and metrics: run at any time, nothing is asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from vlsu.data import Sample
from vlsu.data.marks import ADMISSIBLE, MARKS, admissible, mark
from vlsu.data.parquet import literal, scan_parquet
from vlsu.errors import RunError
from vlsu.models.base import Fault, Model, Outcome, Raw, Response
from vlsu.policy import MODALITIES
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks import Judgment, Task

__all__ = [
    "GOLD",
    "LONGEST_PARSED",
    "MOST_PARSED",
    "NO_ANSWER",
    "SAMPLES",
    "Columns",
    "JudgmentsFile",
    "ParsedResponses",
    "batches",
    "gold_row",
    "grouped",
    "judged",
]


T = TypeVar("T")

#: Columns of the gold grades that judgments are compared with.
GOLD = pl.Schema(
    {
        "sample_id": pl.String(),
        **{f"{modality}_grade": pl.String() for modality in MODALITIES},
        "joint_category": pl.String(),
        **dict.fromkeys(MARKS, pl.Boolean()),
        ADMISSIBLE: pl.Int64(),
    }
)

#: Samples whose judgments are held in memory before they are written.
SAMPLES = 10_000
#: Rows written to ``judgments.parquet`` as one; several such are held as it is written and read.
_ROW_GROUP = 30_000
#: Requests whose responses are read from the store together, at least.
_READ = 500
#: Responses kept in memory to be judged, at most, and characters of each.
MOST_PARSED = 50_000
LONGEST_PARSED = 1000
#: What a request without a response is judged by.
NO_ANSWER = Response(Outcome.ERROR, fault=Fault("no-answer", "no response is stored"))


class ParsedResponses:
    """Responses parsed in this start, kept so that judging does not parse them again.

    All of them are in the store as well; at most `MOST_PARSED` are kept, and no long ones.
    """

    def __init__(self) -> None:
        self._responses: dict[str, tuple[Response, float | None]] = {}

    def add(self, key: str, raw: Raw, response: Response) -> None:
        """Keep a response, if there is room."""
        if (
            len(self._responses) < MOST_PARSED
            and len(response.text) + len(response.reasoning) <= LONGEST_PARSED
        ):
            self._responses[key] = response, raw.latency_s or None

    def get(self, key: str) -> tuple[Response, float | None] | None:
        """A response and its latency in seconds, if that is known; or `None`."""
        return self._responses.get(key)


def judged(
    chunks: Iterable[Chunk],
    store: ResponseStore,
    model: Model,
    task: Task,
    parsed: ParsedResponses | None = None,
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Judge a plan, in its order: judgments and gold grades of a batch of samples at a time.

    A request without a stored response is an `error`: it failed each time it was asked.

    Args:
        chunks: The plan.
        store: The responses.
        model: Parses them.
        task: Judges them.
        parsed: Responses that are parsed already.
    """
    parsed = parsed or ParsedResponses()
    judgments, gold = Columns(JUDGMENTS), Columns(GOLD)
    # Some at a time, so that neither requests nor responses outlive their judgments.
    for some in grouped(chunks, lambda chunk: len(chunk.planned), _READ):
        keys = dict.fromkeys([each.key for chunk in some for each in chunk.planned])
        found = {key: parsed.get(key) for key in keys}
        missing = [key for key, known in found.items() if known is None]
        for key, stored in store.each_response(missing) if missing else ():
            found[key] = model.read(stored.raw), stored.raw.latency_s or None
        for chunk in some:
            rows: list[tuple[object, ...]] = []
            for key, task_request, sample in chunk.planned:
                response, latency_s = found[key] or (NO_ANSWER, None)
                rows.append(_row(task.judge(sample, task_request, response), key, latency_s))
            judgments.extend(rows)
            gold.extend([*map(gold_row, chunk.samples)])
            if len(gold) >= SAMPLES:
                yield judgments.taken(), gold.taken()
    if len(gold):
        yield judgments.taken(), gold.taken()


class Columns:
    """Rows by column: of a table of strings and numbers no row is an object for long.

    Args:
        schema: Of the table.
    """

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._values: list[list[object]] = [[] for _ in schema]

    def __len__(self) -> int:
        return len(self._values[0])

    def extend(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Add rows, in the order of the schema."""
        for column, values in zip(self._values, zip(*rows, strict=True), strict=False):
            column.extend(values)

    def taken(self) -> pl.DataFrame:
        """The rows so far; none are left here."""
        columns, self._values = self._values, [[] for _ in self._schema]
        return pl.DataFrame(dict(zip(self._schema, columns, strict=True)), schema=self._schema)


def batches(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Chunks together, of at least `SAMPLES` samples but for the last."""
    return grouped(chunks, lambda chunk: len(chunk.samples), SAMPLES)


def grouped(items: Iterable[T], size: Callable[[T], int], least: int) -> Iterator[list[T]]:
    """Items that follow each other, together: of at least this size but for the last."""
    group: list[T] = []
    sizes = 0
    for each in items:
        group.append(each)
        sizes += size(each)
        if sizes >= least:
            yield group
            group, sizes = [], 0
    if group:
        yield group


def _row(judgment: Judgment, key: str, latency_s: float | None) -> tuple[object, ...]:
    """In the order of `JUDGMENTS`."""
    return (
        judgment.sample_id,
        judgment.modality,
        judgment.framing,
        None if judgment.expected is None else judgment.expected.label,
        None if judgment.predicted is None else judgment.predicted.label,
        judgment.outcome.value,
        judgment.category,
        judgment.p_unsafe,
        latency_s,
        judgment.input_tokens,
        judgment.output_tokens,
        key,
        judgment.expected_category,
        judgment.answer,
        judgment.cached_tokens,
        judgment.cache_write_tokens,
        judgment.reasoning_tokens,
    )


def gold_row(sample: Sample) -> tuple[object, ...]:
    """The gold grades of a sample, in the order of `GOLD`."""
    grades = (sample.image_grade, sample.text_grade, sample.joint_grade)
    labels = (None if grade is None else grade.label for grade in grades)
    marks = (mark(sample.metadata, name) for name in MARKS)
    others = admissible(sample.metadata)
    return (sample.id, *labels, sample.joint_category, *marks, others)


class JudgmentsFile:
    """One Parquet file, written in parts and put together at the end: whole or not at all.

    Raises:
        RunError: It cannot be written.
    """

    def __init__(self, path: Path, schema: pl.Schema = JUDGMENTS) -> None:
        self._path = path
        self._schema = schema
        self._parts: list[Path] = []

    def add(self, judgments: pl.DataFrame) -> None:
        """Write a part."""
        part = self._path.with_name(f".{self._path.name}.{len(self._parts):05}.tmp")
        self._parts.append(part)
        with self._explained():
            # Read once more, soon: written in half the time, and twice as large.
            judgments.write_parquet(literal(part), compression="lz4", statistics=False)

    def __enter__(self) -> JudgmentsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        whole = self._path.with_name(f".{self._path.name}.tmp")
        try:
            if kind is None:
                frame = scan_parquet(self._parts) if self._parts else self._schema.to_frame().lazy()
                with self._explained():
                    frame.sink_parquet(literal(whole), row_group_size=_ROW_GROUP)
                    with whole.open("rb") as file:
                        os.fsync(file.fileno())
                    whole.replace(self._path)
        finally:
            whole.unlink(missing_ok=True)
            for part in self._parts:
                part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what goes wrong in writing as a `RunError` of one line."""
        try:
            yield
        except (OSError, pl.exceptions.PolarsError) as error:
            why = " ".join(str(error).split())[:200]
            raise RunError(
                f"{self._path}: cannot be written ({why}); fix that and run the same command again"
            ) from None
