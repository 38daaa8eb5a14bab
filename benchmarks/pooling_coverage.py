"""Small parts drawn towards their like: error and coverage, by simulation.

python -m benchmarks.pooling_coverage
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.stats.intervals import wilson
from vlsu.analysis.stats.pooling import pooled_shares

SEED = 0
PARTS = (3, 5, 9, 15)
SIZES = ((5, 10), (5, 200), (50, 60))
#: How the true shares of the parts differ.
TRUTHS = ("all equal", "beta of 50", "beta of 5", "two kinds")

Floats = npt.NDArray[np.float64]


def true_shares(truth: str, parts: int, rng: np.random.Generator) -> Floats:
    mean = float(rng.uniform(0.2, 0.95))
    if truth == "all equal":
        return np.full(parts, mean)
    if truth == "two kinds":
        kind = np.arange(parts) < parts / 2
        return np.where(kind, min(mean + 0.2, 0.99), max(mean - 0.3, 0.01))
    worth = float(truth.split()[-1])
    return rng.beta(mean * worth, (1 - mean) * worth, parts)


def setting(parts: int, sizes: tuple[int, int], truth: str, runs: int) -> list[object]:
    rng = np.random.default_rng([SEED, parts, *sizes, TRUTHS.index(truth)])
    held = lowest = width = wilson_width = error = raw_error = 0.0
    for _ in range(runs):
        true = true_shares(truth, parts, rng)
        n = rng.integers(sizes[0], sizes[1] + 1, parts)
        raw = rng.binomial(n, true) / n
        found = pooled_shares(raw, n.astype(np.float64)) or []
        values, low, high = np.array(
            [(p.rate.value, p.rate.low, p.rate.high) for p in found], dtype=np.float64
        ).T
        inside = (low <= true) & (true <= high)
        held += float(inside.mean())
        lowest += bool(inside[int(raw.argmin())])
        width += float((high - low).mean())
        bounds = np.array([wilson(p, m) for p, m in zip(raw.tolist(), n.tolist(), strict=True)])
        wilson_width += float((bounds[:, 1] - bounds[:, 0]).mean())
        error += float(((values - true) ** 2).mean())
        raw_error += float(((raw - true) ** 2).mean())
    return [
        parts,
        f"{sizes[0]} to {sizes[1]}",
        truth,
        percent(held / runs),
        percent(lowest / runs),
        f"{width / wilson_width:.2f}",
        f"{error / raw_error:.2f}",
    ]


def report(runs: int) -> str:
    rows = [setting(*each, runs) for each in product(PARTS, SIZES, TRUTHS)]
    return "\n".join(
        [
            "# Small parts drawn towards their like\n",
            f"95% intervals of pooled shares, {runs:,} runs each, seed {SEED}; the mean of the "
            "true shares is uniform from 0.2 to 0.95. Held: on average over the parts, and of "
            "the part whose observed share is the lowest. Width against Wilson's interval, mean "
            "squared error against the raw share. `python -m benchmarks.pooling_coverage`\n",
            markdown(
                [
                    "parts",
                    "samples a part",
                    "true shares",
                    "% held",
                    "of the lowest",
                    "width / Wilson's",
                    "error / raw",
                ],
                rows,
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    write_report("pooling_coverage", lambda: report(options.runs))


if __name__ == "__main__":
    main()
