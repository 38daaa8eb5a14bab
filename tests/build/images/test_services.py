"""Sources with a search of their own: what is asked of them, and what is kept of their answers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

import pytest

import vlsu as package
from tests.build.images.made import KINDS, ByWords, Shelf, concept, made_build, picture
from tests.build.images.test_stage import kept
from tests.conftest import completion
from tests.data.fetching.image_server import response
from tests.support.commands import vlsu
from tests.support.image_services import openverse
from vlsu.build.images.licensing import Licences
from vlsu.build.images.options import Options
from vlsu.build.images.stage import find_images
from vlsu.build.sources.base import Access
from vlsu.build.sources.openverse import OpenverseSource
from vlsu.data.fetching.politeness import Pace
from vlsu.errors import DataError


@dataclass
class Service(Shelf):
    """A shelf that is searched by words, over there; it notes what leaves."""

    spec: str = "service"
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    down: bool = False

    def search(self, query, count, *, licences):
        self.asked.append((query, tuple(licences)))
        if self.down:
            raise DataError("service: asks for fewer requests (429)")
        return [hit.candidate for hit in ByWords([self]).search(query, "", count)]


def test_a_concept_is_searched_for_once_however_many_images_it_yields(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=3")
    concept(build, "a bridge")
    service = Service()
    for n in range(3):
        service.put(f"bridge {n}", picture(n))
    for _ in range(2):  # a second start asks nothing either
        find_images(build, [service], None)
    assert service.asked == [("a bridge", ("cc0", "pdm", "by", "by-sa"))]
    assert [each.provenance["rank"] for each in kept(build)] == [
        {"source": 1},
        {"source": 2},
        {"source": 3},
    ]


def test_nothing_that_the_rails_refuse_leaves_the_machine(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "two boys on a bridge")
    concept(build, "a bridge", kinds=None)
    service = Service()
    report = find_images(build, [service], ByWords([]))
    assert service.asked == []
    assert dict(report.lost) == {
        "no image left (rails: minor-in-harm)": 1,
        "no image left (rails: undeclared)": 1,
    }


def test_where_a_service_is_down_the_try_stays_open(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    service = Service(down=True)
    service.put("bridge", picture(1))
    report = find_images(build, [service], None)
    assert report.stopped is not None
    assert (report.tries, report.stopped.reason) == (0, "failed")
    assert "429" in report.stopped.message
    service.down = False
    assert find_images(build, [service], None).kept == 1


def test_a_source_whose_images_all_fail_stops_the_stage(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    service = Service()
    for n in range(40):
        service.put(f"bridge {n}", picture(n))
    service.images.clear()
    report = find_images(build, [service], None, Options(looked_at=40))
    assert report.stopped is not None
    assert report.stopped.message.startswith("30 images in a row cannot be read; the last: service")
    assert len(service.read_ids) == 30


def test_an_image_that_cannot_be_read_is_not_waited_for_again(tmp_path):
    """Nor counted again: few images that fail are no source that is down."""
    categories = ("C1", "C2", "C3", "C9")
    build = made_build(tmp_path, "all=0", *(f"S-S-U/{each}=1" for each in categories))
    for each in categories:
        concept(build, "a bridge", category=each)
    service = Service()
    for n in range(10):
        service.put(f"bridge {n}", picture(n))
    service.images.clear()
    report = find_images(build, [service], None)
    assert report.stopped is None
    assert sorted(service.read_ids) == sorted(set(service.read_ids))
    assert len(service.read_ids) == 10


def test_what_is_refused_is_in_no_file_and_is_not_fetched_again(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=2")
    concept(build, "a bridge")
    service = Service()
    service.put("bridge of a school: pupils", picture(1), url="https://example.org/one")
    service.put("bridge closed", picture(2), licence="by-nc", url="https://example.org/two")
    service.put("bridge tiny", picture(3, size=(60, 60)), url="https://example.org/three")
    service.put("bridge sound", picture(4), url="https://example.org/four")
    assert find_images(build, [service], None).kept == 1
    assert service.read_ids == ["002", "003"]
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for gone in (b"pupils", b"closed", b"tiny", b"/one", b"/two", b"/three"):
        assert gone not in written
    assert b"example.org/four" in written


def test_an_image_that_two_searches_found_is_forgotten_in_both(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=2")
    concept(build, "a bridge")
    concept(build, "a second bridge")
    service = Service()
    service.put("bridge", picture(1, size=(60, 60)), url="https://example.org/tiny")
    service.put("bridge", picture(2), url="https://example.org/sound")
    find_images(build, [service], None)
    searches = list((build.index_folder / "searches").glob("*.json"))
    assert len(searches) == 2
    assert not any(b"/tiny" in file.read_bytes() for file in searches)
    assert service.read_ids.count("000") == 1


def test_sources_take_turns_and_each_concept_begins_with_one(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=8")
    for n in range(8):
        concept(build, f"bridge {n}")
    shelf, service = Shelf(), Service()
    for n in range(8):
        shelf.put(f"bridge {n}", picture(n))
        service.put(f"bridge {n}", picture(100 + n))
    assert find_images(build, [shelf, service], ByWords([shelf])).kept == 8
    counts = {each.provenance["source"] for each in kept(build)}
    assert counts == {"shelf", "service"}


def test_with_other_licences_a_service_is_asked_again(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    concept(build, "another bridge")
    service = Service()
    service.put("bridge", picture(1), licence="by-nc")
    assert find_images(build, [service], None).kept == 0
    # Both concepts have ended; a third is looked for with what is accepted now.
    concept(build, "a third bridge")
    options = Options(licences=Licences.parse(["by-nc"]))
    assert find_images(build, [service], None, options).kept == 1
    assert service.asked[-1] == ("a third bridge", ("by-nc",))


@pytest.mark.slow
def test_over_http_images_come_with_their_licence_and_credit(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C1=2")
    for words in ("a birthday cake", "ancient coins"):
        concept(build, words, category="C1")
    with openverse() as service:
        spec = f"openverse:{service.url}"
        command = ("build", "images", build.folder, "--source", spec, "--json")
        refused = vlsu(*command, expect=1)  # of this machine, as a service must not be
        assert json.loads(refused.stdout)["kept"] == 0
        assert "not of the public internet" in json.loads(refused.stdout)["stopped"]
        assert service.searches == []
        done = json.loads(vlsu(*command, "--allow-private").stdout)
        asked = len(service.server.requests)
        assert done["kept"] == 2
        assert json.loads(vlsu(*command, "--allow-private").stdout)["tries"] == 0
        assert len(service.server.requests) == asked
    assert {each["license"] for each in service.searches} == {"cc0,pdm,by,by-sa"}
    for record in kept(build):
        provenance = record.provenance
        assert provenance["source"] == spec
        assert provenance["licence"] in ("CC-BY-2.0", "CC0-1.0", "CC-BY-SA-4.0") or (
            provenance["licence"] == "Public Domain Mark 1.0"
        )
        assert provenance["author"]
        assert provenance["attribution"]
        assert provenance["page"].startswith("http")
        assert build.images.read(provenance["sha256"])


@pytest.mark.slow
def test_a_service_that_asks_for_patience_stops_the_stage_and_is_gone_on_with(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C1=1")
    concept(build, "a birthday cake", category="C1")
    with openverse() as service:
        access = Access(allow_private=True)
        source = OpenverseSource(
            "openverse", service.url, access, token="", interval_s=0, pace=Pace(tries=1)
        )
        service.faults.append(response(status="503 Service Unavailable"))
        report = find_images(build, [source], None)
        assert report.stopped is not None
        assert report.tries == 0
        assert find_images(build, [source], None).kept == 1
        source.close()


@pytest.mark.slow
def test_a_model_on_a_server_looks_at_each_image_before_it_is_stored(tmp_path, chat_server):
    build = made_build(tmp_path, "all=0", "S-S-U/C1=3")
    for words in ("a birthday cake", "ancient coins", "a camera"):
        concept(build, words, category="C1")
    cake, shown = "", []

    def answer(body, _):
        question = body["messages"][-1]["content"]
        (image,) = (part["image_url"]["url"] for part in question if part["type"] == "image_url")
        assert image.startswith("data:image/")
        shown.append(image)
        return completion(json.dumps(KINDS | {"sexual": image == cake}))

    server = chat_server(answer, delay=0.2)
    server.ready = lambda number: len(server.requests) > 1  # the first waits for another
    mini = package.load("vlsu-mini")
    (sample,) = {s.image_sha256 for s in mini if s.metadata["caption"] == "Birthday cake"}
    data = base64.b64encode(mini.read_image(str(sample))).decode()
    cake = f"data:{mini.media_type(str(sample))};base64,{data}"
    with openverse() as service:
        command = (
            *("build", "images", build.folder, "--source", f"openverse:{service.url}"),
            *("--allow-private", "--licences", "any", "--json"),
            *("--pre-filter", "openai/looker", "--base-url", server.base_url),
        )
        report = json.loads(vlsu(*command).stdout)
    assert report["refused"]["pre-filter: sexual"] == shown.count(cake) == 1
    assert len(shown) == len(set(shown))
    assert server.most_in_flight > 1
    assert build.images.path(str(sample)) is None
    also = kept(build)[0].provenance["pre_filter"]["also"]
    assert (also["model"], also["kinds"]) == ("openai/looker", [])
    with build.store(read_only=True) as store:
        assert store.calls().number == len(shown)
