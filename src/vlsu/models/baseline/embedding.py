"""Sentence embeddings: all-MiniLM-L6-v2 with int8 weights, on ONNX Runtime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlsu.models.baseline.assets import own_weights, package_file, session
from vlsu.models.baseline.wordpiece import WordPiece

__all__ = ["DIMENSIONS", "VOCABULARY", "WINDOW", "SentenceEncoder"]

DIMENSIONS = 384
VOCABULARY = "wordpiece-uncased.txt"
#: Tokens read together. The model could take 254, but the head has learned from short texts (99 in
#: 100 have at most 55 tokens) and would lose a sentence in a page.
WINDOW = 64
_SENTENCE_ENDS = (".", "!", "?")


class SentenceEncoder:
    """Texts to unit vectors; near in meaning is near in angle. English only.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """

    def __init__(self) -> None:
        self._tokens = WordPiece(own_weights(VOCABULARY))
        self._start, self._end = self._tokens.id_of("[CLS]"), self._tokens.id_of("[SEP]")
        self._ends = frozenset(self._tokens.id_of(mark) for mark in _SENTENCE_ENDS)
        self._session = session(package_file("text-embedding"))

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a text, one vector for each window: `WINDOW` tokens, or fewer to end a sentence.

        Returns:
            Float32 array of shape (windows, 384), rows of length 1. A text without any token has no
            window.
        """
        windows = self._windows(self._tokens.encode(text))
        if not windows:
            return np.empty((0, DIMENSIONS), dtype=np.float32)
        return np.stack([self._embed(window) for window in windows])

    def _windows(self, ids: list[int]) -> list[list[int]]:
        windows = []
        while len(ids) > WINDOW:
            ends = (i for i in range(WINDOW, 0, -1) if ids[i - 1] in self._ends)
            cut = next(ends, WINDOW)
            windows.append(ids[:cut])
            ids = ids[cut:]
        return [*windows, ids] if ids else windows

    def _embed(self, ids: list[int]) -> NDArray[np.float32]:
        tokens = np.array([[self._start, *ids, self._end]], dtype=np.int64)
        (states,) = self._session.run(
            None,
            {
                "input_ids": tokens,
                "attention_mask": np.ones_like(tokens),
                "token_type_ids": np.zeros_like(tokens),
            },
        )
        mean: NDArray[np.float32] = np.asarray(states[0], dtype=np.float32).mean(axis=0)
        return mean / np.float32(np.linalg.norm(mean))
