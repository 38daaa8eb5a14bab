"""Language codes and names, as judges declare and datasets state them."""

from __future__ import annotations

import re

__all__ = ["language_code"]

_CODES = {
    "arabic": "ar",
    "chinese": "zh",
    "czech": "cs",
    "dutch": "nl",
    "english": "en",
    "farsi": "fa",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "swedish": "sv",
    "thai": "th",
}


def language_code(language: str) -> str:
    """The ISO 639-1 code of ``pt-BR``, ``zh_Hans`` or ``English``; unknown ones stay as they are.

    English names are known for the languages that some judge declares.
    """
    primary = re.split(r"[-_]", language.strip().lower())[0]
    return _CODES.get(primary, primary)
