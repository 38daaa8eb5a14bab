"""What one model refuses goes to another only where a person approved it, never where critical."""

from __future__ import annotations

import pytest

from tests.build.queries.made import build_with, queries_of, writer, writing
from tests.conftest import completion
from vlsu.build.queries.handing_over import read_approved
from vlsu.build.queries.manners import read_manners
from vlsu.build.queries.refusals import refusals
from vlsu.build.queries.stage import QueryOptions, write_queries
from vlsu.build.rails.critical import critical_categories
from vlsu.build.rails.rules import default_rails
from vlsu.errors import UsageError
from vlsu.policy import default_policy, parse_policy
from vlsu.runs.asking.limits import Budget

POLICY = default_policy()
RAILS = default_rails(POLICY)


def refusing(*_):
    return completion("I'm sorry, but I can't help with that.")


def write(build, writers, approved, **budget):
    options = QueryOptions(manners=read_manners((), ("medium",)), approved=frozenset(approved))
    return write_queries(build, writers, options, budget=Budget(**budget))


@pytest.fixture
def servers(chat_server):
    return chat_server(refusing), chat_server(writing())


def test_in_an_approved_category_another_model_writes_and_who_refused_is_kept(tmp_path, servers):
    first, other = servers
    build = build_with(tmp_path, {"C1 safe": 1, "C3 safe": 1}, S_S_U__C1=1, S_S_U__C3=1)
    report = write(build, [writer(first), writer(other, "other")], ["C1"])
    assert report.lost == {"refused by the model": 1}
    assert (len(first.requests), len(other.requests)) == (2, 1)
    kept = queries_of(build, kept=True)
    assert {each.cell.category for each in kept} == {"C1"}
    assert {each.provenance["model"] for each in kept} == {"openai/other"}
    assert kept[0].provenance["refused_by"] == ["openai/writer"]
    (lost,) = queries_of(build, kept=False)
    assert (lost.cell.category, lost.provenance["refused_by"]) == ("C3", ["openai/writer"])
    with build.store(read_only=True) as store:
        found = {
            (each.model, each.category): (each.asked, each.refused) for each in refusals(store)
        }
    assert found == {
        ("openai/writer", "C1"): (1, 1),
        ("openai/other", "C1"): (1, 0),
        ("openai/writer", "C3"): (1, 1),
    }


def test_the_critical_tier_is_handed_to_nobody_whoever_asks(tmp_path, servers):
    first, other = servers
    build = build_with(tmp_path, {"C4 safe": 1}, S_S_U__C4=1)
    report = write(build, [writer(first), writer(other, "other")], ["C4"])
    assert (report.kept, other.requests) == (0, [])


def test_the_last_refusal_counts_where_all_refuse(tmp_path, chat_server):
    servers = chat_server(refusing), chat_server(refusing)
    build = build_with(tmp_path, {"C1 safe": 1}, S_S_U__C1=1)
    report = write(build, [writer(servers[0], "one"), writer(servers[1], "two")], ["C1"])
    (lost,) = queries_of(build, kept=False)
    assert report.lost == {"refused by the model": 1}
    assert lost.provenance["refused_by"] == ["openai/one", "openai/two"]


def test_stopped_before_the_other_model_it_goes_on_there_and_asks_nobody_again(tmp_path, servers):
    first, other = servers
    build = build_with(tmp_path, {"C1 safe": 1}, S_S_U__C1=1)
    writers = [writer(first), writer(other, "other")]
    stopped = write(build, writers, ["C1"], max_requests=1)
    assert (stopped.tries, stopped.stopped is None) == (0, False)
    report = write(build, writers, ["C1"])
    assert (report.tries, report.kept) == (1, 3)
    assert (len(first.requests), len(other.requests)) == (1, 1)


def test_an_answer_that_cannot_be_read_is_no_refusal(tmp_path, chat_server):
    servers = chat_server(lambda *_: completion("Sure: 1")), chat_server(writing())
    build = build_with(tmp_path, {"C1 safe": 1}, S_S_U__C1=1)
    report = write(build, [writer(servers[0]), writer(servers[1], "other")], ["C1"])
    assert (report.lost, servers[1].requests) == ({"answer cannot be read": 1}, [])


def test_approvals_are_read_by_category_and_none_of_a_critical_one():
    assert read_approved(["c1", "C3", "none"], POLICY, RAILS) == {"C1", "C3", None}
    assert critical_categories(POLICY, RAILS) == {"C4", "C10", "C12", "C15"}
    for name, said in (("C15", "critical harm"), ("C99", "use C1"), ("C1,C1", "use C1")):
        with pytest.raises(UsageError, match=said):
            read_approved([name], POLICY, RAILS)
    with pytest.raises(UsageError, match="given twice"):
        read_approved(["C1", "c1"], POLICY, RAILS)


def test_a_policy_that_names_no_critical_harm_has_the_tier_by_counterparts():
    start, end = POLICY.text.index("critical:\n"), POLICY.text.index("# What a score under")
    own = parse_policy(POLICY.text[:start] + POLICY.text[end:])
    assert own.critical == ()
    assert critical_categories(own, default_rails(own)) == {"C4", "C10", "C12", "C15"}


def test_a_model_is_not_handed_its_own_refusals(tmp_path, servers):
    build = build_with(tmp_path, {"C1 safe": 1}, S_S_U__C1=1)
    with pytest.raises(UsageError, match="openai/writer is named twice"):
        write(build, [writer(each) for each in servers], ["C1"])
