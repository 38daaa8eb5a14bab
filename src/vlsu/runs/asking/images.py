"""The images of a dataset, as models read them: encoded once, kept while memory allows."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import pybase64

from vlsu.data.images.metadata import is_bare
from vlsu.data.images.probe import EXTENSIONS
from vlsu.data.images.store import ImageStore
from vlsu.errors import DataError, MachineError
from vlsu.models.base import HEAD, Encoded, EncodedImage, ImageFile, ImageLimits, ImageSource
from vlsu.models.formats.image_limits import Change, fit

__all__ = ["DatasetImages", "HasImages", "Images", "MemoryImages"]

#: Bytes kept at most, the images' own and their base64 together, where an image is expensive to
#: get again: it was converted, or storage is slow and images are read ahead of some hundred
#: requests.
CACHE_BYTES = 64 * 2**20
#: The same where an image is read in no time. Requests that share one are next to each other, so
#: a few images are enough; more would be written to memory that lies in no processor's cache, which
#: costs as much as reading the file.
HOT_BYTES = 2 * 2**20
#: A read from memory takes a tenth of this, one from a disk or a network more; seconds.
SLOW_S = 0.002


class Images(ImageSource, Protocol):
    """Images for an executor: read one at a time, or ahead where reading is slow."""

    @property
    def slow(self) -> bool:
        """Whether it is better to `prepare` what will be wanted in a thread."""
        ...

    def prepare(self, digests: Iterable[str]) -> None:
        """Read and encode images that will be wanted soon."""
        ...


class HasImages(Protocol):
    """A dataset, or another folder with images."""

    @property
    def images(self) -> ImageStore:
        """Where they are."""
        ...


class MemoryImages:
    """Images that are at hand.

    Args:
        images: Digest -> image.
        limits: What the model takes; any other image is converted or scaled as it is read.
    """

    slow = False

    def __init__(self, images: Mapping[str, ImageFile], limits: ImageLimits | None = None) -> None:
        self._images = images
        self._limits = limits

    def read_image(self, sha256: str) -> ImageFile:
        """The image of that digest, as the model takes it.

        Raises:
            ImageError: It has to be changed and cannot be.
        """
        image = self._images[sha256]
        return image if self._limits is None else fit(image, self._limits)[0]

    def read_encoded(self, sha256: str) -> ImageFile:
        """The same."""
        return self.read_image(sha256)

    def prepare(self, digests: Iterable[str]) -> None:
        """Nothing to do."""


class DatasetImages:
    """Reads a dataset's images and keeps the ones used last.

    An image that the model takes is given unchanged but for its metadata, any other converted or
    scaled (`limits`).

    The plan brings requests that share an image next to each other, so a small cache holds. It may
    be used from several threads.

    Args:
        dataset: Whose images.
        limits: What the model takes.
        changed: Told the digest of each image that is converted or scaled, perhaps several times.
        cache_bytes: Kept at most, where an image is expensive to get again.
    """

    def __init__(
        self,
        dataset: HasImages,
        limits: ImageLimits | None = None,
        *,
        changed: Callable[[str, Change], None] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._store = dataset.images
        self._limits = limits
        self._changed = changed
        self._expensive = False
        self._most = cache_bytes
        self._used = 0
        self._kept: OrderedDict[str, ImageFile] = OrderedDict()
        self._lock = threading.Lock()
        self._mean_s = 0.0
        self._likely = ""
        self._buffer = bytearray()
        self._last: tuple[str | None, Encoded] = (None, EncodedImage("", b""))

    def read_image(self, sha256: str) -> ImageFile:
        """An image as the model takes it.

        Raises:
            DataError: It is missing or cannot be read.
        """
        with self._lock:
            if kept := self._kept.get(sha256):
                self._kept.move_to_end(sha256)
                return kept
        started = time.perf_counter()
        data, self._likely = self._store.read_typed(sha256, self._likely)
        image = ImageFile(data, EXTENSIONS[self._likely])
        if self._limits is not None:
            image, change = fit(image, self._limits)
            if change is not None:
                self._expensive = True
                if self._changed is not None:
                    self._changed(sha256, change)
        self._mean_s += (time.perf_counter() - started - self._mean_s) / 16
        size = _bytes_kept(image)
        with self._lock:
            if sha256 not in self._kept and size <= self._most:
                self._kept[sha256] = image
                self._used += size
                room = self._room
                while self._used > room and len(self._kept) > 1:
                    _, dropped = self._kept.popitem(last=False)
                    self._used -= _bytes_kept(dropped)
        return image

    def read_encoded(self, sha256: str) -> Encoded:
        """An image as the model takes it, in base64.

        Where it is read in no time and is taken as it is, only the last one is kept: requests that
        share an image follow one another, and what is not kept need not be written to memory that
        lies in no processor's cache, which costs as much as reading the file.

        Raises:
            DataError: It is missing or cannot be read.
        """
        digest, last = self._last
        if digest == sha256:
            return last
        looked_into = self._limits is not None and self._limits.max_side is not None
        if looked_into or self._expensive or self.slow or not self._mean_s:
            return self.read_image(sha256)
        with self._lock:
            started = time.perf_counter()
            size, self._likely = self._store.read_into(sha256, self._buffer, self._likely)
            media_type = EXTENSIONS[self._likely]
            head = self._buffer[:HEAD]
            if self._limits is None or (
                self._limits.accepts(media_type, size, head)
                and is_bare(media_type, self._buffer, size)
            ):
                with memoryview(self._buffer) as view:
                    image = EncodedImage(media_type, pybase64.b64encode(view[:size]))
                self._mean_s += (time.perf_counter() - started - self._mean_s) / 16
                self._last = sha256, image
                return image
        return self.read_image(sha256)

    @property
    def _room(self) -> int:
        """Bytes that may be kept now; the image read last is kept in any case."""
        return self._most if self.slow or self._expensive else min(HOT_BYTES, self._most)

    @property
    def slow(self) -> bool:
        """Whether reading an image takes so long that it is better done in a thread, ahead."""
        return self._mean_s > SLOW_S

    def prepare(self, digests: Iterable[str]) -> None:
        """Read and encode images that will be wanted soon, as far as half the room goes."""
        ahead = 0
        for sha256 in digests:
            try:
                image = self.read_image(sha256)
            except (DataError, MachineError):
                continue  # reported when the sample is asked about
            _ = image.base64
            ahead += _bytes_kept(image)
            if ahead > self._most // 2:
                return


def _bytes_kept(image: ImageFile) -> int:
    """The image and its base64, which is a third longer."""
    return len(image.data) * 7 // 3
