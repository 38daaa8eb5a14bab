"""Redaction of credentials in what a server sends back, in any encoding.

Servers and proxies echo requests: in error messages, in pages that show the received headers, in
answers. A credential is redacted in the bytes as received, before anything is parsed, shown or
stored, so that no later code has to.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote, urlsplit

__all__ = ["Redaction", "secrets_of_url"]

MARK = "***"
#: Minimum characters of a secret; redacting shorter ones would remove ordinary words.
MIN_LENGTH = 4
#: In an answer, only secrets that cannot be a word are redacted: of this many characters, or of
#: this many with both letters and digits.
NOT_A_WORD, MIXED = 16, 8
#: Bytes at the end of an encoded secret that are searched for first.
END = 6
#: In an error, a truncated secret of at least this many characters is redacted too.
BEGINNING = 12

_SECRET_NAME = re.compile(r"key|token|secret|passw|auth|sig", re.IGNORECASE)
#: Signs that characters may be escaped by their numbers.
_ESCAPED = re.compile(rb"\\u00[2-7]|%[2-7][0-9A-Fa-f]|&#|\\/")
_ENTITIES = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;", '"': b"&quot;"}


class Redaction:
    """Redacts credentials in bytes and texts.

    Each is found literally, with its characters escaped as in JSON, HTML or a URL, in base64 at any
    offset (``Authorization: Basic``), in hexadecimal digits, and in UTF-16.

    Args:
        secrets: The credentials; those shorter than `MIN_LENGTH` are ignored.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [_Secret(s) for s in dict.fromkeys(secrets) if len(s) >= MIN_LENGTH]

    def bytes(self, data: bytes, *, answer: bool = False) -> bytes:
        """The bytes without the credentials.

        Args:
            data: As received from a server.
            answer: Whether they are a model's answer, in which nothing is redacted that may be a
                word, nor the mere beginning of a credential.
        """
        for secret in self._secrets:
            if not answer or secret.not_a_word:
                data = secret.redact(data)
            if not answer:
                data = secret.redact_prefix(data)
        return data

    def text(self, text: str, *, answer: bool = False) -> str:
        """A text without the literal credentials; arguments as `bytes`."""
        for secret in self._secrets:
            if secret.text in text and (not answer or secret.not_a_word):
                text = text.replace(secret.text, MARK)
        return text


class _Secret:
    def __init__(self, text: str) -> None:
        self.text = text
        mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
        self.not_a_word = len(text) >= (MIXED if mixed else NOT_A_WORD)

    def redact(self, data: bytes) -> bytes:
        for end, form in self._forms:
            # Most answers contain none: searching for the short end is fast.
            if end in data:
                data = data.replace(form, MARK.encode())
        if b"\x00" in data:
            for encoding in ("utf-16-le", "utf-16-be"):
                data = data.replace(self.text.encode(encoding), MARK.encode(encoding))
        if _ESCAPED.search(data):
            data = self._escaped.sub(MARK.encode(), data)
        return data

    def redact_prefix(self, data: bytes) -> bytes:
        """Without prefixes of the secret, in any letter case: messages may quote it truncated."""
        raw, lower = self.text.lower().encode(), data.lower()
        if len(raw) <= BEGINNING or raw[:BEGINNING] not in lower:
            return data
        kept, begin = [], 0
        while (at := lower.find(raw[:BEGINNING], begin)) >= 0:
            kept.append(data[begin:at])
            begin, same = at + BEGINNING, BEGINNING
            while same < len(raw) and lower[begin : begin + 1] == raw[same : same + 1]:
                begin, same = begin + 1, same + 1
        return MARK.encode().join([*kept, data[begin:]])

    @cached_property
    def _forms(self) -> list[tuple[bytes, bytes]]:
        """Its encodings byte by byte: the last bytes of each, and all."""
        raw = self.text.encode()
        forms = [raw]
        if len(raw) >= MIXED:
            for encode in (b64encode, urlsafe_b64encode):
                for form in _base64(raw, encode):
                    forms += [form, form.replace(b"/", b"\\/"), quote(form, safe="").encode()]
            forms += [raw.hex().encode(), raw.hex().upper().encode()]
        return [(form[-END:], form) for form in dict.fromkeys(forms)]

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        return re.compile(b"".join(map(_any_spelling, self.text)))


def _base64(raw: bytes, encode: Callable[[bytes], bytes]) -> list[bytes]:
    """The base64 characters that depend on it alone, at each of the three offsets."""
    forms = []
    for before in range(3):
        encoded = encode(bytes(before) + raw)
        bits = 8 * before
        forms.append(encoded[-(-bits // 6) : (bits + 8 * len(raw)) // 6])
    return forms


def _any_spelling(character: str) -> bytes:
    """A pattern for a character, literal or escaped as in JSON, a URL or HTML."""
    raw, number = character.encode(), ord(character)
    spellings = [
        re.escape(raw),
        b"\\\\{1,4}u(?i:%04x)" % number,
        b"(?i:%s)" % b"".join(b"%%(?:25)?%02x" % byte for byte in raw),
        b"&#0{0,4}%d;" % number,
        b"(?i:&#x0{0,4}%x;)" % number,
    ]
    if character in '"/\\':
        spellings.append(b"\\\\{1,4}" + re.escape(raw))
    if character in _ENTITIES:
        spellings.append(_ENTITIES[character])
    return b"(?:" + b"|".join(spellings) + b")"


def secrets_of_url(url: str | None) -> list[str]:
    """The credentials in a URL: a password, and query parameters with telling names."""
    try:
        parts = urlsplit(url or "")
        asked = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return []
    named = [value for name, value in asked if _SECRET_NAME.search(name)]
    password = parts.password or ""
    return [each for each in dict.fromkeys((password, unquote(password), *named)) if each]
