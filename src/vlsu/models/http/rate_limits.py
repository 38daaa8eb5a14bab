"""Rate limits of a provider, parsed from response headers.

OpenAI's ``x-ratelimit-*`` headers after its guide "Rate limits", Anthropic's
``anthropic-ratelimit-*`` after "Rate limits" of its API reference; both give a limit, what remains
of it and when it resets. ``Retry-After`` is RFC 9110; ``retry-after-ms`` is what the
OpenAI and Anthropic SDKs check first.

Servers write times in many forms, whatever they document: durations, dates, or counts since the
epoch. All are parsed here; the caller bounds how long it waits (`vlsu.runs.asking.patience`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vlsu.models.http.transport import Header

__all__ = [
    "RateLimits",
    "Window",
    "anthropic_limits",
    "duration_s",
    "openai_limits",
    "retry_after_s",
    "seconds_until",
]


@dataclass(frozen=True, slots=True)
class Window:
    """One limit: how much it allows, how much is left, and when it resets.

    Attributes:
        limit: Requests or tokens in total.
        left: Requests or tokens left now.
        reset_s: Seconds until the limit is fully available again.
    """

    limit: int | None = None
    left: int | None = None
    reset_s: float | None = None

    def wait_s(self, wanted: int) -> float:
        """Seconds until `wanted` are left, assuming that the limit refills evenly.

        0 if they are left already or the headers do not say; the full reset time if only that is
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
    """The rate limits in one response.

    Attributes:
        retry_after_s: Seconds that the server asks to wait before a retry.
    """

    requests: Window = Window()
    tokens: Window = Window()
    retry_after_s: float | None = None

    def wait_s(self, tokens: int = 1) -> float:
        """Seconds until one more request with this many tokens is allowed; 0 if it is now."""
        return max(self.requests.wait_s(1), self.tokens.wait_s(tokens))


def openai_limits(header: Header, now: float) -> RateLimits:
    """Limits as OpenAI, Azure, Groq and others write them: resets as durations such as ``6m0s``.

    Args:
        header: Value of a header of the answer by its name in lower case, or `None`.
        now: Seconds since the epoch, for what is given as a point in time.
    """

    def window(what: str) -> Window:
        return Window(
            _number(header(f"x-ratelimit-limit-{what}")),
            _number(header(f"x-ratelimit-remaining-{what}")),
            seconds_until(header(f"x-ratelimit-reset-{what}"), now),
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
            seconds_until(header(f"{prefix}-reset"), now),
        )

    return RateLimits(window("requests"), window("tokens"), retry_after_s(header, now))


def retry_after_s(header: Header, now: float) -> float | None:
    """Seconds of ``retry-after-ms`` or ``Retry-After``, if there is a valid one.

    Args:
        header: Value of a header of the answer by its name in lower case, or `None`.
        now: Seconds since the epoch.
    """
    milliseconds = _amount(header("retry-after-ms"))
    if milliseconds is not None:
        return _remaining(milliseconds / 1000, now)
    return seconds_until(header("retry-after"), now)


_UNITS = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_UNITS |= dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0)
_UNITS |= dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0)
_UNITS |= dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0)
_UNITS |= dict.fromkeys(("d", "day", "days"), 86400.0)
_ANY_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_TERM = re.compile(rf"(\d+(?:\.\d+)?) ?({_ANY_UNIT})", re.ASCII)
_DURATION = re.compile(rf"(?:\d+(?:\.\d+)? ?(?:{_ANY_UNIT})[ ,]*)+", re.ASCII)

#: Maximum characters of a header that are inspected.
_MAX_LENGTH = 64
#: From this many seconds (three years) on, a number is a point in time.
_MAX_DURATION = 1e8
#: The plausible points in time, 2001 to 2103, in seconds since the epoch, and the units per second
#: in which they may be given.
_PLAUSIBLE = (1e9, 4.2e9)
_SCALES = (1.0, 1e3, 1e6, 1e9)


def duration_s(text: str | None) -> float | None:
    """Seconds of a duration as Go writes it (``1h2m3.5s``, ``12ms``), or of a bare number.

    English names of units and ISO 8601 (``PT1M30S``) are accepted as well.

    >>> duration_s("6m0s"), duration_s("12ms"), duration_s("34"), duration_s("soon")
    (360.0, 0.012, 34.0, None)
    """
    text = (text or "").strip()[:_MAX_LENGTH].lower()
    if text.startswith("p"):
        text = text[1:].replace("t", "", 1)
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _TERM.findall(text))
    return _amount(text)


def seconds_until(text: str | None, now: float) -> float | None:
    """Seconds until a time written as a duration, a date or a count since the epoch.

    0 if it is past; `None` if it is invalid or implausible.

    Args:
        text: Value of the header.
        now: Seconds since the epoch.

    >>> seconds_until("1m30s", 1.7e9), seconds_until("1700000042", 1.7e9)
    (90.0, 42.0)
    """
    seconds = duration_s(text)
    if seconds is not None:
        return _remaining(seconds, now)
    date = _date((text or "").strip()[:_MAX_LENGTH])
    return None if date is None else max(0.0, date - now)


def _remaining(seconds: float, now: float) -> float | None:
    """A number as a duration, or as the time until a point in time."""
    if seconds < _MAX_DURATION:
        return seconds
    first, last = _PLAUSIBLE
    points = (seconds / scale for scale in _SCALES)
    return next((max(0.0, p - now) for p in points if first <= p < last), None)


def _date(text: str) -> float | None:
    """Seconds since the epoch of a date of RFC 3339 or of HTTP; without a zone it is UTC."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _amount(text: str | None) -> float | None:
    """A non-negative number."""
    try:
        amount = float(text or "")
    except ValueError:
        return None
    return amount if 0 <= amount < float("inf") else None


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None
