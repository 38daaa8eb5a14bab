"""Requests in flight, rates, and giving up: told the time, never waiting."""

import pytest

from vlsu.errors import UsageError
from vlsu.runs import Limits, Price
from vlsu.runs.limits import Budget
from vlsu.runs.pace import Breaker, InFlight, RateLimit
from vlsu.runs.stop import Stop, StopReason


def serve(in_flight, seconds, capacity, latency=0.1, start=0.0):
    """Answers as a server with that many places would give them, for so many seconds."""
    now = start
    while now < start + seconds:
        working = min(in_flight.size, capacity)
        now += latency / working
        in_flight.answered(now)
    return now


def test_the_number_in_flight_doubles_while_the_rate_grows_with_it():
    in_flight = InFlight(most=256, size=16)
    serve(in_flight, 60, capacity=10_000)
    assert in_flight.size == 256


def test_it_stops_growing_when_the_server_is_saturated():
    in_flight = InFlight(most=1024, size=16)
    serve(in_flight, 60, capacity=64)
    assert 64 <= in_flight.size <= 128


def test_it_is_cut_once_a_second_when_the_server_pushes_back_and_grows_again():
    in_flight = InFlight(most=100, size=100)
    for _ in range(50):  # one burst of refusals is one sign, not fifty
        in_flight.pushed_back(10.0)
    assert in_flight.size == 70
    in_flight.pushed_back(11.5)
    assert in_flight.size == 49
    serve(in_flight, 60, capacity=10_000, start=12.0)
    assert in_flight.size == 100


def test_it_never_falls_below_one():
    in_flight = InFlight(most=4, size=1)
    for second in range(10):
        in_flight.pushed_back(2.0 * second)
    assert in_flight.size == 1


def test_requests_a_minute_are_spread_evenly():
    rate = RateLimit(requests_per_minute=120)
    assert [rate.wait(100.0) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_tokens_a_minute_go_by_what_answers_took():
    rate = RateLimit(tokens_per_minute=6000)
    assert rate.wait(0.0) == rate.wait(0.0) == 0.0
    rate.used(100)
    rate.used(300)  # a mean of 200: thirty requests a minute
    rate.wait(0.0)
    assert rate.wait(0.0) == 2.0


def test_a_pause_holds_everything_back():
    rate = RateLimit()
    rate.pause(until=5.0)
    assert (rate.wait(2.0), rate.wait(6.0)) == (3.0, 0.0)


def test_a_server_that_never_answered_is_given_up_sooner_than_one_that_did():
    breaker = Breaker(patience_s=60, first_patience_s=10)
    for second in range(9):
        breaker.failed(float(second))
    assert breaker.down
    assert not breaker.tripped(9.0)
    assert breaker.tripped(10.0)
    breaker.answered()
    for second in range(20, 30):
        breaker.failed(float(second))
    assert not breaker.tripped(70.0)
    assert breaker.tripped(80.0)


def test_single_failures_do_not_mean_the_server_is_down():
    breaker = Breaker()
    for second in range(1000):
        breaker.failed(float(second))
        if second % 5 == 0:
            breaker.answered()
    assert not breaker.down
    assert not breaker.tripped(2000.0)


def test_a_budget_counts_attempts_and_money():
    budget = Budget(max_requests=3, max_cost=1.0, price=Price(input=2.0, output=10.0))
    budget.sent()
    budget.spent(input_tokens=100_000, output_tokens=10_000)
    assert budget.cost == pytest.approx(0.3)
    assert budget.exhausted() is None
    budget.spent(100_000, 50_000)
    assert budget.exhausted() == Stop(StopReason.BUDGET, "--max-cost 1 reached")
    requests = Budget(max_requests=1)
    requests.sent()
    assert requests.exhausted() == Stop(StopReason.BUDGET, "--max-requests 1 reached")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"concurrency": 0}, "concurrency 0"),
        ({"requests_per_minute": -1}, "requests-per-minute -1"),
        ({"max_cost": 3.0}, "needs a price"),
    ],
)
def test_limits_out_of_range_are_named(bad, message):
    with pytest.raises(UsageError, match=message):
        Limits(**bad)
