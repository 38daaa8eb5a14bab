"""Large runs are compared while the server answers already."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from tests.conftest import make_dataset
from tests.support.report_runs import scripted_run
from vlsu.report.serve.comparing import Begun, judged, waiting_page
from vlsu.report.serve.view import view_app
from vlsu.runs import Run, load_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    data = make_dataset(tmp_path / "data", samples=30)
    return [scripted_run(data, tmp_path / name) for name in ("a", "b")]


@contextmanager
def served(runs: Sequence[Run], large: int) -> Iterator[str]:
    app = view_app(runs, large=large)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    (listener,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/{app.secret}/"
    server.should_exit = True
    thread.join()


def get(url: str) -> tuple[int, str, bool]:
    """Status, body, and whether a browser is told to ask again."""
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status, answer.read().decode(), "Refresh" in answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), "Refresh" in error.headers


def final(address: str) -> tuple[int, str]:
    """What comes in the end; until then the page that waits for it."""
    while True:
        status, body, again = get(address)
        if not again:
            return status, body
        assert status == 200
        assert "The runs are being compared" in body
        time.sleep(0.05)


def test_what_is_begun_is_there_when_it_is_made() -> None:
    go = threading.Event()

    def make() -> str:
        go.wait(120)
        return "made"

    begun = Begun(make)
    assert not begun.is_done
    go.set()
    assert begun.page() == "made"
    assert begun.is_done


def test_what_cannot_be_made_says_why_to_each_who_asks() -> None:
    def make() -> str:
        raise ValueError("no")

    begun = Begun(make)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            begun.page()


def test_the_page_that_waits_leads_to_each_run(runs: list[Run]) -> None:
    page = waiting_page(runs, 1_234_567)
    assert "1,234,567 judgments" in page
    assert re.findall(r'href="(run/\d+/)"', page) == ["run/1/", "run/2/"]
    assert judged(runs) == 180


@pytest.mark.slow
def test_the_comparison_that_comes_later_is_that_of_small_runs(runs: list[Run]) -> None:
    with served(runs, large=181) as address:
        small = get(address)
    with served(runs, large=180) as address:
        large = final(address)
        assert get(f"{address}run/2/")[0] == 200
    assert large == small[:2]
    assert "side by side" in large[1]


@pytest.mark.slow
def test_damage_of_a_large_run_is_a_line_on_the_page(runs: list[Run]) -> None:
    path = runs[1].path / "judgments.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    with served([load_run(run.path) for run in runs], large=1) as address:
        status, body = final(address)
    assert status == 500
    assert str(path) in body
    assert len(body.splitlines()) == 1
