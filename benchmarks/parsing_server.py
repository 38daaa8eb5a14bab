"""A chat-completions server like those people run: aiohttp, and it reads what it is sent.

`mock_server` drops bodies unread, so that no client waits for it. A model's server reads the whole
body and parses its JSON at least, and its own limit is what a client has to reach. This one does
that much, in one process, with the same answers, counters and fixed latency.

    python -m benchmarks.parsing_server --latency 0.02
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict

import orjson
from aiohttp import web

from benchmarks.mock_server import CONTENT, MAX_BODY, Counters, completion, run

_ANSWERS = [json.dumps(completion(text)).encode() for text in CONTENT]


class Server:
    """Counters and handlers."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._counters = Counters()
        self._in_flight = 0

    async def complete(self, request: web.Request) -> web.Response:
        """Read and parse a request, and answer after the latency."""
        body = await request.read()
        counters = self._counters
        if not counters.first_at:
            counters.first_at = time.monotonic()
        self._in_flight += 1
        counters.most_in_flight = max(counters.most_in_flight, self._in_flight)
        counters.received += len(body)
        if not orjson.loads(body)["messages"]:
            return web.Response(status=400)
        await asyncio.sleep(self._latency_s)
        self._in_flight -= 1
        counters.requests += 1
        counters.last_at = time.monotonic()
        return web.Response(
            body=_ANSWERS[counters.requests % len(_ANSWERS)], content_type="application/json"
        )

    async def stats(self, _: web.Request) -> web.Response:
        """The counters."""
        return web.json_response(asdict(self._counters))

    async def reset(self, _: web.Request) -> web.Response:
        """Set the counters to zero."""
        self._counters = Counters()
        return web.json_response("ok")


async def serve(
    latency_s: float, port: int, lifetime_s: float, context: ssl.SSLContext | None
) -> None:
    """Serve on loopback for so long, with TLS if there is a context for it."""
    server = Server(latency_s)
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/stats", server.stats)
    app.router.add_get("/reset", server.reset)
    app.router.add_post("/{path:.*}", server.complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096, ssl_context=context)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.sleep(lifetime_s)


if __name__ == "__main__":
    sys.exit(run(serve, __doc__))
