"""The samples of a dataset that meet conditions, as a dataset of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import polars as pl

from vlsu._text import one_line
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.deriving.part import rows_where, write_part
from vlsu.data.rows import COLUMNS
from vlsu.errors import PolicyError, UsageError
from vlsu.policy import MODALITIES, PATTERNS, Family, Pattern, Severity
from vlsu.registry import did_you_mean

__all__ = ["FILTER_FIELDS", "filter_dataset"]

#: What a condition can be about, besides ``metadata.KEY``.
FILTER_FIELDS = (
    *(column for column in COLUMNS if column != "metadata"),
    *("pattern", "family", "category", "image"),
)

_CONDITION = re.compile(r"(?P<field>\w+|metadata\.[^=!]+)(?P<sign>!?=)(?P<values>.*)", re.DOTALL)
_YES_NO = {"yes": True, "no": False}


def filter_dataset(
    dataset: Dataset, out: str | Path, *, where: Sequence[str], overwrite: bool = False
) -> Dataset:
    """Write the samples that meet every condition.

    A condition is ``FIELD=VALUE``, or ``FIELD!=VALUE`` for all others; several values are divided
    by ``|``, and one is enough. No value means that the field is absent: ``joint_grade!=`` keeps
    what has a joint grade. Fields are the columns of a dataset, and ``pattern``, ``family``,
    ``category`` (of image, text or both), ``image`` (``yes`` or ``no``: there is one), and
    ``metadata.KEY``.

    Args:
        dataset: The dataset.
        out: The folder to write.
        where: The conditions.
        overwrite: Replace an existing dataset in `out`.

    Raises:
        UsageError: No condition, an unknown field or value, or no sample meets them all.
        DataError: `out` cannot be written.
    """
    if not where:
        raise UsageError("--where: give a condition, such as --where joint_grade=unsafe")
    kept = pl.all_horizontal(_condition(text, dataset) for text in where)
    with dataset.reading():
        mask = dataset.frame().select(kept).collect(engine="streaming").to_series()
    if not mask.any():
        raise UsageError(f"--where: no sample of {dataset.path} meets the conditions")
    conditions = ", ".join(one_line(text, 100) for text in where)
    return write_part(
        dataset,
        out,
        rows_where(dataset, mask.fill_null(value=False)),
        suffix="filtered",
        which=f"{int(mask.sum())} of the {len(dataset)} samples",
        how=f": {conditions}",
        overwrite=overwrite,
    )


def _condition(text: str, dataset: Dataset) -> pl.Expr:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--where {one_line(text, 60)!r}: write FIELD=VALUE or FIELD!=VALUE, such as "
            "pattern=S-S-U|S-S-B"
        )
    field, values = found["field"], found["values"].split("|")
    met = _meets(field, values, text, dataset).fill_null(False)
    return ~met if found["sign"] == "!=" else met


def _meets(field: str, values: list[str], text: str, dataset: Dataset) -> pl.Expr:
    if field.startswith("metadata."):
        key = field.removeprefix("metadata.")
        return _is_one(pl.col("metadata").map_batches(_member(key), pl.String), values)
    if field == "image":
        _require_known(values, list(_YES_NO), text)
        return pl.col("image_sha256").is_not_null().is_in([_YES_NO[value] for value in values])
    if field == "pattern":
        return _is_one(_pattern(), [value and _pattern_name(value, text) for value in values])
    if field == "family":
        _require_known(values, [*(family.value for family in Family), ""], text)
        names = [str(pattern) for pattern in _all_patterns() if pattern.family.value in values]
        return _is_one(_pattern(), [*names, *(value for value in values if not value)])
    if field == "category" or field.endswith("_category"):
        known = [*dataset.policy.category_ids, ""]
        _require_known(values, known, text)
    if field == "category":
        return pl.any_horizontal(_is_one(pl.col(f"{m}_category"), values) for m in MODALITIES)
    if field.endswith("_grade"):
        _require_known(values, [*(severity.label for severity in Severity), ""], text)
    if field not in FILTER_FIELDS:
        near = did_you_mean(field, [*FILTER_FIELDS, "metadata.KEY"])
        raise UsageError(f"--where {one_line(text, 60)}: no such field; {near}")
    return _is_one(pl.col(field), values)


def _member(key: str) -> Callable[[pl.Series], pl.Series]:
    """From JSON objects to the value of a key: a text as it is, others as JSON, null if absent."""

    def values(objects: pl.Series) -> pl.Series:
        found = [orjson.loads(text).get(key) if text else None for text in objects]
        return pl.Series(
            [v if v is None or isinstance(v, str) else orjson.dumps(v).decode() for v in found],
            dtype=pl.String,
        )

    return values


def _is_one(value: pl.Expr, values: list[str]) -> pl.Expr:
    stated = [each for each in values if each]
    met = value.is_in(stated).fill_null(False) if stated else pl.lit(False)
    return met | value.is_null() if "" in values else met


def _require_known(values: list[str], known: list[str], text: str) -> None:
    for value in values:
        if value not in known:
            near = did_you_mean(value, [name for name in known if name])
            raise UsageError(f"--where {one_line(text, 60)}: no such value; {near}")


def _pattern_name(value: str, text: str) -> str:
    try:
        return str(Pattern.parse(value))
    except PolicyError:
        names = [str(pattern) for pattern in PATTERNS]
        raise UsageError(
            f"--where {one_line(text, 60)}: no such pattern; {did_you_mean(value, names)}"
        ) from None


def _pattern() -> pl.Expr:
    """The pattern of each row; null where a grade is absent."""
    letters = {severity.label: severity.letter for severity in Severity}
    return pl.concat_str(
        [
            pl.col(f"{m}_grade").replace_strict(letters, default=None, return_dtype=pl.String)
            for m in MODALITIES
        ],
        separator="-",
    )


def _all_patterns() -> list[Pattern]:
    return [Pattern(i, t, j) for i in Severity for t in Severity for j in Severity]
