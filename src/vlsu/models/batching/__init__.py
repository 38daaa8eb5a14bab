"""The batch interfaces of providers: requests handed in together and answered within a day."""

from __future__ import annotations

from vlsu.errors import UsageError
from vlsu.models.base import Model
from vlsu.models.batching.base import (
    Batch,
    BatchAnswer,
    BatchLimits,
    BatchService,
    BatchState,
    BatchUnavailableError,
)

__all__ = [
    "Batch",
    "BatchAnswer",
    "BatchLimits",
    "BatchService",
    "BatchState",
    "BatchUnavailableError",
    "open_batches",
]


def open_batches(model: Model) -> BatchService:
    """The batch interface of a model's provider, for that model.

    Raises:
        UsageError: There is none.
    """
    from vlsu.models.formats.anthropic import Messages
    from vlsu.models.formats.google import GenerateContent
    from vlsu.models.formats.openai import ChatCompletions, Completions
    from vlsu.models.http.model import HttpModel

    if isinstance(model, HttpModel) and not model.identity().get("score"):
        wire = model.endpoint.wire
        if isinstance(wire, ChatCompletions) and not isinstance(wire, Completions):
            from vlsu.models.batching.openai import OpenAIBatches

            return OpenAIBatches(model)
        if isinstance(wire, Messages):
            from vlsu.models.batching.anthropic import AnthropicBatches

            return AnthropicBatches(model)
        if isinstance(wire, GenerateContent):
            from vlsu.models.batching.google import GoogleBatches

            return GoogleBatches(model)
    raise UsageError(f"{model.spec}: no batch interface; leave out --batch")
