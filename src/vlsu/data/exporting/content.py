"""The rows of a dataset with the bytes of their images, in batches of bounded size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from vlsu._text import both_ends, one_line
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.images.metadata import is_bare
from vlsu.data.images.place import states_place
from vlsu.data.images.probe import EXTENSIONS, ImageError, probe
from vlsu.data.images.stripping import stripped
from vlsu.data.progress import Progress
from vlsu.data.rows import COLUMNS, Row, canonical
from vlsu.errors import DataError

__all__ = ["Batch", "Content", "Picture"]

#: A batch ends at this many rows, or when its images reach this many bytes.
BATCH_ROWS, BATCH_BYTES = 1000, 32 * 2**20

_SHA256 = COLUMNS.index("image_sha256")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it was added to the dataset, or without its metadata.

    Attributes:
        name: ``<sha256>.<extension of its format>``.
    """

    name: str
    data: bytes

    @property
    def extension(self) -> str:
        """Of the format, without a dot."""
        return self.name.rpartition(".")[2]


@dataclass(slots=True)
class Batch:
    """Rows and their images, `None` for a row without one."""

    rows: list[Row] = field(default_factory=list)
    pictures: list[Picture | None] = field(default_factory=list)
    image_bytes: int = 0


class Content:
    """The rows of a dataset with their images, read once, in order, in flat memory.

    Attributes:
        samples: Rows read so far.
        images: Of these, rows with an image.
        without_image: Of these, rows without one: none is known, or its file is missing.
        placed: Rows whose image, as it is given out, says where it was taken.
        stripped: Rows from whose image metadata was removed.
        converted: Of these, rows whose image had to be encoded again.
        extensions: Of the formats of the images.
    """

    def __init__(
        self, dataset: Dataset, progress: Progress | None = None, *, strip: bool = False
    ) -> None:
        """Without metadata in the images if `strip`."""
        self._dataset = dataset
        self._progress = progress
        self._strip = strip
        self._hash = hashlib.sha256()
        self.samples = self.images = 0
        self.placed = self.stripped = self.converted = 0
        self.extensions: set[str] = set()

    @property
    def content_hash(self) -> str:
        """The content hash of the rows read so far, of those of stripped images too."""
        return f"sha256:{self._hash.hexdigest()}"

    @property
    def without_image(self) -> int:
        """Rows without an image so far."""
        return self.samples - self.images

    def rows(self) -> Iterator[tuple[Row, Picture | None]]:
        """Each row with its image.

        Raises:
            DataError: An image cannot be read; the message names the sample.
        """
        store, likely = self._dataset.images, ""
        for row in self._dataset.rows():
            picture = None
            sha256 = row[_SHA256]
            if sha256 is not None and store.path(sha256) is not None:
                try:
                    data, likely = store.read_typed(sha256, likely)
                except DataError as error:
                    raise DataError(
                        f"sample {one_line(row[0])!r}: image {sha256[:12]}: {both_ends(error)};"
                        f" run vlsu data check {self._dataset.path}"
                    ) from None
                picture = self._picture(row[0], sha256, data, likely)
                row = (*row[:_SHA256], picture.name.partition(".")[0], *row[_SHA256 + 1 :])
                self.images += 1
                self.extensions.add(picture.extension)
            self._hash.update(canonical(row))
            self.samples += 1
            if self._progress is not None and self.samples % 100 == 0:
                self._progress(self.samples, len(self._dataset))
            yield row, picture

    def _picture(self, id_: str | None, sha256: str, data: bytes, extension: str) -> Picture:
        """The image as it is to be given out.

        Raises:
            DataError: Its metadata cannot be removed.
        """
        unchanged = Picture(f"{sha256}.{extension}", data)
        if is_bare(EXTENSIONS[extension], data, len(data)):
            return unchanged
        if not self._strip:
            self.placed += _states_place(data)
            return unchanged
        try:
            bare = stripped(data, extension)
        except ImageError as error:
            raise DataError(
                f"sample {one_line(id_ or '')!r}: the metadata of image {sha256[:12]} cannot be "
                f"removed ({both_ends(error)}); leave the sample out with vlsu data filter"
            ) from None
        if bare.data is data:
            return unchanged
        self.stripped += 1
        self.converted += bare.converted
        return Picture(f"{hashlib.sha256(bare.data).hexdigest()}.{bare.extension}", bare.data)

    def batches(self, rows: int = BATCH_ROWS, size: int = BATCH_BYTES) -> Iterator[Batch]:
        """The same in batches; the last may be empty if there are no rows at all."""
        batch = Batch()
        for row, picture in self.rows():
            batch.rows.append(row)
            batch.pictures.append(picture)
            batch.image_bytes += 0 if picture is None else len(picture.data)
            if len(batch.rows) >= rows or batch.image_bytes >= size:
                yield batch
                batch = Batch()
        if batch.rows or not self.samples:
            yield batch


def _states_place(data: bytes) -> bool:
    try:
        return states_place(data, probe(data))
    except ImageError:  # the check of the dataset says so
        return False
