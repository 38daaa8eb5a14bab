"""Personal data in texts, found by its form and by check digits where it has any.

What is found is counted and never shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

__all__ = ["KINDS", "personal_data"]

#: Begun only where a name begins: within a long word each place would be tried, to its end.
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}")
#: With a country code, in North American groups, or with the zero of a trunk.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(0?\d{1,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,11}"
    r"|(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}"
    r"|0[1-9](?:[ .]\d\d){4}"
    r"|\(?0[1-9]\d{1,4}\)?[ ./-]{1,3}\d(?:[ ./-]?\d){4,9}"
    r")(?!\w|[.-]\d)"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\d|\w)")
#: Digits and letters of an IBAN, by country (SWIFT, IBAN Registry).
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
    }.items()
    for country in countries.split()
}


def personal_data(text: str) -> set[str]:
    """The kinds of personal data that a text seems to hold, of `KINDS`."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)  # letters of full width, hyphens of one
    if not any(character.isdigit() or character == "@" for character in text):
        return set()
    kinds = set()
    for kind, (pattern, holds) in _FORMS.items():
        rest, at = [], 0
        for each in pattern.finditer(text):
            if holds(each.group()):
                rest.append(text[at : each.start()])
                at = each.end()
        if at:  # digits of an account are no telephone number as well
            kinds.add(kind)
            text = " ".join((*rest, text[at:]))
    return kinds


def _is_phone(found: str) -> bool:
    return 7 <= sum(map(str.isdigit, found)) <= 15


def _is_iban(found: str) -> bool:
    """ISO 13616: the remainder by 97 is 1. What follows it in the text may have been taken in."""
    compact = found.replace(" ", "").upper()
    compact = compact[: _IBAN_LENGTHS.get(compact[:2], 0)]
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _is_card(found: str) -> bool:
    """ISO/IEC 7812: the sum of the digits, every other one doubled, ends in 0 (Luhn)."""
    digits = [int(character) for character in reversed(found) if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_ip(found: str) -> bool:
    parts = [int(part) for part in found.split(".")]
    reserved = parts[0] in (0, 10, 127) or parts[:2] == [192, 168] or parts[0] >= 224
    return 9 < max(parts) < 256 and not reserved  # below, it is a version of something


_FORMS: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (_EMAIL, bool),
    "iban": (_IBAN, _is_iban),
    "card": (_CARD, _is_card),
    "ssn": (_SSN, bool),
    "ip": (_IP, _is_ip),
    "phone": (_PHONE, _is_phone),
}
#: Kinds that are looked for in texts: e-mail address, bank account, payment card, social security
#: number (of the United States), public IPv4 address, telephone number.
KINDS = tuple(_FORMS)
