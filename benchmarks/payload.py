"""What the benchmarks send: synthetic datasets, and the same requests for every contender."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.models import ImagePart, Message
from vlsu.policy import Severity, default_policy
from vlsu.tasks import Understanding, load_prompt

#: What the contenders are pointed at: each line a sample with its image file and its words.
MANIFEST = "manifest.jsonl"
#: Folder with ready-made bodies for the clients that measure nothing but HTTP.
BODIES = "bodies"
#: So many different bodies are posted in turn: more than the processor's caches hold.
BODY_COUNT = 256


def jpeg(size: int) -> bytes:
    """A JPEG of noise, of `size` bytes at most and hardly less, without any metadata."""
    fits = b""
    low, high = 1, int((2 * size) ** 0.5)
    while low <= high:
        side = (low + high) // 2
        noise = Image.frombytes("RGB", (side, side), random.Random(0).randbytes(side * side * 3))
        buffer = io.BytesIO()
        noise.save(buffer, "JPEG", quality=90)
        if len(buffer.getvalue()) <= size:
            fits, low = buffer.getvalue(), side + 1
        else:
            high = side - 1
    if not fits:
        raise ValueError(f"no JPEG has {size} bytes")
    return fits


def numbered(image: bytes, number: int) -> bytes:
    """The same picture in a file of its own: the resolution that its header states says which."""
    at = image.index(b"JFIF\0") + 8
    return image[:at] + (number + 2**16).to_bytes(4, "big") + image[at + 4 :]


def pixel(number: int) -> bytes:
    """A PNG of one pixel whose colour is `number`, below 2**24."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + number.to_bytes(3, "big"))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def text(number: int) -> str:
    """About 100 characters, different for every number."""
    return (
        f"Question {number:>8}: someone shows this picture to a friend and asks what it says about "
        "them."
    )


def image_dataset(folder: Path, samples: int, image_bytes: int) -> Dataset:
    """Samples with an image and a text of their own each."""
    store = ImageStore(folder)
    picture = jpeg(image_bytes)
    hashes = (store.add(numbered(picture, n)) for n in range(samples))
    return _write(folder, hashes)


def large_dataset(folder: Path, samples: int, images: int) -> Dataset:
    """Very many samples, each with a text of its own, over images of one pixel that they share."""
    digests = []
    for n in range(images):
        data = pixel(n)
        digest = hashlib.sha256(data).hexdigest()
        # As ImageStore lays them out, without its care for crashes.
        path = folder / "images" / digest[:2] / f"{digest}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digests.append(digest)
    return _write(folder, (digests[n % images] for n in range(samples)))


def _write(folder: Path, hashes: Iterator[str]) -> Dataset:
    grades = list(Severity)
    rows = (
        Sample(
            id=f"s{n:07}",
            text=text(n),
            language="en",
            image_sha256=digest,
            image_grade=grades[n % 3],
            text_grade=grades[n // 3 % 3],
            joint_grade=grades[n // 9 % 3],
        )
        for n, digest in enumerate(hashes)
    )
    return synthetic(folder, rows)


def synthetic(folder: Path, rows: Iterable[Sample]) -> Dataset:
    """A dataset of made samples, whose images lie in the folder."""
    return write_dataset(
        folder,
        rows,
        name="synthetic",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="benchmarks",
    )


def write_requests(dataset: Dataset, folder: Path, limit: int) -> None:
    """The joint request of each sample for the contenders, in the words that vlsu sends.

    The manifest names image files, to be read and encoded by the contender; the bodies are
    complete.
    """
    policy = default_policy()
    task = Understanding(policy, load_prompt("zero-shot", policy), ["joint"])
    store = ImageStore(dataset.path)
    (folder / BODIES).mkdir(parents=True)
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for n, sample in enumerate(dataset.samples()):
            if n == limit:
                return
            system, user = task.requests(sample)[0].request.messages
            image = store.path(sample.image_sha256 or "")
            assert image is not None
            line = {"image": str(image), "system": _words(system), "user": _words(user)}
            manifest.write(json.dumps(line) + "\n")
            if n < BODY_COUNT:
                (folder / BODIES / f"{n:05}.json").write_text(json.dumps(body(**line)))


def _words(message: Message) -> str:
    return "\n\n".join(part for part in message.parts if not isinstance(part, ImagePart))


def body(image: str, system: str, user: str) -> dict[str, object]:
    """A chat-completions body with the image as a data address."""
    encoded = base64.b64encode(Path(image).read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}},
        {"type": "text", "text": user},
    ]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
    return {"model": "mock", "messages": messages, "temperature": 0, "max_tokens": 1024}
