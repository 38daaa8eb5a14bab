"""A model of tests that knows the gold grades of images and texts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.data import Dataset
from vlsu.models.base import ImageSource, Request
from vlsu.policy import Severity

__all__ = ["GoldModel"]


@dataclass
class GoldModel(ABC):
    """Grades by what it knows, and notes what it was asked.

    Attributes:
        images: Image -> its gold grade.
        texts: Text -> its gold grade.
    """

    dataset: Dataset
    takes_instructions: bool = field(default=False, kw_only=True)
    asked: list[Request] = field(default_factory=list, kw_only=True)
    modalities: frozenset[str] = field(default=frozenset({"image", "text", "joint"}), kw_only=True)

    def __post_init__(self) -> None:
        samples = list(self.dataset.samples())
        self.images = {s.image_sha256: s.image_grade for s in samples}
        self.texts = {s.text: s.text_grade for s in samples}

    def identity(self) -> Mapping[str, object]:
        return {}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        self.asked += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, object]:
        words = [p for m in request.messages for p in m.parts if isinstance(p, str)]
        text, image = words[-1] if words else None, next(iter(request.images), None)
        said = self.grade(image, text, request.draw)
        if isinstance(said, str):
            return {"text": said}
        return {"text": json.dumps({"severity": str(said or "safe"), "category": None})}

    @abstractmethod
    def grade(self, image: str | None, text: str | None, draw: int) -> Severity | str | None:
        """The severity of what is asked about; or, as a text, an answer that has none."""
