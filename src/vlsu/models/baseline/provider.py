"""The baselines as models: ``baseline/late-fusion``, ``baseline/majority``, ``baseline/random``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import reduce
from typing import NamedTuple, Protocol

from vlsu.errors import UsageError
from vlsu.models.base import (
    ImagePart,
    ImageSource,
    Model,
    Part,
    Request,
    Settings,
    answerable_severities,
)
from vlsu.models.baseline.fusion import LateFusion, late_fusion_fingerprint
from vlsu.models.baseline.grade import Grade, without_borderline, worse
from vlsu.models.baseline.trivial import Majority, Random
from vlsu.models.inprocess import Answerer, InProcessModel
from vlsu.models.processes import Parallel
from vlsu.policy import MODALITIES, Severity

__all__ = ["FusedAnswerer", "Grader", "GraderAnswerer", "baseline_model", "late_fusion"]

#: Images and texts graded in this process first: others take some seconds to load the networks.
_AFTER = 40
#: Requests answered at once: a process has something to do, and none waits long for the last one.
_BATCH = 12
#: Grades of images and texts kept: an image is usually asked about alone and in a few pairs.
_REMEMBERED = 4096
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


class _Asked(NamedTuple):
    """As `Shown`, before the image is read."""

    image: ImagePart | None
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
        asked = _asked(request)
        image = None if asked.image is None else images.read_image(asked.image.sha256).data
        return Shown(image, asked.text, asked.of_two)

    def answer_packed(self, packed: Sequence[Shown]) -> list[Mapping[str, object]]:
        """Grade each request; the answer's text is the task's JSON object.

        Raises:
            ValueError: An image cannot be decoded, or a request shows nothing.
        """
        if self._grader is None:
            self._grader = self._load()
        grades = ((self._grader.grade(each.image, each.text), each.of_two) for each in packed)
        return [_answer(self._grader.of_two(grade) if two else grade) for grade, two in grades]

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Grade each request; errors as `pack` and `answer_packed`."""
        return self.answer_packed([self.pack(request, images) for request in requests])


class FusedAnswerer:
    """Late fusion as an `vlsu.models.inprocess.Answerer`: each image and each text is graded once.

    The grade of a pair is the worse of those of its parts, so that it takes no more than to know
    these, whichever process graded them and whichever request asked first.

    Args:
        parts: Answers for images and for texts alone.
    """

    takes_instructions = False

    def __init__(self, parts: Parallel) -> None:
        self.modalities = parts.modalities
        self._parts = parts
        self._lock = threading.Lock()
        self._grades: dict[Part, Future[Grade]] = {}

    def identity(self) -> Mapping[str, object]:
        """That of the grader."""
        return self._parts.identity()

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Grade each request; several threads may call it.

        Raises:
            DataError: An image is missing.
            ValueError: An image cannot be decoded, a request shows nothing or several images.
        """
        asked = [_asked(request) for request in requests]
        shown = [[part for part in each[:2] if part is not None] for each in asked]
        if not all(shown):
            raise ValueError("neither an image nor a text to grade")
        grades = self._graded((part for parts in shown for part in parts), images)
        answers = []
        for each, parts in zip(asked, shown, strict=True):
            grade = reduce(worse, (grades[part] for part in parts))
            answers.append(_answer(without_borderline(grade) if each.of_two else grade))
        return answers

    def close(self) -> None:
        """End the processes."""
        self._parts.close()

    def _graded(self, parts: Iterable[Part], images: ImageSource) -> dict[Part, Grade]:
        """The grade of each; what another thread is about to grade is waited for."""
        found: dict[Part, Future[Grade]] = {}
        mine: dict[Part, Future[Grade]] = {}
        with self._lock:
            for part in parts:
                if part not in self._grades:
                    self._grades[part] = mine[part] = Future()
                found[part] = self._grades[part]
        try:
            self._grade(mine, images)
        except BaseException as error:
            with self._lock:
                for part in mine:  # asked for again, it is graded again
                    self._grades.pop(part, None)
            for future in mine.values():
                future.set_exception(error)
            raise
        with self._lock:
            while len(self._grades) > _REMEMBERED:
                del self._grades[next(iter(self._grades))]
        grades = {}
        for part, future in found.items():
            if future.exception() is None:
                grades[part] = future.result()
            else:  # perhaps for another part that was in hand with it
                grades |= self._graded([part], images)
        return grades

    def _grade(self, parts: Mapping[Part, Future[Grade]], images: ImageSource) -> None:
        packed = [
            Shown(images.read_image(part.sha256).data, None, of_two=False)
            if isinstance(part, ImagePart)
            else Shown(None, part, of_two=False)
            for part in parts
        ]
        if packed:
            answers = [_grade_of(answer) for answer in self._parts.answer_packed(packed)]
            for future, grade in zip(parts.values(), answers, strict=True):
                future.set_result(grade)


def late_fusion() -> GraderAnswerer:
    """What grades as ``baseline/late-fusion``.

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
    answerer: Answerer
    workers = 1
    if name == "late-fusion":
        parts = Parallel(late_fusion(), f"{__name__}:late_fusion", after=_AFTER)
        answerer, workers = FusedAnswerer(parts), parts.count
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
    return InProcessModel(f"baseline/{name}", answerer, batch_size=_BATCH, workers=workers)


def _asked(request: Request) -> _Asked:
    """What a request asks about.

    Raises:
        ValueError: It shows several images.
    """
    parts = request.messages[-1].parts
    shown = [part for part in parts if isinstance(part, ImagePart)]
    words = [part for part in parts if isinstance(part, str)]
    if len(shown) > 1:
        raise ValueError("more than one image in a request")
    of_two = Severity.BORDERLINE.label not in answerable_severities(request)
    return _Asked(shown[0] if shown else None, "\n".join(words) if words else None, of_two=of_two)


def _answer(grade: Grade) -> Mapping[str, object]:
    answer = {"severity": grade.severity.label, "category": grade.category}
    return {"text": json.dumps(answer), "p_unsafe": grade.p_unsafe, "evidence": grade.evidence}


def _grade_of(answer: Mapping[str, object]) -> Grade:
    """The grade that an answer was made of."""
    stated = json.loads(str(answer["text"]))
    p_unsafe = answer["p_unsafe"]
    assert isinstance(p_unsafe, float)
    severity = Severity.parse(stated["severity"])
    return Grade(severity, stated["category"], p_unsafe, str(answer["evidence"]))
