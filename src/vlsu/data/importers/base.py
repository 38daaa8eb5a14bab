"""What an importer is given and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlsu.data.sample import Sample
from vlsu.data.tables.missing import MissingWords
from vlsu.policy import Policy, Severity

__all__ = ["ImportItem", "ImportOptions", "Importer", "Note", "Rejected", "SourceRow"]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user said.

    Attributes:
        policy: Whose categories the file's are matched to.
        map: Column of the file -> field of the dataset.
        grades: Word of the file for a grade, as `vlsu.data.tables.labels.label_key` has it -> the
            grade, or `None` for not sure; these come before the severities' own names.
        missing: Which cells stand for a missing value.
        encoding: Of the file's text, where the user states it.
    """

    policy: Policy
    map: Mapping[str, str] = field(default_factory=dict)
    grades: Mapping[str, Severity | None] = field(default_factory=dict)
    missing: MissingWords = field(default_factory=MissingWords)
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something corrected or worth knowing about a line that is not rejected for it.

    Attributes:
        line: Number of the line in the file, from 1; 0 stands for the file as a whole.
        kind: Short and the same for all of its kind: notes are counted by it.
        value: What was found. Never a sample's text.
        fix: What the user can do about it.
        problem: Something did not come through as the source says, so ``--strict`` refuses it.
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
        sample: Without image and group; those are found by the engine. A group that is set is kept.
        image_names: Addresses, paths or file names under which the image may be found, the most
            telling first; the sample's `id` is looked for before them.
        image_sha256: What the source says the image's hash is.
        notes: What was corrected in it.
    """

    line: int
    sample: Sample
    image_names: tuple[str, ...] = ()
    image_sha256: str | None = None
    notes: tuple[Note, ...] = ()


#: A note of its own is about a line that holds no row, such as a blank one.
ImportItem = SourceRow | Rejected | Note


@dataclass(frozen=True, slots=True)
class Importer:
    """A reader of one format.

    Attributes:
        read: The file and the options -> one item a row, in the file's order, read lazily. Raises
            `DataError` for a file that cannot be read as this format at all.
        name: What the dataset is called unless the user says otherwise; empty: as the file.
        licence: Of the data, as far as the format tells.
    """

    read: Callable[[Path, ImportOptions], Iterator[ImportItem]]
    name: str = ""
    licence: str = ""
    citation: str = ""
    description: str = ""
