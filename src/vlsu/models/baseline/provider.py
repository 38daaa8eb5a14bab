"""The baselines as models: ``baseline/late-fusion``, ``baseline/majority``, ``baseline/random``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

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
from vlsu.models.processes import Parallel
from vlsu.policy import MODALITIES, Severity

__all__ = ["Grader", "GraderAnswerer", "baseline_model"]

#: Requests graded in this process first: other ones take some seconds to load the networks.
_AFTER = 60
#: Requests handed to a process at once: of a few samples, so that those that show one image come to
#: one process, which grades it once.
_BATCH = 12
NAMES = ("late-fusion", "majority", "random")


class Grader(Protocol):
    """Whatever grades an image, a text, or both."""

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        """Grade what is given."""
        ...

    def of_two(self, grade: Grade) -> Grade:
        """A grade of its own under a policy of safe and unsafe."""
        ...


class Shown(NamedTuple):
    """What a request shows a grader, and whether its policy has no borderline."""

    image: bytes | None
    text: str | None
    of_two: bool


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

    def pack(self, request: Request, images: ImageSource) -> Shown:
        """What a request shows.

        Raises:
            ValueError: It shows several images.
        """
        parts = request.messages[-1].parts
        shown = [images.read_image(p.sha256).data for p in parts if isinstance(p, ImagePart)]
        words = [part for part in parts if isinstance(part, str)]
        if len(shown) > 1:
            raise ValueError("more than one image in a request")
        of_two = Severity.BORDERLINE.label not in answerable_severities(request)
        return Shown(
            shown[0] if shown else None, "\n".join(words) if words else None, of_two=of_two
        )

    def answer_packed(self, packed: Sequence[Shown]) -> list[Mapping[str, object]]:
        """Grade each request; the answer's text is the task's JSON object.

        Raises:
            ValueError: An image cannot be decoded, or a request shows nothing.
        """
        if self._grader is None:
            self._grader = self._load()
        return [_answer(self._grader, shown) for shown in packed]

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Grade each request; errors as `pack` and `answer_packed`."""
        return self.answer_packed([self.pack(request, images) for request in requests])


def late_fusion() -> GraderAnswerer:
    """What answers as ``baseline/late-fusion``.

    Raises:
        MissingExtraError: The extra ``baseline`` is not installed.
    """
    return GraderAnswerer(LateFusion, late_fusion_fingerprint())


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
    parallel: Parallel | None = None
    if name == "late-fusion":
        answerer = late_fusion()
        parallel = Parallel(answerer, f"{__name__}:late_fusion", after=_AFTER)
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
    if parallel is not None:
        return InProcessModel(
            f"baseline/{name}", parallel, batch_size=_BATCH, workers=parallel.count
        )
    return InProcessModel(f"baseline/{name}", answerer)


def _answer(grader: Grader, shown: Shown) -> Mapping[str, object]:
    grade = grader.grade(shown.image, shown.text)
    if shown.of_two:
        grade = grader.of_two(grade)
    answer = {"severity": grade.severity.label, "category": grade.category}
    return {"text": json.dumps(answer), "p_unsafe": grade.p_unsafe, "evidence": grade.evidence}
