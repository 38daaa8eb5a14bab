"""The chat-completions format, on the shapes its reference documents."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.errors import ModelError
from vlsu.models import ImageFile, ImagePart, Message, Outcome, Request, Settings, open_model
from vlsu.models.formats.openai import ChatCompletions

WIRE = ChatCompletions()
IMAGE = ImageFile(b"\x89PNG not really", "image/png")
OWN_SERVER = "http://127.0.0.1:1/v1"
AZURE = "https://team.openai.azure.com/openai/v1"
SCHEMA = {"type": "object", "properties": {"severity": {"type": "string"}}}


def body_of(request, name="m", base_url=OWN_SERVER, **settings):
    asked = Settings(base_url=base_url, **settings)
    return json.loads(b"".join(WIRE.encode(name, request, asked, lambda _: IMAGE)))


def decode(body, status=200):
    return WIRE.decode(status, body if isinstance(body, bytes) else json.dumps(body).encode())


PAIR = Request(
    (Message("system", ("policy",)), Message("user", (ImagePart("ab" * 32), 'say "hi"\n')))
)


def test_an_image_goes_as_data_address_with_its_bytes_unchanged():
    system, user = body_of(PAIR)["messages"]
    assert system == {"role": "system", "content": "policy"}
    image, text = user["content"]
    head, _, data = image["image_url"]["url"].partition(",")
    assert (image["type"], head) == ("image_url", "data:image/png;base64")
    assert base64.b64decode(data) == IMAGE.data
    assert text == {"type": "text", "text": 'say "hi"\n'}


def test_decoding_is_greedy_and_bounded_and_params_pass_through():
    body = body_of(PAIR, max_tokens=99, seed=3, params={"top_p": 0.5})
    assert (body["model"], body["max_tokens"], body["seed"]) == ("m", 99, 3)
    assert (body["top_p"], body["temperature"]) == (0.5, 0)
    assert "seed" not in body_of(PAIR)


def test_a_param_replaces_a_field_and_null_drops_it():
    body = body_of(PAIR, params={"temperature": 0.7, "max_tokens": None})
    assert body["temperature"] == 0.7
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("name", "base_url", "bound", "greedy"),
    [
        ("gpt-4o", None, ("max_completion_tokens", 500), True),
        ("gpt-4o", AZURE, ("max_tokens", 500), True),
        ("gpt-5-chat-latest", None, ("max_completion_tokens", 500), True),
        ("o3-mini", None, ("max_completion_tokens", 25_500), False),
        ("gpt-5.1", None, ("max_completion_tokens", 25_500), False),
        ("gpt-5", AZURE, ("max_completion_tokens", 25_500), False),
        ("o3-mini", OWN_SERVER, ("max_tokens", 500), True),
        ("openai/gpt-5", "https://openrouter.ai/api/v1", ("max_tokens", 500), True),
    ],
)
def test_bound_and_temperature_in_the_words_of_the_model(name, base_url, bound, greedy):
    body = body_of(PAIR, name, base_url, max_tokens=500)
    field, tokens = bound
    assert body[field] == tokens
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1
    assert ("temperature" in body) == greedy


@pytest.mark.parametrize(
    ("structured", "name", "base_url", "sent"),
    [
        ("auto", "gpt-4o", None, True),
        ("auto", "gpt-5", AZURE, True),
        ("auto", "gpt-4-turbo", None, False),
        ("auto", "gpt-4", None, False),
        ("auto", "m", OWN_SERVER, False),
        ("auto", "openai/gpt-4o", "https://openrouter.ai/api/v1", False),
        ("on", "m", OWN_SERVER, True),
        ("off", "gpt-4o", None, False),
    ],
)
def test_a_schema_goes_where_it_is_documented_or_asked_for(structured, name, base_url, sent):
    asked = Request(PAIR.messages, SCHEMA)
    wanted = {"name": "answer", "strict": True, "schema": SCHEMA}
    form = body_of(asked, name, base_url, structured=structured).get("response_format")
    assert form == ({"type": "json_schema", "json_schema": wanted} if sent else None)
    assert "response_format" not in body_of(PAIR, name, base_url, structured="on")


def test_token_probabilities_are_asked_for_on_demand_and_not_of_reasoning_models(monkeypatch):
    assert "logprobs" not in body_of(PAIR)
    body = body_of(PAIR, logprobs=True)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 10)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ModelError, match="token probabilities"):
        open_model("openai/o3", Settings(logprobs=True))


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1/chat/completions"),
        (
            "https://t.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://t.openai.azure.com/openai/deployments/d/chat/completions"
            "?api-version=2024-10-21",
        ),
    ],
)
def test_addresses(base_url, address):
    assert WIRE.url("m", Settings(base_url=base_url)) == address


def test_an_answer_with_usage():
    response = decode(completion('{"severity": "safe"}'))
    assert (response.outcome, response.text) == (Outcome.OK, '{"severity": "safe"}')
    assert (response.input_tokens, response.output_tokens) == (11, 7)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart(field):
    response = decode(completion("safe", **{field: "hm, unsafe? no"}))
    assert (response.text, response.reasoning) == ("safe", "hm, unsafe? no")


OPENROUTER_MODERATION = {
    "error": {
        "code": 403,
        "message": 'm requires moderation. Your input was flagged for "violence".',
        "metadata": {"reasons": ["violence"], "flagged_input": "..."},
    }
}


@pytest.mark.parametrize(
    ("body", "status", "outcome", "kind"),
    [
        (completion(None, refusal="I can't help with that."), 200, Outcome.REFUSED, None),
        (completion(None, "content_filter"), 200, Outcome.BLOCKED, None),
        (completion('{"severity"', "content_filter"), 200, Outcome.BLOCKED, None),
        ({"error": {"code": "content_filter", "message": "m"}}, 400, Outcome.BLOCKED, None),
        (
            {"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            400,
            Outcome.BLOCKED,
            None,
        ),
        (OPENROUTER_MODERATION, 403, Outcome.BLOCKED, None),
        ({"error": {"message": "bad image"}}, 400, Outcome.ERROR, "bad-request"),
        ({"error": {"message": "wrong key"}}, 401, Outcome.ERROR, "credentials"),
        ({"error": {"message": "not yours"}}, 403, Outcome.ERROR, "credentials"),
        ({"error": {"message": "no model"}}, 404, Outcome.ERROR, "not-found"),
        ({"error": {"message": "slow down"}}, 429, Outcome.ERROR, "rate-limit"),
        ({"error": {"code": "insufficient_quota"}}, 429, Outcome.ERROR, "quota"),
        ({"error": {"type": "insufficient_quota", "code": None}}, 429, Outcome.ERROR, "quota"),
        ({"error": {"message": "no credits", "code": 402}}, 402, Outcome.ERROR, "quota"),
        ({"error": {"code": 502, "message": "upstream"}}, 200, Outcome.ERROR, "server"),
        ({"error": {"code": 429, "message": "upstream"}}, 200, Outcome.ERROR, "rate-limit"),
        ({"error": "out of memory"}, 500, Outcome.ERROR, "server"),
        (
            {"choices": [{"error": {"code": 502, "message": "u"}, "finish_reason": "error"}]},
            200,
            Outcome.ERROR,
            "server",
        ),
        (b"<html>Bad gateway</html>", 502, Outcome.ERROR, "server"),
        (b"<html>", 200, Outcome.ERROR, "malformed"),
        (b'{"choices": [{"mess', 200, Outcome.ERROR, "malformed"),
        (b"[1, 2]", 200, Outcome.ERROR, "malformed"),
        ({"choices": []}, 200, Outcome.ERROR, "malformed"),
        ({"choices": [{"finish_reason": "stop"}]}, 200, Outcome.ERROR, "malformed"),
        ({"choices": "abc"}, 200, Outcome.ERROR, "malformed"),
        (b"", 302, Outcome.ERROR, "redirect"),
    ],
)
def test_what_is_not_an_answer(body, status, outcome, kind):
    response = decode(body, status)
    assert response.outcome is outcome
    assert (response.fault.kind if response.fault else None) == kind


def test_length_is_cut_off_and_null_content_is_no_answer():
    assert decode(completion("half", "length")).cut_off
    empty = decode(completion(None))
    assert (empty.outcome, empty.text) == (Outcome.UNPARSED, "")


def test_content_in_parts_is_joined():
    parts = [{"type": "text", "text": "un"}, {"type": "text", "text": "safe"}]
    assert decode(completion(parts)).text == "unsafe"


def step(token, logprob=0.0, *others):
    """A token of a completion and alternatives to it, as the reference documents them."""
    top = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in others]
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode()),
        "top_logprobs": top,
    }


def test_the_probability_of_unsafe_comes_from_the_token_of_the_severity():
    steps = [
        step('{"'),
        step("severity"),
        step('": "'),
        step("un", -0.105, ("un", -0.105), ("border", -2.303)),
        step("safe"),
        step('", "category": null}'),
    ]
    body = completion('{"severity": "unsafe", "category": null}')
    body["choices"][0]["logprobs"] = {"content": steps, "refusal": None}
    assert decode(body).p_unsafe == pytest.approx(0.9, abs=1e-3)
    body["choices"][0]["finish_reason"] = "length"
    assert decode(body).p_unsafe is None


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        [None, 3],
        [{"token": "x", "bytes": [999], "logprob": "high"}],
        [{"token": '{"severity": "unsafe"}', "logprob": None, "top_logprobs": [7]}],
    ],
)
def test_token_probabilities_that_cannot_be_read_give_none(listed):
    body = completion('{"severity": "unsafe"}')
    body["choices"][0]["logprobs"] = {"content": listed}
    assert decode(body).p_unsafe is None


@pytest.mark.parametrize(
    ("base_url", "variable"),
    [
        (None, "OPENAI_API_KEY"),
        (AZURE, "AZURE_OPENAI_API_KEY"),
        ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ],
)
def test_without_its_key_a_provider_names_the_variable(monkeypatch, base_url, variable):
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match=rf"set {variable}\b"):
        open_model("openai/gpt-4o", Settings(base_url=base_url))


def test_a_server_of_ones_own_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert open_model("openai/m", Settings(base_url=OWN_SERVER)).spec == "openai/m"
    assert "Authorization" not in WIRE.headers(None)
    assert WIRE.headers("k")["Authorization"] == "Bearer k"
    assert ChatCompletions("api-key").headers("k")["api-key"] == "k"


def test_the_key_and_the_address_are_no_part_of_the_identity(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    one = open_model("openai/m", Settings(base_url="http://127.0.0.1:1/v1"))
    two = open_model("openai/m", Settings(base_url="http://127.0.0.1:2/v1"))
    assert one.identity() == two.identity()
    assert "secret-key" not in json.dumps(one.identity())


@pytest.mark.parametrize(
    "changed",
    [
        {"max_tokens": 7},
        {"seed": 1},
        {"structured": "on"},
        {"logprobs": True},
        {"params": {"top_p": 0.1}},
        {"system": "be brief"},
    ],
)
def test_every_setting_that_could_change_an_answer_changes_the_identity(changed):
    plain = open_model("openai/m", Settings(base_url=OWN_SERVER))
    other = open_model("openai/m", Settings(base_url=OWN_SERVER, **changed))
    assert plain.identity() != other.identity()


def test_a_fault_quotes_neither_a_key_nor_the_request():
    said = "Incorrect API key provided: sk-proj-12*****89. See the documentation."
    assert "sk-" not in decode({"error": {"message": said}}, 401).fault.message
    listed = {"detail": [{"loc": ["body"], "msg": "Field required", "input": "the user's text"}]}
    message = decode(listed, 422).fault.message
    assert "Field required" in message
    assert "user's text" not in message
    quoted = {"error": {"message": "[{'type': 'extra', 'input': {'text': 'the user said'}}]"}}
    assert "the user said" not in decode(quoted, 400).fault.message


def test_rate_limits_come_from_the_documented_headers():
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    limits = WIRE.rate_limits(headers.get, b"", now=0.0)
    assert (limits.requests.left, limits.requests.reset_s) == (59, 1.0)
    assert (limits.tokens.left, limits.tokens.reset_s) == (149_984, 360.0)


MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        name: json_values() for name in ("content", "refusal", "reasoning", "reasoning_content")
    },
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "message": MESSAGES | json_values(),
        "finish_reason": st.sampled_from(["stop", "length", "content_filter"]) | json_values(),
        "logprobs": st.fixed_dictionaries({"content": json_values()}) | json_values(),
        "error": json_values(),
    },
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICES, max_size=2) | json_values(),
        "usage": json_values(),
        "error": json_values(),
    },
)


@given(ANSWERS | json_values())
def test_decode_is_total(tree):
    check_decode_is_total(WIRE, tree)


def test_an_image_for_a_server_without_eyes_is_not_asked_again():
    said = "image input is not supported - hint: if this is unexpected, provide the mmproj"
    response = decode({"error": {"code": 500, "message": said, "type": "server_error"}}, 500)
    assert response.fault is not None
    assert (response.fault.kind, response.fault.retry) == ("bad-request", False)
    assert "not supported" in response.fault.message
