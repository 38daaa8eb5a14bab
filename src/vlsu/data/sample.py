"""A sample: an image, a text, and up to three gold grades."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsu.policy import Pattern, Severity

__all__ = ["IMAGE_FAULT", "Sample", "is_sha256"]

#: Metadata key under which an import records why a sample's image was not stored: ``missing`` or an
#: `vlsu.data.images.probe.ImageFault`, and the file's name.
IMAGE_FAULT = "image_fault"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: str) -> bool:
    """Whether `text` is 64 lower-case hexadecimal digits, and so safe as a file name."""
    return _SHA256.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a dataset; missing values are `None`.

    Attributes:
        id: Unique within the dataset.
        image_sha256: Lower-case hex digest of the image file's bytes; `None` if there is no image.
        image_url: Source of the image.
        image_grade: Gold severity of the image alone; likewise `text_grade` and `joint_grade`.
        image_category: Category identifier such as ``"C9"``, or `None`.
        group: Samples of one group share an image or a text and are not independent.
        metadata: All other fields of the source.
    """

    id: str
    text: str | None = None
    language: str | None = None
    image_sha256: str | None = None
    image_url: str | None = None
    image_grade: Severity | None = None
    text_grade: Severity | None = None
    joint_grade: Severity | None = None
    image_category: str | None = None
    text_category: str | None = None
    joint_category: str | None = None
    group: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def pattern(self) -> Pattern | None:
        """The pattern of the three gold grades, or `None` if one is missing."""
        if self.image_grade is None or self.text_grade is None or self.joint_grade is None:
            return None
        return Pattern(self.image_grade, self.text_grade, self.joint_grade)

    def grade(self, modality: str) -> Severity | None:
        """The gold grade of ``"image"``, ``"text"`` or ``"joint"``."""
        if modality == "joint":
            return self.joint_grade
        return {"image": self.image_grade, "text": self.text_grade}[modality]

    def category(self, modality: str) -> str | None:
        """The gold category identifier of ``"image"``, ``"text"`` or ``"joint"``."""
        if modality == "joint":
            return self.joint_category
        return {"image": self.image_category, "text": self.text_category}[modality]
