"""What holds for the batch interface of every provider, against servers that play each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

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
from tests.support.batch_services import (
    AnthropicServer,
    BatchServer,
    Course,
    GoogleServer,
    OpenAIServer,
)
from tests.support.values import present
from vlsu.errors import ModelError
from vlsu.models.batching import Batch, BatchService, BatchState, BatchUnavailableError

REQUESTS = asked([f"text {n:{'0'}>{n % 5}}" for n in range(7)])
KEYS = frozenset(REQUESTS)
SERVERS: dict[str, Callable[..., BatchServer]] = {
    "openai": OpenAIServer,
    "anthropic": AnthropicServer,
    "google": GoogleServer,
    "google, by a file": GoogleServer,
}
#: Where each makes a batch.
SUBMIT = {"openai": "/batches", "anthropic": "/batches", "google": ":batchGenerateContent"}
#: Its key, and where it goes.
CREDENTIALS = {
    "openai": ("OPENAI_API_KEY", "authorization", "Bearer "),
    "anthropic": ("ANTHROPIC_API_KEY", "x-api-key", ""),
    "google": ("GOOGLE_API_KEY", "x-goog-api-key", ""),
}


@pytest.fixture(params=SERVERS)
def played(request, batch_server, monkeypatch):
    """Starts a provider's server."""
    if "file" in request.param:
        monkeypatch.setattr("vlsu.models.batching.google.INLINE_BYTES", 0)

    def start(respond=by_text, *courses: Course) -> BatchServer:
        return batch_server(SERVERS[request.param](respond, courses or (Course(),)))

    return start


def model_of(server):
    return opened(f"{server.provider}/model", server.base_url)


def submitted(server, tmp_path, requests=REQUESTS, label="vlsu-1"):
    """The model, a batch that was handed in and has ended, and its answers."""
    model = model_of(server)

    async def run(service: BatchService) -> tuple[Batch, list]:
        file = written(service, requests, tmp_path / "batch.jsonl")
        batch = await ended(service, await service.submit(label, file, len(requests)))
        return batch, await collected(service, batch.id)

    return model, *through(model, run)


def test_a_batch_is_answered_as_single_requests_are(played, tmp_path):
    server = played()
    model, batch, answers = submitted(server, tmp_path)

    async def one_by_one() -> list:
        model = model_of(server)
        try:
            return [(key, await model.send(r, Pictures())) for key, r in REQUESTS.items()]
        finally:
            await model.close()

    assert batch.state is BatchState.ENDED
    assert (batch.requests, batch.answered, batch.failed) == (7, 7, 0)
    singly = [(key, model.read(raw)) for key, raw in asyncio.run(one_by_one())]
    assert [(key, model.read(raw)) for key, raw in answers] == singly
    assert all(response.input_tokens == 11 for _, response in singly)
    assert [body for _, body in server.batches[batch.id].requests] == server.asked


def test_an_image_travels_as_in_a_single_request(played, tmp_path):
    server = played()
    requests = asked(["what is this?"], image=True)
    _, batch, _ = submitted(server, tmp_path, requests)
    (_, body) = server.batches[batch.id].requests[0]
    (part, text) = server.as_chat(body)["messages"][-1]["content"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert text == {"type": "text", "text": "what is this?"}


def test_answers_in_another_order_and_twice_are_found_by_their_keys(played, tmp_path):
    mixed = played(by_text, Course(backwards=True, repeated=2))
    model, _, answers = submitted(mixed, tmp_path)
    assert [key for key, _ in answers] == [*reversed(REQUESTS), *[*reversed(REQUESTS)][:2]]
    _, _, straight = submitted(played(), tmp_path)
    assert severities(model, answers) == severities(model, straight)
    assert len({*severities(model, straight).values()}) == 3


@pytest.mark.parametrize("ends", ["expired", "cancelled"])
def test_what_was_not_answered_in_time_is_open(played, tmp_path, ends):
    server = played(by_text, Course(ends=ends, answered=0.5))
    model, batch, answers = submitted(server, tmp_path)
    assert batch.state.value == ends
    read = [model.read(raw) for _, raw in answers]
    if server.provider == "google":  # which gives no results then, by its guide
        assert read == []
        return
    assert sum(server.paid.values()) == sum(response.fault is None for response in read) == 4
    faults = [response.fault for response in read if response.fault is not None]
    assert [(f.kind, f.retry, f.fatal) for f in faults] == [("batch", True, False)] * 3


def test_a_request_that_is_refused_is_read_as_if_asked_alone(played, tmp_path):
    def respond(body, number):
        if text_of(body) == "bad":
            return web.json_response({"error": {"message": "not valid"}}, status=400)
        return by_text(body, number)

    server = played(respond)
    requests = asked(["bad", "text 2"])
    model, batch, answers = submitted(server, tmp_path, requests)
    assert (batch.answered, batch.failed) == (1, 1)

    async def alone() -> list:
        model = model_of(server)
        try:
            return [model.read(await model.send(r, Pictures())) for r in requests.values()]
        finally:
            await model.close()

    by_key = {key: model.read(raw) for key, raw in answers}
    assert [by_key[key] for key in requests] == asyncio.run(alone())


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, 7),
        ({"status": 503}, None),
        ({"status": 0}, None),
        ({"cut": True}, None),
    ],
)
def test_after_a_fault_that_passes_the_same_call_succeeds(played, tmp_path, fault, wait):
    server = played()
    _, batch, _ = submitted(server, tmp_path)
    server.calls.clear()
    through(model_of(server), lambda service: collected(service, batch.id))
    for method, path in [*server.calls]:
        server.fail(method, path, **fault)

        async def run(service: BatchService) -> list:
            with pytest.raises(BatchUnavailableError) as caught:
                await collected(service, batch.id)
            assert caught.value.retry_after_s == wait
            return await collected(service, batch.id)

        assert len(through(model_of(server), run)) == len(REQUESTS)


@pytest.mark.parametrize("nonsense", [{"page": "<html>Sign in</html>"}, {"body": {"ok": True}}])
def test_what_says_nothing_of_batches_is_no_answer(played, tmp_path, nonsense):
    """A page in HTML, or fields that are none of a batch, as from a gateway in between."""
    server = played()
    _, batch, _ = submitted(server, tmp_path)
    server.calls.clear()
    through(model_of(server), lambda service: service.status(batch.id))
    through(model_of(server), lambda service: collected(service, batch.id))
    through(model_of(server), lambda service: service.find("another", KEYS, time.time() + 1e6))
    for method, path in [*server.calls]:
        contents = any(part in path for part in ("/content", "/results", ":download"))
        google_list = server.provider == "google" and path.endswith("/batches")
        if "body" in nonsense and (contents or google_list):
            continue  # lines of which none is of the batch; a list that is left out if empty

        server.faults.clear()
        server.fail(method, path, status=200, times=9, **nonsense)

        async def run(service: BatchService, path: str = path) -> None:
            if path.endswith("/batches"):
                await service.find("another", KEYS, time.time() + 1e6)
            else:
                await service.status(batch.id)
                await collected(service, batch.id)

        with pytest.raises(BatchUnavailableError, match=r"the server's answer (is no|does no)"):
            through(model_of(server), run)


def test_a_server_that_is_gone_may_come_back(played, tmp_path):
    server = played()
    _, batch, _ = submitted(server, tmp_path)
    model = opened(f"{server.provider}/model", "http://127.0.0.1:9/v1")
    with pytest.raises(BatchUnavailableError, match=r"cannot connect to 127\.0\.0\.1:9"):
        through(model, lambda service: service.status(batch.id))


def test_a_batch_whose_answer_was_lost_is_found(played, tmp_path):
    server = played()
    server.stopped = True

    async def run(service: BatchService) -> tuple:
        since = time.time()
        assert await service.find("vlsu-lost", KEYS, since) is None
        server.fail("POST", SUBMIT[server.provider], accepted=True)
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        with pytest.raises(BatchUnavailableError):
            await service.submit("vlsu-lost", file, len(REQUESTS))
        first = await service.find("vlsu-lost", KEYS, since)
        server.stopped = False
        again = await ended(service, present(await service.find("vlsu-lost", KEYS, since)))
        return first, again, await collected(service, again.id)

    first, again, answers = through(model_of(server), run)
    assert first.state is BatchState.RUNNING
    assert first.id == again.id
    assert {key for key, _ in answers} == KEYS
    assert server.submits() == 1
    assert set(server.paid.values()) == {1}


def test_another_batch_is_not_taken_for_the_one_that_was_lost(played, tmp_path):
    server = played()
    fewer = asked(["one", "two"])

    async def run(service: BatchService) -> Batch | None:
        file = written(service, fewer, tmp_path / "batch.jsonl")
        await service.submit("vlsu-other", file, 2)
        return await service.find("vlsu-lost", KEYS, time.time())

    assert through(model_of(server), run) is None


def test_a_list_without_an_end_is_no_proof_that_a_batch_is_not_there(played, tmp_path, monkeypatch):
    server = played()
    for name in ("PAGE", "PAGES"):
        monkeypatch.setattr(f"vlsu.models.batching.{server.provider}.{name}", 1)

    async def run(service: BatchService) -> None:
        file = written(service, asked(["one"]), tmp_path / "batch.jsonl")
        for n in range(3):
            await service.submit(f"vlsu-{n}", file, 1)
        await service.find("vlsu-lost", KEYS, time.time() - 3600)

    with pytest.raises(ModelError, match="lists too many batches"):
        through(model_of(server), run)


def test_a_full_queue_is_no_reason_to_give_up(played, tmp_path):
    server = played()
    server.quota = 3

    async def run(service: BatchService) -> Batch:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        return await ended(service, await service.submit("vlsu-1", file, len(REQUESTS)))

    if server.provider == "openai":  # which looks at a batch only after it was accepted
        batch = through(model_of(server), run)
        assert (batch.state, batch.retry) == (BatchState.FAILED, True)
    else:
        with pytest.raises(BatchUnavailableError) as caught:
            through(model_of(server), run)
        assert caught.value.full
    assert not server.paid


def test_cancelling_leaves_what_was_answered(played, tmp_path):
    server = played(by_text, Course(polls=99))

    async def run(service: BatchService) -> Batch:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        batch = await service.submit("vlsu-1", file, len(REQUESTS))
        await service.cancel(batch.id)
        return await ended(service, batch)

    assert through(model_of(server), run).state is BatchState.CANCELLED


def test_a_wrong_key_stops_and_is_never_shown(played, tmp_path, monkeypatch):
    server = played()
    variable, header, prefix = CREDENTIALS[server.provider]
    key = "sk-test-0123456789abcdef"
    monkeypatch.setenv(variable, key)
    _, batch, _ = submitted(server, tmp_path)

    async def again(service: BatchService) -> None:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        await service.submit("vlsu-2", file, len(REQUESTS))
        await service.status(batch.id)
        await collected(service, batch.id)

    assert {headers[header] for headers in server.headers} == {prefix + key}
    said = {"error": {"message": f"Incorrect API key provided: {key}"}}
    for method, path in {*server.calls}:
        server.fail(method, path, status=401, body=said)
        with pytest.raises(ModelError) as caught:
            through(model_of(server), again)
        assert not isinstance(caught.value, BatchUnavailableError)
        assert "HTTP 401" in str(caught.value)
        assert "0123456789" not in str(caught.value)


def test_a_key_in_an_answer_is_redacted(played, tmp_path, monkeypatch):
    for variable, *_ in CREDENTIALS.values():
        monkeypatch.setenv(variable, "sk-test-0123456789abcdef")

    def respond(body, number):
        answer = by_text(body, number)
        answer["choices"][0]["message"]["content"] = "it is sk-test-0123456789abcdef"
        return answer

    _, _, answers = submitted(played(respond), tmp_path)
    assert all(b"0123456789" not in raw.body and b"***" in raw.body for _, raw in answers)


def test_what_is_missing_is_left_out_and_what_is_cut_off_cannot_be_read(played, tmp_path):
    server = played(by_text, Course(truncated=True, missing=1))
    model, batch, answers = submitted(server, tmp_path)
    assert [key for key, _ in answers] == [*REQUESTS][1:]
    inline = "requests" in server.batches[batch.id].made.get("inputConfig", {})
    faults = [fault for _, raw in answers if (fault := model.read(raw).fault) is not None]
    assert [fault.kind for fault in faults] == ([] if inline else ["malformed"])


def test_the_key_goes_to_no_other_server(batch_server, tmp_path, monkeypatch):
    """An upload address of another host is not called."""
    monkeypatch.setattr("vlsu.models.batching.google.INLINE_BYTES", 0)
    server = batch_server(GoogleServer(by_text))
    away = {"X-Goog-Upload-URL": "http://127.0.0.1:9/upload"}
    server.fail("POST", "/files", status=200, headers=away)
    with pytest.raises(ModelError, match=r"an address on 127\.0\.0\.1:9"):
        submitted(server, tmp_path)


def test_a_batch_that_is_not_accepted_says_why(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text, [Course(ends="failed", code="model_not_found")]))
    _, batch, answers = submitted(server, tmp_path)
    assert (batch.state, batch.retry, answers) == (BatchState.FAILED, False, [])
    assert batch.message == "model_not_found: It was not accepted."


def test_a_server_that_keeps_no_labels_is_asked_for_the_name_of_the_file(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text))
    server.labels = False
    _, batch, _ = submitted(server, tmp_path)
    _, gone, _ = submitted(server, tmp_path, label="vlsu-deleted")
    del server.files[server.batches[gone.id].made["input_file_id"]]

    async def run(service: BatchService) -> list:
        names = ("vlsu-1", "vlsu-2")
        return [await service.find(name, KEYS, time.time() - 3600) for name in names]

    found, none = through(model_of(server), run)
    assert found.id == batch.id
    assert none is None


def test_a_file_that_is_not_known_everywhere_yet_is_waited_for(batch_server, tmp_path):
    server = batch_server(OpenAIServer(by_text))
    said = {"error": {"message": "Cannot find file file-0001", "type": "invalid_request_error"}}
    server.fail("POST", "/batches", status=400, body=said)
    with pytest.raises(BatchUnavailableError):
        submitted(server, tmp_path)


@pytest.mark.parametrize(("newest_first", "pages"), [(True, 1), (False, 3)])
def test_a_batch_is_found_among_many_in_whatever_order_they_are_listed(
    batch_server, tmp_path, monkeypatch, newest_first, pages
):
    monkeypatch.setattr("vlsu.models.batching.openai.PAGE", 2)
    server = batch_server(OpenAIServer(by_text))
    server.newest_first = newest_first

    async def run(service: BatchService) -> tuple[Batch | None, int, Batch | None, int]:
        file = written(service, asked(["one"]), tmp_path / "batch.jsonl")
        for n in range(5):
            made = await service.submit(f"vlsu-{n}", file, 1)
            server.batches[made.id].created -= 5 * 86400 - n * 3600
        made = await service.submit("vlsu-lost", file, 1)
        server.calls.clear()
        found = await service.find("vlsu-lost", frozenset(), time.time() - 3600)
        asked_for = len(server.calls)
        none = await service.find("vlsu-no", frozenset(), time.time() - 3600)
        return found, asked_for, none, len(server.calls) - asked_for

    found, asked_for, none, asked_in_vain = through(model_of(server), run)
    assert present(found).created == pytest.approx(time.time(), abs=3600)
    assert (asked_for, none) == (pages, None)
    assert asked_in_vain == (2 if newest_first else 3)


def test_a_file_is_waited_for_until_it_is_processed(batch_server, tmp_path, monkeypatch):
    """As at Azure, where a batch of a file that is still processed is refused."""
    monkeypatch.setattr("vlsu.models.batching.openai.PAUSE_S", 0.01)
    server = batch_server(OpenAIServer(by_text))
    server.looks = 3
    _, batch, _ = submitted(server, tmp_path)
    assert batch.answered == len(REQUESTS)
    assert sum(path.startswith("/v1/files/") for _, path in server.calls) == 3 + 1


def test_of_two_batches_that_run_none_is_taken_for_the_lost_one(batch_server, tmp_path):
    server = batch_server(AnthropicServer(by_text))
    server.stopped = True
    strangers = asked([f"other {n}" for n in range(7)])

    async def hand_in(service: BatchService) -> Batch:
        file = written(service, strangers, tmp_path / "batch.jsonl")
        return await service.submit("", file, 7)

    stranger = through(model_of(server), hand_in)

    async def run(service: BatchService) -> tuple:
        server.fail("POST", "/batches", accepted=True)
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        since = time.time() - 1
        with pytest.raises(BatchUnavailableError):
            await service.submit("", file, 7)
        with pytest.raises(BatchUnavailableError, match="2 batches of 7 requests"):
            await service.find("", KEYS, since)
        told = await service.find("", KEYS, since, frozenset({stranger.id}))
        server.stopped = False
        for _ in range(2):
            for id in server.batches:
                server.polled(id)
        return told, await service.find("", KEYS, since)

    told, found = through(model_of(server), run)
    assert told.id == found.id != stranger.id


def test_the_lines_are_what_the_references_describe(batch_server):
    request = next(iter(REQUESTS.values()))

    def line(server: BatchServer) -> dict:
        async def run(service: BatchService) -> bytes:
            return service.encode("k", request, Pictures())

        return json.loads(through(model_of(server), run))

    of = line(OpenAIServer(by_text))
    assert of | {"body": None} == {
        "custom_id": "k",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": None,
    }
    of = line(AnthropicServer(by_text))
    assert set(of) == {"custom_id", "params"}
    assert of["params"]["max_tokens"] > 0
    of = line(GoogleServer(by_text))
    assert set(of) == {"key", "request"}
    assert of["request"]["systemInstruction"] == {"parts": [{"text": "A policy."}]}


@pytest.mark.parametrize("name", ["openai", "anthropic", "google, by a file"])
def test_a_line_that_cannot_be_read_is_an_answer_that_cannot_be_read(
    batch_server, tmp_path, monkeypatch, name
):
    monkeypatch.setattr("vlsu.models.batching.google.INLINE_BYTES", 0)
    server = batch_server(SERVERS[name](by_text, [Course(broken=1, nameless=2)]))
    model, _, answers = submitted(server, tmp_path)
    keys = [*REQUESTS]
    assert [key for key, _ in answers] == [keys[0], "", "", *keys[3:]]
    response = model.read(answers[0][1])
    assert present(response.fault).kind == "malformed"
    assert keys[0].encode() in answers[0][1].body  # the line, for the audit
    assert all(model.read(raw).fault is None for _, raw in answers[3:])


@pytest.mark.parametrize("name", ["openai", "google, by a file"])
def test_a_file_that_was_uploaded_is_not_uploaded_again(batch_server, tmp_path, monkeypatch, name):
    """Whether it is not ready for long, or no batch could be made of it at first."""
    for setting in ("google.INLINE_BYTES", "google.PAUSE_S", "openai.PAUSE_S"):
        monkeypatch.setattr(f"vlsu.models.batching.{setting}", 0)
    for setting in ("google.LOOKS", "openai.LOOKS"):
        monkeypatch.setattr(f"vlsu.models.batching.{setting}", 3)
    server = batch_server(SERVERS[name](by_text))
    server.looks = 8
    names: list[str] = []

    async def run(service: BatchService) -> Batch:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")

        async def submit() -> Batch:
            uploaded = names[-1] if names else ""
            return await service.submit(
                "vlsu-1", file, len(REQUESTS), uploaded=uploaded, on_upload=names.append
            )

        for _ in range(2):
            with pytest.raises(BatchUnavailableError, match="the uploaded file is not"):
                await submit()
        server.fail("POST", SUBMIT[server.provider], status=503)
        with pytest.raises(BatchUnavailableError, match="503"):
            await submit()
        assert (len(names), len(server.files)) == (1, 1)
        server.files.clear()  # by the user, or since its time was over
        return await ended(service, await submit())

    assert through(model_of(server), run).answered == len(REQUESTS)
    assert len(names) == 2


def test_a_state_that_is_not_known_is_named(played, tmp_path):
    server = played()
    server.stopped = True

    async def run(service: BatchService) -> list[Batch]:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        made = await service.submit("vlsu-1", file, len(REQUESTS))
        server.state = "on_holiday"
        return [made, await service.status(made.id)]

    made, now = through(model_of(server), run)
    assert (made.state, made.unknown) == (BatchState.RUNNING, "")
    assert now.state is BatchState.RUNNING
    assert now.unknown.lower().endswith("on_holiday")


def test_a_batch_that_is_done_in_a_state_that_is_not_known_has_ended(batch_server, tmp_path):
    server = batch_server(GoogleServer(by_text))
    _, batch, _ = submitted(server, tmp_path)
    server.state = "on_holiday"
    again = through(model_of(server), lambda service: service.status(batch.id))
    assert again.state is BatchState.ENDED


def test_what_a_batch_leaves_at_the_provider_is_deleted(played, tmp_path):
    server = played()
    names: list[str] = []

    async def run(service: BatchService) -> Batch:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        made = await service.submit("vlsu-1", file, len(REQUESTS), on_upload=names.append)
        done = await ended(service, made)
        assert len(await collected(service, done.id)) == len(REQUESTS)
        await service.tidy(done.id, *names)
        return done

    done = through(model_of(server), run)
    leavings = {
        "openai": [f"file-{done.id}-outpu", *names],
        "anthropic": [done.id],
        "google": [*names, done.id],
    }
    assert server.deleted == leavings[server.provider]
    assert not [name for name in getattr(server, "files", {}) if name in server.deleted]


def test_what_cannot_be_deleted_keeps_nothing_else_from_being(played, tmp_path):
    server = played()
    names: list[str] = []

    async def run(service: BatchService) -> Batch:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        made = await service.submit("vlsu-1", file, len(REQUESTS), on_upload=names.append)
        done = await ended(service, made)
        server.fail("DELETE", "", status=403)  # such as a file that has expired
        with pytest.raises(ModelError, match="403"):
            await service.tidy(done.id, *names)
        return done

    done = through(model_of(server), run)
    rest = {"openai": names, "anthropic": [], "google": [done.id] if names else []}
    assert server.deleted == rest[server.provider]


def test_the_file_of_no_batch_is_deleted(played, tmp_path):
    server = played()
    names: list[str] = []

    async def run(service: BatchService) -> None:
        file = written(service, REQUESTS, tmp_path / "batch.jsonl")
        await service.submit("vlsu-1", file, len(REQUESTS), on_upload=names.append)
        await service.tidy(None, *names)

    through(model_of(server), run)
    assert server.deleted == names
