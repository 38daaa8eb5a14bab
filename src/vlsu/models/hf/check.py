"""Whether a loaded model answers a batch as it answers its requests one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlsu.models.base import ImagePart, Message, Part, Request
from vlsu.models.hf.chat import Prompt
from vlsu.models.hf.engine import Engine
from vlsu.models.hf.libraries import library

__all__ = ["TOLERANCE", "batch_difference", "probes"]

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
        request = Request((Message("user", (*parts, text)),))
        width, height = sizes[index]
        picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
        made.append(Prompt(request, (picture,) * kind))
    return made


def batch_difference(engine: Engine, prompts: Sequence[Prompt]) -> float:
    """Largest difference between the distributions in a batch and one by one.

    At the end of each prompt and after one and two more tokens: total variation distance, in
    [0, 1].
    """
    torch = library("torch")
    forced = engine.checkpoint.tokenizer.encode("a b c", add_special_tokens=False)[:3]

    def distributions(batch: Sequence[Prompt]) -> Any:
        return engine.forced_logprobs(batch, forced).exp()

    together = distributions(prompts)
    apart = torch.cat([distributions([prompt]) for prompt in prompts])
    return float((together - apart).abs().sum(-1).max() / 2)
