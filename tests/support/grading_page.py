"""The grader's page in a browser: small projects of given texts and pictures; what is stored."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from sqlalchemy import select

from tests.support.annotate_server import served
from tests.support.annotating import rows
from tests.support.browser import patient
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.tables import grades, slots
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import default_policy

__all__ = [
    "Grader",
    "animation",
    "click",
    "fetched",
    "grade",
    "held_space",
    "look",
    "on",
    "page_dataset",
    "press_space",
    "served_project",
    "shown",
    "stored",
    "until_saved",
]


def animation() -> bytes:
    """A picture of two frames, a red one and a green one, in turn."""
    frames = [Image.new("RGB", (320, 200), colour) for colour in ("red", "lime")]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0)
    return written.getvalue()


def _picture(colour: tuple[int, int, int]) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (320, 200), colour).save(written, "PNG")
    return written.getvalue()


def page_dataset(
    folder: Path, texts: Sequence[str | tuple[str, str]], pictures: Sequence[bytes] = ()
) -> Dataset:
    """Samples of these texts (or texts and languages), each with a picture of its own."""
    store = ImageStore(folder)
    pairs = [each if isinstance(each, tuple) else (each, "en") for each in texts]
    made = [*pictures, *(_picture((n * 9 % 250, 90, 160)) for n in range(len(pairs)))]
    samples = [
        Sample(id=f"s{n}", text=text, language=language, image_sha256=store.add(made[n]))
        for n, (text, language) in enumerate(pairs)
    ]
    return write_dataset(
        folder,
        samples,
        name="page",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )


@dataclass(frozen=True)
class Grader:
    """Somebody who grades in a browser."""

    project: Project
    page: Page
    address: str
    person: int

    @property
    def context(self) -> BrowserContext:
        return self.page.context


@contextmanager
def served_project(
    browser: Browser, folder: Path, dataset: Dataset, *, context: Any = None, **plan: Any
) -> Iterator[Grader]:
    """A project that is served, and a grader before their first item."""
    plan.setdefault("graders", {"image": 1, "text": 1, "joint": 1})
    create(folder, dataset, Plan(regrade=0.0, **plan), database=None, now=time.time_ns() // 10**6)
    with open_project(folder) as project, served(project) as address:
        opened = patient(
            browser.new_context(
                **{"viewport": {"width": 1280, "height": 900}, "locale": "en", **(context or {})}
            )
        )
        page = opened.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        invitation = project.invite("Kim", "grader")
        page.goto(f"{address}/join/{invitation.token}")
        page.check("[name=adult]")
        page.check("[name=consent]")
        page.locator("form.agree button").click()
        page.wait_for_url(f"{address}/grade", wait_until="commit")
        yield Grader(project, page, address, invitation.person)
        opened.close()
        assert not errors, errors


def shown(page: Page) -> tuple[str, str]:
    """Name and modality of the item that is open."""
    work = page.locator("[data-sample]")
    work.wait_for()
    return str(work.get_attribute("data-sample")), str(work.get_attribute("data-modality"))


def on(page: Page, before: tuple[str, str]) -> None:
    """Wait until another item is open, or none is."""
    page.wait_for_function(
        """([sample, modality]) => {
            const { dataset, hidden } = document.getElementById("work");
            return !document.getElementById("rest").hidden
                || (!hidden && (dataset.sample !== sample || dataset.modality !== modality));
        }""",
        arg=list(before),
    )


def fetched(page: Page, number: int, path: str = "/api/next") -> None:
    """Wait until so many answers of a path have come to the page since it was loaded."""
    page.wait_for_function(
        """([path, number]) => performance.getEntriesByType("resource")
            .filter(({ name }) => name.includes(path)).length >= number""",
        arg=[path, number],
    )


@contextmanager
def held_space(page: Page, *, seconds: float) -> Iterator[None]:
    """Hold it so long by the keyboard's own clock, whatever else the machine is at."""
    keyboard = page.context.new_cdp_session(page)
    event: dict[str, Any] = {
        "key": " ",
        "code": "Space",
        "windowsVirtualKeyCode": 32,
        "timestamp": time.time(),
    }
    keyboard.send("Input.dispatchKeyEvent", {**event, "type": "keyDown", "text": " "})
    yield
    event["timestamp"] += seconds
    keyboard.send("Input.dispatchKeyEvent", {**event, "type": "keyUp"})
    keyboard.detach()


def press_space(page: Page) -> None:
    """Press it for a moment."""
    with held_space(page, seconds=0.05):
        pass


def click(button: Locator) -> None:
    """Press and release a mouse's button in a moment by its own clock."""
    button.hover()
    box = button.bounding_box()
    assert box is not None
    event: dict[str, Any] = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    event |= {"button": "left", "clickCount": 1, "timestamp": time.time()}
    mouse = button.page.context.new_cdp_session(button.page)
    mouse.send("Input.dispatchMouseEvent", {**event, "type": "mousePressed"})
    event["timestamp"] += 0.05
    mouse.send("Input.dispatchMouseEvent", {**event, "type": "mouseReleased"})
    mouse.detach()


def look(page: Page) -> None:
    """Show the picture, if there is one."""
    if shown(page)[1] != "text":
        press_space(page)
        page.wait_for_selector("#frame[data-shown=true] img")


def grade(page: Page, keys: str = "1", reasons: str = "30") -> tuple[str, str]:
    """Grade the item that is open, by its keys; its name and modality."""
    before = shown(page)
    look(page)
    for key in keys + (reasons if before[1] == "joint" else ""):
        page.keyboard.press(key)
    on(page, before)
    return before


def until_saved(page: Page) -> None:
    expect(page.locator("#saved")).to_have_text("Saved")


def stored(project: Project, *, live: bool = True) -> list[Any]:
    """Grades as they are stored, oldest first."""
    with project.database.read() as connection:
        statement = select(grades, slots.c.seat).join(slots, slots.c.id == grades.c.slot_id)
        found = connection.execute(statement.order_by(grades.c.id)).all()
    assert len(found) == len(rows(project, grades))
    return [each for each in found if each.live or not live]
