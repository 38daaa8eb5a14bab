"""Which samples of a dataset a stratified draw takes, in an order that its size does not change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.sampling.allocation import STRATA, stratum_of
from vlsu.analysis.table.cells import ABSENT
from vlsu.data import Dataset
from vlsu.policy import MODALITIES, SEVERITY_CODES
from vlsu.runs.asking.plan import ChosenSamples, rank

__all__ = ["Strata"]


@dataclass(frozen=True)
class Strata:
    """A dataset's samples by half and stratum, each in the order of the draw.

    The order is that of the hash of seed and identifier, as in `Subset`; the halves take every
    other sample of a stratum, so they are random and equal.

    Attributes:
        samples: `id`, `half` (0 or 1), `stratum`, and `place` within these two, from 0.
        population: Samples by half and stratum, shape ``(2, STRATA)``.
    """

    samples: pl.DataFrame
    population: IntArray

    @classmethod
    def of(cls, dataset: Dataset, seed: int) -> Strata:
        """The strata of a dataset; reads its grades, not its texts."""
        frame = dataset.frame().select("id", *(f"{m}_grade" for m in MODALITIES)).collect()
        grades = [
            frame[f"{m}_grade"]
            .replace_strict(SEVERITY_CODES, default=ABSENT, return_dtype=pl.Int64)
            .to_numpy()
            for m in MODALITIES
        ]
        samples = (
            frame.select(
                "id",
                stratum=pl.Series(stratum_of(np.stack(grades, axis=1))),
                rank=pl.Series([rank(seed, id_) for id_ in frame["id"]]),
            )
            .sort("stratum", "rank", "id")
            # Dealt by turns through all strata, so that the halves differ by one sample at most.
            .with_columns(half=pl.int_range(pl.len()) % 2)
            .select("id", "half", "stratum", place=pl.int_range(pl.len()).over("half", "stratum"))
        )
        number = (samples["half"] * STRATA + samples["stratum"]).to_numpy()
        population = np.bincount(number, minlength=2 * STRATA).reshape(2, STRATA)
        return cls(samples, population)

    def __len__(self) -> int:
        return self.samples.height

    def first(
        self, sizes: IntArray, after: IntArray | None = None
    ) -> tuple[ChosenSamples, ChosenSamples]:
        """The first samples of each stratum, by half.

        Args:
            sizes: How many, by half and stratum; shape ``(2, STRATA)``.
            after: Leave out the first that many.
        """
        number = self.samples["half"] * STRATA + self.samples["stratum"]
        place = self.samples["place"].to_numpy()
        taken = place < sizes.ravel()[number.to_numpy()]
        if after is not None:
            taken &= place >= after.ravel()[number.to_numpy()]
        rows = self.samples.filter(pl.Series(taken))
        return (
            ChosenSamples(tuple(rows.filter(pl.col("half") == 0)["id"])),
            ChosenSamples(tuple(rows.filter(pl.col("half") == 1)["id"])),
        )
