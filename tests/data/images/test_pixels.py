"""One decoder for all who look at an image; its pixels are checked against sums done by hand."""

import base64
import hashlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.support.image_files import chunk, png, saved, tiff
from vlsu.data import ImageStore, Sample, check_dataset, write_dataset
from vlsu.data.images.colours import colours
from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.data.images.probe import ImageError, ImageFault
from vlsu.models import ImageFile
from vlsu.models.base import ImageLimits
from vlsu.models.baseline.pixels import decode as decode_for_baseline
from vlsu.models.formats.image_limits import fit
from vlsu.report.thumbnails import thumbnail

#: Takes nothing as it is, so that every image is converted.
NOTHING = ImageLimits(("image/none",))

RAMP = np.linspace(0, 1, 128).reshape(8, 16)
WIDE = (np.arange(128).reshape(8, 16) * 516).astype(np.uint16)  # 0 to 65,532
NARROW = (np.arange(128).reshape(8, 16) * 2).astype(np.uint8)


def rounded(values):
    return np.rint(values).astype(np.uint8)


GREY = {
    "16-bit PNG": (png(WIDE, 16, 0), WIDE >> 8),
    "16-bit TIFF": (tiff(WIDE), WIDE >> 8),
    "16-bit TIFF, big-endian": (
        saved(Image.frombytes("I;16B", (16, 8), WIDE.astype(">u2").tobytes()), "TIFF"),
        WIDE >> 8,
    ),
    "16-bit TIFF, white is 0": (tiff(WIDE, photometric=0), 255 - (WIDE >> 8)),
    "signed 16-bit TIFF": (
        tiff((WIDE.astype(np.int32) - 32768).astype(np.int16)),
        rounded(WIDE / 65532 * 255),
    ),
    "32-bit integers of 8 bits": (tiff(NARROW.astype(np.int32)), NARROW),
    "32-bit integers of 16 bits": (tiff(WIDE.astype(np.int32)), WIDE >> 8),
    "32-bit integers, all used": (
        tiff((np.arange(128).reshape(8, 16) * (2**25 - 1)).astype(np.uint32)),
        rounded(np.arange(128).reshape(8, 16) / 127 * 255),
    ),
    "a mask of 0 and 1": (tiff((NARROW > 99).astype(np.int32)), (NARROW > 99) * 255),
    "floats from 0 to 1": (tiff(RAMP.astype(np.float32)), rounded(RAMP * 255)),
    "floats, white is 0": (tiff(RAMP.astype(np.float32), 0), 255 - rounded(RAMP * 255)),
    "floats from 0 to 255": (tiff((RAMP * 255).astype(np.float32)), rounded(RAMP * 255)),
    "floats from 0 to 65535": (tiff((RAMP * 65535).astype(np.float32)), rounded(RAMP * 255)),
    "floats from -1 to 1": (tiff((RAMP * 2 - 1).astype(np.float32)), rounded(RAMP * 255)),
    "tiny floats below 0": (tiff((RAMP * 1e-9 - 1e-9).astype(np.float32)), rounded(RAMP * 255)),
    "huge floats": (tiff((RAMP * 1e30).astype(np.float32)), rounded(RAMP * 255)),
    "floats with a stated range": (
        tiff((RAMP / 2).astype(np.float32), least=0.0, greatest=2.0),
        rounded(RAMP / 4 * 255),
    ),
    "8-bit PNG": (png(NARROW, 8, 0), NARROW),
    "4-bit PNG": (png(NARROW % 16, 4, 0), NARROW % 16 * 17),
    "2-bit PNG": (png(NARROW % 4, 2, 0), NARROW % 4 * 85),
    "1-bit PNG": (png(NARROW // 2 % 2, 1, 0), NARROW // 2 % 2 * 255),
    "1-bit TIFF": (saved(Image.fromarray(NARROW > 99), "TIFF"), (NARROW > 99) * 255),
}


def thumbnail_pixels(data):
    picture = thumbnail(data)
    assert picture.uri is not None, picture.reason
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2]))))


def sent_pixels(data):
    sent, change = fit(ImageFile(data, "image/other"), NOTHING)
    assert change == "converted"
    return np.asarray(Image.open(io.BytesIO(sent.data)))


@pytest.mark.parametrize("name", GREY)
def test_grey_of_any_depth_is_scaled_to_eight_bits_for_everyone(name):
    data, expected = GREY[name]
    image = decode_picture(data).image
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), expected)
    baseline = np.asarray(decode_for_baseline(data))
    assert np.array_equal(baseline, np.stack([expected] * 3, axis=-1))
    assert np.array_equal(sent_pixels(data), expected)
    # WebP with loss: the mean holds within two levels, and neither end is all there is.
    assert thumbnail_pixels(data).mean() == pytest.approx(expected.mean(), abs=2)


def test_floats_that_are_no_numbers_are_black_and_infinite_ones_the_ends():
    values = np.tile(np.array([0.5, np.nan, np.inf, -np.inf, 1.0, 0.0], np.float32), (4, 1))
    image = decode_picture(tiff(values)).image
    assert np.asarray(image)[0].tolist() == [128, 0, 255, 0, 255, 0]


def test_floats_without_a_finite_number_are_black():
    assert not np.asarray(decode_picture(tiff(np.full((2, 2), np.nan, np.float32))).image).any()


def test_highlights_do_not_make_a_picture_of_floats_black():
    values = np.full((100, 100), 0.5, np.float32)
    values[0, :50] = 3.0
    image = np.asarray(decode_picture(tiff(values)).image)
    assert (image[0, 0], image[50, 50]) == (255, 128)


def test_one_wild_value_does_not_make_a_picture_black():
    values = (np.arange(10_000).reshape(100, 100) * 100).astype(np.int32) - 1000
    values[0, 0] = 2**31 - 1
    image = np.asarray(decode_picture(tiff(values)).image).astype(int)
    assert image[0, 0] == 255
    assert image[50, 50] == pytest.approx(128, abs=2)


def test_a_plane_of_one_value_is_neither_black_nor_white():
    for value in (0.6, -7.0, 1e9):
        (level,) = set(np.asarray(decode_picture(tiff(np.full((4, 4), value, "f4"))).image).flat)
        assert 100 < level < 160


COLOUR = np.stack([NARROW, NARROW[::-1], 255 - NARROW], axis=-1)
DEEP = np.stack([WIDE, WIDE[::-1], 65535 - WIDE], axis=-1)


def test_colour_of_sixteen_bits_keeps_its_high_byte():
    assert np.array_equal(np.asarray(decode_picture(png(DEEP, 16, 2)).image), DEEP >> 8)


def test_cmyk_is_turned_into_light():
    ink = np.stack([NARROW, NARROW[::-1], 255 - NARROW, np.full_like(NARROW, 51)], axis=-1)
    image = decode_picture(saved(Image.fromarray(ink, "CMYK"), "TIFF")).image
    by_hand = (255 - ink[..., :3].astype(float)) * (255 - 51) / 255
    assert np.abs(np.asarray(image) - by_hand).max() <= 1


def test_lab_is_turned_into_light():
    lab = Image.new("LAB", (4, 4), (int(0.5 * 255), 128, 128))  # a grey of lightness 50
    pixels = np.asarray(decode_picture(saved(lab, "TIFF")).image).reshape(-1, 3)
    linear = ((50 + 16) / 116) ** 3  # CIE 1976, then the curve of sRGB
    by_hand = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(pixels - by_hand).max() <= 3


# Transparency

HALF = np.where(np.indices((8, 16))[1] < 8, 0, 255).astype(np.uint8)
TRANSPARENT = {
    "grey with alpha": (png(np.stack([NARROW, HALF], -1), 8, 4), NARROW, HALF),
    "16-bit grey with alpha": (
        png(np.stack([WIDE, HALF.astype(np.uint16) * 257], -1), 16, 4),
        WIDE >> 8,
        HALF,
    ),
    "colour with alpha": (png(np.dstack([COLOUR, HALF]), 8, 6), COLOUR, HALF),
    "a grey level": (
        png(NARROW, 8, 0, chunk(b"tRNS", struct.pack(">H", 40))),
        NARROW,
        (NARROW != 40) * 255,
    ),
    "a 16-bit grey level": (
        png(WIDE, 16, 0, chunk(b"tRNS", struct.pack(">H", 516))),
        WIDE >> 8,
        (WIDE != 516) * 255,
    ),
    "a 4-bit grey level": (
        png(NARROW % 16, 4, 0, chunk(b"tRNS", struct.pack(">H", 6))),
        NARROW % 16 * 17,
        (NARROW % 16 != 6) * 255,
    ),
    "a 2-bit grey level": (
        png(NARROW // 2 % 4, 2, 0, chunk(b"tRNS", struct.pack(">H", 3))),
        NARROW // 2 % 4 * 85,
        (NARROW // 2 % 4 != 3) * 255,
    ),
    "black of two": (
        png(NARROW // 2 % 2, 1, 0, chunk(b"tRNS", struct.pack(">H", 0))),
        NARROW // 2 % 2 * 255,
        NARROW // 2 % 2 * 255,
    ),
    "a colour": (
        png(COLOUR, 8, 2, chunk(b"tRNS", struct.pack(">HHH", *COLOUR[3, 5]))),
        COLOUR,
        ~(COLOUR[3, 5] == COLOUR).all(axis=-1) * np.uint8(255),
    ),
    "a 16-bit colour": (
        png(DEEP, 16, 2, chunk(b"tRNS", struct.pack(">HHH", *DEEP[3, 5]))),
        DEEP >> 8,
        ~(DEEP[3, 5] == DEEP).all(axis=-1) * np.uint8(255),
    ),
    "entries of a palette": (
        png(
            NARROW % 4,
            8,
            3,
            chunk(b"PLTE", bytes([9, 9, 9, 99, 99, 99, 9, 99, 199, 250, 1, 1])),
            chunk(b"tRNS", bytes([0, 100])),
        ),
        np.array([[9, 9, 9], [99, 99, 99], [9, 99, 199], [250, 1, 1]])[NARROW % 4],
        np.array([0, 100, 255, 255])[NARROW % 4],
    ),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_transparency_of_every_kind_becomes_an_alpha_channel(name):
    data, colours, alpha = TRANSPARENT[name]
    image = decode_picture(data).image
    assert image.mode in ("LA", "RGBA")
    pixels = np.asarray(image)
    channels = pixels[..., 0] if image.mode == "LA" else pixels[..., :3]
    assert (channels.T == colours.T).all()  # Pillow reads deep grey with alpha as colour
    assert np.array_equal(pixels[..., -1], alpha)
    assert np.array_equal(sent_pixels(data), pixels)  # a provider gets the alpha channel


@pytest.mark.parametrize("name", sorted(TRANSPARENT.keys() - {"black of two"}))
def test_the_baseline_sees_it_on_white(name):
    data, colours, alpha = TRANSPARENT[name]
    light = colours if colours.ndim == 3 else np.dstack([colours] * 3)
    share = alpha[..., None] / 255
    by_hand = light * share + 255 * (1 - share)
    assert np.abs(np.asarray(decode_for_baseline(data)) - by_hand).max() <= 1


def test_a_white_drawing_without_a_ground_is_not_lost_on_white():
    alpha = np.zeros((20, 20), np.uint8)
    alpha[5:15, 5:15] = 255
    white = np.dstack([np.full((20, 20, 3), 255, np.uint8), alpha])
    seen = np.asarray(decode_for_baseline(saved(Image.fromarray(white), "PNG")))
    assert (seen[10, 10].tolist(), seen[0, 0].tolist()) == ([255] * 3, [0] * 3)
    dark = np.dstack([np.zeros((20, 20, 3), np.uint8), alpha])
    seen = np.asarray(flatten(Image.fromarray(dark), (0, 0, 0)))
    assert (seen[10, 10].tolist(), seen[0, 0].tolist()) == ([0] * 3, [255] * 3)


# What lies beside the picture

RED = Image.new("RGB", (6, 4), (200, 30, 30))


def turned(n):
    exif = Image.Exif()
    exif[0x0112] = n
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_for_everyone(form, orientation):
    corner = np.zeros((16, 32, 3), np.uint8)
    corner[:8, :8] = 255  # top left
    options = {"quality": 100} if form != "TIFF" else {}
    data = saved(Image.fromarray(corner), form, exif=turned(orientation), **options)
    # EXIF 2.32, tag 274: where row 0 and column 0 of the file are to be seen.
    row, column = {
        1: (0, 0),
        2: (0, 1),
        3: (1, 1),
        4: (1, 0),
        5: (0, 0),
        6: (0, 1),
        7: (1, 1),
        8: (1, 0),
    }[orientation]
    size = (32, 16) if orientation < 5 else (16, 32)
    for pixels in (
        np.asarray(decode_picture(data).image),
        np.asarray(decode_for_baseline(data)),
        sent_pixels(data),
        thumbnail_pixels(data),
    ):
        assert pixels.shape[1::-1] == size
        seen = pixels[row * -4 + (1 - row) * 4, column * -4 + (1 - column) * 4]
        assert seen.mean() > 200
        assert pixels.mean() < 60


ODD = {
    "0": (3, 1, struct.pack(">HH", 0, 0)),
    "9": (3, 1, struct.pack(">HH", 9, 0)),
    "65535": (3, 1, struct.pack(">HH", 65535, 0)),
    "a text": (2, 2, b"6\0\0\0"),
    "two numbers": (3, 2, struct.pack(">HH", 6, 6)),
    "no number": (3, 0, bytes(4)),
    "a byte of no kind": (7, 1, b"\x06\0\0\0"),
    "a float": (11, 1, struct.pack(">f", 6.5)),
    "an unknown type": (99, 1, bytes(4)),
    "beyond the end": (3, 2**31, struct.pack(">I", 2**31)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_odd_orientation_loses_nothing(form, name):
    kind, count, value = ODD[name]
    entry = struct.pack(">HHHI", 1, 0x0112, kind, count) + value
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + entry + bytes(4)
    image = decode_picture(saved(RED, form, exif=exif)).image
    assert image.size in ((6, 4), (4, 6))
    assert np.abs(np.asarray(image).astype(int) - (200, 30, 30)).max() <= 12


def mutations(data, places, seed, times=60):
    """The file with some bytes of these places changed, in many ways."""
    chance = np.random.default_rng(seed)
    for _ in range(times):
        changed = bytearray(data)
        for place in chance.choice(places, min(len(places), int(chance.integers(1, 9)))):
            changed[place] = int(chance.integers(256))
        yield bytes(changed)


def exif_of_a_camera():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0131], exif[0x011A] = 6, "maker", "program" * 9, 300.0
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x927C] = b"x" * 100
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "MPO"])
def test_damaged_exif_loses_no_image(form):
    block = exif_of_a_camera()
    more = {"save_all": True, "append_images": [RED]} if form == "MPO" else {}
    data = saved(RED, form, exif=block, **more)
    start = data.index(b"MM\0*") if b"MM\0*" in data else data.index(b"II*\0")
    for changed in mutations(data, range(start, start + 120), seed=len(form)):
        if form == "PNG":
            at = changed.index(b"eXIf")
            (length,) = struct.unpack(">I", changed[at - 4 : at])
            crc = struct.pack(">I", zlib.crc32(changed[at : at + 4 + length]))
            changed = changed[: at + 4 + length] + crc + changed[at + 8 + length :]
        pixels = np.asarray(decode_picture(changed).image).astype(int)
        assert np.abs(pixels - (200, 30, 30)).max() <= 12


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_directory_of_notes_loses_no_tiff():
    data = saved(RED, "TIFF", exif=exif_of_a_camera())
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    entries = range(start + 2, start + 2 + 12 * count, 12)
    notes = [at for at in entries if struct.unpack("<H", data[at : at + 2])[0] in (271, 282, 305)]
    notes += [at for at in entries if struct.unpack("<H", data[at : at + 2])[0] > 30_000]
    assert len(notes) >= 4
    places = [place for at in notes for place in range(at + 2, at + 12)]
    for changed in mutations(data, places, seed=1):
        assert (
            np.asarray(decode_picture(changed).image).reshape(-1, 3).tolist()
            == [[200, 30, 30]] * 24
        )


LONG = b"x" * 1_300_000
BESIDE = {
    "a large compressed text": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG)),
    "a large international text": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(LONG)),
    "a large plain text": chunk(b"tEXt", b"workflow\0" + LONG),
    "many texts": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG[:900_000])) * 80,
    "a text that unpacks without end": chunk(
        b"zTXt", b"workflow\0\0" + zlib.compress(bytes(100_000_000))
    ),
    "a text with a wrong checksum": chunk(b"tEXt", b"note\0text", crc=1),
    "a text that is no zlib": chunk(b"zTXt", b"note\0\0nothing"),
    "an unknown way to pack a text": chunk(b"zTXt", b"note\0\7nothing"),
    "an empty gamma": chunk(b"gAMA", b""),
    "a short time": chunk(b"tIME", b"1"),
    "short dimensions": chunk(b"pHYs", b"12"),
    "a profile that unpacks without end": chunk(
        b"iCCP", b"p\0\0" + zlib.compress(bytes(50_000_000))
    ),
    "an unknown way to pack a profile": chunk(b"iCCP", b"p\0\7" + b"abc"),
    "an empty profile": chunk(b"iCCP", b""),
    "Exif that is none": chunk(b"eXIf", b"nothing"),
    "empty Exif": chunk(b"eXIf", b""),
    "a hostile raw profile": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nzzzz\n"),
    "an animation of no frame": chunk(b"acTL", struct.pack(">II", 0, 0)),
    "an animation out of order": chunk(b"acTL", struct.pack(">II", 2, 0))
    + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 5, 6, 4, 0, 0, 1, 1, 0, 0)),
    "a chunk of a program": chunk(b"prVt", b"\xff" * 500),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_what_lies_beside_the_picture_loses_no_png(name, place, tmp_path):
    beside = BESIDE[name]
    pixels = np.asarray(RED)
    data = png(pixels, 8, 2, beside) if place == "before" else png(pixels, 8, 2, after=beside)
    assert np.array_equal(np.asarray(decode_picture(data).image), pixels)
    assert np.array_equal(np.asarray(decode_for_baseline(data)), pixels)
    assert thumbnail(data).uri
    store = ImageStore(tmp_path)
    sha256 = store.add(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.read(sha256) == data  # the file is stored as it is, texts and all


def jpeg_with(segment):
    data = saved(RED, "JPEG", quality=95)
    return data[:2] + segment + data[2:]


def segment(number, body):
    return bytes([0xFF, number]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "segment",
    [
        segment(0xE2, b"MPF\0" + b"II*\0" + bytes(40)),
        segment(0xE2, b"MPF\0MM\0*" + struct.pack(">IHHHII", 8, 1, 0xB001, 4, 1, 9) + bytes(4)),
        segment(0xE2, b"ICC_PROFILE\0\5\1" + b"junk"),
        segment(0xE1, b"Exif\0\0"),
        segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<I", 2**31)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='wrong'"),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff"),
        segment(0xEE, b"Adobe"),
        segment(0xFE, b"\xff\xfe a comment"),
    ],
)
def test_what_lies_beside_the_picture_loses_no_jpeg(segment):
    pixels = np.asarray(decode_picture(jpeg_with(segment)).image).astype(int)
    assert np.abs(pixels - (200, 30, 30)).max() <= 6


# Colour profiles

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_profile_goes_with_its_picture_if_it_is_of_its_colours():
    assert decode_picture(saved(RED, "TIFF", icc_profile=SRGB)).profile == SRGB
    sent, _ = fit(ImageFile(saved(RED, "TIFF", icc_profile=SRGB), "image/tiff"), NOTHING)
    assert Image.open(io.BytesIO(sent.data)).info["icc_profile"] == SRGB
    cmyk = saved(RED.convert("CMYK"), "TIFF", icc_profile=SRGB[:16] + b"CMYK" + SRGB[20:])
    grey = saved(RED.convert("L"), "TIFF", icc_profile=SRGB)
    for other in (cmyk, grey, saved(RED, "TIFF", icc_profile=b"junk" * 40)):
        assert decode_picture(other).profile is None


# Bounds


@pytest.mark.parametrize("read", [decode_picture, decode_for_baseline])
def test_more_pixels_than_the_bound_are_decoded_for_nobody(read):
    data = saved(Image.new("1", (9000, 9000)), "PNG")
    with pytest.raises((ImageError, ValueError), match="oversized: 9000x9000 pixels"):
        read(data)
    assert thumbnail(data).reason.startswith("oversized: 9000x9000")


def test_a_large_photo_is_decoded_at_a_part_of_its_size():
    data = saved(Image.new("L", (9000, 9000), 77), "JPEG")
    image = decode_picture(data).image
    assert image.size == (4500, 4500)
    assert image.getpixel((9, 9)) == 77
    assert decode_for_baseline(data).size == (1280, 1280)
    assert thumbnail(data).uri


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"%PDF-1.7\n",
        b"SIMPLE  =                    T"
        + b" " * 50
        + b"NAXIS   = 0".ljust(80)
        + b"END".ljust(2720),
        b"\xd7\xcd\xc6\x9a" + bytes(60),
        b"P6 2 2 255 " + bytes(12),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        saved(RED, "ICO"),
        saved(RED, "PPM"),
        saved(RED, "PCX"),
        saved(RED, "TGA"),
    ],
    ids=["eps", "pdf", "fits", "wmf", "ppm", "svg", "ico", "ppm2", "pcx", "tga"],
)
def test_other_formats_are_opened_by_no_decoder(data):
    for read in (decode_picture, decode_for_baseline):
        with pytest.raises((ImageError, ValueError), match="unreadable"):
            read(data)
    assert "unreadable" in thumbnail(data).reason


def test_the_first_picture_of_several_is_seen():
    blue = Image.new("RGB", (6, 4), (0, 0, 255))
    for form in ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO"):
        data = saved(RED, form, save_all=True, append_images=[blue])
        pixels = np.asarray(decode_picture(data).image.convert("RGB")).astype(int)
        assert np.abs(pixels - (200, 30, 30)).max() <= 12, form


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_truncated_file_is_said_to_be_damaged_by_everyone(form):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, form)
    half = data[: len(data) // 2]
    with pytest.raises(ImageError) as caught:
        decode_picture(half)
    assert caught.value.fault in (ImageFault.TRUNCATED, ImageFault.UNREADABLE)
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode_for_baseline(half)
    assert thumbnail(half).reason


def test_a_dataset_of_odd_images_is_sound(tmp_path):
    store = ImageStore(tmp_path)
    files = [data for data, _ in GREY.values()] + [data for data, *_ in TRANSPARENT.values()]
    files += [png(np.asarray(RED), 8, 2, beside) for beside in BESIDE.values()]
    rows = [Sample(f"s{n}", image_sha256=store.add(data)) for n, data in enumerate(files)]
    about: Any = {"name": "odd", "version": "1", "licence": "CC0-1.0", "citation": "", "source": ""}
    report = check_dataset(write_dataset(tmp_path, rows, **about))
    assert not [f for f in report.findings if f.kind != "animated"]


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC, which is not read; save it as JPEG"),
        (b"%PDF-1.7", "a PDF"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
        (b"PK\3\4", "a ZIP archive"),
        (b"\xef\xbb\xbf <!doctype html>", "a web page or XML"),
    ],
)
def test_a_file_of_another_kind_is_named(start, what):
    with pytest.raises(ImageError, match=what):
        decode_picture(start + bytes(100))


# Colours, for classifiers that know nothing else of an image


def test_colours_are_the_means_of_fields() -> None:
    image = Image.new("RGB", (128, 64), (255, 0, 0))
    image.paste((0, 0, 255), (64, 0, 128, 64))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    found = colours(buffer.getvalue())
    fields = np.array(found[:48]).reshape(4, 4, 3)
    assert fields[:, :2].reshape(-1, 3) == pytest.approx(np.array([[1.0, 0, 0]] * 8))
    assert fields[:, 2:].reshape(-1, 3) == pytest.approx(np.array([[0, 0, 1.0]] * 8))
    assert found[48:] == pytest.approx([0.5, 0, 0.5, np.log(2)])


def test_a_file_that_is_no_image_has_no_colours() -> None:
    with pytest.raises(ImageError):
        colours(b"no image")
