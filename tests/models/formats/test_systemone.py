"""System One: bodies as `transformers serve` checks them, answers as it writes them, whole runs."""

import base64
import json
import re
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import present
from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.errors import ModelError, UsageError
from vlsu.models import (
    ImageFile,
    ImagePart,
    Message,
    Outcome,
    Request,
    Settings,
    models,
    open_model,
)
from vlsu.models.base import score_schema
from vlsu.models.formats.systemone import SystemOne
from vlsu.runs import UnderstandingOptions, evaluate, prepare

WIRE = SystemOne()
OWN_SERVER = "http://127.0.0.1:1/v1"
IMAGE = ImageFile(b"\x89PNG not really", "image/png")
ALL = ["safe", "borderline", "unsafe"]
SHA = "ab" * 32
PAIR = Request(
    (Message("system", ("The policy.",)), Message("user", (ImagePart(SHA), "Grade <text>"))),
    score_schema(ALL),
)


def body_of(request, **settings):
    asked = Settings(base_url=OWN_SERVER, **settings)
    return json.loads(b"".join(WIRE.encode("m", request, asked, lambda _: IMAGE)))


def decode(tree, status=200):
    return WIRE.decode(status, json.dumps(tree).encode())


def answered(**probabilities):
    """An answer to a `choice`, with the fields of `Question.answer` of the wheel."""
    best = max(probabilities, key=lambda label: probabilities[label])
    even = 1 / len(probabilities)
    return {
        "model": "m",
        "answers": {
            "severity": {
                "type": "choice",
                "choice": best,
                "confidence": max(0.0, (probabilities[best] - even) / (1 - even)),
                "probabilities": probabilities,
            }
        },
        "usage": {"input_tokens": 321, "output_tokens": 0},
    }


def test_a_request_has_the_fields_of_the_format_and_no_other():
    body = body_of(PAIR, seed=3, max_tokens=9, logprobs=True)
    assert set(body) == {"model", "state", "questions", "assets"}
    assert set(body["questions"]) == {"severity"}
    question = body["questions"]["severity"]
    assert (question["type"], question["instructions"]) == ("choice", "The policy.")
    assert list(question["criteria"]) == ALL
    ((name, asset),) = body["assets"].items()
    assert body["state"] == f"{name}\n\nGrade <text>"
    assert (asset["type"], asset["format"]) == ("image", "png")
    assert base64.b64decode(asset["data_base64"]) == IMAGE.data


def test_a_policy_of_two_severities_has_two_options():
    two = PAIR._replace(schema=score_schema(["safe", "unsafe"]))
    assert list(body_of(two)["questions"]["severity"]["criteria"]) == ["safe", "unsafe"]


def test_a_request_without_an_image_has_no_assets():
    text = Request((Message("user", ("words",)),), score_schema(ALL))
    body = body_of(text)
    assert "assets" not in body
    assert body["state"] == "words"
    assert body["questions"]["severity"]["instructions"]


@given(st.text(), st.text())
def test_no_text_can_name_an_image(policy, words):
    """Its name stands once in the state: where the image does."""
    system, turn = Message("system", (policy,)), Message("user", (ImagePart(SHA), words))
    body = body_of(Request((system, turn), score_schema(ALL)))
    (name,) = body["assets"]
    assert body["state"].count(name) == 1
    assert name not in body["questions"]["severity"]["instructions"]


def test_a_text_that_names_the_image_of_another_request_shows_none():
    (name,) = body_of(PAIR)["assets"]
    system, turn = PAIR.messages
    forged = turn._replace(parts=(ImagePart(SHA), f"Grade <text> {name}"))
    body = body_of(PAIR._replace(messages=(system, forged)))
    (other,) = body["assets"]
    assert other != name
    assert body["state"].count(other) == 1


def test_the_body_is_one_that_transformers_serve_takes():
    """Its own validation of questions; beside it, `SystemOneRequest` forbids any other field."""
    decision = pytest.importorskip("transformers.decision.template_utils")
    config = pytest.importorskip("transformers.decision.configuration_utils").DecisionConfig()
    body = body_of(PAIR)
    (question,) = decision.parse_questions(body["questions"], config)
    assert question.options == ALL
    assert question.labels == ["A", "B", "C"]
    probabilities = [0.2, 0.3, 0.5]
    answer = question.answer(probabilities)
    assert answer == answered(**dict(zip(ALL, probabilities, strict=True)))["answers"]["severity"]
    parts = decision._split_at_placeholders(body["state"], body["assets"], lambda name: name)
    assert [part["type"] for part in parts] == ["image", "text"]


def test_the_most_probable_option_is_the_answer():
    response = decode(answered(safe=0.2, borderline=0.3, unsafe=0.5))
    assert (response.outcome, response.text) == (Outcome.OK, "unsafe")
    assert response.p_unsafe == pytest.approx(0.5)
    assert (response.input_tokens, response.output_tokens) == (321, 0)


def test_rounded_probabilities_are_taken_relative_to_their_sum():
    response = decode(answered(safe=0.24, borderline=0.24, unsafe=0.48))
    assert response.p_unsafe == pytest.approx(0.5)
    tied = answered(safe=0.5, unsafe=0.5)
    assert decode(tied).text == "safe"  # the server's own choice
    tied["answers"]["severity"]["choice"] = None
    assert decode(tied).text == "unsafe"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"choice": "unsafe"},
        {"choice": "unsafe", "probabilities": {}},
        {"choice": "unsafe", "probabilities": {"unsafe": "0.9"}},
        {"choice": "unsafe", "probabilities": {"unsafe": True}},
        {"choice": "unsafe", "probabilities": {"unsafe": 1.5}},
        {"choice": "unsafe", "probabilities": {"unsafe": -0.5, "safe": 0.5}},
        {"choice": "unsafe", "probabilities": {"A": 0.5, "B": 0.5}},
        {"choice": "safe", "probabilities": {"safe": 0.7, "borderline": 0.3}},
        {"choice": "unsafe", "probabilities": {"unsafe": 0, "safe": 0}},
    ],
)
def test_an_answer_without_probabilities_is_none(answer):
    response = decode({"answers": {"severity": answer}})
    assert response.outcome is Outcome.ERROR
    assert present(response.fault).kind == "malformed"


@pytest.mark.parametrize(
    ("status", "body", "kind", "fatal", "says"),
    [
        (
            400,
            {"detail": "The labels ['A', 'B', 'C'] are not distinct single tokens for this model."},
            "bad-request",
            True,
            "choose another model",
        ),
        (
            400,
            {"detail": "Images need a model whose processor handles them."},
            "bad-request",
            True,
            "--modalities text",
        ),
        (
            422,
            {"detail": [{"loc": ["body", "questions"], "msg": "no", "type": "value_error"}]},
            "bad-request",
            False,
            "body.questions: no",
        ),
        (401, {"detail": "no key"}, "credentials", True, "no key"),
        (404, {"detail": "Not Found"}, "not-found", True, "Not Found"),
        (429, {}, "rate-limit", False, "429"),
        (529, {}, "server", False, "529"),
        (503, {"error": "worker dead"}, "server", False, "worker dead"),
    ],
)
def test_errors_are_told_as_the_server_tells_them(status, body, kind, fatal, says):
    fault = present(decode(body, status).fault)
    assert (fault.kind, fault.fatal) == (kind, fatal)
    assert says in fault.message


@pytest.mark.parametrize("status", [200, 202, 246])
def test_a_gateway_s_error_within_a_success_is_an_error(status):
    refused = {"error": {"message": "no", "type": "authentication_error"}}
    assert present(decode(refused, status).fault).fatal
    later = present(decode({"message": "queued"}, status).fault)
    assert (later.retry, later.fatal) == (True, False)
    flagged = {"error": {"message": "made up", "code": "content_filter"}}
    assert decode(flagged, status).outcome is Outcome.BLOCKED
    whole = decode(answered(safe=0.2, unsafe=0.8), status)
    assert (whole.outcome, whole.text) == (Outcome.OK, "unsafe")


@given(json_values())
def test_any_body_gives_a_response(tree):
    check_decode_is_total(WIRE, tree)


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        (None, "https://api.typesafe.ai/v1/systemone"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/systemone"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/systemone"),
        ("http://h/v1/systemone?a=b", "http://h/v1/systemone?a=b"),
    ],
)
def test_addresses(base_url, address):
    assert WIRE.url("m", Settings(base_url=base_url)) == address


def test_it_is_a_provider_with_a_key_for_typesafe_alone(monkeypatch):
    assert "systemone" in models.names()
    monkeypatch.delenv("TYPESAFE_API_KEY", raising=False)
    with pytest.raises(ModelError, match="TYPESAFE_API_KEY"):
        open_model("systemone/jev-latest")
    identity = open_model("systemone/m", Settings(base_url=OWN_SERVER, score=True)).identity()
    assert identity["score"] is True
    assert identity == open_model("systemone/m", Settings(base_url=OWN_SERVER)).identity()
    with pytest.raises(UsageError, match="param state"):
        open_model("systemone/m", Settings(base_url=OWN_SERVER, params={"state": "x"}))


def test_only_png_and_jpeg_are_sent():
    limits = WIRE.image_limits(Settings())
    assert limits.accepts("image/png", 99)
    assert limits.accepts("image/jpeg", 99)
    assert not limits.accepts("image/webp", 99)


def serve(body, number):
    """A server that checks what the wheel's `SystemOneRequest` does, and answers by the words."""
    if set(body) - {"model", "state", "questions", "assets"} or not isinstance(body["state"], str):
        return web.json_response({"detail": "Extra inputs are not permitted"}, status=422)
    (question,) = body["questions"].values()
    labels = list(question["criteria"])
    words = re.sub(r"image-1-\w+", "", body["state"])
    chosen = labels[len(words) % len(labels)]
    rest = 0.2 / (len(labels) - 1)
    return answered(**{label: 0.8 if label == chosen else rest for label in labels})


def test_a_run_has_a_probability_for_every_answer(dataset, tmp_path, chat_server):
    server = chat_server(serve)
    asked: dict[str, Any] = {
        "model": "systemone/m",
        "base_url": server.base_url,
        "out": tmp_path / "run",
    }
    run = evaluate(dataset, **asked)
    assert set(run.judgments["outcome"]) == {"ok"}
    assert run.record["prompt"]["name"] == "choice"
    for predicted, p_unsafe in run.judgments.select("predicted", "p_unsafe").iter_rows():
        assert p_unsafe == pytest.approx(0.8 if predicted == "unsafe" else 0.1)
    requests = list(server.requests)
    assert any("assets" in each for each in requests)
    assert all("JSON" not in each["questions"]["severity"]["instructions"] for each in requests)
    assert server.headers[0]["TypeSafe-Danger-Zone-Images"] == "true"
    evaluate(dataset, **asked)
    assert len(server.requests) == len(requests)


def test_a_prompt_whose_answer_is_json_is_refused(dataset):
    options = UnderstandingOptions(
        model="systemone/m", settings=Settings(base_url=OWN_SERVER), prompt="zero-shot"
    )
    with pytest.raises(UsageError, match="choice is the default"):
        prepare(dataset, options)


def test_a_server_of_another_format_is_named_in_one_line(dataset, tmp_path, chat_server):
    missing = web.json_response({"detail": "Not Found"}, status=404)
    server = chat_server(lambda body, number: missing)
    with pytest.raises(ModelError, match="404: Not Found"):
        evaluate(
            dataset,
            model="systemone/m",
            base_url=server.base_url,
            out=tmp_path / "run",
            concurrency=1,
        )
