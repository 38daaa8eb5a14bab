r"""BibTeX entries of datasets, each from its ``dataset.yaml``.

A citation is foreign text that ends up in somebody's document: an entry that is one is kept, with
what TeX would act on escaped; anything else is put into a ``@misc``. No command but those of
accents and type survives, so that no citation reads a file or ends a group that it did not open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice

from vlsu._text import harmless
from vlsu.data.datasets.dataset import DatasetInfo
from vlsu.errors import VlsuError
from vlsu.runs import Run

__all__ = ["bibtex", "references"]

#: Characters of a citation that are looked at.
LONGEST = 20_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_START = re.compile(r"@([A-Za-z]+)\s*\{\s*([^\s,{}()\"#%'=~\\@]+)\s*,")
#: What begins like an entry and is none: `preamble` is TeX that runs before the document.
_NO_ENTRIES = {"comment", "preamble", "string"}
_FIELD = re.compile(r"\s*([A-Za-z][\w:.+/-]*)\s*=\s*")
_BARE = re.compile(r"[A-Za-z0-9]+")


_MONTHS = _words("jan feb mar apr may jun jul aug sep oct nov dec")
#: Fields that styles print in verbatim.
_VERBATIM = {"url", "doi", "eprint", "isbn", "issn", "file"}
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_AUTHOR = re.compile(r"\s*([^\d()\[\]{}:]{2,200}?)[\s.,]*\(?\b(?:19|20)\d\d\b\)?[\s.,:;]")
_SPECIAL = re.compile(r"([&%$#_])")

#: Commands that only choose letters, accents and type.
_COMMANDS = frozenset("\"'`^~=.bcdHkrtuv&%$#_-, /") | _words(
    "o O l L ss ae AE oe OE aa AA i j th TH dh DH em it bf sc tt rm emph textit textbf textsc "
    "texttt textrm textsf textsuperscript textsubscript LaTeX TeX BibTeX ldots dots textendash "
    "textemdash textasciitilde textasciicircum textbackslash"
)
#: And those that stand between dollars.
_SYMBOLS = _words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Pi Sigma Phi Psi Omega times cdot "
    "le ge leq geq to sim approx pm infty ell mathcal mathrm"
)
_MATH = re.compile(r"\$(?:[A-Za-z0-9 +\-=^_{}.,()/<>]|\\[A-Za-z]{1,20}(?![A-Za-z])){1,200}\$")
_URL = re.compile(r"\\url\s*\{[^{}\\]*\}")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
#: The parts of a value, in turn: mathematics, an address, a command, a special character.
_ACTIVE = re.compile(rf"{_URL.pattern}|{_COMMAND.pattern}|[%&#_$^\\]", re.DOTALL)
_TOKEN = re.compile(rf"{_MATH.pattern}|{_ACTIVE.pattern}", re.DOTALL)
#: Accents, and what they may stand on; TeX stops at one that stands on nothing.
_ACCENTS = frozenset("\"'`^~=.bcdHkrtuv")
_ACCENTED = re.compile(r"\s*(?:[A-Za-z]|\{\s*(?:[A-Za-z]|\\[ij](?![A-Za-z]))|\\[ij](?![A-Za-z]))")
#: Commands of type that take an argument.
_TYPE = _words("emph textbf textit textrm textsc textsf textsubscript textsuperscript texttt")
_ARGUED = re.compile(r"\s*[{A-Za-z]")
#: One script or command of mathematics upon another, or upon nothing; TeX stops at these.
_ARGUMENT = r"(?:\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z0-9])"
_SCRIPTS = re.compile(
    rf"([\^_]){_ARGUMENT}\s*(?:[\^_]{_ARGUMENT}\s*)?\1|[\^_](?!{_ARGUMENT})"
    rf"|[\^_]\s*\\math|\\math[a-z]+(?!\s*(?:\{{|[A-Za-z0-9]))"
)
#: Fields that hold names.
_NAMES = {"author", "editor"}
#: Beginnings of entries that are tried; each may be read to the end of the text.
_TRIED = 8

#: What would end the block of a document that the entries stand in.
_BREAKS_IN_BLOCKS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff`]+")


def bibtex(info: DatasetInfo) -> str:
    """The entry of a dataset: its citation's where that holds one, else a ``@misc``."""
    citation = _text(info.citation)
    if entry := _entry(citation):
        return entry
    plain = citation.strip(" .\n\t")
    author = _AUTHOR.match(f"{plain} ")
    fields = {
        "author": f"{{{_tex(author[1])}}}" if author else "",
        "key": "" if author else _tex(info.name),
        "title": f"{{{_tex(f'{info.name} {info.version}')}}}",
        "year": year[0] if (year := _YEAR.search(citation)) else "",
        "howpublished": _tex(info.source),
        "note": _tex(". ".join(filter(None, (plain, _licence(info))))),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join((f"@misc{{{_key(info)},", *lines, "}"))


def references(runs: Sequence[Run]) -> str:
    """BibTeX of the datasets of these runs, as far as they are at hand, each once."""
    entries = []
    for run in runs:
        try:
            entries.append(bibtex(run.dataset.info))
        except VlsuError:
            continue
    return _BREAKS_IN_BLOCKS.sub(" ", "\n".join(dict.fromkeys(entries)))


def _entry(text: str) -> str | None:
    """The first whole entry in a text, with its values escaped; `None` if there is none."""
    for start in islice(_START.finditer(text), _TRIED):
        if start[1].lower() in _NO_ENTRIES:
            continue
        body = _fields(text, start.end())
        if body is not None:
            return f"{start[0]}{body}"
    return None


def _fields(text: str, at: int) -> str | None:
    """Fields up to the brace that closes the entry, as they are but for their values."""
    kept: list[str] = []
    while True:
        rest = re.compile(r"[\s,]*\}").match(text, at)
        if rest:
            return "".join((*kept, rest[0])) if kept else None
        name = _FIELD.match(text, at)
        if name is None:
            return None
        value = _value(text, name.end(), verbatim=name[1].lower() in _VERBATIM)
        if value is None:
            return None
        written, at = value
        if name[1].lower() in _NAMES and _too_many_commas(written[1:-1]):
            written = f"{{{{{written[1:-1]}}}}}"
        comma = re.compile(r"\s*,|(?=\s*\})").match(text, at)
        if comma is None:
            return None
        kept += [name[0], written, comma[0]]
        at = comma.end()


def _value(text: str, at: int, *, verbatim: bool) -> tuple[str, int] | None:
    """A value in braces or quotation marks, a number or a month, and where it ends."""
    bare = _BARE.match(text, at)
    if bare:
        known = bare[0].isdigit() or bare[0].lower() in _MONTHS
        return (bare[0] if known else f"{{{bare[0]}}}"), bare.end()
    if at >= len(text) or text[at] not in '{"':
        return None
    quoted = text[at] == '"'
    depth, end = 0, at + 1
    while end < len(text):
        character = text[end]
        if character == "\\":
            end += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                break
            depth -= 1
        elif character == '"' and quoted and depth == 0:
            break
        end += 1
    if end >= len(text) or text[end] != ('"' if quoted else "}"):
        return None
    value = text[at + 1 : end]
    written = _verbatim(value) if verbatim else _escaped(value)
    if quoted and '"' not in written:
        return f'"{written}"', end + 1
    return f"{{{written}}}", end + 1


def _too_many_commas(names: str) -> bool:
    """Whether BibTeX cannot divide a name, as in a list of authors that commas separate."""
    depth, outer = 0, []
    for character in names:
        depth += (character == "{") - (character == "}")
        outer.append("x" if depth else character)
    each = re.split(r"\sand\s", "".join(outer), flags=re.IGNORECASE)
    return any(name.count(",") > 2 or name.rstrip().endswith(",") for name in each)


def _escaped(value: str) -> str:
    """A value of which TeX acts on nothing but accents, type and simple mathematics."""

    def token(match: re.Match[str]) -> str:
        text = match[0]
        if not text.startswith("$") or len(text) == 1:
            return _inactive(match)
        known = {name[1:] for name in re.findall(r"\\[A-Za-z]+", text)} <= _SYMBOLS
        sound = text.count("{") == text.count("}") and not text.startswith("$}")
        sound = sound and not _SCRIPTS.search(text)
        return text if known and sound else _ACTIVE.sub(_inactive, text)

    return _TOKEN.sub(token, value)


def _inactive(match: re.Match[str]) -> str:
    """A command or special character, as TeX is to print it."""
    text = match[0]
    if _URL.fullmatch(text):
        return text
    if len(text) == 1:
        return {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}"}.get(text, f"\\{text}")
    name = text[1:]
    if name == " ":
        return name
    if name in _ACCENTS and not _ACCENTED.match(match.string, match.end()):
        return ""
    if name in _TYPE and not _ARGUED.match(match.string, match.end()):
        return ""
    if name in _COMMANDS:
        return text
    if name.isalpha():
        return rf"\textbackslash{{}}{name}"
    # A brace after a backslash is none to TeX, but one to BibTeX; a double one breaks the line.
    return "" if name in "{}\\" else name


def _verbatim(value: str) -> str:
    """An address: braces, backslashes and white space have no place in it."""
    return re.sub(r"[\\{}\s]", "", value)


def _licence(info: DatasetInfo) -> str:
    return f"Licence: {info.licence}" if info.licence else ""


def _key(info: DatasetInfo) -> str:
    """A key of plain letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", f"{info.name}-{info.version}").encode("ascii", "ignore")
    return re.sub(r"[^A-Za-z0-9]+", "-", plain.decode()).strip("-").lower() or "dataset"


def _text(foreign: str) -> str:
    """What is text of it; no font of TeX has the sign for what is none."""
    return harmless(foreign[:LONGEST]).replace("\ufffd", "?")


def _tex(text: str) -> str:
    """Text within braces: special characters escaped, and no brace or backslash of its own."""
    plain = re.sub(r"[\\~^]", " ", re.sub(r"[{}]", "", _text(text)))
    return _SPECIAL.sub(r"\\\1", " ".join(plain.split()))
