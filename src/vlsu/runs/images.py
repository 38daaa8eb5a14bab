"""The images of a dataset, as models read them."""

from __future__ import annotations

from vlsu.data import Dataset
from vlsu.models.base import ImageFile

__all__ = ["DatasetImages"]


class DatasetImages:
    """Reads a dataset's images, unchanged."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def read_image(self, sha256: str) -> ImageFile:
        """The bytes and media type of an image.

        Raises:
            DataError: It is missing or cannot be read.
        """
        return ImageFile(self._dataset.read_image(sha256), self._dataset.media_type(sha256))
