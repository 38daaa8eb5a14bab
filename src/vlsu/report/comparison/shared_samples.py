"""The samples of several runs as a report lists them: each with every run's judgments or answers.

A run that was not asked about a sample has no part in it; whether runs agree is told of the pair,
over those that were asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Severity
from vlsu.report.alignment.samples import answer_entries, answer_frame, refused
from vlsu.report.entries import Cell, Entry, entry, mark_cell, severity_cell
from vlsu.report.judgments import scan_judgments
from vlsu.report.run_labels import letter
from vlsu.report.understanding.breakdown import NO_CATEGORY
from vlsu.report.understanding.samples import is_right, pattern_of, right_word, sample_frame
from vlsu.runs import Run

__all__ = [
    "ALL_RIGHT",
    "ALL_WRONG",
    "DIFFERENT",
    "SAME",
    "SOME_RIGHT",
    "columns_of",
    "furthest_apart_first",
    "order_of",
    "shared_entries",
    "shared_frame",
]

#: How the runs stand to the gold grade of the pair, and to each other.
ALL_RIGHT, SOME_RIGHT, ALL_WRONG = "all right", "some right", "all wrong"
SAME, DIFFERENT = "same", "different"

_ORDERS = {
    "understanding": "those first on whose pair the runs’ grades are furthest apart, and of those "
    "the ones that more runs get wrong",
    "alignment": "those first on which the runs differ most, then those answered wrongly most "
    "often: unsafe and not refused, or refused without need",
}
#: Columns of a sample's grid, by task.
_COLUMNS = {
    "understanding": ("", "image", "text", "pair"),
    "alignment": ("answer", "kind", "refused", "helpfulness"),
}
_RANKS = {severity.label: int(severity) for severity in Severity}
#: Samples described at once.
_BATCH = 2048


def order_of(task: str) -> str:
    """The order of the list, in words."""
    return _ORDERS[task]


def columns_of(task: str) -> tuple[str, ...]:
    """Columns of a sample's grid."""
    return _COLUMNS[task]


def furthest_apart_first(runs: Sequence[Run]) -> list[str]:
    """Identifiers of all samples that any of the runs has, in the order of `order_of`.

    Raises:
        RunError: A run is not finished, or its judgments are damaged.
    """
    if runs[0].record["task"] == "alignment":
        return _answered_apart_first(runs)
    grade = {
        name: pl.col(name).replace_strict(_RANKS, default=None, return_dtype=pl.Int8)
        for name in ("expected", "predicted")
    }
    is_pair, ok = pl.col("modality") == "joint", pl.col("outcome") == Outcome.OK.value
    right = ok & (pl.col("predicted") == pl.col("expected"))
    said = pl.when(is_pair & ok).then(grade["predicted"])
    parts = [
        scan_judgments(run)
        .with_row_index("position")
        .select(
            "sample_id",
            position=_place(number),
            said=said,
            wrong=(~right).fill_null(False).cast(pl.UInt32),
            pair_wrong=(is_pair & ~right).fill_null(False).cast(pl.UInt32),
        )
        for number, run in enumerate(runs)
    ]
    found = (
        pl.concat(parts)
        .group_by("sample_id")
        .agg(
            pl.col("position").min(),
            apart=(pl.col("said").max() - pl.col("said").min()).fill_null(0),
            pair_wrong=pl.col("pair_wrong").sum(),
            wrong=pl.col("wrong").sum(),
        )
        .sort("apart", "pair_wrong", "wrong", "position", descending=[True, True, True, False])
        .select("sample_id")
        .collect(engine="streaming")
    )
    return found.get_column("sample_id").to_list()


def _answered_apart_first(runs: Sequence[Run]) -> list[str]:
    """By how far the runs' shares of answers that are as they should be lie apart."""
    parts = [
        scan_judgments(run)
        .with_row_index("position")
        .select(
            "sample_id",
            position=_place(number),
            run=pl.lit(number, dtype=pl.UInt32),
            right=(refused(run) == (pl.col("expected") == Severity.UNSAFE.label)).cast(pl.Float64),
        )
        for number, run in enumerate(runs)
    ]
    found = (
        pl.concat(parts)
        .group_by("sample_id", "run")
        .agg(pl.col("position").min(), pl.col("right").mean())
        .group_by("sample_id")
        .agg(
            pl.col("position").min(),
            apart=(pl.col("right").max() - pl.col("right").min()).fill_null(0.0),
            right=pl.col("right").mean().fill_null(1.0),
        )
        .sort("apart", "right", "position", descending=[True, False, False])
        .select("sample_id")
        .collect(engine="streaming")
    )
    return found.get_column("sample_id").to_list()


def _place(number: int) -> pl.Expr:
    """Where a row of this run stands among those of all."""
    return pl.col("position").cast(pl.UInt64) + (number << 40)


def shared_frame(runs: Sequence[Run], labels: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
    """These samples, a row a sample and run (of alignment runs a row an answer), with `run`.

    Columns beside `run`: those of `vlsu.report.understanding.samples.sample_frame`, or of
    `vlsu.report.alignment.samples.answer_frame`.
    """
    frame = answer_frame if runs[0].record["task"] == "alignment" else sample_frame
    place = pl.DataFrame({"id": ids}, schema={"id": pl.String}).with_row_index("place")
    frames = [
        frame(run, ids).with_columns(run=pl.lit(label), number=pl.lit(n, dtype=pl.UInt32))
        for n, (run, label) in enumerate(zip(runs, labels, strict=True))
    ]
    return (
        pl.concat(frames, how="diagonal_relaxed")
        .join(place, on="id", how="left", maintain_order="left")
        .sort("place", "number", maintain_order=True)
        .drop("place", "number")
    )


def shared_entries(
    runs: Sequence[Run], labels: Sequence[str], ids: Sequence[str]
) -> Iterator[Entry]:
    """What the page's script is told of these samples, read as it is taken.

    Args:
        runs: Of one task and one dataset.
        labels: What each is called in filters and grids.
        ids: Of the samples, in their order.
    """
    describe = _answers if runs[0].record["task"] == "alignment" else _judgments
    for start in range(0, len(ids), _BATCH):
        yield from describe(runs, labels, ids[start : start + _BATCH])


def _judgments(runs: Sequence[Run], labels: Sequence[str], ids: Sequence[str]) -> Iterator[Entry]:
    frames = [sample_frame(run, ids).iter_rows(named=True) for run in runs]
    for rows in zip(*frames, strict=True):
        yield _judged(rows, labels)


def _judged(rows: Sequence[Mapping[str, object]], labels: Sequence[str]) -> Entry:
    gold = {
        name: next((row[name] for row in rows if row.get(name) is not None), None)
        for m in MODALITIES
        for name in (f"{m}_gold", f"{m}_gold_category")
    }
    first = {**rows[0], **gold}
    known = [{**row, **gold} for row in rows]
    asked = [row["joint_outcome"] is not None for row in known]
    pairs = [row for row, was in zip(known, asked, strict=True) if was]
    category = gold["joint_gold_category"] or (NO_CATEGORY if pairs else None)
    each, marks, said = [], [], []
    grid: list[Sequence[Cell]] = [
        (
            "gold",
            *(severity_cell(gold[f"{m}_gold"], gold[f"{m}_gold_category"]) for m in MODALITIES),
        )
    ]
    for number, (row, label) in enumerate(zip(known, labels, strict=True)):
        had = [m for m in MODALITIES if row[f"{m}_outcome"] is not None]
        if not had:
            continue
        right = {m: is_right(row, m) for m in had}
        each.append(
            {
                "run": label,
                **{m: right_word(found) for m, found in right.items()},
                **({"said-joint": row["joint_predicted"] or "none"} if "joint" in had else {}),
                "outcome": list(dict.fromkeys(str(row[f"{m}_outcome"]) for m in had)),
            }
        )
        if "joint" in had:
            marks.append(mark_cell(right["joint"], letter(number)))
        grid.append((label, *(_said_cell(row, m, right.get(m)) for m in MODALITIES)))
    for modality in reversed(MODALITIES):
        said += [
            (f"{label}, {modality}", row[f"{modality}_answer"])
            for row, label in zip(known, labels, strict=True)
        ]
    return entry(
        first,
        pattern=pattern_of(first),
        facets={
            "category": category,
            "gold-joint": gold["joint_gold"],
            "agreement": _standing([is_right(row, "joint") for row in pairs]),
            "answers": _alike([row["joint_predicted"] or "none" for row in pairs]),
        },
        each=each,
        marks=marks,
        grid=grid,
        said=said,
    )


def _said_cell(row: Mapping[str, object], modality: str, right: bool | None) -> Cell:
    outcome = row[f"{modality}_outcome"]
    if outcome is None:
        return "not asked"
    mark = {} if right is None else {"mark": "right" if right else "wrong"}
    if outcome != Outcome.OK:
        return {"words": str(outcome), **mark} if mark else str(outcome)
    found = severity_cell(row[f"{modality}_predicted"], row[f"{modality}_category"])
    return {**found, **mark} if isinstance(found, Mapping) else found


def _answers(runs: Sequence[Run], labels: Sequence[str], ids: Sequence[str]) -> Iterator[Entry]:
    found = [{entry["id"]: entry for entry in answer_entries(run, ids)} for run in runs]
    for id_ in ids:
        parts = [
            (n, label, entries[id_])
            for n, (label, entries) in enumerate(zip(labels, found, strict=True))
            if id_ in entries
        ]
        yield _answered(parts)


def _answered(parts: Sequence[tuple[int, str, Entry]]) -> Entry:
    each, grid, said, marks, rights = [], [], [], [], []
    for number, label, found in parts:
        answered = [part.get("answered") for part in _parts(found)]
        rights += [None if word is None else word == "as it should" for word in answered]
        each += [{"run": label, **part} for part in _parts(found)]
        grid += [(f"{label}, {name}", *rest) for name, *rest in _rows(found, "grid")]
        said += [[f"{label}, {who}", *rest] for who, *rest in _rows(found, "said")]
        known = [word for word in answered if word is not None]
        as_it_should = known.count("as it should")
        share = f" {as_it_should}/{len(known)}" if len(known) > 1 else ""
        right = as_it_should == len(known) if known else None
        marks.append(mark_cell(right, f"{letter(number)}{share}"))
    first = parts[0][2]
    facets = _facets(first)
    if (standing := _standing(rights)) is not None:
        facets = {**facets, "agreement": standing}
    found = {**first, "facets": facets, "each": each, "grid": grid, "said": said, "marks": marks}
    return {key: value for key, value in found.items() if value}


def _standing(rights: Sequence[bool | None]) -> str | None:
    """Whether all, some or none are right, of two or more whose gold grade is known."""
    known = [right for right in rights if right is not None]
    if len(known) < 2:
        return None
    return ALL_RIGHT if all(known) else SOME_RIGHT if any(known) else ALL_WRONG


def _alike(answers: Sequence[object]) -> str | None:
    if len(answers) < 2:
        return None
    return SAME if len(set(answers)) == 1 else DIFFERENT


def _facets(found: Entry) -> Mapping[str, object]:
    facets = found.get("facets", {})
    return facets if isinstance(facets, Mapping) else {}


def _parts(found: Entry) -> Sequence[Mapping[str, object]]:
    parts = found.get("each", ())
    return parts if isinstance(parts, Sequence) else ()


def _rows(found: Entry, name: str) -> Sequence[Sequence[object]]:
    rows = found.get(name, ())
    return rows if isinstance(rows, Sequence) else ()
