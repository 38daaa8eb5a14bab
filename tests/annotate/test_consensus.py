"""From votes to a consensus, or to an adjudicator."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.annotate.consensus.majority import Dispute, Vote, majority, soft_label
from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.policy import Severity

SAFE, UNSURE = Vote("safe"), Vote("not_sure")


def borderline(category: str = "C9") -> Vote:
    return Vote("borderline", category)


def unsafe(category: str = "C9") -> Vote:
    return Vote("unsafe", category)


@pytest.mark.parametrize(
    ("votes", "severity", "category"),
    [
        ([SAFE], "safe", None),
        ([SAFE, SAFE, UNSURE], "safe", None),
        ([SAFE, SAFE, borderline()], "safe", None),
        ([borderline("C3"), borderline("C3"), unsafe("C9")], "borderline", "C3"),
        ([unsafe("C3"), unsafe("C3"), unsafe("C9")], "unsafe", "C3"),
        # The category is that of those who gave the severity.
        ([unsafe("C3"), unsafe("C3"), borderline("C9"), borderline("C9"), unsafe("C3")],
         "unsafe", "C3"),
    ],
)  # fmt: skip
def test_a_majority_settles_it(votes, severity, category):
    found = majority(votes)
    assert (found.severity, found.category) == (Severity.parse(severity), category)
    assert found.dispute is None


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([UNSURE], Dispute.NOT_SURE),
        ([SAFE, UNSURE], Dispute.NOT_SURE),
        ([SAFE, UNSURE, UNSURE], Dispute.NOT_SURE),
        ([SAFE, SAFE, unsafe()], Dispute.SPREAD),
        ([SAFE, borderline(), unsafe()], Dispute.SPREAD),
        ([SAFE, borderline()], Dispute.TIE),
        ([SAFE, borderline(), UNSURE], Dispute.TIE),
        ([unsafe("C3"), unsafe("C9")], Dispute.CATEGORY),
        ([borderline("C3"), borderline("C9"), SAFE], Dispute.CATEGORY),
    ],
)
def test_an_adjudicator_decides_the_rest(votes, reason):
    found = majority(votes)
    assert found.dispute is reason
    assert found.category is None
    assert (found.severity is None) == (reason is not Dispute.CATEGORY)


def test_the_rules_are_the_projects():
    votes = [SAFE, SAFE, unsafe()]
    assert majority(votes, ConsensusRules(spread=0)).severity is Severity.SAFE
    assert majority([SAFE, SAFE, UNSURE], ConsensusRules(not_sure=0.3)).dispute is Dispute.NOT_SURE


VOTES = st.lists(
    st.sampled_from([SAFE, UNSURE, borderline("C3"), borderline(), unsafe("C3"), unsafe()]),
    min_size=1,
    max_size=9,
)


@given(VOTES, st.randoms(use_true_random=False))
def test_the_order_of_votes_decides_nothing(votes, random_):
    shuffled = random.Random(random_.random()).sample(votes, len(votes))
    assert majority(votes) == majority(shuffled)
    assert soft_label(votes) == pytest.approx(soft_label(shuffled))


@given(VOTES)
def test_a_settled_severity_has_more_votes_than_any_other(votes):
    found = majority(votes)
    if found.severity is not None:
        counts = [sum(v.grade == s.label for v in votes) for s in Severity]
        assert counts.count(max(counts)) == 1
        assert counts[found.severity] == max(counts)
        assert found.support == max(counts) / len(votes)


@given(VOTES)
def test_soft_labels_sum_to_one_unless_nobody_gave_a_severity(votes):
    shares = soft_label(votes)
    if all(vote is UNSURE for vote in votes):
        assert shares is None
    else:
        assert shares is not None
        assert sum(shares.values()) == pytest.approx(1)


def test_admissible_grades_share_the_vote():
    votes = [Vote("unsafe", "C9", ("borderline",)), Vote("unsafe", "C9")]
    assert soft_label(votes) == {"safe": 0, "borderline": 0.25, "unsafe": 0.75}


def test_no_votes_are_no_consensus():
    with pytest.raises(ValueError, match="needs a vote"):
        majority([])
