"""A server of JPEG files of 100 KB, each different, on one core.

    python -m benchmarks.image_server

It prints its port as JSON, and answers ``/N.jpg`` with the file of that number. A file is one
picture with its number in a comment, so that little is spent on anything but sending.
"""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import uvloop
from PIL import Image

BYTES = 100_000


def picture() -> bytes:
    """A JPEG of 800 x 600 pixels and about `BYTES` bytes."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((800, 600), Image.Resampling.BICUBIC)).astype(int)
    noisy = smooth + rng.integers(-14, 14, smooth.shape)
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    for quality in range(90, 30, -2):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= BYTES - 12:
            break
    return buffer.getvalue()


class Connection(asyncio.Protocol):
    """Answers requests in the order they come."""

    begin, end = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            number = int(head.split(b" ", 2)[1].strip(b"/").partition(b".")[0])
            body = b"%s\xff\xfe\x00\x0a%08d%s" % (self.begin, number, self.end)
            fields = b"Content-Type: image/jpeg\r\nContent-Length: %d" % len(body)
            self.transport.writelines([b"HTTP/1.1 200 OK\r\n", fields, b"\r\n\r\n", body])


async def main() -> None:
    whole = picture()
    Connection.begin, Connection.end = whole[:2], whole[2:]
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
