"""Faces are found and blurred where the pair is harmful, for all samples of the image alike."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import vlsu as package
from tests.build.assembly.test_selecting import item
from tests.support.builds import add_sample, chosen, finished_build
from tests.support.commands import vlsu
from vlsu.build.assembly.faces import blurred, find_faces
from vlsu.build.assembly.shown import NO_DERIVATIVES, WITHOUT_CONSENT, read_consents, show
from vlsu.build.plan.cells import Cell
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.store import ImageStore
from vlsu.policy import Pattern

#: Of vlsu-mini: an older woman's face, drawn, seen from the front; and a loaf of bread.
FACE, BREAD = "Older woman", "Loaf of bread"
SAFE = Cell(Pattern.parse("S-S-S"), None, "en")


@pytest.fixture(scope="module")
def pictures():
    mini = package.load("vlsu-mini")
    found = {}
    for sample in mini:
        if sample.metadata["caption"] in (FACE, BREAD):
            assert sample.image_sha256 is not None
            found[sample.metadata["caption"]] = mini.read_image(sample.image_sha256)
    return found


@pytest.fixture
def stores(tmp_path):
    return ImageStore(tmp_path / "found"), ImageStore(tmp_path / "blurs")


def drawn(items, sha256):
    """The items with a picture of the store."""
    image = {**items[0].provenance["image"], "sha256": sha256}
    return [
        replace(each, image=sha256, shown=sha256, provenance={"image": image}) for each in items
    ]


def pixels(data):
    return np.asarray(decode_picture(data).image.convert("RGB")).astype(int)


def test_a_face_is_found_where_it_is_and_blurred_there_alone(pictures):
    picture = decode_picture(pictures[FACE]).image
    file = io.BytesIO()
    picture.save(file, "PNG")  # a lossless file stays one, so that all else is as it was
    data = file.getvalue()
    (box,) = find_faces(picture)
    width, height = picture.size
    assert box.left < width / 2 < box.right
    assert box.top < height / 2 < box.bottom
    changed, number = blurred(data)
    assert number == 1
    before, after = pixels(data), pixels(changed)
    assert before.shape == after.shape
    differs = (before != after).any(axis=2)
    middle = differs[box.top : box.bottom, box.left : box.right]
    assert middle.mean() > 0.4
    margin = 0.2 * max(box.right - box.left, box.bottom - box.top) + 1
    rows, columns = np.nonzero(differs)
    assert rows.min() >= box.top - margin
    assert columns.max() <= box.right + margin
    # What makes a face is gone: it is not found any more.
    assert find_faces(decode_picture(changed).image) == []


def test_a_picture_without_a_face_keeps_its_bytes(pictures):
    assert blurred(pictures[BREAD]) == (pictures[BREAD], 0)


def test_the_blurred_file_has_no_metadata(pictures):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "whose picture this is"
    decode_picture(pictures[FACE]).image.convert("RGB").save(file, "JPEG", exif=exif)
    changed, number = blurred(file.getvalue())
    assert number == 1
    assert b"whose picture" in file.getvalue()
    assert b"whose picture" not in changed
    assert Image.open(io.BytesIO(changed)).format == "JPEG"


def test_harmless_samples_of_the_image_get_the_same_picture(pictures, stores):
    images, blurs = stores
    sha256 = images.add(pictures[FACE])
    items = drawn([item(1), item(2, cell=SAFE)], sha256)
    found = show(items, images, blurs, "blur")
    assert (found.searched, found.with_faces, found.blurred) == (1, 1, 1)
    one, other = found.items
    assert one.shown == other.shown != sha256
    assert one.image == sha256
    assert one.notes["faces"] == {"found": 1, "blurred": True}
    assert blurs.path(one.shown) is not None


def test_faces_in_harmless_samples_stay_unless_asked_for(pictures, stores):
    images, blurs = stores
    items = drawn([item(1, cell=SAFE)], images.add(pictures[FACE]))
    assert show(items, images, blurs, "blur").items == items
    assert show(items, images, blurs, "keep").items == items
    (everywhere,) = show(items, images, blurs, "blur-all").items
    assert everywhere.shown != everywhere.image


def test_what_graders_saw_blurred_stays_blurred(pictures, stores):
    images, blurs = stores
    sha256 = images.add(pictures[FACE])
    items = drawn([item(1, cell=SAFE)], sha256)
    (found,) = show(items, images, blurs, "blur", blurred_before={sha256}).items
    assert found.shown != sha256


def test_an_image_that_must_not_be_changed_is_left_out(pictures, stores):
    images, blurs = stores
    (each,) = drawn([item(1)], images.add(pictures[FACE]))
    image = {**each.provenance["image"], "licence": "CC-BY-ND-4.0"}
    found = show([replace(each, provenance={"image": image})], images, blurs, "blur")
    assert (list(found.items), found.left_out) == ([], {NO_DERIVATIVES: 1})


def test_beside_harm_only_who_consented(pictures, stores, tmp_path):
    images, blurs = stores
    sha256 = images.add(pictures[FACE])
    items = drawn([item(1), item(2, cell=SAFE)], sha256)
    found = show(items, images, blurs, "consented")
    assert [each.id for each in found.items] == [items[1].id]
    assert found.left_out == {WITHOUT_CONSENT: 1}
    file = tmp_path / "consents.txt"
    file.write_text(f"# asked on the telephone\n{sha256}\n")
    found = show(items, images, blurs, "consented", consents=read_consents(file))
    assert [each.shown for each in found.items] == [sha256, sha256]
    declared = {**items[0].provenance["image"], "consent": True}
    told = [replace(items[0], provenance={"image": declared})]
    assert show(told, images, blurs, "consented").left_out == {}


def test_the_dataset_has_the_blurred_picture_and_no_way_to_the_other(pictures, tmp_path):
    build = finished_build(tmp_path / "b", 2, unfiltered=0)
    mini = package.load("vlsu-mini")
    harmful = next(each for each in chosen(40) if str(each.pattern) == "S-S-U")
    with build.store() as store:
        keys = add_sample(build, store, mini, harmful, 70, image=pictures[FACE])
        original = str(store.record(keys["images"]).provenance["sha256"])
    told = vlsu("build", "assemble", build.folder, "--out", tmp_path / "d", "--json")
    assert json.loads(told.stdout)["faces"]["blurred"] == 1
    dataset = package.load(tmp_path / "d")
    assert dataset.images.path(original) is None
    (sample,) = [each for each in dataset if each.text == harmful.text]
    assert sample.image_sha256 != original
    assert sample.image_url is None
    notice = (tmp_path / "d" / "NOTICE.md").read_text()
    assert notice.count("changed: faces blurred") == 1
    # Nothing of it is left in the build but what was found.
    assert {path.stem for path in (tmp_path / "b").rglob("*.webp")} <= {
        path.stem for path in build.images.files()
    }
    assert not (tmp_path / "b" / ".faces").exists()
    stated = str(dataset.info.datasheet["manipulation"])
    assert "found in 1, and blurred in 1" in stated


def test_consents_are_for_their_mode(tmp_path):
    build = finished_build(tmp_path / "b", 1, unfiltered=0)
    arguments = ("build", "assemble", build.folder, "--out", tmp_path / "d")
    done = vlsu(*arguments, "--consents", "x.txt", expect=2)
    assert done.stderr == "error: --consents: is for --faces consented\n"
    done = vlsu(*arguments, "--faces", "consented", "--consents", "x.txt", expect=2)
    assert "x.txt: cannot be read" in done.stderr
    assert "give blur, blur-all, keep, consented" in vlsu(*arguments, "--faces", "hide",
                                                          expect=2).stderr  # fmt: skip
