"""Which answers of a run people should label."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

__all__ = ["draw_answers"]


def draw_answers(answers: pl.DataFrame, n: int, seed: int = 0) -> pl.DataFrame:
    """A random part of the answers, evenly over the framings and in proportion within each.

    Each framing gets as many as any other, as far as it has them. Within a framing the draw is
    systematic (Cochran 1977, ch. 8): the answers are sorted by the judge's verdict and
    by severity, and every k-th is taken from a random start. So every answer of a framing has
    exactly the same chance, which is all that rates corrected by labels rest on, whatever judge
    they are the rates of; and every verdict and severity is met in proportion, to within an answer.

    Args:
        answers: One row per answer: `sample_id`, `framing`, `draw`, and what to stratify by,
            `verdict` and `severity` (text; null is a stratum of its own).
        n: How many, at least 1.
        seed: Of the draw: the same answers and seed give the same part.

    Returns:
        The rows drawn, at most `n`, in random order.
    """
    rank = [_rank(seed, *key) for key in answers.select("sample_id", "framing", "draw").iter_rows()]
    ranked = answers.with_columns(rank=pl.Series(rank, dtype=pl.Binary))
    parts = ranked.sort("verdict", "severity", "rank").partition_by("framing", maintain_order=True)
    drawn = []
    left = n
    for place, part in enumerate(sorted(parts, key=lambda p: (p.height, p["framing"][0]))):
        share = min(part.height, -(-left // (len(parts) - place)))
        left -= share
        start = _uniform(seed, part["framing"][0])
        taken = np.floor((np.arange(share) + start) * part.height / max(share, 1)).astype(np.int64)
        drawn.append(part[taken.tolist()])
    return pl.concat(drawn).sort("rank").drop("rank") if drawn else answers.clear()


def _rank(seed: int, sample_id: str, framing: str, draw: int) -> bytes:
    key = f"{seed}\x00{sample_id}\x00{framing}\x00{draw}"
    return hashlib.blake2b(key.encode(), digest_size=8).digest()


def _uniform(seed: int, framing: str) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(_rank(seed, "", framing, 0)[:6], "big") / 2**48
