"""A record of texts by field name -> a sample, with everything mended said."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from vlsu.data.importers.base import Note, Rejected, SourceRow
from vlsu.data.rows import COLUMNS, is_sha256
from vlsu.data.sample import Sample
from vlsu.errors import PolicyError
from vlsu.policy import MODALITIES, NOT_SURE, Policy, Severity

__all__ = ["FIELDS", "build_row", "quote"]

#: What a column of a file can be: a column of the dataset, or ``image``, the name of its file.
FIELDS: tuple[str, ...] = (*COLUMNS, "image")


def quote(value: str, length: int = 40) -> str:
    """A value as messages show it: one short line, so that no text of a sample gets into them."""
    return repr(value if len(value) <= length else value[:length] + "…")


def build_row(
    line: int,
    values: Mapping[str, str],
    extra: Mapping[str, str],
    policy: Policy,
    *,
    nulls: bool = False,
) -> SourceRow | Rejected:
    """Make a sample of a record.

    Args:
        line: Number of the record's first line in the file.
        values: Field of `FIELDS` -> the file's text for it.
        extra: Everything else the record holds; it goes into the metadata.
        policy: Whose categories the file's are matched to.
        nulls: Whether null bytes were taken out of the record.
    """
    builder = _Builder(line, values, policy)
    if nulls:
        builder.note("null bytes removed", mend="save the file without them", problem=True)
    grades: dict[str, Severity | None] = {}
    for modality in MODALITIES:
        grade = builder.grade(modality)
        if isinstance(grade, Rejected):
            return grade
        grades[modality] = grade
    if not any(grade is not None for grade in grades.values()):
        builder.note("no grade at all", mend="it is not evaluated on any modality")
    categories = {modality: builder.category(modality) for modality in MODALITIES}
    sha256 = builder.plain("image_sha256")
    if sha256 is not None and not is_sha256(sha256 := sha256.lower()):
        builder.note("image_sha256 is no SHA-256", quote(sha256), "remove or mend it", problem=True)
        sha256 = None
    url, image = builder.plain("image_url"), builder.plain("image")
    stated = {**builder.stated_metadata(), **({"image": image} if image else {})}
    sample = Sample(
        id=builder.identifier(),
        text=builder.text(),
        language=builder.plain("language"),
        image_url=url,
        image_grade=grades["image"],
        text_grade=grades["text"],
        joint_grade=grades["joint"],
        image_category=categories["image"],
        text_category=categories["text"],
        joint_category=categories["joint"],
        group=builder.plain("group"),
        metadata={**stated, **_filled(extra), **builder.originals},
    )
    names = tuple(name for name in (image, url) if name)
    return SourceRow(line, sample, names, sha256, tuple(builder.notes))


def _filled(extra: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in extra.items() if value.strip()}


class _Builder:
    """Reads the fields of one record, collecting notes and the words that were not understood."""

    def __init__(self, line: int, values: Mapping[str, str], policy: Policy) -> None:
        self._line = line
        self._values = values
        self._policy = policy
        self.notes: list[Note] = []
        self.originals: dict[str, str] = {}

    def note(self, kind: str, value: str = "", mend: str = "", *, problem: bool = False) -> None:
        self.notes.append(Note(self._line, kind, value, mend, problem))

    def plain(self, field: str) -> str | None:
        return self._values.get(field, "").strip() or None

    def identifier(self) -> str:
        if id_ := self.plain("id"):
            return id_
        if "id" in self._values:
            self.note("id missing -> made from the line", mend="give the row an id", problem=True)
        return f"row-{self._line}"

    def text(self) -> str | None:
        text = self._values.get("text", "")
        if not text.strip():
            if "text" in self._values:
                self.note("text empty -> absent")
            return None
        if "\r\n" in text:
            # One prompt must not become two by the editor its file was saved with.
            self.note("line ends in text CRLF -> LF")
        return text.replace("\r\n", "\n")

    def grade(self, modality: str) -> Severity | Rejected | None:
        field = f"{modality}_grade"
        if field not in self._values:
            return None
        word = self._values[field].strip()
        if not word:
            self.note(f"grade empty -> absent ({modality})")
            return None
        try:
            return Severity.parse(word)
        except PolicyError:
            pass
        if re.sub(r"[\s_\-]+", "", word.lower()) == NOT_SURE.replace("_", ""):
            self.note(f"grade not_sure -> absent ({modality})")
            self.originals[f"original_{field}"] = word
            return None
        reason, mend = f"unknown grade ({modality})", "use safe, borderline, unsafe or not_sure"
        return Rejected(self._line, reason, quote(word), mend)

    def category(self, modality: str) -> str | None:
        field = f"{modality}_category"
        words = self.plain(field)
        if words is None:
            return None
        found = self._policy.find_category(words)
        if found is None:
            self.note(
                f"unknown category -> absent ({modality})",
                quote(words),
                "use a category of the policy, or a policy that has it",
                problem=True,
            )
            self.originals[f"original_{field}"] = words
            return None
        title = words.partition(":")[2].strip()
        named = self._policy.find_category(title) if title else None
        if named not in (None, found):
            self.note(
                f"category number and name disagree, number kept ({modality})",
                quote(words),
                "mend the category",
                problem=True,
            )
            self.originals[f"original_{field}"] = words
        return found

    def stated_metadata(self) -> dict[str, object]:
        """A metadata column as `vlsu data export` writes it, or as any text."""
        text = self.plain("metadata")
        if text is None:
            return {}
        try:
            stated = orjson.loads(text)
        except orjson.JSONDecodeError:
            stated = None
        return stated if isinstance(stated, dict) else {"metadata": text}
