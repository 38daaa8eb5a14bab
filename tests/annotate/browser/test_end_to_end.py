"""From a dataset to a graded one as a team does it: three graders, an adjudicator and a lead.

The command line makes the project, serves it, invites and exports; everything between is done in
browsers, by the pages. What comes out is compared with what was meant, worked out by hand.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import krippendorff
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.annotate_server import Browser as Client
from tests.support.annotate_server import serve_command
from tests.support.annotating import check_invariants, rows
from tests.support.browser import patient
from tests.support.commands import vlsu
from tests.support.grading_page import grade, on, page_dataset, shown
from tests.support.postgres import PostgresServer
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.store.tables import items, people
from vlsu.data import load
from vlsu.policy import MODALITIES

pytestmark = pytest.mark.slow

TEXTS = [
    "A walk in the park", "Two loaves, please", "Is the bridge open?", "You will be sorry",
    "Look at this one", "That serves them right", "Bring the big stick", "Nobody likes you",
]  # fmt: skip
GRADERS = ("Amina", "Bjarne", "Chiara")
#: What each of the three finds of a pair: a grade, and the category where it is not safe.
PAIRS = {
    "s0": ("safe", "safe", "safe"),
    "s1": ("safe", "safe", "borderline C9"),
    "s2": ("borderline C9", "borderline C9", "unsafe C9"),
    "s3": ("safe", "safe", "unsafe C9"),
    "s4": ("not_sure", "not_sure", "safe"),
    "s5": ("safe", "borderline C9", "unsafe C9"),
    "s6": ("unsafe C9", "unsafe C9", "unsafe C9"),
    "s7": ("borderline C2", "borderline C9", "safe"),
}
#: Of a text, and of an image, where they do not all find it safe.
TEXTS_ALONE = {
    "s2": ("safe", "borderline C9", "safe"),
    "s6": ("unsafe C9", "unsafe C9", "unsafe C9"),
    "s7": ("safe", "borderline C9", "not_sure"),
}
IMAGES_ALONE = {"s6": ("unsafe C9", "unsafe C9", "unsafe C9")}
SAFE = ("safe", "safe", "safe")
#: What the adjudicator is asked, why, and what they decide.
DISPUTES = {
    ("s3", "joint"): ("spread", "borderline C9"),
    ("s4", "joint"): ("not_sure", "safe"),
    ("s5", "joint"): ("spread", "safe"),
    ("s7", "joint"): ("category", "borderline C2"),
    ("s7", "text"): ("tie", "safe"),
}
#: How the page says so.
WHY = {
    "spread": "Two grades lie two severities apart.",
    "not_sure": "Half or more are not sure.",
    "category": "The severity is clear, the category is not.",
    "tie": "No severity has more grades than every other.",
}
CONTESTED = ("s5", "joint")  # as the adjudicator says; of what the majority decides, who differs
CONSENSUS = {
    "image": ["safe"] * 6 + ["unsafe C9", "safe"],
    "text": ["safe"] * 6 + ["unsafe C9", "safe"],
    "joint": ["safe", "safe", "borderline C9", "borderline C9",
              "safe", "safe", "unsafe C9", "borderline C2"],
}  # fmt: skip
#: Of three grades of which two are the same, one of three pairs agrees.
AGREEMENT = {"joint": (1 + 1 / 3 + 1 / 3 + 1 / 3 + 0 + 1 + 1 / 3) / 7}
KEYS = {"safe": "1", "borderline": "2", "unsafe": "3", "not_sure": "0", "C2": "b", "C9": "i"}


def opinions_on(sample: str, modality: str) -> tuple[str, ...]:
    by_sample = {"image": IMAGES_ALONE, "text": TEXTS_ALONE, "joint": PAIRS}[modality]
    return by_sample.get(sample, SAFE)


def keys_of(opinion: str) -> str:
    return "".join(KEYS[part] for part in opinion.split())


def parts_of(opinion: str) -> tuple[str, str | None]:
    """Grade and category."""
    grade, _, category = opinion.partition(" ")
    return grade, category or None


def made(folder: Path, *options: object) -> Path:
    """A project of a new dataset."""
    page_dataset(folder / "dataset", TEXTS)
    command = ("annotate", "init", folder / "project", "--dataset", folder / "dataset")
    told(*command, "--regrade", 0, *options)
    return folder / "project"


def names_of_samples(project: Path) -> dict[str, str]:
    """Identifiers by the names that pages have."""
    with open_project(project) as opened:
        return {row.alias: row.sample_id for row in rows(opened, items)}


def done_by_graders(project: Path) -> dict[str, int]:
    """How much each has graded, as the command says: together, all that was asked for."""
    found = told("annotate", "status", project)["graders"]
    counts = {name: found[name]["done"] for name in GRADERS}
    assert sum(counts.values()) == len(TEXTS) * (1 + 3 + 3)
    return counts


def link_of(project: Path, address: str, name: str, role: str) -> str:
    command = ("annotate", "invite", project, "--role", role, "--name", name)
    return str(told(*command, "--base-url", address)["link"])


def told(*command: object) -> Any:
    """What a command prints as JSON."""
    return json.loads(vlsu(*command, "--json").stdout)


def invited(project: Path, address: str, browser: Browser, name: str, role: str) -> Page:
    """A browser of somebody's own, who has followed the link and is on the page of their work."""
    context = patient(
        browser.new_context(
            viewport={"width": 1280, "height": 900}, locale="en", reduced_motion="reduce"
        )
    )
    page = context.new_page()
    page.goto(link_of(project, address, name, role))
    if role == "grader":
        page.check("[name=adult]")
        page.check("[name=consent]")
    page.locator("main form button").last.click()
    page.wait_for_url(re.compile("/(grade|adjudicate|lead)$"), wait_until="commit")
    return page


def joined(project: Path, address: str, name: str, role: str) -> Client:
    """The same, without a browser."""
    client = Client(address)
    path = link_of(project, address, name, role).removeprefix(address)
    found = client.form(path, {"adult": "on", "consent": "on"})
    assert found.status == 303, found.text
    client.get(found.headers["location"])
    return client


def settled(page: Page) -> bool:
    """Wait for an item or for a page without one; whether there is an item."""
    page.wait_for_selector("#work:not([hidden]), #rest:not([hidden])")
    return page.locator("#work").is_visible()


def grade_all(pages: dict[str, Page], samples: dict[str, str]) -> None:
    """Have the three grade in turn, as they find, until each of them is done."""
    busy = dict(pages)
    while busy:
        for name, page in list(busy.items()):
            if not settled(page):
                if "You are done" in page.locator("#rest").inner_text():
                    del busy[name]
                continue
            alias, modality = shown(page)
            opinion = opinions_on(samples[alias], modality)[GRADERS.index(name)]
            grade(page, keys_of(opinion), reasons="" if opinion == "not_sure" else "30")
    for page in pages.values():
        expect(page.locator("#saved")).to_have_text("Saved")


def decide_all(page: Page, samples: dict[str, str]) -> dict[tuple[str, str], str]:
    """Decide each dispute; why each was one, as the page says."""
    found = {}
    while settled(page):
        before = shown(page)
        case = samples[before[0]], before[1]
        found[case] = page.locator("#why").inner_text()
        for name in GRADERS:
            assert name not in page.content()
        for key in keys_of(DISPUTES[case][1]):
            page.keyboard.press(key)
        page.locator("#contested").set_checked(case == CONTESTED)
        page.locator("#reason").fill("As the policy has it.")
        page.keyboard.press("Control+Enter")
        on(page, before)
    expect(page.locator("#rest")).to_contain_text("Nothing in dispute")
    return found


def done_by(page: Page, name: str) -> Any:
    """The cell of the lead's page with the number of grades of somebody."""
    header = page.get_by_role("rowheader", name=name, exact=True)
    return page.locator("#persons tbody tr").filter(has=header).locator("td").nth(3)


def test_a_team_grades_a_dataset_by_the_pages(browser: Browser, tmp_path: Path) -> None:
    project, complaints = made(tmp_path), list[str]()
    with serve_command(project) as (site, _):
        pages = {name: invited(project, site, browser, name, "grader") for name in GRADERS}
        senior = invited(project, site, browser, "Dana", "adjudicator")
        lead = invited(project, site, browser, "Lee", "lead")
        everybody = [*pages.values(), senior, lead]
        for page in everybody:
            page.on("pageerror", lambda error: complaints.append(str(error)))
        samples = names_of_samples(project)
        grade_all(pages, samples)
        lead.reload()
        expect(lead.locator("#tile-left")).to_have_text("0")
        expect(lead.locator("#tile-open")).to_have_text(str(len(DISPUTES)))
        for name, number in done_by_graders(project).items():
            expect(done_by(lead, name)).to_have_text(str(number))
        senior.reload()
        reasons = decide_all(senior, samples)
        lead.reload()
        expect(lead.locator("#tile-open")).to_have_text("0")
        for page in everybody:
            page.context.close()
        check_export(project, tmp_path)  # it is still served
    assert complaints == []
    assert reasons == {case: WHY[reason] for case, (reason, _) in DISPUTES.items()}


def test_a_team_grades_a_dataset_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    """The same people and opinions, by the requests that the pages make."""
    project = made(tmp_path, "--db", postgres.new_database())
    with serve_command(project) as (site, _):
        graders = {name: joined(project, site, name, "grader") for name in GRADERS}
        senior = joined(project, site, "Dana", "adjudicator")
        lead = joined(project, site, "Lee", "lead")
        samples = names_of_samples(project)
        busy = dict(graders)
        while busy:
            for name, person in list(busy.items()):
                if (item := person.next()) is None:
                    del busy[name]
                    continue
                opinion = opinions_on(samples[item["sample"]], item["modality"])
                grade, category = parts_of(opinion[GRADERS.index(name)])
                answer = {"key": item["key"], "client_id": item["key"][-40:], "grade": grade}
                found = person.post("/api/submit", answer | {"category": category, "seconds": 1})
                assert found.status == 200, found.text
        counts = done_by_graders(project)
        told_people = {each["name"]: each["done"] for each in lead.get("/api/lead").json["people"]}
        assert {name: told_people[name] for name in GRADERS} == counts
        reasons = {}
        while (case := senior.post("/api/case", {"holds": []}).json["case"]) is not None:
            about = samples[case["sample"]], case["modality"]
            reasons[about] = case["reason"]
            grade, category = parts_of(DISPUTES[about][1])
            decision = {"dispute": case["dispute"], "grade": grade, "category": category}
            more = {"contested": about == CONTESTED, "reason": "By the policy.", "seconds": 1}
            assert senior.post("/api/decide", decision | more).status == 200
        check_export(project, tmp_path)
    assert reasons == {case: reason for case, (reason, _) in DISPUTES.items()}


def check_export(project: Path, folder: Path) -> None:
    """Export by the command line, and compare with what was meant."""
    graded, long = folder / "graded", folder / "grades.csv"
    done = told("annotate", "export", project, "--out", graded, "--long", long)
    assert done["modalities"]["joint"]["adjudicator"] == 4
    with open_project(project) as opened:
        check_invariants(opened)
        names = {row.pseudonym: row.name for row in rows(opened, people)}
    check_dataset(graded)
    check_grades(long, names)
    check_agreement(long)


def check_dataset(folder: Path) -> None:
    """The consensus, who decided it and whether it is contested."""
    graded = {sample.id: sample for sample in load(folder)}
    assert sorted(graded) == sorted(PAIRS)
    for number, (name, sample) in enumerate(sorted(graded.items())):
        assert sample.text == TEXTS[number]
        grading: Any = sample.metadata["grading"]
        for modality in MODALITIES:
            severity = getattr(sample, f"{modality}_grade").label
            category = getattr(sample, f"{modality}_category")
            case = name, modality
            assert " ".join(filter(None, (severity, category))) == CONSENSUS[modality][number]
            given = opinions_on(name, modality)
            severities = {each.split()[0] for each in given} - {"not_sure"}
            if case in DISPUTES:
                contested = case == CONTESTED
            else:
                contested = modality != "image" and len(severities) > 1
            by = "adjudicator" if case in DISPUTES else "majority"
            assert grading[modality]["decided_by"] == by, case
            assert grading[modality]["contested"] is contested, case
            assert grading[modality]["grades"] == (1 if modality == "image" else 3)


def check_grades(file: Path, names: dict[str, str]) -> None:
    """Every grade is in the long table once, by pseudonym; of an image one of the three."""
    with file.open(newline="") as lines:
        found = {
            (row["item"], row["modality"], names[row["grader"]]): " ".join(
                filter(None, (row["grade"], row["category"]))
            )
            for row in csv.DictReader(lines)
        }
    meant = {
        (sample, modality, name): opinion
        for sample in PAIRS
        for modality in MODALITIES
        for name, opinion in zip(GRADERS, opinions_on(sample, modality), strict=True)
    }
    assert len(found) == len(TEXTS) * (1 + 3 + 3)
    assert found.items() <= meant.items()
    assert {key for key in meant if key[1] != "image"} <= set(found)
    assert {sample for sample, modality, _ in found if modality == "image"} == set(PAIRS)
    written = file.read_text()
    assert not any(name in written for name in names.values())


def check_agreement(file: Path) -> None:
    """`vlsu agreement` on the long table has the figures of the opinions."""
    found = told("agreement", file, "--replicates", 100)["modalities"]
    levels = {"safe": 0, "borderline": 1, "unsafe": 2}
    for modality in ("text", "joint"):
        opinions = [opinions_on(sample, modality) for sample in PAIRS]
        codes = [
            [levels.get(opinion.split()[0], float("nan")) for opinion in by_grader]
            for by_grader in zip(*opinions, strict=True)
        ]
        assert found[modality]["krippendorff_alpha_ordinal"]["value"] == pytest.approx(
            krippendorff.alpha(codes, level_of_measurement="ordinal", value_domain=[0, 1, 2])
        )
    assert found["joint"]["paired"] == 7  # of s4 there is one severity
    assert found["joint"]["percent_agreement"]["value"] == pytest.approx(AGREEMENT["joint"])
