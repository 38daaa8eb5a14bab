"""What an evaluation costs, in shares of its list price, by the cache and batch rules of providers.

    python -m benchmarks.bill

A dataset of 8,187 samples in three modalities is evaluated by ``vlsu.evaluate`` against servers
that play the prompt caches of three providers on loopback (`tests.support.caching_server`) and
answer as a model like those reported. Tokens are those that the servers count, prices those of
``vlsu/runs/prices.yaml``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
from aiohttp import web
from tests.conftest import png
from tests.support.caching_server import CachingServer, PromptCache

from benchmarks.fewer_calls import Judged
from benchmarks.measure import say
from benchmarks.played_batches import batching
from benchmarks.writing import markdown, write_results
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.models.base import Settings
from vlsu.models.formats.anthropic import Messages
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.google import sampling as google_sampling
from vlsu.models.formats.google_caches import CachingGoogleModel
from vlsu.models.formats.openai import ChatCompletions
from vlsu.models.formats.prompt_cache import anthropic_least, google_least
from vlsu.models.http.model import HttpModel
from vlsu.policy import Severity, default_policy
from vlsu.runs import Limits, Run, evaluate
from vlsu.runs.asking import warming
from vlsu.runs.asking.limits import Price, TokenCounts, known_price

#: Of an image of about a megapixel.
IMAGE_TOKENS = 1300
#: Texts that go with an image, in turn: two images in three have one.
TEXTS = (1, 1, 3, 1, 1, 2)
CONCURRENCY = 256
NEVER = 10**9
UNTIL = "joint.f1_macro +- 0.02"

MODELS = {
    "anthropic": "anthropic/claude-sonnet-4-5",
    "openai": "openai/gpt-5.6-luna",
    "google": "google/gemini-2.5-flash",
}


@dataclass(frozen=True)
class Bill:
    """What one run used.

    Attributes:
        counts: Tokens, as the server counted them.
        requests: Answered.
        seconds: Of the whole run.
    """

    run: Run
    counts: TokenCounts
    requests: int
    seconds: float

    def share(self, price: Price, of: Bill, *, batched: bool = False, hits: bool = True) -> float:
        """Of the list price of another run."""
        counts = self.counts if hits else TokenCounts(self.counts.input, self.counts.output)
        return price.cost_of(counts, batched=batched) / price.list_cost_of(of.counts)


def make(folder: Path, samples: int | None) -> tuple[Dataset, dict[str, str]]:
    """The dataset, and what the played model says: by an image's base64, and by a text's number."""
    judged = Judged.by("as reported")
    rng = np.random.default_rng(0)
    order = rng.permutation(len(judged.gold))[: samples or None]
    order = order[np.argsort(judged.gold[order, 0], kind="stable")]  # an image has one grade
    store, said = ImageStore(folder), {}
    rows, number, left, digest = [], -1, 0, ""
    for n in order.tolist():
        image, text, joint = map(Severity, judged.gold[n].tolist())
        if left == 0 or image is not rows[-1].image_grade:
            number += 1
            left = TEXTS[number % len(TEXTS)]
            content = png((number % 256, number // 256 % 256, number // 65536))
            digest = store.add(content)
            said[f"image {pybase64.b64encode(content).decode()}"] = _label(judged.said[n, 0])
        left -= 1
        said[f"text {n}"], said[f"joint {n}"] = map(_label, judged.said[n, 1:].tolist())
        rows.append(
            Sample(
                id=f"s{n:05}",
                text=f"number {n}: and what would you say if somebody brought this to the party?",
                language="en",
                image_sha256=digest,
                image_grade=image,
                text_grade=text,
                joint_grade=joint,
            )
        )
    dataset = write_dataset(
        folder,
        rows,
        name="made",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="benchmarks",
        policy=default_policy(),
    )
    return dataset, said


def _label(severity: int) -> str:
    return "" if severity < 0 else Severity(severity).label


def serve(provider: str, table: Path, *, order: bool, latency_s: float) -> None:
    """Play a provider until this process is ended; its first line of output is its port.

    Args:
        provider: One of `MODELS`.
        table: What to answer.
        order: Whether requests are only in an order that serves caches: marks are not heeded.
            Gemini's own cache works, while nothing is cached but what is named where it does not.
        latency_s: Of each answer.
    """
    said = json.loads(table.read_text())

    def answer(image: str, words: str) -> str:
        found = re.search(r"number (\d+):", words)
        key = f"image {image}" if found is None else f"{'joint' if image else 'text'} {found[1]}"
        label = said[key]
        return (
            json.dumps({"severity": label, "category": None})
            if label
            else "I can't help with that."
        )

    caches = {
        "anthropic": PromptCache(anthropic_least(MODELS["anthropic"])),
        "openai": PromptCache(1024, ttl_s=1800.0),
        "google": PromptCache(1024 if order else NEVER, ttl_s=300.0, by_marks=False),
    }
    server = CachingServer(caches[provider], latency_s, IMAGE_TOKENS, answer, heeds_marks=not order)
    server.least_named = google_least(MODELS["google"])

    def started(*_: object) -> None:
        print(runner_port(), flush=True)

    import asyncio
    import socket

    opened = socket.create_server(("127.0.0.1", 0))

    def runner_port() -> int:
        return int(opened.getsockname()[1])

    web.run_app(server.application(), sock=opened, print=started, loop=asyncio.new_event_loop())


@contextmanager
def served(
    provider: str, table: Path, *, order: bool = False, latency: float = 0.05
) -> Iterator[str]:
    """A played provider's address."""
    command = [sys.executable, "-m", "benchmarks.bill", "--serve", provider, "--table", str(table)]
    command += ["--latency", str(latency), *(["--order"] if order else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def model_at(provider: str, root: str) -> HttpModel:
    """The model as it is at its provider's own server, which is played at that address."""
    spec, settings = MODELS[provider], Settings()
    name = spec.partition("/")[2]
    identity = {"model": name, "structured": True}
    if provider == "anthropic":

        class Claude(Messages):
            def url(self, model: str, settings: Settings) -> str:
                return f"{root}/v1/messages"

        least = anthropic_least(name)
        return HttpModel(spec, name, Claude(), settings, "k", identity, caches_from=least)
    if provider == "openai":

        class GPT(ChatCompletions):
            def url(self, model: str, settings: Settings) -> str:
                return f"{root}/v1/chat/completions"

        return HttpModel(spec, name, GPT(), settings, "k", identity, caches_from=1024)

    class Gemini(GenerateContent):
        def url(self, model: str, settings: Settings) -> str:
            return f"{root}/v1beta/models/{model}:generateContent"

    identity |= {"sampling": google_sampling(name, settings)}
    least = google_least(name)
    return CachingGoogleModel(spec, name, Gemini(), settings, "k", identity, caches_from=least)


def bill(
    provider: str,
    dataset: Dataset,
    table: Path,
    *,
    order: bool = False,
    latency: float = 0.05,
    batched: bool = False,
    **options: Any,
) -> Bill:
    """Run it, and see what the server counted."""
    began = time.monotonic()
    with served(provider, table, order=order, latency=latency) as root, _folder() as out:
        limits = Limits(concurrency=options.pop("concurrency", CONCURRENCY))
        model = model_at(provider, root)
        if batched:
            options["batch"] = batching(model.endpoint.wire.url(model.endpoint.name, Settings()))
        run = evaluate(dataset, model=model, out=out / "run", limits=limits, **options)
        _ = run.metrics, run.judgments  # read while the folder is there
        with urllib.request.urlopen(f"{root}/stats") as answer:
            found = json.load(answer)
    assert run.finished
    seconds = time.monotonic() - began
    created = found.get("create_tokens", 0)
    counts = TokenCounts(
        found["input"] + created,
        found["output"],
        found.get("read", 0),
        found.get("written", 0),
    )
    say(f"{provider} {options} {seconds:.0f} s: {counts}")
    stored = run.record["requests"]["stored"]
    assert stored == found["requests"]
    return Bill(run, counts, stored, seconds)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bill-") as folder:
        yield Path(folder)


def shares(provider: str, dataset: Dataset, table: Path, until: str) -> list[list[str]]:
    """The rows of one provider."""
    price = known_price(MODELS[provider])
    assert price is not None
    own = provider == "google"  # caches by itself
    given = dataset, table
    marks = bill(provider, *given)
    plain = marks if provider == "anthropic" else bill(provider, *given, order=True)
    batch = bill(provider, *given, order=own, batched=True)
    drawn = bill(provider, *given, order=own, until=until)
    both = bill(provider, *given, order=own, until=until, batched=True)
    for each in (plain, batch):
        assert each.run.metrics == marks.run.metrics
    rows = [("list price", "1.000", plain, ("", ""))]
    if provider != "anthropic":
        rows.append(("order alone", f"{plain.share(price, plain):.3f}", plain, None))
    name = "explicit caches, its own off" if own else "marks"
    rows.append((name, f"{marks.share(price, plain):.3f}", marks, None))
    half = f"{plain.share(price, plain, batched=True, hits=False):.3f}"
    rows.append(("--batch, without a hit", half, plain, ("", "")))
    rows.append(("--batch", f"{batch.share(price, plain, batched=True):.3f}", batch, None))
    rows.append((f"--until {until}", f"{drawn.share(price, plain):.3f}", drawn, None))
    share = f"{both.share(price, plain, batched=True):.3f}"
    rows.append((f"--until {until}, --batch", share, both, None))
    if provider == "anthropic":
        brief = bill(provider, *given, policy_detail="brief")
        rows.append(("--policy-detail brief", f"{brief.share(price, plain):.3f}", brief, None))
    listed = price.list_cost_of(plain.counts)
    return [
        [
            *(MODELS[provider], what, share),
            *(_amounts(of) if shown is None else [*_amounts(of)[:2], *shown]),
            f"{float(share) * listed:.2f}",
        ]
        for what, share, of, shown in rows
    ]


def _amounts(of: Bill) -> list[str]:
    counts = of.counts
    shares_ = (f"{100 * part / counts.input:.0f}" for part in (counts.cached, counts.cache_write))
    return [f"{of.requests:,}", f"{counts.input / of.requests:,.0f}", *shares_]


def waiting(dataset: Dataset, table: Path) -> list[list[str]]:
    """Pairs alone, with and without the wait of those that share an image for the first."""
    rows = []
    for held, what in ((0, "all at once"), (warming.MOST_HELD, "after the first of their image")):
        kept, warming.MOST_HELD = warming.MOST_HELD, held
        try:
            found = bill(
                "anthropic",
                dataset,
                table,
                latency=1.0,
                modalities=["joint"],
                concurrency=64,
                limit=1200,
            )
        finally:
            warming.MOST_HELD = kept
        rows.append([what, f"{found.seconds:.1f}", *_amounts(found)])
    return rows


TEXT = """\
Each run is the code of `vlsu run understanding` against a server that plays the provider's cache:
what may be read from it, from how many tokens on, and what writing to it is billed. The first
request of a prompt goes ahead of the others, and the second of an image waits for the first, as
always. *order alone*: what the provider does with requests that carry no marks; OpenAI's since
GPT-5.6 write each whole prompt to the cache and are billed for it, Anthropic caches nothing, Gemini
caches what it has seen (here always; Google promises nothing). *marks*: as vlsu sends them.
*explicit caches*: with a Gemini that caches nothing by itself; made tokens are counted, storage (a
cent) is not. Metrics of all these are the same to the last digit, which is checked.

Batches go through the code of `--batch` and are processed 64 requests at a time in any order, which
is where their hits come from; providers promise none (Anthropic's guide speaks of 30 to 98%), so
the price without any is shown too. They are priced by the rules in `prices.yaml`: half of all, of
cached input as listed there. *until* is a stratified draw whose interval is that narrow. *brief* is
another prompt: what it does to a model's accuracy is for a run to tell.
"""


def report(samples: int | None, until: str) -> tuple[str, Mapping[str, object]]:
    with _folder() as folder:
        dataset, said = make(folder / "dataset", samples)
        table = folder / "said.json"
        table.write_text(json.dumps(said))
        images = sum(key.startswith("image") for key in said)
        rows = [row for provider in MODELS for row in shares(provider, dataset, table, until)]
        waits = waiting(dataset, table)
    price = known_price(MODELS["anthropic"])
    assert price is not None
    head = ["model", "how", "share", "requests", "input tokens each", "% read", "% written", "USD"]
    text = "\n".join(
        [
            "# The bill\n",
            f"{len(dataset):,} samples in three modalities over {images:,} images, "
            f"{IMAGE_TOKENS:,} tokens an image; {price.source}. `python -m benchmarks.bill`\n",
            TEXT,
            markdown(head, rows),
            "## What the wait takes\n",
            "1,200 pairs, 64 in flight, a second each: those that share an image, sent at once or "
            "after the first of them was answered.\n",
            markdown(["pairs of an image", "s", *head[3:7]], waits),
        ]
    )
    return text, {"rows": [dict(zip(head, row, strict=True)) for row in rows], "waiting": waits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, help="fewer than 8,187; then nothing is written")
    parser.add_argument("--until", default=UNTIL)
    parser.add_argument("--serve", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--order", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--latency", type=float, default=0.05, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.table, order=options.order, latency_s=options.latency)
        return
    text, data = report(options.samples, options.until)
    if options.samples is None:
        write_results("bill", text, data)
    else:
        print(text)


if __name__ == "__main__":
    main()
