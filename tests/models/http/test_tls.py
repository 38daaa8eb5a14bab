"""TLS on the event loop: whom it trusts, what it resumes, and what is no end of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from tests.models.http.test_http_clients import BODY, Server, in_loop, says, whole
from tests.support import tls
from tests.support.values import present
from vlsu.models.base import Raw
from vlsu.models.http import client as clients
from vlsu.models.http.client import HttpClient, is_simple_https
from vlsu.models.http.direct import DirectTransport
from vlsu.models.http.tls import HIGH_WATER, SecureConnection, TlsClient, trusted_context

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="left to the other client")


@pytest.fixture(autouse=True)
def behind_tls(tmp_path):
    with tls.servers_behind_tls(tmp_path):
        yield


def posted(server: Server, url: Callable[[str], str] = str, body: bytes = b"{}") -> Raw:
    """What one request to a server comes to."""

    async def run() -> Raw:
        async with server:
            http = HttpClient(url(server.url), {}, 10)
            assert is_simple_https(http.url)
            raw, _ = await http.post(lambda: [b"", body])
            await http.close()
        return raw

    return in_loop(run())


def with_certificate(*names: str, **options) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.authority().issue_cert(*names, **options).configure_cert(context)
    return context


def test_a_certificate_of_another_host_is_not_trusted():
    raw = posted(Server(says(whole(BODY)), context=with_certificate("other.example")))
    assert raw.status == 0
    assert raw.body.startswith(b"certificate: cannot connect to 127.0.0.1:")
    assert b"(its certificate is not trusted: IP address mismatch" in raw.body
    assert b"give the address with the name that the certificate is of" in raw.body


def test_the_name_in_a_certificate_is_that_of_the_address():
    server = Server(says(whole(BODY)), context=with_certificate("localhost"))
    assert posted(server, lambda url: url.replace("127.0.0.1", "localhost")).body == BODY


def test_a_common_name_counts_for_nothing():
    """As in every browser; RFC 9525, section 6.3."""
    context = with_certificate("other.example", common_name="localhost")
    raw = posted(
        Server(says(whole(BODY)), context=context),
        lambda url: url.replace("127.0.0.1", "localhost"),
    )
    assert b"Hostname mismatch" in raw.body


def test_an_unknown_authority_is_not_trusted():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = Server(says(whole(BODY)), context=context)
    said = posted(server).body
    assert b"its certificate is not trusted: unable to get" in said
    assert b"; set SSL_CERT_FILE to the file of the authority that it is from" in said
    assert server.visits == []


def test_an_authority_may_be_one_of_a_folder(tmp_path, monkeypatch):
    """Named by a hash of its subject, as ``openssl rehash`` names it."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "authority.pem").write_bytes(tls.authority().cert_pem.bytes())
    assert os.system(f"openssl rehash {folder} > {os.devnull} 2>&1") == 0
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert posted(Server(says(whole(BODY)))).body == BODY


def test_a_file_of_authorities_that_cannot_be_read_is_left_to_the_other_client(monkeypatch, caplog):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    assert trusted_context() is None
    assert "no certificates can be read from /nowhere/authorities.pem" in caplog.text


def test_nothing_older_than_tls_1_2():
    context = trusted_context()
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    older = with_certificate("127.0.0.1")
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert posted(Server(says(whole(BODY)), context=older)).body == BODY


def test_a_server_that_speaks_plain_http():
    def plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(BODY))
        writer.close()

    async def run() -> Raw:
        listening = await asyncio.start_server(plainly, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        http = HttpClient(f"https://127.0.0.1:{port}/v1", {}, 10)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        listening.close()
        return raw

    assert b"(the server does not speak TLS)" in in_loop(run()).body


def test_a_server_that_closes_during_the_handshake():
    async def run() -> Raw:
        listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        http = HttpClient(f"https://127.0.0.1:{port}/v1", {}, 10)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        listening.close()
        return raw

    raw = in_loop(run())
    assert raw.body.startswith(b"connect: ")
    assert raw.body.endswith(b"(closed during the TLS handshake)")


def test_a_server_that_never_shakes_hands_is_given_up_in_time():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> Raw:
        listening = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        http = HttpClient(f"https://127.0.0.1:{port}/v1", {}, 0.4)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        listening.close()
        await listening.wait_closed()
        return raw

    raw = in_loop(run())
    assert raw.body.startswith(b"connect: ")
    assert raw.body.endswith(b"(timed out)")


def test_later_connections_resume_the_session_of_earlier_ones():
    reused: list[bool] = []

    async def behave(visit) -> None:
        reused.append(visit.writer.get_extra_info("ssl_object").session_reused)
        visit.writer.write(whole(BODY, Connection="close"))
        visit.writer.close()

    async def run() -> None:
        async with Server(behave) as server:
            http = HttpClient(server.url, {}, 10)
            for _ in range(3):
                assert (await http.post(lambda: [b"{}"]))[0].body == BODY
            await http.close()

    in_loop(run())
    assert reused == [False, True, True]


def test_a_body_larger_than_what_the_socket_takes_goes_out_whole():
    body = bytes(range(256)) * (40 * HIGH_WATER // 256)
    server = Server(says(whole(BODY)))
    assert posted(server, body=body).body == BODY
    assert server.visits[0].body == body


def answered_once(act: Callable[[ssl.SSLSocket], object]) -> Raw:
    """What one request comes to that is answered so, and its connection closed without more."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:

        def serve() -> None:
            connection, _ = listening.accept()
            with tls.of_this_machine().wrap_socket(connection, server_side=True) as secured:
                secured.recv(65536)
                act(secured)

        async def run() -> Raw:
            serving = thread.submit(serve)
            http = HttpClient(f"https://127.0.0.1:{listening.getsockname()[1]}/v1", {}, 10)
            raw, _ = await http.post(lambda: [b"{}"])
            await http.close()
            await asyncio.wrap_future(serving)
            return raw

        return in_loop(run())


UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\n" + BODY


def test_an_answer_of_no_length_counts_only_with_the_end_of_tls():
    """Anybody on the way can close a connection, and so cut off what follows."""
    raw = answered_once(lambda connection: connection.sendall(UNTIL_THE_END))
    assert raw.body == b"broken: the connection ended before TLS did: the answer may be cut off"

    def ending(connection: ssl.SSLSocket) -> None:
        connection.sendall(UNTIL_THE_END)
        connection.unwrap()

    assert answered_once(ending).body == BODY


def test_what_is_no_tls_in_the_middle_of_an_answer_breaks_it():
    def garbled(connection: ssl.SSLSocket) -> None:
        connection.sendall(whole(BODY)[:20])
        os.write(connection.fileno(), b"no record of TLS" * 9)

    raw = answered_once(garbled)
    assert raw.body.startswith(b"broken: the connection broke (")


def test_a_proxy_or_an_odd_address_is_left_to_the_other_client(monkeypatch):
    assert clients.is_simple_https("https://api.example/v1?version=1")
    assert not clients.is_simple_https("http://api.example/v1")
    assert not clients.is_simple_https("https://user:word@api.example/v1")
    assert not clients.is_simple_https("https://b\u00fccher.example/v1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert not clients.is_simple_https("https://api.example/v1")


def test_of_many_connections_at_once_the_first_is_opened_alone_and_the_others_resume_it():
    reused: dict[object, bool] = {}

    async def behave(visit) -> None:
        reused[visit.writer] = visit.writer.get_extra_info("ssl_object").session_reused
        await asyncio.sleep(0.1)
        visit.writer.write(whole(BODY))

    async def run() -> None:
        async with Server(behave) as server:
            http = HttpClient(server.url, {}, 10)
            answers = await asyncio.gather(*(http.post(lambda: [b"{}"]) for _ in range(32)))
            assert all(raw.body == BODY for raw, _ in answers)
            await http.close()

    in_loop(run())
    assert sorted(reused.values()) == [False, *[True] * 31]


class Closed(asyncio.Transport):
    """Of uvloop, where the time to connect is up just when there is a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            raise RuntimeError("unable to perform operation; the handler is closed")
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.closed = True


def test_a_connection_that_came_too_late_is_let_go_of():
    async def run() -> None:
        context = present(trusted_context())
        owner = DirectTransport("https://127.0.0.1:9/v1", {}, 10, context=context)
        client = TlsClient(context, "127.0.0.1")
        connection = SecureConnection(owner, asyncio.get_running_loop(), client)
        transport = Closed()
        connection.connection_made(transport)
        received, answer = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.of_this_machine().wrap_bio(received, answer, server_side=True)
        while not connection.ready.done():
            received.write(b"".join(transport.sent))
            transport.sent.clear()
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
            connection.data_received(answer.read())
        transport.closed = True
        connection.abort()
        assert not connection.reusable

    in_loop(run())
