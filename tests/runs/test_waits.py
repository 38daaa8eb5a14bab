"""Every wait has a bound and a reason that is shown, whatever a server writes into its headers."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from tests.conftest import completion
from tests.support.fault_server import (
    FaultServer,
    ask_and_judge,
    error,
    good,
    run_command,
    say,
    text_dataset,
)
from tests.support.values import present
from vlsu.cli.output import RunProgress
from vlsu.models import Outcome
from vlsu.runs.asking.patience import Retries

pytestmark = pytest.mark.slow


class Waits:
    """A progress that keeps what it is told of waits."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []

    def waiting(self, seconds: float, why: str) -> None:
        self.seen.append((seconds, why))

    def __getattr__(self, name: str):
        return lambda *values, **named: None


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 6)


def points_to_come(year_s: float = 365 * 86400.0) -> dict[str, str]:
    """A year from now, as servers write it."""
    then = time.time() + year_s
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    of_http = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(then))
    return {
        "seconds since the epoch": f"{then:.0f}",
        "milliseconds since the epoch": f"{then * 1000:.0f}",
        "RFC 3339": date,
        "a date of HTTP": of_http,
        "a duration": "8760h0m0s",
        "a number": "31536000",
    }


@pytest.mark.parametrize("written", points_to_come())
@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_a_limit_that_is_spent_for_a_year_is_waited_for_no_longer_than_the_longest_pause(
    written, what, texts, tmp_path
):
    text = json.dumps({"severity": "safe", "category": None})
    spent: Any = {f"x_ratelimit_remaining_{what}": "0", f"x_ratelimit_limit_{what}": "60"}

    def respond(asked):
        reset: Any = {f"x_ratelimit_reset_{what}": points_to_come()[written]}
        return say(completion(text), **spent, **reset)

    waits = Waits()
    retries = Retries(first_pause_s=0.001, longest_pause_s=0.02, put_off_s=60)
    with FaultServer(respond) as server:
        result = ask_and_judge(
            texts, server.base_url, tmp_path / "run", retries=retries, progress=waits
        )
    assert result.outcomes == {"ok": 6}
    assert len(waits.seen) == 6
    for seconds, why in waits.seen:
        assert seconds == 0.02
        assert why == "for the server's rate limit, which its headers say is used up"


@pytest.mark.parametrize("past", ["1500000000", "1500000000000", "2020-01-01T00:00:00Z"])
def test_a_limit_that_was_whole_again_long_ago_holds_nothing_up(past, texts, tmp_path):
    text = json.dumps({"severity": "safe", "category": None})
    spent = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": past}
    waits = Waits()
    with FaultServer(lambda asked: say(completion(text), **spent)) as server:
        result = ask_and_judge(
            texts, server.base_url, tmp_path / "run", retries=Retries(), progress=waits
        )
    assert result.outcomes == {"ok": 6}
    assert waits.seen == []


def test_a_retry_after_that_is_believable_is_obeyed_and_another_is_not():
    retries = Retries(first_pause_s=0.0, longest_pause_s=60.0, put_off_s=600.0)
    pause = {asked: retries.pause_s(1, asked, down=False) for asked in (1.0, 90.0, 600.0, 601.0)}
    assert pause == {1.0: 1.0, 90.0: 90.0, 600.0: 600.0, 601.0: 60.0}
    assert retries.pause_s(1, 86_400.0 * 365, down=True) == 60.0


def test_no_wait_at_all_is_no_reason_to_ask_without_a_pause():
    """``Retry-After: 0``, or a point that is past: the pauses grow as if nothing were said."""
    retries = Retries(first_pause_s=1.0, longest_pause_s=60.0)
    for attempts, least in ((1, 0.5), (3, 2.0), (30, 30.0)):
        assert least <= retries.pause_s(attempts, 0.0, down=False) <= 2 * least


@pytest.mark.parametrize(
    ("retry_after", "held"),
    [("31536000", 0.03), ("1e300", None), ("0.05", 0.05), ("-5", None), ("soon", None)],
)
def test_nothing_is_sent_for_as_long_as_a_believable_server_asks(
    retry_after, held, texts, tmp_path
):
    def respond(asked):
        return (
            error(429, "slow down", Retry_After=retry_after) if asked.number == 1 else good(asked)
        )

    waits = Waits()
    retries = Retries(first_pause_s=0.001, longest_pause_s=0.03, put_off_s=60)
    with FaultServer(respond) as server:
        result = ask_and_judge(
            texts, server.base_url, tmp_path / "run", retries=retries, progress=waits
        )
    assert result.outcomes == {"ok": 6}
    why = "as the server asks (HTTP 429: slow down)"
    # All wait, and the request that was refused a little longer.
    asked = [seconds for seconds, said in waits.seen if said == why]
    assert asked == ([] if held is None else [held, pytest.approx(held, abs=0.0011)])
    assert held or [said for _, said in waits.seen] == ["to try again after HTTP 429: slow down"]
    assert all(seconds < 1 for seconds, _ in waits.seen)


def test_the_bar_shows_the_longest_wait_and_its_reason_while_it_lasts():
    progress = RunProgress()
    progress.answered(Outcome.OK)
    assert progress.outcomes() == "1 ok"
    progress.waiting(30.0, "as the server asks (HTTP 429: slow\x1b[31m down)")
    progress.waiting(10.0, "to try again after HTTP 500")
    shown = progress.outcomes()
    said = re.match(r"waiting (\d+) s as the server asks \(HTTP 429: slow", shown)
    assert 10 < int(present(said)[1]) <= 30
    assert shown.endswith(", 1 ok")
    assert "\x1b" not in shown
    progress = RunProgress()
    progress.waiting(0.01, "to try again after HTTP 500")
    assert progress.outcomes() == ""


def test_a_long_wait_is_said_where_no_bar_is_drawn(texts, tmp_path):
    """Once for all who wait, with its reason; a log is no place for a count of seconds."""

    def respond(asked):
        return error(429, "slow down", Retry_After="6") if asked.times == 1 else good(asked)

    with FaultServer(respond) as server:
        process = run_command(texts, server.base_url, tmp_path / "run")
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    lines = [line for line in said.splitlines() if line.startswith("waiting ")]
    assert lines == ["waiting 6 s as the server asks (HTTP 429: slow down)"]
