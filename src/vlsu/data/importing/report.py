"""The report of an import: counts of every rejection and note, and all of them in a file."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import orjson

from vlsu._text import one_line
from vlsu.data.datasets.dataset import IMPORT_FILE, Dataset
from vlsu.data.importers import Note, Rejected
from vlsu.data.licences import read_licence
from vlsu.errors import DataError

__all__ = ["MAX_EXAMPLES", "Example", "ImportReport", "Tally"]

#: Rejections and notes of each kind of which the lines are kept.
MAX_EXAMPLES = 5
#: Maximum characters of a value in the file.
_MAX_VALUE = 200


@dataclass(frozen=True, slots=True)
class Example:
    """One of the first occurrences of a rejection or note, without the sample's text.

    Attributes:
        line: Line of the source file, from 1; 0 for the file as a whole.
    """

    kind: str
    line: int
    value: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import, accounting for every row.

    ``rows_read == imported + sum(rejected.values())``.

    Attributes:
        rows_read: Rows of the source, without blank lines.
        imported: Samples in the dataset.
        rejected: Reason -> number of rejected rows.
        notes: Kind -> number of corrections and other notes.
        examples: The first few of each reason and kind; ``import.json`` has all.
    """

    format: str
    source: str
    dataset: Dataset
    rows_read: int
    imported: int
    rejected: Mapping[str, int]
    notes: Mapping[str, int]
    examples: tuple[Example, ...]

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, ready for JSON."""
        return {
            "format": self.format,
            "source": self.source,
            "out": str(self.dataset.path),
            "rows_read": self.rows_read,
            "imported": self.imported,
            "rejected": dict(self.rejected),
            "notes": dict(self.notes),
            "examples": [asdict(example) for example in self.examples],
            "licence": self.dataset.info.licence,
            "restrictions": list(self.restrictions),
            "counts": dict(self.dataset.info.counts),
            "content_hash": self.dataset.info.content_hash,
        }

    @property
    def restrictions(self) -> tuple[str, ...]:
        """What the licence of the data forbids; see `vlsu.data.licences.Licence.restrictions`."""
        return read_licence(self.dataset.info.licence).restrictions


class Tally:
    """Counts rejections and notes, and keeps them in files; a context manager.

    Args:
        path: The source.
        folder: The dataset folder, which exists.
        strict: Whether the first problem raises an error.
    """

    def __init__(self, path: Path, folder: Path, strict: bool) -> None:
        self._path = path
        self._folder = folder
        self._strict = strict
        self.rows = 0
        self._files: dict[str, IO[bytes]] = {}
        self._rejected: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._examples: list[Example] = []

    def __enter__(self) -> Tally:
        for name in ("rejected", "fixed"):
            self._files[name] = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add_rows(self, count: int) -> None:
        """Count rows of the source."""
        self.rows += count

    def reject(self, rejected: Rejected) -> None:
        """Count a row that is left out.

        Raises:
            DataError: With `strict`.
        """
        example = Example(rejected.reason, rejected.line, rejected.value)
        if self._strict:
            raise self._error(example, rejected.fix)
        self._count(self._rejected, example)
        self._keep("rejected", "reason", example)

    def note(self, note: Note, count: int = 1) -> None:
        """Count a correction or remark.

        Raises:
            DataError: It is a problem, with `strict`.
        """
        example = Example(note.kind, note.line, note.value)
        if self._strict and note.problem:
            raise self._error(example, note.fix)
        self._count(self._notes, example, count)
        if note.problem or note.value:
            self._keep("fixed", "note", example)

    def note_more(self, note: Note, count: int) -> None:
        """Count a note that has no value and is no problem on more rows, which follow others."""
        self._notes[note.kind] += count

    def require_samples(self) -> None:
        """Raise an error if there is no row to store."""
        if not self.rows:
            raise DataError(f"{self._path}: a header and no rows; give a file with rows")
        if self._rejected.total() == self.rows:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self._rejected.most_common())
            first = next(e for e in self._examples if e.kind in self._rejected)
            raise DataError(
                f"{self._path}: none of {self.rows} rows can be imported ({reasons}); first: line "
                f"{first.line}: {first.kind}: {first.value}"
            )

    def write(self, format: str, dataset: Dataset) -> ImportReport:
        """The report, after ``import.json`` was written into the dataset folder.

        The file has the counts, and for each row that was rejected, or noted with a value or as a
        problem: its line, the reason and the value, truncated.

        Raises:
            OSError: The file cannot be written.
        """
        report = self._report(format, dataset)
        head = {
            "format": format,
            "source": self._path.name,
            "licence": dataset.info.licence,
            "content_hash": dataset.info.content_hash,
            "rows_read": self.rows,
            "imported": report.imported,
            "counts": {"rejected": dict(report.rejected), "notes": dict(report.notes)},
        }
        target = self._folder / IMPORT_FILE
        temporary = target.with_name(f".{target.name}-{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps(head, option=orjson.OPT_INDENT_2).removesuffix(b"\n}"))
                for name in self._files:
                    file.write(f',\n  "{name}": ['.encode())
                    file.writelines(self._kept(name))
                    file.write(b"\n  ]")
                file.write(b"\n}\n")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return report

    def _kept(self, name: str) -> Iterator[bytes]:
        file = self._files[name]
        file.seek(0)
        for number, line in enumerate(file):
            yield (b",\n    " if number else b"\n    ") + line.rstrip(b"\n")

    def _keep(self, name: str, what: str, example: Example) -> None:
        value = one_line(example.value, _MAX_VALUE)
        row = {"line": example.line, what: example.kind, "value": value}
        self._files[name].write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def _report(self, format: str, dataset: Dataset) -> ImportReport:
        return ImportReport(
            format=format,
            source=str(self._path),
            dataset=dataset,
            rows_read=self.rows,
            imported=len(dataset),
            rejected=dict(self._rejected.most_common()),
            notes=dict(self._notes.most_common()),
            examples=tuple(self._examples),
        )

    def _count(self, counts: Counter[str], example: Example, count: int = 1) -> None:
        if counts[example.kind] < MAX_EXAMPLES:
            self._examples.append(example)
        counts[example.kind] += count

    def _error(self, example: Example, fix: str) -> DataError:
        place = f"{self._path}: line {example.line}" if example.line else str(self._path)
        what = f"{example.kind}: {example.value}" if example.value else example.kind
        return DataError(f"{place}: {what}; {fix or 'fix the row'}")
