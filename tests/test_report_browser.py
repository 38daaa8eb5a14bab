"""The page in a real browser: it draws, filters, unblurs, and keeps hostile texts text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity, default_policy
from vlsu.report import write_report
from vlsu.runs import evaluate

from .conftest import png
from .report_runs import Scripted, scripted_run

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")

SCRIPT = "</script><script>window.owned = 1</script>"
IMAGE = "\"><img src=x onerror='window.owned = 1'>"
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
        self.page.wait_for_selector("html[data-charts=drawn]", timeout=10_000)

    def count(self, selector: str) -> int:
        return self.page.locator(selector).count()

    @property
    def matches(self) -> str:
        return self.page.locator("#matches").inner_text()


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        opened = Opened(browser.new_page(viewport={"width": 1280, "height": 900}))
        opened.watch()
        yield opened
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = scripted_run("vlsu-mini", folder / "run")
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
    assert opened.count("[data-chart]") == opened.count("[data-chart] svg") == 12
    labels = opened.page.locator("[data-chart=patterns-escalating] svg").text_content()
    assert labels is not None
    assert "S-S-U" in labels
    assert opened.complaints == []
    assert {url.split(":", 1)[0] for url in opened.requests} <= {"file", "data"}
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def test_a_dot_tells_its_value_interval_and_n(opened: Opened, report: Path) -> None:
    opened.open(report)
    chart = opened.page.locator("[data-chart=patterns-late-fusion]")
    dot = chart.locator(".mark-symbol path").first.bounding_box()
    assert dot is not None
    opened.page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    told = opened.page.locator("#tooltip").inner_text()
    assert told.startswith("S-S-S")
    assert "95% interval: " in told
    assert "n: " in told


def test_filters_choose_samples(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page
    assert opened.matches == "224 of 224 match, 50 listed"
    page.get_by_role("button", name="Show 50 more").click()
    assert opened.count(".sample") == 100
    page.locator("[name=family]").select_option("escalating")
    page.locator("[name=right]").select_option("wrong")
    shown = opened.count(".sample")
    assert 0 < shown < 68
    assert page.locator(".sample tr:last-child .mark.wrong").count() == shown
    page.locator("[name=words]").fill("MINI-0008")
    assert opened.matches == "1 of 224 match, 1 listed"
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".sample")).to_have_count(50)


def test_images_are_blurred_until_asked_for(opened: Opened, report: Path) -> None:
    opened.open(report)
    page = opened.page

    def blurred() -> list[bool]:
        script = "all => all.map(i => getComputedStyle(i).filter.startsWith('blur'))"
        return list(page.locator(".veil img").evaluate_all(script))

    assert all(blurred())
    page.locator(".veil").first.focus()
    page.keyboard.press("Enter")
    assert blurred()[0] is False
    assert all(blurred()[1:])
    page.get_by_label("show all images").check()
    assert not any(blurred())
    page.get_by_role("button", name="more").click()
    assert not any(blurred())
    page.get_by_label("show all images").uncheck()
    assert all(blurred())


def test_the_theme_follows_the_reader(opened: Opened, report: Path) -> None:
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    opened.open(report)
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Dark").click()
    light = page.evaluate(ground)
    assert (dark, light) == ("rgb(21, 23, 27)", "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="light")


def test_the_page_fits_a_phone(opened: Opened, report: Path) -> None:
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 844})
    opened.open(report)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 900})


def test_hostile_texts_stay_text(opened: Opened, hostile: Path) -> None:
    opened.complaints.clear()
    opened.open(hostile)
    page = opened.page
    assert page.evaluate("window.owned") is None
    assert opened.count("img:not(.veil img)") == 0
    said = page.locator(".said").all_inner_texts()
    for text in HOSTILE[:4]:
        assert text in said
    assert any("🧪" in text for text in said)
    assert "98000 more characters" in page.locator("#sample-list").inner_text()
    assert page.locator("h1").inner_text() == f"scripted/{IMAGE}"
    assert opened.count(".picture p") == 1
    assert "49" not in page.locator(".said", has_text="7*7").inner_text()
    assert opened.complaints == []


def test_the_policy_stops_what_is_not_the_pages_own(opened: Opened, report: Path) -> None:
    opened.open(report)
    opened.complaints.clear()
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.owned = 1";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "file:///nowhere.png";
            document.body.append(image);
        }"""
    )
    opened.page.wait_for_timeout(100)
    assert opened.page.evaluate("window.owned") is None
    assert len([c for c in opened.complaints if "Content Security Policy" in c]) == 2
    opened.complaints.clear()
