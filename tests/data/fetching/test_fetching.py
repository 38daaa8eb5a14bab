"""Fetching a dataset's images from a server that plays their hosts."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import logging
import os
import struct
import zlib
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme
from PIL import Image

from tests.data.fetching.image_server import (
    PUBLIC,
    QUICK,
    Names,
    Request,
    dataset_of,
    png,
    redirect,
    response,
    serving,
)
from tests.support.image_files import saved
from vlsu.data import Pace, Sample, check_dataset, fetch_images, load, write_dataset
from vlsu.errors import DataError, UsageError


def numbered(request: Request) -> bytes:
    """The image that the path has the number of."""
    return response(png(int(request.target.strip("/").split(".")[0])), Content_Type="image/png")


def reason(folder: Path, path: str = "a", *, names: Names | None = None, **options):
    """Why the one address of a dataset gives no image; `None` if it does."""
    failed = fetch_images(
        folder, pace=options.pop("pace", QUICK), network=(names or Names()).network, **options
    ).failed
    assert sum(failed.values()) <= 1
    return next(iter(failed), None)


# What is fetched


def test_images_are_fetched_once_each_and_put_into_the_rows(tmp_path):
    with serving(numbered) as server:
        urls = [server.url(f"{n % 5}.png", f"h{n % 5 % 2}.example") for n in range(9)]
        before = dataset_of(tmp_path / "d", [*urls, None])
        steps: list[tuple[int, int | None]] = []
        report = fetch_images(
            before,
            pace=QUICK,
            network=Names().network,
            progress=lambda done, total: steps.append((done, total)),
        )
    assert report.to_dict() == {
        "wanted": 5,
        "had": 0,
        "fetched": 5,
        "failed": {},
        "hosts": {
            "h0.example": {"wanted": 3, "had": 0, "fetched": 3, "failed": 0},
            "h1.example": {"wanted": 2, "had": 0, "fetched": 2, "failed": 0},
        },
    }
    after = load(tmp_path / "d")
    assert after.info == report.dataset.info
    assert after.info.content_hash != before.info.content_hash
    assert after.info.counts == {
        **before.info.counts, "images": 5, "without_image": 1
    }  # fmt: skip
    for n, sample in enumerate(after):
        wanted = None if n == 9 else hashlib.sha256(png(n % 5)).hexdigest()
        assert (sample.id, sample.image_sha256) == (f"s{n}", wanted)
        if wanted is not None:
            assert after.read_image(wanted) == png(n % 5)
    assert check_dataset(after).ok
    assert steps[0] == (0, 5)
    assert steps[-1] == (5, 5)
    agents = {request.headers["user-agent"] for request in server.requests}
    assert all(agent.startswith("vlsu/") for agent in agents)


def test_the_same_call_again_asks_nothing(tmp_path):
    with serving(numbered) as server:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(4)])
        first = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network)
        asked = len(server.requests)
        second = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network)
    assert (second.wanted, second.had, second.fetched) == (4, 4, 0)
    assert len(server.requests) == asked == 4
    assert second.dataset.info == first.dataset.info


def test_one_image_at_several_addresses_is_stored_once(tmp_path):
    with serving(lambda request: response(png(1))) as server:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(3)])
        after = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network).dataset
    assert after.info.counts["images"] == 1
    assert after.images.count() == 1
    assert after.links()["shared_image"].n_unique() == 1
    assert {sample.group for sample in after} == {None}


def test_a_group_of_the_source_is_kept(tmp_path):
    with serving(lambda request: response(png(1))) as server:
        groups = [None, "mine", None]
        write_dataset(
            tmp_path / "d",
            (
                Sample(f"s{n}", image_url=server.url(f"{n}", "a.example"), group=group)
                for n, group in enumerate(groups)
            ),
            name="x", version="1", licence="", citation="", source="",
        )  # fmt: skip
        after = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network).dataset
    assert [sample.group for sample in after] == groups


def test_a_placeholder_of_a_host_is_pointed_out(tmp_path, caplog):
    with serving(lambda request: response(png(1))) as server:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(6)])
        fetch_images(tmp_path / "d", pace=QUICK, network=Names().network)
    assert "6 addresses of a.example gave one and the same image" in caplog.text


def test_what_an_import_noted_of_the_missing_image_goes(tmp_path):
    with serving(lambda request: response(png(1))) as server:
        wanted = hashlib.sha256(png(1)).hexdigest()
        metadata = {"image_fault": "missing: a.png", "image_sha256": wanted, "source": "x"}
        url = server.url("a.png", "a.example")
        write_dataset(
            tmp_path / "d", [Sample("a", image_url=url, metadata=metadata)],
            name="x", version="1", licence="", citation="", source="",
        )  # fmt: skip
        after = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network).dataset
    assert [(s.image_sha256, dict(s.metadata)) for s in after] == [(wanted, {"source": "x"})]


@pytest.mark.parametrize("in_row", [True, False])
def test_an_image_that_is_not_the_one_the_dataset_names_is_refused(tmp_path, in_row):
    with serving(lambda request: response(png(2))) as server:
        graded = hashlib.sha256(png(1)).hexdigest()
        url = server.url("a.png", "a.example")
        sample = (
            Sample("a", image_url=url, image_sha256=graded)
            if in_row
            else Sample("a", image_url=url, metadata={"image_sha256": graded})
        )
        folder = tmp_path / "d"
        write_dataset(folder, [sample], name="x", version="1", licence="", citation="", source="")
        assert reason(folder) == "other-image"
        assert reason(folder) == "other-image"
        assert len(server.requests) == 1
    assert [s.image_sha256 for s in load(folder)] == [graded if in_row else None]


def test_a_file_that_is_lost_is_fetched_once_more(tmp_path):
    with serving(numbered) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png", "a.example") for n in range(3)])
        first = fetch_images(folder, pace=QUICK, network=Names().network)
        lost = first.dataset.image_path(hashlib.sha256(png(1)).hexdigest())
        assert lost is not None
        lost.unlink()
        report = fetch_images(folder, pace=QUICK, network=Names().network)
    assert (report.had, report.fetched, report.failed) == (2, 1, {})
    assert lost.exists()
    assert report.dataset.info == first.dataset.info


def test_an_image_that_is_there_already_is_not_asked_for(tmp_path):
    folder = tmp_path / "d"
    names = Names()
    from vlsu.data import ImageStore

    sha256 = ImageStore(folder).add(png(1))
    url = "http://a.example/1.png"
    samples = [Sample("a", image_url=url, image_sha256=sha256), Sample("b", image_url=url)]
    write_dataset(folder, samples, name="x", version="1", licence="", citation="", source="")
    report = fetch_images(folder, pace=QUICK, network=names.network)
    assert (report.wanted, report.had, names.asked) == (1, 1, [])
    assert [sample.image_sha256 for sample in report.dataset] == [sha256, sha256]


def test_a_dataset_without_addresses_is_left_as_it_is(tmp_path):
    dataset = dataset_of(tmp_path / "d", [None, None])
    report = fetch_images(dataset)
    assert report.to_dict() == {"wanted": 0, "had": 0, "fetched": 0, "failed": {}, "hosts": {}}
    assert not (tmp_path / "d" / "fetch.sqlite").exists()


def test_a_dataset_of_several_files_stays_one(tmp_path):
    folder = tmp_path / "d"
    with serving(numbered) as server:
        samples = [
            Sample(f"s{n}", image_url=server.url(f"{n % 6}.png", "a.example")) for n in range(10)
        ]
        write_dataset(
            folder, samples, name="x", version="1", licence="", citation="", source="",
            shard_rows=4,
        )  # fmt: skip
        untouched = (folder / "samples-00001-of-00003.parquet").stat().st_ino
        after = fetch_images(folder, pace=QUICK, network=Names().network).dataset
    assert len(after.info.files) == 3
    assert [sample.id for sample in after] == [f"s{n}" for n in range(10)]
    shared = [f"s{n}" for n in (0, 1, 2, 3, 6, 7, 8, 9)]  # of six images four are of two samples
    assert after.links()["sample_id"].to_list() == shared
    assert check_dataset(after).ok
    assert (folder / "samples-00001-of-00003.parquet").stat().st_ino != untouched


def test_a_dataset_that_is_imported_anew_keeps_what_was_fetched(tmp_path):
    folder = tmp_path / "d"
    with serving(numbered) as server:
        urls = [server.url(f"{n}.png", "a.example") for n in range(3)]
        dataset_of(folder, urls)
        fetch_images(folder, pace=QUICK, network=Names().network)
        write_dataset(
            folder, [Sample(f"new{n}", image_url=url) for n, url in enumerate(urls[:2])],
            name="x", version="2", licence="", citation="", source="", overwrite=True,
        )  # fmt: skip
        report = fetch_images(folder, pace=QUICK, network=Names().network)
    assert (report.wanted, report.had, len(server.requests)) == (2, 2, 3)
    assert report.dataset.info.counts["images"] == 2


def test_it_runs_in_a_notebook_too(tmp_path):
    with serving(numbered) as server:
        dataset_of(tmp_path / "d", [server.url("1.png", "a.example")])

        async def cell() -> int:
            return fetch_images(tmp_path / "d", pace=QUICK, network=Names().network).fetched

        assert asyncio.run(cell()) == 1


# What is no image


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a hundred bytes."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


PAGE = b"<!doctype html><title>404</title>Not here"
WHOLE = saved(Image.new("RGB", (40, 30), (9, 99, 199)), "JPEG")
NOISE = os.urandom(1 << 20)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (response(png(1)), None),
        (response(WHOLE, Content_Type="text/html"), None),
        (response(gzip.compress(png(1)), Content_Encoding="gzip"), None),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response(png(1)), None),
        ([b"HTTP/1.1 200 OK\r\n\r\n", png(1), None], None),
        ([response(png(1))[:50], 0.05, response(png(1))[50:]], None),
        (response(b"gone", "404 Not Found"), "http-404"),
        (response(b"", "410 Gone"), "http-410"),
        (response(b"x" * 100_000, "403 Forbidden"), "http-403"),
        (response(b"", "204 No Content"), "http-204"),
        (response(png(1), "206 Partial Content"), "http-206"),
        (response(PAGE, Content_Type="image/jpeg"), "not-an-image"),
        (response(b"%PDF-1.7", Content_Type="image/png"), "not-an-image"),
        (response(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not-an-image"),
        (response(NOISE), "not-an-image"),
        (response(b""), "empty"),
        (response(WHOLE[:-20]), "damaged-image"),
        (response(png(1)[:-9]), "damaged-image"),
        (response(bomb()), "too-many-pixels"),
        (response(b"", Content_Length=10**9), "too-large"),
        (response(b"", Content_Length=10**30), "not-http"),
        (response(png(1), Content_Encoding="br"), "content-encoding"),
        (response(png(1), Content_Encoding="gzip"), "content-encoding"),
        (response(gzip.compress(bytes(200 * 2**20)), Content_Encoding="gzip"), "too-large"),
        (redirect("/a"), "too-many-redirects"),
        (response(b"", "302 Found"), "bad-redirect"),
        (redirect("file:///etc/passwd"), "scheme-refused"),
        (redirect("http://[::1"), "bad-redirect"),
        (redirect("http://127.0.0.1/"), "private-address"),
        (redirect("//169.254.169.254/latest/"), "private-address"),
        (redirect("http://0x7f.1/"), "private-address"),
        (redirect("http://[::ffff:a00:1]/", "308 Permanent Redirect"), "private-address"),
        (redirect("http://inside.example/"), "private-address"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not-http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 20_000 + b"\r\n", "not-http"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "not-http"),
    ],
)
def test_every_answer_ends_as_an_image_or_a_reason(tmp_path, answer, expected):
    names = Names({"inside.example": [["10.0.0.1"]]})
    with serving(lambda request: answer) as server:
        dataset_of(tmp_path / "d", [server.url("a", "a.example")])
        assert reason(tmp_path / "d", names=names) == expected
    assert set(names.dialled) == {PUBLIC}
    images = list((tmp_path / "d").glob("images/*/*"))
    assert len(images) == (expected is None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (response(b"", "500 Internal Server Error"), "http-500"),
        (response(b"", "503 Service Unavailable"), "http-503"),
        ([response(png(1))[:-3], None], "connection-broken"),
        ([None], "connection-broken"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd", None],
         "connection-broken"),
        ([60.0], "timeout"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", *[b"x", 0.02] * 3000], "timeout"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_by_the_next_start(tmp_path, answer, expected):
    with serving(lambda request: answer) as server:
        dataset_of(tmp_path / "d", [server.url("a", "a.example")])
        pace = Pace(tries=2, backoff_s=0.01)
        timeout_s = 2.0 if expected == "timeout" else 60.0
        assert reason(tmp_path / "d", timeout_s=timeout_s, pace=pace) == expected
        assert len(server.requests) == 2
        server.respond = lambda request: response(png(1))
        assert reason(tmp_path / "d", timeout_s=60) is None


def test_a_stream_without_an_end_is_cut(tmp_path):
    sent = 0

    def endless(request):
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while sent < 100:
            sent += 1
            yield b"%x\r\n" % len(NOISE) + NOISE + b"\r\n"

    with serving(endless) as server:
        dataset_of(tmp_path / "d", [server.url("a", "a.example")])
        assert reason(tmp_path / "d") == "too-large"
    assert sent < 40  # MiB; an image has at most 20


def test_chunks_of_one_byte_each_cannot_go_on_for_ever(tmp_path):
    answer = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"1;" + b"x" * 4000 + b"\r\na\r\n"] * 200,
    ]
    with serving(lambda request: answer) as server:
        dataset_of(tmp_path / "d", [server.url("a", "a.example")])
        assert reason(tmp_path / "d") == "not-http"


# Where requests go


def test_a_name_that_changes_leads_nowhere_else(tmp_path):
    # Public when it is looked up, private ever after: DNS rebinding.
    names = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    with serving(lambda r: [numbered(r), None]) as server:  # closes: each needs a connection
        urls = [server.url(f"{n}.png", "rebind.example") for n in range(8)]
        dataset_of(tmp_path / "d", urls)
        report = fetch_images(tmp_path / "d", pace=QUICK, network=names.network)
    assert report.fetched == 8
    assert names.asked == ["rebind.example"]
    assert set(names.dialled) == {PUBLIC}
    assert {request.host for request in server.requests} == {"rebind.example"}


def test_no_request_reaches_this_machine_unless_allowed(tmp_path):
    with serving(numbered) as server:
        hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"]
        urls = [server.url("1.png", host) for host in hosts]
        dataset_of(tmp_path / "d", urls)
        report = fetch_images(tmp_path / "d", pace=QUICK)  # the real network
        assert report.failed == {"private-address": len(hosts)}
        assert (server.requests, server.connections) == ([], 0)
        allowed = fetch_images(tmp_path / "d", pace=QUICK, again=True, allow_private=True)
    assert allowed.fetched >= 5  # IPv6 may be off
    assert server.connections


def test_a_redirect_to_this_machine_is_not_followed(tmp_path):
    with serving(lambda request: response(png(1))) as inside:
        with serving(lambda request: redirect(inside.url("secret.png"))) as server:
            dataset_of(tmp_path / "d", [server.url("a", "a.example")])
            assert reason(tmp_path / "d") == "private-address"
        assert inside.connections == 0


def test_redirects_are_followed_within_bounds(tmp_path):
    def respond(request: Request) -> bytes:
        step = int(request.target.strip("/"))
        return response(png(1)) if step == 8 else redirect(f"/{step + 1}")

    with serving(respond) as server:
        dataset_of(tmp_path / "d", [server.url("0", "a.example")])
        assert reason(tmp_path / "d") is None
        dataset_of(tmp_path / "e", [server.url("-1", "a.example")])
        assert reason(tmp_path / "e") == "too-many-redirects"


def test_proxies_of_the_environment_are_not_used_and_that_is_said(tmp_path, monkeypatch, caplog):
    with serving(lambda request: response(png(9))) as proxy, serving(numbered) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        dataset_of(tmp_path / "d", [server.url("1.png", "a.example")])
        assert reason(tmp_path / "d") is None
    assert proxy.connections == 0
    assert "not through the proxy of http_proxy" in caplog.text


def test_passwords_go_to_their_server_and_nowhere_else(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    def respond(request: Request) -> bytes:
        if request.target == "/moved":
            return redirect(f"http://b.example:{server.port}/1.png")
        if request.target == "/gone":
            return response(b"", "404 Not Found")
        return numbered(request)

    with serving(respond) as server:
        place = f"user:hunter22@a.example:{server.port}"
        dataset_of(
            tmp_path / "d", [f"http://{place}/{each}" for each in ("1.png", "moved", "gone")]
        )
        report = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network)
    sent = {(r.host, r.target): r.headers.get("authorization") for r in server.requests}
    assert sent == {
        ("a.example", "/1.png"): "Basic dXNlcjpodW50ZXIyMg==",
        ("a.example", "/moved"): "Basic dXNlcjpodW50ZXIyMg==",
        ("a.example", "/gone"): "Basic dXNlcjpodW50ZXIyMg==",
        ("b.example", "/1.png"): None,
    }
    assert report.failed_file is not None
    shown = caplog.text + report.failed_file.read_text() + str(report.to_dict())
    assert "hunter22" not in shown
    assert "a.example" in shown


def test_certificates_are_those_of_the_name(tmp_path):
    authority = trustme.CA()
    import ssl

    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("good.example").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    with serving(numbered, theirs) as server:
        urls = [f"https://{name}.example:{server.port}/1.png" for name in ("good", "bad")]
        dataset_of(tmp_path / "d", urls)
        names = Names(context=ours)
        report = fetch_images(tmp_path / "d", pace=QUICK, network=names.network)
        assert report.failed == {"tls": 1}
        assert [request.host for request in server.requests] == ["good.example"]
        dataset_of(tmp_path / "e", urls)  # an authority that nobody trusts
        strangers = fetch_images(tmp_path / "e", pace=QUICK, network=Names().network)
    assert strangers.failed == {"tls": 2}
    assert set(names.dialled) == {PUBLIC}


# Politeness


def test_a_host_is_asked_for_so_many_at_a_time(tmp_path):
    with serving(numbered) as server:
        server.ready = lambda number: server.most_in_flight >= 3
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(30)])
        pace = Pace(concurrency=20, per_host=3)
        report = fetch_images(tmp_path / "d", pace=pace, network=Names().network)
    assert report.fetched == 30
    assert server.most_in_flight == 3
    assert server.connections == 3  # used again


def test_all_hosts_together_too(tmp_path):
    with serving(numbered) as server:
        server.ready = lambda number: server.most_in_flight >= 5
        urls = [server.url(f"{n}.png", f"h{n % 10}.example") for n in range(40)]
        dataset_of(tmp_path / "d", urls)
        pace = Pace(concurrency=5, per_host=4)
        report = fetch_images(tmp_path / "d", pace=pace, network=Names().network)
    assert report.fetched == 40
    assert server.most_in_flight == 5


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize("as_date", [False, True])
def test_a_host_that_asks_for_rest_gets_it(tmp_path, status, as_date):
    import time

    arrivals: list[float] = []

    def respond(request: Request) -> bytes:
        arrivals.append(time.monotonic())
        if len(arrivals) == 1:
            after = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
            return response(b"", status, Retry_After=after)
        return numbered(request)

    with serving(respond) as server:
        dataset_of(tmp_path / "d", [server.url(f"{n}.png", "a.example") for n in range(6)])
        pace = Pace(per_host=1, backoff_s=0.01)
        report = fetch_images(tmp_path / "d", pace=pace, network=Names().network)
    assert report.fetched == 6
    assert arrivals[1] - arrivals[0] > 0.9


def test_a_host_that_asks_for_a_long_rest_is_left_to_a_later_start(tmp_path):
    calls = 0

    def respond(request: Request) -> bytes:
        nonlocal calls
        calls += 1
        if request.host == "busy.example":
            return response(b"", "429 Too Many Requests", Retry_After="86400")
        return numbered(request)

    with serving(respond) as server:
        urls = [server.url(f"{n}.png", "busy.example") for n in range(200)]
        urls += [server.url(f"{n}.png", "other.example") for n in range(5)]
        dataset_of(tmp_path / "d", urls)
        report = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network)
        assert report.fetched == 5
        assert report.failed == {"http-429": 200}
        assert calls <= 5 + QUICK.per_host
        server.respond = numbered
        assert fetch_images(tmp_path / "d", pace=QUICK, network=Names().network).fetched == 200


def test_a_dead_host_costs_little_and_the_same_call_goes_on_once_it_is_back(tmp_path):
    class Down(Names):
        down = True

        async def dial(self, factory, ip, port, context, name):
            self.dialled.append(ip)
            if ip == "1.2.3.4" and self.down:
                raise ConnectionRefusedError(111, "refused")
            return await Names.dial(self, factory, ip, port, context, name)

    names = Down({"dead.example": [["1.2.3.4"]]})
    with serving(numbered) as server:
        urls = [server.url(f"{n}.png", "dead.example") for n in range(500)]
        urls += [server.url(f"{n}.png", "alive.example") for n in range(50)]
        dataset_of(tmp_path / "d", urls)
        pace = Pace(tries=2, backoff_s=0.01, max_failures=3)
        report = fetch_images(tmp_path / "d", pace=pace, network=names.network)
        assert (report.fetched, report.failed) == (50, {"no-connection": 500})
        assert names.dialled.count("1.2.3.4") < 100
        names.down = False
        report = fetch_images(tmp_path / "d", pace=pace, network=names.network)
    assert (report.had, report.fetched, report.failed) == (50, 500, {})
    assert [sample.image_sha256 is None for sample in report.dataset] == [False] * 550


# Asking again, and elsewhere


def test_what_failed_for_good_is_asked_again_with_again(tmp_path):
    with serving(lambda request: response(b"", "404 Not Found")) as server:
        dataset_of(tmp_path / "d", [server.url("1.png", "a.example")])
        assert reason(tmp_path / "d") == "http-404"
        assert reason(tmp_path / "d") == "http-404"
        assert len(server.requests) == 1
        server.respond = numbered
        assert reason(tmp_path / "d", again=True) is None
        assert len(server.requests) == 2


def test_what_was_fetched_is_asked_conditionally(tmp_path):
    version = 1

    def respond(request: Request) -> bytes:
        if request.headers.get("if-none-match") == f'"{version}"':
            return response(status="304 Not Modified", Content_Length=None)
        return response(png(version), ETag=f'"{version}"')

    with serving(respond) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url("a.png", "a.example")])
        first = fetch_images(folder, pace=QUICK, network=Names().network)
        again = fetch_images(folder, pace=QUICK, network=Names().network, again=True)
        assert server.requests[-1].headers["if-none-match"] == '"1"'
        assert (again.had, again.fetched) == (1, 0)
        assert again.dataset.info == first.dataset.info
        version = 2
        changed = fetch_images(folder, pace=QUICK, network=Names().network, again=True)
        assert (changed.had, changed.fetched) == (0, 1)
        (sample,) = changed.dataset
        assert sample.image_sha256 == hashlib.sha256(png(2)).hexdigest()
        assert check_dataset(changed.dataset).ok  # what it was is not left behind
        server.respond = lambda request: response(b"", "404 Not Found")
        gone = fetch_images(folder, pace=QUICK, network=Names().network, again=True)
    assert (gone.had, gone.failed) == (1, {})  # what is there is kept
    assert gone.dataset.info == changed.dataset.info


def test_dates_serve_where_there_is_no_etag(tmp_path):
    stamp = "Wed, 21 Oct 2015 07:28:00 GMT"

    def respond(request: Request) -> bytes:
        if request.headers.get("if-modified-since") == stamp:
            return response(status="304 Not Modified", Content_Length=None)
        return response(png(1), Last_Modified=stamp)

    with serving(respond) as server:
        dataset_of(tmp_path / "d", [server.url("a.png", "a.example")])
        assert reason(tmp_path / "d") is None
        again = fetch_images(tmp_path / "d", pace=QUICK, network=Names().network, again=True)
    assert (again.had, len(server.requests)) == (1, 2)


def test_a_mirror_is_asked_for_what_fails(tmp_path):
    def respond(request: Request) -> bytes:
        if request.host == "mirror.example":
            found = "2.png" in request.target
            return response(png(2)) if found else response(b"", "404 Not Found")
        return numbered(request) if request.target == "/1.png" else response(b"", "410 Gone")

    with serving(respond) as server:
        urls = [server.url(f"{n}.png", "a.example") for n in (1, 2, 3)]
        dataset_of(tmp_path / "d", urls)
        report = fetch_images(
            tmp_path / "d",
            pace=QUICK,
            network=Names().network,
            mirror=f"http://mirror.example:{server.port}/get?url={{quoted}}&id={{id}}",
        )
    assert (report.fetched, report.failed) == (2, {"http-410": 1})  # what its own host said
    assert list(report.hosts) == ["a.example"]
    asked = [request.target for request in server.requests if request.host == "mirror.example"]
    assert sorted(asked)[0] == f"/get?url=http%3A%2F%2Fa.example%3A{server.port}%2F2.png&id=s1"
    assert report.failed_file is not None
    with report.failed_file.open() as file:
        assert list(csv.DictReader(file)) == [
            {"id": "s2", "image_url": urls[2], "reason": "http-410"}
        ]


@pytest.mark.parametrize(
    "template", ["mirror.example", "https://m.example/", "https://m.example/{what}", "ftp://m/{id}",
                 "https://m.example/{url", "https://m.example/{}", "https://m.example/{url.x}"]
)  # fmt: skip
def test_a_mirror_has_to_be_an_address_with_a_place(tmp_path, template):
    dataset_of(tmp_path / "d", ["http://a.example/"])
    with pytest.raises(UsageError, match="--mirror"):
        fetch_images(tmp_path / "d", mirror=template)


def test_a_private_mirror_needs_to_be_allowed(tmp_path):
    with serving(lambda request: response(png(1))) as server:
        dataset_of(tmp_path / "d", ["file:///a.png"])
        mirror = server.url("{name}")
        assert reason(tmp_path / "d", mirror=mirror) == "scheme-refused"
        assert server.connections == 0
        assert reason(tmp_path / "d", mirror=mirror, allow_private=True) is None


# What goes wrong on this machine


def test_a_folder_that_cannot_be_written_stops_it_and_the_same_call_goes_on(tmp_path):
    with serving(numbered) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png", "a.example") for n in range(3)])
        (folder / "images").write_text("in the way")
        with pytest.raises(DataError, match="cannot be written"):
            fetch_images(folder, pace=QUICK, network=Names().network)
        (folder / "images").unlink()
        assert fetch_images(folder, pace=QUICK, network=Names().network).fetched == 3


def test_a_journal_that_is_damaged_is_said_to_be(tmp_path):
    folder = tmp_path / "d"
    dataset_of(folder, ["http://a.example/"])
    (folder / "fetch.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=r"fetch\.sqlite: cannot be used .* delete it"):
        fetch_images(folder, network=Names().network)


def test_links_in_an_untrusted_dataset_lead_nowhere(tmp_path):
    folder, outside = tmp_path / "d", tmp_path / "outside"
    outside.mkdir()
    with serving(numbered) as server:
        dataset_of(folder, [server.url("1.png", "a.example")])
        (folder / "fetch.sqlite").symlink_to(outside / "made")
        with pytest.raises(DataError, match="symbolic link"):
            fetch_images(folder, pace=QUICK, network=Names().network)
        (folder / "fetch.sqlite").unlink()
        (folder / "fetch-failed.csv").symlink_to(outside / "made")
        shard = folder / "images" / hashlib.sha256(png(1)).hexdigest()[:2]
        shard.parent.mkdir()
        shard.symlink_to(outside)
        with pytest.raises(DataError, match="symbolic link"):
            fetch_images(folder, pace=QUICK, network=Names().network)
        server.respond = lambda request: response(b"", "404 Not Found")
        fetch_images(folder, pace=QUICK, network=Names().network)
    assert list(outside.iterdir()) == []
    assert not (folder / "fetch-failed.csv").is_symlink()


@pytest.mark.parametrize(
    ("pace", "timeout_s"),
    [(Pace(concurrency=0), 1), (Pace(per_host=0), 1), (Pace(), 0), (Pace(), float("nan"))],
)
def test_numbers_out_of_range_are_refused(tmp_path, pace, timeout_s):
    dataset_of(tmp_path / "d", ["http://a.example/"])
    with pytest.raises(UsageError, match="needed"):
        fetch_images(tmp_path / "d", pace=pace, timeout_s=timeout_s)
