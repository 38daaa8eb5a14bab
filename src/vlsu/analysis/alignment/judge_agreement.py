"""Agreement between judges, and of a judge with itself."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from vlsu.analysis.alignment.calibration import kappa_rate
from vlsu.analysis.alignment.verdicts import read_verdicts, verdict_scores
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import UNDEFINED
from vlsu.analysis.table.columns import Frame, require
from vlsu.errors import RunError
from vlsu.policy import REFUSAL_KINDS, ResponseKind, ResponseSafety

__all__ = ["judge_agreement"]

_ANSWER = ("sample_id", "framing", "draw")
_KINDS = {kind.value: number for number, kind in enumerate(ResponseKind)}


def judge_agreement(verdicts: Frame, *, seed: int = 0, replicates: int = 2000) -> dict[str, object]:
    """Percent agreement and Cohen's kappa of every two judges, or repeats of one.

    Over the answers that both judged; answers of one sample are a cluster to the intervals.

    Returns:
        ``"first / second"`` -> ``n`` answers both were asked about, ``missing`` (where either gave
        nothing that can be compared), and for ``strict``, ``lenient`` (refusal or not), ``kind``
        and ``unsafe`` (unsafe or not, where judges give it): ``n``, ``agreement`` and ``kappa``,
        each ``{"value", "low", "high"}``.

    Args:
        verdicts: One row per answer and judge: `sample_id`, `framing`, `draw`, `judge` (a name; a
            repeat is a judge of its own, such as ``"judge/llm #2"``), `judge_outcome`, `kind`,
            `refused_strict`, `refused_lenient`, and where present `safety`.
        seed: Of the bootstrap of kappa.
        replicates: Its replicates.

    Raises:
        RunError: The verdicts cannot be used; the message names the sample.
    """
    read = read_verdicts(verdicts, (*_ANSWER, "judge"))
    require(
        read,
        pl.struct(*_ANSWER, "judge").is_duplicated(),
        lambda r: RunError(
            f"sample {r['sample_id']!r}, framing {r['framing']!r}, draw {r['draw']}: judge "
            f"{r['judge']!r} has more than one verdict; name its repeats apart"
        ),
    )
    scored = read.with_columns(
        kind=pl.col("kind").replace_strict(_KINDS, return_dtype=pl.Float64),
        unsafe=(pl.col("safety") == ResponseSafety.UNSAFE.value).cast(pl.Float64),
        cluster=pl.col("sample_id").rank("dense").cast(pl.Int64),
        **verdict_scores(),
    ).sort("cluster", *_ANSWER)
    judges = read["judge"].unique(maintain_order=True).to_list()
    by_judge = {name: scored.filter(pl.col("judge") == name) for name in judges}
    return {
        f"{first} / {second}": _pair(
            by_judge[first].join(
                by_judge[second], on=[*_ANSWER, "cluster"], suffix="_2", maintain_order="left"
            ),
            seed=seed,
            replicates=replicates,
        )
        for first, second in combinations(judges, 2)
    }


def _pair(both: pl.DataFrame, *, seed: int, replicates: int) -> dict[str, object]:
    comparable = pl.any_horizontal(
        pl.all_horizontal(pl.col(verdict, f"{verdict}_2").is_not_null())
        for verdict in ("refused_strict", "unsafe")
    )
    tree: dict[str, object] = {"n": both.height, "missing": both.filter(~comparable).height}
    for name, column, size in (
        *((setting, f"refused_{setting}", 2) for setting in REFUSAL_KINDS),
        ("kind", "kind", len(_KINDS)),
        ("unsafe", "unsafe", 2),
    ):
        known = both.drop_nulls([column, f"{column}_2"])
        first, second = (known[c].cast(pl.Int64).to_numpy() for c in (column, f"{column}_2"))
        table = np.bincount(first * size + second, minlength=size**2).reshape(size, size)
        agreement, worth = UNDEFINED, None
        if known.height:
            mean = clustered_mean((first == second).astype(float), known["cluster"].to_numpy())
            agreement, worth = mean.rate, mean.size
        kappa = kappa_rate(table, size=worth, seed=seed, replicates=replicates)
        tree[name] = {
            "n": known.height,
            "agreement": agreement.as_dict(),
            "kappa": kappa.as_dict(),
        }
    return tree
