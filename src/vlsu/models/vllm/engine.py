"""vLLM's offline engine: ``LLM(...)``, ``LLM.chat``, and its outputs as plain values.

Names and defaults after vLLM's documentation: engine arguments, ``SamplingParams``, multimodal
inputs of ``LLM.chat`` (``image_pil``), LoRA adapters, quantization (``fp8`` when it is loaded,
``bitsandbytes`` in 4 bits). The module is imported when the first request comes, without its
usage statistics.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.base import Settings

__all__ = ["ALTERNATIVES", "Engine", "EngineError", "Output", "engine_arguments"]

#: Alternatives to each token, where they are asked for: the engine's own bound.
ALTERNATIVES = 20
_QUANTIZATION = {"8bit": "fp8", "4bit": "bitsandbytes"}
#: What an engine that has ended raises for every request, by the name of its class.
_ENDED = frozenset({"EngineDeadError", "EngineGenerateError"})
_TOO_LONG = re.compile(r"max(?:imum)?[_ ]model[_ ]len|maximum context|longer than", re.IGNORECASE)


class EngineError(Exception):
    """The engine refused a request; without its message, which may quote the prompt."""


@dataclass(frozen=True, slots=True)
class Output:
    """What was generated for one conversation.

    Attributes:
        text: The answer.
        finish_reason: ``stop`` or ``length``; another is passed on.
        tokens: Each token's bytes with its alternatives, itself included, and the natural
            logarithms of their probabilities; empty where they were not asked for.
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens generated.
        cached_tokens: Of the prompt, tokens found in the prefix cache; `None` if not told.
    """

    text: str
    finish_reason: str | None
    tokens: tuple[tuple[bytes, tuple[tuple[bytes, float], ...]], ...]
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None


def engine_arguments(name: str, settings: Settings, own: Mapping[str, object]) -> dict[str, object]:
    """The arguments of ``LLM``.

    Args:
        name: The model's folder, or its name on the hub.
        settings: How it is asked.
        own: Further arguments of the user's, which go before all others; `None` removes one.
    """
    arguments: dict[str, object] = {
        "model": name,
        "dtype": settings.dtype or "auto",
        "seed": settings.seed or 0,
        "enable_prefix_caching": True,
        "limit_mm_per_prompt": {"image": 1},
        "quantization": _QUANTIZATION.get(settings.quantize or ""),
        "max_num_seqs": settings.max_batch,
        "enable_lora": True if settings.adapter else None,
        **own,
    }
    return {key: value for key, value in arguments.items() if value is not None}


class Engine:
    """A loaded model.

    Args:
        spec: As the user wrote it, for messages.
        arguments: Those of ``LLM``.
        adapter: A LoRA adapter: a folder, or a name on the hub.

    Raises:
        ModelError: It cannot be loaded.
    """

    def __init__(self, spec: str, arguments: Mapping[str, object], adapter: str | None) -> None:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        self._spec = spec
        try:
            self._vllm: Any = import_module("vllm")
            self._llm, self.sees = self._load(dict(arguments))
            self._adapter = None
            if adapter is not None:
                lora = import_module("vllm.lora.request")
                self._adapter = lora.LoRARequest("adapter", 1, adapter)
        except Exception as error:
            raise ModelError(f"{spec}: vLLM cannot load it ({_described(error)})") from None
        self._control = _control_tokens(self._llm)

    def _load(self, arguments: dict[str, object]) -> tuple[Any, bool]:
        """The model, and whether it sees images: of one that does not, the limit is an error."""
        try:
            return self._vllm.LLM(**arguments), True
        except Exception as error:
            if "limit_mm_per_prompt" not in str(error) or "limit_mm_per_prompt" not in arguments:
                raise
        del arguments["limit_mm_per_prompt"]
        return self._vllm.LLM(**arguments), False

    def plain(self, text: str) -> str:
        """A text in which the tokenizer finds none of its control tokens.

        Each gets a space after its first character: the engine's chat template would copy it into
        the prompt, where it could close a turn or stand for an image.
        """
        return text if self._control is None else self._control.sub(r"\g<0> ", text)

    def chat(
        self,
        conversations: Sequence[list[dict[str, object]]],
        sampling: Sequence[Mapping[str, object]],
        template_variables: Mapping[str, object],
    ) -> list[Output]:
        """Answer conversations, each with its own sampling parameters, in their order.

        Raises:
            EngineError: One of them is refused.
            ModelError: The engine has ended.
        """
        optional: dict[str, object] = {}
        if self._adapter is not None:
            optional["lora_request"] = self._adapter
        if template_variables:
            optional["chat_template_kwargs"] = dict(template_variables)
        try:
            outputs = self._llm.chat(
                list(conversations),
                [self._vllm.SamplingParams(**each) for each in sampling],
                use_tqdm=False,
                **optional,
            )
        except Exception as error:
            if type(error).__name__ in _ENDED:
                raise ModelError(
                    f"{self._spec}: vLLM's engine has ended ({type(error).__name__}); the same "
                    "command continues"
                ) from None
            if _TOO_LONG.search(str(error)):
                raise EngineError("the prompt is longer than the model's context") from None
            raise EngineError(f"vLLM refuses the request ({type(error).__name__})") from None
        return [_output(each) for each in outputs]


def _control_tokens(llm: Any) -> re.Pattern[str] | None:
    """Matches the first character of every control token of a model's tokenizer.

    Those of more than one character: a text may contain any single one.
    """
    tokenizer = llm.get_tokenizer()
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    tokens = {*(getattr(tokenizer, "all_special_tokens", None) or ())}
    tokens |= {str(token) for token in added.values() if getattr(token, "special", False)}
    found = sorted((token for token in tokens if len(token.strip()) > 1), key=len, reverse=True)
    if not found:
        return None
    each = (f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in found)
    return re.compile("|".join(each))


def _output(request: Any) -> Output:
    completion = request.outputs[0]
    steps = completion.logprobs or ()
    return Output(
        text=completion.text,
        finish_reason=completion.finish_reason,
        tokens=tuple(
            (_bytes(step.get(token)), tuple((_bytes(o), float(o.logprob)) for o in step.values()))
            for token, step in zip(completion.token_ids, steps, strict=False)
        ),
        input_tokens=len(request.prompt_token_ids or ()),
        output_tokens=len(completion.token_ids),
        cached_tokens=getattr(request, "num_cached_tokens", None),
    )


def _bytes(entry: Any) -> bytes:
    """The bytes of a ``Logprob``'s token, as far as it was decoded."""
    return (getattr(entry, "decoded_token", None) or "").encode(errors="replace")


def _described(error: BaseException) -> str:
    return collapsed_line(f"{type(error).__name__}: {error}", 300)
