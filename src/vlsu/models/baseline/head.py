"""The text head: two linear layers on a sentence embedding, trained by `training/train.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["CATEGORIES", "HEAD_WEIGHTS", "TextHead"]

HEAD_WEIGHTS = "text-head.npz"

#: The categories that the head tells apart, those of the default policy, in its order.
CATEGORIES = tuple(f"C{number}" for number in range(1, 16))


@dataclass(frozen=True, slots=True, eq=False)
class TextHead:
    """Multinomial logistic regression for severity, another for the harm category.

    Attributes:
        severity_weights: Shape (3, 384), rows in the order of `vlsu.policy.Severity`.
        severity_bias: Shape (3,).
        category_weights: Shape (15, 384), rows in the order of `CATEGORIES`.
        category_bias: Shape (15,).
    """

    severity_weights: NDArray[np.float32]
    severity_bias: NDArray[np.float32]
    category_weights: NDArray[np.float32]
    category_bias: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read weights that `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in cls.__slots__})

    def save(self, path: Path) -> None:
        """Write the weights as an ``.npz`` file."""
        np.savez(path, allow_pickle=False, **{n: getattr(self, n) for n in self.__slots__})

    def severities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of each severity.

        Args:
            vectors: Sentence embeddings, shape (n, 384).

        Returns:
            Shape (n, 3), rows summing to 1.
        """
        return _softmax(vectors @ self.severity_weights.T + self.severity_bias)

    def categories(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of each category, given that there is harm; shape (n, 15), as above."""
        return _softmax(vectors @ self.category_weights.T + self.category_bias)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares
