"""Tokenizers of the two kinds that open models have, made on the spot."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from vlsu.models.hf.libraries import library

#: What byte pairs are learned from: a policy as prompts quote it.
_CORPUS = files("vlsu.policy").joinpath("default.yaml").read_text()


def byte_tokenizer(control: list[str], *, named: dict[str, str] | None = None, **kinds: str) -> Any:
    """A byte-level BPE tokenizer, as of Qwen, Llama 3 or SmolLM.

    Args:
        control: Control tokens besides those of `kinds`.
        named: Names under which processors look for some of them, such as ``image_token``.
        kinds: ``eos_token``, ``pad_token``, ``bos_token``.
    """
    tokenizers, transformers = library("tokenizers"), library("transformers")
    raw = tokenizers.Tokenizer(tokenizers.models.BPE())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1000,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([_CORPUS], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        extra_special_tokens=control,
        model_specific_special_tokens=named or {},
        **kinds,
    )


def metaspace_tokenizer(
    control: list[str], *, named: dict[str, str] | None = None, add_bos: bool, **kinds: str
) -> Any:
    """A tokenizer that writes spaces as ``▁`` and puts one in front, as of Llama 2 or Gemma.

    Its tokens are single characters: every label begins with the same one.
    """
    tokenizers, transformers = library("tokenizers"), library("transformers")
    alphabet = sorted({chr(code) for code in range(32, 127)} | {"\n", "▁"})
    specials = [*kinds.values(), "<unk>"]
    vocabulary = {token: index for index, token in enumerate([*specials, *alphabet])}
    raw = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>")
    )
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    raw.decoder = tokenizers.decoders.Metaspace()
    if add_bos:
        bos = kinds["bos_token"]
        raw.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", pair=None, special_tokens=[(bos, vocabulary[bos])]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        extra_special_tokens=control,
        model_specific_special_tokens=named or {},
        unk_token="<unk>",
        **kinds,
    )
