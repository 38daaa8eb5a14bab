"""Late fusion as an answerer: the grader's answers, each image and each text graded once."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.models.base import ImageFile, ImagePart, Message, Part, Request
from vlsu.models.baseline import Grade, Random, worse
from vlsu.models.baseline.grade import without_borderline
from vlsu.models.baseline.provider import FusedAnswerer, GraderAnswerer, Shown
from vlsu.models.inprocess import InProcessModel
from vlsu.models.processes import Parallel

BROKEN = "broken"


class Drawing:
    """Grades parts by lot and pairs by the worse part; counts what it was shown."""

    def __init__(self) -> None:
        self.seen: Counter[bytes | str | None] = Counter()
        self._random = Random()

    def grade(self, image: bytes | None, text: str | None) -> Grade:
        if image is not None and text is not None:
            return worse(self.grade(image, None), self.grade(None, text))
        self.seen[text if image is None else image] += 1
        if image == BROKEN.encode():
            raise ValueError("image cannot be decoded")
        return self._random.grade(image, text)

    def of_two(self, grade: Grade) -> Grade:
        return without_borderline(grade)


class Shelf:
    """Images whose digest is their content."""

    def read_image(self, sha256: str) -> ImageFile:
        return ImageFile(sha256.encode(), "image/png")

    read_encoded = read_image


def fused(grader: Drawing) -> FusedAnswerer:
    return FusedAnswerer(Parallel(GraderAnswerer(lambda: grader, "drawing"), "", after=0, count=1))


def request(image: str | None, text: str | None, *, two: bool = False) -> Request:
    shown: list[Part | None] = [None if image is None else ImagePart(image), text]
    parts = tuple(part for part in shown if part is not None)
    levels = ["safe", "unsafe"] if two else ["safe", "borderline", "unsafe"]
    schema = {"properties": {"severity": {"enum": levels}}}
    return Request((Message("user", parts),), schema=schema)


NAMES = st.sampled_from("abcd") | st.none()
REQUESTS = st.lists(
    st.builds(
        lambda of, two: request(*of, two=two), st.tuples(NAMES, NAMES).filter(any), st.booleans()
    )
)


@given(REQUESTS, st.integers(1, 5))
def test_answers_are_the_graders_and_no_part_is_graded_twice(requests, size):
    grader = Drawing()
    answerer = fused(grader)
    batches = [requests[at : at + size] for at in range(0, len(requests), size)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda batch: answerer.answer(batch, Shelf()), batches))
    plain = GraderAnswerer(Drawing, "drawing")
    assert list(chain.from_iterable(found)) == plain.answer(requests, Shelf())
    assert set(grader.seen.values()) <= {1}


class Held:
    """Parts that are answered one call at a time, when the test lets them."""

    modalities = frozenset({"image"})

    def __init__(self) -> None:
        self.asked: list[list[str | None]] = []
        self.began, self.go = threading.Event(), threading.Event()

    def answer_packed(self, packed: Sequence[Shown]) -> list[Mapping[str, object]]:
        texts = [each.text for each in packed]
        self.asked.append(texts)
        self.began.set()
        assert self.go.wait(100)
        if "bad" in texts:
            raise ValueError("no grade")
        return GraderAnswerer(Drawing, "drawing").answer_packed(packed)


def two_at_once(parts: Any, first: list[Request], second: list[Request]) -> list[Any]:
    """What two threads get, the second asking while the parts of the first are in hand."""
    answerer = FusedAnswerer(parts)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(answerer.answer, first, Shelf())
        assert parts.began.wait(100)
        parts.began.clear()
        other = threads.submit(answerer.answer, second, Shelf())
        assert parts.began.wait(100)
        parts.go.set()
        return [future.exception(30) or future.result() for future in (one, other)]


def test_what_another_thread_grades_is_waited_for():
    parts = Held()
    shared, mine = request(None, "shared"), request(None, "mine")
    first, second = two_at_once(parts, [shared], [shared, mine])
    assert parts.asked == [["shared"], ["mine"]]
    assert second[0] == first[0]


def test_who_waited_for_a_part_that_failed_with_others_grades_it_by_itself():
    parts = Held()
    shared = request(None, "shared")
    first, second = two_at_once(parts, [shared, request(None, "bad")], [shared, request(None, "x")])
    assert str(first) == "no grade"
    assert parts.asked == [["shared", "bad"], ["x"], ["shared"]]
    assert second == FusedAnswerer(parts).answer([shared, request(None, "x")], Shelf())  # type: ignore[arg-type]


def test_who_waited_for_a_part_that_fails_is_told_of_it():
    parts = Held()
    bad = request(None, "bad")
    first, second = two_at_once(parts, [bad], [bad, request(None, "x")])
    assert [str(error) for error in (first, second)] == ["no grade", "no grade"]
    assert parts.asked == [["bad"], ["x"], ["bad"]]


def test_an_image_that_cannot_be_read_fails_its_own_requests_alone():
    images = ["a", "b", BROKEN, "c"]
    requests = [request(image, text) for text in (None, *"xyz") for image in images]
    model = InProcessModel("x/y", fused(Drawing()), batch_size=5, workers=3)

    async def ask() -> list[Any]:
        raws = await asyncio.gather(*(model.send(each, Shelf()) for each in requests))
        await model.close()
        return [raw.status for raw in raws]

    expected = [0 if image == BROKEN else 200 for _ in range(4) for image in images]
    assert asyncio.run(ask()) == expected


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (Message("user", ()), "neither an image nor a text"),
        (Message("user", (ImagePart("a"), ImagePart("b"))), "more than one image"),
    ],
)
def test_a_request_of_no_part_or_two_images_is_refused(message, error):
    with pytest.raises(ValueError, match=error):
        fused(Drawing()).answer([Request((message,))], Shelf())


def test_no_more_grades_are_kept_than_are_of_use():
    grader = Drawing()
    answerer = fused(grader)
    for number in range(5000):
        answerer.answer([request(None, str(number))], Shelf())
    for text in ("0", "4999"):
        answerer.answer([request(None, text)], Shelf())
    assert (grader.seen["0"], grader.seen["4999"]) == (2, 1)
