"""Openverse and Commons over real HTTP: what is asked, what is read, and what servers do wrong."""

from __future__ import annotations

import gzip
import hashlib
import re
import signal
import sys
import threading
import time

import pytest

from tests.data.fetching.image_server import QUICK, Names, response
from tests.support.image_services import (
    BROKEN,
    HTML,
    MAXLAG,
    TOO_MANY,
    Service,
    commons,
    leads_to,
    openverse,
    throttled,
)
from vlsu.build.sources.base import Access, LocalSource, RemoteSource, SourceError, open_source
from vlsu.build.sources.commons import CommonsSource, plain_text
from vlsu.build.sources.openverse import OpenverseSource
from vlsu.data import Pace, probe
from vlsu.errors import UsageError

ACCESS = Access(contact="builder@example.org", allow_private=True)


@pytest.fixture
def service():
    with openverse() as running:
        yield running


@pytest.fixture
def wiki():
    with commons() as running:
        yield running


#: Seconds of a service that does not answer: far more than anything else takes.
LONG_S = 60.0


def at_openverse(service: Service, **options) -> OpenverseSource:
    options = {"pace": QUICK, "interval_s": 0.0, "token": "", **options}
    access = options.pop("access", ACCESS)
    return OpenverseSource(f"openverse:{service.url}", service.url, access, **options)


def at_commons(service: Service, **options) -> CommonsSource:
    url = f"{service.url}w/api.php"
    access = options.pop("access", ACCESS)
    return CommonsSource(f"commons:{url}", url, access, **{"pace": QUICK, **options})


def searching(request, **options):
    """The source of a test that holds for both services."""
    if "wiki" in request.fixturenames:
        return at_commons(request.getfixturevalue("wiki"), **options)
    return at_openverse(request.getfixturevalue("service"), **options)


# What is asked and read


def test_openverse_gives_candidates_with_licence_author_and_attribution(service):
    source = at_openverse(service)
    found = source.search("Chat with Alma", 5, licences=())
    assert len(found) == 5
    best = found[0]
    assert best.caption.startswith("Chat with Alma. made, ")
    assert best.licence in {"CC-BY-2.0", "CC0-1.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0"}
    assert re.fullmatch(r"Painter \d+", str(best.author))
    assert str(best.attribution).startswith('"Chat with Alma" by Painter')
    assert str(best.page).startswith("https://photos.example/")
    assert (best.width, best.height, best.source) == (256, 256, source.spec)
    data = source.read(best)
    assert hashlib.sha256(data).hexdigest()[:32] == best.id.replace("-", "")
    source.close()


def test_openverse_is_asked_only_for_acceptable_licences_and_never_for_mature_images(service):
    source = at_openverse(service)
    found = source.search("chat with a the of", 40, licences=["CC-BY-4.0", "CC0-1.0", "MIT"])
    assert {each.licence for each in found} == {"CC-BY-2.0", "CC0-1.0"}
    asked = service.searches
    assert [each["page"] for each in asked] == ["1", "2"]
    assert {each["license"] for each in asked} == {"by,cc0"}
    assert {each["mature"] for each in asked} == {"false"}
    assert {each["page_size"] for each in asked} == {"20"}
    assert source.search("chat", 5, licences=["MIT"]) == []  # it has none of these
    assert len(service.searches) == len(asked)


def test_paging_ends_with_the_results_and_within_the_bound(service):
    source = at_openverse(service)
    everything = source.search("a the with of", 10_000, licences=())
    assert len(everything) == len({each.id for each in everything}) > 40
    pages = [int(each["page"]) for each in service.searches]
    assert pages == list(range(1, -(-len(everything) // 20) + 1))


def test_a_token_goes_to_the_service_alone_and_buys_larger_pages(service):
    source = at_openverse(service, token="abc")
    first = source.search("with", 60, licences=())[0]
    source.read(first)
    asked, image = service.server.requests
    assert asked.headers["authorization"] == "Bearer abc"
    assert "authorization" not in image.headers
    assert service.searches[0]["page_size"] == "60"


def test_a_token_that_is_not_accepted_is_said_to_be(service):
    service.faults.append(response(status="401 Unauthorized"))
    with pytest.raises(SourceError, match=r"the token of OPENVERSE_TOKEN is not accepted"):
        at_openverse(service, token="old").search("chat", 1, licences=())


def test_answers_may_be_compressed(service):
    packed = gzip.compress(b'{"page_count": 1, "results": [{"id": "x", "url": "http://a/"}]}')
    service.faults.append(response(packed, Content_Encoding="gzip"))
    (found,) = at_openverse(service).search("chat", 1, licences=())
    assert found.id == "x"
    assert service.server.requests[0].headers["accept-encoding"] == "gzip"
    assert service.server.requests[0].headers["accept"].startswith("application/json")


def test_commons_gives_candidates_in_the_order_of_their_rank(wiki):
    source = at_commons(wiki)
    found = source.search("chat with Alma", 60, licences=())
    assert [each.id for each in found] == [
        str(1000 + held.number) for held in wiki.matching("chat with Alma")[:60]
    ]
    first = wiki.searches[0]
    assert (first["gsrsearch"], first["maxlag"]) == ("filetype:bitmap chat with Alma", "5")
    assert [each.get("gsroffset") for each in wiki.searches] == [None, "50"]


def test_commons_metadata_are_read_out_of_html(wiki):
    source = at_commons(wiki)
    for found in source.search("coffee", 3, licences=()):
        assert re.fullmatch(r"Painter \d+", str(found.author))
        assert "Unknown author" not in str(found.attribution)
        assert found.licence in {"CC-BY-2.0", "CC0-1.0", "CC-BY-SA-4.0", "Public domain"}
        assert "<" not in found.caption
        assert "Made pictures" in found.caption  # categories are searched by the rails too
        assert "Self-published" not in found.caption
        assert str(found.page).startswith("https://commons.wikimedia.org/wiki/File:")


def test_large_images_of_commons_are_fetched_in_a_width_that_it_serves(wiki):
    source = at_commons(wiki)
    found = source.search("chat", 10, licences=())
    assert {each.width for each in found} == {1280, 256}
    assert wiki.searches[0]["iiurlwidth"] == "1280"
    large = next(each for each in found if each.width == 1280)
    assert "/originals/" in str(large.about["original"])
    probe(source.read(large))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("A &amp; B", "A & B"),
        ('<div style="display:none">x</div>A<br/>B', "A B"),
        ("<b><i>deep", "deep"),
        ("</b>stray<script>alert(1)</script>", "stray"),
        ("&lt;script&gt;", "<script>"),
        ("<div>" * 5000 + "in", ""),  # cut, and no recursion
        (None, ""),
        (1.2, ""),
    ],
)
def test_the_text_of_html(html, text):
    assert plain_text(html) == text


def test_both_are_told_who_asks(service, wiki):
    at_openverse(service).search("chat", 1, licences=())
    at_commons(wiki).search("chat", 1, licences=())
    for running in (service, wiki):
        agent = running.server.requests[0].headers["user-agent"]
        assert re.fullmatch(r"vlsu-bot/\S+ \(builder@example\.org\) Python/[\d.]+\S*", agent)


def test_operators_of_the_services_are_no_part_of_a_search(wiki):
    at_commons(wiki).search('cup -coffee "of" insource:/x/ incategory:Y', 1, licences=())
    assert wiki.searches[0]["gsrsearch"] == (
        "filetype:bitmap cup coffee of insource x incategory Y"
    )


# What goes wrong


@pytest.mark.parametrize("which", ["service", "wiki"])
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([TOO_MANY], id="429"),
        pytest.param([throttled(0), BROKEN], id="429 with a time, then 502"),
        pytest.param([lambda *_: None], id="dead"),
    ],
)
def test_what_passes_is_asked_again(request, which, faults):
    running = request.getfixturevalue(which)
    running.faults += faults
    source = searching(request)
    assert source.search("chat", 3, licences=())
    assert len(running.searches) == len(faults) + 1


@pytest.mark.parametrize("which", ["service", "wiki"])
def test_what_is_slow_is_asked_again(request, which):
    running = request.getfixturevalue(which)
    running.faults.append(lambda *_: [LONG_S, b""])
    source = searching(request, timeout_s=2.0)
    assert source.search("chat", 3, licences=())
    assert len(running.searches) > 1


def test_a_wiki_that_lags_is_asked_again_and_at_last_left(wiki):
    source = at_commons(wiki)
    wiki.faults += [MAXLAG, MAXLAG]
    assert source.search("chat", 3, licences=())
    wiki.faults += [MAXLAG] * 4
    with pytest.raises(SourceError, match=r"an error \(maxlag\)") as caught:
        source.search("chat", 3, licences=())
    assert caught.value.transient


@pytest.mark.parametrize("which", ["service", "wiki"])
@pytest.mark.parametrize(
    ("fault", "reason", "transient", "said"),
    [
        (HTML, "not-json", True, "something else than JSON"),
        (response(b"[1, 2]"), "not-json", True, "something else than JSON"),
        (response(status="404 Not Found"), "http-404", False, "http-404"),
        (response(status="401 Unauthorized"), "http-401", False, "http-401"),
        (throttled(86_400), "http-429", True, "wants 86400 s of rest"),
        (response(b"x" * 100, Content_Length=10**12), "too-large", False, "larger than"),
        (leads_to("http://169.254.169.254/latest"), "private-address", False, "public internet"),
        (leads_to("file:///etc/passwd"), "scheme-refused", False, "scheme-refused"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not-http", False, "not-http"),
    ],
)
def test_what_does_not_pass_is_one_line(request, which, fault, reason, transient, said):
    running = request.getfixturevalue(which)
    running.faults += [fault] * QUICK.tries
    with pytest.raises(SourceError) as caught:
        searching(request).search("quiet words", 3, licences=())
    assert (caught.value.reason, caught.value.transient) == (reason, transient)
    assert said in str(caught.value)
    assert "quiet" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("which", ["service", "wiki"])
def test_a_service_that_is_down_is_said_to_be(request, which):
    running = request.getfixturevalue(which)
    source = searching(request)
    running.server.port, port = 1, running.server.port  # nothing listens there
    dead = searching(request)
    with pytest.raises(SourceError, match="no connection") as caught:
        dead.search("chat", 1, licences=())
    assert caught.value.transient
    running.server.port = port
    assert source.search("chat", 1, licences=())


@pytest.mark.parametrize("which", ["service", "wiki"])
def test_private_addresses_are_asked_only_if_that_is_allowed(request, which):
    running = request.getfixturevalue(which)
    closed = Access(contact="builder@example.org")
    with pytest.raises(SourceError, match="public internet") as caught:
        searching(request, access=closed).search("chat", 1, licences=())
    assert caught.value.reason == "private-address"
    assert not running.server.requests


def test_an_image_whose_host_leads_inside_is_not_fetched(service):
    """The service is public, and what it points at is not."""
    names = Names({"inside.example": [["10.0.0.1"]]})
    source = OpenverseSource(
        "openverse",
        f"http://api.example:{service.server.port}/",
        Access(),
        token="",
        interval_s=0.0,
        pace=QUICK,
        network=names.network,
    )
    found = source.search("chat", 1, licences=())[0]
    forged = type(found)(id=found.id, source=found.source, url="http://inside.example/a.png")
    with pytest.raises(SourceError, match="public internet"):
        source.read(forged)
    assert names.dialled == ["93.184.216.34"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (response(status="404 Not Found"), "http-404"),
        (leads_to("http://127.0.0.1:1/x"), "no-connection"),
        (response(b""), "empty"),
        (response(b"x", Content_Length=30 * 2**20), "too-large"),
    ],
)
def test_an_image_that_is_not_to_be_had(service, fault, reason):
    source = at_openverse(service)
    found = source.search("chat", 1, licences=())[0]
    service.image_faults += [fault] * QUICK.tries
    with pytest.raises(SourceError) as caught:
        source.read(found)
    assert caught.value.reason == reason
    assert found.id not in str(caught.value)


def test_an_image_is_asked_for_twice_and_more_often_where_its_host_wants_rest(service):
    source = at_openverse(service)
    found = source.search("chat", 1, licences=())[0]
    service.image_faults += [BROKEN] * 9
    with pytest.raises(SourceError, match="http-502"):
        source.read(found)
    assert len(service.image_faults) == 7
    service.image_faults[:] = [throttled(0)] * (QUICK.tries - 1)
    assert source.read(found)


@pytest.mark.parametrize("answer", [b"{}", b'{"results": "none"}'])
def test_an_answer_without_results_is_none_of_openverse(service, answer):
    service.faults += [response(answer)]
    with pytest.raises(SourceError, match="has no results"):
        at_openverse(service).search("chat", 3, licences=())


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (b'[1, {"id": 5}, {"id": "x"}, {"id": "y", "url": null}]', []),
        (b'[{"id": "x", "url": "http://a/", "mature": true}]', []),
        (b'[{"id": "x", "url": "http://a/", "tags": [1, {"name": 3}], "width": "9"}]', ["x"]),
    ],
)
def test_openverse_rows_of_other_shapes_are_left_out(service, rows, kept):
    service.faults += [response(b'{"page_count": 1, "results": %b}' % rows)]
    found = at_openverse(service).search("chat", 3, licences=())
    assert [each.id for each in found] == kept
    assert all(each.width is None for each in found)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"query": {"pages": {"1": {"pageid": 1, "title": "File:A.jpg"}}}}',
        b'{"query": {"pages": [{"pageid": 1, "title": "File:A.jpg", "imageinfo": [{}]}]}}',
        b'{"query": {"pages": [{"pageid": 1, "title": "File:A.ogv", "imageinfo": '
        b'[{"url": "http://a/", "mime": "video/ogg"}]}]}}',
        b'{"query": null, "continue": {"iistart": "x"}}',
        b"{}",
    ],
)
def test_pages_of_commons_without_an_image_are_left_out(wiki, answer):
    wiki.faults += [response(answer)]
    assert at_commons(wiki).search("chat", 3, licences=()) == []
    assert len(wiki.searches) == 1


# Who asks


def test_commons_is_not_asked_without_a_contact(monkeypatch):
    monkeypatch.delenv("VLSU_CONTACT", raising=False)
    with pytest.raises(UsageError, match="may not be asked without a contact"):
        open_source("commons")
    monkeypatch.setenv("VLSU_CONTACT", "https://example.org/builders")
    source = open_source("commons")
    assert isinstance(source, RemoteSource)
    assert not isinstance(source, LocalSource)
    assert source.identity()["url"] == "https://commons.wikimedia.org/w/api.php"


@pytest.mark.parametrize("contact", ["nobody", "a@b\r\nX-Evil: 1", "x" * 300 + "@example.org"])
def test_a_contact_is_an_address(contact):
    with pytest.raises(UsageError, match="--contact: give an e-mail address"):
        open_source("openverse", Access(contact=contact))


def test_questions_to_openverse_keep_a_distance(service):
    source = at_openverse(service, token="made-up", interval_s=0.15)  # with one there is none
    began = time.monotonic()
    for _ in range(3):
        source.search("chat", 1, licences=())
    assert time.monotonic() - began >= 0.3


def test_a_source_can_be_closed_and_asked_again(service):
    source = at_openverse(service, pace=Pace(tries=1))
    assert source.search("chat", 1, licences=())
    source.close()
    source.close()
    assert source.search("chat", 1, licences=())


@pytest.mark.skipif(sys.platform == "win32", reason="signals of threads")
def test_an_interrupt_does_not_wait_for_a_slow_service(service):
    """Whichever thread the system tells of it: the one that waits may be told nothing."""
    asked = threading.Event()

    def slow(service, request):
        asked.set()
        return [b"HTTP/1.1 200 OK\r\n", LONG_S]

    service.faults.append(slow)
    source = open_source(f"openverse:{service.url}", Access(allow_private=True))
    assert isinstance(source, RemoteSource)

    def interrupt():
        assert asked.wait(LONG_S)  # the other thread waits for what it asked for
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    begun = time.monotonic()
    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        source.search("lamp", 5, licences=())
    other.join()
    assert time.monotonic() - begun < LONG_S
    source.close()
