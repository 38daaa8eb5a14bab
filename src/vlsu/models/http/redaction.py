"""Taking a credential out of what a server sends back, in whatever form it repeats it.

Servers and proxies echo requests: in an error's text, in a page that shows the headers received, in
an answer. A credential is taken out of the bytes as they come, before anything is read, shown or
stored, so that there is one place that it has to be kept from.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote, urlsplit

__all__ = ["Redaction", "secrets_of_url"]

MARK = "***"
#: Fewer characters are no secret, and taking them out would take words out.
SHORTEST = 4
#: Of an answer only what is no word is taken out: so many characters, or letters and digits.
NO_WORD, MIXED = 16, 8
#: Bytes at the end of a form that are looked for first.
END = 6
#: So much of a credential's beginning is taken out of an error too, where the rest is cut off.
BEGINNING = 12

_SECRET_NAME = re.compile(r"key|token|secret|passw|auth|sig", re.IGNORECASE)
#: Bytes in which a character of a credential may be written by its number.
_ESCAPED = re.compile(rb"\\u00[2-7]|%[2-7][0-9A-Fa-f]|&#|\\/")
_ENTITIES = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;", '"': b"&quot;"}


class Redaction:
    """Takes credentials out of bytes and texts.

    Each is found as it is, with its characters escaped as in JSON, HTML or a URL, in base64 at any
    offset (``Authorization: Basic``), in hexadecimal digits, and in UTF-16.

    Args:
        secrets: The credentials; those of fewer than `SHORTEST` characters are none.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [_Secret(s) for s in dict.fromkeys(secrets) if len(s) >= SHORTEST]

    def bytes(self, data: bytes, *, answer: bool = False) -> bytes:
        """The bytes without the credentials.

        Args:
            data: As a server sent them.
            answer: Whether they are a model's words, from which nothing is taken out that may be
                a word, and no mere beginning of a credential.
        """
        for secret in self._secrets:
            if not answer or secret.no_word:
                data = secret.taken_out(data)
            if not answer:
                data = secret.beginning_taken_out(data)
        return data

    def text(self, text: str, *, answer: bool = False) -> str:
        """A text without the credentials as they are; arguments as `bytes`."""
        for secret in self._secrets:
            if secret.text in text and (not answer or secret.no_word):
                text = text.replace(secret.text, MARK)
        return text


class _Secret:
    def __init__(self, text: str) -> None:
        self.text = text
        mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
        self.no_word = len(text) >= (MIXED if mixed else NO_WORD)

    def taken_out(self, data: bytes) -> bytes:
        for end, form in self._forms:
            # Most answers hold none: its end alone, of few different bytes, is found missing fast.
            if end in data:
                data = data.replace(form, MARK.encode())
        if b"\x00" in data:
            for encoding in ("utf-16-le", "utf-16-be"):
                data = data.replace(self.text.encode(encoding), MARK.encode(encoding))
        if _ESCAPED.search(data):
            data = self._escaped.sub(MARK.encode(), data)
        return data

    def beginning_taken_out(self, data: bytes) -> bytes:
        """Without what begins like it, in any letter case: what a message quotes may be cut."""
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
        """What stands for it byte by byte: the last bytes, and all."""
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
    """The characters of its base64 that depend on it alone, after 0, 1 and 2 other bytes."""
    forms = []
    for before in range(3):
        encoded = encode(bytes(before) + raw)
        bits = 8 * before
        forms.append(encoded[-(-bits // 6) : (bits + 8 * len(raw)) // 6])
    return forms


def _any_spelling(character: str) -> bytes:
    """A pattern for a character as it is, or by its number in JSON, a URL or HTML."""
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
    """The credentials that an address holds: a password, parameters that are named as such."""
    try:
        parts = urlsplit(url or "")
        asked = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return []
    named = [value for name, value in asked if _SECRET_NAME.search(name)]
    password = parts.password or ""
    return [each for each in dict.fromkeys((password, unquote(password), *named)) if each]
