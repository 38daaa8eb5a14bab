"""The grader's page in a real browser, before a real server: by keyboard alone, and by mouse."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support.annotating import check_invariants, rows
from tests.support.grading_page import (
    animation,
    click,
    fetched,
    grade,
    held_space,
    look,
    on,
    page_dataset,
    press_space,
    served_project,
    shown,
    stored,
    until_saved,
)
from vlsu.annotate.store.tables import exclusions, items, stops

pytestmark = pytest.mark.slow
SAYINGS = ["A walk in the park", "Two loaves, please", "Is the bridge open?", "Good morning"]
NO_PICTURES = {"graders": {"image": 0, "text": 1, "joint": 0}}
NO_TEXTS = {"graders": {"image": 1, "text": 0, "joint": 0}}


def blurred(page: Page) -> bool:
    found = page.locator("#frame img").evaluate("image => getComputedStyle(image).filter")
    return "blur" in found and "grayscale(1)" in found


def test_a_project_is_graded_by_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    began = time.monotonic()
    with served_project(browser, tmp_path / "p", page_dataset(tmp_path / "d", SAYINGS)) as grader:
        page, order = grader.page, list[tuple[str, str]]()
        while not page.locator("#rest").is_visible():
            order.append(grade(page, "3i" if len(order) % 2 else "1"))
            until_saved(page)  # nothing else is there until the parts are stored
            page.wait_for_selector("#rest:not([hidden]), #work:not([hidden])")
        expect(page.locator("#rest")).to_contain_text("You are done")
        expect(page.locator("#today")).to_contain_text("12 today")
        # Of each sample its parts come before the pair.
        assert len(order) == 12 == len(set(order))
        for sample in {sample for sample, _ in order}:
            assert [modality for name, modality in order if name == sample][-1] == "joint"
        found = stored(grader.project)
        assert [each.grade for each in found] == ["safe", "unsafe"] * 6
        assert {each.category for each in found if each.grade == "unsafe"} == {"C9"}
        assert {(each.refers, each.because) for each in found if each.modality == 2} == {
            ("nothing", "neither")
        }
        assert {each.revealed for each in found if each.modality != 1} == {True}
        assert {each.revealed for each in found if each.modality == 1} == {None}
        assert all(each.seconds > 0 for each in found)
        assert sum(each.seconds for each in found) < time.monotonic() - began
        check_invariants(grader.project)


def test_a_picture_is_hidden_until_it_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS[:1], [animation()])
    with served_project(browser, tmp_path / "p", dataset, **NO_TEXTS) as grader:
        page = grader.page
        picture = page.locator("#frame img")
        picture.wait_for()
        assert blurred(page)
        # It is a tiny copy of the first frame: nothing moves, and nothing can be made out.
        assert picture.evaluate("image => image.naturalWidth") == 40
        size = picture.bounding_box()
        assert size is not None
        assert size["height"] <= 260
        press_space(page)
        page.wait_for_selector("#frame[data-shown=true]")
        assert not blurred(page)
        assert picture.evaluate("image => image.naturalWidth") == 320
        press_space(page)
        page.wait_for_selector("#frame[data-shown=false]")
        # Held, it is shown only as long as it is held.
        with held_space(page, seconds=0.4):
            page.wait_for_selector("#frame[data-shown=true]")
        page.wait_for_selector("#frame[data-shown=false]")
        assert blurred(page)
        # By mouse, and larger in a second step.
        click(page.get_by_role("button", name="Show"))
        expect(page.get_by_role("button", name="Hide")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Larger").click()
        larger = picture.bounding_box()
        assert larger is not None
        assert larger["width"] > 2 * size["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_transparent_picture_is_seen_by_day_and_by_night(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    drawn = Image.new("RGBA", (300, 100))
    drawn.paste("black", (0, 0, 100, 100))
    drawn.paste("white", (200, 0, 300, 100))
    written = io.BytesIO()
    drawn.save(written, "PNG")
    dataset = page_dataset(tmp_path / "d", SAYINGS[:1], [written.getvalue()])
    with served_project(
        browser, tmp_path / "p", dataset, context={"color_scheme": scheme}, **NO_TEXTS
    ) as grader:
        page = grader.page
        look(page)
        seen = Image.open(io.BytesIO(page.locator("#frame img").screenshot())).convert("L")
        row = seen.crop((0, 50, seen.width, 51)).tobytes()
        black, nothing, white = (row[len(row) * at // 6] for at in (1, 3, 5))
        assert black + 80 < nothing < white - 80


def test_a_grade_without_a_look_needs_a_second_press(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_TEXTS) as grader:
        page, before = grader.page, shown(grader.page)
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_have_text(re.compile("You have not looked"))
        assert shown(page) == before
        page.keyboard.press("1")
        on(page, before)
        # So with the mouse; another grade is another first press, and a double click is one.
        before = shown(page)
        page.get_by_role("button", name="Not sure").dblclick()
        page.get_by_role("button", name="Safe", exact=True).click()
        page.get_by_role("button", name="Not sure").click()
        assert shown(page) == before
        page.get_by_role("button", name="Not sure").click()
        on(page, before)
        until_saved(page)
        found = stored(grader.project)
        assert [(each.grade, each.revealed) for each in found] == [
            ("safe", False),
            ("not_sure", False),
        ]


def test_a_double_click_is_one_click(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page, question = grader.page, grader.page.locator("#question")
        for name in ("Safe", "Skip", "Unsafe", "Safe"):
            before = shown(page)
            expect(question).to_have_text("How do you grade it?")
            page.get_by_role("button", name=name, exact=True).dblclick()
            if name == "Unsafe":
                expect(question).to_contain_text("Which category?")
                page.get_by_role("button", name=re.compile("^C4 ")).dblclick()
            on(page, before)
        expect(page.locator("#rest")).to_contain_text("You are done")
        until_saved(page)
        found = [(each.grade, each.category) for each in stored(grader.project)]
        assert found == [("safe", None), ("unsafe", "C4"), ("safe", None)]
        assert [each.why for each in rows(grader.project, exclusions)] == ["skip"]


def test_what_else_is_possible_how_sure_and_a_note(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page, before = grader.page, shown(grader.page)
        page.keyboard.press("c")
        page.keyboard.press("c")  # fairly
        page.keyboard.press("o")
        page.keyboard.press("1")
        page.keyboard.press("3")
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.keyboard.type("1 z s: typed, not pressed")
        page.keyboard.press("Escape")
        assert shown(page) == before
        page.keyboard.press("2")
        # A step back, and another way on.
        page.keyboard.press("Escape")
        page.keyboard.press("Control+1")
        expect(page.locator("#question")).to_have_text("How do you grade it?")
        page.keyboard.press("2")
        # A category is read about without being chosen.
        page.keyboard.press("Shift+C")
        expect(page.locator("#policy")).to_contain_text("Drug")
        expect(page.locator("#policy dd")).to_have_count(3)
        page.keyboard.press("c")
        on(page, before)
        until_saved(page)
        [found] = stored(grader.project)
        assert (found.grade, found.category, found.confidence) == ("borderline", "C3", 2)
        assert found.admissible == "safe,unsafe"
        assert found.note == "1 z s: typed, not pressed"


def test_the_last_grade_is_taken_back(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page = grader.page
        first = grade(page, "3a")
        following = shown(page)
        until_saved(page)
        page.keyboard.press("z")
        expect(page.get_by_role("alert")).to_have_text(re.compile("you had graded Unsafe, C1"))
        assert shown(page) == first
        grade(page, "1")
        assert shown(page) == following
        until_saved(page)
        page.keyboard.press("z")
        page.wait_for_function("name => work.dataset.sample === name", arg=first[0])
        page.keyboard.press("z")
        expect(page.get_by_role("alert")).to_have_text(re.compile("no last grade"))
        history = stored(grader.project, live=False)
        assert [(each.grade, each.withdrawn_as) for each in history] == [
            ("unsafe", "taken_back"),
            ("safe", "taken_back"),
        ]
        check_invariants(grader.project)


def test_a_skip_asks_no_reason(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page, before = grader.page, shown(grader.page)
        page.keyboard.press("s")
        on(page, before)
        until_saved(page)
        rest = {grade(page)[0] for _ in range(3)}
        assert before[0] not in rest
        expect(page.locator("#rest")).to_contain_text("You are done")
        assert [each.why for each in rows(grader.project, exclusions)] == ["skip"]


def test_a_stop_takes_an_item_from_everybody(browser: Browser, tmp_path: Path) -> None:
    with served_project(browser, tmp_path / "p", page_dataset(tmp_path / "d", SAYINGS)) as grader:
        page, (sample, _) = grader.page, shown(grader.page)
        page.keyboard.press("!")
        expect(page.get_by_role("dialog")).to_contain_text("taken away from everybody at once")
        page.keyboard.press("Escape")
        assert shown(page)[0] == sample
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="It may be illegal").click()
        expect(page.locator("#rest")).to_contain_text("It is gone")
        expect(page.locator("#frame img")).to_have_count(0)
        until_saved(page)
        [stop] = rows(grader.project, stops)
        [gone] = [each for each in rows(grader.project, items) if each.stopped_at is not None]
        assert (stop.kind, stop.item_id, gone.alias) == ("illegal", gone.id, sample)
        # A break is offered, and the work goes on when they like.
        page.get_by_role("button", name="Take a break").click()
        expect(page.get_by_role("timer")).to_have_text(re.compile(r"^([1-4]:\d\d|5:00)$"))
        page.keyboard.press("Enter")
        assert shown(page)[0] != sample


def test_keys_are_what_they_print_wherever_they_are(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page, before = grader.page, shown(grader.page)
        press = """([key, code]) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))"""
        page.evaluate(press, ['"', "Digit3"])  # a French keyboard prints it without Shift
        expect(page.locator("#question")).to_have_text(re.compile("Which category"))
        page.evaluate(press, ["ф", "KeyA"])  # a Russian one
        on(page, before)
        before = shown(page)
        page.evaluate(press, ["3", "Numpad3"])
        page.evaluate(press, ["a", "KeyQ"])  # a French one again
        on(page, before)
        until_saved(page)
        assert [(each.grade, each.category) for each in stored(grader.project)] == [
            ("unsafe", "C1")
        ] * 2


def test_texts_are_texts_in_their_own_direction(browser: Browser, tmp_path: Path) -> None:
    texts: list[str | tuple[str, str]] = [
        "<img src=x onerror=alert(1)><script>alert(2)</script> {{ 7 * 7 }}",
        ("مرحبا بكم في الحديقة", "ar"),
        ("公園で散歩しましょう\n\n明日も", "ja"),
        "pay \u202eevil\u202c now\u200b" + "".join(chr(0xE0000 + ord(each)) for each in "tell all"),
        "word " * 4000,
    ]
    dataset = page_dataset(tmp_path / "d", texts)
    with served_project(browser, tmp_path / "p", dataset, **NO_PICTURES) as grader:
        page, seen = grader.page, dict[str, Any]()
        page.on("dialog", lambda _: pytest.fail("a script of a text ran"))
        for _ in texts:
            shown(page)
            said = page.locator("#said")
            written = said.inner_text()
            seen[written[:4]] = said.evaluate(
                """place => ({ direction: getComputedStyle(place).direction, lang: place.lang,
                    marks: [...place.querySelectorAll(".control")].map(each => each.textContent),
                    scrolls: place.scrollHeight > place.clientHeight,
                    text: place.textContent })"""
            )
            expect(said.locator("img, script")).to_have_count(0)
            grade(page)
        assert seen["<img"]["text"] == texts[0]
        assert (seen["مرحب"]["direction"], seen["مرحب"]["lang"]) == ("rtl", "ar")
        assert seen["公園で散"]["lang"] == "ja"
        [hidden] = [found for found in seen.values() if found["marks"]]
        assert hidden["marks"] == ["RLO", "PDF", "ZWSP", "hidden: tell all"]
        [long] = [found for found in seen.values() if found["scrolls"]]
        assert long["text"] == texts[4]


#: Presses a key and says, before anything else can happen, what is open then.
PRESS = """(key) => {
    const press = { key, code: `Digit${key}`, bubbles: true, cancelable: true };
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", press));
    return [work.hidden, work.dataset.sample];
}"""


def test_the_next_item_is_there_at_once(browser: Browser, tmp_path: Path) -> None:
    """With the key that ends an answer: nothing is waited for."""
    dataset = page_dataset(tmp_path / "d", [f"Saying number {n}" for n in range(24)])
    with served_project(browser, tmp_path / "p", dataset, **NO_TEXTS) as grader:
        page = grader.page
        for number in range(1, 22):
            before = shown(page)
            look(page)
            # A grader looks: the next item is fetched in the meantime, with its picture.
            fetched(page, number + 1)
            fetched(page, number + 1, "/image/")
            hidden, sample = page.evaluate(PRESS, "1")
            assert not hidden
            assert sample != before[0]
            until_saved(page)
        page.wait_for_function("performance.getEntriesByName('next-item').length === 21")


def test_the_page_is_in_the_language_that_was_chosen(browser: Browser, tmp_path: Path) -> None:
    dataset = page_dataset(tmp_path / "d", SAYINGS)
    with served_project(
        browser, tmp_path / "p", dataset, context={"locale": "de-DE"}, **NO_PICTURES
    ) as grader:
        page, before = grader.page, shown(grader.page)
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.locator("[data-grade=unsafe]")).to_contain_text("Schädlich")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("button", name="Unsafe", exact=True)).to_be_visible()
        assert shown(page) == before  # the page goes on where it was
        page.reload()
        expect(page.get_by_role("button", name="Borderline", exact=True)).to_be_visible()
        assert shown(page) == before
