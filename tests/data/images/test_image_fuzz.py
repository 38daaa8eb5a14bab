"""Damaged and hostile images of every format: each is decoded or refused, in bounded time.

More mutations than in the suite:
``VLSU_FUZZ=5000 python -m pytest tests/data/images/test_image_fuzz.py``.
"""

import io
import os
import random
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from tests.support.image_files import chunk, png, saved, tiff
from vlsu.data import ImageError
from vlsu.data.images.metadata import is_bare, without_metadata
from vlsu.data.images.pixels import decode_picture, flatten
from vlsu.data.images.probe import MAX_PIXELS, probe
from vlsu.models import ImageFile
from vlsu.models.formats.image_limits import ANTHROPIC, fit
from vlsu.report.thumbnails import thumbnail

MUTATIONS = int(os.environ.get("VLSU_FUZZ", "120"))
#: Seconds that one file may take all doors together; decoding 50 megapixels takes less.
PATIENCE_S = 30.0


def picture(mode: str = "RGB") -> Image.Image:
    chance = np.random.default_rng(3)
    ramp = np.linspace(0, 255, 40 * 32 * 3).reshape(32, 40, 3)
    noise = chance.normal(0, 20, ramp.shape)
    return Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8)).convert(mode)


def exif() -> Image.Exif:
    notes = Image.Exif()
    notes[0x0112] = 6
    notes[0x013B] = "Erika Beispiel"
    return notes


def turning(form: str, **options: object) -> bytes:
    """An animation."""
    frames = [picture().rotate(90 * n) for n in range(3)]
    return saved(frames[0], form, save_all=True, append_images=frames[1:], **options)


def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(picture())
    buffer = io.BytesIO()
    file.save(buffer, quality=80, exif=exif().tobytes())
    return buffer.getvalue()


DEEP = (np.arange(32 * 40).reshape(32, 40) * 51).astype(np.uint16)
FILES = {
    "JPEG": lambda: saved(picture(), "JPEG", exif=exif(), comment=b"a note"),
    "JPEG, progressive": lambda: saved(picture(), "JPEG", progressive=True),
    "JPEG, CMYK": lambda: saved(picture("CMYK"), "JPEG"),
    "MPO": lambda: turning("MPO"),
    "PNG": lambda: saved(picture(), "PNG", exif=exif()),
    "PNG, palette": lambda: saved(picture("P"), "PNG", transparency=3),
    "PNG, 16 bits": lambda: png(DEEP, 16, 0, chunk(b"tRNS", b"\0\7")),
    "PNG, animated": lambda: turning("PNG"),
    "WebP": lambda: saved(picture(), "WEBP", exif=exif()),
    "WebP without loss": lambda: saved(picture("RGBA"), "WEBP", lossless=True),
    "WebP, animated": lambda: turning("WEBP"),
    "GIF": lambda: turning("GIF", comment=b"a note"),
    "BMP": lambda: saved(picture(), "BMP"),
    "TIFF": lambda: saved(picture(), "TIFF", exif=exif()),
    "TIFF, compressed": lambda: saved(picture(), "TIFF", compression="tiff_lzw"),
    "TIFF, floats": lambda: tiff((DEEP / 65535).astype(np.float32)),
    "AVIF": lambda: saved(picture(), "AVIF", exif=exif()),
    "JPEG 2000": lambda: saved(picture(), "JPEG2000"),
    "HEIC": heic,
}
EXTREMES = [bytes(n) for n in (1, 2, 4)] + [b"\xff", b"\xff\xff", b"\xff" * 4, b"\x7f\xff\xff\xff"]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes of kinds that find faults in decoders, most of them near the start."""
    file = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        reach = len(file) if chance.random() < 0.4 else min(len(file), 128)
        if reach < 8:
            break
        at = chance.randrange(reach - 4)
        match chance.randrange(7):
            case 0:
                file[at] ^= 1 << chance.randrange(8)
            case 1:
                file[at] = chance.randrange(256)
            case 2:
                extreme = chance.choice(EXTREMES)
                file[at : at + len(extreme)] = extreme
            case 3:
                del file[at : at + chance.randrange(1, 40)]
            case 4:
                file[at:at] = file[at : at + chance.randrange(1, 40)]
            case 5:
                file[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 6:
                del file[max(at, 8) + chance.randrange(len(file)) :]
    return bytes(file)


def through_every_door(data: bytes) -> str:
    """``decoded``, or why not; anything but an `ImageError` goes on."""
    shown = thumbnail(data)
    assert bool(shown.uri) != bool(shown.reason)
    try:
        facts = probe(data)
        picture = decode_picture(data)
    except ImageError as error:
        return str(error.fault)
    image = picture.image
    assert image.mode in ("L", "LA", "RGB", "RGBA")
    assert 0 < image.width * image.height <= MAX_PIXELS
    assert not image.info
    assert flatten(image).mode == "RGB"
    if (bare := without_metadata(facts.media_type, data)) is not None:
        assert without_metadata(facts.media_type, bare) is bare
        assert bare is data or not is_bare(facts.media_type, bytearray(data), len(data))
    with suppress(ImageError):  # of what can be decoded, the header may still be odd
        sent, _ = fit(ImageFile(data, facts.media_type), ANTHROPIC)
        assert b"Erika Beispiel" not in sent.data
        assert probe(sent.data).media_type == sent.media_type
    return "decoded"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FILES)
def test_a_mutated_file_is_decoded_or_refused_in_bounded_time(form: str) -> None:
    data = FILES[form]()
    assert through_every_door(data) == "decoded"
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for seed in range(MUTATIONS):
        changed = mutated(data, random.Random(f"{form} {seed}"))
        started = time.process_time()
        try:
            outcomes[through_every_door(changed)] += 1
        except Exception as error:
            raise AssertionError(f"{form}, seed {seed}: {type(error).__name__}") from error
        slowest = max(slowest, time.process_time() - started)
    print(f"{form}: {dict(outcomes)}, slowest {slowest * 1000:.0f} ms")
    assert slowest < PATIENCE_S
    assert len(outcomes) > 1, "the mutations neither broke nor spared a file"


@pytest.mark.parametrize(("form", "frames"), [("GIF", 20_000), ("PNG", 5_000)])
def test_of_very_many_frames_one_is_decoded(form: str, frames: int) -> None:
    dots = [Image.new("L", (4, 4), n) for n in (0, 255)] * (frames // 2)
    data = saved(dots[0], form, save_all=True, append_images=dots[1:], duration=20)
    started = time.process_time()
    assert decode_picture(data).facts.animated
    assert time.process_time() - started < 1
