"""Tiny models of real families, with random weights: configurations, processors, chat templates.

Sizes are made up; classes, control tokens and the shape of the templates are those of the family,
after the processors of transformers 5.24 (``models/*/processing_*.py``). Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.models.hf.templates import (
    GEMMA,
    IMAGES_FIRST,
    INTERNVL,
    LLAVA,
    QWEN,
    SMOLVLM,
    TEXT,
)
from tests.models.hf.tokenizers import byte_tokenizer, metaspace_tokenizer
from vlsu.models.hf.checkpoint import without_video
from vlsu.models.hf.libraries import library

CONTEXT = 16384


def _text(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **more,
    }


def _vision(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        **more,
    }


def _save(folder: Path, config: Any, processor: Any) -> Path:
    torch, transformers = library("torch"), library("transformers")
    torch.manual_seed(7)
    model_class = (
        transformers.AutoModelForImageTextToText
        if hasattr(processor, "image_processor")
        else transformers.AutoModelForCausalLM
    )
    model = model_class.from_config(config)
    with torch.no_grad():  # sharper distributions than those of fresh weights
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "vision" not in name and "visual" not in name:
                weight.mul_(4)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


_QWEN_CONTROL = ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def _qwen_processor(kind: str, tokenizer: Any, patch: int, template: str) -> Any:
    transformers = library("transformers")
    images = transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 32 * 32, "longest_edge": 128 * 128},
        patch_size=patch,
        temporal_patch_size=2,
        merge_size=2,
    )
    made = without_video(getattr(transformers, kind))
    return made(images, tokenizer, None, chat_template=template)


def qwen3_vl(folder: Path) -> Path:
    transformers = library("transformers")
    tokenizer = byte_tokenizer(
        [*_QWEN_CONTROL, "<|video_pad|>"], eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = transformers.Qwen3VLConfig(
        text_config=_text(
            tokenizer, head_dim=8, rope_parameters={**rope, "mrope_interleaved": True}
        ),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_heads": 4,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
        },
        **_qwen_ids(tokenizer),
    )
    return _save(folder, config, _qwen_processor("Qwen3VLProcessor", tokenizer, 16, QWEN))


def qwen2_5_vl(folder: Path) -> Path:
    transformers = library("transformers")
    tokenizer = byte_tokenizer(
        [*_QWEN_CONTROL, "<|video_pad|>"], eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = transformers.Qwen2_5_VLConfig(
        text_config=_text(tokenizer, rope_parameters=rope),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_heads": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 32,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        **_qwen_ids(tokenizer),
    )
    return _save(folder, config, _qwen_processor("Qwen2_5_VLProcessor", tokenizer, 14, QWEN))


def llava_onevision(folder: Path) -> Path:
    transformers = library("transformers")
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<image>", "<video>"], eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    grid = [[32, 32], [32, 64], [64, 32], [64, 64]]
    config = transformers.LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        vision_config={
            "model_type": "siglip_vision_model",
            **_vision(image_size=32, patch_size=8, vision_use_head=False),
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid,
    )
    images = transformers.LlavaOnevisionImageProcessorPil(
        size={"height": 32, "width": 32}, image_grid_pinpoints=grid
    )
    processor = without_video(transformers.LlavaOnevisionProcessor)(
        images,
        tokenizer,
        None,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=IMAGES_FIRST,
    )
    return _save(folder, config, processor)


def llava(folder: Path) -> Path:
    transformers = library("transformers")
    tokenizer = metaspace_tokenizer(
        ["<image>"], add_bos=True, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    config = transformers.LlavaConfig(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config={
            "model_type": "clip_vision_model",
            **_vision(image_size=32, patch_size=8, projection_dim=32),
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    images = transformers.LlavaImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA,
    )
    return _save(folder, config, processor)


def smolvlm(folder: Path) -> Path:
    transformers = library("transformers")
    named = {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "end_of_utterance_token": "<end_of_utterance>",
        "global_image_token": "<global-img>",
    }
    cells = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = byte_tokenizer(
        ["<|im_start|>", *named.values(), *cells],
        named=named,
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
    )
    config = transformers.SmolVLMConfig(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config=_vision(image_size=32, patch_size=8),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    images = transformers.SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    processor = without_video(transformers.SmolVLMProcessor)(
        images, tokenizer, None, image_seq_len=4, chat_template=SMOLVLM
    )
    return _save(folder, config, processor)


def idefics3(folder: Path, words: Sequence[str] = ()) -> Path:
    """With `words` as single tokens of its vocabulary."""
    transformers = library("transformers")
    cells = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<image>", "<fake_token_around_image>", "<global-img>", *cells],
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
    )
    tokenizer.add_tokens(list(words))
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config=_vision(image_size=32, patch_size=8),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    images = transformers.Idefics3ImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    processor = transformers.Idefics3Processor(
        images, tokenizer, image_seq_len=4, chat_template=SMOLVLM
    )
    return _save(folder, config, processor)


def gemma3(folder: Path) -> Path:
    transformers = library("transformers")
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer = metaspace_tokenizer(
        ["<start_of_turn>", *named.values()],
        named=named,
        add_bos=True,
        pad_token="<pad>",
        eos_token="<end_of_turn>",
        bos_token="<bos>",
    )
    config = transformers.Gemma3Config(
        text_config=_text(
            tokenizer,
            head_dim=8,
            sliding_window=16,
            layer_types=["sliding_attention", "full_attention"],
            query_pre_attn_scalar=8,
        ),
        vision_config=_vision(image_size=32, patch_size=8, vision_use_head=False),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
    )
    images = transformers.Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    processor = transformers.Gemma3Processor(
        images, tokenizer, image_seq_length=4, chat_template=GEMMA
    )
    return _save(folder, config, processor)


def internvl(folder: Path) -> Path:
    transformers = library("transformers")
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = byte_tokenizer(
        ["<|im_start|>", *named.values()],
        named=named,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    config = transformers.InternVLConfig(
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        vision_config=_vision(image_size=[32, 32], patch_size=[8, 8]),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    images = transformers.GotOcr2ImageProcessorPil(
        size={"height": 32, "width": 32}, crop_to_patches=True, max_patches=3
    )
    processor = without_video(transformers.InternVLProcessor)(
        images, tokenizer, None, image_seq_length=4, chat_template=INTERNVL
    )
    return _save(folder, config, processor)


def qwen3_text(folder: Path) -> Path:
    transformers = library("transformers")
    tokenizer = byte_tokenizer(["<|im_start|>"], eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = TEXT
    config = transformers.Qwen3Config(**_text(tokenizer, head_dim=8))
    return _save(folder, config, tokenizer)


#: Family -> the function that writes a tiny model of it into a folder.
SEEING: dict[str, Callable[..., Path]] = {
    each.__name__: each
    for each in (
        qwen3_vl,
        qwen2_5_vl,
        llava_onevision,
        llava,
        smolvlm,
        idefics3,
        gemma3,
        internvl,
    )
}
FAMILIES: dict[str, Callable[..., Path]] = {**SEEING, "qwen3_text": qwen3_text}
