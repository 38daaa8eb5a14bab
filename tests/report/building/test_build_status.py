"""The page of ``vlsu build status --out``: counts and reasons, and nothing of the content."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.build.folder.made import chain
from tests.build.folder.stages import PlayedStages
from tests.report.test_hostile_reports import CONTROLS, HOSTILE
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.commands import vlsu
from vlsu.build.concepts.coverage import measured
from vlsu.build.folder.build import Build, init, status
from vlsu.build.folder.records import STAGES, Decision
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import default_policy
from vlsu.report.building.page import status_page


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build some way on, with stages whose results are drawn."""
    folder = tmp_path_factory.mktemp("page") / "harbour"
    build = init(
        folder,
        default_policy(),
        languages=["en", "de"],
        targets=parse_targets(["all=2,S-S-U=16"]),
    )
    drawn = random.Random(3)
    with build.store() as store:
        stages = PlayedStages(build, store, lambda _: drawn.random())
        for stage in STAGES:
            stages.work(stage, 60)
            store.add_work(stage, 0, 100 * drawn.random())
            store.add_calls((f"{stage}{n}", stage, "openai/x", 0.01) for n in range(60))
        chain(store, concept="a lighthouse", text="How old is it?", caption="a lighthouse")
    return build


def test_the_page_shows_what_status_prints(build: Build) -> None:
    found = status(build)
    page = status_page(found, "harbour")
    counts = [count for of in found["cells"].values() for count in of.values()]
    done = sum(min(count["have"], count["wanted"]) for count in counts)
    wanted = sum(count["wanted"] for count in counts)
    assert done
    assert f"{done} of {wanted} samples are there" in page
    for reason in ("near-duplicate", "pair is borderline"):
        assert reason in page
    lost = found["stages"]["queries"]["lost"]["near-duplicate"]
    assert f'<td>near-duplicate</td><td class="num">{lost}</td>' in page
    assert "unsafe explicit material (C6)" in page


def test_how_diverse_the_concepts_are_is_shown_where_it_was_measured(build: Build) -> None:
    found = status(build)
    assert "How diverse the concepts are" not in status_page(found, "harbour")
    with build.store(read_only=True) as store:
        concepts = measured(store, meaning=False)
    page = status_page({**found, "concepts": concepts}, "harbour")
    assert "How diverse the concepts are" in page
    vendi = concepts["diversity"]["words"]["vendi"]
    assert f"{vendi:.1f} of {concepts['n']}" in page


def test_the_page_holds_no_content(build: Build) -> None:
    page = status_page(status(build), "harbour")
    assert "lighthouse" not in page
    assert "How old" not in page
    assert "<img" not in page
    assert str(build.folder) not in page


def test_a_build_without_anything_says_so(tmp_path: Path) -> None:
    build = init(tmp_path / "b", default_policy(), targets=parse_targets(["all=0,S-S-S=1"]))
    page = status_page(status(build), "b")
    assert "nothing has been tried yet" in page
    assert "0 of 1 samples are there" in page


def test_a_full_build_says_so(tmp_path: Path) -> None:
    build = init(tmp_path / "b", default_policy(), targets=parse_targets(["all=0,S-S-U/C9=1"]))
    with build.store() as store:
        chain(store)
    page = status_page(status(build), "b")
    assert "1 of 1 cells are full" in page
    assert "every cell is full" in page
    assert "No sample is missing." in page


def test_foreign_text_is_text(tmp_path: Path) -> None:
    build = init(tmp_path / "b", default_policy(), targets=parse_targets(["all=0,S-S-U/C9=9"]))
    with build.store() as store:
        for n, text in enumerate(HOSTILE):
            _, image = chain(store, "images", concept=str(n), caption=str(n))
            reason = text.encode("utf-8", "replace").decode().strip() or "x"
            store.decide([Decision(image, False, reason)])
    page = status_page(status(build), "<script>alert(1)</script>")
    assert not CONTROLS.search(page)
    assert "<script>alert" not in page
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == page.count("</script>")


def test_the_command_writes_it_and_leaves_other_files_alone(build: Build, tmp_path: Path) -> None:
    out = tmp_path / "status.html"
    vlsu("build", "status", build.folder, "--out", out)
    assert "<h1>harbour</h1>" in out.read_text(encoding="utf-8")
    assert (
        vlsu("build", "status", build.folder, "--out", tmp_path, expect=2).stderr.count("\n") == 1
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with chromium() as browser:
        yield browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_and_fits(
    browser: Browser, build: Build, tmp_path: Path, width: int, scheme: Any
) -> None:
    file = tmp_path / "status.html"
    file.write_text(status_page(status(build), "harbour"), encoding="utf-8")
    page = new_page(
        browser,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-charts=drawn]")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    violations = Axe().run(page).response["violations"]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    assert [each["id"] for each in violations] == []
    assert overflow <= 0
    assert failed == []
