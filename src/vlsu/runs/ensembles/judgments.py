"""From the judgments of an ensemble's members to its own, a part of the samples at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.combining.rules import majority, worst
from vlsu.analysis.combining.stacking import require_enough, stacked
from vlsu.analysis.combining.verdicts import MISSING, OUTCOMES, Combined, Verdicts
from vlsu.data import Dataset
from vlsu.data.links import linked_samples
from vlsu.errors import RunError
from vlsu.models.base import TOKEN_COUNTS
from vlsu.policy import Outcome, Policy, Severity
from vlsu.policy.severity import SEVERITY_CODES
from vlsu.runs.asking.plan import Subset
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.ensembles.members import Member
from vlsu.runs.record import askable
from vlsu.runs.run import Run

__all__ = ["SAMPLES", "Combination"]

#: Samples that are combined at once; bounds memory.
SAMPLES = 100_000
#: The order of a sample's judgments, as a run asks for them.
_ORDER = ("image", "joint", "text")
_PLURAL = {"image": "images", "text": "texts", "joint": "pairs"}
_LABELS = tuple(severity.label for severity in Severity)
_OUTCOMES = tuple(outcome.value for outcome in OUTCOMES)
_OUTCOME_CODES = {name: code for code, name in enumerate(_OUTCOMES)}
_UNPARSED = OUTCOMES.index(Outcome.UNPARSED)
_READ = (
    *("sample_id", "modality", "predicted", "outcome", "category", "p_unsafe"),
    *("latency_s", *TOKEN_COUNTS, "request_key"),
)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One run's judgments of one modality of some samples, a row each; outcome -1 where none is."""

    verdicts: Combined
    rows: pl.DataFrame


@dataclass(frozen=True)
class Combination:
    """The judgments of an ensemble.

    Attributes:
        rule: ``max``, ``vote`` or ``stack``.
        members: The voters.
        runs: Their runs, finished.
        levels: The severities that each run can give.
        dataset: What was asked about.
        subset: How much of it.
        policy: Whose severities and categories.
        modalities: Those that are judged.
        seed: Of the folds of a stack.
    """

    rule: str
    members: Sequence[Member]
    runs: Sequence[Run]
    levels: Sequence[Sequence[Severity]]
    dataset: Dataset
    subset: Subset
    policy: Policy
    modalities: Sequence[str]
    seed: int = 0
    incomplete: dict[str, int] = field(default_factory=dict)

    def judgments(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Some samples at a time, ``sample_id``, and their part of ``judgments.parquet``.

        Raises:
            RunError: A member has no judgment of a sample, or its judgments are damaged.
            DataError: There is too little to fit a stack to.
        """
        combine = self._stack() if self.rule == "stack" else self._apart
        self.incomplete.clear()
        first = dict.fromkeys(self.modalities, 0)
        for rows in self._parts():
            judged, parts = self._judged(rows), []
            for modality in self.modalities:
                mine = np.flatnonzero(rows[f"asked_{modality}"].to_numpy())
                verdicts = self._verdicts(judged, modality, mine)
                combined = combine(modality, verdicts, first[modality])
                first[modality] += len(mine)
                some = ~verdicts.answered.all(axis=1) & (combined.severity != MISSING)
                self.incomplete[modality] = self.incomplete.get(modality, 0) + int(some.sum())
                parts.append(self._rows(rows, judged, modality, mine, verdicts, combined))
            whole = pl.concat(parts).sort("row", "order", maintain_order=True)
            judgments = whole.select(JUDGMENTS.names()).cast(JUDGMENTS)
            yield rows.select("sample_id"), judgments

    def require_enough(self) -> None:
        """See that a stack could be fitted, before anything is asked; other rules need nothing.

        Raises:
            DataError: There are too few gold grades.
        """
        if self.rule != "stack":
            return
        parts = list(self._parts(clusters=True))
        for modality in self.modalities:
            found = [self._gold(rows, modality) for rows in parts]
            gold, cluster = map(np.concatenate, zip(*found, strict=True))
            require_enough(gold, cluster, _PLURAL[modality])

    @staticmethod
    def _gold(rows: pl.DataFrame, modality: str) -> tuple[IntArray, IntArray]:
        """The code of the gold grade, or `MISSING`, and the cluster of each sample asked about."""
        asked = rows.filter(pl.col(f"asked_{modality}"))
        return _codes(asked[f"{modality}_grade"], SEVERITY_CODES), asked["cluster"].to_numpy()

    def _apart(self, modality: str, verdicts: Verdicts, first: int) -> Combined:
        """By a rule that needs nothing but the verdicts on an item."""
        return {"max": worst, "vote": majority}[self.rule](verdicts)

    def _stack(self) -> Callable[[str, Verdicts, int], Combined]:
        """By models that are fitted to the gold grades of other samples."""
        gathered: dict[str, list[tuple[Verdicts, IntArray, IntArray]]] = {
            modality: [] for modality in self.modalities
        }
        for rows in self._parts(clusters=True):
            judged = self._judged(rows)
            for modality in self.modalities:
                mine = np.flatnonzero(rows[f"asked_{modality}"].to_numpy())
                verdicts = self._verdicts(judged, modality, mine)
                gathered[modality].append((verdicts, *self._gold(rows, modality)))
        found = {}
        for modality, parts in gathered.items():
            verdicts = Verdicts.joined([part[0] for part in parts])
            found[modality] = stacked(
                verdicts,
                np.concatenate([part[1] for part in parts]),
                np.concatenate([part[2] for part in parts]),
                what=_PLURAL[modality],
                seed=self.seed,
            )

        def combine(modality: str, verdicts: Verdicts, first: int) -> Combined:
            return found[modality].of(slice(first, first + len(verdicts)))

        return combine

    def _parts(self, *, clusters: bool = False) -> Iterator[pl.DataFrame]:
        """The samples, some at a time: what they are graded, and what is asked about them."""
        image, text = pl.col("image_sha256").is_not_null(), pl.col("text").str.strip_chars() != ""
        asked = {"image": image, "text": text.fill_null(False), "joint": askable()}
        with self.dataset.reading():
            whole = (
                self.subset.frame(self.dataset)
                .select(
                    sample_id="id",
                    **{f"asked_{m}": asked[m].fill_null(False) for m in self.modalities},
                    **{
                        f"{m}_{what}": pl.col(f"{m}_{what}")
                        for m in self.modalities
                        for what in ("grade", "category")
                    },
                )
                .with_row_index("row")
                .collect(engine="streaming")
            )
        if clusters:
            links = self.dataset.links()
            numbers = links.select("sample_id", cluster=pl.Series(linked_samples(links)))
            alone = links.height + pl.col("row").cast(pl.Int64)
            whole = whole.join(
                numbers, on="sample_id", how="left", maintain_order="left"
            ).with_columns(pl.col("cluster").cast(pl.Int64).fill_null(alone))
        yield from whole.iter_slices(SAMPLES)

    def _judged(self, rows: pl.DataFrame) -> dict[tuple[int, str], _Judged]:
        """By run and modality, the judgments of these samples that members contribute."""
        ids = rows.select("sample_id")
        numbers = {id_: number for number, id_ in enumerate(self.policy.category_ids)}
        found = {}
        for number, run in enumerate(self.runs):
            needed = {
                modality
                for member in self.members
                if member.run == number
                for modalities in member.reads.values()
                for modality in modalities
            }
            scanned = run.scan().filter(pl.col("modality").is_in(sorted(needed))).select(_READ)
            mine = run.collected(scanned.join(ids.lazy(), on="sample_id", how="semi"))
            for modality in needed:
                of_modality = mine.filter(pl.col("modality") == modality)
                if of_modality["sample_id"].is_duplicated().any():
                    raise RunError(f"{run.path}: two judgments of one sample; run it again")
                frame = ids.join(of_modality, on="sample_id", how="left", maintain_order="left")
                severity = _codes(frame["predicted"], SEVERITY_CODES)
                outcome = _codes(frame["outcome"], _OUTCOME_CODES)
                verdicts = Combined(
                    severity,
                    np.where((severity == MISSING) & (outcome == 0), _UNPARSED, outcome),
                    frame["p_unsafe"].fill_null(float("nan")).to_numpy(),
                    _codes(frame["category"], numbers),
                )
                found[number, modality] = _Judged(verdicts, frame)
        return found

    def _verdicts(
        self, judged: Mapping[tuple[int, str], _Judged], modality: str, rows: IntArray
    ) -> Verdicts:
        """What the members that contribute to a modality say of some samples."""
        voters, levels = [], []
        for member in self.members:
            if modality not in member.reads:
                continue
            own, parts = self.levels[member.run], []
            for source in member.reads[modality]:
                parts.append(judged[member.run, source].verdicts.of(rows))
                self._require_all(parts[-1].outcome, self.runs[member.run], source)
            voters.append(worst(Combined.beside(parts, [own] * len(parts))))
            levels.append(own)
        return Combined.beside(voters, levels)

    @staticmethod
    def _require_all(outcome: IntArray, run: Run, modality: str) -> None:
        if lacking := int((outcome == MISSING).sum()):
            raise RunError(
                f"{run.path}: has no {modality} judgment of {lacking} samples that are asked about "
                "here; run its vlsu run command again"
            )

    def _rows(
        self,
        rows: pl.DataFrame,
        judged: Mapping[tuple[int, str], _Judged],
        modality: str,
        mine: IntArray,
        verdicts: Verdicts,
        combined: Combined,
    ) -> pl.DataFrame:
        """The judgments of one modality of some samples."""
        members = [member for member in self.members if modality in member.reads]
        cells = dict.fromkeys(
            (member.run, source) for member in members for source in member.reads[modality]
        )
        frames = [judged[cell].rows[mine] for cell in cells]
        covered = rows[mine]
        return pl.DataFrame(
            {
                "row": covered["row"],
                "order": pl.repeat(_ORDER.index(modality), len(mine), eager=True),
                "sample_id": covered["sample_id"],
                "modality": pl.repeat(modality, len(mine), dtype=pl.String, eager=True),
                "framing": pl.repeat(None, len(mine), dtype=pl.String, eager=True),
                "expected": covered[f"{modality}_grade"],
                "predicted": _named(combined.severity, _LABELS),
                "outcome": _named(combined.outcome, _OUTCOMES),
                "category": _named(combined.category, self.policy.category_ids),
                "p_unsafe": pl.Series(combined.p_unsafe).fill_nan(None),
                "latency_s": _over(frames, "latency_s", pl.max_horizontal),
                **{name: _over(frames, name, pl.sum_horizontal) for name in TOKEN_COUNTS},
                "request_key": _keys(self.rule, [frame["request_key"] for frame in frames]),
                "expected_category": covered[f"{modality}_category"],
                "answer": _said([member.label for member in members], verdicts),
            }
        )


def _codes(values: pl.Series, codes: Mapping[str, int]) -> IntArray:
    """Codes of names; `MISSING` of none."""
    found = values.replace_strict(codes, default=MISSING, return_dtype=pl.Int64)
    array: IntArray = found.fill_null(MISSING).to_numpy()
    return array


def _named(codes: IntArray, names: Sequence[str]) -> pl.Series:
    """Names of codes; null of `MISSING`."""
    listed = [*names, None]  # -1 is the last
    return pl.Series([listed[code] for code in codes.tolist()], dtype=pl.String)


def _over(frames: Sequence[pl.DataFrame], column: str, of: Callable[..., pl.Expr]) -> pl.Series:
    """The largest, or the sum, of what is known of a column; null where nothing is."""
    values = pl.DataFrame({str(n): frame[column] for n, frame in enumerate(frames)})
    known = pl.any_horizontal(pl.all().is_not_null())
    return values.select(pl.when(known).then(of(pl.all())).alias(column))[column]


def _keys(rule: str, keys: Sequence[pl.Series]) -> pl.Series:
    """A hash of the members' request keys and of the rule."""
    return pl.Series(
        [
            hashlib.sha256(orjson.dumps([rule, *each])).hexdigest()
            for each in zip(*(series.to_list() for series in keys), strict=True)
        ],
        dtype=pl.String,
    )


def _said(labels: Sequence[str], verdicts: Verdicts) -> pl.Series:
    """What each member says, such as ``guard-a: unsafe (0.97), guard-b: refused``."""
    columns = {}
    for voter, label in enumerate(labels):
        severity, p = verdicts.severity[:, voter], verdicts.p_unsafe[:, voter]
        graded = _named(severity, _LABELS)
        words = graded.fill_null(_named(verdicts.outcome[:, voter], _OUTCOMES))
        chance = pl.Series(p).fill_nan(None).round(3).cast(pl.String)
        columns[str(voter)] = pl.select(
            pl.concat_str(
                pl.lit(f"{label}: "),
                pl.lit(words),
                pl.when(pl.lit(chance).is_not_null())
                .then(pl.concat_str(pl.lit(" ("), pl.lit(chance), pl.lit(")")))
                .otherwise(pl.lit("")),
            ).alias("said")
        )["said"]
    return pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator=", ")).to_series()
