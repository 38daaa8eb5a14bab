"""What samples share: groups of the source, images, texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from vlsu.data import Sample, dataset_info, write_dataset
from vlsu.data.links import SearchableLinks, found_groups, shared, with_links


def rows(*samples: tuple[str, str | None, str | None, str | None]) -> pl.LazyFrame:
    """Samples of id, group, image and text."""
    columns = ("id", "group", "image_sha256", "text")
    frame = pl.DataFrame(samples, schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.with_columns(image_url=pl.lit(None, dtype=pl.String)).lazy()


def lots(links: pl.DataFrame, column: str) -> list[list[str]]:
    """Samples by what they share."""
    found = links.drop_nulls(column).group_by(column, maintain_order=True).agg("sample_id")
    return found["sample_id"].to_list()


GRID = rows(
    ("a", None, "1", "x"),
    ("b", None, "1", "y"),
    ("c", None, "2", "x"),
    ("d", None, "3", "z"),
    ("e", None, None, None),
    ("f", None, None, None),
)


def test_images_and_texts_are_each_for_themselves() -> None:
    links = shared(GRID)
    assert links["sample_id"].to_list() == ["a", "b", "c"]  # d and the empty ones share nothing
    assert lots(links, "shared_image") == [["a", "b"]]
    assert lots(links, "shared_text") == [["a", "c"]]
    assert links["group"].null_count() == 3


def test_an_image_without_content_is_known_by_its_address() -> None:
    frame = pl.LazyFrame({
        "id": ["a", "b", "c"], "group": [None, None, None], "text": ["x", "y", "z"],
        "image_sha256": [None, None, "1"], "image_url": ["u", "u", "v"],
    }, schema_overrides={"group": pl.String})  # fmt: skip
    assert lots(shared(frame), "shared_image") == [["a", "b"]]


def test_a_group_of_the_source_is_kept() -> None:
    links = shared(rows(("a", "g", "1", "x"), ("b", "g", "1", "y"), ("c", "h", "2", "z")))
    assert lots(links, "group") == [["a", "b"]]
    assert links["group"].to_list() == ["g", "g"]


def test_components_that_an_earlier_import_wrote_are_recognised() -> None:
    """Named by their first sample, and one by what they share: they say nothing new."""
    old = rows(
        ("a", "a", "1", "x"),
        ("b", "a", "1", "y"),
        ("c", "a", "2", "y"),
        # Named by its first sample, but d and e share nothing: the source says so.
        ("d", "d", "3", "u"),
        ("e", "d", "4", "v"),
        # Sharing an image, but named otherwise.
        ("f", "pair 7", "5", "p"),
        ("g", "pair 7", "5", "q"),
    )
    assert found_groups(old) == {"a"}
    links = shared(old)
    assert lots(links, "group") == [["d", "e"], ["f", "g"]]
    assert lots(links, "shared_image") == [["a", "b"], ["f", "g"]]
    assert lots(links, "shared_text") == [["b", "c"]]


def test_gold_rows_get_what_their_samples_share() -> None:
    gold = pl.DataFrame({"sample_id": ["d", "b"], "group": ["old", "old"]})
    found = with_links(gold, shared(GRID))
    assert found["sample_id"].to_list() == ["d", "b"]
    assert found["group"].to_list() == [None, None]
    assert found["shared_image"].is_null().to_list() == [True, False]


@given(
    values=st.lists(st.tuples(*[st.none() | st.sampled_from("uvw")] * 3), max_size=12),
    asked=st.lists(st.integers(0, 15), max_size=12),
)
def test_links_are_searched_as_they_are_joined(
    values: list[tuple[str | None, str | None, str | None]], asked: list[int]
) -> None:
    """Of any samples, in any order, unknown ones and repeated ones among them."""
    links = shared(rows(*((f"s{n}", *each) for n, each in enumerate(values))))
    gold = pl.DataFrame({"sample_id": [f"s{n}" for n in asked]}, schema={"sample_id": pl.String})
    assert SearchableLinks(links).added_to(gold).equals(with_links(gold, links))


def test_a_dataset_knows_its_links(tmp_path: Path) -> None:
    samples = [Sample("a", "x"), Sample("b", "x"), Sample("c", "y")]
    dataset = write_dataset(
        tmp_path / "d", samples, name="n", version="1", licence="", citation="", source=""
    )
    assert dataset.links()["sample_id"].to_list() == ["a", "b"]
    known = dataset.linked_frame(SearchableLinks(dataset.links()).frame)
    assert known.collect().equals(dataset.linked_frame().collect())
    rows_of = dataset.linked_frame().select("id", same=pl.col("shared_text").is_not_null())
    assert rows_of.collect().rows() == [("a", True), ("b", True), ("c", False)]
    # Three samples of which two share a text: 3^2 / (2^2 + 1^2) of them are independent.
    assert dataset_info(dataset)["shared"] == {
        "group": {"count": 0, "samples": 0, "largest": 0, "units": 3.0},
        "image": {"count": 0, "samples": 0, "largest": 0, "units": 3.0},
        "text": {"count": 1, "samples": 2, "largest": 2, "units": 1.8},
    }
