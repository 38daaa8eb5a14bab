"""Answers without an end: every part of one is bounded, in memory and in time, by both clients.

Each client asks every server in a process of its own, whose memory the kernel measures.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from tests.support import tls
from vlsu.models.http.transport import MAX_HELD

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

#: Seconds for an attempt that has no end, for one that ends by itself, and how soon that does.
TIMEOUT_S = 6.0
LONG_S, SOON_S = 100.0, 50.0
#: MiB that one answer may take at most: 16 of body, each client's copies of it, and some air.
MOST_MIB = 100

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n\r\n"
SAFE = gzip.compress(b"{}")


def bomb(wbits: int = 31) -> bytes:
    """256 MiB of blanks, packed a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(packer.compress(b" " * 2**20) for _ in range(256)), packer.flush()])


@functools.cache
def at_once() -> dict[str, tuple[bytes, bytes]]:
    """Name -> how an answer begins, and what then comes again and again (nothing: it ends)."""
    return {
        "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: bbbbbbbbbbbb\r\n" * 4096),
        "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"y" * 65536),
        "chunks of two bytes": (CHUNKED, b"2\r\nab\r\n" * 9000),
        "chunks of one byte": (CHUNKED, b"1\r\na\r\n" * 9000),
        "a chunk extension": (CHUNKED + b"2;", b"x" * 65536),
        "chunk extensions": (CHUNKED, (b"1;a=" + b"x" * 1000 + b"\r\na\r\n") * 64),
        "gzip and then junk": (GZIP + SAFE, os.urandom(65536)),
        "gzip after gzip": (GZIP, gzip.compress(b"") * 3000),
        "a gzip bomb": (GZIP + bomb(), b""),
        "a deflate bomb": (GZIP.replace(b"gzip", b"deflate") + bomb(15), b""),
        "headers": (OK, b"X-A: bbbbbbbbbbbb\r\n" * 4096),
        "a header": (OK + b"X: ", b"y" * 65536),
        "a status line": (b"HTTP/1.1 200 ", b"a" * 65536),
        "blank lines": (b"", b"\r\n" * 4096),
        "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 1000),
        "a body": (OK + b"\r\n", b" " * 65536),
        "a body as long as can be said": (
            OK + b"Content-Length: 9223372036854775807\r\n\r\n",
            b" " * 65536,
        ),
    }


#: The same of answers that come slowly.
DRIPPING = {
    "a head drips": (OK, b"X: a\r\n"),
    "interim answers drip": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body drips": (OK + b"\r\n", b" "),
    "chunks drip": (CHUNKED, b"1\r\n \r\n"),
    "trailers drip": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n"),
    "gzip drips": (GZIP, b"\x1f\x8b\x08\x00"),
}

CLIENT = """
import asyncio, json, sys, time, re
from vlsu.models.http import client as clients

if "other" in sys.argv[1]:
    clients.is_simple_http = lambda url: False
scheme = "https" if "tls" in sys.argv[1] else "http"

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

async def ask(port):
    http = clients.HttpClient(f"{scheme}://127.0.0.1:{port}/v1", {}, float(sys.argv[2]))
    started = time.monotonic()
    raw, _ = await http.post(lambda: [b"{}"])
    took = time.monotonic() - started
    await http.close()
    return [raw.status, raw.body.decode(), took]

async def main():
    good, *ports = map(int, sys.argv[3:])
    assert (await ask(good))[0] == 200  # all that is loaded once is loaded now
    seen = []
    if "many" in sys.argv[1]:
        before = peak()
        http = clients.HttpClient(f"{scheme}://127.0.0.1:{ports[0]}/v1", {}, float(sys.argv[2]))
        answers = await asyncio.gather(*(http.post(lambda: [b"{}"]) for _ in range(64)))
        assert all(raw.body.startswith(b"endless: ") for raw, _ in answers)
        await http.close()
        print(peak() - before)
        return
    at_once = [ports] if "together" in sys.argv[1] else [[port] for port in ports]
    for some in at_once:
        open("/proc/self/clear_refs", "w").write("5")  # the peak is what is used now
        before = peak()
        answers = await asyncio.gather(*map(ask, some))
        seen += [[*answer, peak() - before] for answer in answers]
    print(json.dumps(seen))

asyncio.run(main())
"""


def secured(connection: socket.socket) -> socket.socket:
    """The connection, with TLS where servers speak it."""
    return tls.current.wrap_socket(connection, server_side=True) if tls.current else connection


@pytest.fixture(params=["plain", "tls", "other"])
def which(request, tmp_path) -> Iterator[str]:
    """Which client asks: both, and the first with TLS too."""
    with tls.servers_behind_tls(tmp_path) if request.param == "tls" else nullcontext():
        yield request.param


@contextmanager
def listening(first: bytes, again: bytes, pause_s: float = 0.0) -> Iterator[int]:
    """A server that answers so, to as many as come, until the end; yields its port."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), secured(connection) as connection:
            connection.settimeout(LONG_S)
            try:
                connection.recv(65536)
                connection.sendall(first)
                while again and not over.wait(pause_s):
                    connection.sendall(again)
            except OSError:
                pass

    def serve(server: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


def ask_all(
    client: str,
    servers: dict[str, tuple[bytes, bytes]],
    timeout_s: float = TIMEOUT_S,
    pause_s: float = 0.0,
) -> dict[str, list]:
    """What a client got of each server: status, body or fault, seconds, MiB."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        whole = OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
        ports = [stack.enter_context(listening(whole, b""))]
        ports += [
            stack.enter_context(listening(first, again, pause_s))
            for first, again in servers.values()
        ]
        command = [sys.executable, "-c", CLIENT, client, str(timeout_s), *map(str, ports)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(servers, json.loads(done.stdout), strict=True))


def test_no_part_of_an_answer_without_an_end_takes_memory_without_an_end(which):
    timeout_s = LONG_S if which != "other" else TIMEOUT_S  # the other waits for its end of some
    seen = ask_all(which, at_once(), timeout_s)
    for name, (status, said, took, mebibytes) in seen.items():
        assert status == 0, name
        assert said.partition(": ")[0] in ("endless", "malformed", "timeout", "broken"), name
        assert took < SOON_S, name
        assert mebibytes < MOST_MIB, (name, mebibytes)


def test_an_answer_that_drips_for_ever_ends_with_the_time_for_it(which):
    seen = ask_all(f"together {which}", DRIPPING, pause_s=0.2)  # 30 pieces: too few to be malformed
    for name, (status, said, took, mebibytes) in seen.items():
        assert (status, said) == (0, f"timeout: no full answer within {TIMEOUT_S:g} s"), name
        assert TIMEOUT_S * 0.9 < took < TIMEOUT_S + SOON_S, name
        assert mebibytes < MOST_MIB, name


def test_many_answers_without_an_end_at_once_take_no_more_memory_than_they_may_together(which):
    """64 of 16 MiB would take a gigabyte."""
    first, again = at_once()["a body as long as can be said"]
    whole = OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    with listening(whole, b"") as good, listening(first, again) as bad:
        command = [sys.executable, "-c", CLIENT, f"many {which}", str(LONG_S), str(good), str(bad)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3 * MAX_HELD / 2**20  # with each client's copies
