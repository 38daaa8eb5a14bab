r"""``guard.yaml``: a guard of the user's own, described by a file.

    name: house-guard
    model: acme/guard-7b
    modalities: [text, joint]
    messages:
      - {role: system, text: "You classify posts for a shop."}
      - {role: user, text: "Post: {text}\n\nAnswer with ok, unclear or bad."}
    labels: {ok: safe, unclear: borderline, bad: unsafe}
    probabilities: true
    categories: {weapons: C10}

``messages`` may be by modality, and ``prompt`` stands for one message of the user's. ``{text}`` is
the only placeholder; other braces stay as they are. The image stands first in the last message of
the user's. An output counts where the whole of it, after reasoning, is one of the labels, or
matches ``pattern``, whose groups ``label`` and ``category`` say what it means. With ``tokens`` in
place of ``labels`` one token is asked for, and the most probable of these decides.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from vlsu._yaml import load_yaml
from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Part
from vlsu.models.guards.grading.base import (
    Answer,
    Content,
    ContentFamily,
    ContentVerdict,
    Question,
    Wire,
)
from vlsu.models.guards.grading.families import FAMILY_NAMES
from vlsu.models.guards.grading.probabilities import word_probabilities
from vlsu.models.http.model import CONTENT_PARAMS
from vlsu.models.output import after_reasoning
from vlsu.policy import MODALITIES, Severity
from vlsu.registry import did_you_mean

__all__ = ["CustomGuard", "load_guard"]

_FIELDS = (
    *("name", "model", "base_url", "modalities", "wire", "messages", "prompt", "params", "markers"),
    *("labels", "tokens", "pattern", "after", "probabilities", "categories", "max_tokens"),
)
_ROLES = ("system", "user", "assistant")
_NAME = re.compile(r"[\w.-]{1,80}")
_TEXT = "{text}"
_SEVERITIES = {severity.label: severity for severity in Severity}
#: Maximum characters of an output that a pattern is matched against.
_MAX_OUTPUT = 20_000
_NEVER = re.compile(r"(?!)")

Messages = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class CustomGuard:
    """A guard that a file describes.

    Attributes:
        model: Its name on the server, or on the hub, or a folder.
        base_url: Where it is asked, unless the command says so; `None` if the file does not.
        family: What it is asked, and how its output is read.
    """

    model: str
    base_url: str | None
    family: ContentFamily


def load_guard(path: str | Path) -> CustomGuard:
    """Read a ``guard.yaml``.

    Raises:
        UsageError: It cannot be read, or a field is wrong; the message names file, field and value.
    """
    reader = _Reader(str(path), load_yaml(path, UsageError))
    labels, one_token = reader.labels()
    modalities = reader.modalities()
    wire = reader.wire(modalities)
    pattern = reader.pattern()
    after = reader.text("after", "")
    messages = reader.messages(modalities)
    categories = reader.texts("categories")
    params = reader.params()
    probabilities = one_token or reader.flag("probabilities")
    name = reader.name()

    def ask(content: Content) -> tuple[Question, ...]:
        return (Question(_filled(messages[content.modality], content), params),)

    def read(answers: Sequence[Answer]) -> ContentVerdict | None:
        (answer,) = answers
        if one_token:
            return _most_probable(answer, labels)
        return _matched(answer, labels, pattern, after, probabilities=probabilities)

    def p_not_safe(answers: Sequence[Answer]) -> float | None:
        (answer,) = answers
        masses = word_probabilities(answer, tuple(labels), after)
        return _share(masses, labels, Severity.BORDERLINE)

    family = ContentFamily(
        name=name,
        about=f"described by {path}",
        source=str(path),
        names=_NEVER,
        modalities=modalities,
        levels=tuple(sorted(set(labels.values()))),
        ask=ask,
        read=read,
        categories=categories,
        wire=wire,
        logprobs=probabilities,
        needs_logprobs=one_token,
        p_not_safe=p_not_safe if probabilities else None,
        max_tokens=1 if one_token else reader.number("max_tokens", 128),
        markers=reader.list_of_texts("markers"),
        reading={
            "labels": {word: severity.label for word, severity in labels.items()},
            "one_token": one_token,
            "pattern": None if pattern is None else pattern.pattern,
            "after": after,
            "categories": categories,
        },
    )
    return CustomGuard(reader.required("model"), reader.text("base_url", "") or None, family)


def _filled(messages: Sequence[tuple[str, str]], content: Content) -> tuple[Message, ...]:
    """The messages with the content in them."""
    last = max(n for n, (role, _) in enumerate(messages) if role == "user")
    filled = []
    for number, (role, template) in enumerate(messages):
        parts: list[Part] = [(content.text or "").join(template.split(_TEXT))]
        if number == last and content.image_sha256 is not None:
            parts.insert(0, ImagePart(content.image_sha256))
        filled.append(Message(role, tuple(parts)))
    return tuple(filled)


def _matched(
    answer: Answer,
    labels: Mapping[str, Severity],
    pattern: re.Pattern[str] | None,
    after: str,
    *,
    probabilities: bool,
) -> ContentVerdict | None:
    text = after_reasoning(answer.text).strip()
    if len(text) > _MAX_OUTPUT:
        return None
    word, category = text, None
    if pattern is not None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        groups = found.groupdict()
        word, category = groups["label"] or "", groups.get("category")
    severity = labels.get(word.strip().lower())
    if severity is None:
        return None
    masses = word_probabilities(answer, tuple(labels), after) if probabilities else None
    categories = (category.strip(),) if category and category.strip() else ()
    return ContentVerdict(severity, categories, _share(masses, labels, Severity.UNSAFE))


def _most_probable(answer: Answer, labels: Mapping[str, Severity]) -> ContentVerdict | None:
    masses = word_probabilities(answer, tuple(labels))
    if masses is None:
        return None
    word = max(masses, key=lambda each: masses[each])
    return ContentVerdict(labels[word], (), _share(masses, labels, Severity.UNSAFE))


def _share(
    masses: Mapping[str, float] | None, labels: Mapping[str, Severity], least: Severity
) -> float | None:
    """The probability of a severity or a worse one."""
    if masses is None:
        return None
    return sum(p for word, p in masses.items() if labels[word] >= least)


class _Reader:
    """Typed access to the file's fields, with messages that name file and field."""

    def __init__(self, path: str, tree: object) -> None:
        self._path = path
        if not isinstance(tree, dict):
            raise UsageError(f"{path}: expected a mapping with name, model, modalities, ...")
        for key in tree:
            if key not in _FIELDS:
                near = did_you_mean(str(key), list(_FIELDS))
                raise UsageError(f"{path}: unknown field {reprlib.repr(key)}; {near}")
        self._tree: dict[str, object] = tree

    def wrong(self, field: str, wanted: str, found: object = None) -> UsageError:
        shown = "" if found is None else f", found {reprlib.repr(found)}"
        return UsageError(f"{self._path}: {field}: expected {wanted}{shown}")

    def text(self, field: str, default: str) -> str:
        value = self._tree.get(field, default)
        if not isinstance(value, str):
            raise self.wrong(field, "a text", value)
        return value

    def required(self, field: str) -> str:
        value = self.text(field, "").strip()
        if not value:
            raise self.wrong(field, "a text; it is missing")
        return value

    def name(self) -> str:
        name = self.required("name")
        if not _NAME.fullmatch(name):
            raise self.wrong("name", "at most 80 letters, digits, dots and hyphens", name)
        if name in FAMILY_NAMES:
            raise UsageError(f"{self._path}: name: {name} is a family of vlsu; choose another")
        return name

    def flag(self, field: str) -> bool:
        value = self._tree.get(field, False)
        if not isinstance(value, bool):
            raise self.wrong(field, "true or false", value)
        return value

    def number(self, field: str, default: int) -> int:
        value = self._tree.get(field, default)
        if type(value) is not int or value < 1:
            raise self.wrong(field, "a whole number from 1", value)
        return value

    def mapping(self, field: str) -> dict[str, object]:
        value = self._tree.get(field, {})
        if not isinstance(value, dict):
            raise self.wrong(field, "a mapping", value)
        return value

    def params(self) -> dict[str, object]:
        """Further fields of the body, none of which is what a run sends or reads by itself."""
        found = self.mapping("params")
        for name in found:
            if name in CONTENT_PARAMS:
                raise UsageError(f"{self._path}: params.{name}: that is what a run asks; remove it")
        if found.get("stream"):
            raise UsageError(f"{self._path}: params.stream: answers are read whole; remove it")
        return found

    def texts(self, field: str) -> dict[str, str]:
        tree = self.mapping(field)
        for key, value in tree.items():
            if not isinstance(value, str):
                raise self.wrong(f"{field}.{key}", "a text", value)
        return cast("dict[str, str]", tree)

    def list_of_texts(self, field: str) -> tuple[str, ...]:
        value = self._tree.get(field, [])
        if not isinstance(value, list) or not all(isinstance(e, str) and e for e in value):
            raise self.wrong(field, "a list of texts", value)
        return tuple(value)

    def modalities(self) -> frozenset[str]:
        listed = self.list_of_texts("modalities")
        if not listed or not set(listed) <= set(MODALITIES):
            raise self.wrong("modalities", f"a list of {', '.join(MODALITIES)}", list(listed))
        return frozenset(listed)

    def wire(self, modalities: frozenset[str]) -> Wire:
        value = self.text("wire", "chat")
        if value not in ("chat", "completions"):
            raise self.wrong("wire", "chat or completions", value)
        if value == "completions" and modalities != {"text"}:
            raise UsageError(f"{self._path}: wire: completions carries text alone; use chat")
        return cast("Wire", value)

    def labels(self) -> tuple[dict[str, Severity], bool]:
        """Word -> severity, and whether one token of these is asked for."""
        given = [field for field in ("labels", "tokens") if field in self._tree]
        if len(given) != 1:
            raise UsageError(f"{self._path}: give labels or tokens, and one of the two")
        (field,) = given
        found: dict[str, Severity] = {}
        for word, value in self.texts(field).items():
            if value not in _SEVERITIES:
                raise self.wrong(f"{field}.{word}", "safe, borderline or unsafe", value)
            if not word.strip() or word.strip().lower() in found:
                raise self.wrong(field, "words that differ in more than letter case", word)
            found[word.strip().lower()] = _SEVERITIES[value]
        if not {Severity.SAFE, Severity.UNSAFE} <= set(found.values()):
            raise self.wrong(field, "at least one word for safe and one for unsafe")
        alone = field == "tokens" or self.flag("probabilities")
        same = [a for a in found for b in found if a != b and b.startswith(a)]
        if alone and same:
            raise self.wrong(field, f"words of which none begins another, for {same[0]!r}")
        for other in ("pattern", "after", "probabilities", "max_tokens"):
            if field == "tokens" and other in self._tree:
                raise UsageError(f"{self._path}: {other}: not with tokens; use labels")
        return found, field == "tokens"

    def pattern(self) -> re.Pattern[str] | None:
        if "pattern" not in self._tree:
            return None
        text = self.required("pattern")
        try:
            pattern = re.compile(text, re.IGNORECASE)
        except re.error as error:
            raise UsageError(f"{self._path}: pattern: no regular expression ({error})") from None
        if "label" not in pattern.groupindex:
            raise self.wrong("pattern", "a group (?P<label>...)", text)
        return pattern

    def messages(self, modalities: frozenset[str]) -> Messages:
        """By modality the role and text of each message."""
        if ("messages" in self._tree) == ("prompt" in self._tree):
            raise UsageError(f"{self._path}: give messages or prompt, and one of the two")
        given = self._tree.get("messages")
        if given is None:
            given = [{"role": "user", "text": self.required("prompt")}]
        by_modality = given if isinstance(given, dict) else dict.fromkeys(modalities, given)
        if unknown := sorted(set(by_modality) ^ modalities):
            raise self.wrong("messages", f"one list for each of the modalities, as {unknown[0]}")
        completions = self._tree.get("wire") == "completions"
        return {m: self._list(m, listed, completions) for m, listed in by_modality.items()}

    def _list(self, modality: str, given: object, completions: bool) -> list[tuple[str, str]]:
        if not isinstance(given, list) or not given:
            raise self.wrong("messages", "a list of {role, text}", given)
        found = []
        for number, each in enumerate(given, 1):
            where = f"messages[{number}]"
            if not isinstance(each, dict) or set(each) != {"role", "text"}:
                raise self.wrong(where, "{role, text}", each)
            role, text = each["role"], each["text"]
            if role not in _ROLES:
                raise self.wrong(f"{where}.role", " or ".join(_ROLES), role)
            if not isinstance(text, str):
                raise self.wrong(f"{where}.text", "a text", text)
            found.append((role, text))
        if not any(role == "user" for role, _ in found):
            raise self.wrong("messages", "a message of the user")
        shown = any(_TEXT in text for role, text in found if role == "user")
        if modality != "image" and not shown:
            raise UsageError(
                f"{self._path}: messages: no message of the user shows {_TEXT} for {modality}"
            )
        if completions and len(found) > 1:
            raise UsageError(f"{self._path}: messages: completions takes one prompt")
        return found
