"""TLS over the client's own connections, by OpenSSL through the standard library.

`ssl.SSLObject` turns bytes into bytes, so nothing is handed to another thread and no layer of
streams lies between HTTP and the socket. A large body is encrypted a piece at a time as the socket
takes it: encrypted bytes belong to one connection alone, while those of an image are shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import sys
from collections import deque
from pathlib import Path

from vlsu.models.http.connection import Connection, Pool
from vlsu.models.http.transport import Body, NetworkFaultError

__all__ = ["SecureConnection", "TlsClient", "trusted_context"]

_log = logging.getLogger(__name__)

#: Bytes that are encrypted at once: three records, which stay in the processor's nearest cache (of
#: 16 to 128 KiB the fastest), and bytes that may wait for the socket before no more are.
PIECE = 3 * 2**14
HIGH_WATER = 2**18
#: The largest record of TLS (RFC 8446, section 5.1), which is what is decrypted at once.
RECORD = 2**14
#: Where distributions of Linux keep the certificates of authorities, if OpenSSL's own default is
#: not there: as the Go and Rust libraries look for them.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def trusted_context() -> ssl.SSLContext | None:
    """How servers are authenticated: TLS 1.2 or newer, by the system's authorities.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name others in their place.

    Returns:
        `None` where there are none that OpenSSL could read: what macOS and Windows trust is
        no file.
    """
    if sys.platform in ("darwin", "win32"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder:
        found = ssl.get_default_verify_paths().cafile
        file = next((each for each in (found, *_BUNDLES) if each and Path(each).is_file()), None)
    if not file and not folder:
        return None
    try:
        context.load_verify_locations(file or None, folder or None)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        _log.warning("TLS: no certificates can be read from %s", file or folder)
        return None
    return context


class TlsClient:
    """What connections to one server have in common.

    Args:
        context: How the server is authenticated.
        host: Its name, which the certificate must be of.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._context = context
        self._host = host.removesuffix(".")  # of the root, which is in no certificate
        #: Where all connections encrypt into. It is emptied at once, so that one buffer, which lies
        #: in the processor's cache, serves them all.
        self.outgoing = ssl.MemoryBIO()
        #: Of an earlier connection: resumed, a handshake takes less time at both ends.
        self.session: ssl.SSLSession | None = None
        #: Done when the others need no longer wait for the first connection.
        self.first: asyncio.Future[None] | None = None

    def begin(self, incoming: ssl.MemoryBIO) -> ssl.SSLObject:
        """The TLS of a new connection, which decrypts from a buffer of its own."""
        return self._context.wrap_bio(
            incoming, self.outgoing, server_hostname=self._host, session=self.session
        )

    def remember(self, session: ssl.SSLSession) -> None:
        """Resume this session from now on."""
        self.session = session
        self.release_others()

    def release_others(self) -> None:
        """The others need no longer wait for the first connection."""
        if self.first is not None and not self.first.done():
            self.first.set_result(None)


class SecureConnection(Connection):
    """A connection on which HTTP is encrypted.

    Attributes:
        ready: Done once the handshake is over, with the fault if it failed.
    """

    def __init__(self, owner: Pool, loop: asyncio.AbstractEventLoop, client: TlsClient) -> None:
        super().__init__(owner, loop)
        self._client = client
        self._incoming, self._outgoing = ssl.MemoryBIO(), client.outgoing
        self._tls = client.begin(self._incoming)
        self._unsent: deque[memoryview] = deque()
        self._paused = False
        self._remembered = False
        #: Whether nothing can be encrypted or decrypted any more.
        self._over = False
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ready.add_done_callback(_seen)

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the last one and its response are complete."""
        return not self._over and not self._unsent and super().reusable

    def abort(self) -> None:
        """Close at once, without waiting for a response."""
        self._unsent.clear()
        self._say_goodbye()
        super().abort()

    def _say_goodbye(self) -> None:
        """End the session in good order: OpenSSL resumes none that just broke off."""
        if self._over:
            return
        self._over = True
        # uvloop closes what is connected just when time is up, and then says so by a RuntimeError.
        with contextlib.suppress(ssl.SSLError, OSError, ValueError, RuntimeError):
            try:
                self._tls.unwrap()
            finally:
                self._flush()

    def _flush(self) -> None:
        """Write whatever was encrypted."""
        if self._outgoing.pending:
            data = self._outgoing.read()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(data)

    # Sending

    def _write(self, pieces: Body) -> None:
        small: list[bytes] = []
        for piece in pieces:
            if len(piece) <= PIECE // 2:  # several at once
                small.append(piece)
                continue
            if small:
                self._unsent.append(memoryview(b"".join(small)))
                small.clear()
            view = memoryview(piece)
            self._unsent.extend(view[at : at + PIECE] for at in range(0, len(piece), PIECE))
        if small:
            self._unsent.append(memoryview(b"".join(small)))
        self._encrypt()

    def _encrypt(self) -> None:
        """Encrypt and write as much as the socket takes."""
        unsent, write, read = self._unsent, self._tls.write, self._outgoing.read
        try:
            while unsent and not self._paused and self._transport is not None:
                encrypted: list[bytes] = []
                room = HIGH_WATER
                while unsent and room > 0:
                    write(unsent.popleft())
                    encrypted.append(read())
                    room -= len(encrypted[-1])
                self._transport.writelines(encrypted)
        except ssl.SSLError as error:
            self._break(error)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self._paused = False
        if not self._over:
            self._encrypt()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection: TLS begins."""
        super().connection_made(transport)
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._flush()  # the server is to know why
            self._refuse(_why(error), _kind(error))
        else:
            self._flush()
            # A session that was resumed can be once more; copying one takes as long as a handshake.
            self._remembered = bool(self._tls.session_reused)
            self.ready.set_result(None)

    def _refuse(self, why: str, kind: str = "connect") -> None:
        """There is no TLS, so no connection."""
        self._over = True
        if not self.ready.done():
            self.ready.set_exception(NetworkFaultError(kind, why))
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Decrypt what came, and read the response in it."""
        if self._over:
            return
        incoming, tls = self._incoming, self._tls
        incoming.write(data)
        if not self.ready.done():
            self._shake_hands()
            if self._over:
                return
        try:
            while incoming.pending or tls.pending():
                plain = tls.read(RECORD)
                if not self._remembered:
                    self._remember()
                    self._remembered = True  # it would have been offered before the first answer
                if not plain:
                    self._end()
                elif self._waiting is None:  # unsolicited: the connection cannot be reused
                    self.abort()
                else:
                    self._answer.feed(plain)
                if self._over:
                    return
        except ssl.SSLWantReadError:  # no answer yet; perhaps a ticket
            if not self._remembered:
                self._remember()
        except ssl.SSLError as error:
            self._break(error)
            return
        self._flush()

    def _remember(self) -> None:
        """Keep the session, if the server has offered to resume it."""
        session = self._tls.session
        if session is not None and session.has_ticket:
            self._remembered = True
            self._client.remember(session)

    def _end(self) -> None:
        """The server has ended the session: nothing follows."""
        super().eof_received()
        self.abort()

    def _break(self, error: ssl.SSLError) -> None:
        """What came is not of this session."""
        self._over = True
        self._unsent.clear()
        self._flush()
        if self._waiting is not None:
            self._answer.give_up("broken", f"the connection broke ({_why(error)})")
        super().abort()

    def eof_received(self) -> None:
        """The server closed the connection, perhaps without an end of TLS."""
        self._cut_off()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        if error is None:
            self._cut_off()
        self._over = True
        self._unsent.clear()
        self._refuse("closed during the TLS handshake")
        super().connection_lost(error)

    def _cut_off(self) -> None:
        """Without the end of TLS, anybody on the way may have ended a response of no length."""
        self._unsent.clear()
        if not self.ready.done():
            self._refuse("closed during the TLS handshake")
        elif not self._over and self._waiting is not None:
            self._answer.cut_off()
        self._over = True


def _seen(ready: asyncio.Future[None]) -> None:
    """Whoever connects may have given up before the handshake failed."""
    if not ready.cancelled():
        ready.exception()


def _kind(error: Exception) -> str:
    """The kind of fault that a handshake has ended with."""
    return "certificate" if isinstance(error, ssl.SSLCertVerificationError) else "connect"


def _why(error: Exception) -> str:
    """What went wrong with TLS, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}".rstrip(".")
    reason = str(getattr(error, "reason", None) or type(error).__name__)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"):
        return "the server does not speak TLS"
    return f"TLS: {reason.lower().replace('_', ' ')}"
