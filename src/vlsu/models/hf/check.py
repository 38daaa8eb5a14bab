"""Whether a loaded model answers a batch, or from a cache, as it answers a request by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlsu.models.base import ImagePart, Message, Part, Request
from vlsu.models.hf.chat import Prompt
from vlsu.models.hf.engine import Engine
from vlsu.models.hf.libraries import library

__all__ = ["TOLERANCE", "batch_difference", "one_by_one", "prefix_difference", "probes"]

#: Type of the weights -> total variation distance between next-token distributions that rounding
#: explains. A mask or a position that is wrong moves far more.
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}


def probes(kind: int) -> list[Prompt]:
    """Short prompts of different lengths, with that many images of different sizes."""
    from PIL import Image

    sizes = [(64, 48), (150, 70), (90, 200)]
    texts = ["Hello.", "What do you see here, in a few words?", "Name a colour and a fruit. " * 6]
    made = []
    for index, text in enumerate(texts):
        parts: list[Part] = [ImagePart("") for _ in range(kind)]
        system = Message("system", ("Be brief, be kind, and answer what is asked. " * 12,))
        request = Request((system, Message("user", (*parts, text))))
        width, height = sizes[index]
        picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
        made.append(Prompt(request, (picture,) * kind))
    return made


def one_by_one(engine: Engine, prompts: Sequence[Prompt]) -> Any:
    """Distributions after each prompt, and after one and two more tokens, as the engine is."""
    return library("torch").cat([_distributions(engine, [prompt]) for prompt in prompts])


def batch_difference(engine: Engine, prompts: Sequence[Prompt], alone: Any) -> float:
    """Largest difference between distributions in a batch and `one_by_one`.

    Total variation distance, in [0, 1].
    """
    return _distance(_distributions(engine, prompts), alone)


def prefix_difference(engine: Engine, prompts: Sequence[Prompt], alone: Any) -> float:
    """The same where the beginnings of prompts come from a cache.

    The engine is left without prefixes.
    """
    engine.prefixes = engine.new_prefixes()
    try:
        return _distance(one_by_one(engine, prompts), alone)
    finally:
        engine.prefixes = None


def _distributions(engine: Engine, prompts: Sequence[Prompt]) -> Any:
    forced = engine.checkpoint.tokenizer.encode("a b c", add_special_tokens=False)[:3]
    return engine.forced_logprobs(prompts, forced).exp()


def _distance(one: Any, other: Any) -> float:
    return float((one - other).abs().sum(-1).max() / 2)
