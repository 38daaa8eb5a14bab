"""When to retry a request, when to give up on it or on the server, and the pauses in between.

Times are passed in, in seconds of any monotonic clock; nothing here waits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from vlsu.errors import MachineError, ModelError
from vlsu.models.base import Fault
from vlsu.runs.asking.pace import Breaker

__all__ = ["MACHINE", "SERVER_FAULTS", "Attempts", "Patience", "Retries"]

#: So many requests refused, none answered: all will be, and asking on is waste.
REFUSALS = 64

#: Faults that mean that the server is down or overloaded, rather than the request bad.
SERVER_FAULTS = frozenset(
    {"connect", "proxy", "timeout", "broken", "endless", "server", "malformed"}
)
#: Of these, those of a connection that could not be made: no request was ever sent.
_UNREACHED = frozenset({"connect", "proxy"})
#: The fault that this machine lacks something, and the seconds for which nothing else is tolerated.
MACHINE, LACKING_S = "machine", 60.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed request is retried, and the pauses between attempts; times in seconds.

    Attributes:
        attempts: Attempts at one request before it is given up. Those made while the server
            seems to be down, and those it put off by a 429, are not among them.
        first_pause_s: The pause after the first failed attempt; it doubles with each further one.
        longest_pause_s: The longest pause that is not asked for by ``Retry-After``.
        down_pause_s: The longest pause while the server seems to be down: long enough to spare it,
            short enough to notice that it is back.
        put_off_s: How long one request may be put off by 429s, and the longest ``Retry-After`` that
            is obeyed. Limits a minute are common, limits a day exist: longer than the one, shorter
            than the other.
    """

    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    down_pause_s: float = 5.0
    put_off_s: float = 600.0

    def asked_pause_s(self, retry_after_s: float | None) -> float | None:
        """The pause that a server's ``Retry-After`` makes, or `None` where it asks for none.

        One that is longer than a request may be put off is not believed: the server is asked again
        after the longest pause.
        """
        if not retry_after_s:
            return None
        return retry_after_s if retry_after_s <= self.put_off_s else self.longest_pause_s

    def pause_s(self, attempts: int, retry_after_s: float | None, *, down: bool) -> float:
        """The pause after so many failed attempts: what the server asked for, else with jitter."""
        asked = self.asked_pause_s(retry_after_s)
        if asked is not None:
            return asked + random.uniform(0, self.first_pause_s)  # noqa: S311 - jitter, not a secret
        doublings = min(attempts - 1, 32)
        longest = min(self.first_pause_s * 2**doublings, self.longest_pause_s)
        if down:
            longest = self.down_pause_s
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret


@dataclass(slots=True)
class Attempts:
    """What one request has been through.

    Attributes:
        made: Attempts so far.
        counted: Those of them that count against it.
        put_off_at: When the server first put it off.
    """

    made: int = 0
    counted: int = 0
    put_off_at: float | None = None


class Patience:
    """Decides from answers and faults which requests are given up, and when the server is.

    Args:
        spec: The model, to name it in what is raised.
        breaker: Distinguishes a server that is down from a request that fails.
        retries: How often a request is retried, and after which pauses.
    """

    def __init__(self, spec: str, breaker: Breaker, retries: Retries) -> None:
        self._spec = spec
        self._breaker = breaker
        self._retries = retries
        self._ever = False
        self._answered_at = float("-inf")
        self._refusals = 0
        self._lacking_since: float | None = None
        #: The last fault that the server gave.
        self._fault: Fault | None = None

    def answered_before(self) -> None:
        """A request of the plan was answered at an earlier start."""
        self._ever = True

    def answered(self, now: float) -> None:
        """An answer came."""
        self._ever = True
        self._answered_at = now
        self._lacking_since = None
        self._breaker.answered()

    @property
    def down(self) -> bool:
        """Whether the server seems to be down."""
        return self._breaker.down

    @property
    def all_refused(self) -> bool:
        """Whether it is plain that every request will be refused."""
        return self._refusals >= REFUSALS and not self._ever

    def stop_retrying(
        self, fault: Fault, attempts: Attempts, now: float, *, last_ones: bool
    ) -> bool:
        """Whether to stop retrying a request.

        Its fault is then its outcome.

        Args:
            fault: What its last attempt met.
            attempts: Those made, that one included.
            now: The time.
            last_ones: Whether everything of the plan has been sent or is about to be.

        Raises:
            ModelError: Nothing further can be expected of this server.
        """
        if fault.kind == "image":  # of this machine, not of the server
            return True
        if fault.fatal:
            raise ModelError(f"{self._spec}: {fault.message}")
        self._fault = fault
        down = self.down
        if fault.kind in SERVER_FAULTS:
            self._breaker.failed(now)
            if self._breaker.tripped(now):
                return self._tried_enough(fault, attempts, last_ones=last_ones)
        else:
            self._breaker.answered()
        if not fault.retry:
            self._refusals += 1
            return True
        if fault.kind == "rate-limit":
            return self._put_off_for_long(fault, attempts, now, last_ones=last_ones)
        attempts.counted += not down
        return attempts.counted >= self._retries.attempts and not down

    def lacking(self, fault: Fault, now: float, *, alone: bool) -> None:
        """This machine lacked what it takes to send a request.

        Args:
            fault: What it lacked.
            now: The time.
            alone: Whether nothing else is in flight, whose end could be waited for.

        Raises:
            MachineError: Nothing has been answered since it began, long ago.
        """
        if self._lacking_since is None:
            self._lacking_since = now
        if alone and now - self._lacking_since >= LACKING_S:
            raise MachineError(
                f"{fault.message}; what was answered is stored: run the same command again to "
                "continue"
            )

    def _tried_enough(self, fault: Fault, attempts: Attempts, *, last_ones: bool) -> bool:
        """Nothing but faults for longer than patience lasts: is it the server or the requests?

        If others were answered and these are the last ones left, it is the requests, and each has
        its tries: were the run ended for them, it would end so each time and never be judged.

        Raises:
            ModelError: It is the server.
        """
        if last_ones and self._ever and fault.kind not in _UNREACHED:
            return attempts.made >= self._retries.attempts
        who = "proxy" if fault.kind == "proxy" else "server"
        raise ModelError(
            f"{self._spec}: the {who} does not answer ({fault.message}); what was "
            f"answered is stored: fix the {who} and run the same command to continue"
        )

    def _put_off_for_long(
        self, fault: Fault, attempts: Attempts, now: float, *, last_ones: bool
    ) -> bool:
        """Whether a request was put off for so long that it is given up.

        Raises:
            ModelError: So was every other in that time, and there is more to ask.
        """
        if attempts.put_off_at is None:
            attempts.put_off_at = now
        if now - attempts.put_off_at < self._retries.put_off_s:
            return False
        if self._answered_at < attempts.put_off_at and not (last_ones and self._ever):
            raise ModelError(
                f"{self._spec}: the server takes no more requests ({fault.message}); what "
                "was answered is stored: run the same command later to continue"
            )
        return True

    def check_anything_answered(self) -> None:
        """A run that was never answered is no result.

        Raises:
            ModelError: The server gave nothing but faults, at this start and before.
        """
        if self._fault is not None and not self._ever:
            raise ModelError(
                f"{self._spec}: no request was answered ({self._fault.message}); "
                "fix the settings or the server and run the command again"
            )
