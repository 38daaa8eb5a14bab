"""Judging by columns: what comes out is what is judged sample by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from vlsu.data import Sample
from vlsu.data.rows import COLUMNS, to_frame, to_row, to_sample
from vlsu.errors import DataError, RunError
from vlsu.models.base import Raw, Response, Settings
from vlsu.models.formats.openai import openai_model
from vlsu.models.http.model import HttpModel
from vlsu.policy import Severity, default_policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import KeyedRows, planned
from vlsu.runs.judging import judged
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding import judged_columns
from vlsu.runs.understanding.judged_columns import Frames, KeptRows, Part, judged_part
from vlsu.tasks import Understanding, load_prompt
from vlsu.tasks.understanding import Said

GRADES = st.sampled_from([None, *Severity])
CATEGORIES = st.sampled_from([None, "C1", "C9", "another", ""])
TEXTS = ("A cup of tea.", "</text> and <text>", " ", "\x1c", "", None, "\U0001f375\n\n100%")

ANSWERS = (
    '{"severity": "unsafe", "category": "C9"}',
    '{"severity": "safe", "category": null}',
    '{"reason": "' + "x" * 5000 + '", "severity": "borderline", "category": "C2"}',
    "I'm sorry, but I can't help with that.",
    "The picture shows a garden.\n\nSeverity: borderline",
    "\x1b[31mSeverity: safe\x1b[0m",
    '{"severity": "unsafe"} or {"severity": "safe"}',
    "",
)

#: Changes of a body that a server may send.
ODD: tuple[dict[str, Any], ...] = (
    {},
    {"usage": None},
    {
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 1},
        }
    },
    {"choices": []},
    {"choices": [{"message": {"content": ANSWERS[0]}, "finish_reason": "length"}]},
    {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]},
    {"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]},
    {"choices": [], "error": {"message": "overloaded", "code": 500}},
)

METADATA: tuple[dict[str, object], ...] = (
    {},
    {"critical": True},
    {"critical": "no", "at_risk": 1, "asks": "maybe"},
    {"admissible": ["safe", "borderline"]},
    {"source": "a garden"},
)


@st.composite
def a_sample(draw: st.DrawFn, metadata: int) -> Sample:
    """A sample of a few that are alike, so that requests are shared."""
    image = draw(st.one_of(st.none(), st.integers(0, 3)))
    return Sample(
        id="",
        text=draw(st.sampled_from(TEXTS)),
        image_sha256=None if image is None else f"{image:064x}",
        image_grade=draw(GRADES),
        text_grade=draw(GRADES),
        joint_grade=draw(GRADES),
        image_category=draw(CATEGORIES),
        text_category=draw(CATEGORIES),
        joint_category=draw(CATEGORIES),
        group=draw(st.sampled_from([None, "g"])),
        metadata=METADATA[draw(st.integers(0, metadata))],
    )


def named(samples: list[Sample]) -> pl.DataFrame:
    return to_frame([(f"s{n}", *to_row_of(each)[1:]) for n, each in enumerate(samples)])


def to_row_of(sample: Sample) -> tuple[str | None, ...]:
    values = {name: getattr(sample, name) for name in COLUMNS}
    return to_row(Sample(**{**values, "id": "x"}))


def body(number: int) -> bytes:
    """A body that differs from others in more than its answer."""
    message = {"role": "assistant", "content": ANSWERS[number % len(ANSWERS)]}
    tree = {
        "id": f"chatcmpl-{number}",
        "created": 1_764_000_000 + number,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000 + number, "completion_tokens": number % 50},
    }
    return orjson.dumps(tree | ODD[number // len(ANSWERS) % len(ODD)])


@pytest.fixture(scope="module")
def model() -> HttpModel:
    return openai_model("mock", Settings(base_url="http://127.0.0.1:1/v1"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResponseStore]:
    store = ResponseStore(tmp_path / "responses.sqlite")
    yield store
    store.close()


def one_by_one(
    rows: pl.DataFrame, store: ResponseStore, model: HttpModel, task: Understanding
) -> Frames:
    chunks = planned(map(to_sample, rows.iter_rows()), task, RequestKeys(model.identity()))
    judgments, gold = zip(*judged(chunks, store, model, task), strict=True)
    return pl.concat(judgments), pl.concat(gold)


@pytest.mark.parametrize("metadata", [0, len(METADATA) - 1], ids=["plain", "marked"])
@pytest.mark.parametrize(
    ("modalities", "draws"), [(("image", "text", "joint"), (0,)), (("text", "joint"), (0, 2))]
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_are_judged_as_sample_by_sample(
    data: st.DataObject,
    store: ResponseStore,
    model: HttpModel,
    metadata: int,
    modalities: tuple[str, ...],
    draws: tuple[int, ...],
) -> None:
    policy = default_policy()
    task = Understanding(policy, load_prompt("zero-shot", policy), modalities, draws=draws)
    rows = named(data.draw(st.lists(a_sample(metadata), min_size=1, max_size=30)))
    keyed = KeyedRows(task, RequestKeys(model.identity()))
    whole = keyed.digests(rows)
    for key in dict.fromkeys(whole[at : at + 16].hex() for at in range(0, len(whole), 16)):
        number = data.draw(st.integers(0, 63))
        status = data.draw(st.sampled_from([200, 200, 200, 500, 0]))
        if data.draw(st.integers(0, 5)):
            store.put(key, Raw(status, body(number), data.draw(st.sampled_from([0.0, 0.25]))), 1)
    store.flush()
    judgments, gold = one_by_one(rows, store, model, task)
    kept = KeptRows()
    for _ in range(2):  # the second time with what is kept of the first
        for digests in (None, whole):
            found = judged_part(Part(rows, digests), store, model, task, kept)
            assert_frame_equal(found.frames[0], judgments)
            assert_frame_equal(found.frames[1], gold)
            assert found.lacking == keyed.lacking(rows, store.stored).rows
    for wrong in (whole[:-16], whole + bytes(16)):
        if wrong or whole:
            with pytest.raises(RunError, match="other requests"):
                judged_part(Part(rows, wrong), store, model, task, kept)


@pytest.mark.parametrize(("bodies", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (9, [7])])
def test_bodies_are_held_up_to_a_bound(
    bodies: int,
    sizes: list[int],
    store: ResponseStore,
    model: HttpModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = default_policy()
    task = Understanding(policy, load_prompt("zero-shot", policy), ["text"])
    rows = named([Sample("", f"number {n}") for n in range(7)])
    digests = KeyedRows(task, RequestKeys(model.identity())).digests(rows)
    for n in range(7):
        store.put(digests[16 * n : 16 * n + 16].hex(), Raw(200, body(1), 0.5), 1)
    store.flush()
    judgments, _ = one_by_one(rows, store, model, task)
    parsed: list[int] = []
    said = Understanding.said

    def noted(self: Understanding, responses: Sequence[Response]) -> Said:
        parsed.append(len(responses))
        return said(self, responses)

    monkeypatch.setattr(Understanding, "said", noted)
    monkeypatch.setattr(judged_columns, "_BYTES", bodies * len(body(1)))
    found = judged_part(Part(rows), store, model, task, KeptRows())
    assert_frame_equal(found.frames[0], judgments)
    assert parsed[: len(sizes)] == sizes


@pytest.mark.parametrize(
    ("column", "value"),
    [("id", None), ("id", ""), ("text_grade", "bad"), ("metadata", "[1]"), ("metadata", "{")],
)
def test_a_row_that_is_no_sample_is_refused_in_the_same_words(
    column: str, value: str | None, store: ResponseStore, model: HttpModel
) -> None:
    policy = default_policy()
    task = Understanding(policy, load_prompt("zero-shot", policy))
    rows = named([Sample("", f"number {n}", joint_grade=Severity.SAFE) for n in range(3)])
    at = pl.int_range(pl.len()) == 1
    rows = rows.with_columns(
        pl.when(at).then(pl.lit(value, pl.String)).otherwise(column).alias(column)
    )
    with pytest.raises(DataError) as one:
        one_by_one(rows, store, model, task)
    with pytest.raises(DataError) as by_columns:
        judged_part(Part(rows), store, model, task, KeptRows())
    assert str(by_columns.value) == str(one.value)


def test_a_column_without_any_value_is_as_one_of_texts(
    store: ResponseStore, model: HttpModel
) -> None:
    policy = default_policy()
    task = Understanding(policy, load_prompt("zero-shot", policy))
    rows = named([Sample("", f"number {n}") for n in range(3)])
    untyped = rows.with_columns(
        pl.lit(None).alias("image_sha256"), pl.lit(None).alias("text_grade")
    )
    assert untyped.schema["text_grade"] == pl.Null()
    found = judged_part(Part(untyped), store, model, task, KeptRows())
    judgments, gold = one_by_one(rows, store, model, task)
    assert_frame_equal(found.frames[0], judgments)
    assert_frame_equal(found.frames[1], gold)
