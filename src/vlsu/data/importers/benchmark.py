"""What importers of published benchmarks share: fixed columns, and samples of their rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from vlsu.data.importers.base import (
    ImportItem,
    ImportOptions,
    Note,
    Rejected,
    SourceRow,
)
from vlsu.data.importers.categories import counterpart
from vlsu.data.importers.tabular import broken_item, plain, split_image
from vlsu.data.sample import Sample
from vlsu.data.sources import Entry, SourceItem, open_source
from vlsu.data.sources.folders import folder_source
from vlsu.data.tables import columns_found, normalise
from vlsu.errors import DataError, UsageError
from vlsu.policy import Severity

__all__ = [
    "SAFE",
    "UNSAFE",
    "Rows",
    "entries",
    "find_files",
    "refuse_options",
    "sample_row",
    "text_of",
]

SAFE, UNSAFE = Severity.SAFE, Severity.UNSAFE

#: The rows of a file, with what is said about lines that are none.
Rows = Iterator[Entry | Note | Rejected]


def refuse_options(options: ImportOptions, benchmark: str, *, grades: bool = False) -> None:
    """Refuse options that have no meaning for a benchmark, whose columns are known.

    Args:
        options: The user's options.
        benchmark: The importer's name.
        grades: Whether words of grades may be given.

    Raises:
        UsageError: Such an option is given.
    """
    if options.map:
        raise UsageError(
            f"--map is for tables of one's own; the columns of {benchmark!r} are known"
        )
    if options.grades and not grades:
        raise UsageError(
            f"--grades is for tables of one's own; the grades of {benchmark!r} are known"
        )


def find_files(path: Path, names: Sequence[str], benchmark: str) -> list[Path]:
    """The files of a benchmark: the file itself, or those of a folder whose names match.

    Args:
        path: A file or a folder.
        names: Patterns of file names, the best first; all files of the first that matches any.
        benchmark: The importer's name, for messages.

    Raises:
        DataError: There is no such file or folder, or no such file in the folder.
    """
    if not path.is_dir():
        return [path]
    for name in names:
        found = sorted(each for each in path.rglob(name) if each.is_file())
        if found:
            return found
    raise DataError(
        f"{path}: no file of {benchmark} in this folder; it should hold {' or '.join(names)}"
    )


def entries(
    path: Path,
    required: Collection[str],
    benchmark: str,
    options: ImportOptions,
    *,
    folder: bool = False,
) -> Rows:
    """The rows of a benchmark's file that have the required columns, in any letter case.

    Args:
        path: The file.
        required: Columns that a row must have, normalised.
        benchmark: The importer's name, for messages.
        options: The encoding of a text.
        folder: Read a folder of `datasets`, or a downloaded repository of the Hugging Face hub.

    Raises:
        DataError: It cannot be read, or has not these columns.
    """
    if folder:
        source = folder_source(path)
    else:
        source = open_source(path, required, encoding=options.encoding)
    missing = set(required) - set(map(normalise, source.columns))
    if missing:
        raise DataError(
            f"{path}: is not {benchmark}: no column {sorted(missing)[0]!r}; found "
            f"{columns_found(source.columns)}; for other columns use the importers csv, jsonl, "
            "parquet or hf with --map"
        )
    return _checked(source.read(), frozenset(required))


def _checked(items: Iterator[SourceItem], required: frozenset[str]) -> Rows:
    for item in items:
        if not isinstance(item, Entry):
            yield broken_item(item)
            continue
        values = {normalise(name): value for name, value in item.values.items()}
        lacking = sorted(name for name in required if name not in values)
        if lacking:
            yield Rejected(item.line, "field missing", lacking[0], "download the file again")
        else:
            yield Entry(item.line, values, item.nulls, item.place)


def text_of(value: object) -> str | None:
    """A value as a text without outer space, `None` if it is empty or not a scalar."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def sample_row(
    entry: Entry,
    benchmark: str,
    options: ImportOptions,
    *,
    id: str | None,
    text: object,
    image: object = None,
    image_url: str | None = None,
    grades: tuple[Severity | None, Severity | None, Severity | None],
    category: object = None,
    group: str | None = None,
    language: str | None = "en",
    metadata: Mapping[str, object] | None = None,
) -> ImportItem:
    """The sample of a row.

    Args:
        entry: The row.
        benchmark: The importer's name.
        options: The policy of the categories.
        id: Identifier; `None` rejects the row.
        text: The text; anything but a text rejects the row, as does none where it has a grade.
        image: The image: a path, bytes, or the struct of `datasets`; none rejects the row where
            it, or the joint, has a grade and there is no address.
        image_url: Its address.
        grades: Of image, text and joint; `None` where the source gives none.
        category: The source's word for the joint category; a joint grade of safe has none.
        group: Samples that are variants of one another.
        language: Code of the text's language.
        metadata: What else the source says; values that are empty are left out.
    """
    if id is None:
        return Rejected(entry.line, "field missing", "id", "download the file again")
    if text is not None and not isinstance(text, str):
        what = type(text).__name__
        return Rejected(entry.line, "text is not a text", what, "download the file again")
    data, name, _ = split_image(image)
    notes = []
    image_grade, text_grade, joint_grade = grades
    # A grade of what is not there would be scored all the same.
    if not (text and text.strip()) and {text_grade, joint_grade} != {None}:
        return Rejected(entry.line, "field missing", "text", "download the file again")
    if not (data or name or image_url) and {image_grade, joint_grade} != {None}:
        return Rejected(entry.line, "field missing", "image", "download the file again")
    word = text_of(category)
    found: str | None = None
    if word is not None and joint_grade is not SAFE:
        found, known = counterpart(benchmark, word, options.policy)
        if not known:
            fix = "if the source has new categories, tell the authors of this package"
            notes.append(Note(entry.line, "unknown category -> absent (joint)", word[:80], fix))
        elif found is None:
            notes.append(Note(entry.line, f"category without a counterpart: {word[:80]}"))
    kept = {key: plain(value) for key, value in (metadata or {}).items()}
    kept = {key: value for key, value in kept.items() if value not in (None, "", [], {})}
    sample = Sample(
        id=id,
        text=text.replace("\r\n", "\n") if text and text.strip() else None,
        language=language if text else None,
        image_url=image_url,
        image_grade=image_grade,
        text_grade=text_grade,
        joint_grade=joint_grade,
        joint_category=found,
        group=group,
        metadata=kept,
    )
    names = tuple(each for each in (name, image_url) if each)
    return SourceRow(entry.line, sample, names, notes=tuple(notes), image_data=data)
