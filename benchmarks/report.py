"""What a report costs: size, time to make, time to open, and how fluid its samples are.

    python -m benchmarks.report

Makes runs of 150, 8,187 and 1,000,000 samples without asking anybody (`judged.py`), writes their
page as a user would, opens it in Chromium from disk, scrolls and filters its samples; then serves
the largest with `vlsu view`. Needs Chromium and the development install. See README.md.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.judged import judged_run, pictured_dataset
from benchmarks.measure import ROOT, load_average, say
from benchmarks.writing import markdown, write_results

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
#: Pictures that the samples of the largest run share.
PICTURES = 3_000
FILES = [
    "samples",
    "make s",
    "CPU s",
    "peak MiB",
    "page MB",
    "samples in it",
    "beside it MB",
    "readable s",
    "listed s",
    "charts s",
]
FLUID = [
    "samples",
    "CPU ms a frame",
    "frame ms",
    "idle frame ms",
    "CPU ms a filter",
    "filter ms",
    "CPU ms for words",
    "words ms",
    "longest task ms",
]
VIEW = ["samples", "judgments", "what", "value"]

#: Scrolls the list for two seconds by so many pixels a frame, and tells the time of each frame.
_SCROLL = """async (pixels) => {
  const list = document.getElementById("list");
  list.scrollTop = 0;
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  const end = last + 2000;
  while (last < end) {
    list.scrollTop += pixels;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""
#: Sets a field of the filters and tells how long until the rows of the answer are drawn.
_FILTER = """async ([name, value]) => {
  const field = document.getElementById("filters").elements[name];
  const matches = document.getElementById("matches");
  const answered = new Promise((done) => {
    new MutationObserver(done).observe(matches, { childList: true });
  });
  const start = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await answered;
  while (document.querySelector("[data-waiting]")) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
_LONGEST = """() => {
  window.longest = 0;
  new PerformanceObserver((found) => {
    for (const { duration } of found.getEntries()) {
      window.longest = Math.max(window.longest, duration);
    }
  }).observe({ entryTypes: ["longtask"] });
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[150, 8_187, 1_000_000])
    parser.add_argument("--folder", type=Path, help="keeps runs there and uses what is there")
    options = parser.parse_args()
    load = load_average()
    with tempfile.TemporaryDirectory(prefix="vlsu-report-") as temporary:
        work = options.folder or Path(temporary)
        sizes = sorted(options.samples)
        runs = {n: _run(work, n) for n in sizes}
        files, fluid = [], []
        for n, run in runs.items():
            say(f"{n:,} samples: writing and opening the page ...")
            made, opened = _made(run, work), _opened((work / "r.html").as_uri())
            files.append([f"{n:,}", *made, *opened[:3]])
            fluid.append([f"{n:,}", *opened[3:]])
        say("serving the largest ...")
        served = _served(runs[sizes[-1]], sizes[-1])
    table = "\n\n".join(
        (
            "One file, opened from disk:",
            markdown(FILES, files),
            "Its samples, scrolled and filtered:",
            markdown(FLUID, fluid),
            "`vlsu view`:",
            markdown(VIEW, served),
            f"Load average {load:.1f} at the start, {os.cpu_count()} cores.",
        )
    )
    write_results("report", table, {"files": files, "fluid": fluid, "view": served, "load": load})
    return 0


def _run(work: Path, n: int) -> Path:
    folder = work / f"r{n}"
    if not (folder / "metrics.json").exists():
        say(f"{n:,} samples: making a run ...")
        judged_run(pictured_dataset(work / f"d{n}", n, min(n, max(PICTURES, 8_187))), folder)
    return folder


def _made(run: Path, work: Path) -> list[str]:
    """Seconds and memory of `vlsu report`, and what it wrote."""
    page, beside = work / "r.html", work / "r.samples.parquet"
    beside.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vlsu", "report", str(run), "--out", str(page)]
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if process.returncode is None:
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"vlsu report ended with {process.returncode}")
    told = re.search(r"([\d,]+) of [\d,]+ samples, ", page.read_text(encoding="utf-8"))
    return [
        f"{seconds:.1f}",
        f"{usage.ru_utime + usage.ru_stime:.1f}",
        f"{usage.ru_maxrss / 1024:.0f}",
        f"{page.stat().st_size / 1e6:.2f}",
        told[1] if told else "all",
        f"{beside.stat().st_size / 1e6:.1f}" if beside.exists() else "–",
    ]


@contextmanager
def _browser() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def _opened(address: str) -> list[str]:
    """Seconds until a page can be read, lists samples and has drawn its charts; then its samples.

    The samples: while its list is scrolled by a row and a half a frame, the page's CPU time a frame
    and the time between two frames, and that of a page that does nothing (what the machine allows);
    of a filter and of a search for words, CPU time and time to the rows drawn, medians; the longest
    task meanwhile.
    """
    with _browser() as page:
        start = time.monotonic()
        page.goto(address, wait_until="commit")
        times = []
        for wanted in ("#summary, #leaderboard", "[data-samples=listed]", "[data-charts=drawn]"):
            page.wait_for_selector(wanted, state="attached", timeout=300_000)
            times.append(time.monotonic() - start)
        page.evaluate("document.getElementById('samples').scrollIntoView()")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

        def cpu_ms() -> float:
            found = devtools.send("Performance.getMetrics")["metrics"]
            return 1000 * next(m["value"] for m in found if m["name"] == "TaskDuration")

        def timed(script: str, given: object) -> tuple[Any, float]:
            before = cpu_ms()
            value = page.evaluate(script, given)
            return value, cpu_ms() - before

        idle = page.evaluate(_SCROLL, 0)
        page.evaluate(_LONGEST)
        frames, scrolling = timed(_SCROLL, 96)
        filters = [("family", "escalating"), ("family", ""), ("joint", "wrong"), ("joint", "")]
        words = [("words", text) for text in ("12345 seconds", "", "somebody")]
        taken = [timed(_FILTER, list(each)) for each in filters]
        searched = [timed(_FILTER, list(each)) for each in words]
        longest = page.evaluate("window.longest")

    def medians(found: Sequence[tuple[float, float]]) -> list[str]:
        return [
            f"{statistics.median(values):.0f}"
            for values in reversed(list(zip(*found, strict=True)))
        ]

    return [
        *(f"{seconds:.2f}" for seconds in times),
        f"{scrolling / len(frames):.1f}",
        f"{statistics.median(frames):.1f}",
        f"{statistics.median(idle):.1f}",
        *medians(taken),
        *medians(searched),
        f"{longest:.0f}",
    ]


def _served(run: Path, n: int) -> list[list[str]]:
    """Start, memory, page and filters of `vlsu view`."""
    command = [sys.executable, "-m", "vlsu", "view", str(run), "--port", "0"]
    start = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        if found is None:
            raise SystemExit("vlsu view did not start")
        ready = time.monotonic() - start
        address = found[0]
        start = time.monotonic()
        with urllib.request.urlopen(address, timeout=600) as answer:
            size = len(answer.read())
        first = time.monotonic() - start
        cpu = _cpu_s(process.pid)
        opened = _opened(address)
        peak = _peak_mib(process.pid)
        process.terminate()
    rows: Sequence[tuple[str, str]] = (
        ("start, s", f"{ready:.1f}"),
        ("first page made, s", f"{first:.1f}"),
        ("CPU of both, s", f"{cpu:.1f}"),
        ("page, MB", f"{size / 1e6:.2f}"),
        ("page opened, lists samples, s", opened[1]),
        ("charts drawn, s", opened[2]),
        *zip(FLUID[1:], opened[3:], strict=True),
        ("peak memory of the server, MiB", f"{peak:.0f}"),
    )
    return [[f"{n:,}", f"{3 * n:,}", *row] for row in rows]


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    sys.exit(main())
