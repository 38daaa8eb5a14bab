"""Runs that share a store while one of them has batches with the provider."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.memory_batches import MemoryProvider
from tests.support.report_runs import Scripted
from vlsu.models.base import Raw
from vlsu.models.inprocess import InProcessModel
from vlsu.runs import Limits, ResponseStore, evaluate
from vlsu.runs.asking.limits import BatchPrice, Price
from vlsu.runs.batching.journal import Journal
from vlsu.runs.finished.ledger import ledger

LIMITS = Limits(price=Price(10.0, 10.0, batch=BatchPrice(5.0, 5.0)))


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "dataset", 12, 4)


def run(dataset, out, **settings):
    model = InProcessModel("scripted/oracle", Scripted(dataset))
    return evaluate(dataset, model=model, out=out, limits=LIMITS, **settings)


@pytest.fixture
def alone(dataset, tmp_path):
    """The run that shares nothing and asks directly."""
    return run(dataset, tmp_path / "alone")


def assert_adds_up(done, alone, **parts: float) -> None:
    """What a run has paid and saved is the list price, in its record as in `vlsu cost`."""
    found, listed = ledger(done), ledger(alone).listed
    cost = done.record["cost"]
    assert cost["total"] + sum(cost["saved"].values()) == pytest.approx(listed, abs=1e-5)
    assert found.listed == pytest.approx(listed, abs=1e-5)
    assert (found.total, found.saved) == (cost["total"], cost["saved"])
    full = alone.record["cost"]["total"]
    assert cost["total"] == pytest.approx(parts.pop("total") * full, abs=1e-5)
    for name, share in parts.items():
        assert cost["saved"].get(name, 0) == pytest.approx(share * full, abs=1e-5), name


def test_a_run_whose_batch_is_out_pays_for_it_though_another_asks_the_same_meanwhile(
    dataset, alone, tmp_path
):
    shared = tmp_path / "shared.sqlite"
    provider = MemoryProvider(looks=1)
    at_once = provider.batching(wait_s=0.0)
    run(dataset, tmp_path / "A", store=shared, batch=at_once)
    directly = run(dataset, tmp_path / "B", store=shared)
    collected = run(dataset, tmp_path / "A", store=shared, batch=provider.batching())
    later = run(dataset, tmp_path / "C", store=shared)
    assert_adds_up(directly, alone, total=1, batch=0, store=0)
    assert_adds_up(collected, alone, total=0.5, batch=0.5, store=0)
    assert_adds_up(later, alone, total=0, batch=0, store=1)
    assert collected.metrics == directly.metrics == later.metrics == alone.metrics
    assert len(provider.batches) == 1


def test_two_runs_whose_batches_are_out_pay_for_both(dataset, alone, tmp_path):
    shared = tmp_path / "shared.sqlite"
    provider = MemoryProvider(looks=1)
    for name in "AB":
        run(dataset, tmp_path / name, store=shared, batch=provider.batching(wait_s=0.0))
    for name in "BA":
        done = run(dataset, tmp_path / name, store=shared, batch=provider.batching())
        assert_adds_up(done, alone, total=0.5, batch=0.5, store=0)
    assert len(provider.batches) == 2


def test_what_came_of_a_batch_just_before_a_kill_is_no_other_runs(dataset, alone, tmp_path):
    """The answer was put into the shared store, and the kill came before the run's own had it."""
    shared = tmp_path / "shared.sqlite"
    provider = MemoryProvider(looks=1)
    first = run(dataset, tmp_path / "A", store=shared, batch=provider.batching(wait_s=0.0))
    (batch,) = Journal(first.path).open()
    model = InProcessModel("scripted/oracle", Scripted(dataset))
    twin = run(dataset, tmp_path / "twin")
    store = ResponseStore(shared)
    for key, stored in twin.responses([*(Journal(first.path).keys(batch) or ())]).items():
        raw = Raw(*stored.raw[:3])
        store.put(key, raw, 1)
        store.put_usage(key, model.spec, model.read(raw), batched=True)
    store.close()
    done = run(dataset, tmp_path / "A", store=shared, batch=provider.batching())
    assert_adds_up(done, alone, total=0.5, batch=0.5, store=0)


def test_what_a_batch_leaves_open_is_taken_from_the_other_run(dataset, alone, tmp_path):
    shared = tmp_path / "shared.sqlite"
    provider = MemoryProvider(looks=1, answer=lambda answer, times: [])
    run(dataset, tmp_path / "A", store=shared, batch=provider.batching(wait_s=0.0))
    run(dataset, tmp_path / "B", store=shared)
    done = run(dataset, tmp_path / "A", store=shared, batch=provider.batching())
    assert_adds_up(done, alone, total=0, batch=0, store=1)
    assert len(provider.batches) == 1
