"""``ensemble/RULE:A+B+…``: several graders whose verdicts are combined by a rule.

    ensemble/max:guard-text+guard-image
    ensemble/max:qwen@image+qwen@text
    ensemble/vote:openai/gpt-4o+runs/guard-a+runs/guard-b

A member is a name in ``models.yaml``, a SPEC, or the folder of a finished run. ``@image``,
``@text`` or ``@joint`` at its end restricts what it contributes. Names may contain colons; a plus
that belongs to a name is written ``%2B``, an at sign that would be read as a restriction ``%40``,
and a percent sign before one of these codes ``%25``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlsu.errors import UsageError
from vlsu.models.base import Model, Settings
from vlsu.policy import MODALITIES
from vlsu.registry import did_you_mean

__all__ = ["PREFIX", "RULES", "EnsembleSpec", "MemberSpec", "ensemble_model", "is_ensemble"]

PREFIX = "ensemble/"
#: How verdicts are combined.
RULES = ("max", "vote", "stack")

_CODES = {"%2B": "+", "%40": "@", "%25": "%"}
_CODE = re.compile("|".join(_CODES), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """A member as the user wrote it.

    Attributes:
        name: A name in ``models.yaml``, a SPEC, or a run folder.
        only: The one modality that it contributes; `None`: all that it has.
    """

    name: str
    only: str | None = None

    def __str__(self) -> str:
        return self.written(self.name)

    def written(self, name: str) -> str:
        """As in a SPEC, under another name."""
        escaped = re.sub("%(?=2B|40|25)", "%25", name, flags=re.IGNORECASE).replace("+", "%2B")
        if _restriction(escaped) is not None:
            escaped = "%40".join(escaped.rsplit("@", 1))
        return escaped if self.only is None else f"{escaped}@{self.only}"


@dataclass(frozen=True, slots=True)
class EnsembleSpec:
    """A parsed SPEC of an ensemble.

    Attributes:
        rule: One of `RULES`.
        members: Two or more, all different.
    """

    rule: str
    members: tuple[MemberSpec, ...]

    def __str__(self) -> str:
        return f"{PREFIX}{self.rule}:{'+'.join(map(str, self.members))}"

    @classmethod
    def parse(cls, spec: str) -> EnsembleSpec:
        """Read ``ensemble/RULE:A+B+…``.

        Raises:
            UsageError: There is no such rule, or there are fewer than two members, or one twice.

        Example:
            >>> EnsembleSpec.parse("ensemble/max:guard/a:b+clip@image").members
            (MemberSpec(name='guard/a:b', only=None), MemberSpec(name='clip', only='image'))
        """
        rule, colon, rest = spec.removeprefix(PREFIX).partition(":")
        if rule not in RULES:
            raise UsageError(
                f"{spec}: no rule {rule!r}; write ensemble/RULE:A+B with RULE one of "
                f"{', '.join(RULES)}; {did_you_mean(rule, list(RULES))}"
            )
        parts = [part.strip() for part in rest.split("+")] if colon else []
        members = tuple(map(_member, filter(None, parts)))
        if len(members) < len(parts):
            raise UsageError(
                f"{spec}: a member between two plus signs, or at an end, is missing; a plus that "
                "belongs to a name is written %2B"
            )
        if len(members) < 2:
            raise UsageError(f"{spec}: an ensemble combines two members or more: {rule}:A+B")
        for member in members:
            if members.count(member) > 1:
                raise UsageError(f"{spec}: {member} is given twice; give each member once")
        return cls(rule, members)


def is_ensemble(model: object) -> bool:
    """Whether a model is named by the SPEC of an ensemble."""
    return isinstance(model, str) and model.startswith(PREFIX)


def ensemble_model(name: str, settings: Settings) -> Model:
    """Several graders combined by max, vote or stack, for the understanding task.

    Raises:
        UsageError: Always: its members are runs, which no single model is.
    """
    EnsembleSpec.parse(f"{PREFIX}{name}")
    raise UsageError(
        f"{PREFIX}{name}: an ensemble combines verdicts of understanding runs and is no model by "
        "itself; use it with vlsu run understanding --model or vlsu.evaluate"
    )


def _member(part: str) -> MemberSpec:
    only = _restriction(part)
    name = part if only is None else part.removesuffix(f"@{only}")
    return MemberSpec(_CODE.sub(lambda code: _CODES[code[0].upper()], name), only)


def _restriction(part: str) -> str | None:
    end = part.rpartition("@")[2] if "@" in part else ""
    return end if end in MODALITIES else None
