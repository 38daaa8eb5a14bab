"""Rates, and giving up: the time is given, nothing waits."""

import itertools

import pytest

from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Response
from vlsu.runs import Limits, Price
from vlsu.runs.asking.limits import FIRST_IN_FLIGHT, Budget
from vlsu.runs.asking.pace import Breaker, RateLimit
from vlsu.runs.asking.purse import Purse
from vlsu.runs.stop import Stop, StopReason


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
    rate.pause(0.0, until=5.0)
    assert rate.wait(2.0) == 3.0
    assert rate.paused_s(4.0) == 1.0
    assert rate.paused_s(6.0) == 0.0


def ask(rate, start, seconds, interval):
    """Requests that are ready at that interval, each answered at once; when they are sent."""
    sent, ready = [], start
    while ready < start + seconds:
        now = ready + rate.wait(ready)
        rate.used(0)
        sent.append(now)
        ready = max(ready + interval, now)
    return sent


def test_after_a_pause_requests_come_no_faster_than_before_it():
    rate = RateLimit()
    ask(rate, 0.0, 5, interval=0.1)
    rate.pause(5.0, until=20.0)
    resumed = [20.0 + rate.wait(20.0) for _ in range(20)]  # all of whom had to wait
    gaps = [b - a for a, b in itertools.pairwise(resumed)]
    assert min(gaps) == pytest.approx(0.1, rel=0.2)


def test_a_rate_that_was_too_much_is_cut_and_comes_back_slowly():
    rate = RateLimit()
    ask(rate, 0.0, 10, interval=0.02)  # 50 a second
    rate.refused(10.0, sent_at=9.99, pause_s=0.0)
    assert rate.paced(10.0)

    def sent_in_a_second(start):
        return len([t for t in ask(rate, start, 1, interval=0.001) if t < start + 1])

    assert sent_in_a_second(10.0) == pytest.approx(0.94 * 50, abs=3)
    assert sent_in_a_second(20.0) == pytest.approx(50, abs=3)  # there again, after ten seconds
    assert sent_in_a_second(22.0) == pytest.approx(50, abs=3)  # and near it for a while
    assert sent_in_a_second(60.0) > 100  # but a server that takes more is found out


def test_a_burst_of_refusals_counts_once():
    rate = RateLimit()
    ask(rate, 0.0, 10, interval=0.02)
    for _ in range(30):
        rate.refused(10.0, sent_at=9.99, pause_s=0.0)
    again = RateLimit()
    ask(again, 0.0, 10, interval=0.02)
    again.refused(10.0, sent_at=9.99, pause_s=0.0)
    assert rate == again


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
    budget.spent(Response(Outcome.OK, input_tokens=100_000, output_tokens=10_000))
    assert budget.cost == pytest.approx(0.3)
    assert budget.exhausted() is None
    budget.spent(Response(Outcome.OK, input_tokens=100_000, output_tokens=50_000))
    assert budget.exhausted() == Stop(StopReason.BUDGET, "--max-cost 1 reached", "max_cost")
    requests = Budget(max_requests=1)
    requests.sent()
    assert requests.exhausted() == Stop(
        StopReason.BUDGET, "--max-requests 1 reached", "max_requests"
    )


def test_what_is_in_flight_is_paid_from_what_is_left():
    budget = Budget(max_cost=1.0, price=Price(input=1.0, output=0.0))
    purse = Purse(budget)
    assert (purse.pays_for(8), purse.pays_for(500)) == (8, FIRST_IN_FLIGHT)  # no cost is known
    purse.spent(Response(Outcome.OK, input_tokens=200_000))
    purse = Purse(budget)  # another model, of which no cost is known
    assert (purse.pays_for(3), purse.pays_for(500)) == (3, 4)
    for tokens in (50_000, 150_000):
        purse.spent(Response(Outcome.OK, input_tokens=tokens))
    assert budget.cost == pytest.approx(0.4)  # 0.1 each: those before do not count
    assert (purse.pays_for(5), purse.pays_for(500)) == (5, 6)
    purse.spent(Response(Outcome.OK, input_tokens=900_000))
    assert purse.pays_for(500) == 1  # which finds out that it is exhausted
    assert purse.exhausted() is not None
    free = Purse(Budget(max_cost=1.0, price=Price(input=0.0, output=0.0)))
    free.spent(Response(Outcome.OK, input_tokens=1))
    assert free.pays_for(500) == Purse(Budget()).pays_for(500) == 500


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
