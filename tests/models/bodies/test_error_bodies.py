"""What a server says is shown, whatever the shape it says it in; a wrong key is named as such."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fault_server import FaultServer, ask_and_judge, reply, text_dataset
from tests.support.wire_cases import STATUSES, json_values
from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.bodies.error_bodies import parse_error_body
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.moderations import Moderations
from vlsu.models.formats.openai import ChatCompletions
from vlsu.models.http.address import address_hint

WIRES = [ChatCompletions(), Messages(), GenerateContent(), Moderations()]
SAID = "Unknown name example"
NESTED = json.dumps({"error": {"message": SAID}})


def decode(body, status=400, wire=WIRES[0]):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.decode(status, data)


SHAPES = [
    {"error": {"message": SAID, "type": "invalid_request_error", "param": None, "code": None}},
    {"type": "error", "error": {"type": "invalid_request_error", "message": SAID}},
    [{"error": {"code": 400, "message": SAID, "status": "INVALID_ARGUMENT"}}],
    [[{"error": {"message": SAID}}]],
    {"error": SAID},
    {"error": {"error": {"message": SAID}}},
    {"error": [{"message": SAID}]},
    {"errors": [{"code": 1, "message": SAID}], "success": False},
    {"message": SAID},
    {"Message": SAID},
    {"object": "error", "message": SAID, "code": 40303},
    {"msg": SAID, "code": 400},
    {"code": "InvalidParameter", "message": SAID, "request_id": "0"},
    {"code": "a code", "error": SAID},
    {"error_msg": SAID, "error_code": 336003},
    {"error": "invalid_request", "error_description": SAID},
    {"error": "Bad Request", "detail": SAID},
    {"error": True, "message": SAID},
    {"detail": SAID},
    {"detail": {"message": SAID}},
    {"detail": {"error": {"message": SAID}}},
    {"title": "Bad Request", "status": 400, "detail": SAID},
    {"fault": {"faultstring": SAID, "detail": {"errorcode": "x"}}},
    {"base_resp": {"status_code": 2013, "status_msg": SAID}},
    {"error": {"message": NESTED}},
    {"error": NESTED},
    {"error": {"message": "", "details": [{"message": SAID}]}},
    {"response": {"error": {"message": SAID}}},
    SAID,
    [SAID],
    NESTED,
    SAID.encode(),
    f"  {SAID}\n".encode(),
    ("\ufeff" + json.dumps({"error": {"message": SAID}})).encode(),
    json.dumps({"error": {"message": SAID}}).encode("utf-16"),
    json.dumps({"error": {"message": SAID, "rate": float("nan")}}).encode(),
    f"<html><head><title>{SAID}</title></head><body>more</body></html>".encode(),
    f"<!DOCTYPE html><html><body><h1>{SAID}</h1></body></html>".encode(),
    b'{"error": {"message": "' + SAID.encode() + b'", "name": "caf\xe9"}}',
]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: type(wire).__name__)
@pytest.mark.parametrize("body", SHAPES)
def test_the_message_is_shown(body, wire):
    fault = decode(body, 400, wire).fault
    assert fault is not None
    assert fault.message == f"HTTP 400: {SAID}"
    assert (fault.kind, fault.retry, fault.fatal) == ("bad-request", False, False)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            {
                "detail": [
                    {"loc": ["body", "messages", 0], "msg": "Field required", "type": "missing"}
                ]
            },
            "HTTP 422: body.messages.0: Field required",
        ),
        (
            {
                "detail": [
                    {"msg": "Field required"},
                    {"loc": ["body", "model"], "msg": "Not a string"},
                ]
            },
            "HTTP 422: Field required; body.model: Not a string",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": NESTED}}},
            f"HTTP 422: Provider returned error: {SAID}",
        ),
        ({"code": "InvalidParameter"}, "HTTP 422: InvalidParameter"),
        ({}, "HTTP 422"),
        (b"", "HTTP 422"),
        (b'{"error": {"message": "cut', "HTTP 422"),
        (b"<html><body></body></html>", "HTTP 422"),
        (b"\xff\xfe\xfd", "HTTP 422: \ufffd\ufffd\ufffd"),
    ],
)
def test_what_stands_beside_the_message_or_in_its_place(body, line):
    assert decode(body, 422).fault.message == line


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"msg": "Field required", "input": "the words of a sample"}]},
        {"error": {"message": "bad: {'input': {'text': 'the words of a sample'}}"}},
        {
            "error": {
                "message": 'bad: {"messages": [{"role": "user", "content": "the words of a"}]}'
            }
        },
        {"message": "bad", "request": {"prompt": "the words of a sample"}},
        {"prompt": "the words of a sample"},
        {"error": {"flagged_input": "the words of a sample", "message": "bad"}},
        b'{"messages": "the words of a sample',
    ],
)
def test_the_request_is_not_quoted(body):
    assert "the words" not in decode(body, 422).fault.message


def test_a_message_is_one_line_without_control_characters():
    said = decode({"error": "a\nb\x1b[31m\x00\u202e\u2028c\ud800" + "d" * 999}).fault.message
    assert said.startswith("HTTP 400: a b c")
    assert said.isprintable()
    assert len(said) <= len("HTTP 400: ") + 200
    assert collapsed_line(" a \t b ") == "a b"


BAD_KEYS = [
    (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}],
                }
            }
        ],
    ),
    (400, {"error": {"message": "m", "details": [{"reason": "API_KEY_INVALID"}]}}),
    (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: k***.",
        },
    ),
    (400, {"error": "Incorrect%20API%20key%20provided:%20k***."}),
    (400, {"code": "InvalidApiKey", "message": "Invalid API-key provided."}),
    (400, {"error": {"message": "No API key provided"}}),
    (400, {"error": {"message": "You didn't provide an API key."}}),
    (400, {"error": {"message": "API key expired. Please renew the API key."}}),
    (422, {"detail": "Missing API key"}),
    (200, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
    (200, {"base_resp": {"status_code": 2049, "status_msg": "invalid api key"}}),
    (200, {"error": {"message": "Invalid API key", "code": 401}}),
]


@pytest.mark.parametrize(("status", "body"), BAD_KEYS)
def test_a_wrong_key_ends_the_run_whatever_the_status(status, body):
    fault = decode(body, status).fault
    assert (fault.kind, fault.fatal) == ("credentials", True)
    assert any(word in fault.message.lower() for word in ("key", "login", "400: m"))


@pytest.mark.parametrize(
    "body",
    [
        {
            "error": {
                "message": "Invalid value for 'messages[0].content': is the API key not valid?"
            }
        },
        {"error": {"message": "The field api_key is not a parameter of this endpoint"}},
        {"error": {"message": "Unknown parameter: 'key'"}},
    ],
)
def test_a_message_that_only_mentions_keys_is_no_wrong_key(body):
    assert decode(body, 400).fault.kind == "bad-request"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: type(wire).__name__)
def test_a_place_that_is_not_served_ends_the_run(wire):
    said = "User location is not supported for the API use."
    body = [{"error": {"code": 400, "message": said, "status": "FAILED_PRECONDITION"}}]
    fault = decode(body, 400, wire).fault
    assert (fault.kind, fault.fatal) == ("precondition", True)
    assert fault.message == f"HTTP 400: {said}"


# The address


@pytest.mark.parametrize(
    ("base_url", "meant"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:11434/api/chat", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/api", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:8000/v1/models", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/completions", "http://127.0.0.1:8000/v1"),
        ("http://user:pw@127.0.0.1:8000/proxy", "http://127.0.0.1:8000/proxy/v1"),
    ],
)
def test_an_address_without_v1_gets_the_likely_one_as_a_hint(base_url, meant):
    assert address_hint(base_url).endswith(f": {meant}")


@pytest.mark.parametrize(
    "base_url",
    [
        None,
        "http://127.0.0.1:8000/v1",
        "http://127.0.0.1:8000/v1/",
        "https://openrouter.ai/api/v1",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "https://team.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
        "http://127.0.0.1:8000/v1/chat/completions",
        "http://[",
        "nonsense",
    ],
)
def test_an_address_that_may_be_right_gets_none(base_url):
    assert address_hint(base_url) == ""


@pytest.mark.parametrize("status", [404, 405])
def test_nothing_found_at_an_address_without_v1_is_said_with_the_hint(status, tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(lambda asked: reply(status, b'{"detail": "Not Found"}')) as server:
        root = server.base_url.removesuffix("/v1")
        with pytest.raises(ModelError) as caught:
            ask_and_judge(dataset, root, tmp_path / "run", concurrency=1)
        assert len(server.asked) == 1
    assert str(caught.value) == (
        f"openai/mock: HTTP {status}: Not Found (is the --base-url right? most servers answer "
        f"under /v1: {root}/v1)"
    )


@pytest.mark.parametrize("at", ["/v1", ""])
def test_a_model_that_is_not_there_gets_no_hint_about_the_address(at, tmp_path):
    said = b'{"error": {"message": "The model `mock` does not exist."}}'
    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(lambda asked: reply(404, said)) as server:
        root = server.base_url.removesuffix("/v1") + at
        with pytest.raises(ModelError, match=r"HTTP 404: The model `mock` does not exist\.$"):
            ask_and_judge(dataset, root, tmp_path / "run", concurrency=1)


# Anything at all


@given(json_values(), st.sampled_from(STATUSES))
def test_any_body_is_an_error_that_can_be_shown_and_stored(tree, status):
    for wire in WIRES:
        response = decode(tree, status, wire)
        if response.fault is not None:
            assert response.fault.message.isprintable()
            response.fault.message.encode()
    parse_error_body(json.dumps(tree).encode()[:-1])


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 500 + b"1" + b"}" * 500,
        b'{"message":' * 5000 + b"1" + b"}" * 5000,
        b'{"metadata":{"raw":' * 400 + b'"x"' + b"}" * 800,
        b"[" * 900 + b"]" * 900,
        b"[" + b"[[],[],[],[],[]]," * 3000 + b"[]]",
        json.dumps([[[[["m"] * 9] * 9] * 9] * 9] * 9).encode(),
    ],
)
def test_a_body_that_is_deep_or_wide_is_bounded(body):
    assert decode(body, 400).fault.kind == "bad-request"


def test_json_within_json_within_json_is_bounded():
    body = SAID
    for _ in range(12):
        body = json.dumps({"error": body})
    assert decode(body.encode(), 400).fault.message.startswith("HTTP 400")
