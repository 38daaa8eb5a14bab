"""PDQ, a perceptual hash of 256 bits: pictures that look alike have hashes few bits apart.

Source: Meta, *The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm*, 2021, and
its reference code in ThreatExchange. That scales pictures of more than 512 pixels a side to 512 by
512; here every picture is, so that a copy of another size has nearly the same hash. Two pictures
match at a distance of 31 bits or less, and a hash of a quality below 50 tells nothing: there is too
little in the picture.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlsu.data.images.pixels import flatten

__all__ = ["MATCH", "MIN_QUALITY", "WORDS", "pdq"]

#: Bits by which the hashes of two matching pictures differ at most.
MATCH = 31
#: Below this a picture has too few edges for its hash to mean anything.
MIN_QUALITY = 50
#: 64-bit words of a hash.
WORDS = 4

_SIDE, _KEPT = 64, 16
_LARGE = 512


def pdq(image: Image.Image) -> tuple[NDArray[np.uint64], int]:
    """The hash of a picture, upright and on white, and its quality from 0 to 100.

    Returns:
        `WORDS` words, the bit of the lowest frequencies the lowest of the first.
    """
    side = (_LARGE, _LARGE)
    if image.mode in ("LA", "RGBA"):
        image = flatten(image)
    if image.size != side:
        image = image.resize(side, Image.Resampling.BICUBIC, reducing_gap=2.0)
    luma = np.asarray(image.convert("F"))  # ITU-R BT.601, unrounded
    # Not as products of matrices: those use every core, and images are looked at in many threads.
    at, weights = _sampling()
    across = np.einsum("rct,ct->rc", luma[:, at], weights)
    field = np.einsum("rtc,rt->rc", across[at], weights)
    cosines = _cosines()
    half = np.einsum("ir,rc->ic", cosines, field)
    transformed = np.einsum("ic,jc->ij", half, cosines).ravel()
    median = np.partition(transformed, transformed.size // 2 - 1)[transformed.size // 2 - 1]
    bits = np.packbits(transformed > median, bitorder="little")
    return bits.view("<u8").astype(np.uint64), _quality(field)


@cache
def _sampling() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """How 64 values are taken from 512: of which each is a sum, and their weights.

    Two means over windows of a 128th of the length, which are shorter at the edges, and of these
    only those that are kept. Both arrays are of shape (64, values of a sum).
    """
    window = _LARGE // (2 * _SIDE)
    half = (window + 2) // 2
    left, right = window - half, half - 1
    kept = ((np.arange(_SIDE) + 0.5) * _LARGE / _SIDE).astype(np.int64)
    at = kept[:, None] + np.arange(-2 * left, 2 * right + 1)
    weights = np.zeros(at.shape)
    for step in range(-left, right + 1):  # the outer mean is over these, each an inner one
        middle = (kept + step)[:, None]
        inner = (at >= middle - left) & (at <= middle + right)
        inner &= (at >= 0) & (at < _LARGE) & (middle >= 0) & (middle < _LARGE)
        weights += inner / np.maximum(1, inner.sum(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(at, 0, _LARGE - 1), weights.astype(np.float32)


def _quality(field: NDArray[np.float32]) -> int:
    total = sum(
        int(np.abs(np.trunc(np.diff(field, axis=axis) * (100 / 255))).sum()) for axis in (0, 1)
    )
    return min(100, total // 90)


@cache
def _cosines() -> NDArray[np.float64]:
    """The rows of the discrete cosine transform for the lowest frequencies but the mean."""
    i, j = np.arange(1, _KEPT + 1)[:, None], np.arange(_SIDE)[None, :]
    scale = float(np.sqrt(2 / _SIDE))
    return np.asarray(scale * np.cos(np.pi / 2 / _SIDE * i * (2 * j + 1)))
