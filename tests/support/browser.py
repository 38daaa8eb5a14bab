"""Chromium, as tests of pages start it, and how long they wait for what a page does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

__all__ = ["CHROMIUM", "chromium", "drawn", "new_page", "patient", "until"]

#: Debian's packages. The shell is the same engine without windows: it takes half the CPU time.
_SHELL = Path("/usr/bin/chromium-headless-shell")
CHROMIUM = _SHELL if _SHELL.exists() else Path("/usr/bin/chromium")
#: For what is certain to come: that a machine is busy is no fault of a page.
PATIENCE_MS = 180_000
expect.set_options(timeout=PATIENCE_MS)

Opened = TypeVar("Opened", BrowserContext, Page)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=PATIENCE_MS,
        )
        yield browser
        browser.close()


def patient(opened: Opened) -> Opened:
    """A page, or a context with its pages, that waits as long as a busy machine may take."""
    opened.set_default_timeout(PATIENCE_MS)
    return opened


def new_page(browser: Browser, **about: Any) -> Page:
    """A page in a context of its own, with patience."""
    return patient(browser.new_page(**about))


def drawn(page: Page) -> None:
    """Wait until a page has drawn its charts and, if it has one, its list of samples."""
    listed = "[data-samples=listed]" if page.locator("#list").count() else ""
    page.wait_for_selector(f"html[data-charts=drawn]{listed}")


def until(page: Page, holds: Callable[[], object]) -> None:
    """Wait for something that is seen from outside a page, while its events are handled."""
    for _ in range(PATIENCE_MS // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to be")
