"""The page in a real browser: it draws, filters, unblurs, and keeps hostile texts text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.conftest import png
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.report_runs import Scripted, scripted_run, with_diagnostics
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity, default_policy
from vlsu.report import write_report
from vlsu.runs import evaluate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]

SCRIPT = "</script><script>window.owned = 1</script>"
IMAGE = "\"><img src=x onerror='window.owned = 1'>"
#: Puts a script and an image into the page that are not its own.
FOREIGN = """() => {
    const script = document.createElement("script");
    script.textContent = "window.owned = 1";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "file:///nowhere.png";
    document.body.append(image);
}"""
HOSTILE = [
    SCRIPT,
    IMAGE,
    "{{ 7*7 }} ${7*7} {% raw %} __proto__",
    "<!--<script>",
    "a null byte \x00, separators \u2028\u2029, an emoji 🧪, \u202eoverride",
    "مرحبا",
    "long " * 20_000,
]


@dataclass
class Opened:
    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)

        self.page.on("console", heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path) -> None:
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-charts=drawn][data-samples=listed]")

    def count(self, selector: str) -> int:
        return self.page.locator(selector).count()

    @property
    def matches(self) -> str:
        return self.page.locator("#matches").inner_text()

    @property
    def chosen(self) -> str:
        """The identifier of the sample that is shown in full."""
        return self.page.locator("#detail .id").inner_text()


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    with chromium() as browser:
        opened = Opened(
            new_page(browser, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        )
        opened.watch()
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = with_diagnostics(scripted_run("vlsu-mini", folder / "run"), folder / "diagnosed")
    return write_report([run], folder / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    store = ImageStore(folder / "data")
    image = store.add(png((200, 10, 10)))
    damaged = store.add(png((1, 2, 3)))
    file = store.path(damaged)
    assert file is not None
    samples = [
        Sample(
            id=f"{n} {IMAGE}",
            text=text,
            image_sha256=damaged if n == 1 else image,
            image_grade=Severity.SAFE,
            text_grade=Severity.SAFE,
            joint_grade=Severity.UNSAFE,
            joint_category=IMAGE,
            metadata={"reason": SCRIPT},
        )
        for n, text in enumerate(HOSTILE)
    ]
    dataset = write_dataset(
        folder / "data",
        samples,
        name=SCRIPT,
        version="1",
        licence=IMAGE,
        citation=IMAGE,
        source=IMAGE,
        description=SCRIPT,
        policy=default_policy(),
    )
    model = InProcessModel(f"scripted/{IMAGE}", Scripted(dataset))
    run = evaluate(dataset, model=model, out=folder / "run")
    file.write_bytes(b"no longer an image")
    return write_report([run], folder / "report.html")


def test_the_page_draws_everything_and_asks_nobody(opened: Opened, report: Path) -> None:
    opened.open(report)
    assert opened.count("[data-chart]") == opened.count("[data-chart] svg") == 21
    labels = opened.page.locator("[data-chart=map-unsafe] svg").text_content()
    assert labels is not None
    assert "▲ S-S-U" in labels
    assert opened.complaints == []
    assert {url.split(":", 1)[0] for url in opened.requests} <= {"file", "data", "blob"}
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def hover(page: Page, mark: str, across: float = 0.5) -> str:
    """What the tooltip says of the first such mark, at this share of its width."""
    page.mouse.move(0, 0)
    page.locator(mark).first.evaluate("mark => mark.scrollIntoView({block: 'center'})")
    box = page.locator(mark).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] / 2)
    return page.locator("#tooltip").inner_text()


def test_a_mark_tells_its_value_interval_and_n(opened: Opened, report: Path) -> None:
    opened.open(report)
    told = hover(opened.page, "[data-chart=patterns] .mark-symbol.role-mark path")
    assert told.startswith("S-S-S")
    assert "95% interval: " in told
    assert "n: " in told
    told = hover(opened.page, "[data-chart=map-unsafe] .mark-rect path")
    assert re.search(r"accuracy: [\d.]+ \[[\d.]+, [\d.]+\]\nn: \d+", told)
    told = hover(opened.page, "[data-chart=flow] .mark-area path", 0.02)
    assert re.search(r"share: [\d.]+ \[[\d.]+, [\d.]+\] of both right, n \d+", told)


def test_filters_choose_samples(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page
    assert opened.matches == "465 of 465 match"
    assert 8 < opened.count(".row") < 40  # only those in view are drawn
    page.locator("[name=family]").select_option("escalating")
    page.locator("[name=joint]").select_option("wrong")
    shown = int(opened.matches.split()[0])
    assert 0 < shown < 101  # of the escalating ones, those that it gets wrong
    assert page.locator(".row .tag.escalating").count() == opened.count(".row")
    wrong = opened.chosen
    page.locator("[name=words]").fill(wrong.upper())
    assert opened.matches == "1 of 465 match"
    assert opened.chosen == wrong
    page.get_by_role("button", name="Clear").click()
    assert opened.matches == "465 of 465 match"
    page.locator("[name=words]").fill("no sample says this")
    assert opened.matches == "0 of 465 match"
    assert page.locator("#detail").inner_text() == "No sample matches."


def test_a_cell_of_a_chart_chooses_its_samples(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page
    page.locator("[data-chart=map-unsafe] .mark-rect path").first.click()
    assert page.locator("[name=pattern]").input_value() == "S-S-U"
    assert opened.matches == "20 of 465 match"
    assert page.evaluate("document.activeElement.id") == "list"


def test_the_list_is_read_by_keyboard(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page
    first = opened.chosen
    page.locator("#list").focus()
    page.keyboard.press("ArrowDown")
    assert opened.chosen != first
    page.keyboard.press("End")
    option = page.locator("[role=option][aria-selected=true]")
    assert option.get_attribute("aria-posinset") == "465"
    assert option.get_attribute("id") == page.locator("#list").get_attribute(
        "aria-activedescendant"
    )
    assert opened.chosen in option.inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator("[role=option][aria-selected=true]").get_attribute("aria-posinset") == "465"
    page.keyboard.press("Home")
    assert opened.chosen == first


def test_a_sample_has_a_link(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page
    page.locator("[name=words]").fill("mini-0008")
    page.get_by_role("link", name="Link to sample mini-0008").click()
    address = page.url
    assert address.endswith("#sample=mini-0008")
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("html[data-samples=listed]")
    assert opened.chosen == "mini-0008"
    page.evaluate("location.hash = '#sample=nobody'")
    expect(page.locator("#matches")).to_have_text("The sample of this link is not in this page.")


def test_images_are_blurred_until_asked_for(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page

    def blurred(selector: str) -> set[bool]:
        script = "all => all.map(i => getComputedStyle(i).filter.startsWith('blur'))"
        return set(page.locator(selector).evaluate_all(script))

    assert blurred("#samples img") == {True}
    page.locator(".veil").focus()
    page.keyboard.press("Enter")
    assert blurred("#detail img") == {False}
    assert blurred("#list img") == {True}
    page.locator("#list").press("ArrowDown")
    assert blurred("#samples img") == {True}
    page.locator("#list").press("ArrowUp")
    assert blurred("#detail img") == {False}  # one that was asked for stays so
    page.get_by_label("show all images").check()
    page.locator("#list").press("End")
    assert blurred("#samples img") == {False}
    page.get_by_label("show all images").uncheck()
    assert blurred("#samples img") == {True}


def test_colours_are_the_systems_until_others_are_chosen(opened: Opened, report: Path) -> None:
    page = opened.page

    def ground() -> object:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark, light = "rgb(21, 23, 27)", "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    opened.open(report)
    assert ground() == dark
    page.locator("#theme").get_by_text("Light").click()
    assert ground() == light
    page.locator("#theme input:checked").press("ArrowRight")
    assert ground() == dark
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.locator("#theme").get_by_text("Auto").click()
    assert ground() == light


def test_on_a_phone_a_sample_lies_over_the_list(opened: Opened, report: Path) -> None:
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 844})
    opened.open(report)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator(".row").nth(2).click()
    sheet = page.locator("#sheet")
    wanted = page.locator(".row .id").nth(2).inner_text()
    assert sheet.locator(".id").inner_text() == wanted
    assert page.evaluate("document.querySelector('#sheet').scrollWidth") <= 390
    page.keyboard.press("Escape")
    expect(sheet).not_to_be_visible()
    assert page.evaluate("document.activeElement.id") == "list"
    page.set_viewport_size({"width": 1280, "height": 900})


def test_hostile_texts_stay_text(opened: Opened, hostile: Path) -> None:
    opened.complaints.clear()
    opened.open(hostile)
    page = opened.page
    texts, pictures = [], []
    for _ in HOSTILE:
        texts.append(page.locator("#detail .said").inner_text())
        pictures.append(page.locator("#detail .no-picture").count())
        if "long" in texts[-1]:
            assert "98,000 more characters" in page.locator("#detail").inner_text()
        page.locator("#list").press("ArrowDown")
    assert page.evaluate("window.owned") is None
    assert set(HOSTILE[:4]) <= set(texts)
    assert any("🧪" in text for text in texts)
    assert not any("49" in text for text in texts)
    assert sum(pictures) == 1
    assert opened.count("img:not(.veil img, .thumb img)") == 0
    assert page.locator("h1").inner_text() == f"scripted/{IMAGE}"
    page.locator("[name=category]").select_option(IMAGE)
    assert opened.matches == f"{len(HOSTILE)} of {len(HOSTILE)} match"
    assert opened.complaints == []


def test_the_policy_stops_what_is_not_the_pages_own(opened: Opened, report: Path) -> None:
    opened.open(report)
    opened.complaints.clear()
    refused: list[str] = []

    def both(message: ConsoleMessage) -> bool:
        refused.extend([message.text] * ("Content Security Policy" in message.text))
        return len(refused) == 2

    with opened.page.expect_console_message(both):
        opened.page.evaluate(FOREIGN)
    assert opened.page.evaluate("window.owned") is None
    opened.complaints.clear()
