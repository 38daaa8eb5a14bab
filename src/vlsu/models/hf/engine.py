"""A loaded model: tokens and probabilities for batches of prompts.

Everything goes through the model's own ``generate``, which knows its positions, masks and caches;
what a checkpoint's ``generation_config.json`` says of sampling is not used: decoding is greedy
unless the run has parameters of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vlsu.errors import UsageError
from vlsu.models.hf.chat import Chat, Prompt
from vlsu.models.hf.checkpoint import Checkpoint
from vlsu.models.hf.libraries import library, quiet
from vlsu.models.hf.prefix import Prefixes
from vlsu.models.hf.sampling import sampling_processors

__all__ = ["Engine", "Generated", "PromptTooLongError"]


class PromptTooLongError(Exception):
    """Prompt and answer do not fit into the model's context."""


class Generated(NamedTuple):
    """An answer as tokens.

    Attributes:
        prompt: Token ids of the prompt, without padding.
        tokens: Token ids of the answer, without the one that ended it.
        ended: Whether the model ended it; else the limit did.
        logprobs: Natural logarithms of the probabilities of every token at every step: a tensor of
            steps x vocabulary, if asked for.
    """

    prompt: list[int]
    tokens: list[int]
    ended: bool
    logprobs: Any = None


class Engine:
    """A model and its chat format.

    Args:
        checkpoint: The files that it was loaded from.
        chat: Their chat format.
        model: The loaded model.

    Attributes:
        prefixes: What prompts begin with, computed once; `None` to compute each prompt as a whole.
    """

    def __init__(self, checkpoint: Checkpoint, chat: Chat, model: Any) -> None:
        self.checkpoint = checkpoint
        self.chat = chat
        self.model = model
        self._ends = _end_tokens(model, checkpoint.tokenizer)
        text = checkpoint.config.get_text_config()
        self._context: int | None = getattr(text, "max_position_embeddings", None)
        model.generation_config = library("transformers").GenerationConfig()
        self.prefixes: Prefixes | None = None

    def new_prefixes(self) -> Prefixes:
        """A fresh store of what prompts begin with."""
        checkpoint = self.checkpoint
        images = [
            getattr(source, "image_token_id", None)
            for source in (checkpoint.config, checkpoint.processor)
        ]
        known = frozenset(id_ for id_ in images if isinstance(id_, int))
        prefixes = Prefixes(self.model, known, checkpoint.tokenizer.pad_token_id)
        prefixes.usable = bool(known) or not checkpoint.sees
        return prefixes

    def generate(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int,
        params: Mapping[str, object],
        seed: int,
        *,
        logprobs: bool = False,
    ) -> list[Generated]:
        """An answer to each prompt; all of them have as many images.

        Raises:
            ChatError: The template or the processor refuses a prompt.
            PromptTooLongError: A prompt is too long.
        """
        inputs = self._inputs(prompts, {}, max_tokens)
        rows = _without_padding(inputs)
        output = self._run(
            inputs,
            max_tokens,
            steps=sampling_processors(params, rows, [(seed, p.request.draw) for p in prompts]),
            logits=logprobs,
        )
        width = inputs["input_ids"].shape[1]
        answers = []
        for index, ids in enumerate(output.sequences[:, width:].tolist()):
            end = next((i for i, token in enumerate(ids) if token in self._ends), None)
            tokens = ids if end is None else ids[:end]
            each = _logprobs(output, index, len(tokens)) if logprobs else None
            answers.append(Generated(rows[index], tokens, end is not None, each))
        return answers

    def next_logprobs(self, prompts: Sequence[Prompt]) -> tuple[Any, list[int]]:
        """Logarithms of next-token probabilities after each prompt, and the prompts' lengths.

        One forward pass; a tensor of prompts x vocabulary, in float32.

        Raises:
            ChatError: See `generate`.
            PromptTooLongError: See `generate`.
        """
        inputs = self._inputs(prompts, self._no_thinking(), 1)
        output = self._run(inputs, 1, logits=True)
        lengths = [len(row) for row in _without_padding(inputs)]
        return library("torch").log_softmax(output.logits[0].float(), dim=-1), lengths

    def forced_logprobs(self, prompts: Sequence[Prompt], forced: Sequence[int]) -> Any:
        """The same at each step of an answer that is given: a tensor of prompts x steps x tokens.

        Raises:
            ChatError: See `generate`.
            PromptTooLongError: See `generate`.
        """
        torch = library("torch")
        inputs = self._inputs(prompts, self._no_thinking(), len(forced))
        width = inputs["input_ids"].shape[1]

        def force(ids: Any, scores: Any) -> Any:
            only = torch.full_like(scores, float("-inf"))
            only[:, forced[ids.shape[1] - width]] = 0
            return only

        steps = library("transformers").LogitsProcessorList([force])
        output = self._run(inputs, len(forced), steps=steps, logits=True)
        return torch.log_softmax(torch.stack(output.logits, dim=1).float(), dim=-1)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        decoded: str = self.checkpoint.tokenizer.decode(tokens, skip_special_tokens=True)
        return decoded

    def _no_thinking(self) -> Mapping[str, object]:
        """Of a template that can have the model think first: not where its next word counts."""
        return {"enable_thinking": False} if self.chat.thinks else {}

    def _inputs(
        self, prompts: Sequence[Prompt], variables: Mapping[str, object], max_tokens: int
    ) -> Any:
        inputs = self.chat.inputs(prompts, variables)
        longest = int(inputs["attention_mask"].sum(1).max())
        if self._context is not None and longest + max_tokens > self._context:
            raise PromptTooLongError(
                f"{longest:,} tokens and an answer of up to {max_tokens:,}: its context has "
                f"{self._context:,}"
            )
        torch = library("torch")
        moved = inputs.to(self.model.device)
        return {
            name: value.to(self.model.dtype)
            if isinstance(value, torch.Tensor) and value.is_floating_point()
            else value
            for name, value in moved.items()
        }

    def _run(
        self, inputs: Mapping[str, Any], max_tokens: int, *, steps: Any = None, logits: bool = False
    ) -> Any:
        transformers = library("transformers")
        config = transformers.GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=sorted(self._ends) if steps is None or max_tokens > 1 else None,
            pad_token_id=self.checkpoint.tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_logits=logits,
        )
        with quiet():
            if self.prefixes is not None:
                inputs = self.prefixes.with_cache(inputs, _without_padding(inputs))
            return self.model.generate(
                **inputs, generation_config=config, logits_processor=steps or []
            )


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer, by the checkpoint and by its tokenizer.

    Raises:
        UsageError: There is none.
    """
    stated: list[int] = []
    for source in (model.generation_config, model.config.get_text_config(), tokenizer):
        found = getattr(source, "eos_token_id", None)
        stated += found if isinstance(found, list) else [found] if found is not None else []
    if not stated:
        raise UsageError("the model has no token that ends an answer (eos_token_id)")
    return frozenset(stated)


def _without_padding(inputs: Mapping[str, Any]) -> list[list[int]]:
    return [
        ids[mask.bool()].tolist()
        for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]


def _logprobs(output: Any, row: int, steps: int) -> Any:
    torch = library("torch")
    if not steps:
        return torch.empty(0, 0)
    each = torch.stack([logits[row] for logits in output.logits[:steps]])
    return torch.log_softmax(each.float(), dim=-1)
