"""The rules by which concepts, searches, images and texts are refused, read from a file of data."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from vlsu._yaml import read_yaml
from vlsu.build.rails.ages import AgeWords, read_ages
from vlsu.errors import UsageError
from vlsu.policy import Category, Policy, Severity, default_policy

__all__ = ["MINOR", "UNDECLARED", "Proposal", "Rails", "Refusal", "Rule", "default_rails"]

#: The kind that age words tell of.
MINOR = "minor"
#: Identifier of the refusal of what does not say what it shows.
UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is refused, and why.

    Attributes:
        id: Its name, kept with what it refuses.
        reason: One clear sentence.
        categories: Of the default policy; all if empty.
        severities: Of the image or the text at hand; all if empty.
        kinds: All of these must hold; if empty the whole pair of category and severity is closed.
    """

    id: str
    reason: str
    categories: frozenset[str]
    severities: frozenset[Severity]
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A concept, a search, an image by its description, or a text, before anything is done with it.

    Attributes:
        text: Its words: the concept, the search terms, the caption, the query.
        category: What it is made for; `None` for a sample without one.
        severity: Wanted of the image (of concepts, searches and images) or of the text.
        language: Of the words.
        kinds: What it shows or speaks of, of the rules' `kinds`, as its maker or a grader says;
            `None` where nobody has said.
    """

    text: str
    category: str | None
    severity: Severity
    language: str = "en"
    kinds: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something goes no further.

    Attributes:
        rule: Identifier of the rule, or `UNDECLARED`.
        reason: One clear sentence; it repeats nothing of what was refused.
    """

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rails:
    """The rules, for the categories of one policy.

    Attributes:
        version: Of the file.
        hash: SHA-256 of the file's text.
        kinds: Kind -> what it is.
        rules: In the order in which they are tried.
        ages: Language -> its age words.
        counterparts: Category of the policy -> its counterparts in the default policy; empty where
            it has none that is known, and then every rule on a kind holds.
    """

    version: str
    hash: str
    kinds: Mapping[str, str]
    rules: tuple[Rule, ...]
    ages: Mapping[str, AgeWords]
    counterparts: Mapping[str, frozenset[str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages whose age words are known; in others nothing can be built."""
        return tuple(self.ages)

    def closed(self, category: str | None, severity: Severity) -> Refusal | None:
        """Why a pair of category and severity is closed as a whole; `None` if it is not."""
        for rule in self.rules:
            if not rule.kinds and self._holds(rule, category, severity):
                return Refusal(rule.id, rule.reason)
        return None

    def on_kinds(self, category: str | None, severity: Severity) -> tuple[Rule, ...]:
        """The rules that refuse some kinds here, whatever else is shown or spoken of."""
        return tuple(r for r in self.rules if r.kinds and self._holds(r, category, severity))

    def refusal(self, proposal: Proposal) -> Refusal | None:
        """Why a proposal goes no further; `None` if nothing is against it.

        What a rule asks about and nobody has declared is taken to hold: a proposal in such a
        category that does not say what it shows is refused.

        Raises:
            UsageError: The language, the category or a kind is unknown.
        """
        declared = proposal.kinds
        if unknown := set(declared or ()) - set(self.kinds):
            raise UsageError(f"kind {min(unknown)!r} is none of {', '.join(self.kinds)}")
        if (refused := self.closed(proposal.category, proposal.severity)) is not None:
            return refused
        known = frozenset(declared or ()) | self._told_by_words(proposal)
        for rule in self.rules:
            if not rule.kinds or not self._holds(rule, proposal.category, proposal.severity):
                continue
            if rule.kinds <= known:
                return Refusal(rule.id, rule.reason)
            if declared is None and (rule.categories or rule.kinds & known):
                asked = ", ".join(sorted(rule.kinds - known))
                return Refusal(
                    UNDECLARED, f"it must be said whether this is {asked}, and nobody has said so"
                )
        return None

    def _told_by_words(self, proposal: Proposal) -> frozenset[str]:
        """The kinds that the words tell of."""
        if proposal.language not in self.ages:
            raise UsageError(
                f"language {proposal.language!r}: texts can be built in "
                f"{', '.join(self.ages)}, whose words for age are known"
            )
        found = self.ages[proposal.language].found(proposal.text)
        return frozenset() if found is None else frozenset({MINOR})

    def _holds(self, rule: Rule, category: str | None, severity: Severity) -> bool:
        if rule.severities and severity not in rule.severities:
            return False
        if not rule.categories:
            return True
        if category is None:
            return False
        try:
            known = self.counterparts[category]
        except KeyError:
            raise UsageError(f"the policy has no category {category!r}") from None
        return bool(known & rule.categories) or (not known and bool(rule.kinds))


def default_rails(policy: Policy) -> Rails:
    """The rules of this package, for the categories of a policy.

    Categories of the default policy are known by identifier and name, others by the codes of other
    taxonomies that they name.
    """
    text = _text()
    tree: Any = read_yaml(text)
    rules = tuple(
        Rule(
            id=entry["id"],
            reason=entry["reason"],
            categories=frozenset(entry.get("categories", ())),
            severities=frozenset(map(Severity.parse, entry.get("severities", ()))),
            kinds=frozenset(entry.get("kinds", ())),
        )
        for entry in tree["rules"]
    )
    return Rails(
        version=tree["version"],
        hash=hashlib.sha256(text.encode()).hexdigest(),
        kinds=tree["kinds"],
        rules=rules,
        ages=read_ages(tree["ages"]),
        counterparts={
            category.id: _counterparts(category, tree["codes"]) for category in policy.categories
        },
    )


@cache
def _text() -> str:
    return files("vlsu.build.rails").joinpath("rules.yaml").read_text(encoding="utf-8")


def _counterparts(
    category: Category, codes: Mapping[str, Mapping[str, list[str]]]
) -> frozenset[str]:
    ours = {(each.id, each.name) for each in default_policy().categories}
    if (category.id, category.name) in ours:
        return frozenset({category.id})
    return frozenset(
        known
        for known, named in codes.items()
        if any(
            set(listed) & set(category.codes.get(system, ())) for system, listed in named.items()
        )
    )
