"""Delimiters around content in prompts that the content cannot imitate.

Content is untrusted: it may contain its own closing delimiter and continue as if it were the
prompt. A marker that is a hash of the content cannot occur in it. It depends on nothing else, so
that equal content gives equal requests and keys.
"""

from __future__ import annotations

import hashlib
import json
import re

__all__ = ["contains_tag", "content_marker"]

#: The opening bracket of a tag, its lookalikes and its escapes.
_OPENING = (
    r"(?:[<\u2039\u3008\u300a\u27e8\u27ea\ufe64\uff1c\u227a\u02c2]|&lt;?|&#0{0,5}60;?"
    r"|&#x0{0,5}3c;?|\\u003c|\\x3c|%3c)"
)
#: Lookalikes of the letters of the tag's name.
_LOOKALIKES = {"t": "t\u0442\uff54", "e": "e\u0435\u0451\uff45", "x": "x\u0445\u03c7\u00d7\uff58"}
_NAME = r"[\W_]{0,3}".join(f"[{_LOOKALIKES[letter]}]" for letter in "text")
_TAG = re.compile(rf"{_OPENING}[\W_]{{0,12}}{_NAME}", re.IGNORECASE)


def content_marker(*contents: str) -> str:
    """A marker that occurs in none of the contents: 16 hexadecimal digits of their hash."""
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:16]


def contains_tag(text: str) -> bool:
    """Whether a text contains a tag ``<text>`` or ``</text>``, or a lookalike of one."""
    # An ASCII text without any of these signs contains none; one by one they are found fastest.
    if text.isascii() and not ("<" in text or "&" in text or "\\" in text or "%" in text):
        return False
    return _TAG.search(text) is not None
