"""A picture of a report's top, for the README: images blurred, light colours.

python scripts/screenshot_report.py REPORT.html OUT.png [--width 1180] [--height 1500] [--dark]

Without a height it ends below the map of patterns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = Path("/usr/bin/chromium")


def main() -> None:
    """Open the page from disk, wait for its charts, take the picture."""
    parser = argparse.ArgumentParser(description="A picture of a report's top.")
    parser.add_argument("report", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1180)
    parser.add_argument("--height", type=int, help="0 for the whole page")
    parser.add_argument("--dark", action="store_true")
    wanted = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM if CHROMIUM.exists() else None,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(
            viewport={"width": wanted.width, "height": wanted.height or 1000},
            color_scheme="dark" if wanted.dark else "light",
            device_scale_factor=1.5,
            reduced_motion="reduce",
        )
        page.goto(wanted.report.absolute().as_uri())
        page.wait_for_selector("html[data-charts=drawn]", timeout=120_000)
        if wanted.height is None:
            map_ = page.locator("#patterns .three").bounding_box()
            assert map_ is not None
            clip = {
                "x": 0,
                "y": 0,
                "width": wanted.width,
                "height": map_["y"] + map_["height"] + 14,
            }
            page.screenshot(path=wanted.out, clip=clip, full_page=True)
        else:
            page.screenshot(path=wanted.out, full_page=wanted.height == 0)
        browser.close()


if __name__ == "__main__":
    main()
