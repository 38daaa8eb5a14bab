"""The image limits of each provider, and the conversion of images that exceed them.

An accepted image is sent unchanged, except for 16-bit greyscale PNGs, which many servers misread,
and for what a file says beside its picture: metadata such as the place a photo was taken at is cut
out, and a picture that its metadata turns upright is turned. Any other image is converted to PNG or
JPEG (the first frame of an animation), and scaled down if it is too large; runs count both. The
limits are part of a model's identity and so of every request key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vlsu.models.base import HEAD, ImageFile, ImageLimits, is_deep_grey

# Pillow and the data floor are imported only when an image has to be inspected: most never are.
if TYPE_CHECKING:
    from PIL import Image

    from vlsu.data.images.probe import ImageFacts

__all__ = [
    "ANTHROPIC",
    "ANY_SERVER",
    "GOOGLE",
    "OPENAI",
    "Change",
    "fit",
]

Change = Literal["converted", "scaled"]

#: Scale factor of both sides while the file has too many bytes.
STEP = 0.8

#: OpenAI's guide "Images and vision", image input requirements. The limit of a request was 50 MB
#: until April 2026 and is 512 MB since; the smaller is kept, since no larger image is useful.
OPENAI = ImageLimits(("image/png", "image/jpeg", "image/webp", "image/gif"), max_base64=50_000_000)

#: Self-hosted servers and routers: the same formats, without a size limit.
ANY_SERVER = ImageLimits(OPENAI.media_types)

#: Anthropic's guide "Vision", request limits: 10 MB an image in base64 (the API's message counts
#: 10,485,760 bytes), 8000 x 8000 pixels. Of an animation the provider uses the first frame.
ANTHROPIC = ImageLimits(
    ("image/jpeg", "image/png", "image/gif", "image/webp"),
    max_base64=10 * 2**20,
    max_side=8000,
    animated_gif=True,
)

#: Google's guides "Image understanding" (formats) and "File input methods": 100 MB a request, of
#: which the text takes some.
GOOGLE = ImageLimits(
    ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"), max_base64=95_000_000
)


def fit(image: ImageFile, limits: ImageLimits) -> tuple[ImageFile, Change | None]:
    """The image as the provider accepts it, and the change of the picture that was made, if any.

    No metadata is left in it (`vlsu.data.images.metadata`); a file without any keeps its bytes.
    Deterministic for one version of Pillow. The pixels are decoded only if the image has to be
    changed, and never more than `vlsu.data.images.probe.MAX_PIXELS` of them.

    Raises:
        ImageError: The image has to be changed and cannot be decoded, or has too many pixels.
    """
    from vlsu.data.images.metadata import is_bare, says_no_side, without_metadata

    bare = is_bare(image.media_type, image.data, len(image.data))
    if limits.accepts(image.media_type, len(image.data), image.data[:HEAD]):
        if bare:
            return image, None
        if says_no_side(image.media_type, image.data):
            data = without_metadata(image.media_type, image.data)
            if data is not None:
                return ImageFile(data, image.media_type), None
    of_allowed_type = (
        image.media_type in limits.media_types
        and limits.fits(len(image.data))
        and not is_deep_grey(image.data[:HEAD])
    )
    still = image.media_type != "image/gif" or limits.animated_gif
    from vlsu.data.images.probe import probe

    facts = probe(image.data)
    if (
        of_allowed_type
        and (still or not facts.animated)
        and (limits.max_side is None or max(facts.width, facts.height) <= limits.max_side)
    ):
        if bare:
            return image, None
        if (stripped := _stripped(image, facts)) is not None:
            return stripped, None
    return _changed(image, facts, limits)


def _stripped(image: ImageFile, facts: ImageFacts) -> ImageFile | None:
    """The file without its metadata; `None` where the picture has to be decoded for that."""
    from vlsu.data.images.metadata import without_metadata
    from vlsu.data.images.pixels import is_upright

    data = without_metadata(image.media_type, image.data)
    if data is image.data:
        return image
    if data is None or not is_upright(image.data, facts):
        return None
    return ImageFile(data, image.media_type)


def _changed(
    image: ImageFile, facts: ImageFacts, limits: ImageLimits
) -> tuple[ImageFile, Change | None]:
    from vlsu.data.images.pixels import decode_picture
    from vlsu.data.images.stripping import LOSSLESS

    decoded = decode_picture(image.data)
    picture, profile = decoded.image, decoded.profile
    change: Change = "converted"
    if limits.max_side is not None and max(picture.size) > limits.max_side:
        picture = _scaled(picture, limits.max_side)
        change = "scaled"
    lossless = facts.media_type in LOSSLESS or picture.mode in ("LA", "RGBA")
    file = _encode(picture, profile, lossless=lossless)
    if not limits.fits(len(file.data)) and picture.mode in ("L", "RGB"):
        lossless = False
        file = _encode(picture, profile, lossless=False)
    while not limits.fits(len(file.data)) and max(picture.size) > 1:
        picture = _scaled(picture, int(max(picture.size) * STEP))
        file = _encode(picture, profile, lossless=lossless)
        change = "scaled"
    return file, change


def _scaled(picture: Image.Image, longer: int) -> Image.Image:
    """The picture scaled to a longer side of `longer` pixels."""
    from PIL import Image

    width, height = (max(1, side * longer // max(picture.size)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _encode(picture: Image.Image, profile: bytes | None, *, lossless: bool) -> ImageFile:
    from vlsu.data.images.stripping import encoded

    return ImageFile(*encoded(picture, profile, lossless=lossless))
