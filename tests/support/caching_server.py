"""Servers that play the prompt caches of three providers, and count what they would bill.

A prompt is a sequence of parts: system prompt, image, words. What is in a cache is known by the
hash of all parts up to its end, and can be read once the response of the request that wrote it
begins; here, once it is sent.

- Anthropic (guide "Prompt caching"): up to each ``cache_control``, for five minutes after each use.
- OpenAI since GPT-5.6 (guide "Prompt caching"): up to each ``prompt_cache_breakpoint``, and in the
  mode ``implicit`` up to the end of the last message, for 30 minutes; older models: any beginning
  that was seen, of at least 1,024 tokens and in steps of 128, free of charge.
- Gemini (guide "Context caching"): any beginning that was seen; and ``cachedContents``, which are
  created, named in a request, and deleted or left to expire.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from tests.support.holding import HELD_S, held_until

__all__ = ["CachingServer", "PromptCache", "caching_server"]


class Part(NamedTuple):
    """A part of a prompt, and whether the prompt is to be cached up to its end."""

    content: str
    tokens: int
    marked: bool = False


@dataclass
class PromptCache:
    """What a provider has in its cache.

    Attributes:
        least: Tokens below which nothing is cached.
        ttl_s: Seconds after its last use that an entry stays.
        by_marks: Whether only marked beginnings are cached, and billed when they are written.
        step: Tokens are read in multiples of it.
    """

    least: int
    ttl_s: float = 300.0
    by_marks: bool = True
    step: int = 1
    entries: dict[str, float] = field(default_factory=dict)

    def look(self, parts: list[Part], now: float) -> tuple[int, int, list[str]]:
        """Tokens read, tokens written, and the entries there are once the answer is sent."""
        hashes = list(_prefixes(parts))
        ends = list(accumulate(part.tokens for part in parts))
        at = [
            n
            for n, part in enumerate(parts)
            if ends[n] >= self.least and (part.marked or not self.by_marks)
        ]
        read = max(
            (ends[n] // self.step * self.step for n in at if self.entries.get(hashes[n], 0) > now),
            default=0,
        )
        written = max(ends[at[-1]] - read, 0) if at and self.by_marks else 0
        return read, written, [hashes[n] for n in at]

    def store(self, hashes: list[str], now: float) -> None:
        """They can be read from now on."""
        self.entries.update(dict.fromkeys(hashes, now + self.ttl_s))


def _prefixes(parts: list[Part]) -> Iterator[str]:
    state = hashlib.sha256()
    for part in parts:
        state.update(hashlib.sha256(part.content.encode()).digest())
        yield state.hexdigest()


def _tokens(text: str) -> int:
    return -(-len(text) // 4)


@dataclass
class CachingServer:
    """One provider on loopback.

    Attributes:
        cache: Its cache.
        latency_s: From a request to its answer.
        image_tokens: Of every image.
        answer: From the image's base64 and the words to what is answered.
        ready: Whether a request of which so many tokens were read may be answered yet.
        heeds_marks: Whether marks are read at all; for comparison.
        counts: Requests, and tokens: ``input``, ``read``, ``written``, ``output``.
        least_named: Tokens below which no such resource is made.
        caches: Name of a ``cachedContents`` resource -> its parts and when it expires.
    """

    cache: PromptCache
    latency_s: float = 0.02
    image_tokens: int = 1200
    answer: Callable[[str, str], str] = lambda image, words: (
        '{"severity": "safe", "category": null}'
    )
    ready: Callable[[int], bool] = lambda read: True
    heeds_marks: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    caches: dict[str, tuple[list[Part], float]] = field(default_factory=dict)
    most_in_flight: int = 0
    most_before_first: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keep_bodies: bool = False
    least_named: int = 1024
    ttls: set[float] = field(default_factory=set)
    base_url: str = ""
    _in_flight: int = 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_post("/v1beta/models/{call}", self._generate)
        app.router.add_post("/v1beta/cachedContents", self._create)
        app.router.add_route("PATCH", "/v1beta/cachedContents/{id}", self._extend)
        app.router.add_delete("/v1beta/cachedContents/{id}", self._delete)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/reset", self._reset)
        return app

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self.counts) | {"most_in_flight": self.most_in_flight})

    async def _reset(self, _: web.Request) -> web.Response:
        self.counts.clear()
        self.cache.entries.clear()
        self.most_in_flight = 0
        return web.Response()

    async def _paid(self, parts: list[Part], words: str) -> tuple[str, int, int, int, int]:
        """Answer after the latency, and count; text, and tokens: input, read, written, output."""
        loop = asyncio.get_running_loop()
        read, written, hashes = self.cache.look(parts, loop.time())
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        if not self.counts["requests"]:
            self.most_before_first = max(self.most_before_first, self._in_flight)
        await held_until(lambda: self.ready(read))
        await asyncio.sleep(self.latency_s)
        self._in_flight -= 1
        self.cache.store(hashes, loop.time())
        image = next((p.content for p in parts if p.content.startswith("image:")), "")
        text = self.answer(image.removeprefix("image:"), words)
        whole, out = sum(part.tokens for part in parts), _tokens(text)
        self.counts.update(requests=1, input=whole, read=read, written=written, output=out)
        return text, whole, read, written, out

    def _image(self, base64: str, *, marked: bool) -> Part:
        return Part(f"image:{base64}", self.image_tokens, marked)

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(await request.read())
        if self.keep_bodies:
            self.bodies.append(body)
        return body

    async def _messages(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        blocks = body.get("system") or []
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        blocks = [*blocks, *(b for m in body["messages"] for b in m["content"])]
        if sum("cache_control" in block for block in blocks) > 4:
            error = {"type": "invalid_request_error", "message": "more than 4 cache_control blocks"}
            return web.json_response({"type": "error", "error": error}, status=400)
        parts = [
            self._image(block["source"]["data"], marked="cache_control" in block)
            if block["type"] == "image"
            else Part(block["text"], _tokens(block["text"]), "cache_control" in block)
            for block in blocks
        ]
        if not self.heeds_marks:
            parts = [part._replace(marked=False) for part in parts]
        text, whole, read, written, out = await self._paid(parts, blocks[-1].get("text", ""))
        return web.json_response(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {
                    "input_tokens": whole - read - written,
                    "cache_creation_input_tokens": written,
                    "cache_read_input_tokens": read,
                    "output_tokens": out,
                },
            }
        )

    async def _completions(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        parts: list[Part] = []
        for message in body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            for block in content:
                marked = "prompt_cache_breakpoint" in block
                if block["type"] == "image_url":
                    data = block["image_url"]["url"].partition("base64,")[2]
                    parts.append(self._image(data, marked=marked))
                else:
                    parts.append(Part(block["text"], _tokens(block["text"]), marked))
        words = parts[-1].content
        mode = body.get("prompt_cache_options", {}).get("mode", "implicit")
        if not self.heeds_marks:
            mode = "implicit"
            parts = [part._replace(marked=False) for part in parts]
        if self.cache.by_marks and mode == "implicit":
            parts[-1] = parts[-1]._replace(marked=True)
        text, whole, read, written, out = await self._paid(parts, words)
        usage = {
            "prompt_tokens": whole,
            "completion_tokens": out,
            "total_tokens": whole + out,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        }
        message = {"role": "assistant", "content": text, "refusal": None}
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": usage,
            }
        )

    def _gemini_parts(self, body: dict[str, Any]) -> list[Part]:
        system = (body.get("systemInstruction") or {}).get("parts", [])
        blocks = [*system, *(p for turn in body.get("contents", []) for p in turn["parts"])]
        return [
            Part(block["text"], _tokens(block["text"]))
            if "text" in block
            else self._image(block["inlineData"]["data"], marked=False)
            for block in blocks
        ]

    async def _generate(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        own = self._gemini_parts(body)
        self.counts["named"] += "cachedContent" in body
        name, before = body.get("cachedContent"), 0
        if name is not None:
            if body.get("systemInstruction"):
                return _google_error(
                    400,
                    "INVALID_ARGUMENT",
                    "CachedContent can not be used with GenerateContent request setting "
                    "system_instruction, tools or tool_config.",
                )
            held, until = self.caches.get(name, ([], 0.0))
            if until <= asyncio.get_running_loop().time():
                self.counts["expired"] += 1
                return _google_error(
                    403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"
                )
            before = sum(part.tokens for part in held)
            own = [*held, *own]
        text, whole, read, _, out = await self._paid(own, own[-1].content)
        if before > read:  # of what is named, all is read
            self.counts["read"] += before - read
            read = before
        usage = {"promptTokenCount": whole, "candidatesTokenCount": out}
        if read:
            usage["cachedContentTokenCount"] = read
        content = {"role": "model", "parts": [{"text": text}]}
        candidates = [{"content": content, "finishReason": "STOP", "index": 0}]
        return web.json_response({"candidates": candidates, "usageMetadata": usage})

    async def _create(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        parts = self._gemini_parts(body)
        tokens = sum(part.tokens for part in parts)
        self.counts["creates"] += 1
        if tokens < self.least_named:
            return _google_error(
                400,
                "INVALID_ARGUMENT",
                f"Cached content is too small. total_token_count={tokens}, "
                f"min_total_token_count={self.least_named}",
            )
        ttl_s = float(re.fullmatch(r"([\d.]+)s", body["ttl"])[1])  # type: ignore[index]
        name = f"cachedContents/c{self.counts['creates']}"
        self.ttls.add(ttl_s)
        self.caches[name] = parts, asyncio.get_running_loop().time() + ttl_s
        self.counts.update(created=1, create_tokens=tokens)
        return web.json_response(
            {"name": name, "model": body["model"], "usageMetadata": {"totalTokenCount": tokens}}
        )

    async def _extend(self, request: web.Request) -> web.Response:
        name, body = (
            f"cachedContents/{request.match_info['id']}",
            orjson.loads(await request.read()),
        )
        if name not in self.caches:
            return _google_error(403, "PERMISSION_DENIED", "CachedContent not found")
        ttl_s = float(re.fullmatch(r"([\d.]+)s", body["ttl"])[1])  # type: ignore[index]
        self.caches[name] = self.caches[name][0], asyncio.get_running_loop().time() + ttl_s
        self.counts["extended"] += 1
        return web.json_response({"name": name})

    async def _delete(self, request: web.Request) -> web.Response:
        found = self.caches.pop(f"cachedContents/{request.match_info['id']}", None)
        self.counts["deleted"] += found is not None
        return web.json_response({}, status=200 if found else 404)


def _google_error(code: int, status: str, message: str) -> web.Response:
    error = {"code": code, "message": message, "status": status}
    return web.json_response({"error": error}, status=code)


@contextmanager
def caching_server(server: CachingServer) -> Iterator[CachingServer]:
    """The server in a thread of its own, for the time of the block."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = web.AppRunner(server.application())
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert started.wait(HELD_S)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HELD_S)
