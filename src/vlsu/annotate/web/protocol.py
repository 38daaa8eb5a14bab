"""HTTP connections that must say what they want: one that is slow to ask is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Protocol"]


class Protocol(HttpToolsProtocol):
    """As uvicorn's, which waits for headers for ever.

    Attributes:
        patience: Seconds from the first byte of a request to the end of its headers, and from a
            connection's beginning to its first request.
    """

    patience = 20.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it a while to ask."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._late = self.loop.call_later(self.patience, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._on_time()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins: its headers are awaited."""
        if self._late is None:
            self._late = self.loop.call_later(self.patience, self._close)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """They are there."""
        self._on_time()
        super().on_headers_complete()

    def _on_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()
