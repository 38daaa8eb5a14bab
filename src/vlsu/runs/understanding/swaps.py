"""The swap probe: pairs of which one half was exchanged for one of another gold grade.

Of every sample the image is exchanged for another sample's, and the text for another's, whose gold
grade differs. There is no gold grade of such a pair: what is measured is how far the answer moves
(`vlsu.analysis.understanding.swap`).

The donor is chosen by the seed and the sample alone, so that it is the same in every start and with
any ``--limit``: first the grade, each other one that occurs with the same chance; then the image or
text, each different one of that grade with the same chance, among those of the sample's category
where there are any. A half's category is its own gold category, else that of its pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from vlsu.data import Dataset, Sample
from vlsu.errors import DataError
from vlsu.policy import SEVERITY_CODES, Severity
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.parted import PartedRows
from vlsu.runs.asking.plan import SORTED, Chunk, Selection, planned, rank
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.folder import RunFolder
from vlsu.runs.record import askable
from vlsu.runs.run import Run
from vlsu.runs.understanding.companions import scan_companion
from vlsu.tasks import RequestSource

__all__ = ["HALVES", "SWAPS", "Swaps", "scan_swaps"]

#: What is exchanged -> the column that holds it.
HALVES = {"image": "image_sha256", "text": "text"}

#: What an exchange is, in ``swaps.parquet`` before the columns of a judgment.
_EXCHANGE = pl.Schema(
    {
        "swapped": pl.String(),
        "donor_id": pl.String(),
        "grade": pl.String(),
        "donor_grade": pl.String(),
    }
)
#: Columns of ``swaps.parquet``: ``swapped`` is ``image`` or ``text``, ``grade`` and ``donor_grade``
#: are the gold grades of that half before and after. ``expected`` is null.
SWAPS = pl.Schema({**_EXCHANGE, **JUDGMENTS})


@dataclass(frozen=True, slots=True)
class Swaps:
    """The exchanges of a run's samples; made by `of`.

    Attributes:
        frame: `sample_id` and the columns of ``swaps.parquet`` that say what is exchanged, and
            hashes of the new pair's `image` and `text`; those of one image next to each other.
    """

    frame: pl.DataFrame

    @classmethod
    def of(cls, dataset: Dataset, selection: Selection, seed: int) -> Swaps:
        """The exchanges of all samples that have a gold grade of image or text.

        Args:
            dataset: Its samples are the donors, whatever the selection.
            selection: The samples whose halves are exchanged.
            seed: Of the draw of donors.

        Raises:
            DataError: No sample has both halves, or none has one that can be exchanged for one of
                another gold grade.
        """
        columns = [
            "id",
            *(f"{half}_grade" for half in HALVES),
            pl.coalesce("image_category", "joint_category").alias("image_category"),
            pl.coalesce("text_category", "joint_category").alias("text_category"),
            *(pl.col(column).hash().alias(half) for half, column in HALVES.items()),
        ]
        with dataset.reading():
            pairs = dataset.frame().filter(askable()).select(columns).collect(engine="streaming")
            covered = selection.frame(dataset).select("id").collect(engine="streaming")
        if pairs.is_empty():
            raise DataError(
                f"{dataset.path}: no sample has both an image and a text, so there is no pair to "
                "exchange a half of; leave out --probe swap"
            )
        found = [_exchanges(pairs, covered, half, seed) for half in HALVES]
        frame = pl.concat(found).sort("image", "text", "swapped", "sample_id")
        if frame.is_empty():
            raise DataError(
                f"{dataset.path}: no image and no text can be exchanged for one of another gold "
                "grade, as there are none of two grades; --probe swap needs image_grade or "
                "text_grade"
            )
        return cls(frame)

    def different(self, dataset: Dataset, selection: Selection) -> int:
        """How many different pairs there are that are not the selection's own."""
        own = selection.frame(dataset).filter(askable())
        with dataset.reading():
            known = own.select(image=pl.col("image_sha256").hash(), text=pl.col("text").hash())
            pairs = known.collect(engine="streaming")
        new = self.frame.select("image", "text").unique()
        return new.join(pairs, on=["image", "text"], how="anti").height

    def chunks(self, dataset: Dataset, task: RequestSource, keys: RequestKeys) -> Iterator[Chunk]:
        """The joint request of every exchange, in the order of `frame`.

        Args:
            dataset: Where the halves are.
            task: Asks about pairs alone.
            keys: Of the model.
        """
        return planned(self._samples(dataset), task, keys)

    def _samples(self, dataset: Dataset) -> Iterator[Sample]:
        """The pairs, as samples without gold grades; the dataset is read once."""
        numbered = self.frame.with_row_index("number").with_columns(pl.col("number") // SORTED)
        needed = pl.concat(
            numbered.select("number", id=column) for column in ("sample_id", "donor_id")
        ).unique()
        columns = ["id", *HALVES.values()]
        with dataset.reading():
            rows = dataset.frame().select(columns).join(needed.lazy(), on="id")
            parts = -(-self.frame.height // SORTED)
            with PartedRows(rows, pl.col("number"), parts) as parted:
                for number, part in enumerate(self.frame.iter_slices(SORTED)):
                    contents = parted.part(number).select(columns)
                    halves = {id_: rest for id_, *rest in contents.iter_rows()}
                    exchanges = part.select("sample_id", "swapped", "donor_id").iter_rows()
                    for id_, swapped, donor in exchanges:
                        (image, text), (new_image, new_text) = halves[id_], halves[donor]
                        if swapped == "image":
                            yield Sample(id=id_, image_sha256=new_image, text=text)
                        else:
                            yield Sample(id=id_, image_sha256=image, text=new_text)

    def judged(self, judgments: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Judgments of `chunks`, in their order, with what was exchanged; as ``swaps.parquet``."""
        start = 0
        for rows in judgments:
            part = self.frame.slice(start, rows.height).select(_EXCHANGE.names())
            start += rows.height
            yield pl.concat([part, rows], how="horizontal")


def _exchanges(pairs: pl.DataFrame, covered: pl.DataFrame, half: str, seed: int) -> pl.DataFrame:
    """The exchanges of one half, with hashes of the new pair."""
    donors = pairs.filter(pl.col(f"{half}_grade").is_in(list(SEVERITY_CODES)))
    pool = _Pool(half, seed, donors)
    own = set(covered["id"].to_list())
    rows = [
        (place, donor)
        for place, id_ in enumerate(pool.ids)
        if id_ in own and (donor := pool.donor(place)) is not None
    ]
    chosen = pl.DataFrame(rows, schema={"place": pl.UInt32, "donor": pl.UInt32}, orient="row")
    before, after = donors[chosen["place"]], donors[chosen["donor"]]
    new = {name: (after if name == half else before)[name] for name in HALVES}
    return pl.DataFrame(
        {
            "sample_id": before["id"],
            "swapped": pl.repeat(half, chosen.height, dtype=pl.String, eager=True),
            "donor_id": after["id"],
            "grade": before[f"{half}_grade"],
            "donor_grade": after[f"{half}_grade"],
            **new,
        }
    )


class _Pool:
    """The images, or the texts, of each grade and category that others are exchanged for."""

    def __init__(self, half: str, seed: int, donors: pl.DataFrame) -> None:
        self.ids: list[str] = donors["id"].to_list()
        self._half, self._seed = half, seed
        self._contents = donors[half].to_list()
        self._grades = donors[f"{half}_grade"].to_list()
        self._categories = donors[f"{half}_category"].to_list()
        self._places: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        seen = set()
        # Each different one once, that of the sample which comes first in the draw.
        for place in sorted(range(len(self.ids)), key=lambda place: rank(seed, self.ids[place])):
            content, grade = self._contents[place], self._grades[place]
            if (content, grade) not in seen:
                seen.add((content, grade))
                for category in {None, self._categories[place]}:
                    self._places[grade, category].append(place)

    def donor(self, place: int) -> int | None:
        """Whose half takes the place of a sample's; `None` if none has another grade."""
        draw = rank(self._seed, f"{self._half}\x00{self.ids[place]}")
        first, second = int.from_bytes(draw[:4]), int.from_bytes(draw[4:])
        others = [
            severity.label
            for severity in Severity
            if severity.label != self._grades[place] and (severity.label, None) in self._places
        ]
        for step in range(len(others)):
            grade = others[(first + step) % len(others)]
            for category in (self._categories[place], None):
                there = self._places.get((grade, category), [])
                # One image may have been given two grades.
                for further in range(len(there)):
                    donor = there[(second + further) % len(there)]
                    if self._contents[donor] != self._contents[place]:
                        return donor
        return None


def scan_swaps(run: Run) -> pl.LazyFrame:
    """The content of ``swaps.parquet``, unread.

    Raises:
        RunError: It is missing or damaged.
    """
    return scan_companion(RunFolder(run.path).swaps_file, SWAPS)
