"""Killed servers, a database that goes away and comes back, a full disk: what a grader was told is
stored is stored, once, and the rest is refused whole and can be sent again.
"""

from __future__ import annotations

import http.client
import json
import resource
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.conftest import make_dataset
from tests.support.annotate_server import LONG_S, Browser, join, serve_command, served
from tests.support.annotating import check_invariants, rows
from tests.support.postgres import missing_reason, postgres_server
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.tables import grades

pytestmark = pytest.mark.slow

TEXTS = Plan(graders={"text": 1}, regrade=0)


def new_folder(tmp_path, database=None, samples=200):
    now = time.time_ns() // 1_000_000
    create(tmp_path / "p", make_dataset(tmp_path / "d", samples, apart=True), TEXTS,
           database=database, now=now)  # fmt: skip
    return tmp_path / "p"


def client_ids(project: Project) -> list[str]:
    return [row.client_id for row in rows(project, grades)]


def send_and_leave(browser: Browser, item: dict, client_id: str) -> socket.socket:
    """Send an answer and do not wait for what the server says of it."""
    parts = urlsplit(browser.address)
    body = json.dumps({"key": item["key"], "client_id": client_id, "grade": "safe"}).encode()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = (
        f"POST /api/submit HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\n"
        f"X-CSRF-Token: {browser.csrf}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((parts.hostname, parts.port), timeout=LONG_S)
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize("seconds", [0.0, 0.004, 0.02, 0.2])
def test_an_answer_whose_server_was_killed_before_it_said_so_counts_once(tmp_path, seconds):
    folder = new_folder(tmp_path)
    with open_project(folder) as project:
        with serve_command(folder) as (address, process):
            ada = join(project, address, "Ada")
            for number in range(3):
                assert ada.submit(ada.next() or {}, f"c{number}").status == 200
            item = ada.next()
            assert item is not None
            connection = send_and_leave(ada, item, "c3")
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait(LONG_S)
            connection.close()
        before = client_ids(project)
        assert before[:3] == ["c0", "c1", "c2"]
        with serve_command(folder) as (address, _):
            again = Browser(address, ada.cookies, ada.csrf)  # the page that was open goes on
            for repeated in (True, False):
                found = again.submit(item, "c3")
                assert found.status == 200, found.text
                assert found.json["again"] == ("c3" in before or not repeated)
            assert client_ids(project) == ["c0", "c1", "c2", "c3"]
            assert again.next() is not None
        check_invariants(project)


def test_a_database_that_goes_away_and_comes_back(tmp_path):
    if (reason := missing_reason()) is not None:
        pytest.skip(reason)
    with postgres_server() as database:
        folder = new_folder(tmp_path, database.new_database())
        with open_project(folder) as project, served(project) as address:
            ada = join(project, address, "Ada")
            item = ada.next()
            assert item is not None
            database.kill()
            refused = ada.submit(item, "c0")
            assert refused.status == 503
            assert refused.json["error"].startswith("the server cannot store anything")
            assert refused.headers["retry-after"] == "2"
            assert "127.0.0.1" not in refused.text  # where the database is is nobody's business
            assert ada.post("/api/next").status == 503
            unknown = Browser(address, {f"vlsu-annotate-{project.record.id[:8]}": "unknown"})
            assert unknown.get("/grade").status == 503
            assert Browser(address).get("/login").status == 200
            database.start()
            assert ada.submit(item, "c0").json == {"stored": True, "again": False, "feedback": None}
            assert ada.submit(item, "c0").json["again"]
            for number in range(1, 5):
                assert ada.submit(ada.next() or {}, f"c{number}").status == 200
            assert client_ids(project) == [f"c{number}" for number in range(5)]
            check_invariants(project)


def test_a_database_killed_under_many_graders(tmp_path):
    if (reason := missing_reason()) is not None:
        pytest.skip(reason)
    with postgres_server() as database:
        folder = new_folder(tmp_path, database.new_database())
        with open_project(folder) as project, served(project) as address:
            graders = [join(project, address, f"grader {n}") for n in range(6)]
            acknowledged: list[str] = []
            refused: list[int] = []
            over = time.monotonic() + 5 * LONG_S
            gone = threading.Event()

            def work(name: int, browser: Browser) -> None:
                number = 0
                while number < 20 and time.monotonic() < over:
                    if number == 10:  # the other half when the database was away
                        gone.wait(LONG_S)
                    found = browser.post("/api/next")
                    if found.status == 200 and found.json["item"] is not None:
                        client_id = f"{name}-{number}"
                        while time.monotonic() < over:
                            answered = browser.submit(found.json["item"], client_id)
                            if answered.status == 200:
                                acknowledged.append(client_id)
                                number += 1
                                break
                            refused.append(answered.status)
                            time.sleep(0.05)
                    elif found.status != 200:
                        refused.append(found.status)
                        time.sleep(0.05)

            threads = [threading.Thread(target=work, args=each) for each in enumerate(graders)]
            for thread in threads:
                thread.start()
            while len(acknowledged) < 20:
                time.sleep(0.005)
            database.kill()
            gone.set()
            while not refused and time.monotonic() < over:
                time.sleep(0.005)
            database.start()
            for thread in threads:
                thread.join(5 * LONG_S)
            assert set(refused) == {503}
            assert len(acknowledged) == 120
            assert sorted(client_ids(project)) == sorted(acknowledged)
            check_invariants(project)


def test_a_full_disk(tmp_path):
    """Files of the server may not grow beyond a bound, as on a disk that is full."""
    folder = new_folder(tmp_path)
    bound = (folder / "annotate.sqlite").stat().st_size + 60_000

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bound, resource.RLIM_INFINITY))

    with open_project(folder) as project:
        with serve_command(folder, preexec_fn=limit) as (address, _):
            ada = join(project, address, "Ada")
            acknowledged: list[str] = []
            for number in range(200):
                found = ada.post("/api/next")
                if found.status != 200:
                    break
                item = found.json["item"]
                answer = {"key": item["key"], "client_id": f"c{number}", "grade": "safe",
                          "note": "n" * 2000}  # fmt: skip
                found = ada.post("/api/submit", answer)
                if found.status != 200:
                    break
                acknowledged.append(f"c{number}")
            assert found.status == 503
            assert "cannot store anything" in found.json["error"]
            assert Browser(address).get("/login").status == 200  # it lives
            assert len(acknowledged) > 3
        assert client_ids(project) == acknowledged
        check_invariants(project)
        with serve_command(folder) as (address, _):  # there is space again
            again = Browser(address, ada.cookies, ada.csrf)
            assert again.submit(again.next() or {}, f"c{number}").status == 200
        assert client_ids(project) == [*acknowledged, f"c{number}"]
        check_invariants(project)


def test_a_grader_who_leaves_in_the_middle_of_an_answer(tmp_path):
    """A connection that breaks while the answer is on its way leaves it stored or not, not half."""
    folder = new_folder(tmp_path)
    with open_project(folder) as project, served(project) as address:
        ada = join(project, address, "Ada")
        item = ada.next()
        assert item is not None
        for bytes_ in (20, 200, 400):
            parts = urlsplit(address)
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
            connection.connect()
            connection.sock.sendall(b"POST /api/submit HTTP/1.1\r\nHost: x\r\n" + b"a" * bytes_)
            connection.close()
        send_and_leave(ada, item, "c0").close()
        end = time.monotonic() + LONG_S
        while not client_ids(project) and time.monotonic() < end:
            time.sleep(0.01)
        found = ada.submit(item, "c0")
        assert found.status == 200
        assert client_ids(project) == ["c0"]
        check_invariants(project)
