"""Images are sent unchanged where they are allowed, else made to fit."""

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from vlsu.data.images.probe import ImageError, probe
from vlsu.models import ImageFile
from vlsu.models.base import ImageLimits
from vlsu.models.formats.image_limits import ANTHROPIC, ANY_SERVER, GOOGLE, OPENAI, fit

TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
PROVIDERS = [OPENAI, ANY_SERVER, ANTHROPIC, GOOGLE]


def picture(size=(40, 30), mode="RGB"):
    """A picture with some detail, the same each time."""
    gradient = Image.radial_gradient("L").resize(size)
    bands = [gradient, gradient.rotate(90, expand=False), ImageChops.invert(gradient)]
    return Image.merge("RGB", bands).convert(mode)


def noise(size):
    return Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))


def file_of(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return ImageFile(buffer.getvalue(), TYPES[form])


def opened(file):
    return Image.open(io.BytesIO(file.data))


def far_apart(one, two):
    """Mean difference of two pictures, of 255."""
    difference = ImageChops.difference(one.convert("RGB"), two.convert("RGB"))
    return max(ImageStat.Stat(difference).mean)


@pytest.mark.parametrize("limits", PROVIDERS)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_an_allowed_image_keeps_its_bytes(form, limits):
    file = file_of(picture(), form)
    sent, change = fit(file, limits)
    assert sent is file
    assert change is None


@pytest.mark.parametrize(
    ("form", "media_type", "exact"),
    [("BMP", "image/png", True), ("TIFF", "image/png", True), ("AVIF", "image/jpeg", False)],
)
@pytest.mark.parametrize("limits", PROVIDERS)
def test_another_format_is_converted(form, media_type, exact, limits):
    file = file_of(picture(), form)
    sent, change = fit(file, limits)
    assert (change, sent.media_type) == ("converted", media_type)
    assert probe(sent.data).media_type == media_type
    assert far_apart(opened(sent), opened(file)) <= (0 if exact else 2)


def test_of_an_animation_the_first_frame_is_sent_where_only_stills_are_taken():
    still = file_of(picture(mode="P"), "GIF")
    second = picture(mode="P").rotate(180)
    moving = file_of(picture(mode="P"), "GIF", save_all=True, append_images=[second])
    assert fit(still, OPENAI) == (still, None)
    assert fit(moving, ANTHROPIC) == (moving, None)
    sent, change = fit(moving, OPENAI)
    assert (change, sent.media_type) == ("converted", "image/png")
    assert far_apart(opened(sent), opened(moving)) == 0
    assert fit(still, GOOGLE)[1] == "converted"


def test_too_many_pixels_a_side_are_scaled_down():
    limits = ImageLimits(("image/png",), max_side=50)
    file = file_of(picture((200, 100)))
    sent, change = fit(file, limits)
    assert (change, opened(sent).size) == ("scaled", (50, 25))
    thin = fit(file_of(picture((200, 1))), limits)[0]
    assert opened(thin).size == (50, 1)
    assert fit(file_of(picture((50, 50))), limits)[1] is None


def test_too_many_bytes_are_compressed_first_and_scaled_then():
    whole = file_of(noise((200, 200)))
    compressed = ImageLimits(("image/png", "image/jpeg"), max_base64=150_000)
    sent, change = fit(whole, compressed)
    assert (change, sent.media_type, opened(sent).size) == ("converted", "image/jpeg", (200, 200))
    tight = ImageLimits(("image/png", "image/jpeg"), max_base64=20_000)
    sent, change = fit(whole, tight)
    assert change == "scaled"
    assert len(sent.base64) <= 20_000


def test_anthropic_counts_the_base64_of_an_image():
    most = 10 * 2**20 // 4 * 3
    assert ANTHROPIC.fits(most)
    assert not ANTHROPIC.fits(most + 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I"])
def test_every_kind_of_pixel_is_converted_to_what_it_looks_like(mode):
    source = Image.new("I;16", (20, 10), 40_000) if mode == "I;16" else picture((20, 10), mode)
    if mode == "I":
        source = Image.new("I", (20, 10), 40_000)
    sent, change = fit(file_of(source, "TIFF"), GOOGLE)
    assert change == "converted"
    if mode.startswith("I"):
        assert opened(sent).getpixel((5, 5)) == pytest.approx(40_000 / 256, abs=1)
    else:
        assert far_apart(opened(sent), source) <= 1


def test_transparency_survives():
    clear = Image.new("RGBA", (8, 8), (200, 10, 10, 100))
    for source in (clear, clear.convert("LA")):
        assert (
            opened(fit(file_of(source, "TIFF"), OPENAI)[0]).getchannel("A").getextrema()[0] == 100
        )


def test_what_lies_on_its_side_by_exif_is_sent_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    sent, change = fit(file_of(picture((40, 20)), "TIFF", exif=exif), OPENAI)
    assert (change, opened(sent).size) == ("converted", (20, 40))


def test_the_same_image_gives_the_same_bytes():
    file = file_of(noise((300, 200)), "AVIF")
    limits = ImageLimits(("image/png", "image/jpeg"), max_base64=40_000, max_side=250)
    assert fit(file, limits)[0].data == fit(file, limits)[0].data


def test_a_decompression_bomb_is_never_decoded():
    # A TIFF header that declares 8000 x 8000 pixels: over the bound for decoding, in few bytes.
    bomb = file_of(Image.new("1", (8000, 8000)), "TIFF", compression="group4")
    assert len(bomb.data) < 20_000
    with pytest.raises(ImageError, match="8000x8000"):
        fit(bomb, OPENAI)


@pytest.mark.parametrize("data", [b"", b"not an image", b"BM" + bytes(60), b"II*\x00" + bytes(9)])
def test_what_is_no_image_is_said_to_be_none(data):
    with pytest.raises(ImageError):
        fit(ImageFile(data, "image/bmp"), OPENAI)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "BMP", "WEBP"]),
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 60),
    st.integers(2000, 6000),
)
def test_what_is_sent_is_always_within_the_limits(form, width, height, side, bound):
    limits = ImageLimits(("image/png", "image/jpeg"), max_base64=bound, max_side=side)
    sent, change = fit(file_of(noise((width, height)), form), limits)
    facts = probe(sent.data)
    assert sent.media_type == facts.media_type
    assert sent.media_type in limits.media_types
    assert max(facts.width, facts.height) <= side
    assert len(sent.base64) <= bound
    assert change is not None or sent == file_of(noise((width, height)), form)


@pytest.mark.parametrize("limits", PROVIDERS)
def test_a_grey_png_of_sixteen_bits_is_sent_in_eight(limits):
    values = np.arange(0, 65_536, 512, dtype=np.uint16).reshape(8, 16)
    file = file_of(Image.fromarray(values))
    sent, change = fit(file, limits)
    assert (change, sent.media_type) == ("converted", "image/png")
    assert np.array_equal(np.asarray(opened(sent)), values >> 8)
    shallow = file_of(Image.fromarray((values >> 8).astype(np.uint8)))
    assert fit(shallow, limits) == (shallow, None)
