"""The selection effect: estimated from the share that was kept whatever its grades."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.build.grading.made import add_image, add_queries, answering, build_of, images
from tests.support.commands import vlsu
from vlsu.build.grading.deciding import Grade, Grades, decide_candidates
from vlsu.build.grading.selection import Candidate, selection, standing_for
from vlsu.data import Sample, write_dataset
from vlsu.policy import Pattern, Severity

SSU, SSB = Pattern.parse("S-S-U"), Pattern.parse("S-S-B")
SAFE, BORDERLINE, UNSAFE = Severity


def candidate(joint, *, human=None, kept=True, probability=1.0, unfiltered=False, **more):
    return Candidate(
        target=SSU,
        category="C9",
        severities=(SAFE, SAFE, joint),
        kept=kept,
        probability=probability if kept else None,
        unfiltered=unfiltered,
        human=human,
        **more,
    )


def test_what_was_let_through_and_what_was_thrown_away_is_counted_by_cell():
    found = selection(
        [
            candidate(UNSAFE),
            candidate(BORDERLINE, kept=False, reason="pair is borderline"),
            candidate(None, kept=False, reason="not graded (refused)"),
            candidate(BORDERLINE, unfiltered=True, probability=0.05),
        ]
    )
    assert found["cells"]["S-S-U"]["C9"] == {
        "graded": 4,
        "on_target": 1,
        "kept": 2,
        "reasons": {"pair is borderline": 1, "not graded (refused)": 1},
    }
    assert found["graded"] == {"S-S-U": {"S-S-B": 2, "S-S-U": 1, "none": 1}}
    assert found["unfiltered"]["drawn"] == found["unfiltered"]["off_target"] == 1
    assert found["unfiltered"]["of_all"]["value"] == 0.75
    assert found["human"] is None


def test_errors_and_shares_are_those_of_a_calculation_by_hand():
    """80 on target of which 60 were graded, 120 off target of which 10 were drawn and graded."""
    on = [candidate(UNSAFE, human=SSU)] * 54 + [candidate(UNSAFE, human=SSB)] * 6
    on += [candidate(UNSAFE, kept=False, reason="another candidate was kept")] * 20
    drawn = {"unfiltered": True, "probability": 0.05}
    off = [candidate(BORDERLINE, human=SSU, **drawn)] * 2
    off += [candidate(BORDERLINE, human=SSB, **drawn)] * 8
    off += [candidate(BORDERLINE, kept=False, reason="pair is borderline")] * 110
    human = selection(on + off)["human"]
    assert human["n"] == {"on_target": 60, "off_target": 10}
    assert human["precision"]["value"] == pytest.approx(54 / 60)
    bounds = proportion_confint(54, 60, method="wilson")
    assert (human["precision"]["low"], human["precision"]["high"]) == pytest.approx(bounds)
    assert human["missed"]["value"] == pytest.approx(2 / 10)
    assert human["thrown_away"]["value"] == pytest.approx(24)  # 120 x 0.2
    assert human["recall"]["value"] == pytest.approx(72 / 96)  # 80 x 0.9 of 72 + 24
    assert human["shares"]["S-S-U"]["kept"]["value"] == pytest.approx(56 / 70)
    assert human["shares"]["S-S-U"]["all"]["value"] == pytest.approx(96 / 200)
    assert human["accuracy"]["pattern"]["value"] == pytest.approx((72 + 96) / 200)
    assert human["accuracy"]["image"]["value"] == pytest.approx(1.0)
    for rate in (human["recall"], human["shares"]["S-S-U"]["all"]):
        assert rate["low"] < rate["value"] < rate["high"]


def test_a_pattern_that_is_aimed_at_and_never_met_has_a_share_of_none_and_a_bound():
    drawn = candidate(BORDERLINE, human=SSB, unfiltered=True, probability=0.05)
    share = selection([candidate(UNSAFE, human=SSB), drawn])["human"]["shares"]["S-S-U"]
    assert share["all"]["value"] == share["kept"]["value"] == 0
    assert share["all"]["high"] > 0.4


def test_candidates_of_larger_groups_weigh_more_as_they_are_drawn_less():
    drawn = [
        candidate(BORDERLINE, human=SSU, unfiltered=True, probability=0.05),
        candidate(BORDERLINE, human=SSB, unfiltered=True, probability=0.05 / 3),
    ]
    human = selection([*drawn, candidate(UNSAFE, human=SSU)])["human"]
    assert human["missed"]["value"] == pytest.approx(20 / (20 + 60))


def test_without_any_drawn_and_graded_what_was_missed_is_not_known():
    human = selection([candidate(UNSAFE, human=SSU), candidate(BORDERLINE, kept=False)])["human"]
    assert human["precision"]["value"] == 1.0
    assert human["missed"]["value"] is human["recall"]["value"] is None
    assert human["shares"]["S-S-U"]["all"]["value"] is None


def simulated(seed: int, groups: int = 600, unfiltered: float = 0.25):
    """Candidates of a made-up grader of known errors, decided on as the stage does, and graded."""
    rng = random.Random(seed)
    made, truth = [], []
    for _ in range(groups):
        size = rng.randint(1, 4)
        easy = rng.choice((0.1, 0.7))  # to write for
        true = [UNSAFE if rng.random() < easy else BORDERLINE for _ in range(size)]
        seen = [t if rng.random() < 0.8 else {UNSAFE: BORDERLINE}.get(t, UNSAFE) for t in true]
        verdicts = decide_candidates(
            [Grades(Grade(SAFE), Grade(SAFE), Grade(each)) for each in seen],
            SSU,
            unfiltered=unfiltered,
            draw=rng.random(),
            pick=rng.random(),
            closed_by=lambda category, severity: None,
        )
        group = []
        for t, s, verdict in zip(true, seen, verdicts, strict=True):
            human = Pattern(SAFE, SAFE, t)
            truth.append((human == SSU, s == UNSAFE))
            about = {k: v for k, v in verdict.about.items() if k != "on_target"}
            known = human if verdict.kept else None
            group.append(candidate(s, kept=verdict.kept, human=known, **about))
        made += standing_for(group)
    return made, truth


@pytest.mark.parametrize(
    ("on", "off", "unfiltered", "kept", "stands_for"),
    [
        (1, 0, 0.2, 0, 1.0),
        (3, 0, 0.2, 0, 3.0),  # one of them is always kept
        (3, 0, 0.2, 2, 3.0),
        (1, 3, 0.2, 0, 1 / 0.85),  # kept unless one of the three others is drawn
        (2, 2, 0.2, 1, 2 / 0.9),
        (2, 2, 1.0, 1, 2 / 0.5),
    ],
)
def test_one_on_target_stands_for_all_of_its_image(on, off, unfiltered, kept, stands_for):
    chance = unfiltered / (on + off) + (1 - unfiltered) * (kept == 0)
    group = [
        candidate(UNSAFE, kept=n == kept, probability=chance, unfiltered=kept > 0)
        for n in range(on)
    ]
    found = standing_for([*group, *[candidate(BORDERLINE, kept=False)] * off])
    assert found[kept].weight == pytest.approx(stands_for)


@pytest.mark.slow
def test_the_corrected_shares_are_right_and_those_of_the_samples_are_not():
    """Over 20 builds: the estimate is unbiased, and its interval holds the truth."""
    estimates, plain, held, recalls, drawn = [], [], [], [], []
    for seed in range(20):
        made, truth = simulated(seed)
        found = selection(made)
        human, unfiltered = found["human"], found["unfiltered"]
        share = human["shares"]["S-S-U"]
        true = float(np.mean([good for good, _ in truth]))
        estimates.append(share["all"]["value"] - true)
        plain.append(share["kept"]["value"] - true)
        held.append(share["all"]["low"] <= true <= share["all"]["high"])
        passed = sum(good and on for good, on in truth) / sum(good for good, _ in truth)
        recalls.append(human["recall"]["value"] - passed)
        drawn.append(unfiltered["share"]["value"] - unfiltered["of_all"]["value"])
    assert abs(np.mean(drawn)) < 0.02
    assert abs(np.mean(estimates)) < 0.01
    assert abs(np.mean(recalls)) < 0.03
    assert np.mean(plain) > 0.1  # what the grader chose holds far more of it
    assert sum(held) >= 17


def test_from_the_command_line_with_the_graded_dataset(tmp_path, chat_server):
    build = build_of(tmp_path / "b", "S-S-U/C9=20")
    with build.store() as store:
        for n, data in enumerate(images(4)):
            place = add_image(build, store, data, number=n)
            add_queries(store, place, f"a{n} [S-S-{'UB'[n % 2]}]", f"b{n} [S-S-B]")
    server = chat_server(answering)
    given = ("--model", "openai/x", "--base-url", server.base_url, "--unfiltered", "0.5")
    vlsu("build", "grade", build.folder, *given, env={"OPENAI_API_KEY": "k", "PATH": ""})
    with build.store() as store:
        place = "provenance"
        kept = [store.chain(each.key) for each in store.records("grades", kept=True)]
    write_dataset(
        tmp_path / "graded",
        (
            Sample(
                id=str(n),
                text=chain["queries"].content["text"],
                image_sha256="0" * 64,  # as after faces were blurred
                image_grade=SAFE,
                text_grade=SAFE,
                joint_grade=UNSAFE if n else None,
                metadata={
                    "provenance": {"image": {"sha256": chain["images"].provenance["sha256"]}}
                },
            )
            for n, chain in enumerate(kept)
        ),
        name="graded",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="people",
    )
    found = json.loads(vlsu("build", "selection", build.folder, "--json").stdout)
    assert (found["candidates"], found["human"]) == (8, None)
    done = vlsu("build", "selection", build.folder, tmp_path / "graded", "--json")
    found = json.loads(done.stdout)
    assert sum(found["human"]["n"].values()) == len(kept) - 1
    assert found["without_human_grades"] == 1
    shown = vlsu("build", "selection", build.folder, tmp_path / "graded").stdout
    assert "The pre-grader against people" in shown
    other = vlsu("build", "selection", build.folder, "vlsu-mini")
    assert "give its graded dataset" in other.stderr


def test_a_build_without_pre_grades_is_a_line(tmp_path):
    build = build_of(tmp_path / "b", "S-S-U/C9=20")
    done = vlsu("build", "selection", build.folder)
    assert done.stdout.strip().endswith("nothing is pre-graded yet; see vlsu build grade")
