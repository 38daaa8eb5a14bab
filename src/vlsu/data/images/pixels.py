"""From an image file to pixels, the same for all who look at them.

Models, thumbnails, the check of a dataset and what is converted for a provider see one picture: its
first frame, upright by its EXIF orientation, in 8 bits a channel.

Values of more than 8 bits are scaled by the range of their kind, never cut off:

- 16-bit values are divided by 256 (12-bit ones by 16), as Pillow itself does for colours.
- 32-bit integers and floats have no range of their own. Where the file states one (TIFF's
  ``SMinSampleValue`` and ``SMaxSampleValue``), it is taken. Else it is the smallest of 0..1, 0..255
  and 0..65535 that holds all values; up to 1% of highlights between 1 and 16 do not make a picture
  of floats in 0..1 another. Values outside of all these are stretched from the least to the
  greatest, or, where these are outliers, from the 0.1% to the 99.9% quantile. NaN is black.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlsu.data.images.probe import (
    MAX_PIXELS,
    ImageError,
    ImageFacts,
    ImageFault,
    probe,
    read_picture,
)

__all__ = [
    "Picture",
    "decode_picture",
    "flatten",
    "is_upright",
    "orientation",
]

#: EXIF orientation -> what turns the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
#: TIFF tags: bits and format of a sample, which end of the values is black, their stated range.
_BITS, _FORMAT, _PHOTOMETRIC, _LEAST, _GREATEST = 258, 339, 262, 340, 341
_UNSIGNED = 1
#: Pixels looked at together, and those that a range is judged by.
_STRIP_PIXELS, _JUDGED_PIXELS = 2**20, 2**20
#: Bytes of a colour profile that is passed on.
_MAX_PROFILE_BYTES = 2**22
#: How a packing's values become those of 8 bits: times the one, by the other.
_DEPTHS = {"2": (85, 1), "4": (17, 1), "16B": (1, 256)}
#: A picture whose channels all lie within so many levels shows nothing.
_BLANK = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        image: Upright, of mode L, LA, RGB or RGBA, without metadata.
        profile: Its ICC profile, if that is of the image's colour space.
        facts: What its header says; the size there is before any turn.
    """

    image: Image.Image
    profile: bytes | None
    facts: ImageFacts


def decode_picture(
    data: bytes, *, side: int | None = None, facts: ImageFacts | None = None
) -> Picture:
    """The picture of an image file.

    Args:
        data: The file.
        side: Pixels of the longer side that are enough: a JPEG may be decoded at a half, a quarter
            or an eighth of its size, but no smaller than this.
        facts: Of the image, if they are known.

    Raises:
        ImageError: It is no image that can be read whole, or more than `MAX_PIXELS` pixels would
            have to be decoded.
    """
    known = facts or probe(data)
    return read_picture(data, lambda image: _decoded(image, known, side), known)


def is_upright(data: bytes, facts: ImageFacts) -> bool:
    """Whether the pixels of an image file are to be shown as they lie, by its EXIF orientation.

    Args:
        data: The file.
        facts: What its header says.

    Raises:
        ImageError: It cannot be opened.
    """
    return orientation(data, facts) not in _TURNS


def orientation(data: bytes, facts: ImageFacts) -> int:
    """Which side of an image file's pixels is up, as EXIF numbers it: 1 to 8; 1 if nothing is said.

    Args:
        data: The file.
        facts: What its header says.

    Raises:
        ImageError: It cannot be opened.
    """
    found = read_picture(data, _orientation, facts)
    return found if found in _TURNS else 1


def flatten(image: Image.Image, ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """The image as RGB, on a ground where it is transparent.

    A drawing that would not show on the ground, such as a white one on white, is put on black, or
    on white if the ground is dark.
    """
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    layer = image.convert("RGBA")
    flat = _on(layer, ground)
    levels = [np.asarray(band.getextrema()) for band in (layer.getchannel("A"), *flat.split())]
    alpha, *colours = (int(np.ptp(each)) for each in levels)
    if not alpha or max(colours) > _BLANK:
        return flat
    return _on(layer, (0, 0, 0) if sum(ground) > 3 * 127 else (255, 255, 255))


def _on(layer: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", layer.size, ground), layer).convert("RGB")


def _decoded(source: Image.Image, facts: ImageFacts, side: int | None) -> Picture:
    if side is not None:
        source.draft("RGB", (side, side))
    elif facts.pixels > MAX_PIXELS:
        source.draft("RGB", (facts.width // 2, facts.height // 2))
    if source.width * source.height > MAX_PIXELS:
        raise ImageError(ImageFault.OVERSIZED, f"{facts.width}x{facts.height} pixels, not decoded")
    raw = _raw_mode(source)
    source.load()
    image = _eight_bits(source, raw)
    profile = _profile(source, image)
    turn = _TURNS.get(_orientation(source))  # of a TIFF, none is left: loading turns it
    if turn is not None:
        image = image.transpose(turn)
    image.info = {}  # encoders write comments and the like from here
    return Picture(image, profile, facts)


def _orientation(source: Image.Image) -> int:
    try:
        value = source.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged or hostile, and then nothing is known of it
        return 1
    return value if isinstance(value, int) else 1


def _raw_mode(source: Image.Image) -> str:
    """How the file packs its pixels, such as ``"L;4"``; empty where that is not told."""
    tiles = getattr(source, "tile", None) or ()
    args = tiles[0][3] if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _profile(source: Image.Image, image: Image.Image) -> bytes | None:
    """The ICC profile, unless it is of another colour space, as that of a CMYK picture is."""
    profile = source.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= _MAX_PROFILE_BYTES:
        return None
    space = b"GRAY" if image.mode in ("L", "LA") else b"RGB "
    return profile if profile[16:20] == space else None


def _eight_bits(source: Image.Image, raw: str) -> Image.Image:
    mode = source.mode
    if mode == "F" or mode.startswith("I"):
        return _scaled(source)
    if mode in ("L", "RGB", "1") and "transparency" in source.info:
        return _keyed(source, raw)
    if mode in ("L", "LA", "RGB", "RGBA"):
        return source
    if mode in ("1", "La"):
        return source.convert("L" if mode == "1" else "LA")
    return source.convert("RGBA" if source.has_transparency_data else "RGB")


def _keyed(source: Image.Image, raw: str) -> Image.Image:
    """An image of which one colour is transparent, with that made an alpha channel.

    The colour is stated in the file's own depth, the pixels are in 8 bits.
    """
    key = source.info["transparency"]
    times, over = _DEPTHS.get(raw.rpartition(";")[2], (1, 1))
    bands = source.convert("L").split() if source.mode == "1" else source.split()
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) != len(bands):
        return Image.merge("L" if len(bands) == 1 else "RGB", bands)
    alike = np.ones((source.height, source.width), dtype=np.bool_)
    for band, value in zip(bands, keys, strict=True):
        alike &= np.asarray(band) == int(value) * times // over
    alpha = Image.fromarray(np.where(alike, np.uint8(0), np.uint8(255)))
    return Image.merge("LA" if len(bands) == 1 else "RGBA", (*bands, alpha))


# More than 8 bits


def _scaled(source: Image.Image) -> Image.Image:
    """Grey values of 12, 16 or 32 bits in 8."""
    tags: Mapping[int, Any] = getattr(source, "tag_v2", {})
    # Pillow reads unsigned 32-bit values as signed ones.
    unsigned = bool(tags) and source.mode == "I" and _number(tags.get(_FORMAT, 1)) == _UNSIGNED
    if source.mode.startswith("I;16"):
        scale = _Scale(0, 1 / 2 ** (min(16, _number(tags.get(_BITS)) or 16) - 8), whole=True)
    else:
        scale = _scale(source, tags, unsigned=unsigned)
    grey = np.empty((source.height, source.width), dtype=np.uint8)
    for top, values in _strips(source, unsigned=unsigned):
        grey[top : top + len(values)] = scale.levels(values)
    if tags.get(_PHOTOMETRIC) == 0:
        np.subtract(255, grey, out=grey)
    key = source.info.get("transparency")
    if not isinstance(key, int):
        return Image.fromarray(grey)
    alpha = np.empty_like(grey)
    for top, values in _strips(source, unsigned=unsigned):
        alpha[top : top + len(values)] = np.where(values == key, 0, 255)
    return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to levels: what lies at `low` is black, and each level is `1 / factor` wide.

    Attributes:
        whole: Levels are cut to whole ones, as integers are shifted; else rounded.
    """

    low: float
    factor: float
    whole: bool = False

    @classmethod
    def of(cls, low: float, high: float) -> _Scale:
        """From black to white; where these are one, all is mid-grey."""
        return cls(low, 255 / (high - low)) if high > low else cls(low - 1, 127)

    def levels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        scaled = (values.astype(np.float64) - self.low) * self.factor
        np.nan_to_num(scaled, copy=False, nan=0, posinf=255, neginf=0)
        if not self.whole:
            np.rint(scaled, out=scaled)
        return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def _strips(source: Image.Image, *, unsigned: bool) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of the picture a part at a time, with the number of the first."""
    height = max(1, _STRIP_PIXELS // max(1, source.width))
    for top in range(0, source.height, height):
        box = (0, top, source.width, min(source.height, top + height))
        values = np.asarray(source.crop(box))
        yield top, values.view(np.uint32) if unsigned else values


def _scale(source: Image.Image, tags: Mapping[int, Any], *, unsigned: bool) -> _Scale:
    """The scale of values without a range of their own."""
    low, high = _number(tags.get(_LEAST)), _number(tags.get(_GREATEST))
    if low is not None and high is not None and low < high:
        return _Scale.of(low, high)
    step = max(1, source.width * source.height // _JUDGED_PIXELS)
    least, greatest = np.inf, -np.inf
    judged = []
    for _, values in _strips(source, unsigned=unsigned):
        finite = values[np.isfinite(values)]
        if finite.size:
            least = min(least, float(finite.min()))
            greatest = max(greatest, float(finite.max()))
            judged.append(finite[::step].astype(np.float64))
    if not judged:
        return _Scale.of(0, 1)
    sample = np.concatenate(judged)
    floats = source.mode == "F"
    if least >= 0 and greatest <= 65535:
        highlights = floats and greatest <= 16 and float(np.quantile(sample, 0.99)) <= 1
        if greatest <= 1 or highlights:
            return _Scale.of(0, 1)
        if greatest <= 255:
            return _Scale(0, 1)
        return _Scale.of(0, 65535) if floats else _Scale(0, 1 / 256, whole=True)
    low, high = map(float, np.quantile(sample, [0.001, 0.999]))
    outliers = (high - low) * 4 < greatest - least
    return _Scale.of(low, high) if outliers else _Scale.of(least, greatest)


def _number(value: object) -> float | None:
    """A tag's number, where it is one and finite."""
    first = value[0] if isinstance(value, tuple) and value else value
    try:
        number = float(first)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) else None
