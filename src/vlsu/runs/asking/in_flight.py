"""How many requests may be in flight at once: found by trying, from times and answers alone.

The time comes with each event, in seconds of any steady clock; nothing here waits or draws by
chance, so the same events always lead to the same number. ``docs/engine.md`` explains the search,
``benchmarks/concurrency.py`` tries it on simulated servers of many kinds.
"""

from __future__ import annotations

import math

from vlsu.runs.asking.latencies import Latencies
from vlsu.runs.asking.throughput import Throughput, Window, trial_pays, trial_taken
from vlsu.runs.asking.tickets import Ticket, Tickets

__all__ = ["InFlight"]

#: Answers from which the variation of latencies is estimated.
_FIRST = 40
#: Answers, as a multiple of the bound, in which it is watched whether the bound is too much.
_WATCHED = 2
#: A trial of more goes to twice the level; one of fewer to a half of it until such a trial failed,
#: then to this part.
_FEWER = math.sqrt(0.5)
#: Answers in a window: at least so many times the level, and so many.
_WINDOW, _LEAST = 2, 20
#: Windows between two trials, at first and at most; doubled while neither direction is better.
_PAUSE, _LONG_PAUSE = 2, 64
#: Part of the requests sent before a change of level that may still be in flight when what comes
#: after it is measured.
_STRAGGLERS = 0.1
#: Where the server refused more, the next trial of more goes up by this part of the level.
_CAUTIOUS = 1 / 16
#: Answers for each by which the level then goes up: the rate of requests goes up by a quarter.
_SLOWLY = 4
#: Where it refuses without more being tried, a part of the level is given up, step by step. If it
#: still refuses after one step from a level that held for a window, after so many from another, or
#: when so much less was in flight than before, it limits something else.
_STEP_DOWN, _GIVEN_UP, _FAR_FEWER = 1 / 32, 1 / 10, 0.7
#: The same if it has come to answer so much more than it took when it first refused some.
_MORE_AFTER_ALL = 1.1
#: After a refusal that cost a pause, no trial of more is made for so many times that long.
_QUIET = 60.0
#: Where this machine lacked what it takes, the bound is this part of the level, and is doubled
#: whenever it lacked nothing for so many seconds.
_POSSIBLE, _SHORT_S = 3 / 4, 60.0


class InFlight:
    """The level: how many requests may be in flight at once.

    It grows by one with every answer, so it doubles within a latency while the server keeps up.
    That ends at the bound, or when newer requests take markedly longer than earlier ones, or when
    the server refuses one. From then on throughput is compared, over times that are long against
    the latency, with that at twice and at 0.7 times the level, and the better level kept.

    Args:
        most: The bound.
        size: The level to begin with.

    Attributes:
        most: The bound; lower than at first while this machine lacks what it takes.
        size: The level now.
    """

    def __init__(self, most: int, size: int) -> None:
        self.most = self._given = max(1, most)
        self.size = min(max(1, size), self.most)
        self._out = Tickets()
        self._answers = 0
        #: The most that of late were in flight when one was sent that was answered.
        self._sustained = 0.0
        #: Requests refused or failed since the last answer.
        self._in_a_row = 0
        self._short_until = 0.0
        # Growing
        self._latencies: Latencies | None = Latencies() if self.size < self.most else None
        self._first = Window(0.0, 0.0)
        self._look_at = 2 * self.size
        #: Answers since the bound was reached.
        self._watched = 0
        # Comparing: around a base, with the level on its way to or at a goal.
        self._comparing = False
        self._base = self._goal = self.size
        self._at_base: Throughput | None = None
        self._window: Window | None = None
        self._upwards = False
        self._fewer = 0.5
        self._failed_trials = 0
        self._windows_left = 0
        self._quiet_until = 0.0
        #: How much more is tried next, once the server refused more.
        self._stride: int | None = None
        #: Refusals at this level or below show that their number is not what the server limits.
        self._not_number = 0
        #: How many it took when it first refused some.
        self._taken = math.inf
        #: Answers so far when a burst of refusals began.
        self._burst: int | None = None
        # The last change of level: the first request since, when, and whether one was refused.
        self._changed, self._changed_at, self._refused = 0, 0.0, False
        #: What was in flight at the change is waited for, and then what was in flight after that.
        self._generations, self._generation, self._left = 0, 0, 0
        self._turnover_s = 0.0

    @property
    def count(self) -> int:
        """How many requests are in flight."""
        return len(self._out)

    # Events

    def sent(self, now: float) -> Ticket:
        """A request goes out; its ticket is given back when it ends."""
        return self._out.add(now, self.size, self._answers)

    def answered(self, now: float, ticket: Ticket) -> None:
        """The request was answered."""
        used = len(self._out) >= 0.8 * min(ticket.level, self.size)
        age = self._remove(now, ticket)
        self._answers += 1
        self._in_a_row = 0
        if self.most < self._given and now >= self._short_until:
            self._try_bound(now)
        self._sustained = max(ticket.among, self._sustained * (1 - 1 / (8 * self.size)))
        if self._latencies is not None:
            self._grow(now, ticket, age, used=used)
        elif self._comparing and self.size < self._goal:
            # One by one: a burst of requests might be refused.
            if self._stride is None or self._answers % _SLOWLY == 0:
                self.size += 1
            if self.size == self._goal:
                self._change(now)
        elif self._comparing:
            if self._window is not None:
                self._window.add(age)
            self._compare(now)

    def refused(
        self, now: float, ticket: Ticket, *, paced: bool = False, pause_s: float = 0.0
    ) -> bool:
        """The server would not answer: too many are in flight, or they come too fast.

        Args:
            now: The time.
            ticket: The request.
            paced: Whether they are held back already so as not to come too fast.
            pause_s: Seconds in which nothing is sent because of it.

        Returns:
            Whether they come too fast: no more were in flight than were answered before.
        """
        self._lose(now, ticket)
        self._refused = self._refused or ticket.number >= self._changed
        if self._burst is not None and self._burst == self._answers:
            # Of requests sent together only some were taken: those that are still in flight.
            if len(self._out) < self._base and self._at_base is None:
                self._start(now, len(self._out))
                self._upwards, self._taken = True, self._base
            return False
        self._burst = None
        if ticket.number < self._changed:
            return False
        self._in_a_row += 1
        self._quiet_until = max(self._quiet_until, now + _QUIET * pause_s)
        if self._stalled:
            self._halve(now)
            return False
        fewer = self._comparing and (
            self._base <= self._not_number or self._base > _MORE_AFTER_ALL * self._taken
        )
        if paced or fewer or ticket.among < _FAR_FEWER * self._sustained:
            if self._comparing:
                self._grow_again(now)
            return True
        if not self._comparing:
            self._burst = self._answers
            self._start(now, min(len(self._out), self.size - 1))
            self._upwards, self._stride = True, self._cautious_stride()
            self._taken = self._base
        elif self._goal > self._base:
            self._stride = self._cautious_stride()
            self._reject(now)
        else:
            self._rebase(now, self._step_down(self._base))
        return False

    def late(self, now: float, ticket: Ticket) -> None:
        """No answer came in time.

        Of as many as were answered meanwhile, half are answered in half the time: with no more than
        these in flight, answers come in time.
        """
        self._lose(now, ticket)
        bearable = (self._answers - ticket.answered) // 2
        if ticket.number >= self._changed and bearable < self.size:
            self._start(now, bearable)

    def failed(self, now: float, ticket: Ticket) -> None:
        """The server failed in another way."""
        self._lose(now, ticket)
        self._in_a_row += 1
        if self._stalled and ticket.number >= self._changed:
            self._halve(now)

    def not_sent(self, now: float, ticket: Ticket) -> None:
        """This machine lacked what it takes to have so many in flight: the bound is lowered."""
        self._lose(now, ticket)
        self._short_until = now + _SHORT_S
        if ticket.number < self._changed:
            return
        self.most = max(1, int(_POSSIBLE * self.size))
        if not self._comparing:
            self.size = self._base = self._goal = self.most
            self._change(now)
        elif self._base > self.most:
            self._rebase(now, self.most)
        else:
            self._reject(now)

    def ended(self, now: float, ticket: Ticket) -> None:
        """The request ended in a way that does not depend on the server's load."""
        self._lose(now, ticket)

    # Bookkeeping

    def _remove(self, now: float, ticket: Ticket) -> float:
        """Take a request out of those in flight; how long it was among them, in seconds."""
        if ticket.number < self._generation:
            self._left -= 1
        return self._out.remove(now, ticket)

    def _lose(self, now: float, ticket: Ticket) -> None:
        """Take out a request that came to no answer."""
        age = self._remove(now, ticket)
        if self._window is not None:
            self._window.lost_s += age

    @property
    def _stalled(self) -> bool:
        """Whether nothing is answered any more."""
        return self._in_a_row >= max(8, self.size // 2)

    def _change(self, now: float) -> None:
        """The level has changed: what is in flight was sent at another one."""
        self._changed = self._generation = self._out.sent
        self._changed_at, self._left, self._generations = now, len(self._out), 2
        self._window, self._refused = None, False

    # Growing

    def _grow(self, now: float, ticket: Ticket, age: float, *, used: bool) -> None:
        assert self._latencies is not None
        self._latencies.add(ticket.level, age)
        if self._first.answers < _FIRST:
            self._first.add(age)
        if not used:
            return
        if self.size < self.most:
            self.size += 1
        else:
            self._look_at -= 1  # as if it grew on
            self._watched += 1
            if self._watched > _WATCHED * self.most:
                self._latencies = None
                return
        if self.size >= self._look_at:
            self._look_at = self.size + max(1, self.size // 8)
            waiting = ((each.level, now - each.at) for each in self._out)
            if self._latencies.longer(self.size, waiting):
                self._start(now, self.size // 2)

    def _grow_again(self, now: float) -> None:
        """Forget what was found by comparing."""
        self._in_a_row, self._comparing = 0, False
        self._at_base = self._stride = None
        self._change(now)
        self._latencies, self._look_at = Latencies(), 2 * self.size

    def _halve(self, now: float) -> None:
        """Nothing is answered any more: go back, and grow again when there are answers."""
        self.size = self._base = self._goal = max(1, self.size // 2)
        self._grow_again(now)

    def _try_bound(self, now: float) -> None:
        """This machine may have again what it lacked."""
        self.most = min(2 * self.most, self._given)
        self._short_until = now + _SHORT_S
        if not self._comparing:
            self._grow_again(now)

    # Comparing

    def _start(self, now: float, level: int) -> None:
        """Grow no more; compare from this level on."""
        self._latencies, self._comparing = None, True
        self._upwards, self._fewer, self._failed_trials = False, 0.5, 0
        self._taken = math.inf
        self._rebase(now, min(level, self.most))
        self._not_number = math.floor((1 - _GIVEN_UP) * self._base)

    def _rebase(self, now: float, level: int) -> None:
        """A base about which nothing is known yet."""
        self._base = max(1, level)
        self._at_base, self._windows_left = None, 0
        self._go_to(now, self._base)

    def _go_to(self, now: float, level: int) -> None:
        """Another level: at once if it is lower, else by one with each answer."""
        self._goal, self._window = level, None
        if level <= self.size:
            self.size = level
            self._change(now)

    @staticmethod
    def _step_down(level: int) -> int:
        return min(level - 1, math.floor((1 - _STEP_DOWN) * level))

    def _cautious_stride(self) -> int:
        """The next trial of more, after one was refused."""
        return max(1, round(self._stride / 2 if self._stride else _CAUTIOUS * self._base))

    def _compare(self, now: float) -> None:
        window = self._window
        if window is None:
            self._pass_generation(now)
        elif now - window.start >= max(self._turnover_s, 1e-9):
            if window.answers < max(_WINDOW * self.size, _LEAST):
                return
            measured = Throughput.of(window, now, self._out.busy_s, self._first.variation)
            if self.size == self._base:
                self._measured(now, measured)
            else:
                self._tried(now, measured, window.answers)

    def _pass_generation(self, now: float) -> None:
        """Begin to measure once all are sent and answered at this level.

        After a change a burst is sent, or none is, for the time of a latency; and what is sent then
        is answered sooner or later than what follows. So two generations of requests go by.
        """
        used = len(self._out) + 1 >= 0.9 * self.size or self._refused
        if self._left > _STRAGGLERS * self.size or not used:
            return
        self._generations -= 1
        self._generation, self._left = self._out.sent, len(self._out)
        if not self._generations:
            self._turnover_s = (now - self._changed_at) / 2
            self._window = Window(now, self._out.busy_s)

    def _measured(self, now: float, measured: Throughput) -> None:
        """A window at the base is over."""
        self._at_base = measured.with_earlier(self._at_base)
        self._window = Window(now, self._out.busy_s)
        self._not_number = max(self._not_number, self._step_down(self._base))
        self._windows_left -= 1
        if self._windows_left >= 0 or measured.in_flight < self._base / 2:
            return
        self._upwards = self._base == 1 or (self._upwards and self._base < self.most)
        if not self._upwards:
            self._go_to(now, max(1, math.floor(self._fewer * self._base)))
        elif now >= self._quiet_until and self._base < self.most:
            self._go_to(now, min(self._base + (self._stride or self._base), self.most))

    def _tried(self, now: float, measured: Throughput, answers: int) -> None:
        """A window of a trial is over, or goes on while it is open whether the trial pays."""
        assert self._at_base is not None
        more = self.size > self._base
        if more and self._stride is not None:
            pays: bool | None = trial_taken(self._at_base, measured)
            self._stride = 2 * self._stride if 2 * self._stride < self.size else None
        else:
            pays = trial_pays(self._at_base, measured, self.size, answers, more=more)
        if pays is None:
            return
        if not pays:
            self._reject(now)
            return
        self._base, self._at_base = self.size, measured
        self._failed_trials, self._windows_left = 0, 0
        self._window = Window(now, self._out.busy_s)

    def _reject(self, now: float) -> None:
        """Back to the base; the other direction is next."""
        self._upwards = self._goal < self._base
        if self._upwards:
            self._fewer = _FEWER
        self._failed_trials += 1
        self._windows_left = min(_PAUSE * 2 ** max(0, self._failed_trials - 1), _LONG_PAUSE)
        self._go_to(now, self._base)
