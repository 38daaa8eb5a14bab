"""``vlsu annotate serve``: where it listens, how it is called, what it believes, how it ends."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

import pytest
import trustme

from tests.conftest import make_dataset
from tests.support.annotate_server import LONG_S, Browser, join, serve_command, served
from tests.support.annotating import check_invariants, rows
from tests.support.commands import vlsu
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.store.tables import grades
from vlsu.annotate.web.limiting import SIGN_IN, Limit
from vlsu.annotate.web.serving import Address, site_of
from vlsu.errors import UsageError

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """A project of 300 texts in SQLite."""
    dataset = make_dataset(tmp_path / "d", 300, apart=True)
    now = time.time_ns() // 1_000_000
    create(tmp_path / "p", dataset, Plan(graders={"text": 1}, regrade=0), now=now)
    return tmp_path / "p"


def test_the_address_that_is_printed_is_the_one_that_answers(folder):
    with serve_command(folder) as (address, process):
        assert urlsplit(address).hostname == "127.0.0.1"
        assert urlsplit(address).port != 0
        assert Browser(address).get("/login").status == 200
        link = vlsu("annotate", "invite", folder, "--role", "lead", "--name", "Lea",
                    "--base-url", address).stdout.strip()  # fmt: skip
        lea = Browser(address)
        assert lea.form(urlsplit(link).path, {}).status == 303
        assert lea.get("/lead").status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG_S) == 130


def test_the_link_of_an_invitation_fits_the_address_where_a_server_is_by_default(folder):
    link = vlsu("annotate", "invite", folder, "--role", "lead", "--name", "Lea").stdout
    assert link.startswith(f"http://{Address().host}:{Address().port}/join/")


def test_what_was_acknowledged_before_the_server_was_ended_is_stored(folder):
    with open_project(folder) as project, serve_command(folder) as (address, process):
        acknowledged: list[str] = []

        def work(name: str) -> None:
            ada = join(project, address, name)
            try:
                for number in range(1000):
                    if (item := ada.next()) is None:
                        return
                    if ada.submit(item, f"{name}-{number}").status == 200:
                        acknowledged.append(f"{name}-{number}")
            except (OSError, http.client.HTTPException):
                return  # the server has ended

        threads = [threading.Thread(target=work, args=(name,)) for name in ("Ada", "Ben", "Cleo")]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 20:
            time.sleep(0.01)
        process.terminate()
        assert process.wait(LONG_S) == 130
        for thread in threads:
            thread.join(LONG_S)
        stored = {row.client_id for row in rows(project, grades)}
        assert set(acknowledged) <= stored
        assert len(stored) <= len(acknowledged) + 3  # one for each, whose answer was on its way
        check_invariants(project)


def test_two_servers_of_one_project(folder):
    with (
        open_project(folder) as project,
        serve_command(folder) as (first, _),
        serve_command(folder) as (second, _),
    ):
        ada, ben = join(project, first, "Ada"), join(project, second, "Ben")
        ada_there = Browser(second, dict(ada.cookies), ada.csrf)
        for number in range(15):
            for name, browser in (("ada", ada), ("ben", ben), ("there", ada_there)):
                item = browser.next()
                assert item is not None
                assert browser.submit(item, f"{name}-{number}").status == 200
        check_invariants(project)
        assert len(rows(project, grades)) == 45


def test_a_browser_that_hangs_does_not_keep_the_server_from_ending(folder):
    with serve_command(folder) as (address, process):
        port = urlsplit(address).port
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET / HT")
            time.sleep(0.2)
            process.terminate()
            assert process.wait(LONG_S) == 130


def test_tls(folder, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    options = ("--tls-certificate", tmp_path / "server.pem", "--tls-key", tmp_path / "server.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with open_project(folder) as project, serve_command(folder, *options) as (address, _):
        assert address.startswith("https://127.0.0.1:")
        token = project.invite("Lea", "lead").token
        connection = http.client.HTTPSConnection(
            "127.0.0.1", urlsplit(address).port, context=context, timeout=LONG_S
        )
        connection.request("POST", f"/join/{token}", b"", {"Origin": address})
        response = connection.getresponse()
        assert response.status == 303
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-vlsu-annotate-")
        assert "; Secure" in cookie
        connection.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "203.0.113.7"], "give another"),
        (["--host", ""], "give an address"),
        (["--host", "nowhere.invalid"], "give another"),
        (["--base-url", "ftp://x"], "write http://HOST or https://HOST"),
        (["--base-url", "http://[::1"], "write http://HOST or https://HOST"),
        (["--base-url", "https://x:y"], "write http://HOST or https://HOST"),
        (["--root-path", "grading"], "write a path such as /grading"),
        (["--root-path", "/a/../b?c"], "write a path such as /grading"),
        (["--root-path", "/a", "--base-url", "https://x/b"], "give one"),
        (["--proxy", "proxy.example"], "give an IP address or a network"),
        (["--allow-host", "https://x"], "give a name without scheme and port"),
        (["--tls-key", "k.pem"], "give both"),
        (["--tls-certificate", "c.pem", "--tls-key", "k.pem"], "No such file or directory"),
        (["--tls-certificate", "empty", "--tls-key", "empty"], "no certificate with its key"),
        (["--port", "65536"], "65536"),
    ],
)
def test_wrong_options_are_a_line(folder, tmp_path, options, said):
    (tmp_path / "empty").touch()
    done = vlsu("annotate", "serve", folder, *options, cwd=tmp_path, expect=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_a_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = vlsu("annotate", "serve", folder, "--port", port, expect=2)
    assert f"--port {port}: Address already in use; give another" in done.stderr


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ([], True),
        (["--base-url", "http://grading.example"], True),
        (["--base-url", "https://grading.example"], False),
    ],
)
def test_whoever_listens_to_others_without_tls_is_warned(folder, options, warned):
    with serve_command(folder, "--host", "0.0.0.0", *options) as (address, process):
        port = urlsplit(address).port
        # By an address or a name that was given, not by any other: a name can be made to lead here.
        asked = Browser(f"http://127.0.0.1:{port}")
        assert asked.get("/login", Host=f"192.0.2.1:{port}").status == 200
        assert asked.get("/login", Host="other.example").status == 400
        known = asked.get("/login", Host="grading.example").status
        assert known == (200 if options else 400)
        process.terminate()
        assert process.stderr is not None
        assert ("warning: 0.0.0.0 can be reached by others" in process.stderr.read()) == warned


def test_below_a_path_that_a_proxy_adds(folder):
    site = site_of(Address(root_path="/grading/"))
    with open_project(folder) as project, served(project, site) as address:
        token = project.invite("Ada", "grader").token
        ada = Browser(address)
        page = ada.get(f"/join/{token}")
        assert f'action="/grading/join/{token}"' in page.text
        joined = ada.form(f"/grading/join/{token}", {"adult": "on", "consent": "on"})
        assert joined.headers["location"] == "/grading/grade"
        assert "path=/grading" in joined.headers["set-cookie"].lower()
        # The proxy may remove its path, or not.
        assert ada.get("/grading/grade").status == ada.get("/grade").status == 200
        assert ada.get("/grading").headers["location"] == "/grading/grade"
        assert ada.get("/gradingx").status == 404


@pytest.mark.parametrize("named", [True, False])
def test_forwarded_headers_count_only_from_proxies_that_are_named(folder, named):
    """Attempts are counted by address: of the proxy, unless its word about the sender counts."""
    config = {"proxy_headers": named, "forwarded_allow_ips": ["127.0.0.1"] if named else []}
    limits = {**SIGN_IN, "address": Limit(2, 900)}
    with open_project(folder) as project, served(project, None, limits, **config) as address:
        statuses = []
        for number in range(4):
            fields = {"name": f"n{number}", "password": "x"}
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            statuses.append(Browser(address).form("/login", fields, **headers).status)
    assert statuses == ([403] * 4 if named else [403] * 2 + [429] * 2)


def test_a_site_is_what_the_options_say():
    site = site_of(Address(base_url="https://Grading.example/x/", allowed_hosts=["a.example"]))
    assert site.root == "/x"
    assert site.origin == "https://grading.example"
    assert site.hosts == {"127.0.0.1", "localhost", "[::1]", "grading.example", "a.example"}
    assert site.secure
    assert not site.any_address
    assert site_of(Address(host="::")).any_address
    with pytest.raises(UsageError, match="--proxy"):
        site_of(Address(proxies=["10.0.0.0/33"]))
