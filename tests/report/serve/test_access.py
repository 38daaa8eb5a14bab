"""A page of another site that the same browser has open learns nothing from vlsu view."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import make_dataset
from tests.support.report_runs import scripted_run
from vlsu.report.serve.view import view_app
from vlsu.runs import Run

pytestmark = pytest.mark.slow

LONG = "9" * 5000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("access")
    return scripted_run(make_dataset(folder / "data", samples=30), folder / "run")


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[tuple[int, str]]:
    """Port and secret of a server as a user starts it."""
    command = [sys.executable, "-m", "vlsu", "view", str(run.path), str(run.path), "--port", "0"]
    command.remove(str(run.path))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/", line)
        assert found, line
        yield int(found[1]), found[2]
        process.terminate()


def ask(
    server: tuple[int, str], path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of one request; the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=120)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": f"127.0.0.1:{server[0]}", **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, body, {k.lower(): v for k, v in answer.getheaders()}


def test_the_secret_is_long_and_new_each_time(run: Run) -> None:
    secrets = {view_app([run]).secret for _ in range(50)}
    assert len(secrets) == 50
    assert all(re.fullmatch(r"[\w-]{22}", secret) for secret in secrets)


@pytest.mark.parametrize(
    "path", ["/", "/run/1/", "/run/1/samples?from=0&to=1&words=a", "/place?id=s1"]
)
def test_without_the_secret_there_is_nothing(server: tuple[int, str], path: str) -> None:
    for prefix in ("", "/x", f"/{'x' * 22}", f"/{server[1][:-1]}", f"/{server[1]}x"):
        status, body, _ = ask(server, prefix + path)
        assert status == 404, prefix
        assert "severity" not in body
        assert server[1] not in body


def test_with_it_the_page_and_its_samples_are_there(server: tuple[int, str]) -> None:
    status, _, headers = ask(server, f"/{server[1]}/")
    assert (status, headers["location"]) == (307, "run/1/")  # below the secret
    status, body, headers = ask(server, f"/{server[1]}/run/1/")
    assert (status, body.count("<h1>")) == (200, 1)
    assert headers["referrer-policy"] == "no-referrer"  # no link out of the page tells the address
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert server[1] not in body
    for site in ("same-origin", "none"):
        status, body, _ = ask(
            server, f"/{server[1]}/run/1/samples?from=0&to=4", Sec_Fetch_Site=site
        )
        assert (status, body.count('"id"')) == (200, 4)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "same-origin, cross-site"])
def test_a_request_of_another_site_is_refused_before_anything_is_looked_up(
    server: tuple[int, str], site: str
) -> None:
    path = f"/{server[1]}/run/1/samples?from=0&to=1&words=text"
    status, body, headers = ask(server, path, Sec_Fetch_Site=site)
    assert (status, "another site" in body) == (403, True)
    assert "access-control-allow-origin" not in headers
    assert ask(server, path, Origin="http://evil.example")[0] == 403
    assert ask(server, path, Origin="null")[0] == 403
    # The same whether or not the path is known: no one learns the secret by it.
    assert ask(server, "/wrong/run/1/", Sec_Fetch_Site=site)[0] == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil:8765", "",
     "[::1]:80", "127.0.0.1:8765@evil", "127.0.0.1:x"],
)  # fmt: skip
def test_a_name_of_elsewhere_is_refused(server: tuple[int, str], host: str) -> None:
    assert ask(server, f"/{server[1]}/run/1/", Host=host)[0] == 400


def test_localhost_is_this_machine(server: tuple[int, str]) -> None:
    assert ask(server, f"/{server[1]}/run/1/", Host=f"localhost:{server[0]}")[0] == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        *((f"from={value}&to=4", 400) for value in (
            "x", "-1", "1.5", "nan", "inf", "1e3", "+1", "%201", "0x1", LONG, "9" * 13,
            quote("١"), quote("１"), quote("²"), quote("\0"), quote("1\n"), "%ED%A0%80", "%",
        )),
        ("from=4&to=1", 400),
        ("to=nan", 400),
        ("from=999999999999&to=999999999999", 200),
        ("from=0&to=999999999999", 200),
        ("from=0&to=1&at=3", 200),  # no facet of a sample: nothing matches
        ("from=0&to=1&id=s1", 200),
        ("from=0&to=1&joint=" + quote("\0'\""), 200),
        ("from=0&to=1&nonsense=1&nonsense=2", 200),
        ("from=0&to=1&words=" + quote("(((.*[\\"), 200),
        ("from=0&to=1&words=" + quote("\ufffe\u2028𝒳"), 200),
        ("&&&=&==", 200),
        ("from=0&to=1&words=" + "a" * 9000, 400),
    ],
)  # fmt: skip
def test_odd_numbers_and_words_are_no_defect(
    server: tuple[int, str], query: str, status: int
) -> None:
    found, body, _ = ask(server, f"/{server[1]}/run/1/samples?{query}")
    assert found == status, body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("run/0/", 404), ("run/2/", 404), ("run/-1/", 404), (f"run/{LONG}/", 404),
        (f"run/{'9' * 12}/samples", 404), ("run/%D9%A1/", 404), ("run/nan/place?id=s1", 404),
        ("run/1/place?id=%00", 200), ("run/1/place?id=" + "s" * 5000, 200), ("run/1/place", 200),
        ("../../etc/passwd", 404), ("%2e%2e/%2e%2e/etc/passwd", 404), ("run/1/../../x", 404),
        ("..%2f..%2f", 404), ("//evil.example/", 404), ("run/1/samples/", 404), ("run", 404),
        ("run/1", 404), ("%00", 404), ("static/../run.yaml", 404),
    ],
)  # fmt: skip
def test_odd_paths_are_no_defect(server: tuple[int, str], path: str, status: int) -> None:
    found, _, headers = ask(server, f"/{server[1]}/{path}")
    assert found == status
    assert "location" not in headers


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"]
)
def test_it_is_only_read(server: tuple[int, str], method: str) -> None:
    for path in (f"/{server[1]}/run/1/samples?from=0&to=1", f"/{server[1]}/run/1/"):
        assert ask(server, path, method)[0] == 405
    assert ask(server, "/", method)[0] == 404


def test_head_is_answered(server: tuple[int, str]) -> None:
    assert ask(server, f"/{server[1]}/run/1/", "HEAD")[:2] == (200, "")


def test_two_servers_do_not_share_a_secret(
    server: tuple[int, str], run: Run, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "vlsu", "view", str(run.path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
    assert server[1] not in line
