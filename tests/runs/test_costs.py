"""What a run has cost and what it was spared: caches, batches, and requests that were shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import vlsu
from tests.conftest import ChatServer, completion, grade
from tests.support.values import present
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Raw, Response, Settings
from vlsu.runs import BatchPrice, Limits, Price, ResponseStore
from vlsu.runs.asking.limits import known_price, read_price
from vlsu.runs.costs import Costs
from vlsu.runs.estimate import Estimate, timed
from vlsu.runs.record_schema import RunRecord

Serve = Callable[..., ChatServer]

#: Of every answer of the played server.
USAGE = {
    "prompt_tokens": 5000,
    "completion_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 4000},
}


def response(read: int, generated: int, cached: int = 0, written: int = 0) -> Response:
    return Response(
        Outcome.OK,
        input_tokens=read,
        output_tokens=generated,
        cached_tokens=cached,
        cache_write_tokens=written,
    )


def recorded(folder: Path, spec: str, price: Price) -> dict[str, Any]:
    """What a store of two responses costs, of which one came in a batch."""
    store = ResponseStore(folder / "responses.sqlite")
    for key, batched in (("a" * 32, False), ("b" * 32, True)):
        store.put(key, Raw(200, b"{}"), 1)
        store.put_usage(key, spec, response(5000, 100, 4000, 500), batched=batched)
    store.flush()
    found = Costs({spec: price}).record(store)["cost"]
    store.close()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("spec", "direct", "batched"),
    [
        # Input 5, output 25, read 0.5, written 6.25: in a batch half of each.
        (
            "anthropic/claude-opus-4-5",
            500 * 5 + 4000 * 0.5 + 500 * 6.25 + 100 * 25,
            (500 * 5 + 4000 * 0.5 + 500 * 6.25 + 100 * 25) / 2,
        ),
        # A hit costs 0.03 in a batch too: of the two discounts the larger one holds.
        (
            "google/gemini-2.5-flash",
            1000 * 0.3 + 4000 * 0.03 + 100 * 2.5,
            1000 * 0.15 + 4000 * 0.03 + 100 * 1.25,
        ),
        # No price of cached input is listed for batches of this model.
        (
            "openai/gpt-4.1",
            1000 * 2 + 4000 * 0.5 + 100 * 8,
            5000 * 1 + 100 * 4,
        ),
        ("openai/gpt-5", 1000 * 1.25 + 4000 * 0.125 + 100 * 10, 2 * 437.5 + 500),
    ],
)
def test_a_batch_is_priced_by_each_providers_rules(
    spec: str, direct: float, batched: float, tmp_path: Path
) -> None:
    price = present(known_price(spec))
    cost = recorded(tmp_path, spec, price)
    assert cost["total"] == pytest.approx((direct + batched) / 1e6, abs=1e-6)
    listed = 2 * (5000 * price.input + 100 * price.output) / 1e6
    saved = cost["saved"]
    assert sum(saved.values()) + cost["total"] == pytest.approx(listed, abs=3e-6)
    assert saved["batch"] == pytest.approx(listed / 4, abs=1e-6)  # half of half of it
    assert saved["shared"] == 0


def test_without_a_price_of_batches_they_cost_what_all_costs(tmp_path: Path) -> None:
    cost = recorded(tmp_path, "openai/m", Price(2.0, 8.0, cached=0.5))
    assert cost["total"] == pytest.approx(2 * (1000 * 2 + 4000 * 0.5 + 100 * 8) / 1e6, abs=1e-6)
    assert cost["saved"] == {
        "cache": pytest.approx(2 * 4000 * 1.5 / 1e6, abs=1e-6),
        "batch": 0.0,
        "shared": 0.0,
    }


def test_a_batchs_price_is_given_by_its_parts_or_by_a_factor(tmp_path: Path) -> None:
    parts = {"input": 2, "output": 8, "cached": 0.5, "batch": {"input": 1, "output": 3}}
    assert present(read_price(parts, "x/y")).batch == BatchPrice(1.0, 3.0)
    factor = {"input": 2, "output": 8, "cached": 0.5, "cache_write": 3, "batch": 0.5}
    assert present(read_price(factor, "x/y")).batch == BatchPrice(1.0, 4.0, 0.25, 1.5)
    file = tmp_path / "prices.yaml"
    file.write_text("prices: {x/y: {input: 2, output: 8, batch: 0.4}}\n")
    assert present(read_price(file, "x/y")).batch == BatchPrice(0.8, 3.2)
    for wrong in (-1, "half", {"input": 1}, [0.5], {"input": 1, "output": "nan"}):
        with pytest.raises(UsageError, match="expected input and output"):
            read_price({"input": 2, "output": 8, "batch": wrong}, "x/y")


def test_what_shared_requests_would_have_cost_again_is_saved(
    dataset: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    """Twelve samples have four images and four texts, so that 36 judgments need 20 requests."""
    server = chat_server(lambda body, n: grade("safe") | {"usage": USAGE})
    price = Price(3.0, 15.0, cached=0.3, batch=BatchPrice(1.5, 7.5, 0.15))
    run = vlsu.evaluate(
        dataset,
        model="openai/mock",
        base_url=server.base_url,
        out=tmp_path / "run",
        limits=Limits(price=price),
    )
    assert len(server.requests) == 20
    # The second witness: one more list price for each judgment that is not its request's first.
    again = run.judgments.filter(~pl.col("request_key").is_first_distinct()).height
    listed = (5000 * 3 + 40 * 15) / 1e6
    saved = run.record.cost.saved
    assert again == 16
    assert saved["shared"] == pytest.approx(again * listed, abs=1e-6)
    assert saved["cache"] == pytest.approx(20 * 4000 * 2.7 / 1e6, abs=1e-6)
    assert run.record.cost.total + sum(saved.values()) == pytest.approx(36 * listed, abs=3e-6)
    # Neither another start nor another price forgets it.
    again_run = vlsu.evaluate(
        dataset,
        model="openai/mock",
        base_url=server.base_url,
        out=tmp_path / "run",
        limits=Limits(price=Price(30.0, 150.0)),
    )
    assert again_run.record.cost.saved["shared"] == pytest.approx(160 * listed, abs=1e-5)


def test_verdicts_on_answers_that_are_alike_are_shared_too(
    dataset: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    """Every answer is the same, so that a pair is judged once, whatever the framing."""

    def respond(body: dict[str, object], n: int) -> dict[str, object]:
        judging = "refus" in str(body["messages"])
        text = '{"kind": "full_compliance", "helpfulness": 4}' if judging else "A plain answer."
        return completion(text)

    server = chat_server(respond)
    run = vlsu.align(
        dataset,
        model="openai/assistant",
        judges=["openai/judge"],
        framings=["default", "helpful"],
        out=tmp_path / "run",
        settings=Settings(base_url=server.base_url),
        judge_settings=Settings(base_url=server.base_url),
        limits=Limits(price=Price(1.0, 1.0)),
        judge_limits=[Limits(price=Price(100.0, 100.0))],
    )
    verdicts = pl.read_parquet(run.path / "verdicts.parquet")["judge_key"]
    shared = verdicts.len() - verdicts.n_unique()
    assert shared > 0
    answers = run.judgments["request_key"]
    spared = answers.len() - answers.n_unique()
    # The server says 11 tokens in and 7 out, of every request.
    expected = 18 * (shared * 100.0 + spared * 1.0) / 1e6
    assert run.record.cost.saved["shared"] == pytest.approx(expected, abs=1e-6)


def test_the_time_a_run_takes_is_that_at_the_slowest_known_rate() -> None:
    guess = Estimate(10, {"image": 300, "joint": 300}, 600, 10, 570_000, 30_000, None, None)
    before = RunRecord(
        started="2026-11-29T10:00:00+00:00",
        ended="2026-11-29T10:00:50+00:00",
        requests={"asked": 200},
    )
    known = timed(guess, before, Limits())
    assert (known.requests_per_s, known.seconds) == (4.0, 150.0)
    slower = timed(guess, before, Limits(requests_per_minute=60))
    assert (slower.requests_per_s, slower.seconds) == (1.0, 600.0)
    # 600,000 tokens are 600 requests, so 60,000 a minute are 60 requests.
    by_tokens = timed(guess, RunRecord(), Limits(tokens_per_minute=60_000))
    assert (by_tokens.requests_per_s, by_tokens.seconds) == (1.0, 600.0)
    assert timed(guess, RunRecord(), Limits()) == guess
    for odd in ({"ended": None}, {"ended": "yesterday"}, {"started": "2026-11-29T11:00:00+00:00"}):
        assert timed(guess, RunRecord({**before, **odd}), Limits()).seconds is None


@pytest.mark.parametrize(
    "price",
    [
        {"input": 1, "output": 2, "cahced": 0.1},
        {"input": 1, "output": 2, "batch": {"input": 1, "output": 2, "cahced": 0.1}},
    ],
)
def test_a_misspelt_part_of_a_price_is_no_part_left_out(price: object) -> None:
    with pytest.raises(UsageError, match="'cahced' is no part of a price; did you mean 'cached'"):
        read_price(price, "openai/m")
    with pytest.raises(UsageError, match="expected input and output"):
        read_price({"input": 1, "output": 2, "batch": True}, "openai/m")
