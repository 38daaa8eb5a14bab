"""Thumbnails that a server has made: scrolling back, or another filter, shows the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

__all__ = ["KeptPictures"]

#: Characters of thumbnails kept at most.
_ROOM = 64_000_000

Picture = Mapping[str, object]


class KeptPictures:
    """Makes each thumbnail once, as long as there is room; those that were shown last are kept.

    Args:
        make: Hashes of images, and characters of thumbnails at most -> the thumbnails of the first
            of them, as far as they fit.
        room: Characters of thumbnails kept at most.
    """

    def __init__(
        self,
        make: Callable[[Iterable[str], int], Mapping[str, Picture]],
        room: int = _ROOM,
    ) -> None:
        self._make = make
        self._room = room
        self._kept: dict[str, Picture] = {}  # those shown last at the end
        self._size = 0
        self._lock = Lock()  # requests are answered in threads

    def of(self, images: Iterable[str], room: int) -> dict[str, Picture]:
        """The thumbnails of these images by hash, those first that matter most.

        Args:
            images: Hashes.
            room: Characters of thumbnails at most; what comes after has none and is left out.
        """
        wanted = list(images)
        with self._lock:
            found = {image: self._kept[image] for image in wanted if image in self._kept}
        left = room - sum(map(_size, found.values()))
        missing = [image for image in wanted if image not in found]
        if missing and left > 0:
            found |= self._make(missing, left)
        shown: dict[str, Picture] = {}
        for image in wanted:
            if image in found and room >= (size := _size(found[image])):
                room -= size
                shown[image] = found[image]
        self._keep(shown)
        return shown

    def _keep(self, shown: Mapping[str, Picture]) -> None:
        with self._lock:
            for image, picture in shown.items():
                self._size -= _size(self._kept.pop(image, {}))
                self._kept[image] = picture
                self._size += _size(picture)
            while self._size > self._room:
                self._size -= _size(self._kept.pop(next(iter(self._kept))))


def _size(picture: Picture) -> int:
    return len(str(picture.get("uri") or ""))
