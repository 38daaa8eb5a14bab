"""Why an address gave no image."""

from __future__ import annotations

import enum

__all__ = ["FetchFaultError", "Reason"]


class Reason(enum.StrEnum):
    """Why an address gave no image; a status other than 200 is ``http-404`` and the like."""

    BAD_ADDRESS = "bad-address"
    SCHEME = "scheme-refused"
    PRIVATE = "private-address"
    DNS = "dns"
    CONNECT = "no-connection"
    PROXY = "proxy"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "connection-broken"
    NOT_HTTP = "not-http"
    ENCODING = "content-encoding"
    REDIRECTS = "too-many-redirects"
    BAD_REDIRECT = "bad-redirect"
    TOO_LARGE = "too-large"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not-an-image"
    DAMAGED = "damaged-image"
    OVERSIZED = "too-many-pixels"
    OTHER_IMAGE = "other-image"


class FetchFaultError(Exception):
    """An address gave no image.

    Attributes:
        reason: A `Reason`, or a status such as ``http-404``.
        transient: Whether the same request may succeed later.
        soon: Whether it may within seconds.
        retry_after_s: Seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        reason: str,
        *,
        transient: bool = False,
        soon: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = str(reason)
        self.transient = transient
        self.soon = soon
        self.retry_after_s = retry_after_s
