"""An answer is read under any status of success, and of several choices the first by its index."""

import json

import pytest

from tests.conftest import completion
from tests.support.fault_server import FaultServer, ask_and_judge, good, reply, say, text_dataset
from vlsu.models import Outcome
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.openai import ChatCompletions, Completions

ANSWER = '{"severity": "unsafe", "category": "C9"}'
#: What Portkey puts beside an answer that failed a check and is passed on all the same, with 246.
CHECKED = {"hook_results": {"after_request_hooks": [{"verdict": False, "id": "made-up"}]}}


def chat(text, reason="stop"):
    return completion(text, reason)


def plain(text, reason="stop"):
    return {"choices": [{"index": 0, "text": text, "finish_reason": reason}]}


def messages(text, reason="end_turn"):
    reasons = {"content_filter": "guardrail_intervened", "stop": "end_turn"}
    return {
        "type": "message",
        "content": [{"type": "text", "text": text}],
        "stop_reason": reasons.get(reason, reason),
    }


def gemini(text, reason="STOP"):
    reason = {"content_filter": "SAFETY", "stop": "STOP"}.get(reason, reason)
    parts = [{"text": text}]
    return {"candidates": [{"index": 0, "content": {"parts": parts}, "finishReason": reason}]}


FORMATS = [
    pytest.param(ChatCompletions(), chat, id="chat"),
    pytest.param(Completions(), plain, id="completions"),
    pytest.param(Messages(), messages, id="anthropic"),
    pytest.param(GenerateContent(), gemini, id="google"),
]
SUCCESS = (200, 201, 202, 203, 206, 207, 218, 246, 299)


def decode(wire, status, body):
    return wire.decode(status, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("status", SUCCESS)
@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
def test_a_whole_answer_is_read_under_any_status_of_success(wire, say_in, status):
    response = decode(wire, status, say_in(ANSWER) | CHECKED)
    assert (response.outcome, response.text, response.fault) == (Outcome.OK, ANSWER, None)
    assert response == decode(wire, 200, say_in(ANSWER) | CHECKED)


@pytest.mark.parametrize("status", SUCCESS)
@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
def test_a_filter_is_recognised_under_any_status_of_success(wire, say_in, status):
    assert decode(wire, status, say_in("", "content_filter")).outcome is Outcome.BLOCKED
    flagged = {"error": {"message": "made up", "code": "content_filter"}}
    assert decode(wire, status, flagged).outcome is Outcome.BLOCKED


@pytest.mark.parametrize("status", [202, 246])
@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", ""),
        (b" \n", ""),
        (b"null", ": null"),
        ({"message": "queued", "status": "QUEUED"}, ": queued"),
        ({"error": {"message": "try later"}}, ": try later"),
    ],
)
def test_what_is_no_answer_is_asked_again(wire, say_in, status, body, why):
    fault = decode(wire, status, body).fault
    assert (fault.retry, fault.fatal) == (True, False)
    assert fault.message == f"HTTP {status}{why}"


@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
@pytest.mark.parametrize("status", [204, 205])
def test_a_status_that_promises_no_body_is_no_answer(wire, say_in, status):
    for body in (b"", say_in(ANSWER)):
        assert decode(wire, status, body).fault.kind == "malformed"


@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
def test_a_cut_body_is_no_answer(wire, say_in):
    whole = json.dumps(say_in(ANSWER)).encode()
    assert decode(wire, 206, whole[:-1]).fault.kind == "malformed"


@pytest.mark.parametrize(("wire", "say_in"), FORMATS)
def test_a_refused_key_is_recognised_under_any_status_of_success(wire, say_in):
    refused = {"error": {"message": "no", "type": "authentication_error"}, "type": "error"}
    assert decode(wire, 202, refused).fault.fatal


def test_a_run_against_a_gateway_with_a_status_of_its_own(client, tmp_path):
    def respond(asked):
        if "words 3 " in asked.words:
            return say(completion("", "content_filter") | CHECKED, 246)
        if "words 5 " in asked.words and asked.times == 1:
            return reply(204, b"")
        return say(completion(ANSWER) | CHECKED, 246) if asked.number % 2 else good(asked)

    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(respond) as server:
        result = ask_and_judge(dataset, server.base_url, tmp_path / "run")
        assert len(server.asked) == 9
    assert result.outcomes == {"ok": 7, "blocked": 1}


# Several choices


def listed(say_in, *entries):
    """A body whose choices are those of several bodies, each with an index put in."""
    bodies = [(say_in(text), index) for text, index in entries]
    (name,) = {"choices", "candidates"} & bodies[0][0].keys()
    choices = []
    for body, index in bodies:
        (choice,) = body[name]
        choice = {key: value for key, value in choice.items() if key != "index"}
        choices.append(choice if index is None else choice | {"index": index})
    return bodies[0][0] | {name: choices}


@pytest.mark.parametrize(("wire", "say_in"), [FORMATS[0], FORMATS[1], FORMATS[3]])
@pytest.mark.parametrize(
    "entries",
    [
        [("the other", 1), ("the first", 0)],
        [("c", 2), ("b", 1), ("the first", 0), ("d", 3)],
        [("the other", 2), ("the first", 1)],  # none has 0: the lowest
        [("the other", "1"), ("the first", "0")],
        [("the other", 1.0), ("the first", 0.0)],
        [("the first", None), ("the other", None)],  # no index: the order of the list
        [("the first", "x"), ("the other", -1)],  # none that can be one
        [("the first", 0), ("the other", 0)],
        [("the other", 5), ("the first", None)],
    ],
)
def test_the_choice_of_the_lowest_index_is_read(wire, say_in, entries):
    assert decode(wire, 200, listed(say_in, *entries)).text == "the first"


@pytest.mark.parametrize(("wire", "name"), [(FORMATS[0].values[0], "choices")])
def test_what_is_no_choice_is_passed_over(wire, name):
    body = completion("the first")
    assert decode(wire, 200, body | {name: [None, "x", *body[name]]}).text == "the first"
    assert decode(wire, 200, body | {name: [None]}).fault.kind == "malformed"
