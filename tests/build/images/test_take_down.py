"""Images that someone wants out: they go with all that was made of them, and do not come back."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tests.build.images.made import ByWords, Shelf, concept, made_build, picture
from tests.build.images.test_stage import found, kept
from tests.support.commands import vlsu
from vlsu.build.folder.records import Decision, Record
from vlsu.build.images.stage import find_images
from vlsu.build.images.take_down import take_down
from vlsu.errors import UsageError


@pytest.fixture
def shelf():
    """Two bridges."""
    shelf = Shelf()
    shelf.put("bridge one", picture(1), page="https://example.org/one", url="https://example.org/1")
    shelf.put("bridge two", picture(2), page="https://example.org/two")
    return shelf


@pytest.fixture
def build(tmp_path, shelf):
    """A build with one image, and a sample of it."""
    build = made_build(tmp_path / "b", "all=0", "S-S-U/C9=1")
    concept(build, "bridge one")
    assert found(build, shelf).kept == 1
    with build.store() as store:
        (image,) = store.records("images", kept=True)
        prompt = store.add_prompt("queries", "Ask.")
        parent = image.key
        for stage in ("queries", "grades"):
            record = Record(
                stage=stage,
                cell=image.cell,
                content={"text": "How high is it?"},
                provenance={"model": "made/by-hand", "prompt": prompt, "seed": 0},
                parent=parent,
            )
            (parent,) = store.add([record])
            store.decide([Decision(parent, kept=True)])
    return build


def named(build, by):
    """What `take_down` takes of the one image."""
    (image,) = kept(build)
    value = {"ids": "id", "pages": "page"}.get(by, by)
    return {by: [image.provenance[value]]}


@pytest.mark.parametrize("by", ["sha256", "ids", "pages"])
def test_an_image_goes_with_its_samples_and_its_bytes(build, by):
    done = take_down(build, **named(build, by))
    assert (len(done.images), done.files) == (1, 1)
    assert done.given_up == {"images": 1, "queries": 1, "grades": 1}
    assert not list(build.images.files())
    with build.store(read_only=True) as store:
        (decision,) = store.decisions("images").values()
        assert (decision.kept, decision.reason) == (False, "taken down")


def test_it_is_known_by_the_address_of_its_bytes_too(build):
    assert take_down(build, pages=["https://example.org/1"]).files == 1


def test_neither_it_nor_its_like_is_taken_again(build, shelf):
    take_down(build, **named(build, "sha256"))
    smaller = Image.open(io.BytesIO(picture(1))).resize((300, 225))
    file = io.BytesIO()
    smaller.save(file, "PNG")
    shelf.put("bridge one copied", file.getvalue())
    report = found(build, shelf)
    assert report.kept == 1
    assert kept(build)[0].provenance["id"] == "001"
    assert report.refused == {"already in the build": 1, "looks like an image of the build": 1}
    assert shelf.read_ids == ["000", "002", "001"]


def test_stopped_half_way_it_is_ended_by_the_same_call(build):
    wanted = named(build, "sha256")
    with build.store() as store:  # given up, but its file is still there
        (image,) = store.records("images", kept=True)
        store.decide([Decision(image.key, kept=False, reason="taken down")])
    done = take_down(build, **wanted)
    assert (done.given_up, done.files) == ({}, 1)
    assert take_down(build, **wanted).files == 0


def test_copies_in_runs_of_the_pre_grader_go_too(build):
    (image,) = kept(build)
    sha256 = image.provenance["sha256"]
    copy = build.grades_folder / "0001" / "data" / "images" / sha256[:2] / f"{sha256}.png"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(build.images.read(sha256))
    assert take_down(build, sha256=[sha256]).files == 2
    assert not copy.exists()


@pytest.mark.parametrize("by", ["sha256", "ids", "pages"])
def test_what_the_build_does_not_have_is_named(build, by):
    with pytest.raises(UsageError, match="has no such image"):
        take_down(build, **{by: ["nothing"]})
    assert len(kept(build)) == 1


def test_something_has_to_be_named(build):
    with pytest.raises(UsageError, match="--sha256, --id or --page"):
        take_down(build)


def test_the_command(build):
    (image,) = kept(build)
    sha256 = image.provenance["sha256"]
    done = vlsu("build", "take-down", build.folder, "--page", "https://example.org/one", "--json")
    assert json.loads(done.stdout) == {
        "images": [sha256],
        "given_up": {"images": 1, "queries": 1, "grades": 1},
        "files": 1,
    }
    vlsu("build", "take-down", build.folder, expect=2)


def test_an_image_of_a_service_is_forgotten_where_its_search_is_kept(tmp_path):
    from tests.build.images.test_services import Service

    service = Service()
    service.put("bridge", picture(1), url="https://example.org/1")
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    find_images(build, [service], ByWords([]))
    searches = list((build.index_folder / "searches").glob("*.json"))
    assert b"example.org" in searches[0].read_bytes()
    take_down(build, ids=["000"])
    assert b"example.org" not in searches[0].read_bytes()
