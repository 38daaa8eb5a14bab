"""Which samples of a dataset a stratified draw takes, in an order that its size does not change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis import StratifiedSample
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.sampling.allocation import LEAST, STRATA, stratum_of
from vlsu.analysis.sampling.forecast import BINS, Forecast
from vlsu.analysis.sampling.joining import row_category
from vlsu.analysis.table.cells import ABSENT, Cells
from vlsu.data import Dataset
from vlsu.policy import MODALITIES, SEVERITY_CODES
from vlsu.runs.asking.plan import ChosenSamples, rank

__all__ = ["Strata", "read_grades"]


@dataclass(frozen=True)
class Strata:
    """A dataset's samples by half and stratum, each in the order of the draw.

    The order is that of the hash of seed and identifier, as in `Subset`; the halves take every
    other sample of a stratum, so they are random and equal.

    Attributes:
        samples: `id`, `half` (0 or 1), `stratum`, and `place` within these two, from 0.
        population: Samples by half and stratum, shape ``(2, H)``.
        controls: What is known of each of the samples, less its mean over the half of the stratum;
            shape ``(N, k)``. `None` where there is no earlier run.
        deviation: Of right and wrong that earlier runs show by stratum; shape ``(H,)``.
    """

    samples: pl.DataFrame
    population: IntArray
    controls: FloatArray | None = None
    deviation: FloatArray | None = None

    @classmethod
    def of(cls, dataset: Dataset, seed: int) -> Strata:
        """The strata of a dataset; reads its grades, not its texts."""
        ids, gold = read_grades(dataset)
        return cls.ordered(ids, stratum_of(gold), pl.Series([rank(seed, id_) for id_ in ids]))

    @classmethod
    def by_forecast(
        cls, ids: pl.Series, gold: IntArray, order: pl.Series, forecast: Forecast
    ) -> Strata:
        """Strata that are cut by how likely the next model is to be right.

        Args:
            ids: Samples.
            gold: Their grades, as `read_grades` gives them; shape ``(N, 3)``.
            order: What orders the draw; a value of each sample.
            forecast: What earlier runs say of them.
        """
        stratum = stratum_of(gold) * BINS + forecast.bin
        strata = cls.ordered(ids, stratum, order, STRATA * BINS)
        number = strata.number
        position = ids.to_frame("id").with_row_index("row")
        row = strata.samples.join(position, on="id", how="left", maintain_order="left")["row"]
        controls = forecast.controls[row.to_numpy()]
        controls = controls - np.stack(
            [
                (np.bincount(number, each) / np.maximum(np.bincount(number), 1))[number]
                for each in controls.T
            ],
            axis=1,
        )
        return cls(strata.samples, strata.population, controls, forecast.deviation(stratum))

    @classmethod
    def ordered(
        cls, ids: pl.Series, stratum: IntArray, order: pl.Series, strata: int = STRATA
    ) -> Strata:
        """Strata that are known, in an order.

        Args:
            ids: Samples.
            stratum: Of each; shape ``(N,)``.
            order: What orders the draw; a value of each sample.
            strata: How many there can be.
        """
        samples = (
            pl.DataFrame({"id": ids, "stratum": stratum, "rank": order})
            .sort("stratum", "rank", "id")
            # Dealt by turns through all strata, so that the halves differ by one sample at most.
            .with_columns(half=pl.int_range(pl.len()) % 2)
            .select("id", "half", "stratum", place=pl.int_range(pl.len()).over("half", "stratum"))
        )
        number = (samples["half"] * strata + samples["stratum"]).to_numpy()
        population = np.bincount(number, minlength=2 * strata).reshape(2, strata)
        return cls(samples, population)

    @property
    def number(self) -> IntArray:
        """Half * H + stratum of each of the samples; shape ``(N,)``."""
        strata = self.population.shape[1]
        number: IntArray = (self.samples["half"] * strata + self.samples["stratum"]).to_numpy()
        return number

    @property
    def least(self) -> IntArray:
        """Samples drawn from each half of each stratum at least; shape ``(2, H)``.

        `LEAST` of a triple of gold grades, so one of each bin where there are several.
        """
        cut = self.population.reshape(2, STRATA, -1)
        bins = np.maximum((cut > 0).sum(axis=2, keepdims=True), 1)
        least: IntArray = np.minimum(cut, -(-LEAST // bins)).reshape(self.population.shape)
        return least

    def sample(self, cells: Sequence[Cells], halves: Sequence[int] = (0, 1)) -> StratifiedSample:
        """What was drawn, as it stands for the dataset.

        Args:
            cells: Those of the samples drawn from each half; each says of which sample it is where
                there are `controls`.
            halves: Which halves these are; if they are one and the same, the result is what would
                be known if the other were like it.
        """
        population = self.population[list(halves)]
        if self.controls is None:
            return StratifiedSample.from_halves(cells, population)
        stratum = self.samples["stratum"].to_numpy()
        return StratifiedSample.from_rows(cells, stratum, population, self.controls)

    def marked(self, gold: pl.DataFrame) -> pl.DataFrame:
        """Gold grades whose cells say of which sample they are, where that matters."""
        if self.controls is None:
            return gold
        rows = self.samples.select(sample_id="id").with_row_index("row")
        return (
            gold.join(rows, on="sample_id", how="left", maintain_order="left")
            .with_columns(joint_category=row_category(pl.col("row"), pl.col("joint_category")))
            .drop("row")
        )

    def table(self, sizes: IntArray) -> pl.DataFrame | None:
        """The samples that sizes take, as ``sampling.parquet`` keeps them; see `from_table`.

        `None` where the dataset's grades and the seed say all of it.

        Args:
            sizes: Of each stratum, by half; shape ``(2, H)``.
        """
        if self.controls is None:
            return None
        population = pl.Series("population", self.population.ravel()[self.number])
        controls = [
            pl.Series(f"control_{n}", each) for n, each in enumerate(self.controls.T, start=1)
        ]
        taken = self.samples["place"].to_numpy() < sizes.ravel()[self.number]
        return self.samples.with_columns(population, *controls).filter(pl.Series(taken))

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> Strata:
        """The strata of samples that were drawn, of which `samples` and `controls` then are."""
        samples = table.select("id", "half", "stratum", "place")
        population = np.zeros((2, STRATA * BINS), dtype=np.int64)
        half, stratum = (table[name].to_numpy() for name in ("half", "stratum"))
        population[half, stratum] = table["population"].to_numpy()
        return cls(samples, population, table.select("^control_.*$").to_numpy())

    def digest(self) -> str:
        """A hash of what decides the draw beside the seed."""
        found = hashlib.sha256()
        if self.controls is not None and self.deviation is not None:
            ordered = np.argsort(self.samples["id"].to_numpy())
            found.update(self.samples["stratum"].to_numpy()[ordered].tobytes())
            # What differs by rounding is the same.
            found.update((self.controls[ordered].round(6) + 0.0).tobytes())
            found.update(self.deviation.round(6).tobytes())
        return found.hexdigest()

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
        number, place = self.number, self.samples["place"].to_numpy()
        taken = place < sizes.ravel()[number]
        if after is not None:
            taken &= place >= after.ravel()[number]
        rows = self.samples.filter(pl.Series(taken))
        return (
            ChosenSamples(tuple(rows.filter(pl.col("half") == 0)["id"])),
            ChosenSamples(tuple(rows.filter(pl.col("half") == 1)["id"])),
        )


def read_grades(dataset: Dataset) -> tuple[pl.Series, IntArray]:
    """Identifiers of a dataset's samples, and their grades or `ABSENT`; shape ``(N, 3)``."""
    frame = dataset.frame().select("id", *(f"{m}_grade" for m in MODALITIES)).collect()
    grades = [
        frame[f"{m}_grade"]
        .replace_strict(SEVERITY_CODES, default=ABSENT, return_dtype=pl.Int64)
        .to_numpy()
        for m in MODALITIES
    ]
    return frame["id"], np.stack(grades, axis=1)
