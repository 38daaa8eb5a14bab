"""Parsing of completions in the chat-completions format, and of its errors.

Shapes after the schemas ``CreateChatCompletionResponse`` and ``CreateCompletionResponse`` of
OpenAI's published OpenAPI description: ``finish_reason``, ``refusal``, ``usage``, ``logprobs``.
In addition: ``reasoning_content`` or ``reasoning`` beside the content, as vLLM, SGLang, DeepSeek
and OpenRouter write it; content filter results after Azure's "Content filtering"; errors within an
answer of status 200 and moderation as status 403 after OpenRouter's "Errors and debugging";
``base_resp`` after MiniMax's error codes; a choice without a message, as Gemini answers when its
filter intervenes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vlsu.models.base import Outcome, Response
from vlsu.models.bodies.endings import Ending, parse_finish_reason
from vlsu.models.bodies.error_bodies import ErrorBody, normalise_code, parse_error
from vlsu.models.contract import MAX_TOKENS
from vlsu.models.formats.logprobs import locate_severity, unsafe_probability
from vlsu.models.formats.wire import (
    Tree,
    as_array,
    as_object,
    as_text,
    completed_response,
    failed_response,
    first_choice,
    guardrail_intervened,
    malformed_response,
    quota_response,
    status_within,
    token_count,
)

__all__ = ["AlternativesAt", "error_response", "read_completion", "token_alternatives"]

#: The tokens that might have been in a token's place, itself included, each with the natural
#: logarithm of its probability.
AlternativesAt = Callable[[int], tuple[tuple[bytes, float], ...]]

#: How tokenizers write a space and a line end where a server prints tokens as they are stored.
_STORED = (("\u2581", " "), ("\u0120", " "), ("\u010a", "\n"), ("<0x0A>", "\n"))

_QUOTA_CODES = {
    normalise_code(code): code
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
#: MiniMax's codes in responses of status 200 -> the HTTP status that they imply.
_BASE_RESP = {1002: 429, 1004: 401, 1008: 402, 1026: 400, 1027: 400, 2013: 400, 2049: 401}
_FILTERED = (1026, 1027)

#: llama.cpp answers an image with status 500 and this message if the model has no vision.
_NO_IMAGES = "image input is not supported"


def read_completion(tree: Tree, *, plain: bool = False) -> Response:
    """Parse the body of a completion; of several choices the one with the lowest index.

    Args:
        tree: The body.
        plain: Whether a choice has a text instead of a message, as without a chat template.
    """
    if not plain and (usual := _usual(tree)) is not None:
        return usual
    choices = as_array(tree.get("choices"))
    if not choices:
        return _without_choices(tree)
    choice = first_choice(choices)
    if error := choice.get("error"):
        found = parse_error({"error": error})
        return error_response(status_within(found), found)
    if guardrail_intervened(tree):
        return Response(Outcome.BLOCKED, finish_reason="guardrail_intervened")
    if "base_resp" in tree and as_object(tree["base_resp"]).get("status_code") in _FILTERED:
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if plain:
        choice = {**choice, "message": {"content": choice.get("text")}}
    return _completion(choice, as_object(tree.get("usage")))


#: Fields of a body by which an answer may be another than its one choice says.
_INTERVENING = ("base_resp", "amazon-bedrock-guardrailAction")


def _usual(tree: Tree) -> Response | None:
    """The response of a completion of the usual shape, as nearly all are: the fast path.

    That is one choice with a text, ended by ``stop``, without log probabilities. `None` of any
    other, and wherever a value is not of the kind that the schema gives it.
    """
    choices, usage = tree.get("choices"), tree.get("usage")
    if type(choices) is not list or len(choices) != 1 or type(usage) is not dict:
        return None
    choice = choices[0]
    message = choice.get("message") if type(choice) is dict else None
    if type(message) is not dict or choice.get("finish_reason") != "stop":
        return None
    if choice.get("error") or choice.get("native_finish_reason") or choice.get("logprobs"):
        return None
    text = message.get("content")
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    if type(text) is not str or type(reasoning) is not str or not text or text.isspace():
        return None
    if message.get("refusal") or _INTERVENING[0] in tree or _INTERVENING[1] in tree:
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(read) is not int or type(written) is not int:
        return None
    if not (0 <= read <= MAX_TOKENS and 0 <= written <= MAX_TOKENS):
        return None
    cached = usage.get("prompt_cache_hit_tokens")
    cache_write = reasoned = None
    if prompt := usage.get("prompt_tokens_details"):
        if type(prompt) is not dict:
            return None
        cached = prompt.get("cached_tokens", cached)
        cache_write = token_count(prompt.get("cache_write_tokens"))
    if generated := usage.get("completion_tokens_details"):
        if type(generated) is not dict:
            return None
        reasoned = token_count(generated.get("reasoning_tokens"))
    return Response(  # by position, which takes half the time
        Outcome.OK,
        text,
        reasoning,
        "stop",
        False,
        read,
        written,
        None,
        None,
        token_count(cached),
        cache_write,
        reasoned,
    )


def error_response(status: int, error: ErrorBody) -> Response:
    """The response for an error.

    Args:
        status: HTTP status; of an error within a response of status 200, the status it implies.
        error: The parsed error body.
    """
    quota = sorted(error.codes & _QUOTA_CODES.keys())
    if quota or status == 402:
        return quota_response(status, _QUOTA_CODES[quota[0]] if quota else "no credit is left")
    if status == 403 and error.flagged:
        # OpenRouter answers 403 both for a forbidden key and for an input that moderation flagged.
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if status >= 500 and _NO_IMAGES in error.message:
        status = 400  # the model has no vision: a retry is useless
    return failed_response(status, error)


def _without_choices(tree: Tree) -> Response:
    """A response of status 200 without choices: a router's error, or a content filter."""
    number = as_object(tree.get("base_resp")).get("status_code")
    if number in _FILTERED:
        return Response(Outcome.BLOCKED, finish_reason="moderation")
    if type(number) is int and number:
        return error_response(_BASE_RESP.get(number, 500), parse_error(tree))
    found = parse_error(tree)
    if found.filtered or as_object(tree.get("promptFeedback")).get("blockReason"):
        return Response(Outcome.BLOCKED, finish_reason="content_filter")
    if tree.get("error") or (found.message and "choices" not in tree):
        return error_response(status_within(found), found)
    return malformed_response("the answer has no choices")


def _completion(choice: Tree, usage: Tree) -> Response:
    reason = choice.get("finish_reason")
    # Servers that never give a reason: a response that is not streamed has ended.
    ending = parse_finish_reason(reason, missing=Ending.NORMAL)
    native = choice.get("native_finish_reason")  # OpenRouter: the provider's own
    if ending is Ending.NORMAL and native:
        own = parse_finish_reason(native, missing=Ending.NORMAL)
        if own not in (Ending.NORMAL, Ending.UNKNOWN):
            ending, reason = own, native
    message = choice.get("message")
    if not isinstance(message, dict):
        if ending is Ending.NORMAL:
            return malformed_response("the answer has no message")
        message = {}
    text, refusal = _text(message.get("content")), _refusal(message)
    prompt = as_object(usage.get("prompt_tokens_details"))
    generated = as_object(usage.get("completion_tokens_details"))
    steps = as_array(as_object(choice.get("logprobs")).get("content"))
    return completed_response(
        text or refusal,
        ending,
        reason=reason,
        refused=bool(refusal),
        reasoning=as_text(message.get("reasoning_content")) or as_text(message.get("reasoning")),
        input_tokens=token_count(usage.get("prompt_tokens")),
        output_tokens=token_count(usage.get("completion_tokens")),
        # DeepSeek's servers name what they read from the cache beside the prompt's tokens.
        cached_tokens=token_count(
            prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))
        ),
        cache_write_tokens=token_count(prompt.get("cache_write_tokens")),
        reasoning_tokens=token_count(generated.get("reasoning_tokens")),
        p_unsafe=(lambda: _p_unsafe(steps, text)) if steps else None,
    )


def _refusal(message: Tree) -> str:
    """The refusal that replaces an answer: a field, or content parts."""
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(content, str):  # as nearly all are: judging a million reads each
        return as_text(refusal)
    return as_text(refusal) or "".join(
        as_text(as_object(part).get("refusal")) for part in as_array(content)
    )


def _text(content: object) -> str:
    """The answer's text: a string, a list of text parts, or null."""
    if isinstance(content, str):
        return content
    return "".join(as_text(as_object(part).get("text")) for part in as_array(content))


def _p_unsafe(tokens: Sequence[object], text: str) -> float | None:
    steps = [as_object(token) for token in tokens]
    place = locate_severity([_token(step) for step in steps], text)
    if place is None:
        return None
    step = steps[place.token]
    return unsafe_probability(_alternatives(step), place.lead)


def _alternatives(step: Tree) -> Iterator[tuple[bytes, float]]:
    """The chosen token and the most likely ones, each with its log probability."""
    for entry in (step, *map(as_object, as_array(step.get("top_logprobs")))):
        logprob = entry.get("logprob")
        if isinstance(logprob, float | int) and logprob is not True:
            yield _token(entry), float(logprob)


def token_alternatives(tree: Tree) -> tuple[list[bytes], AlternativesAt]:
    """The tokens of a completion, and a function for the alternatives to one of them by its index.

    Of a hundred alternatives a verdict needs ten.

    Args:
        tree: The body: of chat completions, with ``logprobs.content``, or of completions without a
            chat template, with parallel lists ``tokens``, ``token_logprobs`` and ``top_logprobs``
            (schema ``CreateCompletionResponse``). Without them there are no tokens.
    """
    choices = as_array(tree.get("choices"))
    logprobs = as_object(first_choice(choices).get("logprobs")) if choices else {}
    if steps := [as_object(each) for each in as_array(logprobs.get("content"))]:
        return [_token(each) for each in steps], lambda n: tuple(_alternatives(steps[n]))
    tokens = [as_text(token) for token in as_array(logprobs.get("tokens"))]
    chosen, most = (as_array(logprobs.get(key)) for key in ("token_logprobs", "top_logprobs"))

    def alternatives(place: int) -> tuple[tuple[bytes, float], ...]:
        listed = {tokens[place]: chosen[place]} if place < len(chosen) else {}
        listed |= as_object(most[place]) if place < len(most) else {}
        return tuple(
            (_spelled(text), float(logprob))
            for text, logprob in listed.items()
            if isinstance(logprob, float | int) and logprob is not True
        )

    return [_spelled(token) for token in tokens], alternatives


def _spelled(token: str) -> bytes:
    """The bytes of a token that comes without them."""
    for stored, text in _STORED:
        token = token.replace(stored, text)
    return token.encode(errors="replace")


def _token(entry: Tree) -> bytes:
    """A token's bytes, or its encoded text if the server gives no bytes."""
    listed = entry.get("bytes")
    if isinstance(listed, list) and listed:
        try:
            return bytes(listed)
        except (TypeError, ValueError):
            return b""
    return _spelled(as_text(entry.get("token")))
