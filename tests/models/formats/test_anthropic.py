"""The Anthropic Messages format, on the shapes its SDK documents."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.errors import ModelError
from vlsu.models import ImageFile, ImagePart, Message, Outcome, Request, Settings, open_model
from vlsu.models.formats.anthropic import Messages

WIRE = Messages()
IMAGE = ImageFile(b"\xff\xd8 not really", "image/jpeg")
SCHEMA = {"type": "object", "properties": {"severity": {"type": "string"}}}
OLD, NEW = "claude-3-5-sonnet-20241022", "claude-opus-4-7"

PAIR = Request(
    (Message("system", ("policy",)), Message("user", (ImagePart("ab" * 32), 'say "hi"\n')))
)


def body_of(request, name=OLD, **settings):
    return json.loads(b"".join(WIRE.encode(name, request, Settings(**settings), lambda _: IMAGE)))


def decode(body, status=200):
    return WIRE.decode(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def message(*content, stop="end_turn", **usage):
    """A message as the API answers it."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7, **usage},
    }


def text(words):
    return {"type": "text", "text": words}


def error(kind, said="m"):
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}


def test_the_system_prompt_stands_on_top_and_an_image_goes_in_base64():
    body = body_of(PAIR)
    assert body["system"] == "policy"
    assert [m["role"] for m in body["messages"]] == ["user"]
    image, words = body["messages"][0]["content"]
    assert image["type"] == "image"
    assert (image["source"]["type"], image["source"]["media_type"]) == ("base64", "image/jpeg")
    assert base64.b64decode(image["source"]["data"]) == IMAGE.data
    assert words == text('say "hi"\n')
    assert "system" not in body_of(Request((Message("user", ("hi",)),)))


@pytest.mark.parametrize(
    ("name", "params", "max_tokens", "greedy"),
    [
        ("claude-3-haiku-20240307", {}, 500, True),
        ("claude-sonnet-4-20250514", {}, 500, True),
        ("claude-haiku-4-5-20251001", {}, 500, True),
        ("claude-opus-4-6", {}, 500, True),
        ("claude-opus-4-7", {}, 25_500, False),
        ("claude-sonnet-5", {}, 25_500, False),
        ("claude-mythos-preview", {}, 25_500, False),
        ("claude-sonnet-5", {"thinking": {"type": "disabled"}}, 500, False),
        ("claude-opus-4-6", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, 2500, False),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}}, 25_500, False),
    ],
)
def test_bound_and_temperature_in_the_words_of_the_model(name, params, max_tokens, greedy):
    body = body_of(PAIR, name, max_tokens=500, params=params)
    assert body["max_tokens"] == max_tokens
    assert ("temperature" in body) == greedy
    assert body.get("thinking") == params.get("thinking")


def test_a_param_replaces_a_field_and_null_drops_it():
    body = body_of(PAIR, params={"max_tokens": 5, "temperature": None, "top_k": 1})
    assert (body["max_tokens"], body["top_k"]) == (5, 1)
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("structured", "name", "sent"),
    [
        ("auto", "claude-sonnet-4-5", True),
        ("auto", "claude-opus-5", True),
        ("auto", "claude-opus-4-1-20250805", False),
        ("auto", OLD, False),
        ("on", OLD, True),
        ("off", "claude-opus-5", False),
    ],
)
def test_a_schema_goes_where_it_is_documented_or_asked_for(structured, name, sent):
    asked = Request(PAIR.messages, SCHEMA)
    config = body_of(asked, name, structured=structured).get("output_config")
    assert config == ({"format": {"type": "json_schema", "schema": SCHEMA}} if sent else None)


def test_effort_stands_beside_the_schema():
    asked = Request(PAIR.messages, SCHEMA)
    body = body_of(asked, NEW, params={"output_config": {"effort": "low"}})
    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    "base_url", [None, "https://api.anthropic.com/", "https://api.anthropic.com/v1"]
)
def test_address(base_url):
    assert WIRE.url("m", Settings(base_url=base_url)) == "https://api.anthropic.com/v1/messages"


def test_headers_carry_the_key_and_the_version():
    headers = WIRE.headers("k")
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("k", "2023-06-01")
    assert "x-api-key" not in WIRE.headers(None)


def test_an_answer_with_thinking_apart_and_every_input_token_counted():
    thought = {"type": "thinking", "thinking": "hm, unsafe? no", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    body = message(
        thought,
        hidden,
        text('{"severity": '),
        text('"safe"}'),
        cache_creation_input_tokens=100,
        cache_read_input_tokens=1000,
    )
    response = decode(body)
    assert (response.outcome, response.text) == (Outcome.OK, '{"severity": "safe"}')
    assert response.reasoning == "hm, unsafe? no"
    assert (response.input_tokens, response.output_tokens) == (1111, 7)
    assert (response.cached_tokens, response.cache_write_tokens) == (1000, 100)
    assert response.finish_reason == "end_turn"


@pytest.mark.parametrize(
    ("stop", "outcome", "cut_off"),
    [
        ("end_turn", Outcome.OK, False),
        ("stop_sequence", Outcome.OK, False),
        ("max_tokens", Outcome.OK, True),
        ("model_context_window_exceeded", Outcome.OK, True),
        ("refusal", Outcome.REFUSED, False),
    ],
)
def test_stop_reasons(stop, outcome, cut_off):
    response = decode(message(text("half"), stop=stop))
    assert (response.outcome, response.cut_off) == (outcome, cut_off)


def test_a_refusal_without_any_content_and_an_empty_answer():
    assert decode(message(stop="refusal")).outcome is Outcome.REFUSED
    assert decode(message()).outcome is Outcome.UNPARSED


@pytest.mark.parametrize(
    ("body", "status", "outcome", "kind", "retry", "fatal"),
    [
        (error("invalid_request_error", "bad image"), 400, "error", "bad-request", False, False),
        (error("authentication_error"), 401, "error", "credentials", False, True),
        (error("billing_error"), 402, "error", "quota", False, True),
        (error("permission_error"), 403, "error", "credentials", False, True),
        (error("not_found_error"), 404, "error", "not-found", False, True),
        (error("request_too_large"), 413, "error", "bad-request", False, False),
        (error("rate_limit_error"), 429, "error", "rate-limit", True, False),
        (error("api_error"), 500, "error", "server", True, False),
        (error("timeout_error"), 504, "error", "server", True, False),
        (error("overloaded_error", "Overloaded"), 529, "error", "server", True, False),
        (error("overloaded_error"), 200, "error", "server", True, False),
        (error("something_new"), 200, "error", "server", True, False),
        (
            error("invalid_request_error", "Your credit balance is too low to access the API."),
            400,
            "error",
            "quota",
            False,
            True,
        ),
        (b"<html>Bad gateway</html>", 502, "error", "server", True, False),
        (b"<html>", 200, "error", "malformed", True, False),
        ({"type": "message"}, 200, "error", "malformed", True, False),
        ([], 200, "error", "malformed", True, False),
    ],
)
def test_errors(body, status, outcome, kind, retry, fatal):
    response = decode(body, status)
    fault = response.fault
    assert (response.outcome.value, fault.kind, fault.retry, fault.fatal) == (
        outcome,
        kind,
        retry,
        fatal,
    )


def test_an_output_stopped_by_the_content_filter_is_blocked():
    said = "Output blocked by content filtering policy"
    assert decode(error("invalid_request_error", said), 400).outcome is Outcome.BLOCKED


def test_rate_limits_come_from_the_documented_headers():
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:01:00Z",
        "anthropic-ratelimit-tokens-limit": "80000",
        "anthropic-ratelimit-tokens-remaining": "79000",
        "anthropic-ratelimit-tokens-reset": "2026-01-01T00:00:01Z",
        "retry-after": "7",
    }
    limits = WIRE.rate_limits(headers.get, b"", now=1_767_225_600.0)  # 2026-01-01T00:00:00Z
    assert (limits.requests.left, limits.requests.reset_s) == (0, 60.0)
    assert (limits.tokens.left, limits.tokens.reset_s) == (79_000, 1.0)
    assert limits.retry_after_s == 7.0


def test_key_and_probabilities(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ModelError, match="set ANTHROPIC_API_KEY"):
        open_model(f"anthropic/{NEW}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-key")
    model: Any = open_model(f"anthropic/{NEW}")
    assert model.spec == f"anthropic/{NEW}"
    assert "secret-key" not in json.dumps(model.identity())
    assert model.identity()["images"]["max_side"] == 8000
    with pytest.raises(ModelError, match="token probabilities"):
        open_model(f"anthropic/{NEW}", Settings(logprobs=True))


BLOCKS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use"]) | json_values()},
    optional={"text": json_values(), "thinking": json_values()},
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "error"]) | json_values(),
        "content": st.lists(BLOCKS, max_size=3) | json_values(),
        "stop_reason": st.sampled_from(["end_turn", "refusal"]) | json_values(),
        "usage": st.fixed_dictionaries({"input_tokens": json_values()}) | json_values(),
        "error": st.fixed_dictionaries({"type": json_values()}) | json_values(),
    },
)


@given(ANSWERS | json_values())
def test_decode_is_total(tree):
    check_decode_is_total(WIRE, tree)
