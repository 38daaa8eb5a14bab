"""Marks of samples: one by one, and as columns of a dataset's rows."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.data.marks import MARKS, mark, mark_columns


@pytest.mark.parametrize(
    ("value", "found"),
    [(True, True), (False, False), ("true", True), (" False ", False), (1, None), ("yes", None),
     (None, None), ([True], None)],
)  # fmt: skip
def test_a_mark_is_true_or_false_also_as_text(value: object, found: bool | None) -> None:
    assert mark({"critical": value}, "critical") is found
    assert mark({}, "critical") is None


values = st.one_of(
    st.booleans(), st.none(), st.integers(), st.text(max_size=5), st.lists(st.booleans()),
    st.sampled_from(["true", "TRUE ", "false", "\ttrue"]),
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from([*MARKS, "caption"]), values), min_size=1))
def test_columns_are_the_marks_of_each_sample(metadata: list[dict[str, object]]) -> None:
    frame = pl.DataFrame({"metadata": [json.dumps(each) for each in metadata]})
    found = frame.select(mark_columns())
    assert found.columns == list(MARKS)
    assert found.rows() == [tuple(mark(each, name) for name in MARKS) for each in metadata]


def test_rows_without_metadata_have_no_marks() -> None:
    frame = pl.DataFrame({"metadata": [None, "", "{}"]}, schema={"metadata": pl.String})
    assert frame.select(mark_columns()).rows() == [(None, None, None)] * 3
