"""Runs by batches: the same result as without, whatever the provider does in between."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import make_dataset
from tests.support.alignment_runs import Answering, judge
from tests.support.memory_batches import LostError, MemoryProvider, asked_twice
from tests.support.report_runs import Scripted
from vlsu.errors import ModelError, RunError, UsageError
from vlsu.models.base import Raw
from vlsu.models.batching.base import (
    BatchAnswer,
    BatchLimits,
    BatchRefusedError,
    BatchState,
    BatchUnavailableError,
)
from vlsu.models.formats.wire import malformed_response, parse_object
from vlsu.models.http.model import http_fault
from vlsu.models.inprocess import InProcessModel
from vlsu.report.table import ABSENT
from vlsu.report.usage import latency_chart, usage, usage_table
from vlsu.runs import (
    Limits,
    ResponseStore,
    UnderstandingOptions,
    align,
    evaluate,
    load_run,
    prepare,
)
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.limits import BatchPrice, Price
from vlsu.runs.batching.journal import Draft, Journal
from vlsu.runs.finished.ledger import ledger


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "dataset", 30, 10)


class Wired(InProcessModel):
    """Reads what is no answer as the formats of providers do."""

    def read(self, raw):
        if raw.status != 200:
            return http_fault(raw.status, raw.body.decode())
        if parse_object(raw.body) is None:
            return malformed_response("the answer is not a JSON object")
        return super().read(raw)


def model_of(dataset):
    return Wired("scripted/oracle", Scripted(dataset))


@pytest.fixture
def direct(dataset, tmp_path):
    """The same run without batches."""
    return evaluate(dataset, model=model_of(dataset), out=tmp_path / "direct")


def run(dataset, out, provider, **settings):
    batch = settings.pop("batch", None) or provider.batching()
    return evaluate(dataset, model=model_of(dataset), out=out, batch=batch, **settings)


def metrics(done):
    return (done.path / "metrics.json").read_bytes()


def out(done):
    """Batches of a run whose answers are still to come."""
    return len(Journal(done.path).open())


def test_the_result_is_that_of_the_run_without_batches(dataset, direct, tmp_path):
    provider = MemoryProvider()
    done = run(dataset, tmp_path / "R", provider)
    assert metrics(done) == metrics(direct)
    columns = [name for name in done.judgments.columns if name != "latency_s"]
    assert done.judgments.select(columns).equals(direct.judgments.select(columns))
    assert len(provider.batches) == 1
    assert out(done) == 0
    assert done.judgments["latency_s"].is_null().all()  # of which a batch says nothing
    (used,) = usage(done.scan(), "modality", ["joint"])
    (like,) = usage(direct.scan(), "modality", ["joint"])
    assert (used.requests, used.input_tokens) == (like.requests, like.input_tokens)
    assert used.latency_s["p50"] is None
    assert latency_chart([used], "modality") is None
    assert usage_table([used], "modality").rows[0][1:5] == (str(used.requests), *[ABSENT] * 3)
    assert done.record["requests"]["asked"] == direct.record["requests"]["asked"]
    assert list((done.path / "batches").iterdir()) == []
    again = run(dataset, tmp_path / "R", provider)
    assert (again.record["requests"]["asked"], len(provider.batches)) == (0, 1)


def test_what_has_no_answer_counts_as_no_request_though_a_batch_has_no_latency(dataset, tmp_path):
    refused: list[str] = []

    def first_refused(answer, times):
        if not refused or answer.key in refused:
            refused.append(answer.key)
            return [answer._replace(raw=Raw(400, b"{}"))]
        return [answer]

    done = run(dataset, tmp_path / "R", MemoryProvider(answer=first_refused))
    modalities = ("image", "text", "joint")
    asked = done.judgments["request_key"].n_unique()
    assert sum(each.requests for each in usage(done.scan(), "modality", modalities)) == asked - 1
    lines = ledger(done).lines
    assert sum(line.requests or 0 for line in lines if line.part == "modality") == asked - 1


def test_batches_are_split_at_the_provider_s_limits(dataset, direct, tmp_path):
    by_count = MemoryProvider(BatchLimits(7, 10**6))
    assert metrics(run(dataset, tmp_path / "R", by_count)) == metrics(direct)
    sizes = [len(held.keys) for held in by_count.batches.values()]
    assert sizes[:-1] == [7] * (len(sizes) - 1)
    line = len(orjson.dumps({"custom_id": "0" * 32})) + 1
    by_size = MemoryProvider(BatchLimits(1000, 5 * line))
    assert metrics(run(dataset, tmp_path / "S", by_size)) == metrics(direct)
    assert max(len(held.keys) for held in by_size.batches.values()) == 5


def test_a_start_may_end_at_once_and_a_later_one_collects(dataset, direct, tmp_path):
    provider = MemoryProvider(looks=2)
    at_once = provider.batching(wait_s=0.0)
    first = run(dataset, tmp_path / "R", provider, batch=at_once)
    assert first.record["stop_reason"] == "waiting"
    assert "1 batch of scripted/oracle" in first.record["stopped"]
    assert out(first) == 1
    second = run(dataset, tmp_path / "R", provider, batch=at_once)
    assert second.record["stop_reason"] == "waiting"
    third = run(dataset, tmp_path / "R", provider, batch=at_once)
    assert metrics(third) == metrics(direct)
    assert not asked_twice(provider)


def test_a_start_without_batches_does_not_ask_again_what_is_out(dataset, tmp_path):
    provider = MemoryProvider(looks=9)
    run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
    with pytest.raises(RunError, match=r"in batches with the provider.*--batch to collect"):
        evaluate(dataset, model=model_of(dataset), out=tmp_path / "R")


def test_a_submit_whose_answer_is_lost_is_found_again(dataset, direct, tmp_path):
    provider = MemoryProvider(faults={"submit": [LostError("broke")]})
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert len(provider.batches) == 1


def test_a_submit_that_never_arrived_is_made_again(dataset, direct, tmp_path):
    provider = MemoryProvider(faults={"submit": [BatchUnavailableError("no connection")] * 2})
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert (len(provider.batches), provider.calls["submit"]) == (1, 3)


def test_while_others_are_there_a_batch_that_is_not_taken_waits(dataset, direct, tmp_path):
    refused: list[Exception | None] = [
        None,
        *[BatchUnavailableError("HTTP 429: too many enqueued")] * 50,
    ]
    provider = MemoryProvider(BatchLimits(20, 10**6), looks=3, faults={"submit": refused})

    def ended(number):
        refused.clear()
        return BatchState.ENDED

    provider.end = ended
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not asked_twice(provider)


def test_what_came_to_nothing_is_asked_again(dataset, direct, tmp_path):
    def some_fail(answer, times):
        fate = int(answer.key, 16) % 5
        if times > 1 or fate > 2:
            return [answer]
        faults = [Raw(429, b"{}"), Raw(0, b"batch: expired")]
        return [answer._replace(raw=faults[fate])] if fate < 2 else []

    provider = MemoryProvider(answer=some_fail)
    model = model_of(dataset)
    done = evaluate(dataset, model=model, out=tmp_path / "R", batch=provider.batching())
    assert metrics(done) == metrics(direct)
    assert len(provider.batches) == 2
    assert set(asked_twice(provider).values()) == {2}
    assert done.record["requests"]["errors"] == done.record["requests"]["retries"]


def test_what_always_comes_to_nothing_is_an_error_after_three_batches(dataset, tmp_path):
    model = model_of(dataset)
    chosen = lambda key: int(key, 16) % 7 == 0  # noqa: E731
    provider = MemoryProvider(answer=lambda answer, times: [] if chosen(answer.key) else [answer])
    at_once = provider.batching(wait_s=0.0)
    done = evaluate(dataset, model=model, out=tmp_path / "R", batch=at_once)
    assert len(provider.batches) == 3
    missing = {key for key in provider.requests if chosen(key)}
    assert missing
    assert done.finished
    assert set(asked_twice(provider)) == missing
    errors = done.judgments.filter(done.judgments["outcome"] == "error")
    assert set(errors["request_key"]) == missing
    # A later start has new tries.
    provider.answer = lambda answer, times: [answer]
    again = evaluate(dataset, model=model, out=tmp_path / "R", batch=at_once)
    assert "error" not in again.judgments["outcome"].to_list()


def test_what_an_earlier_start_gave_up_does_not_count_as_stored(dataset, tmp_path):
    def some_fail(answer, times):
        fate = int(answer.key, 16) % 5
        if fate == 0:  # which every further try would meet
            return [answer._replace(raw=Raw(400, b"{}"))]
        return [] if fate == 1 and times == 1 else [answer]

    provider = MemoryProvider(answer=some_fail, looks=1)
    requests: dict[str, Any] = {"stored": 0}
    for _ in range(6):
        stored = requests["stored"]
        done = run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
        requests = done.record["requests"]
        if done.finished:
            break
    refused = sum(int(key, 16) % 5 == 0 for key in provider.requests)
    assert refused > 0
    assert requests["asked"] > 0
    assert requests["reused"] == stored
    assert requests["asked"] + stored + refused == len(provider.requests)
    assert requests["shared"] == len(done.judgments) - len(provider.requests)


@pytest.mark.parametrize("state", [BatchState.EXPIRED, BatchState.CANCELLED])
def test_expired_and_cancelled_batches_leave_the_rest_to_be_asked(dataset, direct, tmp_path, state):
    provider = MemoryProvider(end=lambda number: BatchState.ENDED if number else state)
    half = lambda answer, times: [answer] if times > 1 or int(answer.key, 16) % 2 else []  # noqa: E731
    provider.answer = half
    model = model_of(dataset)
    done = evaluate(dataset, model=model, out=tmp_path / "R", batch=provider.batching())
    assert metrics(done) == metrics(direct)
    assert len(provider.batches) == 2


def test_doubled_and_foreign_answers_are_left_out(dataset, direct, tmp_path):
    def doubled(answer, times):
        other = answer._replace(raw=Raw(200, b'{"text": "{\\"severity\\": \\"unsafe\\"}"}'))
        return [answer._replace(key="f" * 32), answer, other]

    provider = MemoryProvider(answer=doubled)
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)


def test_answers_that_break_off_are_fetched_again(dataset, direct, tmp_path):
    provider = MemoryProvider(faults={"answers": [BatchUnavailableError("broke")] * 2})
    done = run(dataset, tmp_path / "R", provider)
    assert metrics(done) == metrics(direct)
    assert provider.calls["answers"] == 3
    assert done.record["requests"]["asked"] == direct.record["requests"]["asked"]


def test_a_batch_that_is_too_much_is_tried_by_halves(dataset, direct, tmp_path):
    provider = MemoryProvider()

    def accepted(number):
        held = provider.batches[f"batch-{number}"]
        held.message = "token_limit_exceeded: enqueued token limit reached"
        return BatchState.ENDED if len(held.keys) <= 20 else BatchState.FAILED

    provider.end = accepted
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)


def test_a_batch_that_is_more_than_the_account_may_have_is_tried_by_halves(
    dataset, direct, tmp_path
):
    full = [BatchUnavailableError("HTTP 429: enqueued tokens", full=True)] * 2
    provider = MemoryProvider(faults={"submit": [*full]})
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    whole = len(provider.requests)
    assert max(len(held.keys) for held in provider.batches.values()) == whole // 2 // 2


def test_a_provider_that_accepts_nothing_stops_the_run(dataset, tmp_path):
    provider = MemoryProvider(end=lambda number: BatchState.FAILED)
    with pytest.raises(ModelError, match="accepts no batch"):
        run(dataset, tmp_path / "R", provider)
    assert len(provider.batches) == 3
    assert Journal(tmp_path / "R").open() == []


def test_a_provider_that_is_gone_stops_the_run_and_the_next_start_goes_on(
    dataset, direct, tmp_path
):
    gone = [BatchUnavailableError("cannot connect")] * 1000
    provider = MemoryProvider(faults={"status": list(gone)})
    with pytest.raises(ModelError, match=r"cannot connect.*run the same command again"):
        run(dataset, tmp_path / "R", provider)
    provider.faults.clear()
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not asked_twice(provider)


def test_a_fault_that_every_request_would_meet_stops_the_run(dataset, tmp_path):
    provider = MemoryProvider(answer=lambda answer, times: [answer._replace(raw=Raw(401, b"{}"))])
    model = model_of(dataset)
    with pytest.raises(ModelError, match="HTTP 401"):
        evaluate(dataset, model=model, out=tmp_path / "R", batch=provider.batching())
    assert len(provider.batches) == 1


def test_a_batch_that_the_provider_refuses_is_not_out(dataset, direct, tmp_path):
    refused = BatchRefusedError("HTTP 401: the key was revoked")
    provider = MemoryProvider(BatchLimits(20, 10**6), faults={"submit": [None, refused]}, looks=3)
    with pytest.raises(ModelError, match="HTTP 401"):
        run(dataset, tmp_path / "R", provider)
    (there,) = Journal(tmp_path / "R").open()  # the one before it, which was taken
    assert there.id == "batch-0"
    cancelled = run(dataset, tmp_path / "R", provider, batch=provider.batching(cancel=True))
    assert cancelled.record["stopped"].startswith("1 batch of scripted/oracle with 20 requests")
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)


def test_where_a_batch_may_have_been_taken_a_refusal_closes_nothing(dataset, direct, tmp_path):
    refused = BatchRefusedError("HTTP 401: the key was revoked")
    provider = MemoryProvider(faults={"submit": [LostError("broke")], "find": [refused]})
    with pytest.raises(ModelError, match="HTTP 401"):
        run(dataset, tmp_path / "R", provider)
    assert len(Journal(tmp_path / "R").open()) == 1
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not asked_twice(provider)


@pytest.mark.parametrize("starts", [1, 2])
def test_one_that_was_taken_and_is_not_listed_yet_stays_open_when_it_is_refused(
    dataset, direct, tmp_path, starts
):
    lost = LostError("broke")
    refused = BatchRefusedError("HTTP 403: the key is of another project")
    provider = MemoryProvider(faults={"submit": [lost] * starts + [refused]}, unlisted=2)
    if starts == 2:  # another start is the first to find nothing
        provider.faults["submit"] = [lost]
        with pytest.raises(ModelError, match="broke"):
            run(dataset, tmp_path / "R", provider, batch=provider.batching(patience_s=0.0))
        provider.faults["submit"] = [refused]
    with pytest.raises(ModelError, match="HTTP 403"):
        run(dataset, tmp_path / "R", provider)
    assert len(Journal(tmp_path / "R").open()) == 1
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not asked_twice(provider)


def test_what_was_never_handed_in_is_not_called_cancelled(dataset, tmp_path):
    provider = MemoryProvider(faults={"submit": [BatchUnavailableError("no connection")] * 99})
    with pytest.raises(ModelError, match="no connection"):
        run(dataset, tmp_path / "R", provider)
    provider.faults.clear()
    done = run(dataset, tmp_path / "R", provider, batch=provider.batching(cancel=True))
    assert done.record["stopped"] == "no batch cancelled, 0 answers collected"


def test_where_nothing_was_answered_there_is_no_result(dataset, tmp_path):
    provider = MemoryProvider(answer=lambda answer, times: [answer._replace(raw=Raw(400, b"{}"))])
    model = model_of(dataset)
    with pytest.raises(ModelError, match="no request was answered"):
        evaluate(dataset, model=model, out=tmp_path / "R", batch=provider.batching())


def lost(folder):
    for file in folder.glob("batches/*.keys"):
        file.unlink()


def cut(folder):
    for file in folder.glob("batches/*.keys"):
        file.write_text(file.read_text()[:50])


@pytest.mark.parametrize("damage", [lost, cut])
@pytest.mark.parametrize("cancelled", [False, True])
def test_without_the_keys_of_a_batch_its_answers_say_what_was_asked(
    dataset, direct, tmp_path, caplog, damage, cancelled
):
    provider = MemoryProvider(BatchLimits(7, 10**6), looks=2)
    run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0))
    handed_in = len(provider.batches)
    damage(tmp_path / "R")
    if cancelled:
        stopped = run(dataset, tmp_path / "R", provider, batch=provider.batching(cancel=True))
        assert out(stopped) == 0
    else:
        still = run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0))
        assert (out(still), len(provider.batches)) == (handed_in, handed_in)
        assert "the answers, which have them, are waited for" in caplog.text
    done = run(dataset, tmp_path / "R", provider)
    assert (metrics(done), out(done)) == (metrics(direct), 0)
    assert not asked_twice(provider)


def test_the_keys_of_a_batch_that_may_be_there_are_those_of_its_requests(dataset, direct, tmp_path):
    gone = [BatchUnavailableError("cannot connect")] * 1000
    provider = MemoryProvider(faults={"submit": [LostError("lost")], "find": [*gone]})
    with pytest.raises(ModelError, match="cannot connect"):
        run(dataset, tmp_path / "R", provider)
    provider.faults.clear()
    lost(tmp_path / "R")
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert len(provider.batches) == 1


def test_bounds_hold(dataset, direct, tmp_path):
    provider = MemoryProvider()
    stopped = run(dataset, tmp_path / "R", provider, limits=Limits(max_requests=10))
    assert stopped.record["stop_reason"] == "budget"
    assert len(provider.requests) >= sum(len(held.keys) for held in provider.batches.values()) == 10
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not asked_twice(provider)


def test_what_is_handed_in_is_likely_to_be_within_the_bound_on_cost(dataset, tmp_path):
    provider = MemoryProvider()
    price = Price(input=1000.0, output=1000.0)  # an answer costs 0.812, and the run needs over 40
    limits = Limits(max_cost=10.0, price=price)
    stopped = run(dataset, tmp_path / "R", provider, limits=limits)
    assert stopped.record["stop_reason"] == "budget"
    assert 5 < sum(len(held.keys) for held in provider.batches.values()) <= 20


def test_what_an_earlier_start_handed_in_counts_against_the_bound_of_the_next(dataset, tmp_path):
    provider = MemoryProvider(BatchLimits(5, 10**6), looks=20)
    limits = Limits(max_cost=10.0, price=Price(1000.0, 1000.0))
    handed_in = []
    for _ in range(3):
        at_once = provider.batching(wait_s=0.0)
        run(dataset, tmp_path / "R", provider, batch=at_once, limits=limits)
        handed_in.append(sum(len(held.keys) for held in provider.batches.values()))
    assert handed_in[0] > 5
    assert handed_in == [handed_in[0]] * 3


def test_draws_and_a_probe_are_handed_in_together(tmp_path):
    settings: dict[str, Any] = {
        "draws": 3,
        "params": {"temperature": 1},
        "probe": "swap",
        "limit": 40,
    }
    model = lambda: InProcessModel("scripted/oracle", Scripted(vlsu_mini()))  # noqa: E731
    provider = MemoryProvider()
    direct = evaluate("vlsu-mini", model=model(), out=tmp_path / "D", **settings)
    done = evaluate(
        "vlsu-mini", model=model(), out=tmp_path / "R", batch=provider.batching(), **settings
    )
    assert metrics(done) == metrics(direct)
    assert len(provider.batches) == 1


def vlsu_mini():
    from vlsu.data import load

    return load("vlsu-mini")


def test_steps_of_a_draw_are_a_batch_each(tmp_path):
    settings: dict[str, Any] = {"until": "joint.f1_macro +- 0.15"}
    model = lambda: InProcessModel("scripted/oracle", Scripted(vlsu_mini()))  # noqa: E731
    provider = MemoryProvider(looks=1)
    direct = evaluate("vlsu-mini", model=model(), out=tmp_path / "D", **settings)
    for _ in range(20):
        at_once = provider.batching(wait_s=0.0)
        done = evaluate("vlsu-mini", model=model(), out=tmp_path / "R", batch=at_once, **settings)
        if done.finished:
            break
    assert metrics(done) == metrics(direct)
    assert not asked_twice(provider)


@pytest.mark.parametrize("direct_judge", [False, True])
def test_answers_and_verdicts_of_an_alignment_run(tmp_path, direct_judge):
    def aligned(out, **more):
        return align(
            "vlsu-mini",
            model=InProcessModel("scripted/assistant", Answering()),
            judges=[judge()],
            limit=30,
            out=out,
            **more,
        )

    direct = aligned(tmp_path / "D")
    without = frozenset({"scripted/judge"} if direct_judge else ())
    provider = MemoryProvider(looks=1, without=without)
    at_once = provider.batching(wait_s=0.0)
    starts = [aligned(tmp_path / "R", batch=at_once) for _ in range(2 if direct_judge else 3)]
    assert [each.finished for each in starts] == [False] * (len(starts) - 1) + [True]
    assert metrics(starts[-1]) == metrics(direct)
    assert len(provider.batches) == len(starts) - 1


def test_a_model_without_batches_is_refused_before_anything_is_made(dataset, tmp_path):
    provider = MemoryProvider(without=frozenset({"scripted/oracle"}))
    with pytest.raises(UsageError, match="no batch interface"):
        run(dataset, tmp_path / "R", provider)
    assert not (tmp_path / "R").exists()


def test_a_damaged_journal_is_no_empty_one(dataset, tmp_path):
    provider = MemoryProvider(looks=9)
    run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
    file = tmp_path / "R" / "batches.json"
    whole = file.read_bytes()
    for text in (b"", whole[:-20], b"[]", whole.replace(b'"submitted"', b'"lost"')):
        file.write_bytes(text)
        with pytest.raises(RunError, match="damaged; it says which batches"):
            run(dataset, tmp_path / "R", provider)
    file.write_bytes(whole)
    assert load_run(run(dataset, tmp_path / "R", provider).path).finished


def test_a_batch_whose_requests_are_gone_is_named(dataset, tmp_path):
    provider = MemoryProvider(faults={"submit": [BatchUnavailableError("no connection")] * 1000})
    with pytest.raises(ModelError, match="no connection"):
        run(dataset, tmp_path / "R", provider)
    for file in (tmp_path / "R" / "batches").glob("*.jsonl"):
        file.unlink()
    provider.faults.clear()
    with pytest.raises(RunError, match=r"jsonl: missing, and the provider has no batch vlsu-"):
        run(dataset, tmp_path / "R", provider)


def test_an_answer_kept_just_before_a_kill_has_the_price_of_a_batch(dataset, tmp_path):
    price = Limits(price=Price(10.0, 10.0, batch=BatchPrice(5.0, 5.0)))
    provider = MemoryProvider(looks=1)
    first = run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
    (batch,) = Journal(first.path).open()
    (key, *_) = Journal(first.path).keys(batch) or [""]
    model = model_of(dataset)
    (answer,) = Scripted(dataset).answer([provider.requests[key]], MemoryImages({}))
    store = ResponseStore(first.path / "responses.sqlite")
    store.put(key, Raw(200, orjson.dumps(dict(answer))), 1)  # and a kill before its tokens
    store.close()
    done = run(dataset, tmp_path / "R", provider, limits=price)
    direct = evaluate(dataset, model=model, out=tmp_path / "direct", limits=price)
    assert done.record["cost"]["total"] == pytest.approx(direct.record["cost"]["total"] / 2)


def test_no_file_outside_of_the_run_is_removed(dataset, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.jsonl").write_text("mine")
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "batches").symlink_to(elsewhere)
    with pytest.raises(RunError, match="is a link"):
        run(dataset, tmp_path / "R", MemoryProvider())
    assert (elsewhere / "mine.jsonl").read_text() == "mine"


def test_a_draft_on_a_full_disk_is_left_without_another_error(tmp_path):
    draft = Draft(Journal(tmp_path), "openai/mock", "")
    name = Path(draft._file.name)
    draft._file.close()
    draft._file = Path("/dev/full").open("wb")  # noqa: SIM115
    draft._file.write(b"what is buffered")
    draft.drop()
    assert not name.exists()


def garbled(keys):
    """Of these requests the line of the answer cannot be read; the next one names no request."""

    def answers(answer, times):
        if keys.get(answer.key, 0) < times:
            return [answer]
        broken = Raw(200, b'{"custom_id": "' + answer.key.encode() + b'", "response": {"te')
        return [BatchAnswer(answer.key, broken), BatchAnswer("", broken)]

    return answers


def some_key(dataset, tmp_path):
    return evaluate(dataset, model=model_of(dataset), out=tmp_path / "keys", limit=1).judgments[
        "request_key"
    ][0]


def test_lines_that_cannot_be_read_are_fetched_once_more_before_they_are_asked_again(
    dataset, direct, tmp_path
):
    """What only the transfer has broken is not paid for twice."""
    provider = MemoryProvider(answer=garbled({some_key(dataset, tmp_path): 1}))
    done = run(dataset, tmp_path / "R", provider)
    assert metrics(done) == metrics(direct)
    assert (len(provider.batches), provider.calls["answers"]) == (1, 2)
    assert done.record["requests"]["errors"] == {}


def test_what_stays_unreadable_counts_as_a_malformed_answer_and_is_asked_again_within_bounds(
    dataset, tmp_path, caplog
):
    key = some_key(dataset, tmp_path)
    provider = MemoryProvider(answer=garbled({key: 99}))
    done = run(dataset, tmp_path / "R", provider)
    assert (len(provider.batches), provider.calls["answers"]) == (3, 6)
    assert asked_twice(provider) == {key: 3}
    assert done.record["requests"]["errors"] == {"malformed": 3}
    failed = done.judgments.filter(done.judgments["outcome"] == "error")
    assert set(failed["request_key"]) == {key}
    assert "batch batch-0: lines of its results that do not say which" in caplog.text
    with closing(sqlite3.connect(done.path / "responses.sqlite")) as store:
        (kept, *_) = store.execute("SELECT key, body FROM errors")
    assert kept[0] == key
    assert key.encode() in kept[1]


def test_a_line_that_can_be_read_after_one_that_cannot_is_the_answer(dataset, direct, tmp_path):
    key = some_key(dataset, tmp_path)

    def both(answer, times):
        return [*garbled({key: 99})(answer, times)[:1], answer]

    provider = MemoryProvider(answer=both)
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert len(provider.batches) == 1


def test_a_file_that_is_not_processed_for_long_is_waited_for_by_the_next_start(
    dataset, direct, tmp_path
):
    """The provider's name of it is kept, so that it is not uploaded twice."""
    slow = BatchUnavailableError("the uploaded file is not processed yet")
    provider = MemoryProvider(faults={"submit": [slow] * 1000})
    with pytest.raises(ModelError, match=r"not processed yet.*run the same command again"):
        run(dataset, tmp_path / "R", provider)
    provider.faults.clear()
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert len(provider.uploads) == 1


def test_a_state_that_is_not_known_is_said_and_not_waited_for_without_an_end(
    dataset, direct, tmp_path, caplog
):
    provider = MemoryProvider(looks=3, unknown="on_holiday")
    at_once = provider.batching(wait_s=0.0)
    run(dataset, tmp_path / "R", provider, batch=at_once)
    assert "says 'on_holiday' of batch batch-0, which is no state that is known" in caplog.text
    file = tmp_path / "R" / "batches.json"
    tree = orjson.loads(file.read_bytes())
    tree["batches"][0]["since"] -= 4 * 86400
    file.write_bytes(orjson.dumps(tree))
    with pytest.raises(ModelError, match=r"on_holiday.*more than 3 days ago.*--batch-cancel"):
        run(dataset, tmp_path / "R", provider)
    assert len(Journal(tmp_path / "R").open()) == 1
    provider.cancels = False
    provider.answer = lambda answer, times: [answer] if int(answer.key, 16) % 2 else []
    stopped = run(dataset, tmp_path / "R", provider, batch=provider.batching(cancel=True))
    assert (stopped.record["stop_reason"], out(stopped)) == ("cancelled", 0)
    assert sum(provider.paid.values()) == 0
    provider.unknown, provider.answer = "", lambda answer, times: [answer]
    done = run(dataset, tmp_path / "R", provider)
    assert metrics(done) == metrics(direct)
    assert 0 < len(asked_twice(provider)) < len(provider.requests)


def test_what_a_kill_has_left_half_written_is_removed(dataset, direct, tmp_path):
    provider = MemoryProvider(looks=1)
    run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
    (keys,) = (tmp_path / "R" / "batches").glob("*.keys")
    begun = [
        *(tmp_path / "R" / f".{name}.4242.tmp" for name in ("batches.json", "run.yaml")),
        *(tmp_path / "R" / f".room.{n}.tmp" for n in (1, 2)),
        keys.with_name(f".{keys.name}.4242.tmp"),
    ]
    mine = [tmp_path / "R" / "notes.tmp", tmp_path / "R" / ".notes.4242.tmp"]
    for file in (*begun, *mine):
        file.write_bytes(b"half of it")
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert not [file for file in begun if file.exists()]
    assert all(file.exists() for file in mine)


@pytest.mark.parametrize("prompt", ["zero-shot", "structured-cot"])
def test_a_batch_is_expected_to_cost_what_a_dry_run_says(dataset, tmp_path, prompt):
    provider = MemoryProvider(looks=9)
    limits = Limits(price=Price(0.0, 1000.0), max_cost=1e9)
    options = UnderstandingOptions(model=model_of(dataset), prompt=prompt, limits=limits)
    dry = prepare(dataset, options).estimate()
    started = run(
        dataset,
        tmp_path / "R",
        provider,
        batch=provider.batching(wait_s=0.0),
        limits=limits,
        prompt=prompt,
    )
    (batch,) = Journal(started.path).open()
    assert batch.likely_cost == pytest.approx(dry.cost)


def test_what_is_collected_is_deleted_at_the_provider_and_nothing_depends_on_that(
    dataset, direct, tmp_path
):
    provider = MemoryProvider(
        BatchLimits(20, 10**6), looks=1, faults={"tidy": [ModelError("HTTP 403: not yours")]}
    )
    run(dataset, tmp_path / "R", provider, batch=provider.batching(wait_s=0.0))
    assert provider.tidied == []  # nothing is stored yet
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert len(provider.tidied) == len(provider.batches) - 1 > 0


def test_what_could_not_be_read_is_left_at_the_provider(dataset, tmp_path):
    key = some_key(dataset, tmp_path)
    provider = MemoryProvider(answer=garbled({key: 2}))  # in the first batch, both times
    run(dataset, tmp_path / "R", provider)
    assert provider.tidied == ["batch-1"]


def test_a_file_of_which_no_batch_was_made_is_deleted_too(dataset, direct, tmp_path):
    full = [BatchUnavailableError("HTTP 429: enqueued tokens", full=True)] * 2
    provider = MemoryProvider(faults={"submit": [*full]})
    assert metrics(run(dataset, tmp_path / "R", provider)) == metrics(direct)
    assert provider.tidied == [*provider.uploads[:2], *provider.batches]


def test_a_file_of_a_batch_that_is_given_up_before_it_was_made_is_deleted(dataset, tmp_path):
    provider = MemoryProvider(faults={"submit": [BatchUnavailableError("HTTP 503")] * 99})
    with pytest.raises(ModelError, match="503"):
        run(dataset, tmp_path / "R", provider)
    run(dataset, tmp_path / "R", provider, batch=provider.batching(cancel=True))
    assert provider.tidied == provider.uploads
