"""How fast to ask, and when to give up: requests and tokens a minute, and a server that is down.

Times are passed in, in seconds of any monotonic clock; nothing here waits.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Breaker", "RateLimit"]

#: Of a rate that was too much, at least this part is given up, and at most that; so many times the
#: share that was refused in between.
_CUT, _MOST_CUT, _CUT_BY = 0.06, 0.5, 1.5
#: Seconds to come back to a rate that was too much: so many at least, and so many times a pause
#: that it cost.
_BACK_S, _BACK = 10.0, 40.0
#: A server that refuses requests so often at so small a part of the rate that it took before, and
#: so many seconds after that was cut, refuses some whatever is done. Where it asks for no pause,
#: they are let pass for so many seconds, unless they are more than that share.
_IN_VAIN, _SLOWER, _SECONDS, _IGNORED_S, _MANY = 3, 0.95, 2.0, 300.0, 0.5
#: Outcomes over which their share is taken, about.
_OUTCOMES = 64
#: For so long after a pause, not all who waited are let go at once; seconds.
_RESUMED_S = 10.0


@dataclass(slots=True)
class _Learned:
    """Requests a second that a server takes, learned from what it refuses.

    After a refusal the rate is cut, comes back to where it was quickly at first and slowly in the
    end, stays there for a while and then goes beyond ever faster, as CUBIC does (RFC 9438).

    Attributes:
        much: Requests a second that were too many.
        cut: Share of it that was given up.
        at: When.
        back_s: Seconds until the rate is there again.
    """

    much: float
    cut: float
    at: float
    back_s: float

    def rate(self, now: float) -> float:
        """Requests a second at a time."""
        t = max(0.0, now - self.at) / self.back_s
        return self.much * (1 + self.cut * (t - 1) ** 3)


@dataclass(slots=True)
class RateLimit:
    """Requests and tokens a minute, spread evenly, and pauses the server asks for.

    Where a server refuses requests for coming too fast, the rate that it takes is learned.

    Attributes:
        requests_per_minute: Bound, or `None`.
        tokens_per_minute: Bound over input and output, or `None`; what a request will take is
            estimated by the mean of those answered.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    _next: float = 0.0
    _blocked_until: float = 0.0
    _resume_interval: float = 0.0
    _tokens: int = 0
    _answers: int = 0
    _began: float = float("inf")
    _learned: _Learned | None = None
    _cut_at: float = float("-inf")
    _share_refused: float = 0.0
    #: Requests a second that the server took while it refused others.
    _taken: float = 0.0
    _in_vain: int = 0
    _ignoring_until: float = float("-inf")
    #: Requests sent in the last second or more, and in the one before.
    _recent: tuple[float, int] = (0.0, 0)
    _before: tuple[float, int] = (0.0, 0)

    def wait(self, now: float) -> float:
        """Reserve the next place and return the seconds until it comes."""
        interval = 0.0
        if self.requests_per_minute:
            interval = 60 / self.requests_per_minute
        if self.tokens_per_minute and self._answers:
            mean = self._tokens / self._answers
            interval = max(interval, 60 * mean / self.tokens_per_minute)
        if self._learned is not None:
            interval = max(interval, 1 / self._learned.rate(now))
        start = max(now, self._next, self._blocked_until)
        if start < self._blocked_until + _RESUMED_S:
            interval = max(interval, self._resume_interval)
        self._began = min(self._began, start)
        since, count = self._recent
        if start - since >= 1.0:
            self._before, self._recent = self._recent, (start, 1)
        else:
            self._recent = since, count + 1
        self._next = start + interval
        return start - now

    def used(self, tokens: int) -> None:
        """An answer took this many tokens."""
        self._answers += 1
        self._tokens += tokens
        self._share_refused *= 1 - 1 / _OUTCOMES

    def pause(self, now: float, until: float) -> None:
        """Send nothing before this time, and then no faster than before at first."""
        if until > self._blocked_until:
            if self.paused_s(now) <= 0:
                rate = max(self._sent_a_second(now), self._answered_a_second(now))
                self._resume_interval = 1 / rate
            self._blocked_until = until

    def paced(self, now: float) -> bool:
        """Whether a learned rate holds requests back."""
        learned = self._learned
        return learned is not None and learned.rate(now) < 1.2 * self._sent_a_second(now)

    def paused_s(self, now: float) -> float:
        """Seconds in which nothing is to be sent."""
        return max(0.0, self._blocked_until - now)

    def ignores_refusals(self, now: float) -> bool:
        """Whether a refusal is ignored, because slowing down has not reduced refusals."""
        self._share_refused += (1 - self._share_refused) / _OUTCOMES
        if self._share_refused > _MANY:
            self._ignoring_until, self._taken, self._in_vain = float("-inf"), 0.0, 0
        return now < self._ignoring_until

    def refused(self, now: float, sent_at: float, pause_s: float) -> None:
        """The server refused a request for coming too fast.

        Args:
            now: The time.
            sent_at: When it was sent.
            pause_s: How long nothing is sent for it.
        """
        if sent_at <= self._cut_at:
            return  # of a burst that was answered for already
        much = max(self._sent_a_second(now), self._answered_a_second(now))
        if self._learned is not None and self.paced(now):
            rate = self._learned.rate(now)
            slower = rate < _SLOWER * self._taken and sent_at > self._cut_at + _SECONDS
            if slower and not pause_s:
                self._in_vain += 1
                if self._in_vain >= _IN_VAIN:
                    self._learned, self._taken, self._in_vain = None, 0.0, 0
                    self._ignoring_until = now + _IGNORED_S
                return
            much = rate
        self._taken = max(self._taken, much * (1 - self._share_refused))
        cut = min(max(_CUT, _CUT_BY * self._share_refused), _MOST_CUT)
        self._cut_at = now + pause_s
        self._learned = _Learned(much, cut, now + pause_s, _BACK_S + _BACK * pause_s)

    def _answered_a_second(self, now: float) -> float:
        """Answers a second since the first request was sent."""
        return self._answers / max(now - self._began, 1.0)

    def _sent_a_second(self, now: float) -> float:
        """Requests sent a second, in the last second or two."""
        (since, count), (before, more) = self._recent, self._before
        if since - before < 2.0:
            since, count = before, count + more
        return max(count / max(now - since, 0.1), 0.1)


@dataclass(slots=True)
class Breaker:
    """Tells a server that is down from a request that fails.

    Attributes:
        patience_s: How long failures alone are tolerated once an answer has come.
        first_patience_s: The same before the first answer: a wrong address shows at once.
        streak: Failures in a row that mean the server is down, not a request bad.
    """

    patience_s: float = 60.0
    first_patience_s: float = 10.0
    streak: int = 8
    _failures: int = 0
    _since: float | None = None
    _ever: bool = False

    def answered(self) -> None:
        """An answer of any kind came."""
        self._failures, self._since, self._ever = 0, None, True

    def failed(self, now: float) -> None:
        """No answer came."""
        self._failures += 1
        if self._since is None:
            self._since = now

    @property
    def down(self) -> bool:
        """Whether the server seems to be down: trying again costs a request none of its tries."""
        return self._failures >= self.streak

    def tripped(self, now: float) -> bool:
        """Whether it has been down for longer than patience lasts."""
        if self._since is None or not self.down:
            return False
        return now - self._since >= (self.patience_s if self._ever else self.first_patience_s)
