"""Which samples are not independent of each other: they share a group, an image or a text.

A dataset's column `group` is what its source says. That samples share an image or a text, to the
byte, is found here, each for itself: a sample can be in one cluster by its image and in another by
its text, and the analysis counts both (`vlsu.analysis.stats.effective_size`).

Earlier imports wrote connected components into `group`: samples that share an image or a
text, directly or through others, under the identifier of the first. Such groups say nothing that
images and texts do not say better, and are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import numpy as np

    _Integers = np.ndarray[Any, np.dtype[np.int64]]

__all__ = [
    "KEYS",
    "LINKS",
    "SearchableLinks",
    "components",
    "found_groups",
    "link_columns",
    "linked_samples",
    "shared",
    "with_links",
]

#: Columns whose equal values make rows dependent.
KEYS = ("group", "image_sha256", "image_url", "text")

#: Columns of gold frames: what a sample shares with another, null where it shares none.
LINKS = ("group", "shared_image", "shared_text")

#: What `shared` gives where samples share nothing.
_NOTHING = pl.DataFrame(
    schema={
        "sample_id": pl.String,
        "group": pl.String,
        "shared_image": pl.UInt64,
        "shared_text": pl.UInt64,
    }
)


def components(rows: pl.DataFrame) -> _Integers:
    """For each row the number of the first row it depends on, directly or through others.

    A row that shares nothing is its own first row.

    Args:
        rows: Hashes or texts in the columns `KEYS`; null where a row has no such value.

    Returns:
        Shape (rows,).

    Example:
        >>> rows = pl.DataFrame({
        ...     "group": [None, None, "g", "g"],
        ...     "image_sha256": ["a", "a", "b", None],
        ...     "image_url": [None, None, None, None],
        ...     "text": ["x", "y", "y", "z"],
        ... })
        >>> components(rows).tolist()
        [0, 0, 0, 0]
    """
    import numpy as np  # which a run has no use for before all is asked

    label = np.arange(rows.height, dtype=np.int64)
    places = []
    for key in KEYS:
        values = rows.select(
            row=pl.int_range(pl.len(), dtype=pl.Int64), value=pl.col(key).rank("dense") - 1
        ).drop_nulls()
        if not values.is_empty():
            places.append((values["row"].to_numpy(), values["value"].cast(pl.Int64).to_numpy()))
    changed = True
    while changed:
        before = label.copy()
        for row, value in places:
            least = np.full(int(value.max()) + 1, rows.height, dtype=np.int64)
            np.minimum.at(least, value, label[row])
            # What a row's former first row learns, the row learns with the next jump.
            np.minimum.at(label, label[row], least[value])
            label[row] = np.minimum(label[row], least[value])
        label = label[label]
        changed = not np.array_equal(label, before)
    return label


def shared(samples: pl.LazyFrame) -> pl.DataFrame:
    """The samples that share a group, an image or a text with another, and what they share.

    Args:
        samples: A dataset's rows.

    Returns:
        `sample_id`, `group`, and `shared_image` and `shared_text` as hashes, each null where the
        sample shares none; without the samples that share nothing.

    Example:
        >>> rows = pl.DataFrame({
        ...     "id": ["a", "b", "c"], "group": [None, None, "g"], "text": ["x", "x", "z"],
        ...     "image_sha256": [None, "1", "2"], "image_url": ["u", "v", "u"],
        ... })
        >>> found = shared(rows.lazy())
        >>> found.select("sample_id", same_text=pl.col("shared_text").is_not_null()).rows()
        [('a', True), ('b', True)]
    """
    hashes = samples.select(*link_columns(), row=pl.int_range(pl.len(), dtype=pl.UInt32)).collect()
    marks = [pl.col(name).is_duplicated() & pl.col(name).is_not_null() for name in LINKS]
    hashes = hashes.filter(pl.any_horizontal(marks)).with_columns(
        pl.when(mark).then(name) for mark, name in zip(marks, LINKS, strict=True)
    )
    if hashes.is_empty():
        return _NOTHING
    rows = pl.int_range(pl.len(), dtype=pl.UInt32)
    names = samples.select(pl.col("id").alias("sample_id"), pl.col("group").alias("name"), row=rows)
    found = names.join(hashes.lazy(), on="row").collect().sort("row")
    found = found.with_columns(
        group=pl.when(pl.col("group").is_not_null() & ~pl.col("name").is_in(_found(found))).then(
            "name"
        )
    ).drop("name", "row")
    return found.filter(pl.any_horizontal(pl.col(LINKS).is_not_null()))


def with_links(gold: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Gold rows with what their samples share with another.

    Args:
        gold: One row per sample, by `sample_id`; what it has of `LINKS` is replaced.
        links: What `shared` gives.
    """
    return gold.drop(LINKS, strict=False).join(
        links, on="sample_id", how="left", maintain_order="left"
    )


class SearchableLinks:
    """What `shared` gives, searched by sample: the links of a few take no pass over all.

    Args:
        links: What `shared` gives.

    Attributes:
        frame: The same, in another order.
    """

    def __init__(self, links: pl.DataFrame) -> None:
        hashes = links.get_column("sample_id").hash()
        order = hashes.arg_sort()
        self.frame = links[order]
        self._hashes = hashes[order].to_numpy()

    def added_to(self, gold: pl.DataFrame) -> pl.DataFrame:
        """`with_links` of these gold rows."""
        import numpy as np

        wanted = gold.get_column("sample_id").hash().unique().to_numpy()
        first = np.searchsorted(self._hashes, wanted, "left")
        counts = np.searchsorted(self._hashes, wanted, "right") - first
        # Where several samples share a hash, all of them: the join compares identifiers.
        starts = first - (np.cumsum(counts) - counts)
        places = np.repeat(starts, counts) + np.arange(counts.sum())
        return with_links(gold, self.frame[places])


def linked_samples(links: pl.DataFrame) -> _Integers:
    """The number of the first row that a row shares something with, directly or through others.

    Args:
        links: Rows with the columns `LINKS`.
    """
    nothing = pl.lit(None, dtype=pl.String)
    return components(
        links.select("group", image_sha256="shared_image", image_url=nothing, text="shared_text")
    )


def found_groups(samples: pl.LazyFrame) -> frozenset[str]:
    """Groups that an earlier import found: components named by their first sample."""
    columns = samples.select(pl.col("id").alias("sample_id"), pl.col("group").alias("name"))
    names = columns.collect().with_columns(samples.select(link_columns()).collect())
    return frozenset(_found(names))


def link_columns() -> list[pl.Expr]:
    """Hashes of what samples can share, as the columns `LINKS`; null where a value is missing.

    An image is known by its content, or by its address where there is none.
    """
    image = pl.coalesce("image_sha256", "image_url")
    values = {"group": pl.col("group"), "shared_image": image, "shared_text": pl.col("text")}
    return [
        pl.when(value.is_not_null()).then(value.hash()).alias(name)
        for name, value in values.items()
    ]


def _found(rows: pl.DataFrame) -> list[str]:
    """Names of the groups of which each is named by its first sample, and one component.

    Args:
        rows: `sample_id` and `name` (of the group), and the columns `LINKS`, in the dataset's
            order.
    """
    grouped = rows.filter(pl.col("name").is_not_null())
    named = (
        grouped.group_by("name")
        .agg(first=pl.col("sample_id").first(), n=pl.len())
        .filter((pl.col("first") == pl.col("name")) & (pl.col("n") > 1))
    )
    if named.is_empty():
        return []
    parts = grouped.with_columns(group=pl.lit(None, dtype=pl.String))
    parts = (
        grouped.select("name", part=pl.Series(linked_samples(parts)))
        .group_by("name")
        .agg(parts=pl.col("part").n_unique())
    )
    whole = named.join(parts, on="name").filter(pl.col("parts") == 1)
    return whole["name"].sort().to_list()
