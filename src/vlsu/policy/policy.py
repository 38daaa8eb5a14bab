"""A policy: what counts as safe, borderline and unsafe in every harm category."""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from vlsu._files import read_text
from vlsu._yaml import YamlError, read_yaml
from vlsu.errors import PolicyError
from vlsu.policy.severity import Severity

__all__ = [
    "POLICIES",
    "Category",
    "CriticalHarm",
    "Descriptions",
    "NotCovered",
    "Policy",
    "bundled_policy",
    "default_policy",
    "known_policy",
    "load_policy",
    "parse_policy",
]

MODALITIES = ("image", "text", "joint")

#: Policies that come with this package and are chosen by name: `default` has three severities,
#: `binary` the same categories at two, for sets that are graded safe or unsafe.
POLICIES = ("default", "binary")


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What one severity looks like in one category, in an image and in a text."""

    image: str
    text: str


@dataclass(frozen=True, slots=True)
class Category:
    """A harm category: identifier (``C9``), name, and a description for each severity."""

    id: str
    name: str
    description: str
    severities: Mapping[Severity, Descriptions]
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Identifier and name as datasets write them: ``"C9: Interpersonal Violence"``."""
        return f"{self.id}: {self.name}"


@dataclass(frozen=True, slots=True)
class CriticalHarm:
    """A harm for which one miss is one too many: part of a category."""

    category: str
    harm: str


@dataclass(frozen=True, slots=True)
class NotCovered:
    """A harm that no category of the policy covers, and its hazards in other taxonomies."""

    harm: str
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """Categories and severities with a description for each category and severity.

    Attributes:
        severities: Severity -> what it means, over all categories; mildest first. A policy may do
            without borderline: then no category describes it, and no grade or answer is it.
        responses: Severity -> how an assistant is expected to answer.
        joint: How a pair is graded.
        boundary: Tie-break rules, in order.
        at_risk: How an assistant is expected to answer someone in danger from themselves, whatever
            the severity; empty if the policy does not say.
        critical: Harms for which one miss is one too many.
        not_covered: What a score under this policy says nothing of.
        text: The YAML the policy was read from; `hash` is taken over its content.
    """

    name: str
    version: str
    language: str
    description: str
    severities: Mapping[Severity, str]
    responses: Mapping[Severity, str]
    categories: tuple[Category, ...]
    joint: str
    boundary: tuple[str, ...]
    text: str
    at_risk: str = ""
    critical: tuple[CriticalHarm, ...] = ()
    not_covered: tuple[NotCovered, ...] = ()

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def hash(self) -> str:
        """SHA-256 of the policy's content, without layout and comments of the file."""
        return _content_hash(self.text)

    @property
    def identity(self) -> dict[str, object]:
        """Name, version and hash, and the severities if they are not all three, for a record."""
        found: dict[str, object] = {"name": self.name, "version": self.version, "hash": self.hash}
        if len(self.severities) < len(Severity):
            found["severities"] = [severity.label for severity in self.severities]
        return found

    @property
    def category_ids(self) -> tuple[str, ...]:
        """Identifiers in the policy's order."""
        return tuple(c.id for c in self.categories)

    def to_dict(self) -> dict[str, object]:
        """The policy's text as in its file, with its hash."""
        content: dict[str, object] = dict(
            _Reader("policy").mapping(read_yaml(self.text), "the file")
        )
        return {**content, "hash": self.hash}

    def category(self, id_: str) -> Category:
        """The category of that identifier.

        Raises:
            PolicyError: The policy has no such category.
        """
        for category in self.categories:
            if category.id.lower() == id_.lower():
                return category
        raise PolicyError(
            f"policy {self.name!r} has no category {id_!r}; it has {', '.join(self.category_ids)}"
        )

    def find_category(self, text: str) -> str | None:
        """The identifier meant by a category's name in a dataset or an answer, or `None`.

        Accepts an identifier (``c9``), an identifier with a title (``C9: Interpersonal Violence``)
        or the bare name, in any letter case.
        """
        words = text.strip().lower()
        head = re.split(r"[:\s\-–—.]", words, maxsplit=1)[0]
        for category in self.categories:
            if words in (category.id.lower(), category.name.lower()):
                return category.id
        for category in self.categories:
            if head == category.id.lower():
                return category.id
        return None


@lru_cache(maxsize=16)
def _content_hash(text: str) -> str:
    content = json.dumps(read_yaml(text), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def parse_policy(text: str, where: str = "policy") -> Policy:
    """Read a policy from YAML text.

    Args:
        text: The YAML.
        where: The file name, for messages.

    Raises:
        PolicyError: The YAML is broken or a part is absent, empty or of the wrong kind; the message
            names the part.
    """
    try:
        tree = read_yaml(text)
    except YamlError as error:
        raise PolicyError(error.at(where)) from None
    reader = _Reader(where)
    top = reader.mapping(tree, "the file")
    levels = reader.mapping(top.get("severities"), "severities")
    texts, responses = {}, {}
    reader.two_severities = Severity.BORDERLINE.label not in levels
    for severity in reader.severities:
        level = reader.mapping(levels.get(severity.label), f"severities.{severity.label}")
        texts[severity] = reader.text(level, "description", f"severities.{severity.label}")
        responses[severity] = reader.text(level, "response", f"severities.{severity.label}")
    if unknown := sorted(set(map(str, levels)) - {s.label for s in Severity}):
        raise PolicyError(f"{where}: severities.{unknown[0]}: only safe, borderline, unsafe exist")
    listed = top.get("categories")
    if not isinstance(listed, list) or not listed:
        raise PolicyError(f"{where}: categories: expected a list with at least one category")
    categories = tuple(reader.category(entry, n) for n, entry in enumerate(listed, 1))
    seen: set[str] = set()
    for category in categories:
        if category.id.lower() in seen:
            raise PolicyError(f"{where}: categories: {category.id!r} is listed twice; remove one")
        seen.add(category.id.lower())
    boundary = top.get("boundary", [])
    if not isinstance(boundary, list) or not all(isinstance(rule, str) for rule in boundary):
        raise PolicyError(f"{where}: boundary: expected a list of texts")
    return Policy(
        name=reader.text(top, "name"),
        version=reader.text(top, "version"),
        language=reader.text(top, "language", default="en"),
        description=reader.text(top, "description", default=""),
        severities=texts,
        responses=responses,
        categories=categories,
        joint=reader.text(top, "joint", default=""),
        boundary=tuple(boundary),
        text=text,
        at_risk=reader.text(
            reader.mapping(top.get("at_risk", {}), "at_risk"), "response", "at_risk", default=""
        ),
        critical=tuple(
            reader.critical(entry, n, seen)
            for n, entry in enumerate(reader.listed(top, "critical"), 1)
        ),
        not_covered=tuple(
            reader.not_covered(entry, n)
            for n, entry in enumerate(reader.listed(top, "not_covered"), 1)
        ),
    )


def load_policy(path: str | Path) -> Policy:
    """A policy of this package by its name, one of `POLICIES`, or a policy file (YAML, UTF-8).

    A file that has such a name is given with its folder: ``./binary``, as a text.

    Raises:
        PolicyError: The file is absent, unreadable or not a policy.
    """
    if str(path) == "":
        raise PolicyError("policy '': give a policy file, or " + " or ".join(POLICIES))
    if str(path) in POLICIES:
        return bundled_policy(str(path))
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise PolicyError(
            f"{path}: cannot be read (No such file or directory); give a policy file, or "
            f"{' or '.join(POLICIES)}"
        ) from None
    except OSError as error:
        raise PolicyError(
            f"{path}: cannot be read ({error.strerror}); give a policy file"
        ) from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    return parse_policy(text, str(path))


@cache
def bundled_policy(name: str) -> Policy:
    """A policy of this package.

    Raises:
        PolicyError: It is none of `POLICIES`.
    """
    if name not in POLICIES:
        raise PolicyError(f"no policy is called {name!r}; use {' or '.join(POLICIES)}")
    return parse_policy(_bundled_text(name), f"{name} policy")


def default_policy() -> Policy:
    """The 15 categories of VLSU with a description for each category, severity and modality."""
    return bundled_policy("default")


def default_policy_text() -> str:
    """The default policy's YAML, as a template for custom policies."""
    return _bundled_text("default")


def known_policy(hash: str) -> Policy | None:
    """The policy of this package that has a hash, if one has."""
    return next((each for each in map(bundled_policy, POLICIES) if each.hash == hash), None)


def _bundled_text(name: str) -> str:
    return files("vlsu.policy").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


class _Reader:
    """Typed access to a YAML tree, with messages that name the file and the part."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.two_severities = False

    @property
    def severities(self) -> tuple[Severity, ...]:
        """Those that the policy has, mildest first."""
        return tuple(s for s in Severity if not (self.two_severities and s is Severity.BORDERLINE))

    def mapping(self, value: object, part: str) -> dict[str, object]:
        if not isinstance(value, dict):
            found = "nothing" if value is None else type(value).__name__
            raise PolicyError(f"{self.where}: {part}: expected a mapping, found {found}")
        return value

    def text(
        self, tree: Mapping[str, object], key: str, part: str = "", default: str | None = None
    ) -> str:
        value = tree.get(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or (not value.strip() and default is None):
            name = f"{part}.{key}" if part else key
            raise PolicyError(f"{self.where}: {name}: expected a text, found {reprlib.repr(value)}")
        return value.strip()

    def category(self, entry: object, number: int) -> Category:
        part = f"categories[{number}]"
        tree = self.mapping(entry, part)
        id_ = self.text(tree, "id", part)
        part = f"category {id_}"
        severities = {}
        if self.two_severities and Severity.BORDERLINE.label in tree:
            raise PolicyError(
                f"{self.where}: {part}.borderline: the policy's severities have no borderline; "
                "remove it here, or add severities.borderline"
            )
        for severity in self.severities:
            value = tree.get(severity.label)
            if isinstance(value, str):
                value = {"image": value, "text": value}
            level = self.mapping(value, f"{part}.{severity.label}")
            severities[severity] = Descriptions(
                image=self.text(level, "image", f"{part}.{severity.label}"),
                text=self.text(level, "text", f"{part}.{severity.label}"),
            )
        return Category(
            id=id_,
            name=self.text(tree, "name", part),
            description=self.text(tree, "description", part, default=""),
            severities=severities,
            codes=self.codes(tree, part),
        )

    def codes(self, tree: Mapping[str, object], part: str) -> dict[str, tuple[str, ...]]:
        return {
            system: tuple(map(str, listed)) if isinstance(listed, list) else (str(listed),)
            for system, listed in self.mapping(tree.get("codes", {}), f"{part}.codes").items()
        }

    def listed(self, tree: Mapping[str, object], key: str) -> list[object]:
        value = tree.get(key, [])
        if not isinstance(value, list):
            raise PolicyError(f"{self.where}: {key}: expected a list, found {reprlib.repr(value)}")
        return value

    def critical(self, entry: object, number: int, known: set[str]) -> CriticalHarm:
        part = f"critical[{number}]"
        tree = self.mapping(entry, part)
        category = self.text(tree, "category", part)
        if category.lower() not in known:
            raise PolicyError(f"{self.where}: {part}.category: there is no category {category!r}")
        return CriticalHarm(category, self.text(tree, "harm", part))

    def not_covered(self, entry: object, number: int) -> NotCovered:
        part = f"not_covered[{number}]"
        tree = self.mapping(entry, part)
        return NotCovered(self.text(tree, "harm", part), self.codes(tree, part))
