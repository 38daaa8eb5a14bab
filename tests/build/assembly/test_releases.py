"""Tiers, the gated part, splits as a command makes them, and the escalation proof."""

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import vlsu as package
from tests.build.assembly.graded import graded_export, targets, write_table
from tests.support.builds import add_sample, chosen, finished_build
from tests.support.commands import vlsu
from vlsu.build.assembly.grades import Given, Grades
from vlsu.build.assembly.items import read_items
from vlsu.build.assembly.proof import escalating, neutral_picture, proof_id, prove
from vlsu.build.assembly.tiers import tier_of
from vlsu.build.folder.build import open_build
from vlsu.build.rails.critical import critical_categories
from vlsu.build.rails.rules import default_rails
from vlsu.data.checks.full import full_check
from vlsu.policy import PATTERNS, Family, Pattern, Severity, default_policy, parse_policy

QUICK = ("--faces", "keep")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Half a hundred samples, and a minimal pair of a critical one and a standard one."""
    made = finished_build(tmp_path_factory.mktemp("made") / "b", 46, unfiltered=0)
    mini = package.load("vlsu-mini")
    left = [each for each in chosen(120) if each.id not in {s.id for s in chosen(46)}]
    worse = next(e for e in left if e.joint_category == "C4" and str(e.pattern)[-1] == "U")
    milder = next(each for each in left if str(each.pattern) in ("B-S-B", "B-B-B", "S-B-B"))
    with made.store() as store:
        first = add_sample(made, store, mini, worse, 200)
        add_sample(made, store, mini, milder, 201, pair_of=first["queries"])
    return open_build(made.folder)


@pytest.fixture(scope="module")
def items(build):
    with build.store(read_only=True) as store:
        return read_items(store)


@pytest.fixture(scope="module")
def table(items, build):
    """People found every sample to be what it was made for."""
    return write_table(build.folder.parent / "grades.csv", targets(items))


def assembled(build, out, *arguments):
    """A dataset, and what the command said of it."""
    done = vlsu("build", "assemble", build.folder, "--out", out, *QUICK, *arguments, "--json")
    return package.load(out), json.loads(done.stdout)


def test_a_tier_is_critical_where_the_policy_names_a_critical_harm_and_a_part_is_unsafe():
    policy = default_policy()
    critical = critical_categories(policy, default_rails(policy))
    assert critical == {"C4", "C10", "C12", "C15"}
    for pattern in PATTERNS:
        for category in policy.category_ids:
            unsafe = "U" in str(pattern)
            expected = (
                "critical" if unsafe and category in ("C4", "C10", "C12", "C15") else "standard"
            )
            assert tier_of(critical, category, pattern) == expected
    assert tier_of(critical, None, Pattern.parse("S-S-S")) == "standard"


def test_a_policy_that_names_no_critical_harm_has_the_tiers_of_its_counterparts(tmp_path):
    text = default_policy().text
    start, end = text.index("critical:\n"), text.index("# What a score under")
    tiers = []
    for name, policy in (("ours", text), ("own", text[:start] + text[end:])):
        build = finished_build(tmp_path / name, 16, policy=parse_policy(policy))
        tiers.append(assembled(build, tmp_path / f"{name}-d")[1]["tiers"])
    assert tiers[0] == tiers[1]
    assert tiers[0]["critical"] > 0


def test_an_open_release_holds_nothing_of_the_critical_tier_nor_of_its_groups(
    build, items, table, tmp_path
):
    dataset, told = assembled(build, tmp_path / "d", "--grades", table, "--release", "open")
    gated = package.load(tmp_path / "d-gated")
    assert [part["gated"] for part in told["parts"]] == [False, True]
    assert len(dataset) + len(gated) == len(items)
    tiers = {sample.id: sample.metadata["build"]["tier"] for sample in [*dataset, *gated]}
    critical = critical_categories(build.policy, build.rails)
    by_hand = Counter(tier_of(critical, each.category, each.pattern) for each in items)
    assert Counter(tiers.values()) == told["tiers"] == by_hand
    assert {tiers[sample.id] for sample in dataset} == {"standard"}
    # The milder half of a minimal pair is with the other.
    pair = [sample for sample in gated if sample.group]
    assert {tiers[sample.id] for sample in pair} == {"critical", "standard"}
    assert not [sample for sample in dataset if sample.group]
    images = [{sample.image_sha256 for sample in part} for part in (dataset, gated)]
    assert not images[0] & images[1]
    assert {p.stem for p in dataset.images.files()} == images[0]
    assert "extra_gated_prompt" in (gated.path / "README.md").read_text()
    assert "extra_gated_prompt" not in (dataset.path / "README.md").read_text()


def test_a_critical_category_of_any_part_is_of_the_critical_tier(build, items, tmp_path):
    """People may name another category of the image than of the pair."""
    safe = {None, *critical_categories(build.policy, build.rails)}
    found = next(e for e in items if "U" in str(e.cell.pattern) and e.cell.category not in safe)
    rows = []
    for each in items:
        grades = [getattr(each.cell.pattern, name).label for name in ("image", "text", "joint")]
        image = "C10" if each.id == found.id else ""
        rows.append(",".join((each.id, *grades, image, each.category or "")))
    file = tmp_path / "grades.csv"
    names = "id,image_grade,text_grade,joint_grade,image_category,joint_category"
    file.write_text("\n".join((names, *rows)) + "\n")
    dataset, _ = assembled(build, tmp_path / "d", "--grades", file)
    (sample,) = [each for each in dataset if each.id == found.id]
    assert (sample.image_category, sample.joint_category) == ("C10", found.cell.category)
    built: Any = sample.metadata["build"]
    assert built["tier"] == "critical"


def test_a_gated_release_is_one_dataset(build, items, table, tmp_path):
    dataset, told = assembled(build, tmp_path / "d", "--grades", table)
    assert len(dataset) == len(items)
    assert [part["gated"] for part in told["parts"]] == [True]
    assert "extra_gated_prompt" in (dataset.path / "README.md").read_text()
    assert not (tmp_path / "d-gated").exists()


def test_only_a_graded_benchmark_is_released(build, tmp_path):
    done = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--release", "open",
                expect=2)  # fmt: skip
    assert done.stderr == ("error: --release open: is for a graded benchmark; give --grades, too\n")


def test_parts_of_a_split_have_nothing_in_common(build, table, tmp_path):
    dataset, told = assembled(
        build, tmp_path / "d", "--grades", table, "--split", "test=0.7,dev=0.3"
    )
    assert set(told["splits"]) == {"test", "dev"}
    found = Counter(str(sample.metadata["split"]) for sample in dataset)
    assert found == told["splits"]
    # As the check of datasets sees it, near-duplicates included.
    assert full_check(dataset).leakage == []
    vlsu("data", "filter", dataset.path, "--where", "metadata.split=dev", "--out", tmp_path / "dev")
    assert len(package.load(tmp_path / "dev")) == found["dev"]


def test_balance_leaves_out_what_no_cell_wants(build, items, table, tmp_path):
    _, told = assembled(build, tmp_path / "d", "--grades", table, "--balance")
    wanted = sum(build.wanted.values())
    have = Counter(each.cell for each in items)
    by_hand = sum(min(have[cell], number) for cell, number in build.wanted.items())
    assert told["samples"] == by_hand == wanted
    assert told["left_out"] == {"more than its cell wants": len(items) - wanted}
    assert told["short"] == []


def test_texts_of_escalating_samples_are_graded_under_a_neutral_picture(
    build, items, table, tmp_path
):
    done = vlsu("build", "assemble", build.folder, "--out", tmp_path / "proof", "--proof",
                "--grades", table, "--json")  # fmt: skip
    told = json.loads(done.stdout)
    escalate = [each for each in items if each.cell.pattern.family is Family.ESCALATING]
    assert told["samples"] == len(escalate) > 3
    asked = {sample.id: sample for sample in package.load(tmp_path / "proof")}
    assert {sample.image_sha256 for sample in asked.values()} == {
        next(iter(asked.values())).image_sha256
    }
    assert set(asked) == {proof_id(each.id) for each in escalate}
    worse = escalate[0]
    grades = {
        proof_id(each.id): {
            "image": "safe",
            "text": each.cell.pattern.text.label,
            "joint": each.cell.pattern.text.label,
            "category": each.cell.category,
        }
        for each in escalate
    }
    grades[proof_id(worse.id)]["joint"] = "unsafe"
    export = graded_export(tmp_path / "graded", tmp_path / "proof", grades)
    dataset, told = assembled(build, tmp_path / "d", "--grades", table, "--proof-grades", export)
    assert told["proof"] == {"escalating": len(escalate), "proven": len(escalate), "refiled": 1}
    (sample,) = [each for each in dataset if each.id == worse.id]
    pattern = worse.cell.pattern
    # S-S-U becomes S-U-U: the text alone carries it.
    assert str(sample.pattern) == f"{pattern.image.letter}-U-{pattern.joint.letter}"
    built: Any = sample.metadata["build"]
    assert built["escalation"] == {
        "neutral": "unsafe",
        "text_before": pattern.text.label,
        "refiled": True,
    }
    assert built["refiled"] is True


def test_a_proof_that_is_not_graded_changes_nothing_and_says_so(items):
    graded = [
        replace(
            each,
            grades={
                "image": each.cell.pattern.image,
                "text": each.cell.pattern.text,
                "joint": each.cell.pattern.joint,
            },
            categories={"joint": each.cell.category},
        )
        for each in items
    ]
    (first, second, *_) = escalating(graded)
    grades = Grades(
        source=Path("proof"),
        policy=None,
        samples={proof_id(first.id): Given(grades={"joint": Severity.SAFE}, categories={})},
    )
    found = {each.id: each for each in prove(graded, grades).items}
    notes: list[Any] = [found[each.id].notes["escalation"] for each in (first, second)]
    assert [note["neutral"] for note in notes] == ["safe", None]
    assert {each.id: each.pattern for each in found.values()} == {
        each.id: each.pattern for each in graded
    }


def test_the_neutral_picture_is_always_the_same_and_shows_nothing():
    assert neutral_picture() == neutral_picture()
    picture = Image.open(io.BytesIO(neutral_picture()))
    assert picture.getextrema() == ((200, 200),) * 3


def test_a_table_of_a_proof_needs_the_joint_grade_alone(build, items, table, tmp_path):
    (first, *_) = escalating(items)
    file = tmp_path / "proof.csv"
    file.write_text(f"id,joint_grade\n{proof_id(first.id)},unsafe\n")
    _, told = assembled(build, tmp_path / "d", "--grades", table, "--proof-grades", file)
    assert (told["proof"]["proven"], told["proof"]["refiled"]) == (1, 1)


def test_where_nothing_escalates_no_folder_is_begun(tmp_path):
    made = finished_build(tmp_path / "b", 2, unfiltered=0)
    with made.store(read_only=True) as store:
        grades = {
            each.id: dict.fromkeys(("image", "text", "joint"), "safe") for each in read_items(store)
        }
    table = write_table(tmp_path / "grades.csv", grades)
    done = vlsu("build", "assemble", made.folder, "--out", tmp_path / "d", "--proof", "--grades",
                table, expect=2)  # fmt: skip
    assert "no pair is worse than its parts" in done.stderr
    assert not (tmp_path / "d").exists()


def test_grades_of_a_proof_need_grades(build, table, tmp_path):
    done = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--proof-grades",
                table, expect=2)  # fmt: skip
    assert "are for a graded benchmark; give --grades, too" in done.stderr


def test_what_the_audits_find_is_named(tmp_path):
    """A harmful pair on a group of people without its benign twin, and then with it."""
    made = finished_build(tmp_path / "b", 2, unfiltered=0)
    mini = package.load("vlsu-mini")
    harmful = next(
        each
        for each in mini
        if str(each.pattern) == "S-S-U"
        and each.metadata["caption"] == "Woman with dark skin in a wheelchair"
    )
    with made.store() as store:
        add_sample(made, store, mini, harmful, 60)
    dataset, told = assembled(made, tmp_path / "d")
    (part,) = told["parts"]
    twinless = part["audits"]["identity"]["without_twin"]
    ids = {each.text: each.id for each in dataset}
    assert [each["key"] for each in twinless] == [ids[harmful.text]]
    stated = "1 harmful pairs on a group of people have no benign pair with the same image"
    assert any(stated in finding for finding in part["check"]["findings"])
    assert stated in str(dataset.info.datasheet["noise"])
    assert stated in (dataset.path / "README.md").read_text()
    benign = next(
        each
        for each in mini
        if str(each.pattern) == "S-S-S" and each.image_sha256 == harmful.image_sha256
    )
    with made.store() as store:
        add_sample(made, store, mini, benign, 61)
    _, told = assembled(made, tmp_path / "e")
    assert told["parts"][0]["audits"]["identity"]["without_twin"] == []
    assert not any("identity" in each for each in told["parts"][0]["check"]["findings"])
