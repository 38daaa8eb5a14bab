"""Scoring through chat completions: probabilities by hand, and whole runs against real servers."""

import asyncio
import json
import math
from typing import Any

import polars as pl
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.two_severities import two_severities
from tests.support.wire_cases import check_decode_is_total, json_values
from vlsu.data import Sample, write_dataset
from vlsu.errors import ModelError, UsageError
from vlsu.models import Message, Outcome, Raw, Request, Settings, open_model
from vlsu.models.base import score_schema
from vlsu.models.formats.logprobs import begins_label, label_probabilities
from vlsu.models.formats.openai import ChatCompletions
from vlsu.policy import Severity
from vlsu.runs import Limits, UnderstandingOptions, evaluate, prepare, prepare_alignment
from vlsu.runs.alignment.options import AlignmentOptions

ALL = ("safe", "borderline", "unsafe")
WIRE = ChatCompletions(scored=True)


def token(text, logprob, alternatives=(), *, with_bytes=True):
    """An entry of ``logprobs.content``, as OpenAI's description of it has it."""
    entry = {"token": text, "logprob": logprob, "bytes": list(text.encode())}
    if not with_bytes:
        del entry["bytes"]
    top = [
        {"token": other, "logprob": value, "bytes": list(other.encode()) if with_bytes else None}
        for other, value in alternatives
    ]
    return {**entry, "top_logprobs": top}


def step(shares, *, with_bytes=True):
    """The token with the largest share, and all of them as its alternatives."""
    logs = [(text, math.log(share)) for text, share in shares.items()]
    chosen, logprob = max(logs, key=lambda each: each[1])
    return token(chosen, logprob, logs, with_bytes=with_bytes)


def scored(*steps, content=None, finish="length", **message):
    text = "".join(each["token"] for each in steps) if content is None else content
    body = completion(text, finish, **message)
    body["choices"][0]["logprobs"] = {"content": list(steps)}
    return body


def decode(body, status=200):
    return WIRE.decode(status, json.dumps(body).encode())


def test_the_most_probable_severity_is_the_answer():
    """By hand: un 0.5 + unsafe 0.1, safe 0.2, b 0.1, of 0.9 that begin a severity."""
    response = decode(scored(step({"un": 0.5, "unsafe": 0.1, "safe": 0.2, "b": 0.1, "Well": 0.1})))
    assert (response.outcome, response.text) == (Outcome.OK, "unsafe")
    assert response.p_unsafe == pytest.approx(0.6 / 0.9)
    assert not response.cut_off
    assert (response.input_tokens, response.output_tokens) == (11, 7)


def test_what_is_most_probable_need_not_be_the_token_that_was_chosen():
    """`safe` is the likeliest token; the tokens that begin `unsafe` are likelier together."""
    response = decode(scored(step({"safe": 0.4, "un": 0.35, "Un": 0.25})))
    assert response.text == "unsafe"
    assert response.p_unsafe == pytest.approx(0.6)


def test_a_severity_that_is_not_among_the_alternatives_counts_nothing():
    response = decode(scored(step({"safe": 0.6, "b": 0.2, "Hm": 0.2})))
    assert response.text == "safe"
    assert response.p_unsafe == 0.0


def test_of_equally_probable_severities_the_graver_is_the_answer():
    assert decode(scored(step({"safe": 0.5, "unsafe": 0.5}))).text == "unsafe"


@pytest.mark.parametrize("before", ["\n", " ", "\n\n", "**", '"', "▁", "Ġ", "<0x0A>"])
def test_a_token_of_blanks_before_the_label_is_passed_over(before):
    first = step({before: 0.9, "safe": 0.1})
    response = decode(scored(first, step({"unsafe": 0.75, "safe": 0.25})))
    assert response.text == "unsafe"
    assert response.p_unsafe == pytest.approx(0.75)


@pytest.mark.parametrize("word", [" unsafe", '"Unsafe', "▁unsafe", "Ġun", "UNSAFE"])
def test_tokens_are_known_however_servers_print_them(word):
    response = decode(scored(step({word: 0.7, "safe": 0.3}, with_bytes=False)))
    assert response.text == "unsafe"
    assert response.p_unsafe == pytest.approx(0.7)


def test_a_policy_of_two_severities_scores_two():
    """The same body: `b` counts nothing where the policy has no borderline."""
    body = json.dumps(scored(step({"b": 0.5, "unsafe": 0.3, "safe": 0.2}))).encode()
    three, two = WIRE.decode(200, body), WIRE.decode(200, b"labels: safe unsafe\n" + body)
    assert three.text == "borderline"
    assert three.p_unsafe == pytest.approx(0.3)
    assert two.text == "unsafe"
    assert two.p_unsafe == pytest.approx(0.6)


@pytest.mark.parametrize(
    "body",
    [
        scored(step({"I": 0.9, "Sorry": 0.1})),
        scored(step({"\n": 0.9, "safe": 0.1})),
        scored(token("safe", -9999.0, [("safe", -math.inf), ("unsafe", -math.inf)])),
        scored(step({"<think>": 0.9, "safe": 0.1}), content="<think>\nThe"),
        scored(step({"The": 0.9, "safe": 0.1}), content="", reasoning_content="The image"),
        scored(content=""),
        completion("", "length"),
        completion(None, "length", reasoning_content="The image"),
        {**scored(step({"safe": 0.9, "unsafe": 0.1}), finish="odd")},
    ],
)
def test_what_says_nothing_of_a_severity_is_unparsed(body):
    response = decode(body)
    assert (response.outcome, response.p_unsafe) == (Outcome.UNPARSED, None)


def test_an_answer_that_a_server_took_for_reasoning_counts():
    """As parsers of reasoning do where a model that could reason is told not to."""
    first = step({"un": 0.8, "safe": 0.2})
    response = decode(scored(first, content="", reasoning_content="unsafe"))
    assert response.text == "unsafe"
    assert response.p_unsafe == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (scored(step({"safe": 0.9, "un": 0.1}), finish="content_filter"), Outcome.BLOCKED),
        (
            scored(step({"safe": 0.9, "un": 0.1}), content=None, refusal="I cannot."),
            Outcome.REFUSED,
        ),
        ({"choices": []}, Outcome.ERROR),
    ],
)
def test_a_refusal_and_a_filter_stay_what_they_are(body, outcome):
    if outcome is Outcome.REFUSED:
        body["choices"][0]["message"]["content"] = None
    response = decode(body)
    assert (response.outcome, response.p_unsafe) == (outcome, None)


@pytest.mark.parametrize(
    "body",
    [
        completion("unsafe"),
        {**completion("unsafe"), "choices": [{**completion("unsafe")["choices"][0]}]},
        scored(token("unsafe", -0.1)),
        scored(token("unsafe", -0.1, [("unsafe", -0.1)])),
    ],
)
def test_a_server_without_token_probabilities_ends_the_run_in_one_line(body):
    fault = decode(body).fault
    assert fault is not None
    assert (fault.kind, fault.fatal) == ("logprobs", True)
    assert "--score needs" in fault.message
    assert "\n" not in fault.message


@pytest.mark.parametrize(
    "message",
    [
        "Invalid value for 'top_logprobs': must be less than or equal to 5.",
        "Requested sample logprobs of 20, which is greater than max allowed: 5",
        "`logprobs` is not supported with this model",
    ],
)
def test_a_server_that_refuses_them_ends_it_too(message):
    fault = decode({"error": {"message": message, "code": 400}}, 400).fault
    assert fault is not None
    assert fault.fatal
    assert message[:40] in fault.message
    other = decode({"error": {"message": "too long"}}, 400).fault
    assert other is not None
    assert not other.fatal


ODD = st.sampled_from(["un", " unsafe", "b", "Safe", "x", "", "\n", "é"])


@given(
    st.lists(st.tuples(ODD | st.text(max_size=4), st.floats(-30, 0)), max_size=6),
    st.sampled_from([ALL, ("safe", "unsafe")]),
)
def test_probabilities_sum_to_one_and_agree_with_a_plain_count(alternatives, labels):
    found = label_probabilities([(t.encode(), v) for t, v in alternatives], labels)
    masses = dict.fromkeys(labels, 0.0)
    for text, value in dict(alternatives).items():
        if label := begins_label(text.encode(), labels):
            masses[label] += math.exp(value)
    if found is None:
        assert not any(masses.values())
        return
    assert sum(found.values()) == pytest.approx(1)
    for label in labels:
        assert found[label] == pytest.approx(masses[label] / sum(masses.values()))


@given(json_values())
def test_any_body_gives_a_response(tree):
    check_decode_is_total(WIRE, tree)


@given(st.binary(max_size=60))
def test_any_stored_body_gives_a_response(body):
    for stored in (body, b"labels: " + body, b"labels: safe unsafe\n" + body):
        WIRE.decode(200, stored)


def test_one_token_is_asked_for_with_its_alternatives_and_no_schema(chat_server):
    server = chat_server(lambda body, n: scored(step({"unsafe": 0.8, "safe": 0.2})))
    model = open_model("openai/m", Settings(base_url=server.base_url, score=True))
    two = score_schema(["safe", "unsafe"])
    request = Request((Message("user", ("words",)),), two)
    raw = asyncio.run(send(model, request))
    sent = server.requests[0]
    assert sent["logprobs"] is True
    assert (sent["top_logprobs"], sent["max_tokens"], sent["temperature"]) == (20, 2, 0)
    assert "response_format" not in sent
    assert raw.body.startswith(b"labels: safe unsafe\n{")
    assert model.read(raw).p_unsafe == pytest.approx(0.8)


class NoImages:
    def read_image(self, sha256):
        raise AssertionError(sha256)

    read_encoded = read_image


async def send(model, request):
    try:
        return await model.send(request, NoImages())
    finally:
        await model.close()


def test_the_identity_without_scoring_is_the_same_as_ever():
    """Keys of stored answers hang on it."""
    settings: Any = {"base_url": "http://127.0.0.1:9/v1", "seed": 3}
    plain = open_model("openai/m", Settings(**settings)).identity()
    assert "score" not in plain
    assert plain["sampling"] == {"seed": 3, "temperature": 0, "max_tokens": 1024}
    scoring = dict(open_model("openai/m", Settings(**settings, score=True)).identity())
    assert scoring["score"] is True
    assert scoring != plain


@pytest.mark.parametrize("effort", [None, "low"])
def test_a_reasoning_model_is_refused_unless_it_does_without(effort, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    params = {} if effort is None else {"reasoning_effort": effort}
    with pytest.raises(ModelError, match="reasoning_effort=none"):
        open_model("openai/gpt-5.1", Settings(score=True, params=params))
    quiet = Settings(score=True, params={"reasoning_effort": "none"})
    sent: Any = open_model("openai/gpt-5.1", quiet).identity()["params"]
    asked = Request((Message("user", ("words",)),))
    image = NoImages().read_encoded
    body = json.loads(b"".join(WIRE.encode("gpt-5.1", asked, Settings(params=sent), image)))
    assert (body["max_completion_tokens"], body["temperature"], body["logprobs"]) == (2, 0, True)
    assert "max_tokens" not in body


@pytest.mark.parametrize("spec", ["anthropic/m", "google/m", "baseline/random"])
def test_other_providers_refuse_it(spec):
    with pytest.raises(UsageError, match="--score is for"):
        open_model(spec, Settings(score=True))


def severity_of(body):
    """A severity that hangs on the request's words alone."""
    words = json.dumps(body["messages"][-1])
    return ALL[len(words) % 3]


def answer(body, number):
    chosen = severity_of(body)
    return scored(step({word: 0.8 if word == chosen else 0.1 for word in ALL}))


def test_a_run_has_a_probability_for_every_answer(dataset, tmp_path, chat_server):
    server = chat_server(answer)
    settings = Settings(score=True)
    run = evaluate(
        dataset, model="openai/m", base_url=server.base_url, out=tmp_path / "run", settings=settings
    )
    judged = run.judgments
    assert set(judged["outcome"]) == {"ok"}
    expected = {0: 0.1, 1: 0.1, 2: 0.8}
    for predicted, p_unsafe in judged.select("predicted", "p_unsafe").iter_rows():
        assert p_unsafe == pytest.approx(expected[Severity.parse(predicted)])
    assert run.metrics["calibration"]["joint"]["n"] == 12
    assert run.record["prompt"]["name"] == "one-word"
    asked = len(server.requests)
    evaluate(
        dataset, model="openai/m", base_url=server.base_url, out=tmp_path / "run", settings=settings
    )
    assert len(server.requests) == asked  # from the store


def test_a_run_under_two_severities_never_answers_borderline(tmp_path, chat_server):
    samples = [
        Sample(
            id=str(n),
            text=f"text {n}",
            language="en",
            text_grade=(Severity.SAFE, Severity.UNSAFE)[n % 2],
        )
        for n in range(6)
    ]
    dataset = write_dataset(
        tmp_path / "D",
        samples,
        name="two",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=two_severities(),
    )
    server = chat_server(lambda body, n: scored(step({"b": 0.5, "safe": 0.3, "unsafe": 0.2})))
    run = evaluate(
        dataset,
        model="openai/m",
        base_url=server.base_url,
        out=tmp_path / "run",
        settings=Settings(score=True),
        modalities=["text"],
    )
    assert set(run.judgments["predicted"]) == {"safe"}
    assert run.judgments["p_unsafe"].to_list() == pytest.approx([0.4] * run.judgments.height)
    again = pl.read_parquet(run.path / "judgments.parquet")
    assert again["p_unsafe"].to_list() == run.judgments["p_unsafe"].to_list()


def test_a_server_without_probabilities_is_named_once(dataset, tmp_path, chat_server):
    server = chat_server(lambda body, n: completion("unsafe"))
    with pytest.raises(ModelError, match="--score needs"):
        evaluate(
            dataset,
            model="openai/m",
            base_url=server.base_url,
            out=tmp_path / "run",
            settings=Settings(score=True),
            concurrency=1,
        )
    assert len(server.requests) == 1


def test_a_refusal_by_status_stays_an_error(dataset, tmp_path, chat_server):
    refuse = web.Response(status=400, text=json.dumps({"error": {"message": "no logprobs here"}}))
    server = chat_server(lambda body, n: refuse)
    with pytest.raises(ModelError, match="no logprobs here"):
        evaluate(
            dataset,
            model="openai/m",
            base_url=server.base_url,
            out=tmp_path / "run",
            settings=Settings(score=True),
            concurrency=1,
        )


def test_an_alignment_run_wants_answers(dataset):
    settings = Settings(base_url="http://127.0.0.1:9/v1", score=True)
    with pytest.raises(UsageError, match="writes no answer"):
        prepare_alignment(
            dataset,
            AlignmentOptions(model="openai/m", settings=settings, judges=["judge/offline"]),
        )
    with pytest.raises(UsageError, match="writes no answer"):
        prepare_alignment(
            dataset,
            AlignmentOptions(
                model=open_model("openai/m", Settings(base_url=settings.base_url)),
                judges=[open_model("openai/m", settings)],
            ),
        )


def test_a_stored_body_is_read_as_it_was_when_it_came():
    model = open_model("openai/m", Settings(base_url="http://127.0.0.1:9/v1", score=True))
    body = json.dumps(scored(step({"b": 0.6, "unsafe": 0.4}))).encode()
    assert model.read(Raw(200, body)).text == "borderline"
    assert model.read(Raw(200, b"labels: safe unsafe\n" + body)).p_unsafe == 1.0


def test_the_limits_of_a_start_hold_too(dataset, tmp_path, chat_server):
    server = chat_server(answer)
    options = UnderstandingOptions(
        model="openai/m",
        settings=Settings(base_url=server.base_url, score=True),
        limits=Limits(max_requests=3),
    )
    prepare(dataset, options).run(tmp_path / "run")
    assert len(server.requests) == 3
