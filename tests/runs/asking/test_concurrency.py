"""The number of requests in flight that a run finds by itself, on simulated servers.

Virtual time: the executor, its retries and its waits are those of a run, the server and the clock
are not. ``benchmarks/concurrency.py`` has the whole table.
"""

import functools

import pytest
from benchmarks import simulated
from benchmarks.simulated import (
    Batching,
    Dying,
    RefusingByBucket,
    RefusingMany,
    RefusingQuick,
    RefusingSome,
    Server,
    Slots,
    Slowing,
    bimodal,
    exponential,
    fixed,
    lognormal,
    simulate,
)

pytestmark = pytest.mark.slow

LATENCIES = {**simulated.LATENCIES, "rarely long": bimodal(0.3 / 0.77, 5 / 0.77, share_long=0.1)}
MOST = 256


def each_latency(names=LATENCIES):
    return pytest.mark.parametrize("draw", [LATENCIES[name] for name in names], ids=list(names))


@each_latency()
def test_a_server_without_limits_is_asked_as_much_as_allowed_within_twenty_latencies(draw):
    run = simulate(Server(draw), seconds=25, most=MOST)
    first = next(part for part, level in enumerate(run.levels) if level == MOST)
    assert 25 * first / 200 < 20
    assert set(run.levels[first:]) == {MOST}
    assert run.rate(0.8) > 0.85 * MOST  # a second a request; the latencies drawn vary


@each_latency(["fixed", "exponential", "lognormal", "bimodal"])
@pytest.mark.parametrize(("slots", "seconds"), [(4, 2000), (40, 300)])
def test_a_server_that_works_on_so_many_at_a_time_is_kept_busy_without_a_long_queue(
    slots, seconds, draw
):
    best = simulate(Slots(draw, slots), seconds=seconds, concurrency=2 * slots).rate()
    run = simulate(Slots(draw, slots), seconds=seconds, most=MOST)
    assert run.rate() > 0.95 * best
    late = sorted(run.levels[100:])
    assert late[len(late) // 2] <= 5 * max(slots, 6)
    assert run.most_in_flight < 10 * max(slots, 16)


@each_latency(["fixed", "exponential"])
@pytest.mark.parametrize(
    ("server", "best"),
    [
        (lambda draw: Slowing(draw, knee=20, power=2), 10.0),  # at 20 in flight: falls beyond
        (lambda draw: Slowing(draw, knee=10), 256 / (1 + 256 / 10)),  # at the bound
        (lambda draw: Batching(draw, slots=100, knee=25), 20.0),  # at 100
    ],
    ids=["falling", "levelling off", "batching"],
)
def test_a_server_that_slows_down_is_asked_as_much_as_pays(server, best, draw):
    run = simulate(server(draw), seconds=1000, most=MOST)
    assert run.rate() > 0.9 * best


@functools.cache
def rate_at(draw, taken):
    """Requests a second of a server that is never asked more than so many at a time."""
    return simulate(RefusingMany(draw, taken), seconds=300, concurrency=taken).rate()


@each_latency(["fixed", "exponential", "bimodal"])
@pytest.mark.parametrize("pause_s", [None, 1.0, 5.0])
@pytest.mark.parametrize("taken", [6, 40])
def test_a_server_that_refuses_beyond_so_many_in_flight_is_rarely_made_to(taken, pause_s, draw):
    server = RefusingMany(draw, taken, retry_after=pause_s)
    run = simulate(server, seconds=300, most=MOST)
    assert run.rate() > 0.93 * rate_at(draw, taken)
    assert server.refused < 0.02 * len(run.times) + 20
    assert set(run.outcomes) == {"ok"}


@each_latency(["fixed", "exponential", "bimodal"])
@pytest.mark.parametrize("pause_s", [None, 1.0])
@pytest.mark.parametrize("rate", [6, 40])
def test_a_server_that_refuses_beyond_so_many_a_second_is_asked_at_that_rate(rate, pause_s, draw):
    server = RefusingQuick(draw, rate, retry_after=pause_s)
    run = simulate(server, seconds=400, most=MOST)
    assert run.rate() > 0.9 * rate
    assert server.refused < 0.1 * len(run.times)
    assert set(run.outcomes) == {"ok"}


def test_a_quota_a_minute_is_used_up_whatever_the_server_says_of_when_to_come_back():
    for pause_s in (None, 20.0):
        server = RefusingByBucket(exponential(1.0), rate=5, burst=300, retry_after=pause_s)
        run = simulate(server, seconds=900, most=MOST)
        assert run.rate() > 0.9 * 5
        assert set(run.outcomes) == {"ok"}


def test_503_is_taken_as_429_is():
    server = RefusingMany(exponential(1.0), 20, status=503)
    run = simulate(server, seconds=200, most=MOST)
    assert run.rate() > 0.93 * 20
    assert set(run.outcomes) == {"ok"}


def test_after_an_outage_the_level_comes_back():
    run = simulate(Dying(exponential(1.0), dies=30, back=60), seconds=120, most=MOST)
    assert run.rate(0.2, 0.25) == pytest.approx(MOST, rel=0.15)
    assert run.rate(0.8) == pytest.approx(MOST, rel=0.1)
    assert set(run.outcomes) == {"ok"}
    # While nobody answers, few ask.
    assert run.errors["connect"] < 4 * MOST


def test_a_small_and_slow_server_is_not_driven_into_timeouts():
    # A model on a laptop: one request at a time, four seconds each; the client waits for 120 s.
    run = simulate(Slots(fixed(4.0), 1), seconds=3600)
    assert run.errors["timeout"] <= 16
    assert max(run.levels[50:]) <= 9
    assert run.rate() == pytest.approx(1 / 4, rel=0.05)


@pytest.mark.parametrize("requests", [100, 2000])
def test_a_short_run_is_no_slower_than_with_twice_as_many_as_at_first(requests):
    found = simulate(Server(exponential(1.0)), requests=requests).seconds
    assert (
        found < 1.1 * simulate(Server(exponential(1.0)), requests=requests, concurrency=32).seconds
    )


def test_the_same_events_lead_to_the_same_level():
    first, again = (
        simulate(RefusingQuick(lognormal(1.0, 1.0), 20), seconds=100, seed=3) for _ in range(2)
    )
    assert first.levels == again.levels
    assert first.times == again.times


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_a_server_that_refuses_by_chance_is_not_asked_ever_more_slowly(share):
    run = simulate(RefusingSome(exponential(1.0), share), seconds=200, most=MOST)
    assert run.rate() > 0.9 * MOST
    assert set(run.outcomes) == {"ok"}
