"""Importing a file as a dataset: every row is either stored or counted with a reason."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from vlsu._arguments import require_function, require_kind, require_path
from vlsu._text import both_ends, quoted
from vlsu.data.datasets.writer import prepare_folder, write_dataset
from vlsu.data.images.folder import ImageFolder
from vlsu.data.images.store import ImageStore
from vlsu.data.importers import (
    ImportItem,
    ImportOptions,
    Note,
    Rejected,
    SourceRow,
    SourceRows,
    importers,
)
from vlsu.data.importing.attachment import ImageAttacher
from vlsu.data.importing.blocks import Block, Spool, StoredRow
from vlsu.data.importing.duplicates import IdIndex
from vlsu.data.importing.report import ImportReport, Tally
from vlsu.data.importing.resolution import resolved_rows
from vlsu.data.importing.severities import not_at_hand, only_two
from vlsu.data.progress import Progress
from vlsu.data.rows import COLUMNS, to_row
from vlsu.data.tables.labels import label_key
from vlsu.data.tables.missing import MissingWords
from vlsu.errors import DataError, PolicyError, UsageError
from vlsu.policy import (
    MODALITIES,
    NOT_SURE,
    Policy,
    Severity,
    default_policy,
    load_policy,
)
from vlsu.registry import did_you_mean

__all__ = ["import_dataset"]


def import_dataset(
    format: str,
    src: str | Path,
    out: str | Path,
    *,
    images: str | Path | None = None,
    map: Mapping[str, str] | None = None,
    grades: Mapping[str, str] | None = None,
    missing: Sequence[str] | None = None,
    encoding: str | None = None,
    strict: bool = False,
    policy: Policy | str | Path | None = None,
    name: str | None = None,
    version: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    source: str | None = None,
    description: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file or a folder as a dataset folder.

    ``import.json`` in the folder lists every row that was rejected or corrected.

    Args:
        format: Name of an importer, such as ``"vlsu"`` or ``"csv"``; `importers.names` has all.
        src: The source file or folder.
        out: The dataset folder to write.
        images: The folder with the images; by default the source, if that is a folder.
        map: Column of the file -> field of the dataset, for importers that support it.
        grades: Word of the file -> ``"safe"``, ``"borderline"``, ``"unsafe"`` or ``"not_sure"``.
        missing: Words for a missing value, instead of the usual ones such as ``NA``; an empty cell
            is always missing, and a sample's text never is.
        encoding: Text encoding of the file, if it is not Unicode.
        strict: Raise an error for every rejected row, and every note that is a problem, such as an
            image that was not found.
        policy: The policy of grades and categories, its file, or ``"default"`` or ``"binary"``; if
            `None`, that of the source: of an export or a dataset its own, of a benchmark that is
            graded safe or unsafe ``binary``, else the default policy.
        name: Of the dataset; like `version`, `licence`, `citation`, `source` and `description`, by
            default from the source, the importer or the file's name.
        version: Of the dataset; 1 by default.
        licence: Of the dataset.
        citation: How to cite it.
        source: Origin of the dataset.
        description: Description of the dataset.
        overwrite: Replace an existing dataset in `out`; other files are kept.
        progress: Called with the rows read so far.

    Raises:
        UsageError: No such importer, an argument of the wrong kind, or an invalid map.
        PolicyError: The policy file cannot be read.
        DataError: The file is not of that format, no row can be imported, `out` cannot be written,
            or `strict` found a problem.
    """
    require_kind("format", format, str)
    require_function("progress", progress)
    path, folder = require_path("src", src), require_path("out", out)
    importer = importers.get(format)
    about = importer.about(path)
    if policy is None or isinstance(policy, Policy):
        chosen = policy or about.policy or default_policy()
    else:
        chosen = load_policy(policy)
    implied = images is None and path.is_dir()
    place = path if implied else images
    items = importer.read(
        path,
        ImportOptions(
            chosen,
            map=MappingProxyType(dict(map or {})),
            grades=MappingProxyType(_grades(grades or {}, chosen)),
            missing=MissingWords.read(missing),
            encoding=encoding,
            together=importer.together and place is None,
        ),
    )
    image_folder = None if place is None else ImageFolder(require_path("images", place))
    made_here, without_images = not folder.exists(), not (folder / "images").exists()
    licence = licence or about.licence or "unknown"
    attacher = ImageAttacher(image_folder, ImageStore(folder), implied=implied)
    try:
        prepare_folder(folder, overwrite=overwrite)
        with (
            tempfile.TemporaryFile(dir=folder) as file,
            Tally(path, folder, strict) as tally,
            warnings.catch_warnings(),
        ):
            # Pillow warns about unusual metadata; `vlsu data check` finds real problems.
            warnings.simplefilter("ignore")
            spool = Spool(file)
            ids = _read_all(_within_policy(items, chosen), attacher, spool, tally, progress)
            if image_folder is not None:
                _note_left_out(image_folder, tally)
            del attacher, image_folder  # of a million files, the most of the memory
            if policy is None and (note := not_at_hand(about)):
                tally.note(note)
            tally.require_samples()
            dataset = write_dataset(
                folder,
                resolved_rows(spool, ids, tally),
                name=name or about.name or path.stem,
                version=version or about.version or "1",
                licence=licence,
                citation=about.citation if citation is None else citation,
                source=source or about.source or path.name,
                policy=chosen,
                description=about.description if description is None else description,
                overwrite=overwrite,
            )
            # Of a table nobody knows which severities its graders could choose from.
            unknown = policy is None and about.policy is None and not about.lacking
            if unknown and not importer.name and (note := only_two(dataset)):
                tally.note(note)
            return tally.write(format, dataset)
    except BaseException as error:
        if made_here:
            shutil.rmtree(folder, ignore_errors=True)
        elif without_images:
            shutil.rmtree(folder / "images", ignore_errors=True)
        if isinstance(error, OSError):
            raise DataError(
                f"{folder}: cannot be written ({error.strerror}); free space or choose another"
            ) from None
        raise


def _grades(stated: Mapping[str, str], policy: Policy) -> dict[str, Severity | None]:
    """Normalised word -> grade, or `None` for not sure.

    Raises:
        UsageError: An unknown grade, one that the policy lacks, or two grades for one word.
    """
    grades: dict[str, Severity | None] = {}
    for word, name in stated.items():
        try:
            grade = None if name.strip().lower() == NOT_SURE else Severity.parse(name)
        except PolicyError:
            names = [*(severity.label for severity in Severity), NOT_SURE]
            near = did_you_mean(name, names)
            raise UsageError(f"--grades {word}={name}: no such grade; {near}") from None
        if grade is not None and grade not in policy.severities:
            raise UsageError(f"--grades {word}={name}: {_lacks(policy, grade)}")
        if grades.setdefault(label_key(word), grade) != grade:
            raise UsageError(f"--grades {word}={name}: {word!r} is given another grade as well")
    return grades


def _lacks(policy: Policy, grade: Severity) -> str:
    there = " and ".join(severity.label for severity in policy.severities)
    return f"policy {policy.name} has no {grade.label}; use {there}, or a policy that has it"


def _within_policy(
    items: Iterator[ImportItem | SourceRows], policy: Policy
) -> Iterator[ImportItem | SourceRows]:
    """The items, of which a row with a grade that the policy lacks is rejected."""
    if len(policy.severities) == len(Severity):
        yield from items
        return
    for item in items:
        if isinstance(item, SourceRows):
            others = [(place, _graded_within(other, policy)) for place, other in item.others]
            yield replace(item, others=others)
        else:
            yield _graded_within(item, policy)


def _graded_within(item: ImportItem, policy: Policy) -> ImportItem:
    if isinstance(item, SourceRow):
        for modality in MODALITIES:
            grade = item.sample.grade(modality)
            if grade is not None and grade not in policy.severities:
                reason = f"grade that the policy lacks ({modality})"
                return Rejected(item.line, reason, grade.label, _lacks(policy, grade))
    return item


def _note_left_out(folder: ImageFolder, tally: Tally) -> None:
    if folder.left_out:
        tally.note(_LINKS, folder.left_out)
    for path, reason in folder.unread:
        kind, fix = "part of the images folder left out", "fix it, or move the files elsewhere"
        tally.note(Note(0, kind, f"{quoted(path, 80)}: {reason}", fix, problem=True))


_LINKS = Note(
    0,
    "links that lead out of the images folder, left out",
    fix="copy the files into the folder",
    problem=True,
)


#: Rows that are written as one block.
_BLOCK_ROWS = 5_000


def _read_all(
    items: Iterator[ImportItem | SourceRows],
    attacher: ImageAttacher,
    spool: Spool,
    tally: Tally,
    progress: Progress | None,
) -> IdIndex:
    """First pass: rows with their images into the spool, their ids and contents into an index."""
    ids = IdIndex()

    def keep(block: Block) -> None:
        rows = block.frame.select(COLUMNS)
        ids.add(rows["id"], rows.hash_rows())
        spool.add(block)

    held: list[StoredRow] = []
    for item in items:
        if held and (isinstance(item, SourceRows) or len(held) == _BLOCK_ROWS):
            keep(Block.of(held))
            held = []
        if isinstance(item, SourceRows):
            tally.add_rows(item.frame.height)
            others = [
                (place, row)
                for place, other in item.others
                if (row := _stored(other, attacher, tally)) is not None
            ]
            noted = replace(item, notes=[*item.notes, *attacher.notes_on(item)])
            keep(Block.merged(noted, others))
        elif (row := _stored(item, attacher, tally)) is not None:
            held.append(row)
        if progress is not None and not isinstance(item, Note):
            progress(tally.rows, None)
    if held:
        keep(Block.of(held))
    return ids


def _stored(item: ImportItem, attacher: ImageAttacher, tally: Tally) -> StoredRow | None:
    """The row of an item, with its image; `None` if it is none, which is counted."""
    if isinstance(item, Note):
        tally.note(item)
        return None
    tally.add_rows(1)
    if isinstance(item, Rejected):
        tally.reject(item)
        return None
    sample, notes = attacher.attach(item)
    try:
        row = to_row(sample)
    except DataError as error:
        reason = both_ends(error)
        tally.reject(Rejected(item.line, "cannot be stored", reason, "correct the row"))
        return None
    return StoredRow(item.line, row, [*item.notes, *notes])
