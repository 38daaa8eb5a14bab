"""Judging part of a run's samples by columns.

A judgment of the understanding task is a row of what the dataset says of a sample and a modality,
and a row of what a response says. So no sample, request or judgment is made as an object: of a
million they take as long as all else. What comes out is what `vlsu.runs.judging.judged` makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from vlsu.data.marks import ADMISSIBLE, MARKS
from vlsu.data.rows import known_grades, to_sample
from vlsu.errors import RunError
from vlsu.models.base import Model, Response
from vlsu.policy import MODALITIES
from vlsu.runs.asking.keys import DIGITS, RequestKeys
from vlsu.runs.asking.plan import KeyedRows
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.judging import (
    GOLD,
    LONGEST_PARSED,
    MOST_PARSED,
    NO_ANSWER,
    Columns,
    gold_row,
    grouped,
)
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.tasks.understanding import Said, Understanding

__all__ = ["Frames", "JudgedPart", "KeptRows", "Part", "judged_part"]

#: Judgments and gold grades of a part.
Frames = tuple[pl.DataFrame, pl.DataFrame]

#: Columns of judgments that the response alone decides, but for its key.
_SAID = pl.Schema({name: JUDGMENTS[name] for name in (*Said._fields, "latency_s")})
#: In the order of `_SAID`.
_SaidRow = tuple[object, ...]
#: Responses parsed together at most, and bytes of their bodies from which on no more are.
_READ, _BYTES = 500, 2**20

_GRADES = tuple(f"{modality}_grade" for modality in MODALITIES)


class Part(NamedTuple):
    """Some rows of a dataset.

    Attributes:
        rows: The rows.
        digests: The keys of their requests, if they are known (`vlsu.runs.asking.plan.Lacking`).
    """

    rows: pl.DataFrame
    digests: bytes | None = None


class JudgedPart(NamedTuple):
    """A part, judged.

    Attributes:
        frames: Its judgments and gold grades.
        lacking: Places in the part, from 0, of samples with a request that has no response.
    """

    frames: Frames
    lacking: list[int]


class KeptRows:
    """What responses about images alone say, which samples of other parts may show as well.

    At most `MOST_PARSED` are kept, and no long ones.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _SaidRow] = {}

    def add(self, key: str, response: Response, row: _SaidRow) -> None:
        """Keep what a response says, if there is room."""
        if len(self._rows) < MOST_PARSED and len(response.text) <= LONGEST_PARSED:
            self._rows[key] = row

    def get(self, key: str) -> _SaidRow | None:
        """What the response of this key says; `None` if that is not kept."""
        return self._rows.get(key)


def judged_part(
    part: Part, store: ResponseStore, model: Model, task: Understanding, kept: KeptRows
) -> JudgedPart:
    """Judge some rows of a dataset.

    A request without a stored response is an `error`: it failed each time it was asked.

    Args:
        part: The rows.
        store: The responses.
        model: Parses them.
        task: Judges them.
        kept: What is known of responses about images; it is added to.

    Raises:
        DataError: A row cannot be read as a sample.
        RunError: The store is damaged, or the keys are those of other requests.
    """
    rows, digests = part.rows.cast(pl.String()), part.digests
    gold = _gold(rows)
    if digests is None:
        digests = KeyedRows(task, RequestKeys(model.identity())).digests(rows)
    begin = {modality: number * rows.height for number, modality in enumerate(MODALITIES)}
    places = [  # of each request its row in `_expected`
        begin[modality] + number
        for number, content in enumerate(rows.select("text", "image_sha256").iter_rows())
        for modality in task.asked_about(*content)
        for _ in task.draws
    ]
    keys = _keys(digests)
    if len(keys) != len(places):
        raise RunError("the keys of other requests")
    images = range(begin["image"], begin["image"] + rows.height)
    of_images = {key for key, place in zip(keys, places, strict=True) if place in images}
    said = _said(dict.fromkeys(keys), of_images, store, model, task, kept)
    ((*no_answer,),) = zip(*task.said([NO_ANSWER]), strict=True)
    responses = Columns(_SAID)
    responses.extend([said.get(key) or (*no_answer, None) for key in keys])
    request_key = pl.Series("request_key", keys, JUDGMENTS["request_key"])
    judgments = pl.concat(
        [_expected(rows)[places], responses.taken(), request_key.to_frame()], how="horizontal"
    ).select(JUDGMENTS.names())
    lacking: list[int] = []
    if len(said) < len(set(keys)):
        there = pl.Series([key in said for key in keys])
        ids = judgments.filter(~there).get_column("sample_id")
        lacking = rows.get_column("id").is_in(ids.implode()).arg_true().to_list()
    return JudgedPart((judgments, gold), lacking)


def _keys(digests: bytes) -> list[str]:
    names = digests.hex()
    return [names[at : at + DIGITS] for at in range(0, len(names), DIGITS)]


def _said(
    keys: Iterable[str],
    of_images: set[str],
    store: ResponseStore,
    model: Model,
    task: Understanding,
    kept: KeptRows,
) -> dict[str, _SaidRow]:
    """What the responses of these keys say, of those that have one."""
    known = {key: kept.get(key) for key in of_images}
    said = {key: row for key, row in known.items() if row is not None}
    found = store.each_response([key for key in keys if key not in said])
    # Each step for many of them is quicker than all steps for each.
    for some in grouped(found, _bytes_of, _BYTES):
        names = [key for key, _ in some]
        responses = [model.read(stored.raw) for _, stored in some]
        latencies = [stored.raw.latency_s or None for _, stored in some]
        rows = zip(*task.said(responses), latencies, strict=True)
        for key, response, row in zip(names, responses, rows, strict=True):
            said[key] = row
            if key in of_images:
                kept.add(key, response, row)
    return said


def _bytes_of(found: tuple[str, Stored]) -> int:
    """Of a response's body, or as many as let no more than `_READ` be parsed together."""
    return max(len(found[1].raw.body), -(-_BYTES // _READ))


def _expected(rows: pl.DataFrame) -> pl.DataFrame:
    """What the dataset says of each row and modality: of all rows the first, then the next."""
    return pl.concat(
        rows.select(
            sample_id="id",
            modality=pl.lit(modality),
            framing=pl.lit(None, pl.String()),
            expected=f"{modality}_grade",
            expected_category=f"{modality}_category",
        )
        for modality in MODALITIES
    )


def _gold(rows: pl.DataFrame) -> pl.DataFrame:
    """The gold grades of the samples, whose rows are seen to be readable.

    Raises:
        DataError: One is not.
    """
    plain = pl.col("metadata").fill_null("").is_in(["", "{}"]) & (pl.col("id").fill_null("") != "")
    if not rows.select(pl.all_horizontal(plain, *known_grades()).all()).item():
        gold = Columns(GOLD)
        gold.extend([gold_row(to_sample(row)) for row in rows.iter_rows()])
        return gold.taken()
    marks = {name: pl.lit(None, pl.Boolean()) for name in MARKS}
    return rows.select(
        "joint_category", *_GRADES, sample_id="id", **marks, **{ADMISSIBLE: pl.lit(0, pl.Int64())}
    ).select(GOLD.names())
