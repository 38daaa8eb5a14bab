"""What a provider says of its rate limits, read from headers.

OpenAI's ``x-ratelimit-*`` headers after its guide "Rate limits", Anthropic's
``anthropic-ratelimit-*`` after "Rate limits" of its API reference; both give a limit, what remains
and when the limit is whole again. ``Retry-After`` is RFC 9110; ``retry-after-ms`` is what the
OpenAI and Anthropic SDKs look for first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from vlsu.models.transport import Header

__all__ = [
    "RateLimits",
    "Window",
    "anthropic_limits",
    "duration_s",
    "openai_limits",
    "retry_after_s",
]


@dataclass(frozen=True, slots=True)
class Window:
    """One limit: how much it allows, what is left of it, and in how long it is whole again.

    Attributes:
        limit: Requests or tokens when whole.
        left: Requests or tokens left now.
        reset_s: Seconds until it is whole.
    """

    limit: int | None = None
    left: int | None = None
    reset_s: float | None = None

    def wait_s(self, wanted: int) -> float:
        """Seconds until `wanted` are left, taking it to refill evenly until it is whole.

        0 where they are left already or the headers do not say; the whole reset where only that is
        known.
        """
        if self.left is None or self.reset_s is None or self.left >= wanted:
            return 0.0
        if self.limit is None or self.limit <= self.left:
            return self.reset_s
        wanted = min(wanted, self.limit)
        return self.reset_s * (wanted - self.left) / (self.limit - self.left)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the headers of one answer say.

    Attributes:
        retry_after_s: Seconds the server asks to wait before trying this request again.
    """

    requests: Window = Window()
    tokens: Window = Window()
    retry_after_s: float | None = None

    def wait_s(self, tokens: int = 1) -> float:
        """Seconds until one more request of so many tokens fits; 0 if it fits now."""
        return max(self.requests.wait_s(1), self.tokens.wait_s(tokens))


def openai_limits(header: Header, now: float) -> RateLimits:
    """Limits as OpenAI, Azure, Groq and others write them: resets as durations such as ``6m0s``.

    Args:
        header: Value of a header of the answer by its name in lower case, or `None`.
        now: Seconds since the epoch, for a ``Retry-After`` that is a date.
    """

    def window(what: str) -> Window:
        return Window(
            _number(header(f"x-ratelimit-limit-{what}")),
            _number(header(f"x-ratelimit-remaining-{what}")),
            duration_s(header(f"x-ratelimit-reset-{what}")),
        )

    return RateLimits(window("requests"), window("tokens"), retry_after_s(header, now))


def anthropic_limits(header: Header, now: float) -> RateLimits:
    """Limits as Anthropic writes them: resets as RFC 3339 times.

    ``tokens`` is the most restrictive of the token limits in effect, by the API reference.

    Args:
        header: Value of a header of the answer by its name in lower case, or `None`.
        now: Seconds since the epoch.
    """

    def window(what: str) -> Window:
        prefix = f"anthropic-ratelimit-{what}"
        return Window(
            _number(header(f"{prefix}-limit")),
            _number(header(f"{prefix}-remaining")),
            _until_s(header(f"{prefix}-reset"), now),
        )

    return RateLimits(window("requests"), window("tokens"), retry_after_s(header, now))


def retry_after_s(header: Header, now: float) -> float | None:
    """Seconds of ``retry-after-ms`` or ``Retry-After``, a number or a date, if there is one.

    Args:
        header: Value of a header of the answer by its name in lower case, or `None`.
        now: Seconds since the epoch.
    """
    milliseconds = _seconds(header("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = header("retry-after")
    seconds = _seconds(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|[dhms]))+", re.ASCII)
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|[dhms])", re.ASCII)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_UNITS["ns"] = 1e-9


def duration_s(text: str | None) -> float | None:
    """Seconds of a duration as Go writes it (``1h2m3.5s``, ``12ms``), or of a bare number.

    >>> duration_s("6m0s"), duration_s("12ms"), duration_s("34"), duration_s("soon")
    (360.0, 0.012, 34.0, None)
    """
    text = (text or "").strip()[:64]
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _TERM.findall(text))
    return _seconds(text)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _until_s(text: str | None, now: float) -> float | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return max(0.0, time.timestamp() - now) if time.tzinfo else None


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None
