"""What is published says nothing beside its picture, and looks as before."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.images.test_image_metadata import NOTED, OTHERS, SECRET, exif, picture
from tests.support.image_files import saved
from vlsu.data.images.pixels import decode_picture, states_place
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
