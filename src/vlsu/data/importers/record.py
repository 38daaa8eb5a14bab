"""From a record of texts by field name to a sample, with a note for every correction."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import orjson

from vlsu._text import quoted
from vlsu.data.importers.base import ImportOptions, Note, Rejected, SourceRow
from vlsu.data.rows import COLUMNS
from vlsu.data.sample import Sample, is_sha256
from vlsu.data.tables.labels import label_key
from vlsu.errors import PolicyError
from vlsu.policy import MODALITIES, NOT_SURE, Severity

__all__ = [
    "FIELDS",
    "LONG_ID_LENGTH",
    "MAX_DEPTH",
    "RecordReader",
    "build_row",
    "nests_deeper",
    "shown_name",
    "shown_word",
    "without_controls",
]

#: Fields that a column can be mapped to: columns of the dataset, or ``image``, a file's name.
FIELDS: tuple[str, ...] = (*COLUMNS, "image")

#: A cell of more characters or words may be a text in the wrong column, and is not shown.
_MAX_SHOWN, _MAX_WORDS = 60, 7
#: An identifier of more characters is probably in the wrong column.
LONG_ID_LENGTH = 500
#: The beginning of a web address, which a column called ``image`` may hold as well as a path.
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
#: Maximum nesting of metadata; JSON libraries refuse more, at different depths.
MAX_DEPTH = 100
#: The decimal comma of a whole number with added zero decimals.
_COMMA_ZERO = re.compile(r"(?<=\d),(?=0{1,2}\Z)")
#: Maximum digits of an integer that every JSON parser preserves.
_EXACT_DIGITS = 18


def build_row(
    line: int,
    values: Mapping[str, str],
    extra: Mapping[str, object],
    options: ImportOptions,
    *,
    nulls: bool = False,
    metadata: Mapping[str, object] | None = None,
    image_data: bytes | None = None,
) -> SourceRow | Rejected:
    """Build a sample from a record.

    Args:
        line: Number of the record's first line in the file.
        values: Field of `FIELDS` -> its text in the file.
        extra: All other cells; they go into the metadata.
        options: The policy, and what counts as a missing value.
        nulls: Whether null bytes were removed from the record.
        metadata: The field ``metadata``, if the file holds it as a mapping.
        image_data: The image, if the file holds its bytes.
    """
    builder = RecordReader(line, values, options)
    if nulls:
        builder.note("null bytes removed", fix="save the file without them", problem=True)
    grades: dict[str, Severity | None] = {}
    for modality in MODALITIES:
        grade = builder.grade(modality)
        if isinstance(grade, Rejected):
            return grade
        grades[modality] = grade
    if not any(grade is not None for grade in grades.values()):
        builder.note("no grade at all", fix="it is not evaluated on any modality")
    categories = {modality: builder.category(modality) for modality in MODALITIES}
    sha256 = builder.value("image_sha256")
    if sha256 is not None and not is_sha256(sha256 := sha256.lower()):
        builder.note(
            "image_sha256 is no SHA-256", shown_name(sha256), "remove or fix it", problem=True
        )
        sha256 = None
    url, image = builder.value("image_url"), builder.value("image")
    names = tuple(dict.fromkeys(name for name in (image, url) if name))
    stated: dict[str, object] = {**builder.stated_metadata(), **(metadata or {})}
    if image and url is None and _ADDRESS.match(image):
        url = image  # so that it can be fetched
    elif image:
        stated["image"] = image
    sample = Sample(
        id=builder.identifier(),
        text=builder.text(),
        language=builder.language(),
        image_url=url,
        image_grade=grades["image"],
        text_grade=grades["text"],
        joint_grade=grades["joint"],
        image_category=categories["image"],
        text_category=categories["text"],
        joint_category=categories["joint"],
        group=builder.value("group"),
        metadata={**stated, **_filled(extra), **builder.originals},
    )
    return SourceRow(line, sample, names, sha256, tuple(builder.notes), image_data)


@lru_cache(maxsize=1024)
def _grade_key(word: str) -> str:
    return label_key(_COMMA_ZERO.sub(".", word))


def _filled(extra: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value
        for name, value in extra.items()
        if (value.strip() if isinstance(value, str) else value is not None)
    }


def shown_word(word: str) -> str:
    """A cell for a message, unless it may be a sample's text: then only its length."""
    if len(word) > _MAX_SHOWN or len(word.split()) > _MAX_WORDS:
        return f"a text of {len(word):,} characters"
    return quoted(word)


def shown_name(name: str, length: int = 40) -> str:
    """An identifier or a file's name for a message, cut; of a text in its place the length.

    Names may be long, and so only their number of words tells them from a text.
    """
    if len(name.split()) > _MAX_WORDS:
        return f"a text of {len(name):,} characters"
    return quoted(name, length)


class RecordReader:
    """Reads the fields of one record, and collects notes and values that were not understood."""

    def __init__(self, line: int, values: Mapping[str, str], options: ImportOptions) -> None:
        self._line = line
        self._values = values
        self._options = options
        self._policy = options.policy
        self.notes: list[Note] = []
        self.originals: dict[str, str] = {}

    def note(self, kind: str, value: str = "", fix: str = "", *, problem: bool = False) -> None:
        """Note a correction or remark."""
        self.notes.append(Note(self._line, kind, value, fix, problem))

    def plain(self, field: str) -> str | None:
        """The field without outer space; `None` if it is empty."""
        return self._values.get(field, "").strip() or None

    def value(self, field: str) -> str | None:
        """The field, unless its value is a word for a missing value."""
        text = self.plain(field)
        return None if text is not None and self._is_missing(field, text) else text

    def language(self) -> str | None:
        """The code of the text's language."""
        code = self.plain("language")
        if code is not None and self._options.missing.language(code):
            self._note_missing("language", code)
            return None
        return code

    def identifier(self) -> str:
        """The row's identifier, made from its line if it has none."""
        id_ = self.plain("id")
        if id_ is None:
            if "id" in self._values:
                fix = "give the row an id"
                self.note("id missing -> made from the line", fix=fix, problem=True)
            return f"row-{self._line}"
        if not id_.isprintable() and (escaped := without_controls(id_)) != id_:
            fix = "give the row an id of printable characters"
            self.note("control characters in id -> escaped", shown_name(escaped), fix, problem=True)
            self.originals["original_id"] = id_
            id_ = escaped
        if self._options.missing(id_):
            fix = "give the row an id, if that stands for a missing value"
            self.note("id is a word for a missing value, kept as id", quoted(id_), fix)
        if len(id_) > LONG_ID_LENGTH:
            fix = "see whether the right column is the id"
            self.note(f"id of over {LONG_ID_LENGTH} characters", shown_word(id_), fix)
        return id_

    def _is_missing(self, field: str, text: str) -> bool:
        if not self._options.missing(text):
            return False
        self._note_missing(field, text)
        return True

    def _note_missing(self, field: str, text: str) -> None:
        fix = "say with --missing which words stand for a missing value"
        self.note(f"word for a missing value -> absent ({field})", quoted(text), fix)

    def text(self) -> str | None:
        """The text, with outer space."""
        text = self._values.get("text", "")
        if not text.strip():
            if "text" in self._values:
                self.note("text empty -> absent")
            return None
        if "\r\n" in text:
            # Line ends of the editor must not make two prompts of one.
            self.note("line ends in text CRLF -> LF")
        return text.replace("\r\n", "\n")

    def grade(self, modality: str) -> Severity | Rejected | None:
        """The grade of a modality; the row rejected if its word is unknown."""
        field = f"{modality}_grade"
        if field not in self._values:
            return None
        word = self._values[field].strip()
        if not word:
            self.note(f"grade empty -> absent ({modality})")
            return None
        key = _grade_key(word) if len(word) <= _MAX_SHOWN else label_key(word)
        if key in self._options.grades:
            stated = self._options.grades[key]
            if stated is None:
                self._note_not_sure(field, modality, word)
            return stated
        try:
            return Severity.parse(key)
        except PolicyError:
            pass
        if self._is_missing(field, word):
            return None
        if re.sub(r"[\s_\-]+", "", key) == NOT_SURE.replace("_", ""):
            self._note_not_sure(field, modality, word)
            return None
        reason = f"unknown grade ({modality})"
        fix = "use safe, borderline, unsafe or not_sure, or say what it is: --grades WORD=unsafe"
        return Rejected(self._line, reason, shown_word(word), fix)

    def _note_not_sure(self, field: str, modality: str, word: str) -> None:
        self.note(f"grade not_sure -> absent ({modality})")
        self.originals[f"original_{field}"] = word

    def category(self, modality: str) -> str | None:
        """The category of a modality, as the policy identifies it."""
        field = f"{modality}_category"
        words = self.plain(field)
        if words is None:
            return None
        found = self._policy.find_category(words)
        if found is None and self._is_missing(field, words):
            return None
        if found is None:
            self.note(
                f"unknown category -> absent ({modality})",
                shown_word(words),
                "use a category of the policy, or a policy that has it",
                problem=True,
            )
            self.originals[f"original_{field}"] = words
            return None
        others = {*re.findall(r"\w+", words.casefold())} & {
            id_.casefold() for id_ in self._policy.category_ids if id_ != found
        }
        if others:
            self.note(
                f"several categories, first taken ({modality})",
                shown_word(words),
                "give the category that is meant",
                problem=True,
            )
            self.originals[f"original_{field}"] = words
            return found
        title = words.partition(":")[2].strip()
        named = self._policy.find_category(title) if title else None
        if named not in (None, found):
            self.note(
                f"category number and name disagree, number kept ({modality})",
                shown_word(words),
                "fix the category",
                problem=True,
            )
            self.originals[f"original_{field}"] = words
        return found

    def stated_metadata(self) -> dict[str, object]:
        """The metadata column: JSON as `vlsu data export` writes it, or any text."""
        text = self.value("metadata")
        if text is None:
            return {}
        try:
            stated = orjson.loads(text)
        except orjson.JSONDecodeError:
            stated = None
        if not isinstance(stated, dict):
            if text.startswith("{"):
                self.note("metadata not readable as JSON -> kept as text")
            return {"metadata": text}
        if nests_deeper(stated, MAX_DEPTH):
            self.note(f"metadata nested over {MAX_DEPTH} levels -> kept as text")
            return {"metadata": text}
        if re.search(rf"\d{{{_EXACT_DIGITS + 1}}}", text):
            exact: dict[str, object] = json.loads(text, parse_int=_exact)
            if exact != stated:
                self.note(f"number of over {_EXACT_DIGITS} digits in metadata -> kept as text")
            return exact
        return stated


def _exact(digits: str) -> int | str:
    """An integer, or its digits if JSON parsers may round it."""
    return int(digits) if len(digits.lstrip("-")) <= _EXACT_DIGITS else digits


def nests_deeper(tree: object, levels: int) -> bool:
    """Whether lists and mappings are nested more than `levels` deep."""
    layer: list[object] = [tree]
    for _ in range(levels):
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not layer:
            return False
    return any(isinstance(each, dict | list) for each in layer)


def without_controls(text: str) -> str:
    r"""The text with control characters and line breaks escaped, such as ``\n`` or ``\x1b``."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Zl", "Zp")
        else character
        for character in text
    )
