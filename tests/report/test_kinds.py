"""Rows by kind, against the rows themselves."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsu.report.kinds import (
    NONE,
    Kinds,
    Texts,
    first_of,
    hashed,
    identifiers,
    interleaved,
    kinds_of_numbers,
    numbered,
    of_samples,
    ranked,
)

WORDS = st.sampled_from(["safe", "unsafe", "", "</script>", None])
ROWS = st.lists(st.tuples(st.sampled_from("abcde"), WORDS, WORDS), max_size=40)


def frame(rows: list[tuple[str, str | None, str | None]]) -> pl.DataFrame:
    schema = {"id": pl.String, "one": pl.String, "two": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_rows_in_full_are_those_that_were_read(
    rows: list[tuple[str, str | None, str | None]],
) -> None:
    texts, read = Texts(), frame(rows)
    codes = texts.codes(read.lazy(), {"one": pl.col("one"), "two": pl.col("two")})
    kinds = texts.kinds(codes)
    assert kinds.rows().rows() == read.select("one", "two").rows()
    assert kinds.frame.n_unique() == kinds.frame.height if rows else kinds.frame.is_empty()
    assert [kinds.frame.row(k) for k in kinds.kind[kinds.first()]] == kinds.frame.rows()


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_samples_are_numbered_as_they_first_occur_over_all_tables(
    one: list[tuple[str, str | None, str | None]], two: list[tuple[str, str | None, str | None]]
) -> None:
    texts, tables = Texts(), [frame(one), frame(two)]
    read = [(hashed(t.lazy(), "id"), texts.codes(t.lazy(), {"one": pl.col("one")})) for t in tables]
    numbers, rows = numbered([sample for sample, _ in read])
    ids = [id_ for t, row in zip(tables, rows, strict=True) for id_ in t["id"].gather(row)]
    assert ids == list(dict.fromkeys([*tables[0]["id"], *tables[1]["id"]]))
    for table, (sample, codes), number, row in zip(tables, read, numbers, rows, strict=True):
        assert [ids[n] for n in number] == table["id"].to_list()
        assert identifiers(table.lazy(), "id", row).to_list() == table["id"].gather(row).to_list()
        first = first_of(codes["one"], number, np.ones(len(number), dtype=bool), len(ids))
        found = dict(reversed(list(zip(table["id"], codes["one"].tolist(), strict=True))))
        assert first.tolist() == [found.get(id_, NONE) for id_ in ids]
        once, at = np.unique(sample, return_index=True)
        own = of_samples(once, {"one": codes["one"][at]}, sample)
        assert own["one"].tolist() == codes["one"][at][np.searchsorted(once, sample)].tolist()


def test_a_sample_that_another_table_lacks_has_no_code() -> None:
    known, wanted = np.array([7, 3], dtype=np.uint64), np.array([3, 5, 7], dtype=np.uint64)
    found = of_samples(known, {"grade": np.array([1, 2], dtype=np.uint32)}, wanted)
    assert found["grade"].tolist() == [2, NONE, 1]


def test_the_largest_come_first_and_equals_stay_in_order() -> None:
    kinds = kinds_of_numbers(a=np.array([1, 3, 1, 3, 2]), b=np.array([0, 1, 0, 2, 9]))
    assert ranked(kinds, pl.col("a"), pl.col("b")).tolist() == [3, 1, 4, 0, 2]


def test_tables_of_many_kinds_are_told_apart() -> None:
    columns = {name: np.arange(3_000) * k % 2_999 for name, k in (("a", 1), ("b", 7), ("c", 11))}
    kinds = kinds_of_numbers(**columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(kinds.array(pl.col(name)), values)


@pytest.mark.parametrize("there", [[[1, 1], [0, 1]], [[1, 0], [0, 0]]])
def test_rows_of_several_tables_stand_side_by_side(there: list[list[int]]) -> None:
    tables = [Kinds(pl.DataFrame({"of": [of]}), np.array([0, 0])) for of in ("one", "two")]
    rows = interleaved(tables, np.array(there, dtype=bool)).rows()["of"].to_list()
    pairs = [zip(("one", "two"), line, strict=True) for line in there]
    assert rows == [of for line in pairs for of, is_there in line if is_there]
