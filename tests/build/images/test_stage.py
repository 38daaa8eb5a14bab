"""Images for concepts: what is taken, what is not, and that nothing else is stored."""

from __future__ import annotations

import hashlib

from PIL import Image

from tests.build.images.made import ByWords, Shelf, concept, made_build, picture
from vlsu.build.folder.build import status
from vlsu.build.images.filters import Seen, decoded, see
from vlsu.build.images.known import Known
from vlsu.build.images.options import Options
from vlsu.build.images.stage import find_images
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.data.images.pixels import Picture
from vlsu.policy import default_policy


def found(build, shelf, **options):
    """A start of the stage over one shelf."""
    return find_images(build, [shelf], ByWords([shelf]), **options)


def kept(build):
    """The records of images that are kept."""
    with build.store(read_only=True) as store:
        return store.records("images", kept=True)


def outcomes(build):
    """What came of each try."""
    with build.store(read_only=True) as store:
        return list(store.outcomes("images").values())


def test_the_best_image_is_stored_with_all_that_is_known_of_it(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    key = concept(build, "a stone bridge")
    shelf = Shelf()
    shelf.put("a river", picture(1))
    shelf.put(
        "a stone bridge over a river",
        picture(2),
        licence="CC BY 4.0",
        author="A. Painter",
        attribution="A. Painter, CC BY 4.0",
        page="https://example.org/bridge",
    )
    report = found(build, shelf)
    assert (report.tries, report.kept, dict(report.lost)) == (1, 1, {})
    (record,) = kept(build)
    sha256 = hashlib.sha256(picture(2)).hexdigest()
    assert record.parent == key
    assert record.content == {
        "caption": "a stone bridge over a river",
        "width": 320,
        "height": 240,
        "media_type": "image/png",
        "kinds": {"minor": False, "sexual": False, "propaganda": False},
    }
    provenance = dict(record.provenance)
    assert 0 <= provenance.pop("pre_filter")["nsfw"] < 0.5
    assert len(provenance.pop("pdq")) == 64
    del provenance["pdq_quality"], provenance["pixels"]
    assert provenance == {
        "source": "shelf",
        "licence": "CC BY 4.0",
        "sha256": sha256,
        "id": "001",
        "author": "A. Painter",
        "attribution": "A. Painter, CC BY 4.0",
        "page": "https://example.org/bridge",
        "rank": {"bm25": 1},
        "search": "a stone bridge",
    }
    assert build.images.read(sha256) == picture(2)


def test_as_many_images_are_found_as_are_wanted_and_none_twice(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=3")
    concept(build, "a bridge")
    concept(build, "a bridge")  # the same words again are the same record
    concept(build, "a stone bridge")
    shelf = Shelf()
    for n in range(6):
        shelf.put(f"bridge number {n}", picture(n))
    report = found(build, shelf)
    assert report.kept == 3
    assert len({each.provenance["sha256"] for each in kept(build)}) == 3
    assert found(build, shelf).tries == 0


def test_where_nothing_is_left_the_concept_ends_and_the_reason_is_counted(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=3")
    concept(build, "a stone bridge")
    concept(build, "lighthouse")
    shelf = Shelf()
    shelf.put("a stone bridge", picture(1))
    report = found(build, shelf)
    assert (report.kept, dict(report.lost)) == (
        1,
        {"no image left (already in the build)": 1, "no image found": 1},
    )
    assert report.lacking == (
        "C9, safe image: 2 more wanted, and no concept is left that may yield one",
    )
    assert status(build)["cells"]["S-S-U"]["C9"]["lost"] == {"images": 2}


def test_each_filter_refuses_for_its_own_reason_and_leaves_no_trace(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    shelf = Shelf()
    shelf.put("bridge 1", picture(1), licence="CC BY-NC 4.0")
    shelf.put("bridge 2", picture(2), licence="")
    shelf.put("bridge 3", picture(3), width=100, height=100)
    shelf.put("bridge 4", picture(4, size=(120, 120)))
    shelf.put("bridge 5", picture(5, size=(1000, 250)))
    shelf.put("bridge 6", b"<html>not found</html>")
    shelf.put("bridge 7", picture(7)[:2000])
    gone = shelf.put("bridge 8", picture(8))
    del shelf.images[gone.id]
    shelf.put("two boys on a bridge", picture(9))
    shelf.put("Brücke bridge", picture(10), language="pl")
    report = found(build, shelf)
    assert report.kept == 0
    assert report.refused == {
        "licence": 1,
        "licence not stated": 1,
        "too small": 2,
        "too long or too high for its other side": 1,
        "no image that can be read": 2,
        "cannot be read": 1,
        "rails: minor-in-harm": 1,
        "rails: words for age are not known in its language": 1,
    }
    assert not list(build.images.files())
    written = b"".join(file.read_bytes() for file in tmp_path.glob("build.sqlite*"))
    assert b"bridge 4" not in written
    assert b"two boys" not in written


def test_no_image_of_another_benchmark_is_taken_nor_its_like(tmp_path):
    store = ImageStore(tmp_path / "other")
    samples = [Sample("s1", image_sha256=store.add(picture(1, form="JPEG", quality=70)))]
    write_dataset(
        tmp_path / "other",
        samples,
        name="other",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )
    build = made_build(tmp_path / "b", "all=0", "S-S-U/C9=2")
    concept(build, "a bridge")
    shelf = Shelf()
    shelf.put("a bridge", picture(1))
    shelf.put("another bridge", picture(2))
    options = Options(against=[str(tmp_path / "other")])
    for start in range(2):  # the second reads what the first looked at
        report = find_images(build, [shelf], ByWords([shelf]), options)
        assert report.kept == (1 if start == 0 else 0)
    assert [each.provenance["id"] for each in kept(build)] == ["001"]
    (entry,) = outcomes(build)[0]["candidates"]
    assert (entry["reason"], entry["about"]["benchmark"]) == ("in another benchmark", "other")


def test_what_a_camera_noted_is_not_stored(tmp_path):
    noted = Image.Exif()
    noted[0x010F] = "A camera of somebody"
    data = picture(1, form="JPEG", exif=noted)
    assert b"camera of somebody" in data
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1")
    concept(build, "a bridge")
    shelf = Shelf()
    shelf.put("a bridge", data)
    found(build, shelf)
    (record,) = kept(build)
    stored = build.images.read(record.provenance["sha256"])
    assert b"camera of somebody" not in stored
    assert record.provenance["original"] == hashlib.sha256(data).hexdigest()
    # The file as its source has it is known again.
    assert found(build, shelf).tries == 0
    opened = decoded(data)
    assert isinstance(opened, Picture)
    seen = see(data, opened)
    assert isinstance(seen, Seen)
    with build.store(read_only=True) as store:
        refused = Known(store).refused(seen)
    assert refused is not None
    assert refused.reason == "already in the build"
