"""The clients and harnesses that vlsu is compared with, each in a process of its own.

Run by `benchmarks.throughput` in the peers' environment:

    python -m benchmarks.contenders NAME --url http://127.0.0.1:PORT/v1 --folder DIR --requests N

`aiohttp` and `pyreqwest` post ready-made bodies; `openai` and `inspect` start from image
files and words, as their users do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import uvloop

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer mock"}
TIMEOUT_S = 120.0
#: An answer longer than this is refused, as a harness must.
MAX_ANSWER = 16 * 2**20

Post = Callable[[bytes], Awaitable[int]]
T = TypeVar("T")


@asynccontextmanager
async def _aiohttp(url: str, in_flight: int) -> AsyncIterator[Post]:
    import aiohttp

    async def post(body: bytes) -> int:
        answer = bytearray()
        async with session.post(url, data=body, headers=HEADERS, allow_redirects=False) as response:
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise ValueError("the answer has no end")
            return response.status

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=in_flight),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    ) as session:
        yield post


@asynccontextmanager
async def _pyreqwest(url: str, in_flight: int) -> AsyncIterator[Post]:
    from pyreqwest.client import ClientBuilder

    async def post(body: bytes) -> int:
        answer = bytearray()
        async with client.post(url).body_bytes(body).build_streamed() as response:
            while (chunk := await response.body_reader.read_chunk()) is not None:
                answer += memoryview(chunk)
                if len(answer) > MAX_ANSWER:
                    raise ValueError("the answer has no end")
            return response.status

    builder = ClientBuilder().follow_redirects(False).default_headers(HEADERS)
    builder = builder.timeout(timedelta(seconds=TIMEOUT_S)).max_connections(in_flight)
    async with builder.build() as client:
        yield post


CLIENTS = {"aiohttp": _aiohttp, "pyreqwest": _pyreqwest}


async def _in_flight(items: Iterable[T], one: Callable[[T], Awaitable[None]], count: int) -> None:
    """Do one for every item, so many at a time."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await one(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(worker())


async def bare(name: str, options: argparse.Namespace) -> None:
    """Post ready-made bodies in turn and drop the answers."""
    bodies = [path.read_bytes() for path in sorted((options.folder / "bodies").iterdir())]
    turn = itertools.islice(itertools.cycle(bodies), options.requests)
    url = f"{options.url}/chat/completions"
    async with CLIENTS[name](url, options.in_flight) as post:

        async def one(body: bytes) -> None:
            if (status := await post(body)) != 200:
                raise ValueError(f"HTTP {status}")

        await _in_flight(turn, one, options.in_flight)


def manifest(options: argparse.Namespace) -> list[dict[str, str]]:
    with (options.folder / "manifest.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in itertools.islice(file, options.requests)]


async def openai_sdk(options: argparse.Namespace) -> None:
    """The OpenAI SDK as its documentation shows it: read the file, encode it, ask."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=options.url, api_key="mock", timeout=TIMEOUT_S) as client:

        async def one(sample: dict[str, str]) -> None:
            encoded = base64.b64encode(Path(sample["image"]).read_bytes()).decode()
            image = {"url": f"data:image/jpeg;base64,{encoded}"}
            answer = await client.chat.completions.create(
                model="mock",
                temperature=0,
                max_tokens=1024,
                messages=[
                    {"role": "system", "content": sample["system"]},
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": image},
                            {"type": "text", "text": sample["user"]},
                        ],
                    },
                ],
            )
            if not answer.choices[0].message.content:
                raise ValueError("no answer")

        await _in_flight(manifest(options), one, options.in_flight)


def inspect(options: argparse.Namespace) -> None:
    """Inspect AI with its OpenAI-compatible provider; no display, images kept out of its log."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import (
        ChatMessageSystem,
        ChatMessageUser,
        ContentImage,
        ContentText,
        GenerateConfig,
        get_model,
    )
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    samples = [
        Sample(
            input=[
                ChatMessageSystem(content=sample["system"]),
                ChatMessageUser(
                    content=[ContentImage(image=sample["image"]), ContentText(text=sample["user"])]
                ),
            ],
            target="safe",
        )
        for sample in manifest(options)
    ]
    config = GenerateConfig(max_connections=options.in_flight, temperature=0, max_tokens=1024)
    model = get_model("openai-api/mock/mock", base_url=options.url, api_key="mock", config=config)
    with tempfile.TemporaryDirectory() as logs:
        [log] = eval(
            Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes()),
            model=model,
            max_samples=options.in_flight,
            log_dir=logs,
            log_images=False,
            display="none",
        )
    if log.status != "success":
        raise ValueError(f"Inspect AI: {log.status}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=[*CLIENTS, "openai", "inspect"])
    parser.add_argument("--url", required=True, help="the server, with its /v1")
    parser.add_argument("--folder", type=Path, required=True, help="manifest and bodies")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--in-flight", type=int, default=256)
    options = parser.parse_args()
    if options.name == "inspect":
        inspect(options)
        return 0
    if options.name == "openai":
        asyncio.run(openai_sdk(options))
        return 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bare(options.name, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
