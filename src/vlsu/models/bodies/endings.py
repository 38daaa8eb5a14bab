"""How an answer ended: which finish reasons are a normal end, and what the others mean.

An answer is read only where the server says that it ended normally; the normal ends are listed, and
everything that is not listed is no end. Names after the servers' own references: OpenAI, Azure,
DeepSeek, Mistral, xAI and Together (chat completions), Anthropic (``StopReason``), Amazon Bedrock
(Converse ``stopReason``), Google (``FinishReason``), Cohere, Zhipu, Baidu, Text Generation
Inference, vLLM and SGLang.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["Ending", "name_of_ending", "read_ending"]


class Ending(enum.Enum):
    """What a finish reason says about an answer."""

    NORMAL = "normal"  # the model came to its end: the only one whose text is read
    TOKEN_LIMIT = "token limit"  # noqa: S105 - cut at a bound on tokens
    REFUSED = "refused"  # the model, or a classifier that belongs to it, declined
    BLOCKED = "blocked"  # a filter of the provider stepped in
    FAILED = "failed"  # the server broke off; asking again may help
    UNKNOWN = "unknown"  # anything else: a call of a tool, a reason nobody lists


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
_LISTED = {
    "refusal": Ending.REFUSED,
    **dict.fromkeys(_NORMAL, Ending.NORMAL),
    **dict.fromkeys(_TOKEN_LIMIT, Ending.TOKEN_LIMIT),
    **dict.fromkeys(_FAILED, Ending.FAILED),
}
#: Words by which any provider names its filter: ``content_filter: SAFETY``, ``sensitive``,
#: ``guardrail_intervened``, ``ERROR_TOXIC``, ``PROHIBITED_CONTENT``, ``SPII``, ``MODEL_ARMOR``.
_FILTER = re.compile(
    r"filter|safety|moderat|guardrail|prohibited|sensitive|block|toxic|policy|recitation|spii"
    r"|model_armor|jailbreak|flagged"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_APART = re.compile(r"[^a-z0-9]+")
#: Characters of a finish reason that are looked at.
LONGEST = 80


def read_ending(reason: object, *, missing: Ending) -> Ending:
    """What a finish reason means, in whatever letter case and spelling.

    Args:
        reason: As the body has it; some servers wrap it into an object with a ``type``.
        missing: What it means that there is none, or a null.

    >>> read_ending("STOP", missing=Ending.UNKNOWN), read_ending(None, missing=Ending.UNKNOWN)
    (<Ending.NORMAL: 'normal'>, <Ending.UNKNOWN: 'unknown'>)
    """
    if isinstance(reason, Mapping):
        reason = reason.get("type")
    if reason is None or reason == "":
        return missing
    return _ending(reason[:LONGEST]) if isinstance(reason, str) else Ending.UNKNOWN


def name_of_ending(reason: object) -> str:
    """A finish reason as a text; empty where there is none."""
    if isinstance(reason, Mapping):
        reason = reason.get("type")
    return reason[:LONGEST] if isinstance(reason, str) else ""


@lru_cache(maxsize=256)
def _ending(reason: str) -> Ending:
    name = _APART.sub("_", _HUMP.sub("_", reason.strip()).lower()).strip("_")
    name = name.removeprefix("finish_reason_")
    listed = _LISTED.get(name)
    if listed is not None:
        return listed
    return Ending.BLOCKED if _FILTER.search(name) else Ending.UNKNOWN
