"""Servers of many kinds in virtual time, and a run that asks one: its executor is the real one."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.virtual_time import in_virtual_time
from vlsu.models.base import Outcome, Raw, Request, Response
from vlsu.models.http.model import http_fault
from vlsu.runs import NO_PROGRESS
from vlsu.runs.asking.executor import Executor
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.in_flight import InFlight
from vlsu.runs.asking.limits import FIRST_IN_FLIGHT, MOST_IN_FLIGHT, Budget
from vlsu.runs.asking.pace import Breaker, RateLimit
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.tickets import Ticket

#: A latency in seconds, drawn anew for each request.
Draw = Callable[[random.Random], float]
#: Seconds after which the client gives up waiting, as `vlsu run` has it.
TIMEOUT_S = 120.0
#: Seconds in which a server refuses.
REFUSING_S = 0.005

# Latencies


def fixed(seconds: float) -> Draw:
    return lambda draws: seconds


def uniform(low: float, high: float) -> Draw:
    return lambda draws: draws.uniform(low, high)


def exponential(mean: float) -> Draw:
    return lambda draws: draws.expovariate(1 / mean)


def lognormal(mean: float, sigma: float) -> Draw:
    return lambda draws: draws.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)


def bimodal(short: float, long: float, share_long: float = 0.5) -> Draw:
    return lambda draws: long if draws.random() < share_long else short


def pareto(mean: float, alpha: float) -> Draw:
    least = mean * (alpha - 1) / alpha
    return lambda draws: least * draws.paretovariate(alpha)


#: Latencies with a mean of a second.
LATENCIES: dict[str, Draw] = {
    "fixed": fixed(1.0),
    "uniform": uniform(0.1, 1.9),
    "exponential": exponential(1.0),
    "lognormal": lognormal(1.0, 1.0),
    "bimodal": bimodal(0.3 / 2.65, 5 / 2.65),
    "pareto": pareto(1.0, 1.5),
}


# Servers


class Server:
    """A server that answers every request after its own time, however many there are."""

    def __init__(self, draw: Draw, seed: int = 0) -> None:
        self.draw = draw
        self.draws = random.Random(seed)
        self.in_flight = 0
        self.most_in_flight = 0

    async def handle(self) -> Raw:
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            return await self.answer()
        finally:
            self.in_flight -= 1

    async def answer(self) -> Raw:
        await asyncio.sleep(self.draw(self.draws))
        return Raw(200, b"")


class Slots(Server):
    """`slots` requests are worked on at a time, the others wait in the order in which they came."""

    def __init__(self, draw: Draw, slots: int, seed: int = 0) -> None:
        super().__init__(draw, seed)
        self.free = slots
        self.queue: deque[asyncio.Future[None]] = deque()

    async def answer(self) -> Raw:
        if self.free:
            self.free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self.queue.append(turn)
            await turn
        try:
            return await super().answer()
        finally:
            while self.queue and self.queue[0].done():  # gone before its turn
                self.queue.popleft()
            if self.queue:
                self.queue.popleft().set_result(None)
            else:
                self.free += 1


class Slowing(Server):
    """Every latency is longer the more are in flight: by a factor 1 + (n / knee) ** power."""

    def __init__(self, draw: Draw, knee: float, power: float = 1.0, seed: int = 0) -> None:
        super().__init__(draw, seed)
        self.knee, self.power = knee, power

    async def answer(self) -> Raw:
        factor = 1 + (self.in_flight / self.knee) ** self.power
        await asyncio.sleep(factor * self.draw(self.draws))
        return Raw(200, b"")


class Batching(Slots):
    """A model server: each step is longer by what is in the batch, which holds `slots`."""

    def __init__(self, draw: Draw, slots: int, knee: float, seed: int = 0) -> None:
        self.slots = slots
        self.knee = knee
        super().__init__(self._drawn, slots, seed)
        self._draw = draw

    def _drawn(self, draws: random.Random) -> float:
        return (1 + (self.slots - self.free) / self.knee) * self._draw(draws)


class Refusing(Server):
    """Refuses with a status, at once, by some rule."""

    def __init__(
        self, draw: Draw, retry_after: float | None = None, status: int = 429, seed: int = 0
    ) -> None:
        super().__init__(draw, seed)
        self.retry_after = retry_after
        self.status = status
        self.refused = 0

    def refuses(self, now: float) -> bool:
        raise NotImplementedError

    async def answer(self) -> Raw:
        if self.refuses(asyncio.get_running_loop().time()):
            self.refused += 1
            await asyncio.sleep(REFUSING_S)
            return Raw(self.status, b'{"error": {"message": "busy"}}', 0.0, self.retry_after)
        return await super().answer()


class RefusingMany(Refusing):
    """Takes only so many at a time."""

    def __init__(self, draw: Draw, most: int, **more: Any) -> None:
        super().__init__(draw, **more)
        self.most = most
        self.taken = 0

    def refuses(self, now: float) -> bool:
        return self.taken >= self.most

    async def answer(self) -> Raw:
        taken = not self.refuses(0)
        self.taken += taken
        try:
            return await super().answer() if not taken else await Server.answer(self)
        finally:
            self.taken -= taken


class RefusingQuick(Refusing):
    """Takes only so many in any second (or other span), by a sliding window."""

    def __init__(self, draw: Draw, rate: float, span_s: float = 1.0, **more: Any) -> None:
        super().__init__(draw, **more)
        self.most, self.span_s = int(rate * span_s), span_s
        self.taken: deque[float] = deque()

    def refuses(self, now: float) -> bool:
        while self.taken and self.taken[0] <= now - self.span_s + 1e-6:
            self.taken.popleft()
        if len(self.taken) >= self.most:
            return True
        self.taken.append(now)
        return False


class RefusingByBucket(Refusing):
    """Takes `rate` a second on average and so many at once, by a bucket of tokens."""

    def __init__(self, draw: Draw, rate: float, burst: float, **more: Any) -> None:
        super().__init__(draw, **more)
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, 0.0

    def refuses(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.at))
        self.at = now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False


class RefusingSome(Refusing):
    """Refuses a share of the requests, whatever is in flight."""

    def __init__(self, draw: Draw, share: float, **more: Any) -> None:
        super().__init__(draw, **more)
        self.share = share

    def refuses(self, now: float) -> bool:
        return self.draws.random() < self.share


class Dying(Server):
    """Nobody listens from one point in time to another; what was in flight breaks."""

    def __init__(self, draw: Draw, dies: float, back: float, seed: int = 0) -> None:
        super().__init__(draw, seed)
        self.dies, self.back = dies, back

    async def answer(self) -> Raw:
        now = asyncio.get_running_loop().time()
        if self.dies <= now < self.back:
            await asyncio.sleep(0.001)
            return Raw(0, b"connect: cannot connect to it (connection refused)")
        wait = self.draw(self.draws)
        if now < self.dies < now + wait:
            await asyncio.sleep(self.dies - now)
            return Raw(0, b"broken: the connection broke")
        await asyncio.sleep(wait)
        return Raw(200, b"")


# Who asks


class SimulatedModel:
    """Asks a simulated server; an answer is a status and no more."""

    spec = "simulated/server"
    takes_instructions = True
    modalities = frozenset({"text"})
    image_limits = None

    def __init__(self, server: Server) -> None:
        self.server = server

    def identity(self) -> dict[str, object]:
        return {}

    async def send(self, request: Request, images: object) -> Raw:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self.server.handle()
        except TimeoutError:
            return Raw(0, b"timeout: no full answer within 120 s")

    def read(self, raw: Raw) -> Response:
        if raw.status == 200:
            return Response(Outcome.OK, "safe")
        return http_fault(raw.status, raw.body.decode())

    async def close(self) -> None:
        pass


@dataclass
class Kept:
    """A store that counts."""

    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def put(self, key: str, raw: Raw, attempts: int) -> None:
        self.times.append(asyncio.get_running_loop().time())

    def put_usage(self, key: str, spec: str, response: Response) -> None:
        pass

    def put_error(self, key: str, raw: Raw, fault: Any, attempt: int) -> None:
        self.errors[fault.kind] += 1

    def written(self) -> list[str]:
        return []

    def stored(self, keys: list[str]) -> set[str]:
        return set()


@dataclass
class Simulated:
    """What a run came to.

    Attributes:
        times: When each answer came, in order; seconds.
        errors: Attempts that failed, by kind.
        levels: The level at the end of each of 200 parts of the time.
        seconds: How long it ran.
        most_in_flight: Of the server.
        outcomes: Requests by outcome.
    """

    times: list[float]
    errors: Counter[str]
    levels: list[int]
    seconds: float
    most_in_flight: int
    outcomes: Counter[str]

    def rate(self, start: float = 0.5, end: float = 1.0) -> float:
        """Answers a second in a part of the time, by default its second half."""
        low, high = (bisect_left(self.times, self.seconds * at) for at in (start, end))
        return (high - low) / (self.seconds * (end - start))


def _plan(requests: int | None) -> Iterator[Chunk]:
    numbers = itertools.count() if requests is None else range(requests)
    request = Request(())
    left = iter(numbers)
    while part := list(itertools.islice(left, 16)):
        requests = [
            SimpleNamespace(key=str(n), task_request=SimpleNamespace(request=request)) for n in part
        ]
        yield Chunk([], cast(Any, requests))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def simulate(
    server: Server,
    *,
    seconds: float | None = None,
    requests: int | None = None,
    concurrency: int | None = None,
    most: int = MOST_IN_FLIGHT,
    seed: int = 0,
) -> Simulated:
    """Run the executor against a server, for so long or until so many are answered.

    Args:
        server: The server.
        seconds: How long, in virtual time.
        requests: How many requests there are; without end if not given.
        concurrency: So many in flight, whatever happens; if not given, as many as are found.
        most: The bound on what is found.
        seed: Of the pauses that are drawn by chance.
    """
    in_flight = InFlight(most, FIRST_IN_FLIGHT) if concurrency is None else Level(concurrency)
    return in_virtual_time(lambda: _simulate(server, seconds, requests, in_flight, seed))


class Level(InFlight):
    """A level that never changes: what the one that is found is compared with."""

    def __init__(self, size: int) -> None:
        super().__init__(size, size)

    def refused(self, now: float, ticket: Ticket, **_: object) -> bool:
        self.ended(now, ticket)
        return False

    late = failed = InFlight.ended


async def _simulate(
    server: Server,
    seconds: float | None,
    requests: int | None,
    in_flight: InFlight,
    seed: int,
) -> Simulated:
    loop = asyncio.get_running_loop()
    store, levels = Kept(), []
    executor = Executor(
        SimulatedModel(server),
        MemoryImages({}),
        cast(Any, store),
        in_flight=in_flight,
        rate=RateLimit(),
        breaker=Breaker(),
        budget=Budget(),
        progress=NO_PROGRESS,
        outcome_of=lambda response: response.outcome,
        clock=loop.time,
    )
    if seconds is not None:
        for part in range(200):
            loop.call_at(seconds * (part + 1) / 200, lambda: levels.append(in_flight.size))
        for _ in range(2):
            loop.call_at(seconds, executor.stop)
    with _seeded(seed):
        tally = await executor.run(_plan(requests))
    return Simulated(
        store.times,
        store.errors,
        levels,
        loop.time() if seconds is None else seconds,
        server.most_in_flight,
        tally.asked,
    )
