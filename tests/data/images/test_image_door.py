"""One module opens images; what cannot be opened without an extra is said to need it."""

import ast
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vlsu
from tests.support.image_files import saved
from vlsu.data import ImageError, ImageStore
from vlsu.data.images.pixels import decode_picture
from vlsu.data.images.probe import MAX_READ_BYTES, ImageFault, probe
from vlsu.models import ImageFile
from vlsu.models.formats.image_limits import GOOGLE, OPENAI, fit

PACKAGE = Path(vlsu.__file__).parent
DOOR = PACKAGE / "data/images/probe.py"


def openings(source: str) -> list[int]:
    """Lines that open an image by Pillow or another library, whatever name that goes by."""
    tree = ast.parse(source)
    names = {"Image", "PIL.Image"}
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "PIL":
            names |= {a.asname for a in node.names if a.name == "Image" and a.asname}
        if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
            lines += [node.lineno for a in node.names if a.name in ("open", "*")]
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            roots = {m.split(".")[0] for m in modules}
            if {"imageio", "skimage", "torchvision"} & roots:
                lines.append(node.lineno)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="open") if ast.unparse(node.value) in names:
                lines.append(node.lineno)
            # OpenCV may look for faces in pixels that are decoded; it decodes nothing.
            case ast.Attribute(attr="imread" | "imdecode" | "imreadmulti" | "VideoCapture"):
                lines.append(node.lineno)
    return lines


def test_no_other_module_opens_images() -> None:
    assert openings(DOOR.read_text(encoding="utf-8")), "the test would miss what it looks for"
    others = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if path != DOOR and (lines := openings(path.read_text(encoding="utf-8")))
    }
    assert not others


@pytest.mark.parametrize(
    "source",
    [
        "from PIL import Image as I\nI.open(x)",
        "import PIL.Image\nPIL.Image.open(x)",
        "import cv2 as c\nc.imread(x)",
    ],
)
def test_the_test_sees_through_other_names(source: str) -> None:
    assert openings(source)


# Bounds


def test_a_jpeg_of_very_many_scans_is_a_bomb() -> None:
    plain = saved(Image.new("L", (800, 800), 100), "JPEG", progressive=True)
    assert decode_picture(plain).image.size == (800, 800)
    start, end = plain.rindex(b"\xff\xda"), plain.rindex(b"\xff\xd9")
    for times, fault in ((50, None), (5_000, ImageFault.BOMB)):
        data = plain[:end] + plain[start:end] * times + plain[end:]
        if fault is None:
            assert decode_picture(data).image.size == (800, 800)
            continue
        with pytest.raises(ImageError, match="scans") as caught:
            decode_picture(data)
        assert caught.value.fault is fault


def test_scans_of_what_lies_behind_a_picture_do_not_count() -> None:
    preview = saved(Image.new("L", (8, 8)), "JPEG")
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    data = saved(Image.new("L", (8, 8)), "JPEG", exif=exif) + preview * 300
    assert decode_picture(data).image.size == (8, 8)


def test_more_bytes_than_any_picture_has_are_not_looked_at() -> None:
    with pytest.raises(ImageError, match="over 256 MiB") as caught:
        probe(bytes(MAX_READ_BYTES + 1))
    assert caught.value.fault is ImageFault.OVERSIZED


# HEIC


def picture() -> Image.Image:
    """Bright at the top left only."""
    values = np.zeros((32, 64, 3), np.uint8)
    values[:16, :32] = 255
    return Image.fromarray(values)


def heic(image: Image.Image, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def test_heic_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    data = heic(picture())
    facts = probe(data)
    assert (facts.extension, facts.media_type) == ("heic", "image/heic")
    assert (facts.width, facts.height, facts.animated) == (64, 32, False)
    pixels = np.asarray(decode_picture(data).image)
    assert pixels.shape == (32, 64, 3)
    assert (pixels[4, 4].min(), pixels[28, 60].max()) == pytest.approx((255, 0), abs=6)
    store = ImageStore(tmp_path)
    sha256 = store.add(data)
    assert store.read_typed(sha256) == (data, "heic")


def test_heic_is_sent_as_it_is_only_to_who_takes_it_and_without_camera_data() -> None:
    plain = ImageFile(heic(picture()), "image/heic")
    assert fit(plain, GOOGLE) == (plain, None)
    sent, change = fit(plain, OPENAI)
    assert (change, sent.media_type) == ("converted", "image/jpeg")
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Erika Beispiel"
    sent, change = fit(ImageFile(heic(picture(), exif=exif.tobytes()), "image/heic"), GOOGLE)
    assert (change, sent.media_type) == ("converted", "image/jpeg")
    assert b"Erika" not in sent.data


def test_a_damaged_heic_is_said_to_be_one() -> None:
    with pytest.raises(ImageError, match="damaged HEIC"):
        probe(heic(picture())[:64])


def test_without_the_extra_heic_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    with pytest.raises(ImageError, match=r"HEIC.*pip install 'vlsu\[heic\]'.*save it as JPEG"):
        probe(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
