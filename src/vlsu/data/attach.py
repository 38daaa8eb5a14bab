"""Giving a source row its image: find the file, look at it, store it, and say what went wrong."""

from __future__ import annotations

from dataclasses import replace

from vlsu.data.image_folder import ImageFolder, Match
from vlsu.data.images import ImageStore, read_bounded
from vlsu.data.importers import Note, SourceRow
from vlsu.data.importers.record import quote
from vlsu.data.probe import ImageError, ImageFault
from vlsu.data.sample import Sample
from vlsu.errors import DataError

__all__ = ["IMAGE_FAULT", "ImageAttacher"]

#: Metadata key that says why a sample's image was not taken: ``missing`` or an `ImageFault`, and
#: the file.
IMAGE_FAULT = "image_fault"


class ImageAttacher:
    """Puts the images of source rows into a store.

    Args:
        folder: Where to look for them; `None`: nowhere.
        store: Where they go.
    """

    def __init__(self, folder: ImageFolder | None, store: ImageStore) -> None:
        self._folder = folder
        self._store = store
        self._claims: dict[str, str] = {}

    def attach(self, row: SourceRow) -> tuple[Sample, list[Note]]:
        """The row's sample, with its image if there is one that can be read, and what to note."""
        if self._folder is None:
            return _without_image(row), _not_looked_for(row)
        match = self._folder.find(row.image_sha256, ()) if row.image_sha256 else None
        match = match or self._folder.find(row.sample.id, row.image_names)
        if match is None:
            named = row.image_names[0] if row.image_names else None
            # An address says by itself that there should be an image; a file's name is kept here.
            fault = f"missing: {named}" if named and row.sample.image_url is None else None
            return _without_image(row, fault), _missing(row)
        notes = self._doubts(row, match)
        refused = None
        try:
            data = read_bounded(self._folder.root / match.path)
        except DataError as error:
            refused = error.fault if isinstance(error, ImageError) else ImageFault.UNREADABLE
        else:
            try:
                sha256 = self._store.add(data)
            except ImageError as error:
                refused = error.fault
        if refused is not None:
            sample = _without_image(row, f"{refused}: {match.path}")
            return sample, [*notes, _bad(row, match, refused)]
        if row.image_sha256 not in (None, sha256):
            kind, mend = "image differs from its stated SHA-256", "give the image that was meant"
            notes.append(Note(row.line, kind, quote(match.path), mend, problem=True))
        return replace(row.sample, image_sha256=sha256), notes

    def _doubts(self, row: SourceRow, match: Match) -> list[Note]:
        notes = []
        if match.others:
            kind, mend = "several image files fit, first taken", "keep one of them in the folder"
            notes.append(Note(row.line, kind, quote(match.path), mend, problem=True))
        name = match.file_name_of
        if name is not None and self._claims.setdefault(match.path, name) != name:
            kind, mend = "one image file for several addresses", "name the files by the rows' ids"
            notes.append(Note(row.line, kind, quote(match.path), mend, problem=True))
        return notes


def _without_image(row: SourceRow, fault: str | None = None) -> Sample:
    said: dict[str, object] = {}
    if row.image_sha256 is not None:
        said["image_sha256"] = row.image_sha256
    if fault is not None:
        said[IMAGE_FAULT] = fault
    return replace(row.sample, metadata={**row.sample.metadata, **said}) if said else row.sample


def _not_looked_for(row: SourceRow) -> list[Note]:
    if not row.image_names and row.image_sha256 is None:
        return []
    kind = "image not looked for: no images folder given; vlsu data fetch gets addresses"
    return [Note(row.line, kind)]


def _missing(row: SourceRow) -> list[Note]:
    if not row.image_names and row.image_sha256 is None:
        return [Note(row.line, "no image stated")]
    mend = "put it into the images folder, named by the row's id or as in its address"
    return [Note(row.line, "image missing", quote(row.sample.id), mend, problem=True)]


def _bad(row: SourceRow, match: Match, fault: ImageFault) -> Note:
    kind = "image unreadable" if fault is ImageFault.UNREADABLE else f"image unreadable ({fault})"
    return Note(row.line, kind, quote(match.path), "replace the file", problem=True)
