"""The chat-completions format, on the shapes its reference documents."""

import base64
import json

import pytest

from vlsu.errors import ModelError
from vlsu.models import ImageFile, ImagePart, Message, Outcome, Request, Settings, open_model
from vlsu.models.openai import ChatCompletions

from .conftest import completion

WIRE = ChatCompletions()
IMAGE = ImageFile(b"\x89PNG not really", "image/png")


def body_of(request, name="m", **settings):
    return json.loads(WIRE.encode(name, request, Settings(**settings), lambda _: IMAGE))


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
    body = body_of(PAIR, max_tokens=99, seed=3, params={"top_p": 0.5, "temperature": 0.7})
    assert (body["model"], body["max_tokens"], body["seed"]) == ("m", 99, 3)
    assert (body["top_p"], body["temperature"]) == (0.5, 0.7)
    assert "seed" not in body_of(PAIR)


def test_reasoning_models_get_no_temperature_and_the_other_bound():
    body = body_of(PAIR, name="o3-mini", max_tokens=500)
    assert body["max_completion_tokens"] == 500
    assert not {"temperature", "max_tokens"} & set(body)


def test_addresses():
    assert WIRE.url("m", Settings()) == "https://api.openai.com/v1/chat/completions"
    assert WIRE.url("m", Settings(base_url="http://h:1/v1/")) == "http://h:1/v1/chat/completions"


def test_an_answer_with_usage():
    response = decode(completion('{"severity": "safe"}'))
    assert (response.outcome, response.text) == (Outcome.OK, '{"severity": "safe"}')
    assert (response.input_tokens, response.output_tokens) == (11, 7)


def test_reasoning_is_kept_apart():
    response = decode(completion("safe", reasoning_content="hm, unsafe? no"))
    assert (response.text, response.reasoning) == ("safe", "hm, unsafe? no")


@pytest.mark.parametrize(
    ("body", "status", "outcome", "kind"),
    [
        (completion(None, refusal="I can't help with that."), 200, Outcome.REFUSED, None),
        (completion(None, "content_filter"), 200, Outcome.BLOCKED, None),
        ({"error": {"code": "content_filter", "message": "m"}}, 400, Outcome.BLOCKED, None),
        (
            {"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            400,
            Outcome.BLOCKED,
            None,
        ),
        ({"error": {"message": "bad image"}}, 400, Outcome.ERROR, "bad-request"),
        ({"error": {"message": "wrong key"}}, 401, Outcome.ERROR, "credentials"),
        ({"error": {"message": "no model"}}, 404, Outcome.ERROR, "not-found"),
        ({"error": {"message": "slow down"}}, 429, Outcome.ERROR, "rate-limit"),
        ({"error": {"code": "insufficient_quota"}}, 429, Outcome.ERROR, "quota"),
        ({"error": {"code": 502, "message": "upstream"}}, 200, Outcome.ERROR, "server"),
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


def test_length_is_cut_off_and_null_content_is_an_empty_answer():
    assert decode(completion("half", "length")).cut_off
    empty = decode(completion(None))
    assert (empty.outcome, empty.text) == (Outcome.OK, "")


def test_content_in_parts_is_joined():
    parts = [{"type": "text", "text": "un"}, {"type": "text", "text": "safe"}]
    assert decode(completion(parts)).text == "unsafe"


def test_without_key_and_server_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        open_model("openai/gpt-4o")
    assert open_model("openai/m", Settings(base_url="http://127.0.0.1:1/v1")).spec == "openai/m"


def test_the_key_and_the_address_are_no_part_of_the_identity(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    one = open_model("openai/m", Settings(base_url="http://127.0.0.1:1/v1"))
    two = open_model("openai/m", Settings(base_url="http://127.0.0.1:2/v1"))
    assert one.identity() == two.identity()
    assert "secret-key" not in json.dumps(one.identity())
