"""A provider's prompt cache: one request of each long prompt goes ahead of all others."""

import asyncio
import threading
from typing import Any

import pytest
from aiohttp import web

import vlsu
from tests.conftest import make_dataset
from vlsu.models.base import Settings
from vlsu.runs import Limits, Price


class CachingServer:
    """Plays the Messages API with its prompt cache, on loopback.

    A system prompt is in the cache once a request with it, and with a mark, was answered; requests
    that were sent before that write it anew.
    """

    def __init__(self, delay: float = 0.03) -> None:
        self.delay = delay
        self.cached: set[str] = set()
        self.written = self.read = self.requests = 0
        self.most_at_first = 0
        self._in_flight = 0
        self.base_url = ""
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "CachingServer":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/messages", self._answer)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        port = runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}"
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        (block,) = body["system"]
        assert block["cache_control"] == {"type": "ephemeral"}
        text = block["text"]
        hit = text in self.cached
        self._in_flight += 1
        if not self.cached:
            self.most_at_first = max(self.most_at_first, self._in_flight)
        self.requests += 1
        await asyncio.sleep(self.delay)
        self._in_flight -= 1
        self.cached.add(text)
        tokens = len(text) // 4
        self.read += tokens if hit else 0
        self.written += 0 if hit else tokens
        return web.json_response(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": '{"severity": "safe", "category": null}'}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 50,
                    "cache_creation_input_tokens": 0 if hit else tokens,
                    "cache_read_input_tokens": tokens if hit else 0,
                    "output_tokens": 10,
                },
            }
        )


@pytest.fixture
def server():
    with CachingServer() as server:
        yield server


def test_each_prompt_is_written_to_the_cache_once_and_read_by_all_others(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=40, images=40, apart=True)
    price = Price(3.0, 15.0, cached=0.3, cache_write=3.75)
    run = vlsu.evaluate(
        dataset,
        model="anthropic/claude-sonnet-4-5",
        out=tmp_path / "run",
        settings=Settings(base_url=server.base_url),
        limits=Limits(price=price, concurrency=64),
    )
    assert run.finished
    asked = run.record["requests"]["asked"]
    assert server.requests == asked > 64
    prompts = len(server.cached)
    assert prompts in (2, 3)
    assert server.most_at_first <= prompts
    assert server.written == sum(len(text) // 4 for text in server.cached)
    # by hand: what the server counted, a million of each as priced
    total = (asked * 50 * 3.0 + server.read * 0.3 + server.written * 3.75 + asked * 10 * 15.0) / 1e6
    cost = run.record["cost"]
    assert cost["total"] == pytest.approx(total, abs=1e-6)
    assert cost["saved"]["cache"] == pytest.approx(
        (server.read * 2.7 - server.written * 0.75) / 1e6, abs=1e-6
    )
    judgments = run.judgments.unique("request_key")
    assert judgments["cached_tokens"].sum() == server.read
    assert judgments["cache_write_tokens"].sum() == server.written


def test_a_start_with_little_to_ask_waits_for_nothing(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=6, images=6, apart=True)
    run = vlsu.evaluate(
        dataset,
        model="anthropic/claude-sonnet-4-5",
        out=tmp_path / "run",
        settings=Settings(base_url=server.base_url),
        limits=Limits(concurrency=18),
    )
    assert run.finished
    assert server.most_at_first > 4
