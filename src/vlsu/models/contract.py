"""Validation of what custom models return, before anything is stored."""

from __future__ import annotations

from vlsu.errors import ModelError
from vlsu.models.base import TOKEN_COUNTS, Outcome, Raw, Response

__all__ = ["MAX_TOKENS", "check_raw", "check_response", "is_from_outside"]

#: Maximum plausible number of tokens: a sum over a billion answers still fits 64 bits.
MAX_TOKENS = 10**9


def is_from_outside(model: object) -> bool:
    """Whether a model's class is not of this package, so that its results have to be validated."""
    return not type(model).__module__.startswith("vlsu.")


def check_raw(spec: str, raw: object) -> None:
    """Check that `send` returned a `Raw` with a status and bytes.

    Raises:
        ModelError: It did not; the message says what it returned.
    """
    if not isinstance(raw, Raw):
        raise _wrong_type(spec, "send", "a vlsu.models.base.Raw", raw)
    if type(raw.status) is not int:
        raise _wrong_type(spec, "send: status", "an int", raw.status)
    if not isinstance(raw.body, bytes):
        raise _wrong_type(spec, "send: body", "bytes", raw.body)


def check_response(spec: str, response: object) -> None:
    """Check that `read` returned a `Response` with an outcome, strings and token counts.

    Raises:
        ModelError: It did not; the message says what it returned.
    """
    if not isinstance(response, Response):
        raise _wrong_type(spec, "read", "a vlsu.models.base.Response", response)
    if not isinstance(response.outcome, Outcome):
        raise _wrong_type(spec, "read: outcome", "an Outcome", response.outcome)
    for name in ("text", "reasoning", "finish_reason"):
        if not isinstance(getattr(response, name), str):
            raise _wrong_type(spec, f"read: {name}", "a text", getattr(response, name))
    for name in TOKEN_COUNTS:
        tokens = getattr(response, name)
        if tokens is not None and not (type(tokens) is int and 0 <= tokens <= MAX_TOKENS):
            raise ModelError(f"{spec}: read: {name}: expected 0 to {MAX_TOKENS:,}, or None")
    if (response.outcome is Outcome.ERROR) != (response.fault is not None):
        raise ModelError(f"{spec}: read: an error has a fault, and nothing else has one")


def _wrong_type(spec: str, where: str, expected: str, found: object) -> ModelError:
    return ModelError(f"{spec}: {where}: expected {expected}, found {type(found).__name__}")
