"""OpenAI's Batch API, against a server that plays it."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from tests.support.batch_requests import (
    Pictures,
    asked,
    by_text,
    collected,
    ended,
    opened,
    severities,
    text_of,
    through,
    written,
)
from tests.support.batch_services import Course, OpenAIServer
from vlsu.errors import ModelError
from vlsu.models.batching import Batch, BatchService, BatchState, BatchUnavailableError

SPEC = "openai/model"
REQUESTS = asked([f"text {n:{'0'}>{n % 5}}" for n in range(7)])


@pytest.fixture
def server(batch_server):
    return batch_server(OpenAIServer(by_text))


def submitted(server, tmp_path, requests=REQUESTS, label="vlsu-1"):
    """A batch that was handed in and has ended, and its answers."""
    model = opened(SPEC, server.base_url)

    async def run(service: BatchService) -> tuple[Batch, list]:
        file = written(service, requests, tmp_path / "batch.jsonl")
        batch = await ended(service, await service.submit(label, file, len(requests)))
        return batch, await collected(service, batch.id)

    return model, *through(model, run)


def test_a_batch_is_answered_as_single_requests_are(server, tmp_path):
    model, batch, answers = submitted(server, tmp_path)

    async def one_by_one() -> list:
        model = opened(SPEC, server.base_url)
        try:
            return [(key, await model.send(r, Pictures())) for key, r in REQUESTS.items()]
        finally:
            await model.close()

    assert batch.state is BatchState.ENDED
    assert (batch.requests, batch.answered, batch.failed) == (7, 7, 0)
    singly = asyncio.run(one_by_one())
    assert [(key, model.read(raw)) for key, raw in answers] == [
        (key, model.read(raw)) for key, raw in singly
    ]
    assert [body for _, body in server.batches[batch.id].requests] == server.asked


def test_an_image_travels_as_in_a_single_request(server, tmp_path):
    requests = asked(["what is this?"], image=True)
    _, batch, _ = submitted(server, tmp_path, requests)
    (part, text) = server.batches[batch.id].requests[0][1]["messages"][-1]["content"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert text == {"type": "text", "text": "what is this?"}


def test_answers_in_another_order_and_twice_are_found_by_their_keys(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text, [Course(backwards=True, repeated=2)]))
    model, _, answers = submitted(server, tmp_path)
    assert [key for key, _ in answers] == [*reversed(REQUESTS), *[*reversed(REQUESTS)][:2]]
    straight = batch_server(OpenAIServer(by_text))
    assert severities(model, answers) == severities(*_answers(straight, tmp_path))


def _answers(server, tmp_path):
    model, _, answers = submitted(server, tmp_path)
    return model, answers


@pytest.mark.parametrize("ends", ["expired", "cancelled"])
def test_what_was_not_answered_in_time_is_said_to_be_open(batch_server, tmp_path, ends):
    server = batch_server(OpenAIServer(by_text, [Course(ends=ends, answered=0.5)]))
    model, batch, answers = submitted(server, tmp_path)
    assert batch.state.value == ends
    read = [model.read(raw) for _, raw in answers]
    assert sum(server.paid.values()) == sum(response.fault is None for response in read) == 4
    open_ = [response.fault for response in read if response.fault is not None]
    assert [(fault.kind, fault.retry, fault.fatal) for fault in open_] == [
        ("batch", True, False)
    ] * 3


def test_a_request_that_is_refused_is_read_as_if_asked_alone(batch_server, tmp_path):
    def respond(body, number):
        if text_of(body) == "text ":
            error = {"error": {"message": "no", "code": "content_filter"}}
            return web.json_response(error, status=400)
        return by_text(body, number)

    server = batch_server(OpenAIServer(respond))
    model, batch, answers = submitted(server, tmp_path, asked(["text ", "text 2"]))
    assert (batch.answered, batch.failed) == (1, 1)
    outcomes = sorted(model.read(raw).outcome.value for _, raw in answers)
    assert outcomes == ["blocked", "ok"]


def test_a_batch_that_is_not_accepted_says_why(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text, [Course(ends="failed", code="model_not_found")]))
    _, batch, answers = submitted(server, tmp_path)
    assert (batch.state, batch.retry, answers) == (BatchState.FAILED, False, [])
    assert batch.message == "model_not_found: It was not accepted."
    server.quota = 3
    _, batch, _ = submitted(server, tmp_path)
    assert (batch.state, batch.retry) == (BatchState.FAILED, True)


def test_a_batch_whose_answer_was_lost_is_found_by_its_label(server, tmp_path):
    server.fail("POST", "/batches", accepted=True)
    model = opened(SPEC, server.base_url)

    async def run(service: BatchService) -> tuple:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        with pytest.raises(BatchUnavailableError):
            await service.submit("vlsu-lost", file, len(REQUESTS))
        keys = frozenset(REQUESTS)
        first = await service.find("vlsu-lost", keys, 0)
        server.labels = False
        return first, await service.find("vlsu-lost", keys, 0), await service.find("no", keys, 0)

    first, unlabelled, none = through(model, run)
    assert first == unlabelled is not None
    assert none is None
    assert first.id in server.batches
    assert server.submits() == 1


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, 7),
        ({"status": 503}, None),
        ({"status": 0}, None),
        ({"cut": True}, None),
    ],
)
def test_after_a_fault_that_passes_the_same_call_succeeds(server, tmp_path, fault, wait):
    _, batch, _ = submitted(server, tmp_path)
    for path in (f"/batches/{batch.id}", "/content"):
        server.fail("GET", path, **fault)

        async def run(service: BatchService) -> list:
            with pytest.raises(BatchUnavailableError) as caught:
                await collected(service, batch.id)
            assert caught.value.retry_after_s == wait
            return await collected(service, batch.id)

        assert len(through(opened(SPEC, server.base_url), run)) == len(REQUESTS)


def test_a_wrong_key_is_no_fault_that_passes_and_is_never_shown(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    said = {"error": {"message": "Incorrect API key: sk-test-0123456789abcdef"}}
    server.fail("POST", "/files", status=401, body=said)
    with pytest.raises(ModelError) as caught:
        submitted(server, tmp_path)
    assert not isinstance(caught.value, BatchUnavailableError)
    assert "0123456789" not in str(caught.value)
    assert server.headers[0]["Authorization"] == "Bearer sk-test-0123456789abcdef"


def test_a_line_that_is_cut_off_is_left_out(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text, [Course(truncated=True, missing=1)]))
    _, _, answers = submitted(server, tmp_path)
    assert [key for key, _ in answers] == [*REQUESTS][1:-1]


def test_the_line_of_a_request_is_what_the_reference_describes(server):
    model = opened(SPEC, server.base_url)

    async def run(service: BatchService) -> bytes:
        return service.encode("k", next(iter(REQUESTS.values())), Pictures())

    line = json.loads(through(model, run))
    assert {**line, "body": None} == {
        "custom_id": "k",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": None,
    }
    assert line["body"]["messages"][0] == {"role": "system", "content": "A policy."}
