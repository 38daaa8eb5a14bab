"""Whether `--until` is unbiased and its intervals hold, and what that costs in samples.

    python -m benchmarks.until_coverage

The dataset and the models are those of `benchmarks.fewer_calls`; the rule is compared with the one
that it replaced, which let both halves together decide when to stop.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.fewer_calls import SEED, TOTAL, FewMetrics, Floats, Ints, Judged, draw
from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.sampling.precision import Precision, rates
from vlsu.analysis.table.cells import Cells

WANTED = (
    ("strong", "joint.accuracy +- 0.02"),
    ("strong", "joint.f1_macro +- 0.02"),
    ("strong", "joint.f1_binary +- 0.02"),
    ("strong", "joint.f1_binary +- 0.03"),
    ("strong", "families.escalating.accuracy +- 0.04"),
    ("as reported", "joint.accuracy +- 0.03"),
    ("as reported", "joint.f1_macro +- 0.02"),
    ("as reported", "joint.f1_binary +- 0.02"),
    ("as reported", "families.escalating.accuracy +- 0.05"),
    ("as reported", "families.de-escalating.accuracy +- 0.03"),
    ("as reported", "patterns.S-S-U.accuracy +- 0.05"),
    ("weak", "joint.f1_macro +- 0.02"),
)


class Together(FewMetrics):
    """The former rule: stop when the interval of both halves together is narrow enough."""

    def _larger(self, until: Precision, sizes: Ints, cells: Sequence[Cells]) -> tuple[int, int]:
        half_width = until.half_width_in(self._metrics(cells))
        size = int(sizes.sum())
        if half_width is None or half_width > until.half_width:
            size = until.next_size(half_width, sizes, self.strata.population)
        return math.ceil(size / 2), size // 2


class AtOnce(Precision):
    """A width that is never reached, drawn for in one step: up to the budget, whatever is seen."""

    def next_size(self, *_: object) -> int:
        """The whole dataset."""
        return TOTAL


def repeat(
    rule: type[FewMetrics], judged: Judged, until: Precision, replicates: int, most: int = TOTAL
) -> tuple[Floats, Floats, float]:
    """Value, low and high ``(D, 3)``, samples ``(D,)`` and mean number of looks of many draws."""
    rng = np.random.default_rng([SEED, most])
    found, sizes, looks = [], [], 0
    for _ in range(replicates):
        sampling = rule(judged.strata(rng), until.modality, most, until)
        metrics, steps = draw(judged, sampling)
        rate = dict(rates(metrics))[until.key]
        found.append([rate["value"], rate["low"], rate["high"]])
        sizes.append(steps[-1])
        looks += len(steps)
    return np.array(found), np.array(sizes, dtype=float), looks / replicates


def quality(found: Floats, truth: float) -> list[str]:
    """Coverage, misses by side and mean error with its standard error, in percent."""
    value, low, high = found.T
    above, below = float((low > truth).mean()), float((high < truth).mean())
    error = 100 * value.std(ddof=1) / math.sqrt(len(value))
    return [
        percent(1 - above - below),
        f"{100 * above:.1f} / {100 * below:.1f}",
        f"{100 * (value.mean() - truth):+.2f} ({error:.2f})",
    ]


def report(replicates: int) -> str:
    rows = []
    for model, wanted in WANTED:
        judged, until = Judged.by(model), Precision.parse(wanted)
        truth = judged.truth[until.key]
        former, before, _ = repeat(Together, judged, until, replicates)
        now, sizes, looks = repeat(FewMetrics, judged, until, replicates)
        size = round(sizes.mean())
        fixed, _, _ = repeat(FewMetrics, judged, AtOnce(until.key, 1e-9), replicates, size)
        low, high = np.quantile(sizes, [0.05, 0.95])
        rows.append(
            [
                *(model, wanted, f"{truth:.3f}"),
                *(f"{before.mean():,.0f}", *quality(former, truth)),
                *(f"{size:,} ({low:,.0f} to {high:,.0f})", f"{looks:.1f}", *quality(now, truth)),
                f"{(now[:, 2] - now[:, 1]).mean() / 2:.4f}",
                *quality(fixed, truth)[:2],
            ]
        )
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    how = ("% held", "misses above / below, %", "mean error in points (standard error)")
    return "\n".join(
        [
            "# Stopping at a wanted width\n",
            f"{replicates:,} draws each from {TOTAL:,} samples (one standard error of a coverage "
            f"is about {error:.1f}), seed {SEED}. `python -m benchmarks.until_coverage`\n",
            WHY,
            markdown(
                [
                    *("model", "wanted", "truth"),
                    *("former rule: samples", *how),
                    *("samples, mean (5% to 95%)", "looks", *how, "half width"),
                    *("fixed at that size: % held", "misses above / below, %"),
                ],
                rows,
            ),
        ]
    )


WHY = """\
*Former rule*: both halves together decide when to stop. A draw with few errors looks sure of itself
and stops early, so its luck stays in the estimate. *Now* a half goes on until the other one shows
that it is large enough, by a variance that is one standard error larger than estimated. A miss
*above* is an interval that lies above the truth.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=800)
    options = parser.parse_args()
    write_report("until_coverage", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
