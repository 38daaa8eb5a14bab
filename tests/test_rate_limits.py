"""What providers say of their rate limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.models.rate_limits import (
    RateLimits,
    Window,
    anthropic_limits,
    duration_s,
    openai_limits,
    retry_after_s,
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
