"""Which connections are used again, and that one that is stopped is closed, whenever that is."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme
import uvloop

from tests.data.fetching.image_server import QUICK, Names, dataset_of, png, response, serving
from vlsu.data import fetch_images
from vlsu.data.fetching.addresses import parse_address
from vlsu.data.fetching.client import Client
from vlsu.data.fetching.resolver import Resolver


class Overheard(asyncio.Protocol):
    """Passes on what the event loop says, and at one moment has it call something next."""

    def __init__(self, protocol: asyncio.Protocol, moment: str, call) -> None:
        self.protocol = protocol
        self.moment = moment
        self.call = call

    def pass_on(self, name: str, *arguments: object) -> None:
        if name == self.moment:
            asyncio.get_running_loop().call_soon(self.call)
        getattr(self.protocol, name)(*arguments)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.pass_on("connection_made", transport)

    def data_received(self, data: bytes) -> None:
        self.pass_on("data_received", data)

    def eof_received(self) -> None:
        self.pass_on("eof_received")

    def connection_lost(self, error: Exception | None) -> None:
        self.pass_on("connection_lost", error)


async def stopped(url: str, moment: str, context: ssl.SSLContext) -> None:
    """Ask an address, and stop as its connection is there, or as its response is."""
    loop = asyncio.get_running_loop()

    async def dial(factory, ip, port, context, name):
        protocol = factory()
        transport, _ = await loop.create_connection(
            lambda: Overheard(protocol, moment, asking.cancel),
            "127.0.0.1",
            port,
            ssl=context,
            server_hostname=name,
        )
        return transport, protocol

    resolver = Resolver(Names().lookup)
    client = Client(resolver, timeout_s=10, max_bytes=2**20, dial=dial, context=context)
    asking = asyncio.ensure_future(client.get(parse_address(url)))
    with pytest.raises(asyncio.CancelledError):
        await asking
    await client.close()


@contextmanager
def answering_once(context: ssl.SSLContext | None) -> Iterator[int]:
    """The port of a server that answers once, and then neither says nor closes anything."""
    over = threading.Event()

    def serve() -> None:
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(listener.accept()[0])
            connection.settimeout(100)
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
                opened.enter_context(connection)
            with contextlib.suppress(OSError):  # who asks may be gone
                if connection.recv(65536):
                    connection.sendall(response(png(1)))
            over.wait(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("moment", ["connection_made", "data_received"])
def test_a_stop_leaves_no_connection_open(scheme, moment):
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("good.example").configure_cert(theirs)
    authority.configure_trust(ours)
    with (
        answering_once(theirs if scheme == "https" else None) as port,
        # Of one that is open when its loop is closed, uvloop warns. Where a warning is an error, it
        # waits for ever after that.
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(stopped(f"{scheme}://good.example:{port}/1.png", moment, ours))
        gc.collect()
    assert [str(each.message) for each in warned] == []


def test_a_connection_with_more_than_was_asked_for_is_not_used_again(tmp_path):
    with serving(lambda _: response(png(1)) + response(png(2))) as server:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(2)])
        pace, network = replace(QUICK, concurrency=1), Names().network
        assert fetch_images(tmp_path / "d", pace=pace, network=network).fetched == 2
    assert server.connections == 2
