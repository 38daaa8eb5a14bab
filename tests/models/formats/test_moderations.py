"""The moderations format, on the shapes of OpenAI's OpenAPI description."""

import json

import pytest
from hypothesis import given

from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.errors import UsageError
from vlsu.models import ImageFile, ImagePart, Message, Outcome, Request, Settings
from vlsu.models.formats.moderations import Moderations

WIRE = Moderations()
IMAGE = ImageFile(b"\xff\xd8 not really", "image/jpeg")
MODEL = "omni-moderation-latest"
RESULT = {
    "flagged": False,
    "categories": {"violence": False},
    "category_scores": {"violence": 0.125},
    "category_applied_input_types": {"violence": ["image"]},
}


def body_of(*parts, **settings):
    request = Request((Message("user", parts),))
    return json.loads(b"".join(WIRE.encode(MODEL, request, Settings(**settings), lambda _: IMAGE)))


def decode(body, status=200):
    return WIRE.decode(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_text_and_image_are_parts_of_one_input():
    assert body_of("How do I bake bread?", ImagePart("ab" * 32)) == {
        "model": MODEL,
        "input": [
            {"type": "text", "text": "How do I bake bread?"},
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/jpeg;base64,{IMAGE.base64.decode()}"},
            },
        ],
    }


def test_a_part_alone_is_an_input_too():
    assert body_of("hi")["input"] == [{"type": "text", "text": "hi"}]
    assert [part["type"] for part in body_of(ImagePart("ab" * 32))["input"]] == ["image_url"]


def test_a_second_image_is_refused_before_it_is_sent():
    with pytest.raises(UsageError, match="2 images; a request takes one"):
        body_of(ImagePart("ab" * 32), ImagePart("cd" * 32))


def test_address_and_key():
    assert WIRE.url(MODEL, Settings()) == "https://api.openai.com/v1/moderations"
    base = Settings(base_url="http://127.0.0.1:8000/v1/?version=2")
    assert WIRE.url(MODEL, base) == "http://127.0.0.1:8000/v1/moderations?version=2"
    whole = Settings(base_url="http://127.0.0.1:8000/v1/moderations")
    assert WIRE.url(MODEL, whole) == "http://127.0.0.1:8000/v1/moderations"
    assert WIRE.headers("k")["Authorization"] == "Bearer k"
    assert "Authorization" not in WIRE.headers(None)


def test_the_answer_is_the_one_result_as_it_came():
    response = decode({"id": "modr-1", "model": MODEL, "results": [RESULT]})
    assert response.outcome is Outcome.OK
    assert json.loads(response.text) == RESULT
    assert response.p_unsafe is None  # what a score means is for the guard's family to say


@pytest.mark.parametrize("results", [None, [], [RESULT, RESULT], ["unsafe"], {"0": RESULT}])
def test_anything_but_one_result_is_an_error_that_may_pass(results):
    response = decode({"id": "modr-1", "model": MODEL, "results": results})
    assert (response.outcome, response.fault.kind) == (Outcome.ERROR, "malformed")
    assert response.fault.retry


@pytest.mark.parametrize(
    ("status", "error", "kind", "retry", "fatal"),
    [
        # As the server answers a second image.
        (
            400,
            {
                "message": "Number of images (2) exceeds maximum of 1",
                "type": "invalid_request_error",
                "param": "input",
                "code": "too_many_images",
            },
            "bad-request",
            False,
            False,
        ),
        (
            401,
            {"message": "Incorrect API key provided: sk-abc.", "code": "invalid_api_key"},
            "credentials",
            False,
            True,
        ),
        (
            429,
            {"message": "Rate limit reached", "code": "rate_limit_exceeded"},
            "rate-limit",
            True,
            False,
        ),
        (429, {"message": "quota", "code": "insufficient_quota"}, "quota", False, True),
        (500, {"message": "The server had an error"}, "server", True, False),
        (404, {"message": "no such path"}, "not-found", False, True),
    ],
)
def test_errors(status, error, kind, retry, fatal):
    fault = decode({"error": error}, status).fault
    assert (fault.kind, fault.retry, fault.fatal) == (kind, retry, fatal)
    assert "sk-abc" not in fault.message


def test_an_error_within_a_success_is_an_error():
    fault = decode({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}).fault
    assert (fault.kind, fault.retry) == ("rate-limit", True)


@given(json_values())
def test_decode_is_total(tree):
    check_decode_is_total(WIRE, tree)
    check_decode_is_total(WIRE, {"results": [tree]})


def test_images_have_the_limits_of_chat_completions():
    assert WIRE.image_limits(Settings()).max_base64 == 50_000_000
    other = WIRE.image_limits(Settings(base_url="http://127.0.0.1:8000/v1"))
    assert other.max_base64 is None
    assert "image/png" in other.media_types
