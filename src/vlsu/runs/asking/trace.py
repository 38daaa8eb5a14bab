"""A run's timeline: what it waited for, as a file that Perfetto and chrome://tracing open.

The file is a JSON object in the Trace Event Format: complete events (``X``) on tracks, pairs of
async events (``b``, ``e``) for what several requests wait for at once, counters (``C``), and
metadata that name the tracks (``M``); times in microseconds since the start.

Source: "Trace Event Format", the Chromium project, sections on complete, async, counter and
metadata events (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).

It holds numbers, fixed names, kinds of faults and the SPECs of models; no text, no answer, no
address, no key.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from vlsu._folders import Kind, make_folder, require_replaceable
from vlsu._version import __version__
from vlsu.errors import RunError, UsageError
from vlsu.runs.folder import write_atomically

__all__ = ["LANES", "READER", "RUN", "STORE", "WARMING", "Trace"]

_log = logging.getLogger(__name__)

#: Events kept at most. Beyond it every second request is left out, and so on; sums stay whole.
MOST_EVENTS = 100_000
#: Tracks by number: the run's phases and its planning, the store's thread, the thread that reads
#: images ahead, when all wait for a cache; from `LANES` on one for each request in flight.
RUN, STORE, READER, WARMING, LANES = 1, 2, 3, 4, 100
_NAMES = {RUN: "run", STORE: "store", READER: "images read ahead", WARMING: "cache warm-up"}
#: How every such file begins.
TRACE = Kind.beginning(
    "trace of a run",
    re.compile(rb'{"displayTimeUnit":"ms","otherData":{"application":"vlsu"'),
)
_PROCESS = 1
_COUNTER = "requests"


class _Event(NamedTuple):
    """Something that took time, or with a `track` of `None` something that all see happen.

    Times are in microseconds since the start.
    """

    name: str
    track: int | None
    start: int
    end: int
    number: int
    about: dict[str, object]


class Trace:
    """What a start of a run waited for, kept in memory and written at its end.

    Args:
        path: The file to be written.
        clock: The time, in seconds; the executor's.
        most: Events kept at most.

    Raises:
        UsageError: The file cannot be written there, or is there and no trace.
    """

    def __init__(
        self,
        path: str | Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = MOST_EVENTS,
    ) -> None:
        self.path = Path(path)
        require_replaceable(self.path, "--trace", TRACE)
        self.clock = clock
        self._most = most
        self._start = clock()
        self._lock = threading.Lock()
        self._events: list[_Event] = []
        self._every = 1
        self._counted: dict[str, int] = {}
        self._waits: dict[str, float] = {}
        self._phases: dict[str, float] = {}
        self._phase = ("preparing", self._start, "")
        self._tracks = set(_NAMES)
        self._numbers = self._requests = 0
        self._requests_s = 0.0

    def phase(self, name: str, model: str = "") -> None:
        """The run begins with something else; what it did before ends."""
        now = self.clock()
        before, since, asked = self._phase
        with self._lock:
            self._phases[before] = self._phases.get(before, 0.0) + now - since
            self._add(before, RUN, since, now, 0, {"model": asked} if asked else {})
        self._phase = (name, now, model)

    def disk(self, what: str, start: float, end: float) -> None:
        """What the store's observer is told."""
        self.span(what, STORE if what == "writing" else None, start, end)

    def next_request(self) -> int:
        """The number of one more request."""
        self._numbers += 1
        return self._numbers

    def span(
        self,
        name: str,
        track: int | None,
        start: float,
        end: float,
        number: int | None = None,
        **about: object,
    ) -> None:
        """Something took from one time to another.

        Args:
            name: What.
            track: Where it is drawn; `None` for what several requests wait for at once.
            start: By the clock.
            end: By the clock.
            number: Of the request; what is no request's is counted by itself.
            about: Numbers and words about it.
        """
        with self._lock:
            if number is None:
                number = self._counted[name] = self._counted.get(name, 0) + 1
            self._add(name, track, start, end, number, about)

    def waited(self, name: str, seconds: float) -> None:
        """A request waited so long for something; all such are added up."""
        self._waits[name] = self._waits.get(name, 0.0) + seconds

    def ended(self, seconds: float, *, completed: bool) -> None:
        """A request is answered or given up, or left by a stop, so long after it was ready."""
        self._requests += completed
        self._requests_s += seconds

    def count(self, **values: int) -> None:
        """How many of something there are now, drawn as a counter."""
        now = self.clock()
        self.span(_COUNTER, None, now, now, **values)

    def _add(
        self,
        name: str,
        track: int | None,
        start: float,
        end: float,
        number: int,
        about: dict[str, object],
    ) -> None:
        if number % self._every:
            return
        if track is not None:
            self._tracks.add(track)
        # Both ends are rounded down: what was within something else stays within it.
        event = _Event(name, track, self._us(start), self._us(end), number, about)
        self._events.append(event)
        while len(self._events) > self._most and self._every < 2**40:
            self._every *= 2
            self._events = [each for each in self._events if not each.number % self._every]

    def _us(self, at: float) -> int:
        return max(0, int((at - self._start) * 1_000_000))

    def write(self) -> None:
        """End the last phase and write the file whole; a failure is a warning, the run is done."""
        self.phase("ended")
        with self._lock:
            about = {
                "application": "vlsu",
                "version": __version__,
                "wall_s": round(sum(self._phases.values()), 6),
                "phases_s": _rounded(self._phases),
                "requests": self._requests,
                "requests_s": round(self._requests_s, 6),
                "waits_s": _rounded(self._waits),
                "shown_requests": f"1 in {self._every}",
            }
            events = [*self._names(), *(each for event in self._events for each in _json(event))]
        tree = {"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}
        try:
            require_replaceable(self.path, "--trace", TRACE)  # what the run has made is kept too
            make_folder(self.path.parent)
            write_atomically(self.path, orjson.dumps(tree))
        except (RunError, UsageError) as error:
            _log.warning("--trace %s", error)

    def _names(self) -> Iterator[dict[str, object]]:
        yield _named("process_name", 0, {"name": "vlsu run"})
        for track in sorted(self._tracks):
            name = _NAMES.get(track) or f"in flight {track - LANES + 1}"
            yield _named("thread_name", track, {"name": name})
            yield _named("thread_sort_index", track, {"sort_index": track})


def _named(name: str, track: int, about: dict[str, object]) -> dict[str, object]:
    return {"name": name, "ph": "M", "ts": 0, "pid": _PROCESS, "tid": track, "args": about}


def _json(event: _Event) -> Iterator[dict[str, object]]:
    """An event as the format has it; one that has no track is a pair, or a counter."""
    about = event.about
    each: dict[str, object] = {
        "name": event.name,
        "cat": "request" if "request" in about else "run",
        "ph": "X",
        "ts": event.start,
        "pid": _PROCESS,
        "tid": event.track or 0,
        "args": about,
    }
    if event.track is not None:
        yield each | {"dur": event.end - event.start}
    elif event.name == _COUNTER:
        yield each | {"ph": "C"}
    else:
        # An id of this process alone, so that Perfetto draws the event among the process's tracks.
        identified = each | {"id2": {"local": hex(event.number)}}
        yield identified | {"ph": "b"}
        yield identified | {"ph": "e", "ts": event.end, "args": {}}


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in seconds.items()}
