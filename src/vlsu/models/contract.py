"""What a model of a user's own must give, looked at before anything is made of it."""

from __future__ import annotations

from vlsu.errors import ModelError
from vlsu.models.base import Outcome, Raw, Response

__all__ = ["MOST_TOKENS", "check_raw", "check_response", "is_from_outside"]

#: More is no number of tokens: a sum over a billion answers still fits into 64 bits.
MOST_TOKENS = 10**9


def is_from_outside(model: object) -> bool:
    """Whether a model's class is not of this package, so that what it gives has to be checked."""
    return not type(model).__module__.startswith("vlsu.")


def check_raw(spec: str, raw: object) -> None:
    """Raise unless `send` gave a `Raw` with a status and bytes.

    Raises:
        ModelError: It did not; the line says what it gave.
    """
    if not isinstance(raw, Raw):
        raise _unlike(spec, "send", "a vlsu.models.base.Raw", raw)
    if type(raw.status) is not int:
        raise _unlike(spec, "send: status", "an int", raw.status)
    if not isinstance(raw.body, bytes):
        raise _unlike(spec, "send: body", "bytes", raw.body)


def check_response(spec: str, response: object) -> None:
    """Raise unless `read` gave a `Response` of an outcome, texts and numbers of tokens.

    Raises:
        ModelError: It did not; the line says what it gave.
    """
    if not isinstance(response, Response):
        raise _unlike(spec, "read", "a vlsu.models.base.Response", response)
    if not isinstance(response.outcome, Outcome):
        raise _unlike(spec, "read: outcome", "an Outcome", response.outcome)
    for name in ("text", "reasoning", "finish_reason"):
        if not isinstance(getattr(response, name), str):
            raise _unlike(spec, f"read: {name}", "a text", getattr(response, name))
    for name in ("input_tokens", "output_tokens"):
        tokens = getattr(response, name)
        if tokens is not None and not (type(tokens) is int and 0 <= tokens <= MOST_TOKENS):
            raise ModelError(f"{spec}: read: {name}: expected 0 to {MOST_TOKENS:,}, or None")
    if (response.outcome is Outcome.ERROR) != (response.fault is not None):
        raise ModelError(f"{spec}: read: an error has a fault, and nothing else has one")


def _unlike(spec: str, where: str, expected: str, found: object) -> ModelError:
    return ModelError(f"{spec}: {where}: expected {expected}, found {type(found).__name__}")
