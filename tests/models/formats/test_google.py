"""The Gemini format, on the shapes its SDK documents."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.errors import ModelError
from vlsu.models import ImageFile, ImagePart, Message, Outcome, Request, Settings, open_model
from vlsu.models.formats.google import GenerateContent
from vlsu.models.http.transport import Header

WIRE = GenerateContent()
IMAGE = ImageFile(b"RIFF not really", "image/webp")
SCHEMA = {"type": "object", "properties": {"severity": {"type": "string"}}}

PAIR = Request(
    (Message("system", ("policy",)), Message("user", (ImagePart("ab" * 32), 'say "hi"\n')))
)


def body_of(request, name="gemini-2.0-flash", **settings):
    return json.loads(b"".join(WIRE.encode(name, request, Settings(**settings), lambda _: IMAGE)))


def decode(body, status=200):
    return WIRE.decode(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def header(fields: dict[str, str]) -> Header:
    return lambda name: fields.get(name)


def answer(*parts, finish="STOP", **candidate):
    """A response as the API answers it."""
    return {
        "candidates": [
            {
                "content": {"parts": list(parts), "role": "model"},
                "finishReason": finish,
                "index": 0,
                **candidate,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 30,
            "totalTokenCount": 48,
        },
        "modelVersion": "gemini",
    }


def error(code, status, said="m", *details):
    return {"error": {"code": code, "message": said, "status": status, "details": list(details)}}


def test_tokens_of_the_cache_and_of_thoughts_are_counted_within_input_and_output():
    tree = answer({"text": "{}"})
    tree["usageMetadata"]["cachedContentTokenCount"] = 8
    response = decode(tree)
    assert (response.input_tokens, response.cached_tokens) == (11, 8)
    assert (response.output_tokens, response.reasoning_tokens) == (37, 30)


def test_the_system_prompt_stands_apart_and_an_image_goes_inline():
    body = body_of(PAIR)
    assert body["systemInstruction"] == {"parts": [{"text": "policy"}]}
    (content,) = body["contents"]
    image, words = content["parts"]
    assert content["role"] == "user"
    assert image["inlineData"]["mimeType"] == "image/webp"
    assert base64.b64decode(image["inlineData"]["data"]) == IMAGE.data
    assert words == {"text": 'say "hi"\n'}
    assert "systemInstruction" not in body_of(Request((Message("user", ("hi",)),)))
    assert "safetySettings" not in body


@pytest.mark.parametrize(
    ("name", "max_tokens", "greedy"),
    [
        ("gemini-1.5-pro", 500, True),
        ("gemini-2.0-flash", 500, True),
        ("gemma-3-27b-it", 500, True),
        ("gemini-2.5-flash", 25_500, True),
        ("gemini-3-pro-preview", 25_500, False),
        ("gemini-3.5-flash-lite", 25_500, False),
        ("gemini-flash-latest", 25_500, False),
    ],
)
def test_bound_and_temperature_in_the_words_of_the_model(name, max_tokens, greedy):
    config = body_of(PAIR, name, max_tokens=500, seed=3)["generationConfig"]
    assert (config["maxOutputTokens"], config["seed"]) == (max_tokens, 3)
    assert ("temperature" in config) == greedy


def test_params_go_into_the_generation_config_unless_they_stand_beside_it():
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    params = {
        "safetySettings": safety,
        "thinkingConfig": {"thinkingBudget": 0},
        "generationConfig": {"topP": 0.5},
        "temperature": None,
    }
    body = body_of(PAIR, params=params)
    assert body["safetySettings"] == safety
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 0}
    assert body["generationConfig"]["topP"] == 0.5
    assert "temperature" not in body["generationConfig"]


@pytest.mark.parametrize(
    ("structured", "name", "sent"),
    [
        ("auto", "gemini-2.5-flash", True),
        ("auto", "gemini-3-pro-preview", True),
        ("auto", "gemini-2.0-flash", False),
        ("auto", "gemma-3-27b-it", False),
        ("on", "gemini-2.0-flash", True),
        ("off", "gemini-2.5-flash", False),
    ],
)
def test_a_schema_goes_where_it_is_documented_or_asked_for(structured, name, sent):
    asked = Request(PAIR.messages, SCHEMA)
    config = body_of(asked, name, structured=structured)["generationConfig"]
    assert config.get("responseJsonSchema") == (SCHEMA if sent else None)
    assert config.get("responseMimeType") == ("application/json" if sent else None)


def test_token_probabilities_are_asked_for_on_demand():
    assert "responseLogprobs" not in body_of(PAIR)["generationConfig"]
    config = body_of(PAIR, logprobs=True)["generationConfig"]
    assert (config["responseLogprobs"], config["logprobs"]) == (True, 10)


@pytest.mark.parametrize(
    ("base_url", "name", "address"),
    [
        (
            None,
            "gemini-2.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/models/"
            "gemini-2.5-flash:generateContent",
        ),
        ("http://h:1", "m", "http://h:1/v1beta/models/m:generateContent"),
        ("http://h:1/v1/", "tunedModels/m", "http://h:1/v1/tunedModels/m:generateContent"),
        ("http://h:1/v1", "m?key=x", "http://h:1/v1/models/m%3Fkey%3Dx:generateContent"),
    ],
)
def test_addresses(base_url, name, address):
    assert WIRE.url(name, Settings(base_url=base_url)) == address


def test_the_key_goes_into_its_header_alone():
    assert WIRE.headers("k")["x-goog-api-key"] == "k"
    assert "x-goog-api-key" not in WIRE.headers(None)


def test_an_answer_with_thoughts_apart_and_counted_as_output():
    response = decode(
        answer(
            {"text": "hm, unsafe? no", "thought": True},
            {"text": '{"severity": '},
            {"text": '"safe"}', "thoughtSignature": "x"},
        )
    )
    assert (response.outcome, response.text) == (Outcome.OK, '{"severity": "safe"}')
    assert response.reasoning == "hm, unsafe? no"
    assert (response.input_tokens, response.output_tokens) == (11, 37)


@pytest.mark.parametrize(
    ("finish", "outcome", "cut_off"),
    [
        ("STOP", Outcome.OK, False),
        ("MAX_TOKENS", Outcome.OK, True),
        ("SAFETY", Outcome.BLOCKED, False),
        ("RECITATION", Outcome.BLOCKED, False),
        ("BLOCKLIST", Outcome.BLOCKED, False),
        ("PROHIBITED_CONTENT", Outcome.BLOCKED, False),
        ("SPII", Outcome.BLOCKED, False),
        ("LANGUAGE", Outcome.UNPARSED, True),
    ],
)
def test_finish_reasons(finish, outcome, cut_off):
    response = decode(answer({"text": "half"}, finish=finish))
    assert (response.outcome, response.cut_off) == (outcome, cut_off)
    assert response.finish_reason == finish


def test_a_blocked_candidate_has_no_content():
    body = {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    assert decode(body).outcome is Outcome.BLOCKED
    assert decode(answer(finish="OTHER")).outcome is Outcome.UNPARSED


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"])
def test_a_blocked_prompt_is_told_with_status_200(reason):
    body = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 5}}
    response = decode(body)
    assert (response.outcome, response.finish_reason) == (Outcome.BLOCKED, reason)
    assert response.input_tokens == 5


BAD_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}


def quota(id_):
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": id_}]}


@pytest.mark.parametrize(
    ("body", "status", "kind", "retry", "fatal"),
    [
        (error(400, "INVALID_ARGUMENT", "bad image"), 400, "bad-request", False, False),
        (error(400, "INVALID_ARGUMENT", "m", BAD_KEY), 400, "credentials", False, True),
        (
            error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            400,
            "credentials",
            False,
            True,
        ),
        (
            error(400, "FAILED_PRECONDITION", "User location is not supported."),
            400,
            "precondition",
            False,
            True,
        ),
        (error(403, "PERMISSION_DENIED"), 403, "credentials", False, True),
        (error(404, "NOT_FOUND"), 404, "not-found", False, True),
        (error(429, "RESOURCE_EXHAUSTED", "m", RETRY), 429, "rate-limit", True, False),
        (
            error(429, "RESOURCE_EXHAUSTED", "m", quota("RequestsPerMinutePerProject")),
            429,
            "rate-limit",
            True,
            False,
        ),
        (
            error(429, "RESOURCE_EXHAUSTED", "m", quota("RequestsPerDayPerProject-FreeTier")),
            429,
            "quota",
            False,
            True,
        ),
        (error(503, "UNAVAILABLE", "overloaded"), 503, "server", True, False),
        (error(503, "UNAVAILABLE", "overloaded"), 200, "server", True, False),
        (b"<html>Bad gateway</html>", 502, "server", True, False),
        (b"<html>", 200, "malformed", True, False),
        ({"candidates": []}, 200, "malformed", True, False),
        ([], 200, "malformed", True, False),
    ],
)
def test_errors(body, status, kind, retry, fatal):
    response = decode(body, status)
    fault = response.fault
    assert response.outcome is Outcome.ERROR
    assert (fault.kind, fault.retry, fault.fatal) == (kind, retry, fatal)


def test_the_wait_is_told_in_the_body_or_the_header():
    body = json.dumps(error(429, "RESOURCE_EXHAUSTED", "m", RETRY)).encode()
    assert WIRE.rate_limits(header({}), body, now=0.0).retry_after_s == 34.5
    assert WIRE.rate_limits(header({"retry-after": "3"}), b"<html>", now=0.0).retry_after_s == 3.0
    assert WIRE.rate_limits(header({}), b"", now=0.0).retry_after_s is None


def test_the_probability_of_unsafe_comes_from_the_token_of_the_severity():
    tokens = ['{"severity":', ' "', "safe", '"}']
    tops = [[], [], [("safe", -0.288), ("unsafe", -1.386)], []]
    result = {
        "chosenCandidates": [{"token": t, "logProbability": -0.288} for t in tokens],
        "topCandidates": [
            {"candidates": [{"token": t, "logProbability": p} for t, p in top]} for top in tops
        ],
    }
    body = answer({"text": "".join(tokens)}, logprobsResult=result)
    assert decode(body).p_unsafe == pytest.approx(0.25, abs=1e-3)
    body["candidates"][0]["logprobsResult"]["topCandidates"] = []
    assert decode(body).p_unsafe == 0.0
    body["candidates"][0]["logprobsResult"]["chosenCandidates"] = []
    assert decode(body).p_unsafe is None


def test_keys(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with pytest.raises(ModelError, match="set GEMINI_API_KEY"):
        open_model("google/gemini-2.5-flash")
    for variable in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(variable, "secret-key")
        identity = open_model("google/gemini-2.5-flash").identity()
        monkeypatch.delenv(variable)
        assert "secret-key" not in json.dumps(identity)


PARTS = st.fixed_dictionaries({}, optional={"text": json_values(), "thought": json_values()})
CONTENTS = st.fixed_dictionaries({"parts": st.lists(PARTS, max_size=3) | json_values()})
CANDIDATES = st.fixed_dictionaries(
    {},
    optional={
        "content": CONTENTS | json_values(),
        "finishReason": st.sampled_from(["STOP", "SAFETY"]) | json_values(),
        "logprobsResult": st.fixed_dictionaries(
            {"chosenCandidates": json_values(), "topCandidates": json_values()}
        ),
    },
)
ERRORS = st.fixed_dictionaries(
    {}, optional={"code": json_values(), "message": json_values(), "details": json_values()}
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(CANDIDATES, max_size=2) | json_values(),
        "promptFeedback": json_values(),
        "usageMetadata": json_values(),
        "error": ERRORS | json_values(),
    },
)


@given(ANSWERS | json_values())
def test_decode_is_total(tree):
    check_decode_is_total(WIRE, tree)
    WIRE.rate_limits(header({}), json.dumps(tree).encode(), now=0.0)
