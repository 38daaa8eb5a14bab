"""The baselines as models: ``baseline/late-fusion``, ``baseline/majority``, ``baseline/random``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from vlsu.errors import UsageError
from vlsu.models.base import (
    ImagePart,
    ImageSource,
    Model,
    Request,
    Settings,
    answerable_severities,
)
from vlsu.models.baseline.fusion import LateFusion, late_fusion_fingerprint
from vlsu.models.baseline.grade import Grade
from vlsu.models.baseline.trivial import Majority, Random
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import MODALITIES, Severity

__all__ = ["Grader", "GraderAnswerer", "baseline_model"]

NAMES = ("late-fusion", "majority", "random")


class Grader(Protocol):
    """Whatever grades an image, a text, or both."""

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        """Grade what is given."""
        ...

    def of_two(self, grade: Grade) -> Grade:
        """A grade of its own under a policy of safe and unsafe."""
        ...


class GraderAnswerer:
    """A `Grader` as an `vlsu.models.inprocess.Answerer`: shown the bare image and text.

    Of the policy it sees only whether there is borderline, by the schema of the request.

    Args:
        load: Makes the grader; called in the worker thread, when the first request comes.
        fingerprint: What decides the grader's answers beside the content.
    """

    takes_instructions = False

    def __init__(self, load: Callable[[], Grader], fingerprint: str) -> None:
        self.modalities = frozenset(MODALITIES)
        self._load = load
        self._fingerprint = fingerprint
        self._grader: Grader | None = None

    def identity(self) -> Mapping[str, object]:
        """The fingerprint."""
        return {"fingerprint": self._fingerprint}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Grade each request; the answer's text is the task's JSON object.

        Raises:
            ValueError: An image cannot be decoded, or a request shows nothing.
        """
        if self._grader is None:
            self._grader = self._load()
        return [_answer(self._grader, request, images) for request in requests]


def baseline_model(name: str, settings: Settings) -> Model:
    """Embedded graders, no server and no key: late-fusion, majority, random.

    `settings.seed` seeds ``random``; the parameter ``severity`` is what ``majority`` answers.

    Raises:
        UsageError: There is no baseline of that name, or it has no such parameter.
        MissingExtraError: ``late-fusion`` without the extra ``baseline``.
        PolicyError: The parameter ``severity`` is none.
    """
    params = dict(settings.params)
    answerer: GraderAnswerer
    if name == "late-fusion":
        answerer = GraderAnswerer(LateFusion, late_fusion_fingerprint())
    elif name == "majority":
        stated = params.pop("severity", None)
        majority = Majority(None if stated is None else Severity.parse(str(stated)))
        answerer = GraderAnswerer(lambda: majority, majority.fingerprint())
    elif name == "random":
        drawing = Random(settings.seed or 0)
        answerer = GraderAnswerer(lambda: drawing, drawing.fingerprint())
    else:
        raise UsageError(f"no model baseline/{name}; use {', '.join(NAMES)}")
    if params:
        raise UsageError(f"baseline/{name} has no parameter {min(params)!r}")
    return InProcessModel(f"baseline/{name}", answerer)


def _answer(grader: Grader, request: Request, images: ImageSource) -> Mapping[str, object]:
    parts = request.messages[-1].parts
    shown = [images.read_image(part.sha256).data for part in parts if isinstance(part, ImagePart)]
    words = [part for part in parts if isinstance(part, str)]
    if len(shown) > 1:
        raise ValueError("more than one image in a request")
    grade = grader.grade(shown[0] if shown else None, "\n".join(words) if words else None)
    if Severity.BORDERLINE.label not in answerable_severities(request):
        grade = grader.of_two(grade)
    answer = {"severity": grade.severity.label, "category": grade.category}
    return {"text": json.dumps(answer), "p_unsafe": grade.p_unsafe, "evidence": grade.evidence}
