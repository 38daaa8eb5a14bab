"""The samples of a tuning: which a race may choose by, and which only confirm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.alignment.splitting import LINKS, split_samples
from vlsu.data import Dataset, Sample
from vlsu.data.marks import mark_columns
from vlsu.data.rows import COLUMNS, to_sample
from vlsu.errors import DataError
from vlsu.policy import MODALITIES, Severity
from vlsu.runs.asking.plan import Subset
from vlsu.runs.record import askable

__all__ = ["TuningSamples", "questions"]

#: Pairs whose answers are in no rate of refusal, so that instructions are not chosen by them.
_APART = pl.col("at_risk").fill_null(value=False) | (
    ~pl.col("asks").fill_null(value=True) & (pl.col("joint_grade") == Severity.UNSAFE.label)
)
#: Pairs of each of them that are needed on either side.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class TuningSamples:
    """Pairs with a joint grade, in two parts that have no image, text or group in common.

    Left out are those that are in no rate of refusal.

    Attributes:
        dataset: The dataset they belong to.
        split: As from `vlsu.analysis.alignment.splitting.split_samples`, with `pair`: equal for
            equal questions.
    """

    dataset: Dataset
    split: pl.DataFrame

    @classmethod
    def of(
        cls, dataset: Dataset, subset: Subset, held_out: float, *, captions: bool = False
    ) -> TuningSamples:
        """Split a dataset, by the subset's seed.

        Raises:
            DataError: Too few pairs of a severity that is raced for two parts.
        """
        grades = [f"{m}_grade" for m in MODALITIES]
        frame = (
            subset.frame(dataset)
            .filter(pl.col("joint_grade").is_not_null(), askable(captions=captions))
            .with_columns(mark_columns())
            .filter(~_APART)
            .select(
                pl.col("id").alias("sample_id"),
                *LINKS,
                severity="joint_grade",
                pattern=pl.concat_str(grades, separator="-"),
            )
            .collect()
        )
        pair = pl.struct("image_sha256", "text").rank("dense").alias("pair")
        split = split_samples(frame, held_out, subset.seed).join(
            frame.select("sample_id", pair), on="sample_id", how="left", maintain_order="left"
        )
        found = cls(dataset, split)
        for severity in found.raced:
            sides = [found.count(severity, held_out=side) for side in (False, True)]
            if min(sides) < FEWEST:
                raise DataError(
                    f"{dataset.path}: {sides[0]} {severity} pairs to choose by and {sides[1]} held "
                    f"out, {FEWEST} of each are needed; add samples (those that share an image, a "
                    "text or a group stay together), or change --held-out"
                )
        return found

    @property
    def errors(self) -> RefusalErrors:
        """Those of refusal that the dataset's policy has."""
        return RefusalErrors(tuple(self.dataset.policy.severities))

    @property
    def raced(self) -> tuple[str, ...]:
        """Labels of the severities that the objectives are about."""
        return tuple(severity.label for severity in self.errors.raced)

    @property
    def most(self) -> int:
        """Pairs to choose by, of the severity that has more."""
        return max(self.count(severity, held_out=False) for severity in self.raced)

    @property
    def pairs(self) -> int:
        """Different pairs of either part."""
        return questions(self.split)

    def count(self, severity: str, *, held_out: bool) -> int:
        """Pairs of a severity on one side."""
        return self.split.filter(
            pl.col("severity") == severity, pl.col("held_out") == held_out
        ).height

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Pairs by severity, and ``lots`` of linked ones, of ``selection`` and ``held_out``."""
        return {
            name: {
                **{s.label: self.count(s.label, held_out=side) for s in self.errors.severities},
                "lots": self.split.filter(pl.col("held_out") == side)["lot"].n_unique(),
            }
            for name, side in (("selection", False), ("held_out", True))
        }

    def rung(self, after: int, to: int) -> pl.DataFrame:
        """Of each severity that is raced, the pairs to choose by from `after` up to `to`."""
        return self.split.filter(
            ~pl.col("held_out"),
            pl.col("severity").is_in(self.raced),
            pl.col("place") >= after,
            pl.col("place") < to,
        )

    def held_out(self) -> pl.DataFrame:
        """All pairs that are held out."""
        return self.split.filter("held_out")

    def samples(self, part: pl.DataFrame) -> Iterator[Sample]:
        """The samples of a part, those that share an image next to each other."""
        rows = (
            self.dataset.frame()
            .select(COLUMNS)
            .filter(pl.col("id").is_in(part["sample_id"].to_list()))
            .collect()
            .sort("image_sha256", maintain_order=True)
        )
        return map(to_sample, rows.iter_rows())

    def gold(self, part: pl.DataFrame) -> pl.DataFrame:
        """Gold grades of a part for `vlsu.analysis.alignment_metrics`; a lot is a group."""
        return (
            self.dataset.frame()
            .select(
                pl.col("id").alias("sample_id"),
                *(f"{m}_grade" for m in MODALITIES),
                "joint_category",
                *mark_columns(),
            )
            .collect()
            .join(
                part.select("sample_id", group=pl.col("lot").cast(pl.String)),
                on="sample_id",
                how="inner",
                maintain_order="left",
            )
        )


def questions(part: pl.DataFrame) -> int:
    """Different questions of a part: samples may repeat a pair."""
    return part["pair"].n_unique()
