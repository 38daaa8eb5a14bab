"""Which requests go through a proxy, by the rules of curl, and what is said when one fails."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.models.http.test_http_clients import BODY, Server, in_loop, says, whole
from tests.support.fault_server import FaultServer, good, run_command, text_dataset
from vlsu._proxies import bypasses, proxy_of
from vlsu.models.http.client import HttpClient, is_simple_http, is_simple_https

pytestmark = pytest.mark.slow

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
PASSWORD = "pa55word-of-the-proxy"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in (*NAMES, *map(str.upper, NAMES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


DIRECT = [
    ("127.0.0.1", "*"),
    ("gpu1.lan.example", "*"),
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", " 127.0.0.1 "),
    ("127.0.0.1", "localhost, 127.0.0.1"),
    ("127.0.0.1", "localhost,,127.0.0.1,"),
    ("127.0.0.1", "127.0.0.0/8"),
    ("10.1.2.3", "10.1.2.77/24"),
    ("::1", "::1"),
    ("fd00::7", "fd00::/8"),
    ("localhost", "localhost"),
    ("localhost", "LOCALHOST"),
    ("LocalHost", "localhost"),
    ("localhost", "localhost."),
    ("localhost.", "localhost"),
    ("gpu1.lan.example", "lan.example"),
    ("gpu1.lan.example", ".lan.example"),
    ("lan.example", ".lan.example"),
    ("gpu1.lan.example", "example"),
]
PROXIED = [
    ("127.0.0.1", ""),
    ("127.0.0.1", "localhost"),
    ("127.0.0.1", "localhost,*"),
    ("127.0.0.1", "127.0.0.1:8000"),
    ("127.0.0.1", "127.0.0.0/33"),
    ("127.0.0.1", "127.0.0.0/0"),
    ("127.0.0.1", "127.0.0.1/x"),
    ("127.0.0.1", "127."),
    ("127.0.0.1", "*.0.0.1"),
    ("127.0.0.1", "::1"),
    ("::1", "[::1]"),
    ("localhost", "localhost:8000"),
    ("localhost", "host"),
    ("localhost", "other;localhost"),
    ("notlan.example", "lan.example"),
    ("gpu1.lan.example", "*.lan.example"),
    ("lan.example", "gpu1.lan.example"),
    ("localhost", "."),
]


@pytest.mark.parametrize(("host", "no_proxy"), DIRECT)
def test_what_no_proxy_covers_is_asked_directly(host, no_proxy):
    assert bypasses(host, no_proxy)


@pytest.mark.parametrize(("host", "no_proxy"), PROXIED)
def test_what_it_does_not_cover_is_asked_through_the_proxy(host, no_proxy):
    assert not bypasses(host, no_proxy)


def test_blanks_part_entries_as_they_did_in_curl_before_version_8():
    assert bypasses("127.0.0.1", "localhost 127.0.0.1")
    assert bypasses("127.1", "127.0.0.1")  # the same address, as curl writes it before it compares


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("direct", [True, False])
def test_curl_does_the_same(direct):
    for host, no_proxy in DIRECT if direct else PROXIED:
        if no_proxy in ("fd00::/8", "127.0.0.1/x"):
            continue  # where curl 7.88 and its source of today differ
        at = f"[{host}]" if ":" in host else host
        said = subprocess.run(
            ["curl", "--verbose", "--silent", "--max-time", "5", f"http://{at}:9/"],
            env={**os.environ, "http_proxy": "http://127.0.0.1:1", "no_proxy": no_proxy},
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        assert ("Uses proxy env variable http_proxy" in said) is not direct, (host, no_proxy)


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({"http_proxy": "http://a:1"}, "http://h/", "a:1"),
        ({"HTTP_PROXY": "http://a:1"}, "http://h/", "a:1"),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "http://h/", "a:1"),
        ({"http_proxy": "", "HTTP_PROXY": "http://b:1"}, "http://h/", "b:1"),
        ({"https_proxy": "http://a:1"}, "http://h/", None),
        ({"https_proxy": "http://a:1"}, "https://h/", "a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, "https://h/", "a:1"),
        ({"http_proxy": "http://a:1"}, "https://h/", None),
        ({"ALL_PROXY": "socks5h://a:1"}, "https://h/", "a:1"),
        ({"all_proxy": "http://a:1", "http_proxy": "http://b:1"}, "http://h/", "b:1"),
        ({"http_proxy": "a:1"}, "http://h/", "a:1"),
        ({"http_proxy": f"http://u:{PASSWORD}@a:1/"}, "http://h/", "a:1"),
        ({"http_proxy": f"u:{PASSWORD}@/#@a:1"}, "http://h/", "a:1"),
        ({"http_proxy": "http://a:1", "NO_PROXY": "h"}, "http://h/", None),
        ({"http_proxy": "http://a:1", "no_proxy": "x", "NO_PROXY": "h"}, "http://h/", "a:1"),
        ({"http_proxy": "http://a:1", "no_proxy": "", "NO_PROXY": "h"}, "http://h/", None),
        # A CGI program has the header "Proxy" of its visitor in HTTP_PROXY.
        ({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, "http://h/", None),
    ],
)
def test_which_proxy_the_environment_names(variables, url, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_of(url)
    assert (None if proxy is None else proxy.shown) == expected


def posted(url, timeout_s=10.0):
    async def run():
        http = HttpClient(url, {}, timeout_s)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        return raw

    return run()


@pytest.mark.parametrize("no_proxy", ["*", "127.0.0.1", "127.0.0.0/8", "localhost, 127.0.0.1"])
def test_a_server_that_no_proxy_names_is_asked_directly(no_proxy, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    async def run():
        async with Server(says(whole(BODY))) as server:
            simple = is_simple_https if client == "tls" else is_simple_http
            assert client == "other" or simple(server.url)
            return await posted(server.url)

    assert in_loop(run()).body == BODY


def test_a_proxy_is_asked_for_the_whole_address_with_its_password(monkeypatch):
    async def run():
        async with Server(says(whole(BODY))) as proxy:
            monkeypatch.setenv("http_proxy", f"http://u:{PASSWORD}@127.0.0.1:{proxy.port}")
            raw = await posted("http://model.example/v1")
            return raw, proxy.visits

    raw, [visit] = in_loop(run())
    assert raw.body == BODY
    assert visit.head.startswith(b"POST http://model.example/v1 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic " in visit.head.lower()


@pytest.mark.parametrize("url", ["http://model.example/v1", "https://model.example/v1"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(scheme, url, monkeypatch):
    monkeypatch.setenv("all_proxy", f"{scheme}://u:{PASSWORD}@127.0.0.1:1")
    said = in_loop(posted(url)).body.decode()
    assert said.startswith("proxy: cannot reach model.example through the proxy 127.0.0.1:1 (")
    assert "all_proxy names it, NO_PROXY=model.example goes round it" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    "bad", ["http://", "ftp://a:1", "http://a:99999", "http://a b:1", "http://a\\b:1", "http://a:0"]
)
def test_an_address_that_is_no_proxy_is_refused_by_the_name_of_its_variable(bad, monkeypatch):
    monkeypatch.setenv("https_proxy", bad.replace("://", f"://u:{PASSWORD}@"))
    said = in_loop(posted("https://model.example/v1")).body.decode()
    assert said.startswith("address: https_proxy: not a usable proxy; write it as http://")
    assert PASSWORD not in said


def refusal(texts, tmp_path, url, **variables):
    """The error line of ``vlsu run``, and all that it and its run folder say."""
    process = run_command(texts, url, tmp_path / "run", env={**os.environ, **variables})
    out, said = process.communicate(timeout=300)
    assert process.returncode == 2, said
    [line] = [line for line in said.splitlines() if line.startswith("error: ")]
    files = [p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert b"status: stopped" in b"".join(files)
    assert PASSWORD.encode() not in b"".join([out.encode(), said.encode(), *files])
    return line


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 4)


def test_a_run_through_a_dead_proxy_blames_the_proxy(texts, tmp_path):
    with FaultServer(good) as server:
        address = server.base_url.split("/")[2]
        proxy = f"http://u:{PASSWORD}@127.0.0.1:1"
        line = refusal(texts, tmp_path, server.base_url, http_proxy=proxy)
        assert server.asked == []
    assert (
        f"the proxy does not answer (cannot reach {address} through the proxy 127.0.0.1:1" in line
    )
    assert "fix the proxy and run the same command" in line


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("407 Proxy Authentication Required", "HTTP 407 (a proxy wants a user and a password"),
        ("403 Forbidden", "HTTP 403 (through the proxy 127.0.0.1:"),
    ],
)
def test_what_a_proxy_answers_itself_is_said_with_its_name(status, said, texts, tmp_path):
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()

    async def behave(writer):
        writer.write(answer)

    with FaultServer(lambda asked: behave) as proxy:
        address = proxy.base_url.split("/")[2]
        variables = {"http_proxy": f"http://u:{PASSWORD}@{address}"}
        line = refusal(texts, tmp_path, "http://model.example/v1", **variables)
    assert said in line
    assert address in line
