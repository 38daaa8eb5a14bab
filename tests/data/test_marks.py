"""Marks of samples: one by one, and as columns of a dataset's rows."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.data.marks import (
    MARKS,
    admissible,
    admissible_column,
    mark,
    mark_columns,
    unread,
    unread_marks,
)


@pytest.mark.parametrize(
    ("value", "found"),
    [(True, True), (False, False), ("true", True), (" False ", False), (1, True), (0.0, False),
     ("Yes", True), ("no", False), ("1", True), ("ja", None), (2, None),
     (None, None), ([True], None)],
)  # fmt: skip
def test_a_mark_is_true_or_false_also_as_tables_write_it(value: object, found: bool | None) -> None:
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


# Other severities that a pair could be given: 1 for safe, 2 for borderline, 4 for unsafe.


@pytest.mark.parametrize(
    ("value", "found"),
    [(["safe", "unsafe"], 5), ("borderline|unsafe", 6), ("safe", 1), (" Unsafe , safe", 5),
     (["borderline"], 2), ("unsafe", 4), ([], 0), ("", 0), (None, 0), ("safely", 0), (1, 0)],
)  # fmt: skip
def test_other_grades_are_a_list_or_a_text(value: object, found: int) -> None:
    assert admissible({"admissible": value}) == found
    frame = pl.DataFrame({"metadata": [json.dumps({"admissible": value}), "{}", None]})
    assert frame.select(admissible_column()).to_series().to_list() == [found, 0, 0]


@given(
    st.one_of(
        st.lists(st.sampled_from(["safe", "borderline", "unsafe", "Safe ", "?"])),
        st.text("|, safeundborderline", max_size=20),
        st.none(),
    )
)
def test_the_column_is_what_each_sample_has(value: object) -> None:
    frame = pl.DataFrame({"metadata": [json.dumps({"admissible": value})]})
    assert frame.select(admissible_column()).item() == admissible({"admissible": value})


@given(st.lists(st.dictionaries(st.sampled_from([*MARKS, "admissible"]), values), min_size=1))
def test_what_cannot_be_read_is_found_in_rows_and_in_samples(
    metadata: list[dict[str, object]],
) -> None:
    rows = pl.LazyFrame({"id": "a", "metadata": [json.dumps(each) for each in metadata]})
    found = sorted(
        (name, value, wanted)
        for name, value, wanted, count, _ in unread_marks(rows)
        for _ in range(count)
    )
    assert [name for name, *_ in found] == sorted(
        name for each in metadata for name, *_ in unread(each)
    )


def test_a_value_that_may_be_a_text_is_not_shown() -> None:
    assert list(unread({"critical": "ja", "caption": "x"})) == [
        ("critical", "'ja'", "true or false")
    ]
    ((_, value, _),) = unread({"asks": "What is in this picture?"})
    assert value == "a text of 24 characters"
    assert list(unread({"asks": "", "at_risk": None, "admissible": "None"})) == []
    ((_, value, wanted),) = unread({"admissible": ["safe", "unsfae"]})
    assert wanted == "safe, borderline or unsafe, or several of them"
