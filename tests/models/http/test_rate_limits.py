"""What providers say of their rate limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.models.http.rate_limits import (
    RateLimits,
    Window,
    anthropic_limits,
    duration_s,
    openai_limits,
    retry_after_s,
    seconds_until,
)

NOON = 1_767_268_800.0  # Thu, 01 Jan 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723.0),
        ("34.5s", 34.5),
        ("20", 20.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3", None),
        ("inf", None),
        ("1s later", None),
        ("1m30s", 90.0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("3µs", 3e-6),
        ("1d2h", 93600.0),
        ("30 seconds", 30.0),
        ("1 minute, 5 secs", 65.0),
        ("PT1M30S", 90.0),
        ("P1DT1S", 86401.0),
        ("1e2", 100.0),
        ("-1s", None),
        ("1,5s", None),
        ("s", None),
        ("P", None),
        ("m" * 10_000, None),
        ("9" * 10_000, 1e64),
    ],
)
def test_durations(text, seconds):
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "when it is over"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after_s(headers.get, NOON) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1767268830", 30.0),  # seconds since the epoch
        ("1767268830.5", 30.5),
        ("1767268830000", 30.0),  # milliseconds
        ("1767268830000000", 30.0),  # microseconds
        ("1767268830000000000", 30.0),  # nanoseconds
        ("1767268799", 0.0),  # past
        ("1795827482", 28_558_682.0),  # a year to come: bounded by who waits
        ("2026-01-01T12:00:30Z", 30.0),
        ("2026-01-01T13:00:30+01:00", 30.0),
        ("2026-01-01T12:00:30.250Z", 30.25),
        ("2026-01-01T12:00:30", 30.0),  # without a zone
        ("2026-01-01 12:00:30", 30.0),
        ("2026-01-02", 43_200.0),
        ("2025-01-01T00:00:00Z", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),  # RFC 850
        ("Thu Jan  1 12:00:30 2026", 30.0),  # asctime
        ("5h30m", 19_800.0),
        ("90", 90.0),
        ("99999999", 99_999_999.0),
        ("100000000", None),  # 3 years from now, or 1973
        ("1e17", None),
        ("1e308", None),
        ("nan", None),
        ("-1767268830", None),
        ("inf", None),
        ("0001-01-01", 0.0),
        ("9999-12-31T23:59:59Z", 251_635_031_999.0),
        ("2026-13-45", None),
        ("Thu, 99 Jan 2026 12:00:30 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_may_be_a_duration_or_a_point(text, seconds):
    expected = None if seconds is None else pytest.approx(seconds)
    assert seconds_until(text, NOON) == expected
    headers = {"x-ratelimit-reset-requests": text, "x-ratelimit-reset-tokens": text}
    limits = openai_limits(headers.get, NOON)
    assert limits.requests.reset_s == limits.tokens.reset_s == expected
    anthropic = {f"anthropic-ratelimit-{what}-reset": text for what in ("requests", "tokens")}
    assert anthropic_limits(anthropic.get, NOON).tokens.reset_s == expected
    assert retry_after_s({"retry-after": text}.get, NOON) == expected


def test_a_point_in_milliseconds_where_milliseconds_are_said():
    assert retry_after_s({"retry-after-ms": "1767268830000"}.get, NOON) == 30.0


def test_what_is_left_below_nought_says_nothing():
    """Some servers write -1 where there is no limit."""
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "-1"}
    headers["x-ratelimit-reset-requests"] = "1s"
    assert openai_limits(headers.get, NOON).wait_s() == 0.0


@pytest.mark.parametrize(
    ("window", "wanted", "seconds"),
    [
        (Window(60, 59, 1.0), 1, 0.0),
        (Window(60, 0, 60.0), 1, 1.0),  # 60 a minute come back one a second
        (Window(1000, 400, 6.0), 500, 1.0),
        (Window(1000, 400, 6.0), 10**9, 6.0),  # more than there ever is: when it is whole
        (Window(None, 0, 9.0), 1, 9.0),
        (Window(60, 0, None), 1, 0.0),
        (Window(), 1, 0.0),
    ],
)
def test_what_is_spent_comes_back_evenly(window, wanted, seconds):
    assert window.wait_s(wanted) == pytest.approx(seconds)


def test_the_longer_wait_of_requests_and_tokens_counts():
    limits = RateLimits(Window(60, 0, 60.0), Window(60_000, 0, 60.0))
    assert limits.wait_s(tokens=500) == pytest.approx(1.0)
    assert limits.wait_s(tokens=5000) == pytest.approx(5.0)
    assert RateLimits().wait_s(10**6) == 0.0


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_no_header_breaks_the_reading(headers, junk):
    for header in (headers.get, lambda _: junk):
        for limits in (openai_limits(header, NOON), anthropic_limits(header, NOON)):
            assert 0 <= limits.wait_s(100) < float("inf")
