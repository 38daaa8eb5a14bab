"""Fetching the images of a dataset from their addresses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any

import polars as pl
import uvloop

from vlsu._arguments import require_function
from vlsu._cores import cores
from vlsu.data.datasets.dataset import Dataset, load
from vlsu.data.fetching.acceptance import MAX_IMAGE_BYTES, accept
from vlsu.data.fetching.addresses import parse_address
from vlsu.data.fetching.application import use_images
from vlsu.data.fetching.client import Client, Dial, dial
from vlsu.data.fetching.entries import Result, Stated, Wanted
from vlsu.data.fetching.failed import FAILED_FILE, write_failed
from vlsu.data.fetching.faults import FetchFaultError
from vlsu.data.fetching.journal import Journal
from vlsu.data.fetching.mirrors import mirrored, require_template
from vlsu.data.fetching.politeness import Dispatcher, Pace
from vlsu.data.fetching.proxies import LOOKUP_S, NameJudge, Routing, routing, say_unused
from vlsu.data.fetching.resolver import Lookup, Resolver, system_lookup
from vlsu.data.parquet import scan_parquet
from vlsu.data.progress import Progress
from vlsu.data.sample import is_sha256
from vlsu.errors import UsageError, VlsuError

__all__ = ["FetchReport", "Network", "fetch_images"]

TIMEOUT_S = 30.0
#: Results that are recorded together, and the seconds after which they are at the latest.
_RECORDED, _RECORDED_S = 25, 0.1
#: Addresses of a host with one and the same image that are worth a warning.
_SUSPICIOUS = 5
_BATCH = 8192
#: Seconds between two looks of a thread that waits for another.
_LOOK_S = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Network:
    """How names are looked up and connections made; to be replaced in tests.

    Attributes:
        lookup: From a name to its IP addresses.
        dial: From an IP address and a port to a connection.
        context: Of TLS; the system's certificates by default.
    """

    lookup: Lookup = system_lookup
    dial: Dial = dial
    context: SSLContext | None = None


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What became of the addresses of a dataset, each counted once.

    ``wanted == had + fetched + sum(failed.values())``.

    Attributes:
        dataset: The dataset, with the images that were fetched.
        wanted: Different addresses.
        had: Those whose image was there before.
        fetched: Those whose image was fetched now.
        failed: Reason -> addresses without an image.
        hosts: Host -> its ``wanted``, ``had``, ``fetched`` and ``failed``.
        failed_file: The list of what failed; `None` if nothing did.
    """

    dataset: Dataset
    wanted: int = 0
    had: int = 0
    fetched: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failed_file: Path | None = None

    def to_dict(self) -> dict[str, object]:
        """The counts as plain values, ready for JSON."""
        return {
            "wanted": self.wanted,
            "had": self.had,
            "fetched": self.fetched,
            "failed": dict(self.failed),
            "hosts": {host: dict(counts) for host, counts in self.hosts.items()},
        }


def fetch_images(
    dataset: Dataset | str | Path,
    *,
    pace: Pace | None = None,
    timeout_s: float = TIMEOUT_S,
    mirror: str | None = None,
    allow_private: bool = False,
    proxy: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
    network: Network | None = None,
) -> FetchReport:
    """Fetch the images of samples that have an address and no image, and store them.

    What was fetched is recorded as it comes: the same call goes on where the last one stopped,
    whatever stopped it. What failed in a way that may pass is asked again by every call, what
    failed for good with `again` only.

    No request reaches an address that is not of the public internet, unless `allow_private`, and
    none a multicast address or the metadata service of a cloud; see
    `vlsu.data.fetching.addresses`.

    Args:
        dataset: A dataset or its folder.
        pace: How many requests at a time, in all and to a host, and how failures are retried.
        timeout_s: Seconds for one attempt, redirects included.
        mirror: Where what fails is asked for instead: an address with places such as ``{url}``; see
            `vlsu.data.fetching.mirrors.PLACES`.
        allow_private: Whether addresses of this machine and of private networks may be asked.
        proxy: ``http://HOST:PORT`` of a proxy, perhaps with ``USER:PASSWORD@``, or ``"env"`` for
            those that the environment names. Addresses and redirects are judged as ever, and names
            as this machine resolves them; what the proxy resolves otherwise is for it to guard.
        again: Ask again what failed for good; and what was fetched, if it has changed since.
        progress: Called with the addresses done and their total.
        network: How names are looked up and connections made.

    Raises:
        UsageError: A number is out of range, the mirror is no such address, or the proxy is none,
            cannot be reached or wants other credentials.
        DataError: The dataset cannot be read or written, or is being fetched by another process.
        MachineError: The disk is full, or another resource of this machine is exhausted.
    """
    require_function("progress", progress)
    if not isinstance(dataset, Dataset):
        dataset = load(dataset)
    pace = pace or Pace()
    _check(pace, timeout_s)
    if mirror is not None:
        require_template(mirror)
    routes = None if proxy is None else routing(proxy)
    with dataset.reading():
        addresses = dataset.frame().select(pl.col("image_url").is_not_null().any())
        if not addresses.collect(engine="streaming").item():
            return FetchReport(dataset)
    with contextlib.closing(Journal(dataset.path)) as journal:
        _remove_leftovers(dataset.path)
        journal.begin(_stated(dataset), dataset.images, again=again)
        fetching = _Fetching(
            dataset, journal, pace, timeout_s, allow_private, routes, progress, network
        )
        try:
            _in_event_loop(lambda: fetching.run(mirror))
        except (KeyboardInterrupt, UsageError):  # the proxy's refusal, perhaps in the middle
            use_images(dataset, journal)
            raise
        used = use_images(dataset, journal)
        wanted, had, fetched = journal.counts()
        for host, _, count in journal.repeated_images(_SUSPICIOUS):
            _log.warning(
                "%d addresses of %s gave one and the same image: perhaps what it shows in place of "
                "images that are gone",
                count,
                host,
            )
        return FetchReport(
            dataset=used,
            wanted=wanted,
            had=had,
            fetched=fetched,
            failed=journal.reasons(),
            hosts=journal.hosts(),
            failed_file=write_failed(dataset.path, journal),
        )


def _check(pace: Pace, timeout_s: float) -> None:
    for name, value in (("concurrency", pace.concurrency), ("per-host", pace.per_host)):
        if value < 1:
            raise UsageError(f"--{name} {value}: at least 1 is needed")
    if not 0 < timeout_s < float("inf"):
        raise UsageError(f"--timeout {timeout_s:g}: a number of seconds above 0 is needed")


def _stated(dataset: Dataset) -> Iterator[Stated]:
    """The rows that have an address, in order."""
    images = dataset.images
    stated = pl.col("metadata").str.json_path_match("$.image_sha256").alias("stated")
    for name in dataset.info.files:
        start = 0
        while True:
            with dataset.reading():
                rows = scan_parquet(dataset.path / name).slice(start, _BATCH)
                found = rows.select("id", "image_url", "image_sha256", stated).collect()
            for id_, url, sha256, required in found.iter_rows():
                if url is None:
                    continue
                if sha256 is not None and sha256 not in images:
                    yield Stated(id_ or "", url, None, sha256)
                else:
                    valid = required is not None and is_sha256(required)
                    yield Stated(id_ or "", url, sha256, required if valid else None)
            if found.height < _BATCH:
                break
            start += _BATCH


class _Fetching:
    """The asking of one start."""

    def __init__(
        self,
        dataset: Dataset,
        journal: Journal,
        pace: Pace,
        timeout_s: float,
        allow_private: bool,
        routes: Routing | None,
        progress: Progress | None,
        network: Network | None,
    ) -> None:
        self._images = dataset.images
        self._journal = journal
        self._pace = pace
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._routes = routes
        self._progress = progress
        self._network = network or Network()
        self._results: list[Result] = []
        self._recorded_at = 0.0
        self._done = self._total = 0
        self._mirror: str | None = None

    async def run(self, mirror: str | None) -> None:
        """Ask all that is queued; then, of a mirror, what failed."""
        network, private = self._network, self._allow_private
        resolver = Resolver(network.lookup, allow_private=private)
        self._client = Client(
            resolver,
            timeout_s=self._timeout_s,
            max_bytes=MAX_IMAGE_BYTES,
            dial=network.dial,
            context=network.context,
            routing=self._routes,
            judge=NameJudge(
                resolver, allow_private=private, lookup_s=min(LOOKUP_S, self._timeout_s / 2)
            ),
        )
        # One more than processors: while one decodes, another writes.
        with ThreadPoolExecutor(cores() + 1, "fetch") as self._pool:
            try:
                await self._ask()
                if mirror is not None:
                    self._mirror = mirror
                    self._journal.queue(self._mirrored_hosts(mirror))
                    await self._ask()
            finally:
                await self._client.close()
                self._record()

    async def _ask(self) -> None:
        queued = self._journal.queued()
        if not queued:
            return
        self._done, self._total = 0, sum(queued.values())
        if self._progress is not None:
            self._progress(0, self._total)
        if self._mirror is None and self._routes is None:
            say_unused(self._total)
        dispatcher = Dispatcher(
            queued,
            more=self._journal.next_of,
            attempt=self._attempt,
            failed=self._failed,
            give_up=self._give_up,
            pace=self._pace,
        )
        await dispatcher.run()
        self._record()

    def _mirrored_hosts(self, template: str) -> Iterator[tuple[str, int]]:
        for id_, sample, url, _ in self._journal.failed():
            with contextlib.suppress(FetchFaultError, ValueError):
                yield parse_address(mirrored(template, url, sample)).host, id_

    async def _attempt(self, wanted: Wanted) -> None:
        """Ask one address once.

        Raises:
            FetchFaultError: It gave no image.
            VlsuError: The image cannot be stored.
        """
        if self._mirror is None:
            address = parse_address(wanted.url)
            download = await self._client.get(address, wanted.etag, wanted.modified)
        else:
            address = parse_address(mirrored(self._mirror, wanted.url, wanted.sample))
            download = await self._client.get(address)
        if download.body is None:
            self._add(Result(wanted.id))
            return
        etag, modified = download.etag, download.modified
        if self._mirror is not None:  # the mirror's are not those of the address
            etag = modified = None
        accepted = asyncio.get_running_loop().run_in_executor(
            self._pool, accept, self._images, download.body, wanted.required
        )
        try:
            sha256 = await asyncio.shield(accepted)
        except asyncio.CancelledError:
            # Its thread goes on: what it stores is recorded, else no row would name the image.
            with contextlib.suppress(VlsuError, FetchFaultError):
                self._add(Result(wanted.id, await accepted, etag=etag, modified=modified))
            raise
        self._add(Result(wanted.id, sha256, etag=etag, modified=modified))

    def _failed(self, wanted: Wanted, fault: FetchFaultError) -> None:
        if self._mirror is not None:  # what its own address said stays
            self._add(Result(wanted.id))
        else:
            self._add(Result(wanted.id, reason=fault.reason, transient=fault.transient))

    def _give_up(self, host: str, after: int, reason: str) -> None:
        self._record()
        self._count(self._journal.give_up(host, after, reason, keep=self._mirror is not None))

    def _add(self, result: Result) -> None:
        self._results.append(result)
        self._count(1)
        now = asyncio.get_running_loop().time()
        if len(self._results) >= _RECORDED or now - self._recorded_at >= _RECORDED_S:
            self._record()
            self._recorded_at = now

    def _count(self, done: int) -> None:
        self._done += done
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _record(self) -> None:
        results, self._results = self._results, []
        if results:
            self._journal.record(results)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a start that was killed has left half written."""
    for pattern in (".samples-*.tmp", f".{FAILED_FILE}-*.tmp", "images/[0-9a-f][0-9a-f]/.*.tmp"):
        for leftover in folder.glob(pattern):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _in_event_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end, from a script or from a notebook whose thread has a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
        return
    ended: Future[None] = Future()
    under_way: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None] | None]] = []

    async def watched() -> None:
        under_way.append((asyncio.get_running_loop(), asyncio.current_task()))
        await work()

    def in_thread() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                ended.set_result(runner.run(watched()))
        except BaseException as error:
            ended.set_exception(error)

    thread = threading.Thread(target=in_thread, name="fetch", daemon=True)
    thread.start()
    try:
        while thread.is_alive():  # an interrupt comes through between two looks
            thread.join(_LOOK_S)
    except KeyboardInterrupt:
        for loop, task in under_way:
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    ended.result()
