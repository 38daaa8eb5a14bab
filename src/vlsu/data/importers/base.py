"""The interface of importers: their options, and the items that they yield."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from vlsu.data.sample import Sample
from vlsu.data.tables.missing import MissingWords
from vlsu.policy import Policy, Severity, bundled_policy

__all__ = [
    "About",
    "ImportItem",
    "ImportOptions",
    "Importer",
    "Note",
    "Rejected",
    "SourceRow",
    "SourceRows",
]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The user's options of an import.

    Attributes:
        policy: The policy whose categories are used.
        map: Column of the file -> field of the dataset.
        grades: Word for a grade, normalised by `vlsu.data.tables.labels.label_key` -> the grade, or
            `None` for not sure; these precede the severities' own names.
        missing: Decides which cells are missing values.
        encoding: Text encoding of the file, if stated.
        together: Whether rows may come as `SourceRows`: where no images are looked for.
    """

    policy: Policy
    map: Mapping[str, str] = field(default_factory=dict)
    grades: Mapping[str, Severity | None] = field(default_factory=dict)
    missing: MissingWords = field(default_factory=MissingWords)
    encoding: str | None = None
    together: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A correction or other remark about a line that is imported nevertheless.

    Attributes:
        line: Line number in the file, from 1; 0 for the file as a whole.
        kind: Short and constant for its kind: notes are counted by it.
        value: The value found; never a sample's text.
        fix: How the user can fix it.
        problem: Whether data was lost or changed, so that ``--strict`` refuses it.
    """

    line: int
    kind: str
    value: str = ""
    fix: str = ""
    problem: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that does not become a sample; the attributes are those of `Note`."""

    line: int
    reason: str
    value: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row that becomes a sample.

    Attributes:
        line: Number of its first line in the file, from 1.
        sample: The sample without its image, which is found later.
        image_names: URLs, paths or file names of the image, the most specific first.
        image_sha256: The image's hash according to the source.
        notes: Corrections made to it.
        image_data: The image itself, if the source holds it.
    """

    line: int
    sample: Sample
    image_names: tuple[str, ...] = ()
    image_sha256: str | None = None
    notes: tuple[Note, ...] = ()
    image_data: bytes | None = field(default=None, repr=False)


#: A note by itself is about a line without a row, such as a blank one.
ImportItem = SourceRow | Rejected | Note


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows of one stretch of a file: most of them as columns, those that need a look one by one.

    Attributes:
        frame: Rows that become samples of a severity that the policy has: the columns of a dataset
            without `image_sha256`; `image`, the name of the image if one is stated; `line`, as of
            a `SourceRow`; and `place`, the row's place among all of them, ascending.
        notes: On these, in the order in which they are made of one row: a note without its line,
            and the rows of `frame` that it is on. None of them has a value or is a problem.
        others: Place and item of the other rows, and of notes by themselves, in order.
    """

    frame: pl.DataFrame
    notes: Sequence[tuple[Note, Sequence[int]]]
    others: Sequence[tuple[int, ImportItem]]


@dataclass(frozen=True, slots=True)
class About:
    """What a source says about itself; empty where it says nothing.

    Attributes:
        source: Where the data come from, such as an address.
        policy: The policy of its grades, if it has one of its own.
        lacking: Name and version of the policy of its grades, if that is not at hand.
    """

    name: str = ""
    version: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    description: str = ""
    policy: Policy | None = None
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """A reader of one format.

    Attributes:
        read: Function from the file or folder and the options to one item per row, lazily and in
            order. Raises `DataError` for a file that is not of this format.
        name: Default name of the dataset; empty for the file's name.
        licence: Licence of the data, if the format implies it.
        citation: How to cite the data.
        description: What they are.
        source: Where they come from, such as an address; empty for the file's name.
        describe: Function from the file or folder to what it says about itself, which goes before
            the rest.
        policy: Name of the policy of the grades, of `vlsu.policy.POLICIES`: ``binary`` where the
            source tells safe from unsafe and nothing between; empty where it does not say.
        together: Whether many rows may be one item where the options have ``together``, which only
            such an importer is given.
    """

    read: Callable[[Path, ImportOptions], Iterator[ImportItem | SourceRows]]
    name: str = ""
    licence: str = ""
    citation: str = ""
    description: str = ""
    source: str = ""
    describe: Callable[[Path], About] | None = None
    policy: str = ""
    together: bool = False

    def about(self, path: Path) -> About:
        """What is known of the data before they are read."""
        stated = About() if self.describe is None else self.describe(path)
        return About(
            name=stated.name or self.name,
            version=stated.version,
            licence=stated.licence or self.licence,
            citation=stated.citation or self.citation,
            source=stated.source or self.source,
            description=stated.description or self.description,
            policy=stated.policy or (bundled_policy(self.policy) if self.policy else None),
            lacking=stated.lacking,
        )
