"""Calls of any method and files in either direction, against real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from vlsu.models.http.service import Elements, HttpService, Reply, size_of
from vlsu.models.http.transport import MAX_BODY, NetworkFaultError

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StatusError(Exception):
    """An answer of another status."""


def refused(reply: Reply) -> Exception:
    return StatusError(f"{reply.status} {reply.body.decode()}")


@asynccontextmanager
async def serving(handle: Handle, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a server that handles everything so."""
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def calling(
    handle: Handle, work: Callable[[HttpService, str], Awaitable[Any]], **options: Any
) -> Any:
    """What `work` makes of a service at a server."""

    async def run() -> Any:
        async with serving(handle) as url:
            service = HttpService(url, {"x-key": "abc"}, options.pop("timeout_s", 100.0), **options)
            try:
                return await work(service, url)
            finally:
                await service.close()

    return asyncio.run(run())


def in_pieces(*pieces: bytes, headers: dict[str, str] | None = None, pause: float = 0.0) -> Handle:
    """Sends a body chunk by chunk."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause)
        await response.write_eof()
        return response

    return handle


async def all_lines(service: HttpService, url: str) -> list[bytes]:
    return [line async for line in service.lines(url, refused)]


@pytest.mark.parametrize("pieces", [[b"a\n\nbc\r\nd"], [b"a", b"\n\nb", b"c\r", b"\nd"]])
def test_lines_are_the_same_however_they_arrive(pieces):
    assert calling(in_pieces(*pieces), all_lines) == [b"a", b"bc", b"d"]


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"a\nb\n" * 200_000, mtime=0)),
        ("gzip", gzip.compress(b"a\nb\n", mtime=0) + gzip.compress(b"a\nb\n" * 199_999, mtime=0)),
        ("deflate", zlib.compress(b"a\nb\n" * 200_000)),
    ],
)
def test_a_packed_file_is_unpacked_as_it_arrives(encoding, packed):
    handle = in_pieces(packed[:9], packed[9:], headers={"Content-Encoding": encoding})
    assert calling(handle, all_lines) == [b"a", b"b"] * 200_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (gzip.compress(b"a\nb\n" * 1000, mtime=0)[:-9], "broken"),
        (b"\x1f\x8b" + b"not gzip at all", "broken"),
        (gzip.compress(bytes(MAX_BODY * 4), mtime=0), "endless"),
    ],
)
def test_a_packed_file_that_is_no_file_is_a_fault(body, kind):
    handle = in_pieces(body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(NetworkFaultError) as caught:
        calling(handle, all_lines)
    assert caught.value.kind == kind


def test_an_answer_without_an_end_is_given_up():
    async def call(service: HttpService, url: str) -> Reply:
        return await service.call("GET", url)

    with pytest.raises(NetworkFaultError) as caught:
        calling(in_pieces(*[bytes(2**20)] * 20), call)
    assert caught.value.kind == "endless"


def test_a_server_that_falls_silent_is_given_up():
    with pytest.raises(NetworkFaultError) as caught:
        calling(in_pieces(b"a\n", b"b\n", pause=60.0), all_lines, timeout_s=0.3)
    assert caught.value.kind == "timeout"


def test_a_call_is_bounded_however_slowly_its_answer_drips():
    async def call(service: HttpService, url: str) -> Reply:
        return await service.call("GET", url)

    with pytest.raises(NetworkFaultError) as caught:
        calling(in_pieces(*[b"x"] * 400, pause=0.1), call, timeout_s=0.5)
    assert caught.value.kind == "timeout"


def test_a_file_that_breaks_off_is_a_fault_after_its_lines():
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        await response.write(b"line\n" * 100_000)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    lines: list[bytes] = []

    async def read(service: HttpService, url: str) -> None:
        async for line in service.lines(url, refused):
            lines.append(line)  # noqa: PERF401 - kept though it ends in an error

    with pytest.raises(NetworkFaultError) as caught:
        calling(handle, read)
    assert caught.value.kind == "broken"
    assert set(lines) <= {b"line"}


def test_who_stops_reading_leaves_nothing_open():
    async def read(service: HttpService, url: str) -> bytes:
        lines = service.lines(url, refused)
        first = await anext(lines)
        await lines.aclose()
        return first

    assert calling(in_pieces(*[b"line\n" * 10_000] * 50), read) == b"line"


def test_what_is_not_read_yet_is_not_sent_yet():
    """So a file of any size takes no memory here."""
    sent = []

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"line\n" * 200_000)
            sent.append(1)
        return response

    async def read(service: HttpService, url: str) -> int:
        lines = service.lines(url, refused)
        await anext(lines)
        await asyncio.sleep(0.5)
        ahead = len(sent)
        await lines.aclose()
        return ahead

    assert calling(handle, read) < 50  # MB of 200: what buffers of the two kernels hold


def test_a_status_is_made_an_error_by_the_caller():
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=404, text="no such file")

    with pytest.raises(StatusError, match="404 no such file"):
        calling(handle, all_lines)


async def echo(request: web.Request) -> web.Response:
    """What was received."""
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.path_qs,
            "length": request.headers.get("Content-Length"),
            "chunked": "Transfer-Encoding" in request.headers,
            "key": request.headers.get("x-key"),
            "body": body.decode(),
        }
    )


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_call_without_a_body(method):
    async def call(service: HttpService, url: str) -> Any:
        return json.loads((await service.call(method, f"{url}/x?a=1")).body)

    seen = calling(echo, call)
    assert seen | {"length": None} == {
        "method": method,
        "path": "/v1/x?a=1",
        "length": None,
        "chunked": False,
        "key": "abc",
        "body": "",
    }


@pytest.mark.parametrize("large", [False, True])
def test_a_file_is_sent_with_its_length_as_it_is_or_as_an_array(tmp_path, large):
    lines = [json.dumps({"n": n, "text": "x" * 100}) for n in range(20_000 if large else 3)]
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(line + "\n" for line in lines))
    body = [b'{"as_it_is":"', file, b'","array":[', Elements(file), b"]}"]

    async def call(service: HttpService, url: str) -> Any:
        return json.loads((await service.call("POST", url, body)).body)

    seen = calling(echo, call)
    whole = file.read_text()
    assert seen["body"] == f'{{"as_it_is":"{whole}","array":[{",".join(lines)}]}}'
    assert (seen["length"], seen["chunked"]) == (str(size_of(body)), False)


def test_a_redirect_is_not_followed():
    paths = []

    async def handle(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/v1/other"})

    async def call(service: HttpService, url: str) -> int:
        return (await service.call("POST", url, [b"{}"])).status

    assert calling(handle, call) == 307
    assert paths == ["/v1"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/v1",
        "https://127.0.0.1/v1",
        "http://user@127.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "no address",
    ],
)
def test_no_other_server_is_called(url):
    async def call(service: HttpService, _: str) -> None:
        await service.call("GET", url)

    with pytest.raises(NetworkFaultError) as caught:
        calling(echo, call)
    assert caught.value.kind == "address"


def test_a_key_is_not_sent_over_plain_http_to_a_host_that_is_not_private():
    async def call() -> None:
        service = HttpService("http://192.0.2.1/v1", {"x-key": "abc"}, 5.0, only_local=True)
        await service.call("GET", "http://192.0.2.1/v1")

    with pytest.raises(NetworkFaultError, match="no private or loopback address"):
        asyncio.run(call())


def test_calls_go_through_the_proxy_that_is_configured(monkeypatch):
    """A proxy is asked for the whole address."""
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def run() -> bytes:
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        service = HttpService("http://batches.example/v1", {}, 10.0)
        try:
            return (await service.call("GET", "http://batches.example/v1/batches")).body
        finally:
            await service.close()
            server.close()
            await server.wait_closed()

    assert asyncio.run(run()) == b"ok"
    assert asked == [b"GET http://batches.example/v1/batches HTTP/1.1"]


TLS_CLIENT = """
import asyncio, sys
from vlsu.models.http.service import HttpService
from vlsu.models.http.transport import NetworkFaultError

async def main():
    service = HttpService(sys.argv[1], {}, 100.0)
    try:
        print((await service.call("GET", sys.argv[1])).status)
    except NetworkFaultError as fault:
        print(fault.kind)
    await service.close()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_has_to_be_trusted(trusted, tmp_path: Path):
    """In a process of its own: which authorities are trusted is read once a process."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    known = tmp_path / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(known))

    async def run() -> str:
        async with serving(echo, context) as url:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", TLS_CLIENT, url),
                env={**os.environ, "SSL_CERT_FILE": str(known)},
                stdout=subprocess.PIPE,
            )
            out, _ = await asyncio.wait_for(process.communicate(), 300)
        return out.decode().strip()

    assert asyncio.run(run()) == ("200" if trusted else "certificate")


def test_a_file_that_drips_is_given_up(monkeypatch):
    """Each part comes in time, and the whole would take for ever."""
    monkeypatch.setattr("vlsu.models.http.service.SLOWEST", 2**22)
    sent = []

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(500):
            await response.write(b"x\n" * 2**17)
            sent.append(1)
            await asyncio.sleep(0.2)
        return response

    with pytest.raises(NetworkFaultError, match=r"slower than 4096 KiB/s beyond 3 s") as caught:
        calling(drip, all_lines, timeout_s=3)
    assert caught.value.kind == "timeout"
    assert len(sent) < 500


def test_who_takes_long_with_the_lines_is_not_the_server(monkeypatch):
    monkeypatch.setattr("vlsu.models.http.service.PIECE", 5)
    lines = []

    async def slowly(service: HttpService, url: str) -> None:
        async for line in service.lines(url, refused):
            await asyncio.sleep(0.6)
            lines.append(line)

    calling(in_pieces(*[b"line\n"] * 6), slowly, timeout_s=2.0)
    assert len(lines) == 6
