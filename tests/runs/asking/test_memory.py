"""The bytes of images in flight are bounded, not the requests alone."""

from __future__ import annotations

import asyncio

import pytest

from vlsu.errors import DataError, UsageError
from vlsu.models.base import EncodedImage, ImageFile, ImagePart, Message, Request
from vlsu.runs.asking.limits import Limits
from vlsu.runs.asking.memory import InFlightBytes, machine_memory, read_bytes

IMAGE = EncodedImage("image/png", b"x" * 1000)


class Pictures:
    """Every image is of a thousand bytes."""

    def read_image(self, sha256: str) -> ImageFile:
        return ImageFile(IMAGE.base64, IMAGE.media_type)

    def read_encoded(self, sha256: str) -> EncodedImage:
        if sha256 == "missing":
            raise DataError("no such image")
        return IMAGE


def with_images(*digests: str) -> Request:
    return Request((Message("user", (*map(ImagePart, digests), "?")),))


async def most_at_once(bound: InFlightBytes, requests: list[Request]) -> int:
    """Sends as the executor does; the most that were in flight at once."""
    count = most = 0

    async def send(request: Request) -> None:
        nonlocal count, most
        while bound.is_full:
            await bound.wait()
        held = bound.begin(request, Pictures())
        assert held is not None
        count += 1
        most = max(most, count)
        await asyncio.sleep(0)  # to connect
        for digest in request.images:
            held.read_encoded(digest)
        for _ in range(5):  # turns in which others can begin
            await asyncio.sleep(0)
        count -= 1
        held.end()

    async with asyncio.timeout(100):
        await asyncio.gather(*map(send, requests))
    return most


def test_as_many_requests_are_in_flight_as_their_images_have_room():
    bound = InFlightBytes(3500, unknown=1)
    assert asyncio.run(most_at_once(bound, [with_images("a")] * 40)) == 3
    assert (bound.held, bound.peak) == (0, 3000)


def test_two_images_take_twice_the_room():
    bound = InFlightBytes(4000, unknown=1)
    assert asyncio.run(most_at_once(bound, [with_images("a", "b")] * 20)) == 2
    assert bound.peak == 4000


def test_a_request_that_is_larger_than_the_bound_goes_alone():
    bound = InFlightBytes(10, unknown=1)
    assert asyncio.run(most_at_once(bound, [with_images("a")] * 5)) == 1
    assert bound.held == 0


def test_what_has_no_image_is_not_counted():
    assert InFlightBytes(1).begin(with_images(), Pictures()) is None


def test_an_image_that_cannot_be_read_holds_nothing_for_ever():
    bound = InFlightBytes(10, unknown=1)
    held = bound.begin(with_images("missing"), Pictures())
    assert held is not None
    with pytest.raises(DataError):
        held.read_encoded("missing")
    assert bound.is_full  # nobody knows yet how large the others are
    held.end()
    assert not bound.is_full


def test_a_model_that_reads_no_image_is_not_held_back_for_long():
    bound = InFlightBytes(10, unknown=2)
    first, second = (bound.begin(with_images("a"), Pictures()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert bound.is_full
    first.end()
    assert not bound.is_full


def test_whoever_is_let_go_and_sends_nothing_lets_the_next_one_go():
    async def run() -> None:
        bound = InFlightBytes(10, unknown=1)
        held = bound.begin(with_images("a"), Pictures())
        assert held is not None
        waiting = [asyncio.create_task(bound.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        held.end()
        await waiting[0]
        bound.pass_on()
        await waiting[1]

    asyncio.run(asyncio.wait_for(run(), 100))


def test_whoever_waits_goes_on_when_the_run_ends():
    async def run() -> None:
        bound = InFlightBytes(10, unknown=1)
        waiting = [asyncio.create_task(bound.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        bound.stop()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 100))


@pytest.mark.parametrize(
    ("written", "amount"),
    [("2GB", 2 * 10**9), ("512 MiB", 2**29), ("1.5k", 1500), ("1000", 1000), ("3gib", 3 * 2**30)],
)
def test_memory_is_written_as_people_write_it(written, amount):
    assert read_bytes(written) == amount
    assert Limits(max_memory=written).in_flight_bytes().most == amount


def test_a_share_is_of_the_machine():
    assert read_bytes("25%") == machine_memory() // 4
    assert Limits().in_flight_bytes().most == machine_memory() // 4


@pytest.mark.parametrize("written", ["", "much", "-1GB", "0", "101%", "2 PB", "1e9", "0%"])
def test_anything_else_is_refused_in_one_line(written):
    with pytest.raises(UsageError, match=r"^max-memory '.*': write it as 2GB, 512MB or 25%$"):
        Limits(max_memory=written)
