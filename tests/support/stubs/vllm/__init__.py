"""A stand-in for the package ``vllm``, with the names, signatures and outputs that it documents.

It answers by the last digit of the user's words, and keeps what it was called with in `CALLS`.
Tests put its folder on the path in place of the package, which needs a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

#: Arguments of ``LLM``, and of each ``LLM.chat``.
CALLS: dict[str, list[Any]] = {"LLM": [], "chat": []}
#: Tokens of the stand-in's vocabulary: number -> text.
WORDS = ("safe", "border", "line", "un", " safe", "Well", "\n", "<|im_end|>")


class EngineDeadError(Exception):
    """As ``vllm.v1.engine.exceptions`` has it."""


@dataclass(frozen=True)
class SamplingParams:
    """The documented fields; another is a `TypeError`."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int] | None
    outputs: list[CompletionOutput] = field(default_factory=list)
    finished: bool = True


class Tokenizer:
    all_special_tokens = ("<|im_end|>", "<image>", "x")
    added_tokens_decoder: ClassVar[dict[int, Any]] = {}


class LLM:
    """One that is called ``text-only`` sees no images; ``broken`` cannot be loaded."""

    def __init__(self, model: str, **arguments: Any) -> None:
        CALLS["LLM"].append({"model": model, **arguments})
        if "broken" in model:
            raise ValueError("no such architecture")
        if "text-only" in model and "limit_mm_per_prompt" in arguments:
            raise ValueError("`limit_mm_per_prompt` is only supported for multimodal models.")

    def get_tokenizer(self) -> Tokenizer:
        return Tokenizer()

    def chat(
        self,
        messages: list[list[dict[str, Any]]],
        sampling_params: list[SamplingParams] | None = None,
        use_tqdm: bool = True,
        lora_request: Any = None,
        chat_template: str | None = None,
        chat_template_content_format: str = "auto",
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        tools: list[dict[str, Any]] | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
        mm_processor_kwargs: dict[str, Any] | None = None,
    ) -> list[RequestOutput]:
        params = sampling_params or [SamplingParams()] * len(messages)
        CALLS["chat"].append(
            {
                "messages": messages,
                "sampling_params": params,
                "use_tqdm": use_tqdm,
                "lora_request": lora_request,
                "chat_template_kwargs": chat_template_kwargs,
            }
        )
        return [_answered(*each) for each in zip(messages, params, strict=True)]


def _answered(conversation: list[dict[str, Any]], params: SamplingParams) -> RequestOutput:
    content = conversation[-1]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    words = "\n\n".join(part["text"] for part in parts if part["type"] == "text")
    if "too long" in words:
        raise ValueError(f"The decoder prompt is longer than the maximum model length: {words}")
    if "refused" in words:
        raise TypeError(f"cannot render {words}")
    if "dead" in words:
        raise EngineDeadError
    digits = [int(character) for character in words if character.isdigit()] or [0]
    answers = ((0,), (1, 2), (3, 4), (6, 3), (5,), (7,))
    tokens = list(answers[digits[-1] % len(answers)])[: params.max_tokens]
    text = "".join(WORDS[token] for token in tokens)
    return RequestOutput(
        request_id="0",
        prompt=None,
        prompt_token_ids=[0] * len(words),
        outputs=[
            CompletionOutput(
                index=0,
                text=text,
                token_ids=tokens,
                cumulative_logprob=None,
                logprobs=None if params.logprobs is None else [_top(token) for token in tokens],
                finish_reason="stop" if len(tokens) < (params.max_tokens or 16) else "length",
            )
        ],
    )


def _top(chosen: int) -> dict[int, Logprob]:
    """The chosen token with 0.6 and others with 0.1 each; of an end, none begins a severity."""
    others = [n for n in (0, 1, 3, 5) if n != chosen]
    shares = {chosen: 0.6, **dict.fromkeys(others, 0.1)} if chosen < 7 else {7: 0.6, 5: 0.4}
    return {n: Logprob(math.log(p), None, WORDS[n]) for n, p in shares.items()}
