"""What an image file is, found out without trusting it.

Pillow reads the header, and the pixels only when their number is bounded. Whatever a hostile file
makes a decoder raise ends as an `ImageError` with one of a few kinds. Only raster formats are
opened: other decoders of Pillow's run programs (EPS) or have no use here, and once the format is
known no other decoder sees the file. HEIC is read where the extra ``heic`` is installed.

This is the only module that opens an image (`Image.open`). Whoever looks at one comes through
`probe`, `decode` or `vlsu.data.images.pixels.decode_picture`, which bound bytes, pixels and frames:
of an animation only the first is ever decoded.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vlsu.data.images.cleaning import cleaned, jpeg_scans, without_texts
from vlsu.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "EXTENSIONS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_READ_BYTES",
    "ImageError",
    "ImageFacts",
    "ImageFault",
    "decode",
    "explain",
    "probe",
    "read_picture",
]

T = TypeVar("T")

#: Above these an image is oversized: most providers refuse it, and its pixels are not decoded here.
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
#: Above this a file is not read at all.
MAX_READ_BYTES = 256 * 1024 * 1024
#: Passes over the pixels of a progressive JPEG: programs write some ten. Each takes as long as the
#: picture is large, and a few bytes.
MAX_SCANS = 100

_FORMATS = {
    "JPEG": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
    "BMP": ("bmp", "image/bmp"),
    "TIFF": ("tiff", "image/tiff"),
    "AVIF": ("avif", "image/avif"),
    "JPEG2000": ("jp2", "image/jp2"),
    "HEIF": ("heic", "image/heic"),
}
#: How the type of a HEIC reads at its beginning. Some files of other formats have the last two.
_HEIC = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))

#: Extension -> media type of every format a dataset may hold.
EXTENSIONS: dict[str, str] = dict(_FORMATS.values())
_NAMES = {extension: name for name, (extension, _) in _FORMATS.items()}


class ImageFault(enum.StrEnum):
    """Why a file is not usable as an image."""

    ZERO_BYTE = "zero-byte"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    BOMB = "decompression-bomb"


class ImageError(DataError):
    """An image that cannot be read, with its kind of fault."""

    def __init__(self, fault: ImageFault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header of an image file says.

    Attributes:
        extension: Of the real format, without a dot, whatever the file is called.
        width: Pixels.
        height: Pixels.
        animated: More than one frame or page.
    """

    extension: str
    media_type: str
    width: int
    height: int
    animated: bool

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def probe(data: bytes) -> ImageFacts:
    """Read the header of an image and verify what can be verified without decoding pixels.

    Raises:
        ImageError: No bytes, no image of a known format, damaged, or a decompression bomb.
    """
    return read_picture(data, _header)


def decode(data: bytes) -> ImageFacts:
    """Read an image whole, first frame only, to find damage that the header does not show.

    Raises:
        ImageError: As `probe`, and if the image has more than `MAX_PIXELS` pixels: it is refused
            before memory for them is asked for.
    """
    facts = probe(data)
    if facts.pixels > MAX_PIXELS:
        raise ImageError(ImageFault.OVERSIZED, f"{facts.width}x{facts.height} pixels, not decoded")
    read_picture(data, lambda image: image.load(), facts)
    return facts


def read_picture(
    data: bytes, read: Callable[[Image.Image], T], facts: ImageFacts | None = None
) -> T:
    """What `read` makes of an image that is opened for it.

    Metadata beside the pixels is left out (`vlsu.data.images.cleaning`): damage to it is no damage
    to the picture.

    Args:
        data: The file.
        read: Given the opened image, unread; called again where it failed because of a note.
        facts: Of the image, if they are known: no decoder but that of its format is then tried.

    Raises:
        ImageError: The image cannot be opened, or `read` raised anything.
    """
    if not data:
        raise ImageError(ImageFault.ZERO_BYTE, "the file is empty")
    if len(data) > MAX_READ_BYTES:
        raise ImageError(ImageFault.OVERSIZED, f"over {MAX_READ_BYTES // 2**20} MiB, not read")
    if facts is None and jpeg_scans(data) > MAX_SCANS:
        raise ImageError(ImageFault.BOMB, "it has far more scans than any picture has")
    try:
        return _read(without_texts(data), read, facts)
    except ImageError:
        raise
    except Exception as error:  # hostile bytes make decoders raise anything at all
        first = error
    for barer in cleaned(data):
        try:
            return _read(barer, read, facts)
        except ImageError:
            raise
        except Exception:  # noqa: S112 - what was wrong at first is said
            continue
    raise explain(first, data) from None


def _read(data: bytes, read: Callable[[Image.Image], T], facts: ImageFacts | None) -> T:
    from PIL import Image  # a run that is asked about texts opens none

    if facts is None:
        Image.init()
        heic = _is_heic(data) and _has_heic()
        formats = [name for name in _FORMATS if name in Image.OPEN and (name != "HEIF" or heic)]
    else:
        formats = [_NAMES[facts.extension]]
    with Image.open(io.BytesIO(data), formats=formats) as image:
        return read(image)


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC


def _has_heic() -> bool:
    """Whether HEIC can be read: the extra's decoder is made known to Pillow by the first of them.

    Pictures beside the main one are left alone: a preview may show something else.
    """
    try:
        import pillow_heif
    except ImportError:
        return False
    from PIL import Image

    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener(
            thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
        )
    return True


def _header(image: Image.Image) -> ImageFacts:
    facts = _facts(image)
    image.verify()
    return facts


def _facts(image: Image.Image) -> ImageFacts:
    # MPO is how phones save a JPEG with a preview or a depth map behind it: still one picture. A
    # HEIC likewise holds the shots of a burst, of which one is the picture.
    multi_picture = image.format in ("MPO", "HEIF")
    extension, media_type = _FORMATS["JPEG" if image.format == "MPO" else str(image.format)]
    animated = bool(getattr(image, "is_animated", False)) and not multi_picture
    return ImageFacts(extension, media_type, *image.size, animated)


def explain(error: Exception, data: bytes) -> ImageError:
    """The kind of fault that a decoder's error stands for."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(ImageFault.BOMB, "it declares far more pixels than any picture has")
    riff_size = int.from_bytes(data[4:8], "little") + 8
    if "truncated" in str(error).lower() or (data[:4] == b"RIFF" and len(data) < riff_size):
        return ImageError(ImageFault.TRUNCATED, "the file ends before the picture does")
    if isinstance(error, MemoryError):
        return ImageError(ImageFault.BOMB, "no memory to decode it")
    if isinstance(error, UnidentifiedImageError):
        if data[:4] in (b"II*\0", b"MM\0*"):
            return ImageError(ImageFault.UNREADABLE, "a damaged TIFF, or one of rare pixels")
        return ImageError(ImageFault.UNREADABLE, _what_it_is(data))
    return ImageError(ImageFault.UNREADABLE, f"its decoder reports {type(error).__name__}")


#: How files begin that people take for images this package reads.
_OTHERS = (
    (b"<", "a web page or XML"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"PK\3\4", "a ZIP archive"),
)


def _what_it_is(data: bytes) -> str:
    """What a file is that is none of the formats, as far as its first bytes say."""
    if _is_heic(data):
        if _has_heic():
            return "a damaged HEIC, or one of a rare kind"
        return "the file is a HEIC; to read it, pip install 'vlsu[heic]', or save it as JPEG"
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, what in _OTHERS:
        if data.startswith(start) or text.startswith(start):
            return f"the file is {what}"
    return "the file is of no known image format"
