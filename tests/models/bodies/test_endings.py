"""Only an answer that came to its normal end is read: for every format, for judges and guards."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.fault_server import FaultServer, ask_and_judge, good, say, text_dataset
from tests.support.values import nested
from vlsu.models import Outcome
from vlsu.models.bodies.endings import Ending, parse_finish_reason
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.openai import ChatCompletions, Completions
from vlsu.models.guards import find_family
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import default_policy
from vlsu.tasks import GuardTask, JudgeTask, read_answer

ANSWER = '{"severity": "unsafe", "category": "C9"}'
#: Finish reason -> what it means, with the servers that document it.
REASONS = {
    Ending.NORMAL: [
        "stop",  # OpenAI and nearly all that are compatible with it
        "STOP",  # Gemini; also through compatible endpoints
        "FINISH_REASON_STOP",  # Vertex AI's gRPC name
        "FinishReason.STOP",  # a Python enum printed by a gateway
        "eos",  # Together
        "eos_token",  # Text Generation Inference
        "stop_sequence",  # Anthropic, Bedrock, Text Generation Inference
        "end_turn",  # Anthropic, Bedrock, xAI
        "COMPLETE",  # Cohere
        "completed",  # gateways before OpenAI's Responses
        "normal",  # Baidu
    ],
    Ending.TOKEN_LIMIT: [
        "length",
        "max_tokens",
        "MAX_TOKENS",
        "maxTokens",
        "FINISH_REASON_MAX_TOKENS",
        "model_length",  # Mistral
        "model_context_window_exceeded",  # Anthropic, Zhipu
        "max_output_tokens",
    ],
    Ending.BLOCKED: [
        "content_filter",
        "content-filter",
        "content_filtered",  # Bedrock
        "content_filter: PROHIBITED_CONTENT",  # Gemini's compatible endpoint
        "content_filter: RECITATION",
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "guardrail_intervened",  # Bedrock
        "sensitive",  # Zhipu
        "ERROR_TOXIC",  # Cohere
    ],
    Ending.REFUSED: ["refusal"],  # Anthropic; also through compatible endpoints
    Ending.FAILED: [
        "abort",  # vLLM, SGLang
        "error",  # OpenRouter, Mistral
        "ERROR",  # Cohere
        "cancelled",
        "timeout",
        "network_error",  # Zhipu
        "insufficient_system_resource",  # DeepSeek
    ],
    Ending.UNKNOWN: [
        "tool_calls",  # the turn waits for a tool: what is said before is no answer
        "function_call",
        "tool_use",
        "pause_turn",  # Anthropic: to be continued
        "repetition",  # vLLM: stopped as it ran in circles
        "LANGUAGE",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "FINISH_REASON_UNSPECIFIED",
        "null",  # DashScope, before the end
        "nonstop",
        "not_finished",
        "a reason of next year",
    ],
}
EACH = [(reason, ending) for ending, reasons in REASONS.items() for reason in reasons]
#: What becomes of an answer that states a severity.
OUTCOMES = {
    Ending.NORMAL: Outcome.OK,
    Ending.TOKEN_LIMIT: Outcome.UNPARSED,
    Ending.BLOCKED: Outcome.BLOCKED,
    Ending.REFUSED: Outcome.REFUSED,
    Ending.FAILED: Outcome.ERROR,
    Ending.UNKNOWN: Outcome.UNPARSED,
}


def chat(text, reason):
    return ChatCompletions().decode(200, json.dumps(completion(text, reason)).encode())


def plain_completion(text, reason):
    body = {"choices": [{"index": 0, "text": text, "finish_reason": reason}]}
    return Completions().decode(200, json.dumps(body).encode())


def message(text, reason):
    body = {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": reason}
    return Messages().decode(200, json.dumps(body).encode())


def candidate(text, reason):
    body = {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}]}
    return GenerateContent().decode(200, json.dumps(body).encode())


class Says:
    """An answerer whose answers end with a given reason."""

    modalities = frozenset({"image", "text", "joint"})
    takes_instructions = True

    def __init__(self, text, reason):
        self.answers = [{"text": text, "finish_reason": reason}]

    def identity(self):
        return {}

    def answer(self, requests, images):
        return self.answers


def in_process(text, reason):
    model = InProcessModel("test/says", Says(text, reason))
    (raw,) = nested(model)._answer([None], None)
    return model.read(raw)


FORMATS = [chat, plain_completion, message, candidate, in_process]


@pytest.mark.parametrize(("reason", "ending"), EACH)
def test_the_normal_ends_are_listed_and_nothing_else_is_one(reason, ending):
    assert parse_finish_reason(reason, missing=Ending.UNKNOWN) is ending


@given(
    st.text(max_size=100)
    | st.integers()
    | st.lists(st.none())
    | st.dictionaries(st.text(), st.none())
)
def test_no_other_reason_is_a_normal_end(reason):
    listed = {
        "stop",
        "eos",
        "eos_token",
        "stop_sequence",
        "end_turn",
        "complete",
        "completed",
        "normal",
    }
    if parse_finish_reason(reason, missing=Ending.UNKNOWN) is Ending.NORMAL:
        assert any(word in str(reason).lower().replace("-", "_") for word in listed)


@pytest.mark.parametrize("read", FORMATS)
@pytest.mark.parametrize(("reason", "ending"), EACH)
def test_an_answer_that_states_a_severity_is_scored_only_at_a_normal_end(read, reason, ending):
    response = read(ANSWER, reason)
    assert read_answer(response, default_policy()).outcome is OUTCOMES[ending]
    assert (response.fault is not None) == (ending is Ending.FAILED)
    if response.fault is not None:
        assert response.fault.retry
        assert reason in response.fault.message


@pytest.mark.parametrize(("reason", "ending"), EACH)
def test_a_judge_and_a_guard_are_read_alike(reason, ending):
    verdict = JudgeTask(takes_instructions=True).read(
        chat('{"kind": "full_compliance", "helpfulness": 5}', reason)
    )
    family, _ = find_family("llama-guard:m")
    guarded = GuardTask(family).read(chat("safe", reason))
    assert verdict.outcome is OUTCOMES[ending]
    assert (verdict.kind is not None) == (ending is Ending.NORMAL)
    assert guarded.outcome is OUTCOMES[ending]
    assert (guarded.safety is not None) == (ending is Ending.NORMAL)


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (chat, Outcome.OK),  # small servers leave it out; asked unstreamed, an answer has ended
        (plain_completion, Outcome.OK),
        (in_process, Outcome.OK),
        (message, Outcome.UNPARSED),  # "in non-streaming mode this value is always non-null"
        (candidate, Outcome.UNPARSED),  # "if empty, the model has not stopped generating tokens"
    ],
)
def test_no_reason_at_all_means_what_the_format_says_of_it(read, outcome):
    assert read(ANSWER, None).outcome is outcome


@pytest.mark.parametrize("reason", [3, True, [], ["stop"], 1.5])
def test_a_reason_of_another_type_is_no_end(reason):
    assert chat(ANSWER, reason).outcome is Outcome.UNPARSED


def test_a_reason_within_an_object_is_read():
    """As SGLang's own interface writes it."""
    assert chat(ANSWER, {"type": "stop", "matched": 7}).outcome is Outcome.OK
    assert chat(ANSWER, {"type": "abort", "message": "m"}).outcome is Outcome.ERROR


def test_the_providers_own_reason_beside_a_translated_one_counts_where_it_is_worse():
    body = completion(ANSWER)
    for native, outcome in [("SAFETY", "blocked"), ("STOP", "ok"), ("refusal", "refused")]:
        body["choices"][0]["native_finish_reason"] = native
        response = ChatCompletions().decode(200, json.dumps(body).encode())
        assert response.outcome.value == outcome


@pytest.mark.parametrize(
    "reason", ["content_filter: PROHIBITED_CONTENT", "SAFETY", "content_filter"]
)
@pytest.mark.parametrize("message", [{}, {"message": None}, {"message": {"role": "assistant"}}])
def test_a_choice_without_a_message_is_blocked_where_the_reason_says_so(reason, message):
    body = {"choices": [{"index": 0, "finish_reason": reason, **message}]}
    response = ChatCompletions().decode(200, json.dumps(body).encode())
    assert (response.outcome, response.fault) == (Outcome.BLOCKED, None)


def test_token_probabilities_of_a_draft_are_not_taken():
    body = completion(ANSWER)
    steps = [{"token": ANSWER, "logprob": -0.1, "bytes": None, "top_logprobs": []}]
    body["choices"][0]["logprobs"] = {"content": steps}
    assert ChatCompletions().decode(200, json.dumps(body).encode()).p_unsafe == 1.0
    for reason in ("length", "abort", "tool_calls"):
        body["choices"][0]["finish_reason"] = reason
        assert ChatCompletions().decode(200, json.dumps(body).encode()).p_unsafe is None


def test_an_answer_that_the_server_broke_off_is_asked_again(tmp_path):
    """A server that is shut down and comes back costs no sample."""

    def respond(asked):
        aborted = asked.times == 1 and "words 3 " in asked.words
        return say(completion(ANSWER, "abort")) if aborted else good(asked)

    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(respond) as server:
        result = ask_and_judge(dataset, server.base_url, tmp_path / "run")
    assert result.outcomes == {"ok": 8}
    assert result.errors == {"server": 1}
