"""Sampling in which each request has random numbers of its own, whatever it is batched with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.errors import UsageError
from vlsu.models.hf.libraries import library

__all__ = ["SAMPLING", "check_sampling", "sampling_processors"]

#: Parameters of sampling -> the values that are allowed, as a condition and in words.
SAMPLING = ("temperature", "top_p", "top_k", "min_p")


def check_sampling(params: Mapping[str, object]) -> None:
    """Check the parameters of sampling.

    Raises:
        UsageError: One is no number, or out of range.
    """
    for name in SAMPLING:
        value = params.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        high = 1.0 if name in ("top_p", "min_p") else float("inf")
        if not number or not 0 <= float(str(value)) <= high:
            raise UsageError(
                f"{name} {value!r}: give a number from 0{' to 1' if high == 1 else ''}"
            )
        if name == "top_k" and not isinstance(value, int):
            raise UsageError(f"top_k {value!r}: give a whole number")


def sampling_processors(
    params: Mapping[str, object], prompts: Sequence[Sequence[int]], seeds: Sequence[tuple[int, int]]
) -> Any:
    """What turns logits into those whose maximum is a sample; nothing for greedy decoding.

    The maximum of logits with independent Gumbel noise is distributed as the softmax (Gumbel 1954;
    Maddison et al. 2014, "A* Sampling"). The noise of a request comes from its own generator,
    seeded by its prompt, the run's seed and the draw: its answer depends on no other request.

    Args:
        params: ``temperature``, ``top_p``, ``top_k``, ``min_p``.
        prompts: The token ids of each request.
        seeds: The run's seed and the draw of each request.
    """
    transformers, torch = library("transformers"), library("torch")
    steps = transformers.LogitsProcessorList()
    temperature = float(str(params.get("temperature") or 0))
    if temperature == 0:
        return steps
    if temperature != 1:
        steps.append(transformers.TemperatureLogitsWarper(temperature))
    if top_k := params.get("top_k"):
        steps.append(transformers.TopKLogitsWarper(top_k))
    if (top_p := params.get("top_p")) is not None and top_p != 1:
        steps.append(transformers.TopPLogitsWarper(float(str(top_p))))
    if min_p := params.get("min_p"):
        steps.append(transformers.MinPLogitsWarper(float(str(min_p))))
    generators = [
        torch.Generator().manual_seed(_seed(ids, *seed))
        for ids, seed in zip(prompts, seeds, strict=True)
    ]

    def add_noise(_: Any, scores: Any) -> Any:
        uniform = torch.stack(
            [torch.rand(scores.shape[-1], generator=generator) for generator in generators]
        )
        tiny = torch.finfo(torch.float32).tiny
        exponential = torch.log(uniform.clamp_min(tiny)).neg().clamp_min(tiny)
        return scores - exponential.log().to(scores.device)

    steps.append(add_noise)
    return steps


def _seed(prompt: Sequence[int], seed: int, draw: int) -> int:
    text = f"{seed}:{draw}:{','.join(map(str, prompt))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
