"""What looks alike, and lists of hashes."""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.build.images.made import picture
from tests.data.checks.test_near_images import waves
from vlsu.build.images.hash_lists import HASH_LISTS, hashes_of, open_hash_list
from vlsu.build.images.looks import Look, Looks, from_hex, look, to_hex
from vlsu.errors import UsageError

#: Seed of waves -> what threatexchange 1.2.17 (`PdqSignal.hash_from_bytes`) makes of them at
#: 512 by 512.
REFERENCE = {
    1: "0078002da878002df878ffd20387ffd2018755daaab7ffe00a97ffc00b97ffc0",
    3: "0357017d0357097d035729fd0357a9fd03d7fea85402feacfca95603fca85603",
}


def opened(data):
    """The picture of a file."""
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("seed", REFERENCE)
def test_a_hash_is_written_as_threatexchange_writes_it(seed):
    ours = look(waves(512, 512, seed)).pdq
    apart = bin(int(ours, 16) ^ int(REFERENCE[seed], 16)).count("1")
    assert apart <= 2
    assert to_hex(from_hex(ours)) == ours


@given(st.binary(min_size=32, max_size=32))
def test_any_hash_comes_back_as_it_was_written(data):
    assert to_hex(from_hex(data.hex().upper())) == data.hex()


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "g" * 64, "٣" * 64, " " + "0" * 63])
def test_other_texts_are_no_hashes(text):
    with pytest.raises(ValueError, match="not a PDQ hash"):
        from_hex(text)


def test_a_smaller_copy_is_near_and_another_picture_is_not():
    looks = Looks([("first", look(opened(picture(1))))])
    copy = opened(picture(1, form="JPEG", quality=60)).resize((200, 150))
    near = looks.nearest(look(copy))
    assert near is not None
    assert (near[0], near[1] <= 31) == ("first", True)
    assert looks.nearest(look(opened(picture(2)))) is None


def test_of_plain_pictures_only_the_same_pixels_are_alike():
    plain = [Image.new("RGB", (300, 200), (shade, 0, 0)) for shade in (10, 10, 11)]
    looks = Looks([("plain", look(plain[0]))])
    assert looks.nearest(look(plain[1])) == ("plain", 0)
    assert looks.nearest(look(plain[2])) is None


def test_a_list_matches_turned_and_mirrored_copies(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(f"hash,label\n\n{look(opened(picture(1))).pdq.upper()},known\n")
    listed = open_hash_list(f"pdq:{file}")
    assert listed.name == "list.csv"
    for turned in (
        opened(picture(1)),
        opened(picture(1)).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        opened(picture(1)).rotate(90, expand=True),
        opened(picture(1)).rotate(180),
    ):
        assert listed.match(b"", hashes_of(turned)) == "known"
    assert listed.match(b"", hashes_of(opened(picture(2)))) is None


def test_a_plain_picture_matches_nothing(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("0" * 64)
    assert open_hash_list(str(file)).match(b"", hashes_of(Image.new("RGB", (300, 200)))) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hash,label\nabc,known\n", "line 2: no PDQ hash of 64 hexadecimal digits"),
        (b"hash,label\n", "holds no hash"),
        (b"\xff\xfe\x00", "is no text"),
        (None, "cannot be read"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, content, said):
    file = tmp_path / "list.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        open_hash_list(f"pdq:{file}")


@HASH_LISTS.register("made-sha256")
class OwnList:
    """A list of another kind: it knows files by their SHA-256."""

    name = "own"

    def __init__(self, where):
        self.known = set(where.split("+"))

    def match(self, image, hashes):
        return "" if hashlib.sha256(image).hexdigest() in self.known else None


def test_a_list_of_ones_own_is_opened_by_its_name():
    listed = open_hash_list(f"made-sha256:{hashlib.sha256(picture(1)).hexdigest()}")
    assert listed.match(picture(1), []) == ""
    assert listed.match(picture(2), []) is None


@pytest.mark.parametrize("spec", ["", " ", "pdq:"])
def test_a_list_without_a_file_is_none(spec):
    with pytest.raises(UsageError, match="names no file"):
        open_hash_list(spec)


def test_an_unknown_kind_of_list_is_named():
    with pytest.raises(UsageError, match="--hash-list: unknown kind of list 'other'"):
        open_hash_list("other:file")


@pytest.mark.skipif(find_spec("threatexchange") is not None, reason="the package is there")
def test_without_its_package_the_other_adapter_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="pip install threatexchange"):
        open_hash_list(f"threatexchange:{tmp_path / 'list.csv'}")


def test_with_its_package_the_other_adapter_matches(tmp_path):
    pytest.importorskip("threatexchange.signal_type.pdq.signal")
    file = tmp_path / "list.csv"
    file.write_text(f"{look(opened(picture(1))).pdq},known\n")
    listed = open_hash_list(f"threatexchange:{file}")
    assert listed.match(picture(1), []) == "known"
    assert listed.match(picture(2), []) is None


def test_a_look_with_too_little_in_it_is_not_comparable():
    assert not Look("0" * 64, 49, "").comparable
