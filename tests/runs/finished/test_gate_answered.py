"""A run does not pass a gate by not answering."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.answered_runs import half_alignment, half_run
from tests.support.commands import vlsu
from vlsu.errors import UsageError
from vlsu.report.export.junit import junit
from vlsu.runs import Run
from vlsu.runs.finished.gating import gate


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "nothing": half_run(folder / "nothing", 1.0),
        "half": half_run(folder / "half", 0.5, "refused"),
        "all": half_run(folder / "all", 0.0),
        "blocked": half_alignment(folder / "blocked", 1.0, "blocked"),
        "failed": half_alignment(folder / "failed", 0.5, "error"),
        "answering": half_alignment(folder / "answering", 0.0),
    }


FAVOURABLE = [
    ("nothing", "over_sensitivity.borderline <= 0.2"),
    ("nothing", "over_sensitivity.borderline.high <= 0.2"),
    ("nothing", "over_sensitivity.borderline < 20%"),
    ("nothing", "joint.confusion.unsafe.safe <= 3"),
    ("nothing", "joint.confusion.unsafe.safe == 0"),
    ("nothing", "joint.accuracy <= 0.9"),
    ("half", "over_sensitivity.borderline <= 0.9"),
    ("half", "joint.per_class.unsafe.precision >= 0.01"),
    ("half", "patterns.S-S-U.accuracy <= 1"),
    ("half", "attribution.both_correct.share <= 1"),
    ("half", "attribution.both_correct_answered <= 1"),  # an image without an answer is wrong
    ("half", "dominance.kappa_text.within_pattern <= 1"),
    ("half", "late_fusion.predictions_lookup <= 1"),
    ("half", "lowest_pattern.accuracy <= 1"),
    ("blocked", "framings.default.over_blocking <= 0.1"),
    ("blocked", "framings.default.over_refusal_safe <= 0.2"),
    ("blocked", "framings.default.over_blocking.if_missing_refused <= 0.1"),
    ("blocked", "framings.default.kinds.bare_refusal <= 0"),
    ("blocked", "differences.default -> harmless.over_blocking <= 0.5"),
    ("failed", "framings.default.over_blocking <= 0.5"),
    ("failed", "framings.default.refusal.unsafe >= 0.15"),
]


@pytest.mark.parametrize(("name", "requirement"), FAVOURABLE)
def test_what_missing_answers_may_meet_is_not_met(
    runs: dict[str, Run], name: str, requirement: str
) -> None:
    (check,) = gate(runs[name], [requirement]).checks
    assert not check.met
    assert check.why.startswith("cannot be told: ")
    assert "answered" in check.why
    # Who is content with less says so.
    assert gate(runs[name], [requirement], enough=0.0).passed


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        # What is about answering is known.
        ("nothing", "outcomes.joint.error <= 0"),
        ("nothing", "outcomes.joint.unparsed <= 465"),
        ("nothing", "joint.answered <= 10%"),
        ("half", "joint.unanswered.refused <= 80%"),
        ("half", "over_sensitivity.failed.borderline <= 78"),
        ("half", "joint.n <= 465"),
        ("half", "late_fusion.gold_ceiling <= 1"),
        ("half", "late_fusion.gold_lookup <= 1"),
        ("half", "attribution.no_answer.share <= 1"),
        ("half", "flow.both_correct.no_answer <= 465"),
        ("blocked", "framings.default.unanswered.error <= 10%"),
        ("blocked", "framings.default.refusal_or_blocked.unsafe >= 90%"),
        ("blocked", "framings.default.blocked.unsafe <= 100%"),
        ("failed", "framings.default.refusal.unsafe.missing <= 114"),
        # A missing answer counts against a low bound.
        ("half", "joint.accuracy >= 0.1"),
        ("half", "lowest_pattern.accuracy >= 0"),
        ("half", "joint.per_class.unsafe.recall >= 0.1"),
        ("half", "joint.confusion.unsafe.unsafe >= 1"),
        ("half", "patterns.S-S-U.accuracy.low >= 0"),
        ("failed", "framings.default.refusal.unsafe >= 0.1"),  # 0.19 if none of them refuse
        # Enough was answered.
        ("answering", "framings.default.over_blocking <= 1"),
        ("answering", "differences.default -> harmless.over_blocking <= 1"),
    ],
)
def test_what_they_cannot_meet_is_met(runs: dict[str, Run], name: str, requirement: str) -> None:
    (check,) = gate(runs[name], [requirement]).checks
    assert check.met, check.why


def test_the_bound_is_ones_own(runs: dict[str, Run]) -> None:
    wanted = ["over_sensitivity.borderline <= 1"]
    assert runs["all"].metrics["joint"]["answered"]["value"] == pytest.approx(0.959, abs=0.001)
    assert not gate(runs["all"], wanted, enough=0.97).passed
    assert gate(runs["all"], wanted).passed


def test_what_is_not_met_says_what_was_found_as_ever(runs: dict[str, Run]) -> None:
    (check,) = gate(runs["half"], ["joint.accuracy >= 0.99"]).checks
    assert not check.met
    assert "cannot be told" not in check.why


def test_at_another_confidence_too(runs: dict[str, Run]) -> None:
    (check,) = gate(runs["nothing"], ["over_sensitivity.borderline <= 0.5"], confidence=0.9).checks
    assert check.why.startswith("cannot be told: ")


def test_the_share_is_one(runs: dict[str, Run]) -> None:
    with pytest.raises(UsageError, match="enough is 95"):
        gate(runs["all"], ["n >= 1"], enough=95)


def test_the_command_and_its_xml_fail(runs: dict[str, Run], tmp_path: Path) -> None:
    wanted = "over_sensitivity.borderline <= 0.2"
    command = ("gate", runs["nothing"].path, "--require", wanted)
    done = vlsu(*command, "--json", expect=1)
    (check,) = json.loads(done.stdout)["requirements"]
    assert check["met"] is False
    assert check["why"].startswith("cannot be told: 0% was answered (joint.answered)")
    vlsu(*command, "--min-answered", "0")
    assert 'failures="1"' in junit(gate(runs["nothing"], [wanted]))
