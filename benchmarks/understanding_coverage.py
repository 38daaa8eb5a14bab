"""Whether what is said of the lowest pattern, of a look-up, and of exchanged halves holds.

    python -m benchmarks.understanding_coverage

Runs of known make are drawn hundreds of times over: patterns of known accuracy, datasets whose best
rule from two grades is known, and answers that exchanged halves move with known chances.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.dominance_coverage import GOLD
from benchmarks.writing import markdown, write_report
from vlsu.analysis import Tabulation
from vlsu.analysis.stats.intervals import wilson
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.understanding.late_fusion import late_fusion
from vlsu.analysis.understanding.lowest_pattern import lowest_pattern
from vlsu.analysis.understanding.small_parts import pooled_patterns
from vlsu.analysis.understanding.swap import swap_metrics

SEED = 0
#: Samples of the 17 patterns of VLSU by their share, about.
SHARES = 1 / np.arange(2, 19)
SHARES = SHARES / SHARES.sum()

Codes = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def estimator(gold: Codes, said: Codes) -> Estimator:
    tabulation = Tabulation()
    none = pl.Series([None] * len(gold), dtype=pl.String)
    tabulation.count(gold, said, none, [none], {})
    return Estimator(Resampler(tabulation.cells(), 1, 0))


def lowest(replicates: int) -> Iterator[list[object]]:
    """The interval of the pattern that came out lowest, its own and that of as many."""
    for number, (per, mean, spread) in enumerate(
        ((20, 0.7, 0.0), (20, 0.7, 0.1), (50, 0.6, 0.05), (50, 0.6, 0.15), (480, 0.7, 0.05))
    ):
        rng = np.random.default_rng([SEED, 1, number])
        own = held = among = 0
        errors = []
        for _ in range(replicates):
            accuracy = np.clip(rng.normal(mean, spread, 17), 0.02, 0.98)
            hits = rng.binomial(per, accuracy)
            pattern = np.repeat(np.arange(17), per)
            gold = GOLD[pattern]
            right = np.arange(per)[None, :] < hits[:, None]
            said = gold.copy()
            said[:, 2] = np.where(right.ravel(), gold[:, 2], (gold[:, 2] + 1) % 3)
            made = estimator(gold, said)
            pooled = pooled_patterns(made.resampler.cells, made)
            found = lowest_pattern(made.resampler.cells, made, pooled)
            assert found is not None
            names = ["-".join("SBU"[code] for code in grades) for grades in GOLD]
            place = names.index(str(found["pattern"]))
            rate, true = found["accuracy"], accuracy[place]
            low, high = wilson(hits[place] / per, per)
            own += low <= true <= high
            held += rate.low <= true <= rate.high  # type: ignore[attr-defined]
            least = [n for n, a in zip(names, accuracy, strict=True) if a == accuracy.min()]
            among += any(n in found["may_be_lowest"] for n in least)  # type: ignore[operator]
            among_its_like = found["accuracy_pooled"].value  # type: ignore[attr-defined]
            errors.append((hits[place] / per - true, among_its_like - true))
        raw, drawn = np.array(errors).T
        yield [
            f"17 patterns of {per}, accuracy {mean:.0%}±{spread:.0%}",
            *(f"{100 * count / replicates:.1f}" for count in (own, held, among)),
            f"{raw.mean():+.3f}",
            f"{drawn.mean():+.3f}",
            f"{math.sqrt((raw**2).mean()):.3f}",
            f"{math.sqrt((drawn**2).mean()):.3f}",
        ]


def lookup(replicates: int) -> Iterator[list[object]]:
    """The accuracy of the best rule from two gold grades."""
    for number, (n, evenness) in enumerate(
        ((60, 1.0), (200, 1.0), (465, 1.0), (465, 5.0), (4000, 5.0))
    ):
        rng = np.random.default_rng([SEED, 2, number])
        held, values, fitted, truths = 0, [], [], []
        for _ in range(replicates):
            # Joint grades of each two grades, drawn anew: the more even, the harder to look up.
            pairs = rng.dirichlet(np.full(9, 2.0))
            joint = rng.dirichlet(np.full(3, evenness), 9)
            truth = float(pairs @ joint.max(axis=1))
            table = rng.multinomial(n, (pairs[:, None] * joint).ravel())
            entry = np.repeat(np.arange(27), table)
            gold = np.stack([entry // 9, entry // 3 % 3, entry % 3], axis=1)
            made = estimator(gold, gold)
            found = late_fusion(made.resampler.cells, made)["gold_lookup"]
            assert isinstance(found, dict)
            held += found["low"] <= truth <= found["high"]
            values.append(found["value"] - truth)
            fitted.append(found["cross_fitted"] - truth)
            truths.append(truth)
        even = "even" if evenness > 1 else "uneven"
        yield [
            f"n {n}, joint grades {even}",
            f"{np.mean(truths):.3f}",
            f"{np.mean(values):+.3f}",
            f"{np.mean(fitted):+.3f}",
            f"{100 * held / replicates:.1f}",
        ]


def swaps(replicates: int) -> Iterator[list[object]]:
    """Exchanged images whose effect on the answer depends on every half they share."""
    for number, (images, texts, donors, spread) in enumerate(
        (
            (232, 2, 300, 0.0),
            (232, 2, 300, 1.0),
            (60, 8, 60, 1.0),
            (60, 8, 15, 1.0),
            (20, 25, 20, 1.5),
            (300, 1, 8, 1.0),
        )
    ):
        rng = np.random.default_rng([SEED, 3, number])
        base = -0.4
        draws = rng.normal(base, spread * math.sqrt(3), 400_000)
        moved = float((1 / (1 + np.exp(-draws))).mean())
        n = images * texts
        held, widths = {"followed": 0, "shift": 0}, []
        own_image, own_text = np.repeat(np.arange(images), texts), np.arange(n) % max(1, n // 2)
        samples = pl.DataFrame(
            {
                "id": [*(f"s{i}" for i in range(n)), *(f"d{i}" for i in range(donors))],
                "image_sha256": [*(f"i{i}" for i in own_image), *(f"n{i}" for i in range(donors))],
                "text": [*(f"t{i}" for i in own_text), *(f"u{i}" for i in range(donors))],
            }
        )
        before = pl.DataFrame(
            {
                "sample_id": samples["id"][:n],
                "modality": "joint",
                "predicted": "safe",
                "outcome": "ok",
            }
        )
        for _ in range(replicates):
            new = rng.integers(0, donors, n)
            logit = base + spread * (
                rng.normal(size=images)[own_image]
                + rng.normal(size=n)[own_text]
                + rng.normal(size=donors)[new]
            )
            follows = rng.random(n) < 1 / (1 + np.exp(-logit))
            exchanged = pl.DataFrame(
                {
                    "sample_id": samples["id"][:n],
                    "donor_id": [f"d{i}" for i in new],
                    "swapped": "image",
                    "grade": "safe",
                    "donor_grade": "unsafe",
                    "predicted": np.where(follows, "unsafe", "safe"),
                    "outcome": "ok",
                }
            )
            found = swap_metrics(exchanged, before, samples)["image"]
            assert isinstance(found, dict)
            for key, truth in (("followed", moved), ("shift", 2 * moved)):
                held[key] += found[key]["low"] <= truth <= found[key]["high"]
            widths.append(found["followed"]["high"] - found["followed"]["low"])
        yield [
            f"{n} pairs of {images} images, {donors} others come in, effects of spread {spread:g}",
            f"{moved:.3f}",
            *(f"{100 * count / replicates:.1f}" for count in held.values()),
            f"{np.mean(widths):.3f}",
        ]


def report(replicates: int) -> str:
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    return "\n".join(
        [
            "# Coverage of what is said of patterns, look-ups and exchanged halves\n",
            f"Share of 95% intervals that hold the truth, in percent; {replicates:,} runs each "
            f"(one standard error is about {error:.1f}), seed {SEED}. "
            "`python -m benchmarks.understanding_coverage`\n",
            "## The lowest of 17 patterns\n",
            "Of the pattern that came out lowest: how often its own Wilson interval holds its true "
            "accuracy, how often the one of as many intervals does, and how often a truly lowest "
            "pattern is among `may_be_lowest`; bias and root mean square error of its observed and "
            "of its pooled accuracy.\n",
            markdown(
                [
                    *("setting", "own interval", "one of 17", "may_be_lowest"),
                    *("bias observed", "bias pooled", "rmse observed", "rmse pooled"),
                ],
                lowest(replicates),
            ),
            "## The best rule from two gold grades\n",
            "Truth: the accuracy of the best rule in data without end. The bias of `value`, made "
            "on the samples it is counted on, and of `cross_fitted`.\n",
            markdown(
                ["setting", "mean truth", "bias of value", "bias of cross_fitted", "% held"],
                lookup(replicates),
            ),
            "## Exchanged halves\n",
            "Whether an answer follows an exchanged image depends on the image it had, its text "
            "and the image that comes in, each with an effect of its own on the log odds. Truth: "
            "the share that follows over all images and texts.\n",
            markdown(
                ["setting", "truth", "% held, followed", "% held, shift", "mean width"],
                swaps(replicates),
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=600)
    options = parser.parse_args()
    write_report("understanding_coverage", lambda: report(options.replicates))


if __name__ == "__main__":
    main()
