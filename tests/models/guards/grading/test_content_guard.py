"""A guard with several questions: their order, their sum, their faults; what is stored and read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import polars as pl
import pytest
from aiohttp import web

from tests.conftest import completion, make_dataset
from tests.models.guards.grading.test_runs import Serve, text_of, with_tokens
from tests.support.commands import vlsu
from vlsu.errors import ModelError, UsageError
from vlsu.models import Settings, as_grader, open_model
from vlsu.models.base import (
    ImageFile,
    ImageSource,
    Message,
    Outcome,
    Raw,
    Request,
    Response,
    levels_of,
)
from vlsu.models.guards import ContentFamily, ContentGuard, GuardModel, find_grader
from vlsu.models.guards.grading.base import Answer, ContentVerdict
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Policy, Severity, bundled_policy, default_policy
from vlsu.runs import evaluate
from vlsu.runs.asking.judges import Judge
from vlsu.runs.asking.keys import RequestKeys

NOWHERE = "http://127.0.0.1:9/v1"
GRANITE = "guard/ibm-granite/granite-guardian-4.1-8b"
REQUEST = Request((Message("user", ("Is it ripe?",)),))


class NoImages:
    """An image source for requests without images."""

    def read_image(self, sha256: str) -> ImageFile:
        raise AssertionError(sha256)

    read_encoded = read_image


def grader(
    spec: str, policy: Policy | None = None, base_url: str | None = NOWHERE, **settings: Any
) -> ContentGuard:
    model = open_model(spec, Settings(base_url=base_url, **settings))
    found = as_grader(model, policy or default_policy())
    assert isinstance(found, ContentGuard)
    return found


def ask(guard: ContentGuard, request: Request = REQUEST) -> tuple[Raw, Response]:
    async def one() -> Raw:
        try:
            return await guard.send(request, NoImages())
        finally:
            await guard.close()

    raw = asyncio.run(one())
    return raw, guard.read(raw)


def granite(promotes: str, touches: str) -> Any:
    """Answers the two questions, by the criterion in the last turn."""

    def respond(body: dict[str, Any], number: int) -> dict[str, Any]:
        word = promotes if "promotes, praises" in text_of(body) else touches
        return with_tokens(
            completion(f"<score>{word}</score>"),
            ("<score>", {}),
            (word, {"yes": 0.3, "no": 0.7} if word == "no" else {"yes": 0.9, "no": 0.1}),
            ("</score>", {}),
        )

    return respond


def test_two_questions_make_one_answer_and_their_tokens_and_seconds_are_summed(
    chat_server: Serve,
) -> None:
    server = chat_server(granite("no", "yes"), delay=0.05)
    guard = grader(GRANITE, base_url=server.base_url, guard_policy="ours")
    raw, response = ask(guard)
    assert len(server.requests) == 2
    assert server.most_in_flight == 1
    assert raw.status == 200
    assert raw.latency_s >= 0.1
    assert [orjson.loads(body)["object"] for body in orjson.loads(raw.body)["answers"]] == [
        "chat.completion"
    ] * 2
    assert response.outcome is Outcome.OK
    assert orjson.loads(response.text) == {"severity": "borderline", "category": None}
    assert response.p_unsafe == pytest.approx(0.3)  # that it promotes harm
    assert (response.input_tokens, response.output_tokens) == (22, 14)


def test_the_fault_of_one_question_is_that_of_the_whole(chat_server: Serve) -> None:
    def respond(body: dict[str, Any], number: int) -> Any:
        if number == 2:
            return web.json_response({"error": {"message": "overloaded"}}, status=503)
        return completion("<score>no</score>")

    server = chat_server(respond)
    guard = grader(GRANITE, base_url=server.base_url, guard_policy="ours")
    raw, response = ask(guard)
    assert raw.status == 503
    assert response.fault is not None
    assert response.fault.retry


def test_a_gateway_s_own_status_of_success_is_an_answer_in_the_guard_s_format(
    chat_server: Serve,
) -> None:
    server = chat_server(lambda body, number: web.json_response(completion("No"), status=246))
    raw, response = ask(grader("guard/granite-guardian:x", base_url=server.base_url))
    assert raw.status == 200
    assert orjson.loads(response.text)["severity"] == "safe"


def test_a_fault_within_status_200_is_one_too_and_ends_the_questions(chat_server: Serve) -> None:
    server = chat_server(lambda body, number: {"error": {"message": "no GPU left", "code": 502}})
    raw, response = ask(grader(GRANITE, base_url=server.base_url, guard_policy="ours"))
    assert raw.status == 200
    assert response.outcome is Outcome.ERROR
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (completion("<score>no</score>", "length"), Outcome.UNPARSED),
        (completion("<score>no</score>", "content_filter"), Outcome.BLOCKED),
        (completion(None), Outcome.UNPARSED),
        (completion("yes and no"), Outcome.UNPARSED),
    ],
)
def test_a_question_without_answer_leaves_none_for_the_whole(
    chat_server: Serve, second: dict[str, Any], outcome: Outcome
) -> None:
    def respond(body: dict[str, Any], number: int) -> dict[str, Any]:
        return completion("<score>no</score>") if number == 1 else second

    server = chat_server(respond)
    _, response = ask(grader(GRANITE, base_url=server.base_url, guard_policy="ours"))
    assert response.outcome is outcome
    assert response.p_unsafe is None
    assert (response.input_tokens, response.output_tokens) == (22, 14)


def test_a_run_by_our_policy_has_its_three_levels(chat_server: Serve, tmp_path: Any) -> None:
    server = chat_server(granite("no", "yes"))
    dataset = make_dataset(tmp_path / "data")
    command = ("run", "understanding", dataset.path, "--model", GRANITE)
    vlsu(
        *(*command, "--base-url", server.base_url, "--guard-policy", "ours"),
        *("--out", tmp_path / "run"),
    )
    rows = pl.read_parquet(tmp_path / "run" / "judgments.parquet")
    assert set(rows["predicted"]) == {"borderline"}
    record = evaluate(
        dataset,
        model=GRANITE,
        out=tmp_path / "run",
        settings=Settings(base_url=server.base_url, guard_policy="ours"),
    ).record
    assert record["model"]["identity"]["guard_policy"] == "ours"
    assert "levels" not in record["model"]  # all three


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"answers": []}',
        b'{"answers": [1]}',
        b'{"answers": [{"base64": "?"}]}',
    ],
)
def test_a_stored_body_of_another_shape_is_a_fault(body: bytes) -> None:
    response = grader("guard/Qwen/Qwen3Guard-Gen-4B").read(Raw(200, body))
    assert response.outcome is Outcome.ERROR


def test_a_body_that_is_no_utf8_is_kept_as_it_came(chat_server: Serve) -> None:
    broken = b'{"choices": [{"message": {"content": "safe\xff"}, "finish_reason": "stop"}]}'
    server = chat_server(
        lambda body, number: web.Response(body=broken, content_type="application/json")
    )
    raw, response = ask(grader("guard/llama-guard:x", base_url=server.base_url))
    assert list(orjson.loads(raw.body)["answers"][0]) == ["base64"]
    assert response.outcome is Outcome.ERROR


def test_the_key_of_a_request_has_the_question_in_it_and_not_the_reading_or_the_policy() -> None:
    def key(guard: ContentGuard) -> str:
        return RequestKeys(guard.identity()).key(REQUEST)

    own, binary = grader(GRANITE), grader(GRANITE, bundled_policy("binary"))
    assert key(own) == key(binary)
    ours = grader(GRANITE, guard_policy="ours")
    assert key(ours) not in (
        key(own),
        key(grader(GRANITE, bundled_policy("binary"), guard_policy="ours")),
    )
    assert key(grader(GRANITE, base_url="http://127.0.0.1:10/v1")) == key(own)
    assert key(grader(GRANITE, logprobs=False)) != key(own)
    assert key(grader(GRANITE, params={"top_k": 1})) != key(own)


def test_controversial_is_unsafe_where_the_policy_has_no_borderline() -> None:
    printed = completion("Safety: Controversial\nCategories: Violent")
    body = with_tokens(
        printed,
        ("Safety:", {}),
        (" Controversial", {" Controversial": 0.5, " Safe": 0.3, " Unsafe": 0.2}),
        ("\nCategories: Violent", {}),
    )
    raw = Raw(200, orjson.dumps({"answers": [orjson.dumps(body).decode()]}))
    three = grader("guard/Qwen/Qwen3Guard-Gen-4B")
    assert levels_of(three) is None
    assert orjson.loads(three.read(raw).text)["severity"] == "borderline"
    assert three.read(raw).p_unsafe == pytest.approx(0.2)
    two = grader("guard/Qwen/Qwen3Guard-Gen-4B", bundled_policy("binary"))
    assert levels_of(two) == (Severity.SAFE, Severity.UNSAFE)
    assert orjson.loads(two.read(raw).text) == {"severity": "unsafe", "category": "C9"}
    assert two.read(raw).p_unsafe == pytest.approx(0.7)


def test_a_bound_on_the_output_is_the_family_s_unless_the_user_sets_one(
    chat_server: Serve,
) -> None:
    server = chat_server(lambda body, number: completion("safe"))
    ask(grader("guard/llama-guard:x", base_url=server.base_url))
    ask(grader("guard/llama-guard:x", base_url=server.base_url, max_tokens=500))
    assert [body["max_tokens"] for body in server.requests] == [64, 500]


def test_granite_3_is_sent_its_criterion_with_the_user_s_settings_over_it(
    chat_server: Serve,
) -> None:
    server = chat_server(lambda body, number: completion("No"))
    ask(grader("guard/ibm-granite/granite-guardian-3.2-5b", base_url=server.base_url))
    kwargs = server.requests[-1]["chat_template_kwargs"]
    assert kwargs["guardian_config"] == {"risk_name": "harm", "criteria_id": "harm"}
    params = {"chat_template_kwargs": None}
    ask(
        grader("guard/ibm-granite/granite-guardian-3.2-5b", base_url=server.base_url, params=params)
    )
    assert "chat_template_kwargs" not in server.requests[-1]


def test_wildguard_is_sent_its_prompt_without_a_chat_template(chat_server: Serve) -> None:
    text = "Harmful request: no\nResponse refusal: N/A\nHarmful response: N/A"

    def respond(body: dict[str, Any], number: int) -> dict[str, Any]:
        places = {
            "tokens": ["Harmful", "\u2581request", ":", "\u2581no", text.partition("no")[2]],
            "token_logprobs": [0.0, 0.0, 0.0, -0.2231, 0.0],
            "top_logprobs": [{}, {}, {}, {"\u2581no": -0.2231, "\u2581yes": -1.6094}, {}],
        }
        return {"choices": [{"text": text, "finish_reason": "stop", "logprobs": places}]}

    server = chat_server(respond)
    _, response = ask(grader("guard/allenai/wildguard", base_url=server.base_url))
    (body,) = server.requests
    assert body["prompt"].startswith("<|user|>\n[INST] You are a classifier for analyzing")
    assert (
        "Human user:\nIs it ripe?\n\nAI assistant:\n\n\n---\n\nAnswers: [/INST]" in body["prompt"]
    )
    assert "messages" not in body
    assert body["logprobs"] == 10  # here the number of alternatives
    assert "top_logprobs" not in body
    assert orjson.loads(response.text)["severity"] == "safe"
    assert response.p_unsafe == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize(
    ("spec", "settings", "said"),
    [
        (
            "guard/llama-guard:x",
            {"guard_policy": "ours"},
            "takes no policy at run time; leave it out",
        ),
        (
            "guard/openai/gpt-oss-safeguard-20b",
            {},
            "has no policy of its own; add --guard-policy ours",
        ),
        (
            "guard/llama-guard:x",
            {"system": "Be kind."},
            "takes no system prompt; leave out --system",
        ),
        (
            "guard/llama-guard:x",
            {"structured": "on"},
            "prints its own format, and no JSON of the task; leave out --structured on",
        ),
        # The families of the other role name it otherwise.
        (
            "guard/meta-llama/Llama-Guard-4-12B",
            {"guard_policy": "ours"},
            "^guard/llama-guard-4:meta-llama/Llama-Guard-4-12B: ",
        ),
        ("guard/openai-moderation", {"params": {"input": "x"}}, "param input: that is what a run"),
        ("guard/allenai/wildguard", {"base_url": None}, "needs a server with /completions"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    spec: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises((UsageError, ModelError), match=said) as told:
        grader(spec, **settings)
    assert "\n" not in str(told.value)


def test_a_guard_of_content_alone_is_no_judge_of_answers() -> None:
    model = open_model("guard/openai/gpt-oss-safeguard-20b", Settings(base_url=NOWHERE))
    assert isinstance(model, GuardModel)
    with pytest.raises(ModelError, match="grades images and texts, and judges no answers"):
        Judge.of(model)


class Printer:
    """A model in this process that answers every question alike."""

    modalities = frozenset({"image", "text", "joint"})
    takes_instructions = True

    def __init__(self, answer: dict[str, object]) -> None:
        self._answer = answer

    def identity(self) -> dict[str, object]:
        return {"weights": "tiny"}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        return [self._answer for _ in requests]


def in_process(family: ContentFamily, answer: dict[str, object]) -> ContentGuard:
    inner = InProcessModel("hf/tiny", Printer(answer))
    return ContentGuard("tiny", family, default_policy(), Settings(), inner=inner)


def test_a_guard_in_this_process_is_asked_and_read_as_one_on_a_server() -> None:
    deciding = [
        {"token": word, "logprob": math.log(p)} for word, p in (("safe", 0.25), ("un", 0.75))
    ]
    steps = [
        {"token": "un", "logprob": math.log(0.75), "top_logprobs": deciding},
        {"token": "safe", "logprob": 0.0, "top_logprobs": []},
    ]
    family, _ = find_grader("meta-llama/Llama-Guard-3-8B")
    guard = in_process(family, {"text": "unsafe", "logprobs": {"content": steps}})
    _, response = ask(guard)
    assert orjson.loads(response.text) == {"severity": "unsafe", "category": None}
    assert response.p_unsafe == pytest.approx(0.75)
    assert guard.identity()["in_process"] == {"spec": "hf/tiny", "weights": "tiny"}
    assert guard.destination is None


def test_a_classifier_in_this_process_prints_scores_in_place_of_a_text() -> None:
    def read(answers: Sequence[Answer]) -> ContentVerdict | None:
        p = answers[0].scores.get("harm")
        return None if p is None else ContentVerdict(Severity.UNSAFE, (), p)

    family, _ = find_grader("meta-llama/Llama-Guard-3-8B")
    scoring = replace(family, wire="in-process", read=read)
    _, response = ask(in_process(scoring, {"text": "", "scores": {"harm": 0.7, "x": "y"}}))
    assert response.outcome is Outcome.OK
    assert response.p_unsafe == 0.7
    _, response = ask(in_process(scoring, {"text": "", "scores": {"other": 0.7}}))
    assert response.outcome is Outcome.UNPARSED


def test_settings_of_weights_are_refused_where_a_server_has_them() -> None:
    with pytest.raises(
        UsageError, match="--max-batch is for a guard in this process; leave it out"
    ):
        grader("guard/llama-guard:x", max_batch=4)


def test_any_other_model_is_the_grader_that_it_is() -> None:
    model = open_model("baseline/majority")
    assert as_grader(model, default_policy()) is model
