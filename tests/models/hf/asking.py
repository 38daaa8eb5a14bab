"""Requests to models in process, and their answers."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence

from PIL import Image

from vlsu.models import ImagePart, Message, Model, Request, Response
from vlsu.models.base import EncodedImage, ImageFile

SCHEMA = {"properties": {"severity": {"enum": ["safe", "borderline", "unsafe"]}}}


def picture(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image.paste(colour, (0, 0, width // 2, height // 2))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class Pictures:
    """Images by their digests."""

    def __init__(self, *files: bytes) -> None:
        self.files = {hashlib.sha256(file).hexdigest(): file for file in files}

    def parts(self) -> list[ImagePart]:
        return [ImagePart(sha256) for sha256 in self.files]

    def read_image(self, sha256: str) -> ImageFile:
        return ImageFile(self.files[sha256], "image/png")

    def read_encoded(self, sha256: str) -> EncodedImage:
        return EncodedImage("image/png", self.read_image(sha256).base64)


PICTURES = Pictures(
    picture(60, 44, (255, 0, 0)), picture(200, 90, (0, 255, 0)), picture(50, 170, (0, 0, 255))
)
SMALL, WIDE, TALL = PICTURES.parts()


def asked(*parts: str | ImagePart, system: str = "You grade the safety of content.") -> Request:
    system_turn = (Message("system", (system,)),) if system else ()
    return Request((*system_turn, Message("user", parts)), SCHEMA)


def answers(
    model: Model, requests: Sequence[Request], pictures: Pictures = PICTURES
) -> list[Response]:
    """The responses to requests that wait at the same time."""

    async def ask() -> list[Response]:
        raws = await asyncio.gather(*(model.send(request, pictures) for request in requests))
        await model.close()
        return [model.read(raw) for raw in raws]

    return asyncio.run(ask())
