"""In which script a text is written, and whether that is one of its stated language."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter

__all__ = ["fits", "script_of"]

#: First code point of a range of letters, and the script from there on; "" where none is told.
_RANGES = (
    (0x0041, "Latin"),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0700, ""),
    (0x0750, "Arabic"),
    (0x0780, ""),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "Gurmukhi"),
    (0x0A80, "Gujarati"),
    (0x0B00, "Odia"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "Kannada"),
    (0x0D00, "Malayalam"),
    (0x0D80, "Sinhala"),
    (0x0E00, "Thai"),
    (0x0E80, "Lao"),
    (0x0F00, ""),
    (0x1000, "Burmese"),
    (0x10A0, "Georgian"),
    (0x1100, "Hangul"),
    (0x1200, "Ethiopic"),
    (0x13A0, ""),
    (0x1780, "Khmer"),
    (0x1800, ""),
    (0x1E00, "Latin"),
    (0x1F00, "Greek"),
    (0x2000, ""),
    (0x3040, "Kana"),
    (0x3100, ""),
    (0x3400, "Han"),
    (0xA000, ""),
    (0xAC00, "Hangul"),
    (0xD7B0, ""),
    (0xF900, "Han"),
    (0xFB00, ""),
    (0xFB50, "Arabic"),
    (0xFE00, ""),
    (0x20000, "Han"),
    (0x30000, ""),
)
_STARTS = [start for start, _ in _RANGES]
_LETTER = re.compile(r"[^\W\d_]")

#: Scripts of languages by their ISO 639-1 codes.
_LANGUAGES = {
    "Cyrillic": "ru uk bg be mk kk ky tg",
    "Cyrillic Latin": "sr bs mn uz az",
    "Arabic": "ar fa ur ps sd ug",
    "Hebrew": "he yi",
    "Devanagari": "hi mr ne sa",
    "Bengali": "bn as",
    "Ethiopic": "am ti",
    "Han": "zh",
    "Kana Han": "ja",
    "Hangul Han": "ko",
    "Greek": "el",
    "Armenian": "hy",
    "Georgian": "ka",
    "Thai": "th",
    "Lao": "lo",
    "Burmese": "my",
    "Khmer": "km",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Gujarati": "gu",
    "Gurmukhi Arabic": "pa",
    "Odia": "or",
    "Latin": "en de fr es it pt nl sv da no nb nn fi is pl cs sk sl hr hu ro et lv lt sq tr vi id "
    "ms tl sw ca eu gl ga cy af la eo mt",
}
_OF_LANGUAGE = {
    language: scripts.split()
    for scripts, languages in _LANGUAGES.items()
    for language in languages.split()
}


def script_of(text: str) -> str | None:
    """The script of most of a text's letters, such as ``"Latin"``; `None` if it has none known.

    Han among Kana counts as Kana, as Japanese is written.
    """
    if text.isascii():
        return "Latin" if _LETTER.search(text) else None
    counts = Counter(_script(letter) for letter in _LETTER.findall(text[:10_000]))
    del counts[""]
    if counts["Kana"]:
        counts["Kana"] += counts.pop("Han", 0)
    if not (most := counts.most_common(1)):
        return None
    return most[0][0] if most[0][1] else None


def _script(letter: str) -> str:
    at = bisect_right(_STARTS, ord(letter)) - 1
    return _RANGES[at][1] if at >= 0 else ""


def fits(language: str, script: str) -> bool:
    """Whether a text of that language may be in that script; true where nothing is known.

    Args:
        language: A code such as ``"de"`` or ``"zh-Hant"``; one of three letters is not known.
        script: As `script_of` names it.
    """
    primary, *rest = re.split(r"[-_]", language.strip().lower())
    if any(part in ("latn", "cyrl", "arab", "deva") for part in rest):
        return True
    scripts = _OF_LANGUAGE.get(primary)
    return scripts is None or script in scripts
