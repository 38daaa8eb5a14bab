"""What is published says nothing beside its picture, and looks as before."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.images.test_image_metadata import NOTED, OTHERS, SECRET, exif, picture
from tests.support.image_files import saved
from vlsu.data import ImageStore, Sample, full_check, write_dataset
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.place import states_place
from vlsu.data.images.probe import EXTENSIONS, ImageError, probe
from vlsu.data.images.stripping import stripped

EXTENSION = {media_type: extension for extension, media_type in EXTENSIONS.items()}


@pytest.mark.parametrize("name", NOTED)
def test_pixels_are_not_encoded_again(name: str) -> None:
    data, media_type = NOTED[name]
    bare, extension, converted = stripped(data, EXTENSION[media_type])
    assert SECRET not in bare
    assert (extension, converted) == (EXTENSION[media_type], False)
    with Image.open(io.BytesIO(bare)) as after, Image.open(io.BytesIO(data)) as before:
        assert np.array_equal(np.asarray(after), np.asarray(before))
    assert stripped(bare, extension).data is bare


@pytest.mark.parametrize("name", OTHERS)
def test_formats_from_which_nothing_can_be_cut_are_converted(name: str) -> None:
    data, media_type = OTHERS[name]
    bare, extension, converted = stripped(data, EXTENSION[media_type])
    assert SECRET not in bare
    assert (extension, converted) == ({"TIFF": "png", "AVIF": "jpg"}[name], True)
    before = np.asarray(decode_picture(data).image).astype(int)
    assert abs(np.asarray(decode_picture(bare).image) - before).max() <= (
        0 if name == "TIFF" else 8
    )


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_which_side_is_up_is_the_one_note_that_stays(kind: str, turn: int) -> None:
    data = saved(picture(), kind, exif=exif(turn))
    bare, _, converted = stripped(data, {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[kind])
    assert SECRET not in bare
    assert not converted
    with Image.open(io.BytesIO(bare)) as after, Image.open(io.BytesIO(data)) as before:
        assert dict(after.getexif()) == ({} if turn == 1 else {0x0112: turn})
        assert np.array_equal(np.asarray(after), np.asarray(before))
        seen = np.asarray(ImageOps.exif_transpose(before))
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(after)), seen)
    assert stripped(bare, probe(bare).extension).data is bare


def test_a_file_that_says_nothing_keeps_its_bytes() -> None:
    data = saved(picture(), "PNG")
    assert stripped(data, "png").data is data


def test_a_picture_that_would_have_to_be_decoded_and_cannot_be_is_an_error() -> None:
    data = OTHERS["TIFF"][0]
    with pytest.raises(ImageError):
        stripped(data[: len(data) // 2], "tiff")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_coordinates_in_xmp_are_a_place_too(kind: str) -> None:
    """As some phones and most programs for photographs write them."""
    xmp = b'<rdf:Description exif:GPSLatitude="52,31.2N" exif:GPSLongitude="13,24.6E"/>'
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        notes = PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        data = saved(picture(), kind, pnginfo=notes)
        assert b"GPS" not in data  # it is compressed
    else:
        data = saved(picture(), kind, xmp=xmp)
    assert states_place(data, probe(data))
    bare = stripped(data, probe(data).extension).data
    assert not states_place(bare, probe(bare))


def with_iptc(data: bytes, *fields: tuple[int, bytes]) -> bytes:
    """A JPEG with datasets of IPTC record 2 in a Photoshop segment (APP13)."""
    iptc = b"".join(
        b"\x1c\x02" + bytes([number]) + len(value).to_bytes(2) + value for number, value in fields
    )
    block = b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4) + iptc + b"\0" * (len(iptc) % 2)
    body = b"Photoshop 3.0\0" + block
    return data[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2) + body + data[2:]


def two_pictures(second: Image.Exif) -> bytes:
    """A multi-picture file, as cameras write it, whose second picture has notes of its own."""
    buffer = io.BytesIO()
    other = picture()
    other.encoderinfo = {"exif": second.tobytes()}
    picture().save(buffer, "MPO", save_all=True, append_images=[other])
    return buffer.getvalue()


def test_coordinates_of_a_second_picture_are_a_place_and_go(tmp_path: Path) -> None:
    placed, unplaced = Image.Exif(), Image.Exif()
    placed.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    unplaced[0x010F] = "A camera"
    data = two_pictures(placed)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 2)
        assert not image.getexif().get_ifd(0x8825)  # the first says nothing
    assert states_place(data, probe(data))
    other = two_pictures(unplaced)
    assert not states_place(other, probe(other))
    assert located(data, tmp_path) == ["a"]
    bare, _, converted = stripped(data, probe(data).extension)
    assert not converted
    assert not states_place(bare, probe(bare))
    assert b"Exif" not in bare


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ([(90, b"Berlin")], True),
        ([(92, b"Tiergarten")], True),
        ([(5, b"A title"), (90, b"Berlin"), (92, b"")], True),
        ([(90, b" ")], False),
        ([(101, b"Germany"), (5, b"Berlin")], False),  # a country, and a title
    ],
)
def test_a_city_in_iptc_is_a_place_and_goes(
    fields: list[tuple[int, bytes]], place: bool, tmp_path: Path
) -> None:
    data = with_iptc(saved(picture(), "JPEG"), *fields)
    assert states_place(data, probe(data)) == place
    assert located(data, tmp_path) == (["a"] if place else [])
    bare = stripped(data, "jpg").data
    assert b"8BIM" not in bare
    assert not states_place(bare, probe(bare))


@pytest.mark.parametrize(
    ("note", "place"),
    [
        (b'<rdf:Description photoshop:City="Berlin"/>', True),
        (b"<Iptc4xmpCore:Location>Tiergarten</Iptc4xmpCore:Location>", True),
        (b'<rdf:Description photoshop:City=""/>', False),
        (b"<photoshop:City> </photoshop:City>", False),
        (b'<rdf:Description photoshop:Country="Germany"/>', False),
    ],
)
def test_a_city_in_xmp_is_a_place(note: bytes, place: bool) -> None:
    data = saved(picture(), "JPEG", xmp=note)
    assert states_place(data, probe(data)) == place


def located(data: bytes, folder: Path) -> list[str]:
    """The samples whose image says where it was taken, by the check of a dataset of this one."""
    sha256 = ImageStore(folder / "d").add(data)
    dataset = write_dataset(
        folder / "d", [Sample("a", text="x", image_sha256=sha256)],
        name="d", version="1", licence="", citation="", source="",
    )  # fmt: skip
    found = full_check(dataset).personal.get("image_location", {})
    return list(found.get("ids", []))
