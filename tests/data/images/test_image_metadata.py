"""What a file says beside its picture never reaches a model; its pixels do, byte for byte."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.support.image_files import chunk, saved
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.data.images.metadata import is_bare, says_no_side, without_metadata
from vlsu.data.images.pixels import decode_picture, is_upright
from vlsu.data.images.probe import probe
from vlsu.models import ImageFile
from vlsu.models.formats.image_limits import ANTHROPIC, ANY_SERVER, GOOGLE, OPENAI, fit
from vlsu.runs.asking.images import DatasetImages

PROVIDERS = [OPENAI, ANY_SERVER, ANTHROPIC, GOOGLE]
#: Stands in every note below, and must stand in nothing that is sent.
SECRET = b"Erika Beispiel, 52.5163 N"


def picture() -> Image.Image:
    ramp = Image.radial_gradient("L").resize((48, 32))
    return Image.merge("RGB", (ramp, ramp.rotate(180), ramp))


def exif(orientation: int = 1) -> bytes:
    """Camera data with a place, an artist and which side is up."""
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x013B] = SECRET.decode()
    notes.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 58.0)})  # GPSLatitude
    return notes.tobytes()


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def jpeg(*segments: bytes, behind: bytes = b"", **options: object) -> bytes:
    data = saved(picture(), "JPEG", quality=90, **options)
    return data[:20] + b"".join(segments) + data[20:] + behind


def with_png_notes() -> bytes:
    data = saved(picture(), "PNG", exif=exif())
    head, pixels = data[:33], data[33:]
    texts = (
        chunk(b"tEXt", b"Author\0" + SECRET),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SECRET)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET),
        chunk(b"tIME", struct.pack(">HBBBBB", 2026, 1, 2, 3, 4, 5)),
        chunk(b"prVt", SECRET),
    )
    return head + b"".join(texts) + pixels + SECRET


def with_gif_notes() -> bytes:
    data = saved(picture().convert("P"), "GIF", comment=SECRET)
    at = data.index(b"\x21\xfe")
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes((len(SECRET),)) + SECRET + b"\0"
    return data[:at] + xmp + data[at:] + SECRET


def multi_picture() -> bytes:
    """As phones save: a second picture, with camera data of its own, behind the first."""
    second = saved(picture().resize((24, 16)), "JPEG", exif=exif())
    return saved(picture(), "MPO", save_all=True, append_images=[Image.open(io.BytesIO(second))])


NOTED = {
    "JPEG with EXIF": (jpeg(exif=exif()), "image/jpeg"),
    "JPEG with XMP": (
        jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET)),
        "image/jpeg",
    ),
    "JPEG with IPTC": (jpeg(segment(0xED, b"Photoshop 3.0\0" + SECRET)), "image/jpeg"),
    "JPEG with a comment": (jpeg(comment=SECRET), "image/jpeg"),
    "JPEG with a preview": (
        b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\3\3" + SECRET + b"!!") + jpeg()[20:],
        "image/jpeg",
    ),
    "JPEG with a film behind it": (jpeg(behind=b"ftypmp42" + SECRET), "image/jpeg"),
    "progressive JPEG with a late comment": (
        (late := jpeg(progressive=True))[: (at := late.rindex(b"\xff\xda"))]
        + segment(0xFE, SECRET)
        + late[at:],
        "image/jpeg",
    ),
    "JPEG with a second picture": (multi_picture(), "image/jpeg"),
    "PNG with every note": (with_png_notes(), "image/png"),
    "WebP": (saved(picture(), "WEBP", quality=90, exif=exif(), xmp=SECRET), "image/webp"),
    "WebP without loss": (saved(picture(), "WEBP", lossless=True, exif=exif()), "image/webp"),
    "GIF": (with_gif_notes(), "image/gif"),
}
OTHERS = {
    "TIFF": (saved(picture(), "TIFF", exif=exif()), "image/tiff"),
    "AVIF": (saved(picture(), "AVIF", exif=exif()), "image/avif"),
}


@pytest.mark.parametrize("name", NOTED)
def test_notes_are_cut_out_and_the_picture_is_not_touched(name: str) -> None:
    data, media_type = NOTED[name]
    bare = without_metadata(media_type, data)
    assert bare is not None
    assert len(bare) < len(data)
    assert SECRET not in bare
    assert b"Exif" not in bare
    # Pillow itself, not this package's decoder, which cleans what it reads.
    with Image.open(io.BytesIO(bare)) as after, Image.open(io.BytesIO(data)) as before:
        assert not after.getexif()
        assert not {"comment", "xmp", "exif", "Author"} & after.info.keys()
        assert np.array_equal(np.asarray(after), np.asarray(before))
        assert after.format == ("JPEG" if before.format == "MPO" else before.format)
    assert without_metadata(media_type, bare) is bare
    assert is_bare(media_type, bare, len(bare))
    assert not is_bare(media_type, data, len(data))


TURNED_BY_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<r:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></r:RDF>'
    b"</x:xmpmeta>"
)


def raw_profile() -> bytes:
    """How ImageMagick writes EXIF into a PNG's text."""
    notes = exif(6)
    return f"\nexif\n{len(notes):8}\n{notes.hex()}\n".encode()


def png_with(*notes: bytes) -> bytes:
    data = saved(picture(), "PNG")
    return data[:33] + b"".join(notes) + data[33:]


TURNED = {
    "JPEG by EXIF": jpeg(exif=exif(6)),
    "JPEG by XMP": jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + TURNED_BY_XMP)),
    "PNG by EXIF": saved(picture(), "PNG", exif=exif(6)),
    "PNG by XMP": png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + TURNED_BY_XMP)),
    "PNG by a raw profile": png_with(
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile()))
    ),
}


@pytest.mark.parametrize("name", TURNED)
def test_a_picture_that_any_note_turns_is_sent_turned(name: str) -> None:
    data = TURNED[name]
    facts = probe(data)
    assert not is_upright(data, facts)
    assert not says_no_side(facts.media_type, data)
    sent, _ = fit(ImageFile(data, facts.media_type), ANY_SERVER)
    assert probe(sent.data).width == facts.height


@pytest.mark.parametrize("name", [name for name in NOTED if name.startswith(("JPEG", "PNG"))])
def test_what_says_no_side_is_upright(name: str) -> None:
    data, media_type = NOTED[name]
    if says_no_side(media_type, data):
        assert is_upright(data, probe(data))
    assert says_no_side("image/jpeg", NOTED["JPEG with a comment"][0])
    assert says_no_side("image/png", png_with(chunk(b"tEXt", b"Author\0" + SECRET)))
    assert not says_no_side("image/webp", NOTED["WebP"][0])


@pytest.mark.parametrize("filled", [0, 1, 2, 5])
def test_bytes_that_fill_up_before_a_marker_stay(filled: int) -> None:
    data = saved(picture(), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xc4")  # tables of the last scan, right behind the pixels of another
    full = data[:at] + b"\xff" * filled + data[at:]
    assert without_metadata("image/jpeg", full) is full
    noted = full[:at] + segment(0xFE, SECRET) + full[at:]
    assert without_metadata("image/jpeg", noted) == full


@pytest.mark.parametrize("limits", PROVIDERS)
@pytest.mark.parametrize("name", NOTED | OTHERS)
def test_no_provider_is_sent_what_a_file_says(name: str, limits, tmp_path: Path) -> None:
    data, media_type = (NOTED | OTHERS)[name]
    sent, _ = fit(ImageFile(data, media_type), limits)
    assert SECRET not in sent.data
    with Image.open(io.BytesIO(sent.data)) as image:
        assert not image.getexif()
    store = ImageStore(tmp_path)
    sha256 = store.add(data)
    rows = [Sample("a", image_sha256=sha256)]
    dataset = write_dataset(
        tmp_path, rows, name="a", version="1", licence="", citation="", source=""
    )
    images = DatasetImages(dataset, limits)
    for _ in range(2):  # the second time by the quick way
        assert images.read_encoded(sha256).base64 == sent.base64
    assert images.read_image(sha256).data == sent.data


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("padding", [b"", bytes(7), b"\r\n"])
def test_a_file_without_notes_keeps_its_bytes(form: str, padding: bytes) -> None:
    image = picture().convert("P") if form == "GIF" else picture()
    data = saved(image, form) + padding
    media_type = probe(data).media_type
    assert without_metadata(media_type, data) == data
    if not padding or form != "JPEG":  # a padded JPEG takes the slow way to the same bytes
        assert is_bare(media_type, data, len(data))
    assert fit(ImageFile(data, media_type), ANY_SERVER) == (ImageFile(data, media_type), None)


def test_what_the_picture_depends_on_stays() -> None:
    clear = picture().convert("P")
    clear.info["transparency"] = 3
    icc = bytes(range(128)) * 2
    for data in (
        saved(clear, "PNG", transparency=3, pnginfo=notes()),
        saved(picture().convert("CMYK"), "JPEG", comment=SECRET),  # Adobe's transform
        saved(picture(), "JPEG", icc_profile=icc, comment=SECRET),
        saved(picture().convert("RGBA"), "WEBP", icc_profile=icc, xmp=SECRET),
    ):
        bare = without_metadata(probe(data).media_type, data)
        assert bare is not None
        assert SECRET not in bare
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(bare)) as after:
            assert after.info.get("icc_profile") == before.info.get("icc_profile")
            assert np.array_equal(
                np.asarray(after.convert("RGBA")), np.asarray(before.convert("RGBA"))
            )


def notes() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    return info


def test_frames_of_an_animation_stay() -> None:
    frames = [picture().rotate(90 * n).convert("P") for n in range(3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0, comment=SECRET)
    bare = without_metadata("image/gif", data)
    assert bare is not None
    with Image.open(io.BytesIO(bare)) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_picture_that_its_camera_data_turns_is_sent_turned(form: str, orientation: int) -> None:
    data = saved(picture(), form, exif=exif(orientation), quality=95)
    sent, change = fit(ImageFile(data, probe(data).media_type), ANY_SERVER)
    assert change == "converted"
    with Image.open(io.BytesIO(sent.data)) as image:
        assert not image.getexif()
        upright = decode_picture(data).image
        assert image.size == upright.size
        far = np.abs(np.asarray(image, dtype=int) - np.asarray(upright, dtype=int))
        assert far.mean() < 2


def test_a_comment_does_not_survive_scaling() -> None:
    data = saved(picture().resize((9000, 20)), "JPEG", comment=SECRET)
    sent, change = fit(ImageFile(data, "image/jpeg"), ANTHROPIC)
    assert change == "scaled"
    assert SECRET not in sent.data


@pytest.mark.parametrize("name", NOTED)
def test_a_damaged_file_is_cut_or_given_up_but_raises_nothing(name: str) -> None:
    data, media_type = NOTED[name]
    for end in range(0, len(data), max(1, len(data) // 60)):
        part = data[:end]
        assert without_metadata(media_type, part) is None or SECRET not in (
            without_metadata(media_type, part) or b""
        )
        is_bare(media_type, part, len(part))


@given(st.lists(st.sampled_from(b"\xff\xff\xff\xd9\xd9\xe0\xef\xfe\xd0\xdf\xf0\0")), st.booleans())
def test_a_bare_jpeg_has_one_end_and_nothing_noted_behind_its_head(pixels, ended):
    data = b"\xff\xd8\xff\xda" + bytes(pixels) + (b"\xff\xd9" if ended else b"")
    noted = {0xD9, *range(0xE0, 0xF0), 0xFE}
    marks = [n for n in range(2, len(data) - 1) if data[n] == 0xFF and data[n + 1] in noted]
    whole = len(data) >= 6 and marks == [len(data) - 2] and data.endswith(b"\xff\xd9")
    assert is_bare("image/jpeg", bytearray(data + b"\xff\xe0"), len(data)) == whole
