"""What a run's requests begin with, above all the policy, is computed once.

A causal model's keys and values at a position depend on what is before it alone. So those of the
tokens that the prompts of a batch have in common with an earlier one are taken from there, and only
the rest is computed. The layout stays that of padding on the left: the cache of a shorter prompt
begins with as many unused places, and what they push out of it is computed again.

Only for models whose every layer is full attention with a growing cache: those with sliding
windows, recurrent states or compressed caches do without. A model that attends to later tokens in a
prefix is found by the check at loading (`vlsu.models.hf.check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vlsu.models.hf.libraries import library

__all__ = ["MIN_TOKENS", "Prefixes"]

#: Shorter ones are not worth it.
MIN_TOKENS = 64
#: Beginnings kept, each with its keys and values: a run has one a modality.
KEPT = 3
#: Inputs with one entry a token, besides the ids and the mask.
TOKEN_INPUTS = ("token_type_ids", "mm_token_type_ids")


class _Kept(NamedTuple):
    """Token ids of a beginning, and the keys and values of each layer."""

    ids: tuple[int, ...]
    layers: tuple[tuple[Any, Any], ...]


class Prefixes:
    """Beginnings of prompts whose keys and values are kept.

    Args:
        model: The loaded model.
        image_tokens: The ids that stand for an image; nothing is kept from the first one on.
        pad_token: The id of padding.
    """

    def __init__(self, model: Any, image_tokens: frozenset[int], pad_token: int) -> None:
        self._model = model
        self._image_tokens = image_tokens
        self._pad_token = pad_token
        self._kept: list[_Kept] = []
        self.usable = True

    def with_cache(
        self, inputs: Mapping[str, Any], rows: Sequence[Sequence[int]]
    ) -> dict[str, Any]:
        """The inputs of a batch, with a cache if its prompts begin like ones before.

        Args:
            inputs: The inputs, padded on the left.
            rows: The token ids of each prompt, without padding.
        """
        _forget_positions(self._model)
        if not self.usable:
            return dict(inputs)
        shared = self._text_before_images(_common(rows))
        best, length = self._best(shared)
        if length < len(shared) // 2 and len(self._kept) < KEPT and len(shared) >= MIN_TOKENS:
            kept = self._compute(shared, inputs)
            if kept is None:
                self.usable = False
                return dict(inputs)
            self._kept.append(kept)
            best, length = kept, len(shared)
        # A token of each prompt has to be computed, or there would be nothing to go on from.
        length = min(length, min(map(len, rows)) - 1)
        padding = max(map(len, rows)) - min(map(len, rows))
        if best is None or length < max(MIN_TOKENS, padding):
            return dict(inputs)
        return {**inputs, "cache": self._cache(best, length, rows)}

    def _text_before_images(self, ids: Sequence[int]) -> Sequence[int]:
        images = (index for index, id_ in enumerate(ids) if id_ in self._image_tokens)
        return ids[: next(images, len(ids))]

    def _best(self, ids: Sequence[int]) -> tuple[_Kept | None, int]:
        """The beginning kept that has the most tokens in common, and their number."""
        lengths = [len(_common([ids, kept.ids])) for kept in self._kept]
        if not lengths:
            return None, 0
        index = max(range(len(lengths)), key=lengths.__getitem__)
        return self._kept[index], lengths[index]

    def _compute(self, ids: Sequence[int], inputs: Mapping[str, Any]) -> _Kept | None:
        """Keys and values of a beginning; `None` if the model's cache has others."""
        torch, transformers = library("torch"), library("transformers")
        tensor = torch.tensor([list(ids)], device=inputs["input_ids"].device)
        more = {name: torch.zeros_like(tensor) for name in TOKEN_INPUTS if name in inputs}
        output = self._model.generate(
            input_ids=tensor,
            attention_mask=torch.ones_like(tensor),
            **more,
            generation_config=transformers.GenerationConfig(
                max_new_tokens=1,
                do_sample=False,
                pad_token_id=self._pad_token,
                return_dict_in_generate=True,
            ),
        )
        _forget_positions(self._model)
        layers = getattr(output.cache, "layers", ())
        full = transformers.cache_utils.DynamicLayer
        if not layers or any(
            type(layer) is not full or layer.get_seq_length() != len(ids) for layer in layers
        ):
            return None
        return _Kept(tuple(ids), tuple((layer.keys, layer.values) for layer in layers))

    def _cache(self, kept: _Kept, length: int, rows: Sequence[Sequence[int]]) -> Any:
        """The first places of a batch padded on the left: padding, then the beginning."""
        transformers = library("transformers")
        longest = max(map(len, rows))
        cache = transformers.DynamicCache()
        for layer, states in enumerate(kept.layers):
            placed = []
            for state in states:
                batch = state.new_zeros(len(rows), *state.shape[1:2], length, state.shape[-1])
                for row, ids in enumerate(rows):
                    padding = longest - len(ids)
                    batch[row, :, padding:] = state[0, :, : length - padding]
                placed.append(batch)
            cache.update(*placed, layer)
        return cache


def _common(rows: Sequence[Sequence[int]]) -> Sequence[int]:
    """The longest beginning that all have."""
    first, *others = rows
    length = len(first)
    for other in others:
        pairs = zip(first[:length], other, strict=False)
        length = next(
            (index for index, (one, two) in enumerate(pairs) if one != two),
            min(length, len(other)),
        )
    return first[:length]


def _forget_positions(model: Any) -> None:
    """Drop what models with three-dimensional positions (Qwen-VL) remember of the last batch.

    They would add it to the positions of a batch that starts from a cache.
    """
    inner: Any = getattr(model, "model", None)
    if getattr(inner, "rope_deltas", None) is not None:
        inner.rope_deltas = None
