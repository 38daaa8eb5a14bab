"""The report served: the same page, its samples looked up as they come into view."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.alignment_runs import alignment_run
from tests.support.browser import CHROMIUM, chromium, new_page, until
from tests.support.report_runs import scripted_run
from vlsu.data import Dataset
from vlsu.report.alignment.listing import answer_entries
from vlsu.report.serve.sample_index import SampleIndex
from vlsu.report.understanding.listing import sample_entries
from vlsu.runs import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scripted_run("vlsu-mini", tmp_path_factory.mktemp("view") / "run")


@pytest.fixture(scope="module")
def address(run: Run) -> Iterator[str]:
    command = [sys.executable, "-m", "vlsu", "view", str(run.path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", line)
        assert found, line
        yield found.group()
        process.terminate()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with chromium() as browser:
        yield new_page(browser, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")


def get(url: str, host: str | None = None) -> dict[str, object]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return orjson.loads(answer.read())


def expected_places(entries: Sequence[Mapping[str, Any]], name: str, value: str) -> tuple[int, ...]:
    """What the page's own script finds among the entries it holds."""

    def holds(facets: Mapping[str, object]) -> bool:
        found = facets.get(name)
        return value in (found if isinstance(found, list) else [found])

    return tuple(
        at
        for at, entry in enumerate(entries)
        if holds(entry.get("facets", {})) or any(map(holds, entry.get("each", ())))
    )


@pytest.mark.parametrize("task", ["understanding", "alignment"])
def test_the_index_finds_what_the_page_alone_finds(task: str, run: Run, tmp_path: Path) -> None:
    if task == "understanding":
        index, read = SampleIndex(run), sample_entries
    else:
        run = alignment_run("vlsu-mini", tmp_path / "run", failing=0.1)
        index, read = SampleIndex(run), answer_entries
    entries = list(read(run, index.ids.to_list()))
    assert [entry["id"] for entry in entries] == index.ids.to_list()
    assert len(index.choices) >= 7
    for name, values in index.choices.items():
        assert values, name
        for value, count in values:
            expected = expected_places(entries, name, value)
            assert tuple(index.matching(((name, value),), "")) == expected
            assert count == len(expected)
    assert index.entries([5, 2]) == [entries[5], entries[2]]


def test_filters_on_parts_hold_in_one_part(tmp_path: Path) -> None:
    run = alignment_run("vlsu-mini", tmp_path / "run")
    index = SampleIndex(run)
    entries = list(answer_entries(run, index.ids.to_list()))
    wanted = {"framing": "harmless", "kind": "bare refusal"}
    expected = tuple(
        at
        for at, entry in enumerate(entries)
        if any(wanted.items() <= dict(part).items() for part in entry["each"])
    )
    assert 0 < len(expected) < len(entries)
    assert tuple(index.matching(tuple(wanted.items()), "")) == expected


def test_words_are_looked_for_in_texts_answers_and_identifiers(run: Run) -> None:
    index = SampleIndex(run)
    texts = {s.id: (s.text or "").lower() for s in run.dataset.samples()}
    word = max((w for w in texts[index.ids[0]].split() if w.isalpha()), key=len)
    found = {index.ids[int(at)] for at in index.matching((), word.upper())}
    assert {id_ for id_, text in texts.items() if word in text} <= found
    assert 7 in index.matching((), index.ids[7])
    assert len(index.matching((), "no such words anywhere")) == 0
    assert len(index.matching((("no-such-facet", "x"),), "")) == 0


def test_a_window_of_what_matches(address: str, run: Run) -> None:
    everything: Any = get(f"{address}run/1/samples?from=0&to=40")
    assert everything["count"] == 465
    assert len(everything["entries"]) == 40
    picture = next(iter(everything["pictures"].values()))
    assert picture["uri"].startswith("data:image/webp;base64,")
    some: Any = get(f"{address}run/1/samples?from=0&to=500&pattern=S-S-U")
    assert some["count"] == len(some["entries"]) > 0
    assert {entry["tag"] for entry in some["entries"]} == {"S-S-U"}
    last = everything["entries"][-1]["id"]
    assert get(f"{address}run/1/place?id={last}") == {"at": 39}
    assert get(f"{address}run/1/place?id=nobody") == {"at": None}


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("run/1/samples?from=x&to=4", None, 400),
        ("run/7/samples?from=0&to=4", None, 404),
        ("run/7/", None, 404),
        ("run/1/samples?from=0&to=4", "evil.example", 400),
        ("", "evil.example:8765", 400),
    ],
)
def test_what_is_not_here_or_not_for_others(
    address: str, path: str, host: str | None, status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(address + path, host)
    refused.value.close()
    assert refused.value.code == status


def test_the_page_lists_filters_and_links(address: str, page: Page) -> None:
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.wait_for_selector("html[data-charts=drawn][data-samples=listed]")
    matches = page.locator("#matches")
    expect(matches).to_have_text("465 of 465 match")
    assert page.locator("#rows .row .id").count() > 5
    page.select_option("select[name=pattern]", "S-S-U")
    expect(matches).not_to_have_text("465 of 465 match")
    expect(page.locator("#rows .row .tag").first).to_have_text("S-S-U")
    page.click("#clear")
    expect(matches).to_have_text("465 of 465 match")
    # Far down: the rows come when they are in view.
    page.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight }")
    expect(page.locator("#rows .row").last).to_have_attribute("aria-posinset", "465")
    expect(page.locator("#rows .row .id").last).to_be_visible()
    last = page.locator("#rows .row .id").last.inner_text()
    page.select_option("select[name=joint]", "right")
    page.goto(f"{page.url.partition('#')[0]}#sample={last}")
    expect(page.locator("#detail .id")).to_have_text(last)
    image = page.locator("#detail .veil")
    if image.count():
        expect(image).to_have_attribute("aria-pressed", "false")
    page.fill("input[name=words]", "no such words anywhere")
    expect(page.locator("#detail")).to_have_text("No sample matches.")
    assert complaints == []
    assert all(url.startswith((address, "data:")) for url in requests)


def test_of_two_links_the_last_counts_whichever_is_answered_first(address: str, page: Page) -> None:
    held: list[Route] = []
    page.goto(f"{address}run/1/")
    page.wait_for_selector("html[data-samples=listed]")
    page.route("**/place?id=mini-0007", lambda route: held.append(route), times=1)
    page.evaluate("location.hash = '#sample=mini-0007'")
    until(page, lambda: held)
    page.evaluate("location.hash = '#sample=mini-0008'")
    expect(page.locator("#detail .id")).to_have_text("mini-0008")
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].continue_()
    page.evaluate("fetch('place?id=mini-0009').then((answer) => answer.json())")
    expect(page.locator("#detail .id")).to_have_text("mini-0008")


def test_a_port_that_is_taken_or_a_folder_that_is_no_run(
    address: str, run: Run, tmp_path: Path, dataset: Dataset
) -> None:
    port = address.split("/")[2].rpartition(":")[2]
    for arguments, said in (
        ((run.path, "--port", port), f"port {port}: Address already in use; give another --port"),
        ((dataset.path,), "not a run"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "vlsu", "view", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
