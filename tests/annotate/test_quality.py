"""The quality of grades, beside reference libraries and calculations by hand."""

from __future__ import annotations

import json
import warnings

import krippendorff
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tests.annotate.test_checks import TEXTS, gold, work
from tests.conftest import make_dataset
from tests.support.annotating import answer_to, grade_all, join_graders
from vlsu.annotate.plan.settings import Bounds, Checks
from vlsu.annotate.quality.scores import agreement_scores, change, share
from vlsu.annotate.quality.speed import flagged, least_seconds, too_fast
from vlsu.annotate.quality.summary import summary
from vlsu.annotate.quality.units import agreement, estimates, splits
from vlsu.annotate.work.leases import CHECK, Lease

LABELS = ["safe", "borderline", "unsafe"]
FREE = Bounds(minutes_a_day=0, hard_a_day=0, spacing=0)


def simulated(seed: int = 0, items: int = 300, skills=(0.9, 0.8, 0.7, 0.4)):
    """Truth, and grades of graders who are right so often and else guess."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, items)
    given = np.stack(
        [
            np.where(random.random(items) < skill, truth, random.integers(0, 3, items))
            for skill in skills
        ]
    )
    rows = [
        (f"i{item:03}", "text", f"g{grader}", LABELS[given[grader, item]])
        for item in range(items)
        for grader in range(len(skills))
    ]
    frame = pl.DataFrame(rows, schema=["item", "modality", "grader", "grade"], orient="row")
    harmful = pl.col("grade") != "safe"
    return (
        truth,
        given,
        frame.with_columns(category=pl.when(harmful).then(pl.lit("C9")), stratum=pl.lit("none")),
    )


def test_agreement_is_what_krippendorff_computes():
    _, given, grades = simulated()
    found = agreement(grades, replicates=200)["text"]
    expected = krippendorff.alpha(
        reliability_data=given, level_of_measurement="ordinal", value_domain=[0, 1, 2]
    )
    assert found["alpha"].value == pytest.approx(expected)
    assert found["alpha"].low < expected < found["alpha"].high
    assert found["paired"] == 300


def test_who_agree_on_nothing_come_out_below_zero():
    rows = [("a", "x", "safe"), ("a", "y", "unsafe"), ("b", "x", "unsafe"), ("b", "y", "safe")]
    grades = pl.DataFrame(rows, schema=["item", "grader", "grade"], orient="row").with_columns(
        modality=pl.lit("joint"), category=pl.lit(None, pl.String), stratum=pl.lit("C9")
    )
    found = agreement(grades, replicates=50)["joint"]
    data = [[0, 2], [2, 0]]
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal")
    assert found["alpha"].value == pytest.approx(expected)
    for tree in (found, found["by_category"]["C9"]):
        assert tree["alpha"].value < 0
        assert tree["ac2"].value < 0
    assert [each["item"] for each in splits(grades)] == ["a", "b"]
    assert splits(grades)[0]["grades"] == {"safe": 1, "unsafe": 1}
    assert splits(grades)[0]["disagreement"] == 1


def test_a_categorys_agreement_is_that_of_its_items():
    _, given, grades = simulated()
    even = pl.col("item").str.slice(1).cast(pl.Int64) % 2 == 0
    grades = grades.with_columns(stratum=pl.when(even).then(pl.lit("C1")).otherwise(pl.lit("C2")))
    by_category = agreement(grades, replicates=50)["text"]["by_category"]
    expected = krippendorff.alpha(
        reliability_data=given[:, ::2], level_of_measurement="ordinal", value_domain=[0, 1, 2]
    )
    assert list(by_category) == ["C1", "C2"]
    assert by_category["C1"]["alpha"].value == pytest.approx(expected)


@pytest.mark.parametrize(("model", "reference"), [("dawid_skene", "DawidSkene"), ("mace", "MACE")])
def test_the_differences_from_the_majority_are_crowd_kits(model, reference):
    crowdkit = pytest.importorskip("crowdkit.aggregation")
    truth, _, grades = simulated(skills=(0.9, 0.9, 0.5, 0.4, 0.4))
    # crowd-kit's MACE mixes names up that do not first occur in sorted order.
    first = {
        label: f"{n} {label}" for n, label in enumerate(grades["grade"].unique(maintain_order=True))
    }
    task = pl.DataFrame(
        {
            "task": grades["item"],
            "worker": grades["grader"],
            "label": [first[grade] for grade in grades["grade"]],
        }
    ).to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(crowdkit, reference)(n_iter=50).fit_predict(task).str.slice(2)
        majority = crowdkit.MajorityVote().fit_predict(task).str.slice(2)
    found = estimates(grades)[model]
    ours = {each["item"]: each for each in found["differences"]}
    votes = grades.group_by("item").agg(pl.col("grade").mode())
    sole = {item for item, mode in votes.iter_rows() if len(mode) == 1}
    differing = {item for item in theirs.index if item in sole and theirs[item] != majority[item]}
    assert {item for item in ours if item in sole} == differing
    assert all(ours[item]["majority"] == majority[item] for item in differing)
    assert all(each["estimate"] == theirs[item] for item, each in ours.items())
    # Of what differs, the model is right more often than the majority.
    by_item = {f"i{n:03}": LABELS[label] for n, label in enumerate(truth)}
    right = sum(ours[item]["estimate"] == by_item[item] for item in differing)
    assert right > sum(majority[item] == by_item[item] for item in differing)
    reliability = {grader: each["text"] for grader, each in found["reliability"].items()}
    best = sorted(reliability, key=lambda grader: -reliability[grader])
    assert set(best[:2]) == {"g0", "g1"}


def test_a_share_has_wilsons_interval():
    rate = share(18, 20)
    assert rate is not None
    assert (rate.low, rate.high) == pytest.approx(proportion_confint(18, 20, method="wilson"))
    assert share(0, 0) is None


def test_drift_is_the_second_half_less_the_first_with_newcombes_interval():
    scores = [1] * 18 + [0] * 2 + [1] * 11 + [0] * 10
    frame = pl.DataFrame({"score": scores, "item": [f"i{n}" for n in range(41)]})

    def mean(part):
        return share(int(part["score"].sum()), part.height)

    found = change(frame, mean)
    assert found is not None
    low, high = confint_proportions_2indep(11, 21, 18, 20, method="newcomb")
    assert found.value == pytest.approx(11 / 21 - 18 / 20)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert change(frame.head(1), mean) is None


def test_agreement_with_the_others_leaves_ones_own_grade_out():
    _, given, grades = simulated()
    scores = agreement_scores(grades).filter(pl.col("grader") == "g0")
    by_hand = np.mean([accuracy_score(given[0], given[other]) for other in (1, 2, 3)])
    assert scores["score"].mean() == pytest.approx(by_hand)
    unsure = pl.DataFrame(
        {
            "item": ["a", "a", "b"],
            "modality": ["text"] * 3,
            "grader": ["x", "y", "x"],
            "grade": ["safe", "not_sure", "safe"],
        }
    )
    assert agreement_scores(unsure).is_empty()


def test_too_fast_depends_on_the_modality_and_the_length_of_the_text():
    answers = pl.DataFrame(
        {
            "item": ["long", "long", "short", "short"],
            "modality": ["text", "image", "text", "joint"],
            "seconds": [9.0, 2.0, 2.0, 1.4],
        }
    )
    rate = too_fast(answers, {"long": 700, "short": 7})
    assert least_seconds("text", 700) == 11
    assert rate is not None
    assert rate.value == 0.5
    assert not flagged(share(1, 10))  # its interval begins at 0.02
    assert flagged(share(5, 10))
    assert not flagged(None)


def test_the_summary_of_a_project(new_project, tmp_path, clock):
    """One who is always right, one who always says safe, one who presses keys."""
    dataset = make_dataset(tmp_path / "dataset", 40, apart=True)
    truth = {sample.id: LABELS[sample.text_grade or 0] for sample in dataset}
    known = gold(*[n for n in range(40) if truth[f"s{n}"] == "safe"][:6])
    known += "\n" + "\n".join(
        f"s{n},text,{truth[f's{n}']},C9," for n in range(40) if truth[f"s{n}"] == "unsafe"
    )
    rules = Checks(training=2, passing=0.0, gold=2, repeats=6, repeat_after=2, repeat_hours=0)
    project = new_project(
        dataset, gold=known, graders={**TEXTS, "text": 3}, checks=rules, bounds=FREE
    )
    people = dict(
        zip(("Ada", "Bob", "Cid"), join_graders(project, "Ada", "Bob", "Cid"), strict=True)
    )
    checks = dict.fromkeys(people, 0)
    for _ in range(60):
        for name, person in people.items():
            lease = project.next_item(person)
            if not isinstance(lease, Lease):
                continue
            clock.forward(seconds=30)
            grade = truth[lease.sample_id] if name == "Ada" else "safe"
            if name == "Cid" and lease.kind != CHECK:
                grade = "not_sure"
            seconds = 0.2 if name == "Cid" else 20
            project.submit(person, answer_to(lease, grade, seconds=seconds))
            checks[name] += lease.kind == CHECK
    found = summary(project)
    assert json.loads(json.dumps(found)) == found
    ada, bob, cid = found["graders"]
    assert [each["name"] for each in found["graders"]] == ["Ada", "Bob", "Cid"]
    assert len({each["pseudonym"] for each in found["graders"]}) == 3
    assert ada["accuracy"]["value"] == 1
    assert 0 < ada["known"] + ada["repeats"] == checks["Ada"] - 2
    assert ada["training"] == {"answers": 2, "right": 2, "passed": True}
    assert bob["accuracy"]["value"] < 1
    assert ada["self_agreement"]["value"] == bob["self_agreement"]["value"] == 1
    assert cid["not_sure"]["value"] == 1
    assert cid["agreement"] is None
    assert cid["self_agreement"]["value"] == 0
    assert (ada["flagged"], cid["flagged"]) == (False, True)
    assert ada["seconds"] == {"text": 20.0}
    assert -1 <= ada["drift"]["agreement"]["low"] < ada["drift"]["agreement"]["high"] <= 1
    assert set(found["agreement"]) == {"text"}
    assert found["splits"]
    assert set(found["models"]) == {"dawid_skene", "mace"}
    assert set(found["models"]["mace"]["reliability"]) == {ada["pseudonym"], bob["pseudonym"]}


def test_an_empty_project_has_a_summary(new_project):
    project = new_project()
    join_graders(project, "Ada")
    found = summary(project)
    assert found["agreement"] == {}
    assert found["splits"] == []
    assert found["graders"][0]["accuracy"] is None


def test_a_stopped_sample_is_in_no_figure(new_project, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 3, apart=True)
    project = new_project(dataset, graders={**TEXTS, "text": 2}, bounds=FREE)
    ada, bob = join_graders(project, "Ada", "Bob")
    grade_all(project, [ada])
    (lease,) = work(project, bob, 1)
    project.stop(bob, project.next_item(bob), "threat")
    work(project, bob, 1)
    found = summary(project)
    assert [each["done"] for each in found["graders"]] == [2, 2]
    assert lease.sample_id
