"""What finish reasons mean: which are a normal end, and what the others stand for.

An answer counts only if its finish reason is a known normal one; an unknown reason is not taken for
one. Names after the servers' own references: OpenAI, Azure,
DeepSeek, Mistral, xAI and Together (chat completions), Anthropic (``StopReason``), Amazon Bedrock
(Converse ``stopReason``), Google (``FinishReason``), Cohere, Zhipu, Baidu, Text Generation
Inference, vLLM and SGLang.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["Ending", "finish_reason_text", "parse_finish_reason"]


class Ending(enum.Enum):
    """How an answer ended."""

    NORMAL = "normal"  # the model finished: the only ending whose text is read
    TOKEN_LIMIT = "token limit"  # noqa: S105 - cut at a bound on tokens
    REFUSED = "refused"  # the model, or a classifier that is part of it, declined
    BLOCKED = "blocked"  # a content filter of the provider intervened
    FAILED = "failed"  # the server aborted; a retry may succeed
    UNKNOWN = "unknown"  # anything else: a tool call, an undocumented reason


_NORMAL = (
    *("stop", "eos", "eos_token", "stop_sequence", "end_turn"),
    *("complete", "completed", "normal"),
)
_TOKEN_LIMIT = (
    *("length", "max_length", "model_length", "max_tokens", "max_new_tokens", "token_limit"),
    *("max_output_tokens", "max_completion_tokens", "context_length_exceeded"),
    *("context_window_exceeded", "model_context_window_exceeded"),
)
_FAILED = (
    *("abort", "aborted", "cancel", "cancelled", "canceled", "user_cancel", "interrupted"),
    *("error", "failed", "server_error", "internal_error", "engine_error", "network_error"),
    *("timeout", "timed_out", "time_limit", "insufficient_system_resource"),
)
_BY_NAME = {
    "refusal": Ending.REFUSED,
    **dict.fromkeys(_NORMAL, Ending.NORMAL),
    **dict.fromkeys(_TOKEN_LIMIT, Ending.TOKEN_LIMIT),
    **dict.fromkeys(_FAILED, Ending.FAILED),
}
#: Terms by which providers name their content filters: ``content_filter: SAFETY``, ``sensitive``,
#: ``guardrail_intervened``, ``ERROR_TOXIC``, ``PROHIBITED_CONTENT``, ``SPII``, ``MODEL_ARMOR``.
_FILTER = re.compile(
    r"filter|safety|moderat|guardrail|prohibited|sensitive|block|toxic|policy|recitation|spii"
    r"|model_armor|jailbreak|flagged"
)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
#: Maximum characters of a finish reason that are inspected.
MAX_LENGTH = 80


def parse_finish_reason(reason: object, *, missing: Ending) -> Ending:
    """The meaning of a finish reason, regardless of letter case and word separators.

    Args:
        reason: As in the body; some servers wrap it in an object with a ``type``.
        missing: The ending if there is no reason, or a null.

    >>> parse_finish_reason("STOP", missing=Ending.UNKNOWN)
    <Ending.NORMAL: 'normal'>
    >>> parse_finish_reason(None, missing=Ending.UNKNOWN)
    <Ending.UNKNOWN: 'unknown'>
    """
    if not isinstance(reason, str) and isinstance(reason, Mapping):
        reason = reason.get("type")
    if reason is None or reason == "":
        return missing
    return _ending(reason[:MAX_LENGTH]) if isinstance(reason, str) else Ending.UNKNOWN


def finish_reason_text(reason: object) -> str:
    """A finish reason as a string; empty if there is none."""
    if not isinstance(reason, str) and isinstance(reason, Mapping):
        reason = reason.get("type")
    return reason[:MAX_LENGTH] if isinstance(reason, str) else ""


@lru_cache(maxsize=256)
def _ending(reason: str) -> Ending:
    name = _SEPARATORS.sub("_", _CAMEL_CASE.sub("_", reason.strip()).lower()).strip("_")
    name = name.removeprefix("finish_reason_")
    known = _BY_NAME.get(name)
    if known is not None:
        return known
    return Ending.BLOCKED if _FILTER.search(name) else Ending.UNKNOWN
