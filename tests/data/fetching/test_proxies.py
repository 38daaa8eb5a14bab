"""Fetching through a proxy: what goes through it, and what does not even so."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.data.fetching.image_server import (
    QUICK,
    Names,
    Request,
    dataset_of,
    png,
    redirect,
    response,
    serving,
)
from tests.data.fetching.proxy_server import proxying
from tests.data.fetching.test_addresses import OTHER_SCHEMES, PRIVATE, UNUSABLE
from tests.support.commands import vlsu
from vlsu.data import FetchReport, dataset_info, fetch_images, load
from vlsu.data.fetching.proxies import routing
from vlsu.errors import UsageError

PASSWORD = "hunter22"
BASIC = "Basic dXNlcjpodW50ZXIyMg=="  # user:hunter22


def numbered(request: Request) -> bytes:
    """The image that the path has the number of."""
    return response(png(int(request.target.strip("/").split(".")[0])), Content_Type="image/png")


class Unresolved(Names):
    """A network whose names only the proxy resolves, but for those that have answers."""

    async def lookup(self, name: str) -> list[str]:
        if name in self.answers:
            return await super().lookup(name)
        self.asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "not known")


def fetched(folder: Path, proxy: str, names: Names | None = None, **options) -> FetchReport:
    network = (names or Unresolved()).network
    return fetch_images(folder, pace=QUICK, network=network, proxy=proxy, **options)


@pytest.fixture
def trusted() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The context of a server that is good.example, and of clients that trust it."""
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("good.example").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    return theirs, ours


@pytest.fixture(autouse=True)
def no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# What goes through it


def test_images_over_http_are_asked_by_their_whole_address(tmp_path):
    with serving(numbered) as server, proxying() as proxy:
        urls = [server.url(f"{n}.png?size=full", "a.example") for n in range(1, 4)]
        urls = [url.replace("?size=full", "") for url in urls]
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url)
    assert (report.fetched, report.failed) == (3, {})
    assert sorted(proxy.asked) == [("GET", url) for url in urls]
    assert {request.host for request in server.requests} == {"a.example"}


def test_images_over_https_go_through_a_tunnel(tmp_path, trusted):
    theirs, ours = trusted
    with serving(numbered, theirs) as server, proxying() as proxy:
        urls = [f"https://good.example:{server.port}/{n}.png" for n in range(1, 4)]
        urls.append(f"https://bad.example:{server.port}/1.png")
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url, Unresolved(context=ours))
    # The proxy sees names and ports alone, and certificates are those of the name.
    assert (report.fetched, report.failed) == (3, {"tls": 1})
    assert set(proxy.asked) == {
        ("CONNECT", f"{name}.example:{server.port}") for name in ("good", "bad")
    }
    assert {request.host for request in server.requests} == {"good.example"}
    assert {request.target for request in server.requests} == {"/1.png", "/2.png", "/3.png"}


def test_a_connection_is_used_again(tmp_path, trusted):
    theirs, ours = trusted
    with serving(numbered, theirs) as server, proxying() as proxy:
        dataset_of(
            tmp_path / "d", [f"https://good.example:{server.port}/{n}.png" for n in range(40)]
        )
        assert fetched(tmp_path / "d", proxy.url, Unresolved(context=ours)).fetched == 40
    assert len(proxy.asked) <= QUICK.per_host


def test_what_the_environment_says_is_obeyed(tmp_path, monkeypatch):
    with serving(numbered) as server, proxying() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "direct.example")
        names = Unresolved({"direct.example": [["93.184.216.34"]]})
        urls = [server.url("1.png", "a.example"), server.url("2.png", "direct.example")]
        dataset_of(tmp_path / "d", urls)
        assert fetched(tmp_path / "d", "env", names).fetched == 2
    assert proxy.asked == [("GET", urls[0])]


def test_the_command_takes_it(tmp_path):
    with serving(numbered) as server, proxying() as proxy:
        dataset_of(tmp_path / "d", [server.url("1.png", "images.invalid")])
        vlsu("data", "fetch", tmp_path / "d", "--proxy", proxy.url, "--strict")
        assert proxy.asked == [("GET", server.url("1.png", "images.invalid"))]
        source = tmp_path / "t.csv"
        source.write_text(f"id,text,image_url\na,A.,{server.url('2.png', 'images.invalid')}\n")
        out = ("--out", tmp_path / "e", "--fetch", "--strict")
        vlsu("data", "import", "csv", source, *out, "--proxy", proxy.url)
    wrong = vlsu("data", "import", "csv", source, *out[:-2], "--proxy", "socks5://x", expect=2)
    assert len(wrong.stderr.splitlines()) == 1


# What does not


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_of_the_inside_reaches_the_proxy(tmp_path, scheme):
    inside = {
        "inside.example": [["10.0.0.1"]],
        "half.example": [["93.184.216.34", "127.0.0.1"]],
        "meta.example": [["169.254.169.254"]],
        "six.example": [["::ffff:7f00:1"]],
    }
    names = [*inside, "localhost", "x.localhost", "LOCALHOST.", "metadata.google.internal"]
    urls = [url for url in PRIVATE if url.strip().lower().startswith(f"{scheme}:")]
    urls += [f"{scheme}://{name}/a.jpg" for name in names]
    with proxying() as proxy:
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url, Unresolved(inside))
    assert report.failed == {"private-address": len(set(urls))}
    assert (proxy.asked, report.fetched) == ([], 0)


def test_what_is_no_address_does_not_either(tmp_path):
    urls = [url for url in (*UNUSABLE, *OTHER_SCHEMES) if url.strip() and "\ud800" not in url]
    with proxying() as proxy:
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url)
    assert set(report.failed) == {"bad-address", "scheme-refused"}
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("http://127.0.0.1/", "private-address"),
        ("http://0x7f.1/", "private-address"),
        ("http://[::ffff:a00:1]/", "private-address"),
        ("https://169.254.169.254/latest/", "private-address"),
        ("//inside.example/", "private-address"),
        ("http://localhost/", "private-address"),
        ("file:///etc/passwd", "scheme-refused"),
        ("http://user@[::1/", "bad-redirect"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_redirects_are_judged_before_they_are_followed(tmp_path, trusted, scheme, to, expected):
    theirs, ours = trusted
    context = theirs if scheme == "https" else None
    names = Unresolved({"inside.example": [["10.0.0.1"]]}, context=ours)
    with serving(lambda request: redirect(to), context) as server, proxying() as proxy:
        url = f"{scheme}://good.example:{server.port}/a"
        dataset_of(tmp_path / "d", [url])
        assert fetched(tmp_path / "d", proxy.url, names).failed == {expected: 1}
    first = ("GET", url) if scheme == "http" else ("CONNECT", f"good.example:{server.port}")
    assert proxy.asked == [first]  # and nothing after it


@pytest.mark.parametrize(
    "name",
    [
        "printer",
        "nas.local",
        "LOCALHOST.localdomain.",
        "ip6-localhost",
        "router.home.arpa",
        "kubernetes.default.svc",
        "instance-data.ec2.internal",
    ],
)
def test_names_of_no_public_network_are_not_left_to_the_proxy(tmp_path, name):
    def respond(request: Request) -> bytes:
        return redirect(f"http://{name}:{server.port}/1.png")

    with serving(respond) as server, proxying() as proxy:
        urls = [server.url("moved", "a.example"), f"http://{name}/2.png"]
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url)
    assert report.failed == {"private-address": 2}
    assert [target for _, target in proxy.asked] == urls[:1]


def test_redirects_to_the_outside_are_followed(tmp_path):
    def respond(request: Request) -> bytes:
        if request.target == "/moved":
            return redirect(f"http://b.example:{server.port}/1.png")
        return numbered(request)

    with serving(respond) as server, proxying() as proxy:
        dataset_of(tmp_path / "d", [server.url("moved", "a.example")])
        assert fetched(tmp_path / "d", proxy.url).fetched == 1
    assert [target for _, target in proxy.asked] == [
        server.url("moved", "a.example"),
        server.url("1.png", "b.example"),
    ]


def test_this_machine_is_asked_where_that_is_allowed_and_metadata_never(tmp_path):
    with serving(numbered) as server, proxying() as proxy:
        urls = [server.url("1.png"), server.url("2.png", "localhost")]
        urls += ["http://169.254.169.254/3.png", "http://metadata.google.internal/4.png"]
        dataset_of(tmp_path / "d", urls)
        names = Unresolved({"localhost": [["127.0.0.1"]]})
        report = fetched(tmp_path / "d", proxy.url, names, allow_private=True)
    assert (report.fetched, report.failed) == (2, {"private-address": 2})
    assert sorted(proxy.asked) == sorted([("GET", url) for url in urls[:2]])


# Credentials


def leaks(folder: Path, report: FetchReport | None, *texts: str) -> bool:
    """Whether the password is in anything that is written or said."""
    said = "".join([*texts, str(report)])
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return any(each in said or each.encode() in files for each in (PASSWORD, BASIC[6:]))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_user_and_password_go_to_the_proxy_alone(tmp_path, trusted, caplog, scheme):
    caplog.set_level(logging.DEBUG)
    theirs, ours = trusted
    context = theirs if scheme == "https" else None
    with serving(numbered, context) as server, proxying(BASIC) as proxy:
        dataset_of(tmp_path / "d", [f"{scheme}://good.example:{server.port}/1.png"])
        url = proxy.url.replace("//", f"//user:{PASSWORD}@")
        report = fetched(tmp_path / "d", url, Unresolved(context=ours))
    assert report.fetched == 1
    assert BASIC in proxy.heads[0]
    (request,) = server.requests
    assert PASSWORD not in str(request)
    assert "proxy-authorization" not in request.headers
    assert not leaks(tmp_path, report, caplog.text)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "wants a user and a password"),
        (f"user:{PASSWORD}@", "does not accept the user and the password"),
    ],
)
def test_a_proxy_that_wants_other_credentials_stops_it(
    tmp_path, trusted, caplog, scheme, user, said
):
    theirs, ours = trusted
    context = theirs if scheme == "https" else None
    with serving(numbered, context) as server, proxying("Basic other") as proxy:
        dataset_of(tmp_path / "d", [f"{scheme}://good.example:{server.port}/{n}" for n in range(9)])
        url = proxy.url.replace("//", f"//{user}")
        with pytest.raises(UsageError, match=said) as caught:
            fetched(tmp_path / "d", url, Unresolved(context=ours))
    assert str(caught.value).startswith(f"--proxy 127.0.0.1:{proxy.port}: ")
    assert server.requests == []
    assert not leaks(tmp_path, None, str(caught.value), caplog.text)


# What goes wrong


def test_a_server_that_says_what_a_proxy_says_stops_nothing(tmp_path):
    def respond(request: Request) -> bytes:
        if "bad" in request.target:
            return response(b"", status="407 Proxy Authentication Required")
        return numbered(request)

    with serving(respond) as server, proxying() as proxy:
        urls = [server.url("bad", "bad.example"), server.url("1.png", "good.example")]
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url)
    assert (report.fetched, report.failed) == (1, {"http-407": 1})
    assert ("GET", "http://credentials.invalid/") in proxy.asked


def test_what_was_fetched_before_a_proxy_wants_other_credentials_is_used(tmp_path):
    def respond(request: Request) -> bytes:
        proxy.wants = "Basic other"
        return numbered(request)

    with serving(respond) as server, proxying() as proxy:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in (1, 2)])
        with pytest.raises(UsageError, match="wants a user and a password"):
            fetch_images(
                tmp_path / "d",
                pace=replace(QUICK, concurrency=1),
                network=Unresolved().network,
                proxy=proxy.url,
            )
    assert dataset_info(load(tmp_path / "d"))["images"] == 1


def test_a_machine_that_resolves_nothing_leaves_time_for_the_proxy(tmp_path):
    class Silent(Names):
        async def lookup(self, name: str) -> list[str]:
            await asyncio.sleep(600)
            return []

    with serving(numbered) as server, proxying() as proxy:
        dataset_of(tmp_path / "d", [server.url("1.png", "a.example")])
        pace = replace(QUICK, tries=1)
        network = Silent().network
        report = fetch_images(
            tmp_path / "d", pace=pace, network=network, proxy=proxy.url, timeout_s=40
        )
    assert report.fetched == 1


def test_a_proxy_that_is_not_there_stops_it(tmp_path):
    with proxying() as proxy:
        pass
    dataset_of(tmp_path / "d", [f"http://h{n}.example/a" for n in range(50)])
    url = proxy.url.replace("//", f"//user:{PASSWORD}@")
    with pytest.raises(UsageError, match="cannot be reached") as caught:
        fetched(tmp_path / "d", url)
    assert not leaks(tmp_path, None, str(caught.value))


def test_a_proxy_that_refuses_a_host_is_a_reason(tmp_path, trusted):
    theirs, ours = trusted
    with serving(numbered, theirs) as server, proxying(no_example=403, busy_example=503) as proxy:
        urls = [f"https://{name}.example:{server.port}/1.png" for name in ("good", "no", "busy")]
        dataset_of(tmp_path / "d", urls)
        report = fetched(tmp_path / "d", proxy.url, Unresolved(context=ours))
        assert (report.fetched, report.failed) == (1, {"proxy": 2})
        hosts = [target.partition(":")[0] for _, target in proxy.asked]
        # What may pass is tried again; what the proxy forbids is not.
        assert {name: hosts.count(name) for name in hosts} == {
            "good.example": 1, "no.example": 1, "busy.example": QUICK.tries
        }  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nmore than was asked",
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 20_000,
        None,
    ],
)
def test_a_proxy_that_talks_nonsense_is_a_reason(tmp_path, answer):
    with serving(lambda request: [answer, None]) as nonsense:
        dataset_of(tmp_path / "d", ["https://a.example/1.png"])
        report = fetched(tmp_path / "d", nonsense.url("").rstrip("/"))
    assert report.failed == {"proxy": 1}


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{PASSWORD}",
        f"user:{PASSWORD}",
        f"http://user:{PASSWORD}@",
        f"http://user:{PASSWORD}@host:99999",
        f"http://user:{PASSWORD}@ho st:1",
        f"http://user:{PASSWORD}@[::1:1",
        f"https://user:{PASSWORD}@proxy.example",
        f"socks5h://user:{PASSWORD}@proxy.example:1080",
        f"ftp://user:{PASSWORD}@proxy.example",
        # The "port" is the first part of a password.
        "http://user:22/hunter@proxy.example:3128",
        "user:22#hunter@proxy.example:3128",
        "http://user:22?hunter@proxy.example",
        # No name can be so.
        "http://a..example:80",
        f"http://{'a' * 64}.example:80",
        "http://user:secret@é..example:80",
        "",
    ],
)
def test_what_is_no_proxy_is_refused_without_being_shown(proxy):
    with pytest.raises(UsageError, match="write http://HOST:PORT or ") as caught:
        routing(proxy)
    assert not re.search(f"{PASSWORD}|user|22|hunter|secret", str(caught.value))


def test_who_is_excluded_from_the_proxies_of_the_environment_is_asked_directly(
    tmp_path, monkeypatch
):
    with serving(numbered) as server, proxying() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "*")
        dataset_of(tmp_path / "d", [server.url("1.png", "direct.example")])
        report = fetched(tmp_path / "d", "env", Names())
    assert (report.fetched, proxy.asked) == (1, [])


def test_the_environment_has_to_name_one(monkeypatch):
    with pytest.raises(UsageError, match="neither http_proxy nor https_proxy"):
        routing("env")
    monkeypatch.setenv("https_proxy", f"socks5://user:{PASSWORD}@proxy.example")
    with pytest.raises(UsageError, match="https_proxy: socks5 proxies are not supported") as caught:
        routing("env")
    assert PASSWORD not in str(caught.value)
