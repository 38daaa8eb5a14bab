"""Rules of thumb for tokens that are not known before something is asked."""

from __future__ import annotations

__all__ = ["BYTES_PER_TOKEN", "TOKENS_PER_IMAGE"]

#: Four bytes of UTF-8 to a token holds for English; an image of about a megapixel costs some 800 to
#: 1,400 tokens with most providers.
BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1000
