"""Frames around what is graded, that nothing within can end.

Content is hostile until proven otherwise: it may hold what ends its frame, and go on in the words
of the prompt. A mark that is a hash of the content cannot be in it. It depends on nothing else, so
that the same content has the same request and key.
"""

from __future__ import annotations

import hashlib
import json
import re

__all__ = ["content_mark", "holds_tag"]

#: What opens a tag, looks like that, or stands for it.
_OPENING = (
    r"(?:[<\u2039\u3008\u300a\u27e8\u27ea\ufe64\uff1c\u227a\u02c2]|&lt;?|&#0{0,5}60;?"
    r"|&#x0{0,5}3c;?|\\u003c|\\x3c|%3c)"
)
#: Letters that look like those of a tag's name.
_ALIKE = {"t": "t\u0442\uff54", "e": "e\u0435\u0451\uff45", "x": "x\u0445\u03c7\u00d7\uff58"}
_NAME = r"[\W_]{0,3}".join(f"[{_ALIKE[letter]}]" for letter in "text")
_TAG = re.compile(rf"{_OPENING}[\W_]{{0,12}}{_NAME}", re.IGNORECASE)
#: Without any of these, a text of ASCII holds no tag.
_SIGN = re.compile(r"[<&\\%]")


def content_mark(*contents: str) -> str:
    """A mark that none of the contents holds: 16 hexadecimal digits of a hash of them all."""
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:16]


def holds_tag(text: str) -> bool:
    """Whether a text holds a tag ``<text>`` or ``</text>``, or what a model may take for one."""
    if text.isascii() and _SIGN.search(text) is None:
        return False
    return _TAG.search(text) is not None
