"""What both HTTP clients make of answers as servers write them, byte for byte, over a socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import tls
from tests.support.values import present
from vlsu.errors import DataError
from vlsu.models.http import direct
from vlsu.models.http.client import HttpClient, is_simple_http
from vlsu.models.http.rate_limits import retry_after_s

T = TypeVar("T")
Behaviour = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One request on one connection, as the server saw it."""

    def __init__(self, head: bytes, body: bytes, number: int, writer: asyncio.StreamWriter):
        self.head, self.body, self.number, self.writer = head, body, number, writer


class Server:
    """Answers each request on each connection as `behave` writes it."""

    def __init__(self, behave: Behaviour, *, host: str = "127.0.0.1", context=None, reads=True):
        self.behave = behave
        self.host = host
        self.context = context or tls.current
        self.reads = reads
        self.connections = 0
        self.visits: list[Visit] = []
        self.serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0.005)  # most have seen by then that the client is gone
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await asyncio.sleep(0)  # connections close in the loop's next round

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://{host}:{self.port}/v1/chat/completions"

    async def _serve(self, reader, writer) -> None:
        self.connections += 1
        task = present(asyncio.current_task())
        self.serving.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length) if self.reads else b""
                visit = Visit(head, body, len(self.visits), writer)
                self.visits.append(visit)
                await self.behave(visit)
                await writer.drain()
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self.serving.discard(task)
            writer.transport.abort() if writer.is_closing() else writer.close()


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """As a run is: on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def says(*pieces: bytes, close: bool = False, pause: float = 0.0) -> Behaviour:
    """Writes these bytes, perhaps apart in time, and perhaps closes."""

    async def behave(visit: Visit) -> None:
        for piece in pieces:
            visit.writer.write(piece)
            if pause:
                await visit.writer.drain()
                await asyncio.sleep(pause)
        if close:
            visit.writer.close()

    return behave


def whole(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


BODY = b'{"answer": "\xc3\xa9"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)


def posting(
    behave: Behaviour, times: int = 1, *, timeout_s: float = 100.0, pause: float = 0.0, loop=in_loop
):
    """Posts so many times in turn; what came back, and the server."""

    def parts(n: int) -> list[bytes]:
        return [b"ab", b"c%d" % n]

    async def run():
        async with Server(behave) as server:
            http = HttpClient(server.url, {"X-Key": "k"}, timeout_s)
            answers = []
            for n in range(times):
                if n and pause:
                    await asyncio.sleep(pause)
                    for _ in range(20):  # turns in which both ends see what is due, however late
                        await asyncio.sleep(0)
                answers.append(await http.post(partial(parts, n)))
            await http.close()
        return answers, server

    return loop(run())


# What is sent


def test_on_the_event_loop_of_the_standard_library_too(client):
    """Who calls from a notebook or a script of their own may have that one."""
    answers, server = posting(says(whole(BODY)), times=3, loop=asyncio.run)
    assert [(raw.status, raw.body) for raw, _ in answers] == [(200, BODY)] * 3
    assert server.connections == 1


def test_a_request_is_one_post_with_its_pieces_in_order(client):
    [(raw, _)], server = posting(says(whole(BODY)))
    assert (raw.status, raw.body) == (200, BODY)
    assert raw.latency_s > 0
    [visit] = server.visits
    lines = visit.head.decode().lower().split("\r\n")
    assert lines[0] == "post /v1/chat/completions http/1.1"
    assert f"host: 127.0.0.1:{server.port}" in lines
    assert "x-key: k" in lines
    assert any(line.startswith("user-agent: vlsu/") for line in lines)
    assert visit.body == b"abc0"


def test_a_large_body_goes_out_whole():
    pieces = [b"x" * 100, bytes(range(256)) * 40_000, b"y"]
    expected = b"".join(pieces)

    async def run():
        async with Server(says(whole(BODY))) as server:
            http = HttpClient(server.url, {}, 10)
            raw, _ = await http.post(lambda: pieces)
            await http.close()
        return raw, server.visits[0].body

    raw, received = in_loop(run())
    assert raw.status == 200
    assert received == expected


def test_path_and_query_are_kept():
    async def run():
        async with Server(says(whole(BODY))) as server:
            url = server.url + "?api-version=2024-10-21&x=%20"
            assert is_simple_http(url)
            http = HttpClient(url, {}, 10)
            await http.post(lambda: [b"{}"])
            await http.close()
        return server.visits[0].head

    line = in_loop(run()).partition(b"\r\n")[0]
    assert line == b"POST /v1/chat/completions?api-version=2024-10-21&x=%20 HTTP/1.1"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address():
    async def run():
        async with Server(says(whole(BODY)), host="::1") as server:
            assert is_simple_http(server.url)
            http = HttpClient(server.url, {}, 10)
            raw, _ = await http.post(lambda: [b"{}"])
            await http.close()
        return raw, server

    try:
        raw, server = in_loop(run())
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert raw.status == 200
    assert f"host: [::1]:{server.port}" in server.visits[0].head.decode().lower()


# Answers that count


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(whole(BODY)), id="length"),
        pytest.param(says(CHUNKED + b"\r\n"), id="chunks"),
        pytest.param(says(CHUNKED + b"X-Trailer: 1\r\n\r\n"), id="chunks and a trailer"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, close=True), id="until it closes"),
        pytest.param(says(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, close=True), id="HTTP/1.0"),
        pytest.param(says(whole(BODY, Connection="close"), close=True), id="closes after it"),
        pytest.param(says(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(BODY)), id="100 before it"),
        pytest.param(says(b"HTTP/1.1 200\r\nContent-Length: 16\r\n\r\n" + BODY), id="no reason"),
    ],
)
def test_an_answer_is_read_however_it_is_framed(client, answer):
    answers, _ = posting(answer, times=3)
    assert [(raw.status, raw.body) for raw, _ in answers] == [(200, BODY)] * 3


@given(cuts=st.lists(st.integers(1, len(CHUNKED) + 1), max_size=8), close=st.booleans())
@settings(max_examples=25, deadline=None)
def test_an_answer_may_come_in_any_pieces(cuts, close):
    text = CHUNKED + b"\r\n"
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    [(raw, _)], _ = posting(says(*pieces, close=close, pause=0.0005))
    assert (raw.status, raw.body) == (200, BODY)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "500 Oops"])
def test_an_answer_without_a_body(client, status):
    [(raw, _)], _ = posting(says(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))
    assert (raw.status, raw.body) == (int(status[:3]), b"")


def test_headers_are_found_in_any_case_and_the_first_counts(client):
    answer = whole(BODY, Retry_After="7", X_RateLimit_Remaining="3")
    [(_, header)], _ = posting(says(answer))
    assert header("retry-after") == header("Retry-After") == "7"
    assert header("x-ratelimit-remaining") == "3"
    assert header("nothing") is None


def test_a_packed_answer_is_unpacked(client):
    for name, packed in (
        ("gzip", gzip.compress(BODY)),
        ("X-Gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ):
        [(raw, _)], server = posting(says(whole(packed, Content_Encoding=name)))
        assert (raw.status, raw.body) == (200, BODY), name
        asked_for = b"identity" if client == "plain" else b"gzip"
        assert b"accept-encoding: %b\r\n" % asked_for in server.visits[0].head.lower()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 \xe9\xff\x9b\r\n", id="in the reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: \xe9\xff\r\n", id="in a header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nRetry-After: \xff\r\n", id="in Retry-After"),
    ],
)
def test_bytes_that_are_no_ascii_cost_no_answer(client, head):
    [(raw, header)], _ = posting(says(head + b"Content-Length: 2\r\n\r\n{}"))
    assert (raw.status, raw.body) == (200, b"{}")
    assert retry_after_s(header, 0.0) is None


def test_a_trailer_is_no_header(client):
    [(raw, header)], _ = posting(says(CHUNKED + b"Retry-After: 7\r\n\r\n"))
    assert raw.body == BODY
    assert header("retry-after") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_the_key_nowhere(client, status):
    async def run():
        async with Server(says(whole(BODY))) as elsewhere:
            answer = whole(b"", f"{status} Moved", Location=elsewhere.url)
            async with Server(says(answer)) as server:
                http = HttpClient(server.url, {"Authorization": "Bearer k"}, 10)
                raw, _ = await http.post(lambda: [b"{}"])
                await http.close()
                return raw, server.visits, elsewhere.connections

    raw, visits, connections = in_loop(run())
    assert raw.status == status
    assert len(visits) == 1
    assert connections == 0


# Answers that do not


@pytest.mark.parametrize("status", ["000", "042", "099", "42", "-200", "2000", "600", "999", "abc"])
def test_a_status_below_100_or_above_599_is_malformed(client, status):
    """Nought above all, which stands for no answer within this package."""
    [(raw, _)], _ = posting(says(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}".encode()))
    assert raw.status == 0
    assert raw.body.startswith(b"malformed: ")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"),
        pytest.param(b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="HTTP/2 in text"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n", id="a folded header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n\r\n", id="a null byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: a\rSet: b\r\n\r\n", id="half a line end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A : a\r\n\r\n", id="a blank before a colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", id="negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}", id="length in words"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}", id="long length"
        ),
        pytest.param(whole(BODY)[:-3], id="a length too long"),
        pytest.param(CHUNKED, id="no last chunk"),
        pytest.param(CHUNKED.replace(b"\r\n5\r\n", b"\r\n-5\r\n"), id="a negative chunk"),
        pytest.param(CHUNKED.replace(b"\r\n5\r\n", b"\r\n" + b"f" * 20), id="an endless chunk"),
        pytest.param(whole(BODY, Content_Encoding="br"), id="br"),
        pytest.param(whole(BODY, Content_Encoding="zstd"), id="zstd"),
        pytest.param(whole(BODY, Content_Encoding="gzip, gzip"), id="gzip twice"),
        pytest.param(whole(BODY, Content_Encoding="\x1b[31m"), id="control characters"),
        pytest.param(
            whole(gzip.compress(BODY) + b"\0\0", Content_Encoding="gzip"), id="junk after gzip"
        ),
        pytest.param(
            whole(gzip.compress(b"{") + gzip.compress(b"}"), Content_Encoding="gzip"),
            id="gzip after gzip",
        ),
    ],
)
def test_what_is_no_answer_of_http_is_malformed_with_both_clients(client, answer):
    [(raw, _)], _ = posting(says(answer, close=True))
    assert raw.status == 0
    said = raw.body.decode()
    assert said.startswith(("malformed: ", "broken: "))
    assert said.isprintable()


def test_two_lengths_of_one_answer_are_never_mixed_up(client):
    """Length and chunks at once is how answers are smuggled: refused, or the chunks count."""
    both = CHUNKED.replace(b"Transfer", b"Content-Length: 3\r\nTransfer") + b"\r\n"
    [(raw, _)], _ = posting(says(both, close=True))
    assert raw.body == BODY or raw.body.startswith(b"malformed: ")


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        (
            says(whole(BODY, Content_Encoding="br")),
            "malformed",
            "encoding that was not asked for",
        ),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "malformed", "head has no end"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), "", ""),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), "malformed", ""),
        (says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nab"), "", ""),
        (says(b"HTTP/1.1 200 OK\r\nContent-Le", close=True), "broken", "closed without an answer"),
        (says(close=True), "broken", "closed without an answer"),
        (says(whole(BODY)[:-3], close=True), "malformed", "ends before it should"),
        (says(CHUNKED, close=True), "malformed", "ends before it should"),
    ],
)
def test_what_is_no_answer_is_never_taken_for_one(behaviour, kind, said):
    started = time.monotonic()
    [(raw, _)], _ = posting(behaviour)
    assert raw.status == 0
    assert raw.body.decode().startswith(kind or "malformed")
    assert said in raw.body.decode()
    assert time.monotonic() - started < 50  # at once, not when the time is over


def test_the_time_is_over_for_each_request_by_itself():
    """One timer serves all requests in flight: each still ends in its own time, not before."""

    async def never(visit):
        if visit.body.endswith(b"slow"):
            await asyncio.sleep(600)
        visit.writer.write(whole(BODY))

    async def run():
        async with Server(never) as server:
            http = HttpClient(server.url, {}, 4.0)

            async def timed(after, body):
                await asyncio.sleep(after)
                started = time.monotonic()
                raw, _ = await http.post(lambda: [body])
                return raw, time.monotonic() - started

            slow = [timed(0.4 * n, b"slow") for n in range(5)]
            quick = [timed(0.2 * n, b"quick") for n in range(20)]
            results = await asyncio.gather(*slow, *quick)
            after, _ = await http.post(lambda: [b"quick"])
            await http.close()
        return results[:5], results[5:], after

    slow, quick, after = in_loop(run())
    assert all(raw.body == b"timeout: no full answer within 4 s" for raw, _ in slow)
    assert all(3.99 <= took < 60 for _, took in slow)
    assert all(raw.status == 200 for raw, _ in quick)
    assert after.status == 200


# Connections


def test_a_connection_is_used_again(client):
    answers, server = posting(says(whole(BODY)), times=5)
    assert [raw.status for raw, _ in answers] == [200] * 5
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        says(whole(BODY, Connection="close")),
        says(whole(BODY) + b"HTTP/1.1 200 OK\r\n"),  # more than was asked for
        says(whole(BODY) + b"garbage"),
        says(b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),
    ],
)
def test_a_connection_that_may_not_go_on_is_not_used_again(answer):
    answers, server = posting(answer, times=3, pause=0.02)
    assert [(raw.status, raw.body) for raw, _ in answers] == [(200, BODY)] * 3
    assert server.connections == 3


def test_a_connection_closed_while_idle_costs_no_request(client):
    async def close_a_little_later(visit):
        visit.writer.write(whole(BODY))
        asyncio.get_running_loop().call_later(0.02, visit.writer.close)

    answers, server = posting(close_a_little_later, times=3, pause=0.05)
    assert [raw.status for raw, _ in answers] == [200] * 3
    assert server.connections == 3


def test_words_on_an_idle_connection_end_it():
    async def go_on_talking(visit):
        visit.writer.write(whole(BODY))
        timeout = whole(b"", "408 Request Timeout")
        asyncio.get_running_loop().call_later(0.02, visit.writer.write, timeout)

    answers, server = posting(go_on_talking, times=3, pause=0.1)
    assert [raw.status for raw, _ in answers] == [200] * 3
    assert server.connections == 3


def test_an_old_connection_is_not_used_again(monkeypatch):
    monkeypatch.setattr(direct, "IDLE_S", 0.05)
    answers, server = posting(says(whole(BODY)), times=3, pause=0.1)
    assert [raw.status for raw, _ in answers] == [200] * 3
    assert server.connections == 3


def test_an_answer_before_the_request_is_read_counts_and_ends_the_connection():
    """As servers refuse a body that is too large: they answer, and read no more of it."""
    body = b"x" * 32 * 2**20

    async def refuse(visit):
        visit.writer.write(whole(b"too large", "413 Content Too Large"))
        await visit.writer.drain()
        await asyncio.sleep(600)

    async def run():
        async with Server(refuse, reads=False) as server:
            http = HttpClient(server.url, {}, 100)
            raws = [(await http.post(lambda: [body]))[0] for _ in range(2)]
            await http.close()
        return raws, server.connections

    raws, connections = in_loop(run())
    assert [(raw.status, raw.body) for raw in raws] == [(413, b"too large")] * 2
    assert connections == 2


def test_a_refusal_counts_though_the_server_closes_before_the_request_is_read(client):
    body = b"x" * 8 * 2**20

    async def run():
        async with Server(
            says(whole(b"too large", "413 Content Too Large"), close=True), reads=False
        ) as server:
            http = HttpClient(server.url, {}, 100)
            started = time.monotonic()
            raw, _ = await http.post(lambda: [body])
            await http.close()
            return raw, time.monotonic() - started

    raw, took = in_loop(run())
    # The kernel may drop what was answered with the connection; waiting for more is of no use.
    assert (raw.status, raw.body) == (413, b"too large") or raw.body.startswith(b"broken: ")
    assert took < 50


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n" + BODY, b"HTTP/1.1 200 OK\r\n"])
def test_a_server_that_closes_its_side_and_reads_no_more_is_not_waited_for(answer):
    """Its side alone: what is left to send would wait for ever."""

    async def half_close(visit):
        visit.writer.write(answer)
        visit.writer.write_eof()
        await asyncio.sleep(600)

    async def run():
        async with Server(half_close, reads=False) as server:
            http = HttpClient(server.url, {}, 100)
            started = time.monotonic()
            raw, _ = await http.post(lambda: [b"x" * 32 * 2**20])
            await http.close()
            return raw, time.monotonic() - started

    raw, took = in_loop(run())
    assert raw.body in (BODY, b"broken: the connection was closed without an answer")
    assert took < 50


def test_who_gives_up_waiting_closes_the_connection():
    async def silence(visit):
        await asyncio.sleep(60)

    async def run():
        async with Server(silence) as server:
            http = HttpClient(server.url, {}, 60)
            task = asyncio.create_task(http.post(lambda: [b"{}"]))
            while not server.visits:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.behave = says(whole(BODY))
            raw, _ = await http.post(lambda: [b"{}"])
            await http.close()
        return raw, server.connections

    raw, connections = in_loop(run())
    assert raw.status == 200
    assert connections == 2


def test_a_body_that_cannot_be_made_is_no_fault_of_the_network_and_costs_no_connection(client):
    def no_image():
        raise DataError("the image is missing")

    async def run():
        async with Server(says(whole(BODY))) as server:
            http = HttpClient(server.url, {}, 10)
            statuses: list[int | None] = []
            for make in (no_image, lambda: [b"{}"], no_image, lambda: [b"{}"]):
                try:
                    statuses.append((await http.post(make))[0].status)
                except DataError:
                    statuses.append(None)
            await http.close()
        return statuses, server

    statuses, server = in_loop(run())
    assert statuses == [None, 200, None, 200]
    assert len(server.visits) == 2
    assert server.connections == 1


def test_the_latency_is_counted_from_sending():
    def slow():
        time.sleep(0.3)
        return [b"{}"]

    async def run():
        async with Server(says(whole(BODY))) as server:
            http = HttpClient(server.url, {}, 100)
            began = time.monotonic()
            raw, _ = await http.post(slow)
            whole_s = time.monotonic() - began
            await http.close()
        return raw.latency_s, whole_s

    latency_s, whole_s = in_loop(run())
    assert 0 < latency_s <= whole_s - 0.3


def test_a_client_outlives_its_event_loop():
    """A model is one object for several runs, and each has a loop of its own."""
    clients: dict[Any, Any] = {}

    def once():
        async def run():
            async with Server(says(whole(BODY))) as server:
                http = clients.setdefault("http", HttpClient(server.url, {}, 10))
                http._url = server.url
                raw, _ = await http.post(lambda: [b"{}"])
                if len(clients) == 1:
                    await http.close()
                return raw

        return in_loop(run())

    assert once().status == once().status == 200


# Which client


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/chat/completions",
        "http://user:secret@127.0.0.1:8000/v1",
        "http://127.0.0.1:8000/v1/mod\u00e8le",
        "http://127.0.0.1:8000/a b",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://b\u00fccher.example/",
        "http:///v1",
        "ftp://127.0.0.1/",
        "127.0.0.1:8000/v1",
        "http://[fe80::1%25eth0]:8000/",
        "http://127.0.0.1:8000/\r\nX: y",
    ],
)
def test_anything_else_is_left_to_the_other_client(url, monkeypatch):
    without_proxy(monkeypatch)
    assert not is_simple_http(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://localhost/", "http://[::1]:8000/v1?a=b"]
)
def test_plain_addresses_are_spoken_to_plainly_unless_there_is_a_proxy(url, monkeypatch):
    without_proxy(monkeypatch)
    assert is_simple_http(url)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert not is_simple_http(url)


def without_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_an_address_nobody_can_use_is_said():
    async def run():
        http = HttpClient("http://", {}, 5)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        return raw

    raw = in_loop(run())
    assert raw.status == 0
    assert raw.body.startswith(b"address: not a usable address")


# TLS

TLS_CLIENT = """
import asyncio, json, sys
from vlsu.models.http.client import HttpClient

async def main():
    client = HttpClient(sys.argv[1], {"Authorization": "Bearer k"}, 10)
    answers = [await client.post(lambda: [b"ab", b"c"]) for _ in range(2)]
    await client.close()
    print(json.dumps([[raw.status, raw.body.decode(), header("x-a")] for raw, header in answers]))

asyncio.run(main())
"""


@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_behind_tls_is_asked_if_its_certificate_is_trusted(trusted, tmp_path):
    """In a process of its own: which authorities are trusted is read once a process."""
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(context)
    known = tmp_path / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(known))

    async def run():
        async with Server(says(whole(b"{}", X_A="1")), context=context) as server:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", TLS_CLIENT, f"https://localhost:{server.port}/v1"),
                env={**os.environ, "SSL_CERT_FILE": str(known)},
                stdout=subprocess.PIPE,
            )
            out, _ = await asyncio.wait_for(process.communicate(), 300)
        return json.loads(out), server

    answers, server = in_loop(run())
    if trusted:
        assert answers == [[200, "{}", "1"]] * 2
        assert [visit.body for visit in server.visits] == [b"abc", b"abc"]
        assert server.connections == 1
    else:
        assert [status for status, _, _ in answers] == [0, 0]
        assert all("certificate: cannot connect to localhost" in said for _, said, _ in answers)
        assert server.visits == []


def test_a_server_that_speaks_tls_where_none_is_written_is_recognised_by_its_alert():
    [(raw, _)], _ = posting(says(b"\x15\x03\x03\x00\x02\x02\x46", close=True))
    assert raw.body == b"malformed: the server speaks TLS: write https:// in its address"


class ClosedMeanwhile(asyncio.Transport):
    """As uvloop's, where the connection was lost before anybody asked for its other end."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        socket_of_it: Any = None
        return socket_of_it.getpeername()


def test_a_connection_that_is_lost_before_anything_is_sent_is_a_fault_that_passes():
    with pytest.raises(ConnectionAbortedError, match="closed at once"):
        direct._peer(ClosedMeanwhile())
    assert issubclass(ConnectionAbortedError, OSError)  # which the client takes for one
