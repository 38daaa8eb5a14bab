"""Grades into a project, from a file of another tool or of another project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Connection, select

from vlsu._files import open_binary
from vlsu._text import quoted
from vlsu.annotate.exchange.incoming import Incoming, Reader, Refused
from vlsu.annotate.exchange.label_studio import read_label_studio
from vlsu.annotate.exchange.table import read_table
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import items, people
from vlsu.annotate.work.importing import Fate, Imported, imported_person, store_imported
from vlsu.annotate.work.seats import lock_items
from vlsu.data.tables.labels import label_key
from vlsu.errors import AnnotationError, DataError, UsageError
from vlsu.policy import MODALITIES

__all__ = ["FORMATS", "ImportDone", "format_of", "import_grades"]

FORMATS = ("label-studio", "long", "run")
#: What Label Studio puts before the name of a file that is uploaded.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
#: Samples of a person that are stored in one transaction.
_BATCH = 200
#: Rows that a report names, at most.
_NAMED = 1000


@dataclass(slots=True)
class ImportDone:
    """What became of the rows of a file.

    Attributes:
        rows: Read.
        taken: Grades stored.
        again: Grades that were stored before.
        set_aside: Rows that the file itself says do not count.
        graders: Names of those whose grades were stored, now or before.
        refused: Reason -> rows.
        lines: One for each refused row, the first thousand.
    """

    rows: int = 0
    taken: int = 0
    again: int = 0
    set_aside: int = 0
    graders: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def refuse(self, where: str, item: str, why: str) -> None:
        """Count a row that is not taken."""
        self.refused[why] += 1
        if len(self.lines) < _NAMED:
            about = f", item {quoted(item)}" if item else ""
            self.lines.append(f"{where}{about}: {why}")

    def tree(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "rows": self.rows,
            "taken": self.taken,
            "again": self.again,
            "set_aside": self.set_aside,
            "graders": sorted(self.graders),
            "refused": dict(self.refused.most_common()),
            "lines": self.lines,
        }


def format_of(path: Path) -> str:
    """Which of `FORMATS` a file or folder has, by its content.

    Raises:
        DataError: It is not there, or nothing of these.
    """
    try:
        if path.is_dir():
            if (path / "run.yaml").exists():
                return "run"
            raise DataError(f"{path}: a folder, and no run; give a run's folder or a file")
        with open_binary(path) as file:
            head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise DataError(f"{quoted(str(path))}: cannot be read ({error})") from None
    return "label-studio" if head[:1] in (b"[", b"{") else "long"


def import_grades(
    project: Project,
    path: Path,
    format_: str,
    *,
    name: str | None = None,
    mapped: Mapping[str, str] | None = None,
    grades: Mapping[str, str] | None = None,
    modality: str = "joint",
    category: str | None = None,
    encoding: str | None = None,
) -> ImportDone:
    """Import the grades of a file; the same file again adds nothing.

    Each grade goes to a free slot of its sample and modality. Its grader becomes somebody without
    an invitation, named as in the file. Rows that cannot be taken are reported, one by one.

    Args:
        project: Opened; a server of it may run on.
        path: The file.
        format_: ``"label-studio"`` or ``"long"``.
        name: Of the grader, where the file has one or none; put before their names if several.
        mapped: Column or control -> field.
        grades: Word -> grade.
        modality: Of rows that do not say.
        category: Of harmful grades that do not say.
        encoding: Of a table, if it is not Unicode.

    Raises:
        VlsuError: The file cannot be read, or an option names what is not there.
    """
    if modality not in MODALITIES:
        raise UsageError(f"--modality {modality[:40]!r}: give image, text or joint")
    known = None if category is None else project.policy.find_category(category)
    if category is not None and known is None:
        raise UsageError(f"--category {category[:40]!r}: is not of the policy")
    words = {label_key(word): grade for word, grade in (grades or {}).items()}
    reader = Reader(project.policy, words, modality, known)
    if format_ == "label-studio":
        rows = read_label_studio(path, reader, mapped or {})
    else:
        rows = read_table(path, reader, mapped or {}, encoding=encoding)
    done = ImportDone()
    by_person = _by_person(_usable(rows, done), name)
    with project.database.read() as connection:
        numbers = {row.sample_id: row.id for row in connection.execute(select(items))}
        own = set(connection.scalars(select(people.c.pseudonym)))
    for person, incoming in by_person.items():
        _import_person(project, person, incoming, numbers, own, done)
    return done


def _usable(rows: Iterable[Incoming | Refused], done: ImportDone) -> Iterator[Incoming]:
    for row in rows:
        done.rows += 1
        if isinstance(row, Incoming):
            yield row
        elif row.set_aside:
            done.set_aside += 1
        else:
            done.refuse(row.where, row.item, row.why)


def _by_person(rows: Iterable[Incoming], name: str | None) -> dict[str, list[Incoming]]:
    found: dict[str, list[Incoming]] = {}
    for row in rows:
        found.setdefault(row.grader, []).append(row)
    if name is None:
        if "" in found:
            raise UsageError("--as: the file does not say who graded; give their name")
        return found
    if len(found) == 1:
        return {name: next(iter(found.values()))}
    return {f"{name} {grader}".strip(): given for grader, given in found.items()}


def _import_person(
    project: Project,
    name: str,
    incoming: Sequence[Incoming],
    numbers: Mapping[str, int],
    pseudonyms: set[str],
    done: ImportDone,
) -> None:
    kept: dict[int, dict[str, Incoming]] = {}
    for row in incoming:
        number = _number(row.item, numbers)
        if row.grader in pseudonyms:
            done.refuse(row.where, row.item, "its grader is one of this project")
        elif number is None:
            done.refuse(row.where, row.item, "the dataset has no such sample")
        elif row.modality in kept.setdefault(number, {}):
            done.refuse(row.where, row.item, "the grader graded it above; keep one grade each")
        else:
            kept[number][row.modality] = row
    ordered = iter(sorted(kept.items()))
    while batch := list(islice(ordered, _BATCH)):

        def store(connection: Connection, now: int) -> list[tuple[Incoming, Fate]]:
            person = imported_person(connection, name, now)
            lock_items(connection, (number for number, _ in batch))
            fates = []
            for number, rows in batch:
                given = {m: Imported(r.answer, r.policy_version) for m, r in rows.items()}
                found = store_imported(connection, project.plan, person, number, given, now)
                fates += [(rows[m], fate) for m, fate in found.items()]
            if not any(fate in (Fate.TAKEN, Fate.AGAIN) for _, fate in fates):
                raise _NothingTakenError(fates)
            return fates

        try:
            stored = project.write(store)
        except _NothingTakenError as nothing:
            stored = nothing.fates
        except AnnotationError as error:
            for _, rows in batch:
                for row in rows.values():
                    done.refuse(row.where, row.item, str(error))
            continue
        for row, fate in stored:
            if fate in (Fate.TAKEN, Fate.AGAIN):
                done.taken += fate is Fate.TAKEN
                done.again += fate is Fate.AGAIN
                done.graders.add(name)
            else:
                done.refuse(row.where, row.item, fate.value)


class _NothingTakenError(Exception):
    """Ends a transaction that would leave nothing but a person who graded nothing."""

    def __init__(self, fates: list[tuple[Incoming, Fate]]) -> None:
        self.fates = fates


def _number(item: str, numbers: Mapping[str, int]) -> int | None:
    """The sample of an identifier; or of a file's name, as Label Studio stores an upload."""
    name = PurePosixPath(item.partition("?")[0]).name
    stem = name.rpartition(".")[0] or name
    tried = (item, name, stem, _UPLOADED.sub("", stem))
    return next((numbers[each] for each in tried if each in numbers), None)
