"""Attaching images to source rows: finding, checking and storing them, with notes on problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlsu._text import one_line, quoted
from vlsu.data.images.folder import FileState, ImageFolder, Match
from vlsu.data.images.inline import inline_image
from vlsu.data.images.probe import ImageError, ImageFault
from vlsu.data.images.store import ImageStore
from vlsu.data.importers import Note, SourceRow, SourceRows
from vlsu.data.importers.record import shown_name
from vlsu.data.sample import IMAGE_FAULT, Sample
from vlsu.errors import DataError

__all__ = ["ImageAttacher"]

#: Files whose hash is remembered, so that they are not read again.
REMEMBERED = 50_000
#: Shown instead of a file name for an image that is embedded in its row.
_IN_ROW = "the image in the row"
_AT_ADDRESS = Note(0, "image not fetched: run vlsu data fetch, or give its folder with --images")
#: A path or a hash leads nowhere without a folder.
_NOT_SEARCHED = Note(
    0,
    "image not searched for: give its folder with --images",
    fix="or leave --strict out",
    problem=True,
)


@dataclass(frozen=True, slots=True)
class _Found:
    """The file found for a row's image, and notes on how it was found."""

    match: Match
    notes: tuple[Note, ...] = ()


class ImageAttacher:
    """Stores the images of source rows.

    Args:
        folder: The folder to search; `None` for embedded images only.
        store: The image store of the dataset.
        implied: Whether the user did not name the folder, so that images with an address may be
            missing there.
    """

    def __init__(
        self, folder: ImageFolder | None, store: ImageStore, *, implied: bool = False
    ) -> None:
        self._folder = folder
        self._store = store
        self._implied = implied
        self._claims: dict[str, str] = {}
        self._stored_files: dict[FileState, str] = {}

    def attach(self, row: SourceRow) -> tuple[Sample, list[Note]]:
        """The row's sample, with its image if one can be read, and notes.

        An image in the row, as bytes, a data URI or in base64, has precedence. Files are tried in
        this order: the stated path; a file named by the stated hash; a file with the name in the
        address; and, only if no path is stated, a file named by the row's id. A stated path without
        a file is noted.
        """
        if row.image_data is not None:
            return self._stored(row, _IN_ROW, row.image_data, [])
        for name in row.image_names:
            try:
                data = inline_image(name)
            except ImageError as error:
                return self._refused(row, _IN_ROW, error, [])
            if data is not None:
                return self._stored(_without_inline(row, name), _IN_ROW, data, [])
        if self._folder is None:
            return _without_image(row), _not_searched(row)
        found = self._find(row, self._folder)
        if found is None and self._implied and row.sample.image_url is not None:
            return _without_image(row), _not_searched(row)
        if found is None:
            named = row.image_names[0] if row.image_names else None
            # An address in the sample shows that there should be an image; a file name is recorded.
            unrecorded = named and row.sample.image_url is None
            fault = f"missing: {one_line(named)}" if unrecorded else None
            return _without_image(row, fault), _missing(row)
        notes = [*found.notes, *self._doubts(row, found.match)]
        path = found.match.path
        try:
            state, data = self._folder.read_once(path, self._stored_files)
        except DataError as error:
            return self._refused(row, path, error, notes)
        try:
            sha256 = self._stored_files.get(state) or self._store.add(data)
        except ImageError as error:
            return self._refused(row, path, error, notes)
        # Rows share images, and files that are hard links share their bytes: read and hashed once.
        while len(self._stored_files) >= REMEMBERED:
            del self._stored_files[next(iter(self._stored_files))]
        self._stored_files[state] = sha256
        return _attached(row, path, sha256, notes)

    def notes_on(self, rows: SourceRows) -> list[tuple[Note, Sequence[int]]]:
        """Notes on rows that came together, of which no image is looked for, as they have them."""
        stated, url = (rows.frame[name].is_not_null() for name in ("image", "image_url"))
        noted = ((_AT_ADDRESS, url), (_NOT_SEARCHED, stated & ~url))
        return [(note, on.arg_true().to_list()) for note, on in noted if on.any()]

    def _find(self, row: SourceRow, folder: ImageFolder) -> _Found | None:
        paths = [name for name in row.image_names if "://" not in name]
        addresses = [name for name in row.image_names if "://" in name]
        for path in paths:
            if match := folder.find_path(path):
                notes = (_elsewhere(row, path),) if match.elsewhere else ()
                return _Found(match, notes)
        unresolved = tuple(_unresolved(row, path) for path in paths)
        if row.image_sha256 and (match := folder.find_id(row.image_sha256)):
            return _Found(match, unresolved)
        for address in addresses:
            if match := folder.find_address(address):
                return _Found(match, unresolved)
        if not paths and (match := folder.find_id(row.sample.id)):
            return _Found(match)
        return None

    def _stored(
        self, row: SourceRow, name: str, data: bytes, notes: list[Note]
    ) -> tuple[Sample, list[Note]]:
        try:
            sha256 = self._store.add(data)
        except ImageError as error:
            return self._refused(row, name, error, notes)
        return _attached(row, name, sha256, notes)

    def _refused(
        self, row: SourceRow, name: str, error: DataError, notes: list[Note]
    ) -> tuple[Sample, list[Note]]:
        fault = error.fault if isinstance(error, ImageError) else ImageFault.UNREADABLE
        kind = "image unreadable"
        if fault is not ImageFault.UNREADABLE:
            kind += f" ({fault})"
        reason = error.detail if isinstance(error, ImageError) else str(error)
        value = f"{quoted(name)}: {one_line(reason)}"
        note = Note(row.line, kind, value, "replace the file", problem=True)
        return _without_image(row, f"{fault}: {one_line(name)}"), [*notes, note]

    def _doubts(self, row: SourceRow, match: Match) -> list[Note]:
        notes = []
        if match.others:
            kind, fix = "several image files fit, first taken", "keep one of them in the folder"
            notes.append(Note(row.line, kind, quoted(match.path), fix, problem=True))
        name = match.file_name_of
        if name is not None and self._claims.setdefault(match.path, name) != name:
            kind, fix = "one image file for several addresses", "name the files by the rows' ids"
            notes.append(Note(row.line, kind, quoted(match.path), fix, problem=True))
        return notes


def _attached(
    row: SourceRow, name: str, sha256: str, notes: list[Note]
) -> tuple[Sample, list[Note]]:
    if row.image_sha256 not in (None, sha256):
        kind, fix = "image differs from its stated SHA-256", "give the image that was meant"
        notes.append(Note(row.line, kind, quoted(name), fix, problem=True))
    return replace(row.sample, image_sha256=sha256), notes


def _without_inline(row: SourceRow, image: str) -> SourceRow:
    """The row without the encoded image, which is now a file of the dataset."""
    sample = row.sample
    metadata = {key: value for key, value in sample.metadata.items() if value != image}
    url = None if sample.image_url == image else sample.image_url
    return replace(row, sample=replace(sample, metadata=metadata, image_url=url))


def _without_image(row: SourceRow, fault: str | None = None) -> Sample:
    recorded: dict[str, object] = {}
    if row.image_sha256 is not None:
        recorded["image_sha256"] = row.image_sha256
    if fault is not None:
        recorded[IMAGE_FAULT] = fault
    return (
        replace(row.sample, metadata={**row.sample.metadata, **recorded})
        if recorded
        else row.sample
    )


def _not_searched(row: SourceRow) -> list[Note]:
    if not row.image_names and row.image_sha256 is None:
        return []
    at_address = row.sample.image_url is not None
    return [replace(_AT_ADDRESS if at_address else _NOT_SEARCHED, line=row.line)]


def _missing(row: SourceRow) -> list[Note]:
    if not row.image_names and row.image_sha256 is None:
        return [Note(row.line, "no image stated")]
    fix = "put it into the images folder, at the path that the row states"
    value = row.image_names[0] if row.image_names else row.sample.id
    if "://" in value:
        fix = "fetch it with vlsu data fetch, or put it into the images folder, named by its id"
    return [Note(row.line, "image missing", shown_name(value, 80), fix, problem=True)]


def _unresolved(row: SourceRow, path: str) -> Note:
    kind = "no image at the stated path, another taken"
    return Note(row.line, kind, shown_name(path), "fix the path", problem=True)


def _elsewhere(row: SourceRow, path: str) -> Note:
    kind = "image found in another folder than stated, by its file name"
    return Note(row.line, kind, shown_name(path), "fix the path, or the folders", problem=True)
