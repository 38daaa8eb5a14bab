"""Answers in the chat-completions format, and its errors.

Shapes after the schemas ``CreateChatCompletionResponse`` and ``CreateCompletionResponse`` of
OpenAI's published OpenAPI description: ``finish_reason``, ``refusal``, ``usage``, ``logprobs``.
Beyond those: ``reasoning_content`` or ``reasoning`` beside the content, as vLLM, SGLang, DeepSeek
and OpenRouter write it; what was filtered, after Azure's "Content filtering"; errors within an
answer of status 200 and moderation as status 403 after OpenRouter's "Errors and debugging";
``base_resp`` after MiniMax's error codes; a choice without a message, as Gemini answers where its
filter steps in.
"""

from __future__ import annotations

from collections.abc import Iterator

from vlsu.models.base import Outcome, Response
from vlsu.models.bodies.endings import Ending, read_ending
from vlsu.models.bodies.error_bodies import ErrorBody, as_code, error_in
from vlsu.models.formats.logprobs import locate_severity, unsafe_share
from vlsu.models.formats.wire import (
    Tree,
    answered,
    count,
    failed,
    first_choice,
    guardrail_intervened,
    items,
    malformed,
    quota_fault,
    status_within,
    text_of,
    tree_of,
)

__all__ = ["error_response", "read_completion"]

_QUOTA_CODES = {
    as_code(code): code
    for code in (
        "insufficient_quota",
        "billing_not_active",
        "billing_hard_limit_reached",
        "account_deactivated",
        "exceeded_current_quota_error",
        "insufficient_balance",
        "Arrearage",
    )
}
#: MiniMax's codes, in an answer of status 200 -> the status they stand for.
_BASE_RESP = {1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 2013: 400, 2049: 401}
_FILTERED = (1026, 1027)

#: llama.cpp answers an image with status 500 and this, where it has no eyes for it.
_NO_IMAGES = "image input is not supported"


def read_completion(tree: Tree, *, plain: bool = False) -> Response:
    """Read the body of an answer; of several choices the one of the lowest index.

    Args:
        tree: The body.
        plain: Whether a choice holds its text itself, as without a chat template.
    """
    choices = items(tree.get("choices"))
    if not choices:
        return _without_choices(tree)
    choice = first_choice(choices)
    if error := choice.get("error"):
        found = error_in({"error": error})
        return error_response(status_within(found), found)
    if guardrail_intervened(tree):
        return Response(Outcome.BLOCKED, finish_reason="guardrail_intervened")
    if tree_of(tree.get("base_resp")).get("status_code") in _FILTERED:
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if plain:
        choice = {**choice, "message": {"content": choice.get("text")}}
    return _completion(choice, tree_of(tree.get("usage")))


def error_response(status: int, error: ErrorBody) -> Response:
    """What an error stands for.

    Args:
        status: HTTP status; of an error in an answer of status 200, the one it stands for.
        error: What its body says.
    """
    quota = sorted(error.codes & _QUOTA_CODES.keys())
    if quota or status == 402:
        return quota_fault(status, _QUOTA_CODES[quota[0]] if quota else "no credit is left")
    if status == 403 and error.flagged:
        # OpenRouter answers 403 both to a key that may not and to an input its moderation flags.
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if status >= 500 and _NO_IMAGES in error.message:
        status = 400  # llama.cpp's word for a model that cannot see: asking again is no help
    return failed(status, error)


def _without_choices(tree: Tree) -> Response:
    """An answer of status 200 without any choice: an error of a router, or a filter's work."""
    number = tree_of(tree.get("base_resp")).get("status_code")
    if number in _FILTERED:
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if type(number) is int and number:
        return error_response(_BASE_RESP.get(number, 500), error_in(tree))
    found = error_in(tree)
    if found.filtered or tree_of(tree.get("promptFeedback")).get("blockReason"):
        return Response(Outcome.BLOCKED, finish_reason="content_filter")
    if tree.get("error") or (found.message and "choices" not in tree):
        return error_response(status_within(found), found)
    return malformed("the answer has no choices")


def _completion(choice: Tree, usage: Tree) -> Response:
    reason = choice.get("finish_reason")
    # A server that gives no reason at all says nothing of ends; asked unstreamed, it has ended.
    ending = read_ending(reason, missing=Ending.NORMAL)
    native = choice.get("native_finish_reason")  # OpenRouter: the provider's own
    if ending is Ending.NORMAL and native:
        own = read_ending(native, missing=Ending.NORMAL)
        if own not in (Ending.NORMAL, Ending.UNKNOWN):
            ending, reason = own, native
    message = choice.get("message")
    if not isinstance(message, dict):
        if ending is Ending.NORMAL:
            return malformed("the answer has no message")
        message = {}
    text, refusal = _text(message.get("content")), _refusal(message)
    return answered(
        text or refusal,
        ending,
        reason=reason,
        refused=bool(refusal),
        reasoning=text_of(message.get("reasoning_content")) or text_of(message.get("reasoning")),
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        p_unsafe=lambda: _p_unsafe(items(tree_of(choice.get("logprobs")).get("content")), text),
    )


def _refusal(message: Tree) -> str:
    """What stands in the place of an answer that the model refuses: a field, or parts."""
    return text_of(message.get("refusal")) or "".join(
        text_of(tree_of(part).get("refusal")) for part in items(message.get("content"))
    )


def _text(content: object) -> str:
    """The answer's text: a string, a list of text parts, or null."""
    return text_of(content) or "".join(
        text_of(tree_of(part).get("text")) for part in items(content)
    )


def _p_unsafe(tokens: object, text: str) -> float | None:
    steps = [tree_of(token) for token in items(tokens)]
    place = locate_severity([_token(step) for step in steps], text) if steps else None
    if place is None:
        return None
    step = steps[place.token]
    return unsafe_share(_alternatives(step), place.lead)


def _alternatives(step: Tree) -> Iterator[tuple[bytes, float]]:
    """The chosen token and the likeliest ones, each with its log probability."""
    for entry in (step, *map(tree_of, items(step.get("top_logprobs")))):
        logprob = entry.get("logprob")
        if isinstance(logprob, float | int) and logprob is not True:
            yield _token(entry), float(logprob)


def _token(entry: Tree) -> bytes:
    """A token's bytes; its text where the server gives no bytes."""
    listed = entry.get("bytes")
    if isinstance(listed, list) and listed:
        try:
            return bytes(listed)
        except (TypeError, ValueError):
            return b""
    return text_of(entry.get("token")).encode()
