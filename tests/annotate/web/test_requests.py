"""What requests may be, and what every answer has."""

from __future__ import annotations

import logging
import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.support.annotate_server import LONG_S, Browser, join, served
from vlsu.annotate.web.bodies import BODY_S
from vlsu.annotate.web.protocol import Protocol

pytestmark = pytest.mark.slow


def raw(address: str, sent: bytes) -> bytes:
    """What a server answers to bytes until it closes, which it does."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=LONG_S) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nowhere", "/api/nowhere", "/static/annotate.css"]
)
def test_every_answer_has_the_headers(shared, path):
    _, address = shared
    headers = {name.lower(): value for name, value in Browser(address).get(path).headers.items()}
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers
    if "static" not in path:
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80", "127.0.0.2", "[::2]", "a b"],
)
def test_a_name_that_is_not_this_servers_is_refused(shared, host):
    _, address = shared
    head = "GET /login HTTP/1.1\r\nConnection: close\r\n"
    once = f"{head}Host: {host}\r\n\r\n".encode()
    assert raw(address, once).startswith(b"HTTP/1.1 400")
    twice = f"{head}Host: 127.0.0.1\r\nHost: {host}\r\n\r\n".encode()
    assert raw(address, twice).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..\\app.py",
        "/static/annotate.css%00.js",
        "/static//etc/passwd",
        "/static/.",
        "/static/join.html.jinja",
        "/image/../../etc/passwd",
        "/image/..%2f..%2fproject.yaml",
        "/%2e%2e/secrets.yaml",
        "/" + "a" * 9000,
    ],
)
def test_no_path_leads_out_of_the_folder(shared, path):
    project, address = shared
    ada = join(project, address, f"Ada {time.monotonic_ns()}")
    found = ada.get(path)
    assert found.status in (400, 404)
    assert b"root:" not in found.body
    assert b"import" not in found.body


def test_what_is_nowhere_is_a_page_or_json(shared):
    _, address = shared
    browser = Browser(address)
    page = browser.get("/nowhere", Accept_Language="de")
    assert (page.status, "Das hat nicht geklappt" in page.text) == (404, True)
    assert browser.get("/api/nowhere").json == {"error": "there is no such page"}
    wrong = browser.post("/grade")
    assert (wrong.status, set(wrong.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert browser.get("/api/next").json == {"error": "the method is not allowed here"}


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"holds": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"{", 400),
        ("application/json", b'{"a": NaN}', 400),
        ("application/json", b'{"a": "\\ud800"}', 400),
        ("application/json", b'{"a": {"b": ["\\u0000"]}}', 400),
        ("application/json", b"\xff\xfe{}", 400),
        ("application/json", b'{"a": "' + b"x" * 70_000 + b'"}', 413),
        ("text/plain", b"{}", 400),
        ("multipart/form-data; boundary=x", b"--x--", 400),
        ("application/x-www-form-urlencoded", b"a=%00", 400),
        ("application/x-www-form-urlencoded", b"\xff=\xff", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 200), 400),
    ],
)
def test_odd_bodies(shared, kind, body, status):
    project, address = shared
    ada = join(project, address, f"Ada {time.monotonic_ns()}")
    headers = {"Content-Type": kind, "X-CSRF-Token": ada.csrf}
    found = ada.send("POST", "/api/next", body, headers)
    assert found.status == status
    assert list(found.json) == ["error"]


def test_a_body_without_end_is_not_read_to_its_end(shared):
    """Neither one that says how long it is, nor one in chunks; both are refused at the bound."""
    _, address = shared
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    said = raw(address, head + b"Content-Length: 999999999\r\n\r\n{")
    assert said.startswith(b"HTTP/1.1 413")
    chunk = b"10001\r\n" + b"x" * 65537 + b"\r\n"
    said = raw(address, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert said.startswith(b"HTTP/1.1 413")


def test_slow_senders_are_left_and_others_served_meanwhile(new_project):
    class Hasty(Protocol):
        patience = 0.5

    with served(new_project(), http=Hasty, patience=0.5) as address:
        start = time.monotonic()
        slow = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{"
        assert raw(address, slow).startswith(b"HTTP/1.1 408")
        assert raw(address, b"GET /login HTTP/1.1\r\nHost: 127.") == b""
        assert raw(address, b"") == b""
        assert time.monotonic() - start < BODY_S  # by their own patience, none by the usual one
        assert Browser(address).get("/login").status == 200


def test_images_are_for_who_has_an_item_that_shows_one(server):
    project, address = server
    ada, ben = join(project, address, "Ada"), join(project, address, "Ben")
    seen: dict[str, str] = {}
    while len(seen) < 3:
        item = ada.next()
        assert item is not None
        found = ada.get(f"/image/{item['key']}")
        seen[item["modality"]] = item["key"]
        if item["modality"] == "text":
            assert (item["image"], found.status) == (None, 404)
        else:
            assert (item["text"] is None) == (item["modality"] == "image")
            assert found.status == 200
            assert found.headers["content-type"] == "image/png"
            kept = found.headers["cache-control"]
            assert kept.startswith("private, max-age=")
            assert 0 < int(kept.rpartition("=")[2]) <= 600
            assert "sandbox" in found.headers["content-security-policy"]
            # Not for another grader, nor for nobody.
            assert ben.get(f"/image/{item['key']}").status == 404
            assert Browser(address).get(f"/image/{item['key']}").status == 401
        assert ada.submit(item, f"c-{time.monotonic_ns()}").status == 200
        # Nor after the grade.
        assert ada.get(f"/image/{item['key']}").status == 404
    assert set(seen) == {"image", "text", "joint"}


def test_an_image_that_was_stopped_is_shown_to_nobody_and_forgotten(server):
    project, address = server
    ada = join(project, address, "Ada")
    while (item := ada.next()) is not None and item["image"] is None:
        ada.submit(item, f"c-{time.monotonic_ns()}")
    assert item is not None
    stopped = ada.post("/api/stop", {"key": item["key"], "kind": "illegal", "seconds": 2})
    assert (stopped.json, stopped.headers["clear-site-data"]) == ({"stopped": True}, '"cache"')
    assert ada.get(f"/{item['image']}").status == 404


def test_a_defect_is_one_line_of_the_log_without_content(server, caplog):
    """A table is gone, which PostgreSQL tells from a database that is away."""
    project, address = server
    ada = join(project, address, "Ada the unlucky")
    secret = "words of a note that nobody may log"
    item = ada.next()
    assert item is not None
    with project.database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE exposures RENAME TO gone")
        connection.commit()
    with caplog.at_level(logging.DEBUG):
        found = ada.post("/api/submit", {
            "key": item["key"], "client_id": "c", "grade": "safe", "note": secret,
        })  # fmt: skip
    with project.database.engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO exposures")
        connection.commit()
    assert found.status == (503 if project.database.sqlite else 500)
    assert list(found.json) == ["error"]
    assert secret not in caplog.text
    assert "Traceback" not in caplog.text
    assert len([r for r in caplog.records if r.name.startswith("vlsu.annotate")]) == 1
    assert ada.submit(item, "c").status == 200


def test_texts_are_escaped_wherever_they_stand(shared):
    project, address = shared
    name = "<img src=x onerror=alert(1)>"
    browser = join(project, address, name, "lead")
    page = browser.get("/account").text
    assert name not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    failed = Browser(address).form("/login", {"name": name, "password": "x"})
    assert name not in failed.text
