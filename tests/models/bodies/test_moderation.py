"""A filter that stops one prompt is `blocked`; a key, an account, a region refused is not."""

import json

import pytest

from tests.conftest import completion
from tests.support.fault_server import FaultServer, ask_and_judge, good, say, text_dataset
from vlsu.errors import ModelError
from vlsu.models import Outcome
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.moderations import Moderations
from vlsu.models.formats.openai import ChatCompletions

WIRES = [ChatCompletions(), Messages(), GenerateContent(), Moderations()]


def error(message="", code=None, type_=None, **more):
    """An error in OpenAI's shape."""
    return {"error": {"message": message, "code": code, "type": type_, "param": None, **more}}


AZURE = error(
    "The response was filtered due to the prompt triggering Azure's content management policy.",
    "content_filter",
    status=400,
    innererror={
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
    },
)
XAI = {
    "code": "The caller does not have permission to execute the specified operation",
    "error": "Content violates usage guidelines. Team: 0, API key ID: 0, Model: m, Failed check: "
    "SAFETY_CHECK_TYPE_EXAMPLE",
}
#: Who answers so, status, body.
FILTERED = [
    ("OpenAI", 400, error("Your request was rejected by our safety system.", "moderation_blocked")),
    ("OpenAI", 400, error("Your request was rejected as a result of our safety system.")),
    ("OpenAI", 400, error("This request was blocked.", "content_policy_violation")),
    (
        "OpenAI",
        400,
        error(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
            "invalid_prompt",
            "invalid_request_error",
        ),
    ),
    (
        "OpenAI",
        400,
        error(
            "Invalid prompt: we've limited access to this content for safety reasons.",
            "invalid_prompt",
        ),
    ),
    ("Azure", 400, AZURE),
    ("StepFun", 451, {"error": {"message": "It is blocked.", "type": "censorship_blocked"}}),
    ("SiliconFlow", 451, {"code": 20015, "message": "prohibited"}),
    ("New API", 400, error("no", "prompt_blocked", "new_api_error")),
    (
        "Databricks",
        400,
        {
            "error_code": "BAD_REQUEST",
            "message": json.dumps(
                {
                    "input_guardrail": [{"flagged": True, "categories": {}}],
                    "finishReason": "input_guardrail_triggered",
                }
            ),
        },
    ),
    ("Cohere", 400, {"message": "blocked input: safety"}),
    ("Azure, the code alone", 400, error("filtered", "content_filter")),
    ("xAI", 403, XAI),
    ("xAI", 400, {"code": "Client specified an invalid argument", "error": XAI["error"]}),
    (
        "DashScope",
        400,
        error("Input data may contain inappropriate content.", "data_inspection_failed"),
    ),
    ("DashScope", 400, {"code": "DataInspectionFailed", "message": "m", "request_id": "0"}),
    (
        "DashScope",
        400,
        error(
            "<400> InternalError.Algo.DataInspectionFailed: Input text data may contain "
            "inappropriate content."
        ),
    ),
    (
        "Moonshot",
        400,
        error(
            "The request was rejected because it was considered high risk", 400, "content_filter"
        ),
    ),
    (
        "Moonshot, the words alone",
        400,
        error("The request was rejected because it was considered high risk"),
    ),
    (
        "DeepSeek",
        400,
        error("Content Exists Risk", "invalid_request_error", "invalid_request_error"),
    ),
    (
        "Zhipu",
        400,
        {
            "contentFilter": [{"level": 1, "role": "user"}],
            **error("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301"),
        },
    ),
    (
        "Zhipu, in English",
        400,
        error("System detected potentially unsafe or sensitive content in input", "1301"),
    ),
    (
        "Volcengine",
        400,
        error(
            "The request failed because the input text may contain sensitive information",
            "InputTextSensitiveContentDetected",
        ),
    ),
    ("Volcengine", 400, error("m", "SensitiveContentDetected.Violence")),
    (
        "new-api",
        400,
        error(
            "input contains sensitive words: [example]", "sensitive_words_detected", "new_api_error"
        ),
    ),
    ("a gateway", 403, {"code": "sensitive_word_detected", "type": "security_violation"}),
    (
        "OpenRouter",
        403,
        error(
            "m requires moderation. Your input was flagged",
            403,
            metadata={"reasons": ["violence"], "flagged_input": "..."},
        ),
    ),
    ("OpenRouter", 403, error("Request blocked: prompt injection patterns detected", 403)),
    (
        "OpenRouter",
        403,
        error("The request is prohibited due to a violation of provider Terms Of Service.", 403),
    ),
    (
        "OpenRouter, a server behind it",
        400,
        error(
            "Provider returned error",
            400,
            metadata={"raw": json.dumps(error("Content Exists Risk")), "provider_name": "p"},
        ),
    ),
    ("Gemini, by a gateway", 403, error("The prompt was blocked", "PROHIBITED_CONTENT")),
    (
        "Vertex AI",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The prompt could not be submitted. This prompt contains sensitive "
                    "words that violate Google's Responsible AI practices.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    (
        "Anthropic",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Output blocked by content filtering policy",
            },
        },
    ),
    (
        "Bedrock",
        400,
        {
            "message": "The model returned the following errors: Output blocked by content "
            "filtering policy"
        },
    ),
    (
        "LiteLLM",
        400,
        error("litellm.BadRequestError: litellm.ContentPolicyViolationError: m", "400"),
    ),
    ("LiteLLM, a guardrail", 400, error("Violated guardrail policy", "400", "None")),
    (
        "Portkey",
        446,
        {
            **error("The guardrail checks defined in the config failed.", None, "hooks_failed"),
            "hook_results": {},
        },
    ),
    ("WSO2", 446, {"code": "900514", "type": "T", "message": {"action": "GUARDRAIL_INTERVENED"}}),
    (
        "Cloudflare",
        424,
        {
            "success": False,
            "errors": [{"code": 2016, "message": "Prompt blocked due to security configurations"}],
        },
    ),
    ("FastAPI", 422, {"detail": "The prompt was flagged by the moderation model"}),
    ("a gateway", 403, error("This request cannot be served for safety reasons.")),
    ("a gateway", 400, error("The prompt did not pass the safety check")),
    ("a gateway", 403, error("NSFW content detected")),
    ("a gateway", 400, error("Policy violation: category 3")),
    ("a gateway", 400, error("m", "guardrail_blocked")),
    ("a gateway", 451, error("This image was flagged")),
    ("a gateway, in Chinese", 400, {"code": 400, "msg": "内容审核未通过"}),
    ("a text", 403, "Content violates usage guidelines."),
]
IN_STATUS_200 = [
    ("a router", error("Your input was flagged", 403, metadata={"reasons": ["violence"]})),
    ("a router", error("Content Exists Risk", 400)),
    (
        "MiniMax",
        {
            "choices": None,
            "input_sensitive": True,
            "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"},
        },
    ),
    (
        "MiniMax",
        {"choices": [], "base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}},
    ),
    (
        "Azure",
        {
            "choices": [],
            "prompt_filter_results": [
                {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": True}}}
            ],
        },
    ),
    (
        "Gemini, compatible",
        {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
    ),
    (
        "a choice's error",
        {"choices": [{"error": {"code": 403, "message": "m", "metadata": {"reasons": ["x"]}}}]},
    ),
    (
        "Bedrock",
        {
            **completion("Sorry, the text of a guardrail."),
            "amazon-bedrock-guardrailAction": "INTERVENED",
        },
    ),
]
#: What every further request would meet alike.
NOT_ONE_PROMPTS = [
    (
        401,
        error("Incorrect API key provided: sk-1***9.", "invalid_api_key", "invalid_request_error"),
    ),
    (401, error("content policy", None)),
    (403, {}),
    (403, error("Forbidden")),
    (
        403,
        error(
            "Country, region, or territory not supported", "unsupported_country_region_territory"
        ),
    ),
    (403, error("Project `p` does not have access to model `m`", "model_not_found")),
    (403, error("Your account has been flagged for potential violations of our usage policies.")),
    (
        403,
        error(
            "Your organization has been disabled for violating our content policy.",
            "content_policy_violation",
        ),
    ),
    (403, error("Your API key was reported as leaked. Please use another API key.")),
    (
        403,
        error(
            "Your resource has been temporarily blocked because we detected behavior that may "
            "violate our content policy."
        ),
    ),
    (403, error("Access denied due to Virtual Network/Firewall rules.", "AccessDenied")),
    (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your team has no credits",
        },
    ),
    (
        403,
        {
            "error": {
                "code": 403,
                "message": "Permission denied: Consumer has been suspended.",
                "status": "PERMISSION_DENIED",
            }
        },
    ),
    (403, "<html><head><title>403 Forbidden</title></head></html>"),
    (403, "Your request was blocked."),
    (403, {"detail": "Not authenticated"}),
]
#: Faults of the request's form, or of the server, that speak of filters and policies.
NO_FILTER = [
    (400, error("Unknown parameter: 'content_filter'.", "unknown_parameter"), "bad-request"),
    (400, error("Illegal content type: text/plain"), "bad-request"),
    (400, error("Invalid schema for response_format", "invalid_prompt"), "bad-request"),
    (
        400,
        error("messages: Extra inputs are not permitted. {'input': 'sensitive content'}"),
        "bad-request",
    ),
    (
        400,
        {
            "detail": [
                {
                    "loc": ["body", "messages"],
                    "msg": "Field required",
                    "input": {"text": "unsafe content"},
                }
            ]
        },
        "bad-request",
    ),
    (404, error("No endpoints found matching your data policy"), "not-found"),
    (429, error("Rate limit of the content policy tier reached"), "rate-limit"),
    (400, error("m", "invalid_safety_settings"), "bad-request"),
    (400, error("m", "guardrail_not_found"), "bad-request"),
    (500, error("m", "content_filter_error"), "server"),
    (500, error("The content filter is unavailable"), "server"),
    (503, error("The moderation service timed out"), "server"),
    (400, error("The content filter is not configured for this deployment"), "bad-request"),
]


def decode(wire, status, body):
    data = body if isinstance(body, str) else json.dumps(body)
    return wire.decode(status, data.encode())


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: type(wire).__name__)
@pytest.mark.parametrize(("who", "status", "body"), FILTERED)
def test_a_filter_is_recognised_in_any_providers_words_through_any_format(who, status, body, wire):
    response = decode(wire, status, body)
    assert response.outcome is Outcome.BLOCKED, response.fault
    assert response.fault is None
    assert response.finish_reason


@pytest.mark.parametrize(("who", "body"), IN_STATUS_200)
def test_a_filter_is_recognised_in_an_answer_of_status_200(who, body):
    response = decode(ChatCompletions(), 200, body)
    assert (response.outcome, response.fault) == (Outcome.BLOCKED, None)


@pytest.mark.parametrize(
    "feedback",
    [
        {"blockReason": "SAFETY"},
        {"blockReason": "PROHIBITED_CONTENT"},
        {"blockReason": "OTHER"},
        {"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "blocked": True}]},
    ],
)
@pytest.mark.parametrize("candidates", [{}, {"candidates": []}, {"candidates": [{"index": 0}]}])
def test_geminis_feedback_on_a_prompt(feedback, candidates):
    response = decode(GenerateContent(), 200, {"promptFeedback": feedback, **candidates})
    assert (response.outcome, response.fault) == (Outcome.BLOCKED, None)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: type(wire).__name__)
@pytest.mark.parametrize(("status", "body"), NOT_ONE_PROMPTS)
def test_a_key_an_account_or_a_region_that_is_refused_ends_the_run(status, body, wire):
    response = decode(wire, status, body)
    assert response.outcome is Outcome.ERROR
    assert (response.fault.kind, response.fault.fatal) == ("credentials", True)
    assert response.fault.message.startswith(f"HTTP {status}")


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: type(wire).__name__)
@pytest.mark.parametrize(("status", "body", "kind"), NO_FILTER)
def test_words_about_filters_are_not_a_filters_words(status, body, kind, wire):
    response = decode(wire, status, body)
    assert response.fault is not None, response
    assert response.fault.kind == kind


def test_one_filtered_prompt_is_one_blocked_sample_and_never_asked_again(tmp_path):
    def respond(asked):
        if "words 3 " in asked.words:
            return say(XAI, 403)
        if "words 5 " in asked.words:
            return say(error("Content Exists Risk", "invalid_request_error"), 400)
        return good(asked)

    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(respond) as server:
        for _ in range(2):
            result = ask_and_judge(dataset, server.base_url, tmp_path / "run")
            assert result.outcomes == {"ok": 6, "blocked": 2}
        assert len(server.asked) == 8
    assert result.errors == {}


@pytest.mark.parametrize(
    ("status", "body"), [(401, error("no such key")), (403, error("Forbidden"))]
)
def test_a_plain_401_or_403_stops_with_one_line(status, body, tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 8)
    with FaultServer(lambda asked: say(body, status)) as server:
        with pytest.raises(ModelError) as caught:
            ask_and_judge(dataset, server.base_url, tmp_path / "run", concurrency=1)
        assert len(server.asked) == 1
    assert str(caught.value) == f"openai/mock: HTTP {status}: {body['error']['message']}"


def test_minimax_stops_an_answer_and_sends_what_is_left_of_it():
    body = completion("") | {"output_sensitive": True, "base_resp": {"status_code": 1027}}
    assert ChatCompletions().decode(200, json.dumps(body).encode()).outcome is Outcome.BLOCKED
