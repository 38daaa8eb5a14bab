"""From stored responses to judgments: run at any time, nothing is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from vlsu.models.base import Fault, Model, Outcome, Response
from vlsu.runs.plan import Planned
from vlsu.runs.store import ResponseStore
from vlsu.tasks import Task

__all__ = ["JUDGMENTS", "judge_frames", "write_judgments"]

#: Columns of ``judgments.parquet``.
JUDGMENTS = pl.Schema(
    {
        "sample_id": pl.String(),
        "modality": pl.String(),
        "framing": pl.String(),
        "expected": pl.String(),
        "predicted": pl.String(),
        "outcome": pl.String(),
        "category": pl.String(),
        "p_unsafe": pl.Float64(),
        "latency_s": pl.Float64(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "request_key": pl.String(),
        "expected_category": pl.String(),
        "answer": pl.String(),
    }
)

#: Rows gathered before they are written.
ROWS = 50_000
_NO_ANSWER = Response(Outcome.ERROR, fault=Fault("no-answer", "no response is stored"))


def judge_frames(
    chunks: Iterable[list[Planned]], store: ResponseStore, model: Model, task: Task
) -> Iterator[pl.DataFrame]:
    """Judgments of a plan, in its order, a frame for each `ROWS` of them.

    A request without a stored response is an `error`: it failed each time it was asked.
    """
    rows: list[dict[str, object]] = []
    for chunk in chunks:
        stored = store.responses(list({p.key for p in chunk}))
        read = {key: model.read(response.raw) for key, response in stored.items()}
        for planned in chunk:
            judgment = task.judge(planned.sample, planned.ask, read.get(planned.key, _NO_ANSWER))
            row: dict[str, object] = {
                field.name: getattr(judgment, field.name) for field in dataclasses.fields(judgment)
            }
            for name in ("expected", "predicted"):
                row[name] = None if row[name] is None else str(row[name])
            row["outcome"] = judgment.outcome.value
            response = stored.get(planned.key)
            row["latency_s"] = None if response is None else response.raw.latency_s
            row["request_key"] = planned.key
            rows.append(row)
        if len(rows) >= ROWS:
            yield pl.DataFrame(rows, schema=JUDGMENTS)
            rows = []
    yield pl.DataFrame(rows, schema=JUDGMENTS)


def write_judgments(frames: Iterable[pl.DataFrame], path: Path) -> None:
    """Write the frames as one Parquet file, whole or not at all, in flat memory."""
    parts: list[Path] = []
    whole = path.with_name(f".{path.name}.tmp")
    try:
        for n, frame in enumerate(frames):
            part = path.with_name(f".{path.name}.{n:05}.tmp")
            frame.write_parquet(part)
            parts.append(part)
        pl.scan_parquet(parts).sink_parquet(whole)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
        for part in parts:
            part.unlink(missing_ok=True)
