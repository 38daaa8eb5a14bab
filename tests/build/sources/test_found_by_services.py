"""The stage of images with services over real HTTP: what is kept of what they say, and faults."""

from __future__ import annotations

import pytest

import vlsu
from tests.build.images.made import concept, made_build
from tests.data.fetching.image_server import QUICK
from tests.support.image_services import BROKEN, commons, openverse
from vlsu.build.images.stage import find_images
from vlsu.build.sources.base import Access
from vlsu.build.sources.commons import CommonsSource
from vlsu.build.sources.openverse import OpenverseSource

pytestmark = pytest.mark.slow

ACCESS = Access(contact="builder@example.org", allow_private=True)


@pytest.fixture(params=["openverse", "commons"])
def asked(request):
    """A service that runs, and the source that asks it."""
    if request.param == "openverse":
        with openverse() as service:
            source = OpenverseSource(
                f"openverse:{service.url}",
                service.url,
                ACCESS,
                token="",
                interval_s=0.0,
                pace=QUICK,
            )
            yield service, source
            source.close()
        return
    with commons() as service:
        url = f"{service.url}w/api.php"
        wiki = CommonsSource(f"commons:{url}", url, ACCESS, pace=QUICK)
        yield service, wiki
        wiki.close()


def kept(build):
    with build.store(read_only=True) as store:
        return store.records("images", kept=True)


def test_an_image_of_a_service_is_kept_with_all_that_it_owes(tmp_path, asked):
    service, source = asked
    build = made_build(tmp_path, "all=0", "S-S-U/C9=2")
    for words in ("loaf of bread", "cup of coffee", "bridge at night"):
        concept(build, words)
    report = find_images(build, [source], None)
    assert report.kept == 2, dict(report.refused)
    for record in kept(build):
        said = record.provenance
        assert said["source"] == source.spec
        assert said["licence"]
        assert "NC" not in str(said["licence"])
        assert str(said["author"]).startswith("Painter")
        assert str(said["author"]) in str(said["attribution"])
        assert str(said["page"]).startswith("https://")
        data = build.images.read(str(said["sha256"]))
        assert data == vlsu.load("vlsu-mini").read_image(str(said["sha256"]))
    before = len(service.server.requests)
    assert find_images(build, [source], None).tries == 0
    assert len(service.server.requests) == before


def test_a_service_that_is_down_leaves_the_try_open(tmp_path, asked):
    service, source = asked
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "cup of coffee")
    service.faults += [BROKEN] * 100
    stopped = find_images(build, [source], None).stopped
    assert stopped is not None
    assert "http-502" in stopped.message
    with build.store(read_only=True) as store:
        assert len(store.tries("images", open_only=True)) == 1
    service.faults.clear()
    assert find_images(build, [source], None).kept == 1
