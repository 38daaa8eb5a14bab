"""A port for a server that cannot be told to choose a free one itself."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reserved_port"]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of loopback that, for the time of the block, goes to nobody who asks for any.

    It is bound and not listened to: connections are refused, and a server that asks for it by its
    number gets it. Where the kernel lets no second socket have it, it is only free when asked.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        if sys.platform != "linux":
            held.close()
        yield port
