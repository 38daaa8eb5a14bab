"""How fast to ask: requests in flight, requests and tokens a minute, and when to give up.

Everything here is told the time, in seconds of any steady clock, and does no waiting of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Breaker", "InFlight", "RateLimit"]

#: A larger number in flight must raise the rate by this much to be kept.
WORTHWHILE = 1.15
#: What is left in flight after the server pushed back, and how soon it may be cut again, seconds.
CUT = 0.7
CUT_APART_S = 1.0


@dataclass(slots=True)
class InFlight:
    """How many requests may be in flight at once.

    Starting small, the number doubles as long as the rate of answers grows with it, that is while
    latency holds; when the server pushes back (429, a timeout) it is cut, and grows again by small
    steps. It never exceeds `most`.

    Attributes:
        most: The bound.
        size: The number now.
    """

    most: int
    size: int
    _doubling: bool = True
    _answers: int = 0
    _since: float | None = None
    _rate: float = 0.0
    _last_cut: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        self.size = max(1, min(self.size, self.most))

    def answered(self, now: float) -> None:
        """An answer came."""
        if self._since is None:
            self._since = now
        self._answers += 1
        if self._answers <= 2 * self.size or now <= self._since:
            return
        rate = self._answers / (now - self._since)
        self._answers, self._since = 0, now
        if self.size >= self.most:
            return
        if self._doubling:
            if rate < WORTHWHILE * self._rate:
                self._doubling = False
                return
            self._rate = rate
            self.size = min(2 * self.size, self.most)
        elif self._last_cut > float("-inf"):
            self.size = min(self.size + max(1, self.size // 10), self.most)

    def pushed_back(self, now: float) -> None:
        """The server said it is too much, or did not answer in time."""
        self._doubling = False
        self._answers, self._since = 0, now
        if now - self._last_cut >= CUT_APART_S:
            self.size = max(1, int(self.size * CUT))
            self._last_cut = now


@dataclass(slots=True)
class RateLimit:
    """Requests and tokens a minute, spread evenly, and pauses the server asks for.

    Attributes:
        requests_per_minute: Bound, or `None`.
        tokens_per_minute: Bound over input and output, or `None`; what a request will take is
            estimated by the mean of those answered.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    _next: float = 0.0
    _blocked_until: float = 0.0
    _tokens: int = 0
    _answers: int = 0

    def wait(self, now: float) -> float:
        """Reserve the next place and return the seconds until it comes."""
        interval = 0.0
        if self.requests_per_minute:
            interval = 60 / self.requests_per_minute
        if self.tokens_per_minute and self._answers:
            mean = self._tokens / self._answers
            interval = max(interval, 60 * mean / self.tokens_per_minute)
        start = max(now, self._next, self._blocked_until)
        self._next = start + interval
        return start - now

    def used(self, tokens: int) -> None:
        """An answer took this many tokens."""
        self._answers += 1
        self._tokens += tokens

    def pause(self, until: float) -> None:
        """Send nothing before this time."""
        self._blocked_until = max(self._blocked_until, until)


@dataclass(slots=True)
class Breaker:
    """Tells a server that is down from a request that fails.

    Attributes:
        patience_s: How long nothing but failures is borne once an answer has come.
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
