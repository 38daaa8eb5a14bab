"""The client for servers behind TLS or a proxy: pyreqwest, chosen by CPU a request.

HTTP/1.1 and 2, proxies from the environment, gzip. See ``benchmarks/`` for what it was chosen from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from vlsu._version import __version__
from vlsu.models.transport import (
    CONNECT_S,
    MAX_BODY,
    Answer,
    MakeBody,
    NetworkFaultError,
    host_of,
)

if TYPE_CHECKING:
    from pyreqwest.client import Client

__all__ = ["SecureTransport"]

#: Seconds a closed client is given to let go of its buffers.
SETTLE_S = 0.1


class SecureTransport:
    """Connections by pyreqwest; arguments as `vlsu.models.transport.HttpClient`."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        from pyreqwest.client import ClientBuilder

        self._url = url
        self._timeout_s = timeout_s
        self._client: Client = (
            ClientBuilder()
            .default_headers(dict(headers))
            .user_agent(f"vlsu/{__version__}")
            .timeout(timedelta(seconds=timeout_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_S, timeout_s / 2)))
            .follow_redirects(False)
            .max_connections(None)
            .pool_max_idle_per_host(1024)
            .build()
        )

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No whole answer of at most `MAX_BODY` bytes came in time.
            Exception: Whatever the making of the body raised.
        """
        from pyreqwest.exceptions import PyreqwestError

        body = b"".join(make())
        try:
            request = self._client.post(self._url).body_bytes(body).build_streamed()
            async with request as answer:
                # One call for the whole body: each goes to the client's thread and back.
                data = await answer.body_reader.read(MAX_BODY + 1)
                whole = b"" if data is None else data.to_bytes()
                if len(whole) > MAX_BODY:
                    raise NetworkFaultError("endless", "the answer has no end")
                return Answer(answer.status, whole, answer.get_header)
        except (PyreqwestError, ValueError) as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> NetworkFaultError:
        from pyreqwest.exceptions import DecodeError, RequestTimeoutError

        causes = (getattr(error, "details", None) or {}).get("causes") or ()
        messages = [str(cause.get("message", "")) for cause in causes]
        last = messages[-1] if messages else type(error).__name__
        if any("(Connect)" in message for message in messages):
            return NetworkFaultError("connect", f"cannot connect to {host_of(self._url)} ({last})")
        if isinstance(error, RequestTimeoutError):
            return NetworkFaultError("timeout", f"no full answer within {self._timeout_s:g} s")
        if isinstance(error, DecodeError):
            return NetworkFaultError("malformed", f"the answer is not HTTP as announced ({last})")
        if isinstance(error, ValueError):
            return NetworkFaultError(
                "address", "not a usable address; give one such as http://127.0.0.1:8000/v1"
            )
        return NetworkFaultError("broken", f"the connection broke ({last})")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
        # Its threads still let go of buffers for a moment; an interpreter that ends meanwhile
        # is aborted (seen with pyreqwest 0.15 on Python 3.11: 12 of 40 ends, none after this).
        await asyncio.sleep(SETTLE_S)
