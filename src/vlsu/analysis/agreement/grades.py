"""Graders' answers as a frame: labels read, checked and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from vlsu.analysis.agreement.labels import merge_labels
from vlsu.analysis.arrays import IntArray
from vlsu.analysis.table.columns import Frame, Row, columns, require
from vlsu.data.tables import plain_word
from vlsu.data.tables.labels import folded_label, label_key
from vlsu.errors import DataError, PolicyError, UsageError
from vlsu.policy import MODALITIES, NOT_SURE, Severity

__all__ = ["UNSURE", "Grades", "grades_from_frame"]

#: Code of the answer `not_sure`.
UNSURE = -1

#: Labels of which agreement is estimated: time and memory grow with the square of their number.
MOST_LABELS = 120
_KEYS = ("item", "modality")
#: Both as one number, in the order in which units are sorted: those without a modality first.
_KEY = pl.col("item") * 4 + pl.col("modality").cast(pl.Int64).fill_null(-1)
_SEVERITIES = tuple(s.label for s in Severity)


@dataclass(frozen=True, slots=True)
class Grades:
    """Answers of graders. A unit is an item, or one modality of it.

    Attributes:
        labels: Of the grades, in order of severity where there is one; k of them.
        ordinal: Whether their order counts.
        units: `item`, `modality`, `category` of each unit, sorted by item and modality; U rows.
            Where graders name different ones, the category that most of those name who name any;
            null on a tie.
        item: Number of each unit's item, not falling; shape ``(U,)``.
        graders: Names, sorted.
        answers: `unit`, `grader` (numbers) and `code` (a label's number or `UNSURE`), sorted.
        spellings: Label of one's own -> how it is written, where that is in several ways.
        divided: Units for which graders name different categories, or some name one and some none.
        undecided: Of these, the ones without a category, as two are named equally often.
    """

    labels: tuple[str, ...]
    ordinal: bool
    units: pl.DataFrame
    item: IntArray
    graders: tuple[str, ...]
    answers: pl.DataFrame
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    divided: int = 0
    undecided: int = 0

    @property
    def severities(self) -> bool:
        """Whether every label is safe, borderline or unsafe."""
        return set(self.labels) <= set(_SEVERITIES)

    @property
    def items(self) -> int:
        """Items, graded or not."""
        return int(self.item[-1]) + 1

    @property
    def graded(self) -> pl.DataFrame:
        """The answers that are labels."""
        return self.answers.filter(pl.col("code") != UNSURE)

    def counts(self) -> IntArray:
        """Grades by unit and label, ``(U, k)``; `not_sure` is none."""
        graded, k = self.graded, len(self.labels)
        entry = graded["unit"].to_numpy() * k + graded["code"].to_numpy()
        counts = np.bincount(entry, minlength=self.units.height * k)
        return counts.reshape(-1, k).astype(np.int64)


def grades_from_frame(
    grades: Frame, *, order: Sequence[str] = (), nominal: bool = False, source: str = "the grades"
) -> Grades:
    """Read and check graders' answers.

    Args:
        grades: A row an answer: `item`, `grader`, `grade` (null is no answer), and where present
            `modality`, `category` (of the item, or as each grader sees it), and the `line` of a
            file for messages.
        order: The labels, mildest first; by default the three severities if all answers are.
        nominal: Take any labels, in no order.
        source: What to call the frame in messages.

    Raises:
        UsageError: `order` is no order, or both it and `nominal` are given.
        DataError: An answer is no label, an item is graded twice by one grader, a modality is
            unknown; the message names the line.
    """
    if order and nominal:
        raise UsageError("give --order or --nominal, not both: an order makes labels ordinal")
    frame = columns(
        _without_nan(grades),
        DataError,
        "grades",
        ("item", "grader", "grade"),
        ("modality", "category", "line"),
        {"line": pl.Int64},
    ).with_columns(row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32))
    del grades  # whoever hands the frame over has each column freed once it is read
    # Millions of texts that stay as they are stay where they are.
    if frame["modality"].null_count() < frame.height:
        frame = frame.with_columns(pl.col("modality").str.strip_chars().str.to_lowercase())
    bare = pl.col("grade").str.strip_chars()
    if frame.select((bare != pl.col("grade")).any()).item():
        frame = frame.with_columns(grade=bare)

    def error(row: Row, what: str) -> DataError:
        return DataError(f"{source}: {_place(row)}: {what}")

    require(
        frame,
        pl.col("item").is_null() | pl.col("grader").is_null(),
        lambda r: error(r, "no item or no grader; fill it in"),
    )
    require(
        frame,
        pl.col("modality").is_in(MODALITIES).not_(),
        lambda r: error(r, f"unknown modality {r['modality']!r}; use {', '.join(MODALITIES)}"),
    )
    require(
        frame,
        pl.col("modality").is_null() & pl.col("modality").is_not_null().any(),
        lambda r: error(r, f"no modality; give one of {', '.join(MODALITIES)}"),
    )
    items = frame["item"].unique().sort()
    graders = frame["grader"].unique().sort()
    # Whole numbers take the place of the names, which may be long and are millions.
    frame = frame.with_columns(
        _number("item", items),
        _number("grader", graders),
        pl.col("modality").cast(pl.Enum(sorted(MODALITIES))).to_physical().cast(pl.Int8),
    )

    def answered(row: Row) -> DataError:
        name = graders[int(str(row["grader"]))]
        return error(
            row, f"grader {name!r} answered {_unit(row, items)} before; keep one answer each"
        )

    pair = (pl.col("item") * 4 + pl.col("modality").fill_null(3)) * len(graders) + pl.col("grader")
    if _repeat(frame.select(pair).to_series()):
        require(frame, pair.is_first_distinct().not_(), answered)
    labels, spellings, frame = _coded(frame, tuple(order), nominal, source)
    frame = frame.select(*_KEYS, "category", "grader", "code")  # what is needed from here on
    units, divided, undecided = _units(frame)
    item = units["item"].to_numpy()
    answers = _answers(frame.filter(pl.col("code").is_not_null()), units)
    units = units.with_columns(
        items.gather(units["item"]).alias("item"),
        units["modality"].replace_strict(
            dict(enumerate(sorted(MODALITIES))), return_dtype=pl.String
        ),
    )
    ordinal = not nominal and _ordered(labels, order)
    names = tuple(graders)
    return Grades(labels, ordinal, units, item, names, answers, spellings, divided, undecided)


def _answers(frame: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """The answers by number of the unit, sorted by it and the grader.

    Units are sorted by their keys, so that a search finds each without a table of them.
    """
    ranked, keys = (each.select(_KEY).to_series().to_numpy() for each in (units, frame))
    unit = np.searchsorted(ranked, keys)
    grader = frame["grader"].to_numpy()
    order = np.argsort(unit * (int(grader.max(initial=0)) + 1) + grader)
    return pl.DataFrame(
        {"unit": unit[order], "grader": grader[order], "code": frame["code"].to_numpy()[order]},
        schema=dict.fromkeys(("unit", "grader", "code"), pl.Int64),
    )


def _repeat(numbers: pl.Series) -> bool:
    """Whether a number is there twice: by sorting, which takes the least memory."""
    ranked = np.sort(numbers.to_numpy())
    return bool((ranked[1:] == ranked[:-1]).any())


def _number(column: str, names: pl.Series) -> pl.Expr:
    """The names' positions in the sorted ones."""
    return pl.col(column).cast(pl.Enum(names)).to_physical().cast(pl.Int64)


def _units(frame: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """The units, of how many graders name different categories, and how many of these have none."""
    if frame["category"].null_count() == frame.height:
        return _units_alone(frame), 0, 0
    names = frame["category"].drop_nulls().unique().sort()
    numbered = frame.select(*_KEYS, number=_number("category", names).fill_null(-1))
    units = (
        numbered.group_by(*_KEYS)
        .agg(low=pl.col("number").min(), high=pl.col("number").max())
        .sort(*_KEYS)
        .with_columns(unit=pl.int_range(pl.len(), dtype=pl.Int64))
    )
    divided = units.filter(pl.col("low") != pl.col("high")).select(*_KEYS)
    most = (
        numbered.join(divided, on=_KEYS, how="semi", nulls_equal=True)
        .filter(pl.col("number") >= 0)
        .group_by(*_KEYS, "number")
        .len("votes")
        .filter(pl.col("votes") == pl.col("votes").max().over(_KEYS))
        .group_by(*_KEYS)
        .agg(most=pl.when(pl.len() == 1).then(pl.col("number").first()))
    )
    decided = units.join(most, on=_KEYS, how="left", nulls_equal=True, maintain_order="left")
    one = pl.col("low") == pl.col("high")
    number = pl.when(one).then(pl.col("low")).otherwise(pl.col("most"))
    found = decided.select(*_KEYS, "unit", number=pl.when(number >= 0).then(number))
    category = names.gather(found["number"]).alias("category")
    undecided = divided.height - most["most"].len() + most["most"].null_count()
    return found.select(*_KEYS, category, "unit"), divided.height, undecided


def _units_alone(frame: pl.DataFrame) -> pl.DataFrame:
    """The units where no category is named: found by sorting, which takes the least memory."""
    keys = np.sort(frame.select(_KEY).to_series().to_numpy())
    item, modality = np.divmod(keys[np.diff(keys, prepend=-2) > 0] + 1, 4)
    given = pl.Series(modality, dtype=pl.Int64) - 1
    return pl.DataFrame({"item": item, "modality": given}).select(
        "item",
        pl.when(pl.col("modality") >= 0).then("modality").cast(pl.Int8).alias("modality"),
        pl.lit(None, dtype=pl.String).alias("category"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("unit"),
    )


def _without_nan(grades: Frame) -> Frame:
    """The frame with no grade where a column of numbers holds NaN, as pandas writes none."""
    if grades.lazy().collect_schema().get("grade") in (pl.Float32, pl.Float64):
        return grades.with_columns(pl.col("grade").fill_nan(None))
    return grades


def _coded(
    frame: pl.DataFrame, order: tuple[str, ...], nominal: bool, source: str
) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]], pl.DataFrame]:
    """The labels, how they are spelt, and column `code`.

    A code is a label's number, `UNSURE`, or null for no answer.
    """
    counts = dict(frame["grade"].drop_nulls().value_counts().sort("grade").iter_rows())
    unsure = {a for a in counts if folded_label(a) == NOT_SURE}
    given = {a: n for a, n in counts.items() if a and a not in unsure}
    spellings: Mapping[str, tuple[str, ...]] = {}
    codes: dict[str, int | None] = {a: _severity(a) for a in given}
    if order:
        labels = tuple(label.strip() for label in order)
        folded = {label_key(label): n for n, label in enumerate(labels)}
        if len(folded) < max(2, len(labels)) or "" in folded or NOT_SURE in folded:
            raise UsageError(
                f"--order {','.join(order)}: give two labels or more, each once, mildest first"
            )
        codes = {a: folded.get(label_key(a)) for a in given}
        fix = f"use {', '.join(labels)} or {NOT_SURE}"
    # A letter such as B is read as a severity only among whole names of severities.
    elif nominal or (
        None in codes.values() and not any(folded_label(a) in _SEVERITIES for a in given)
    ):
        of_answer, spellings = merge_labels(given)
        labels, fix = tuple(sorted(set(of_answer.values()))), ""
        codes = {a: labels.index(label) for a, label in of_answer.items()}
    else:
        labels, fix = _SEVERITIES, "use safe, borderline, unsafe or not_sure"
        fix += "; if these are labels of your own, give --order or --nominal"
    if len(labels) > MOST_LABELS:
        shown = ", ".join(repr(label[:40]) for label in labels[:3])
        raise DataError(
            f"{source}: {len(labels):,} different labels ({shown}, ...), and at most {MOST_LABELS} "
            "can be compared; if these are texts or names, say which columns are grades with "
            "--graders or --grade; else put several into one with --map '10*=low'"
        )
    wrong = {a for a, code in codes.items() if code is None}
    if wrong:
        row = frame.filter(pl.col("grade").is_in(wrong)).row(0, named=True)
        raise DataError(f"{source}: {_place(row)}: {row['grade'][:60]!r} is no grade; {fix}")
    coded = frame.with_columns(
        code=pl.col("grade").replace_strict(
            {**codes, **dict.fromkeys(unsure, UNSURE)}, default=None, return_dtype=pl.Int64
        )
    )
    return labels, spellings, coded


def _ordered(labels: tuple[str, ...], order: Sequence[str]) -> bool:
    return bool(order) or labels == _SEVERITIES


def _severity(answer: str) -> int | None:
    try:
        return int(Severity.parse(plain_word(answer)))
    except PolicyError:
        return None


def _place(row: Row) -> str:
    return f"row {row['row']}" if row["line"] is None else f"line {row['line']}"


def _unit(row: Row, items: pl.Series) -> str:
    name = f"item {items[int(str(row['item']))]!r}"
    if row["modality"] is None:
        return name
    return f"{name} ({sorted(MODALITIES)[int(str(row['modality']))]})"
