"""The families of guard models: how each is prompted about an answer, and how its output is parsed.

Formats follow the publishers' documentation: the model cards and repositories of Qwen3Guard,
WildGuard (its ``WILDGUARD_INPUT_FORMAT``), PolyGuard, Llama Guard 3 and 4, Granite Guardian 3.x and
4.1 (its ``<guardian>`` block), and NVIDIA's pages on Nemotron 3 Content Safety. A family whose
tokenizer has a chat template is sent the conversation itself. The others get the exact prompt of
their training from ``prompts/``. Markers of that prompt within an exchange are broken up, since
they could end its section.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Part
from vlsu.models.guards.names import match_family
from vlsu.models.guards.reading import (
    GuardVerdict,
    read_first_line,
    read_polyguard,
    read_qwen3guard,
    read_score,
    read_user_and_response,
    read_wildguard,
)

__all__ = [
    "ENGLISH",
    "FAMILIES",
    "LLAMA_GUARD_LANGUAGES",
    "NEMOTRON_LANGUAGES",
    "POLYGUARD_LANGUAGES",
    "GuardFamily",
    "find_family",
    "prompt_text",
]

_PROMPTS = Path(__file__).with_name("prompts")

#: Markers that end a section of a fixed prompt, in any spacing and letter case.
_SECTION_END = re.compile(
    r"(?=\[\s?/?\s?INST\s?\]|<\|\s?(?:user|assistant|system|end)\s?\|>|</?s>)(?P<token>[\[<])"
    r"|(?:^|(?<=[\r\x0b\x0c\x85\u2028\u2029]))(?P<before>[^\S\n\r\x0b\x0c\x85\u2028\u2029]*)"
    r"(?=human user:|ai assistant:|answers:)(?P<letter>\w)",
    re.IGNORECASE | re.MULTILINE,
)

Conversation = Callable[[Message, str], tuple[Message, ...]]


@dataclass(frozen=True, slots=True)
class GuardFamily:
    """Guard models that share a format.

    Attributes:
        name: Its name in a SPEC.
        about: Its models, for listings.
        names: Matches the lower-cased names of its models.
        gives: Of ``refusal``, ``safety`` and ``controversial`` (a third level of safety), what its
            verdict contains.
        conversation: Builds the messages from the user's turn and the answer.
        read: Parses its output; `None` for no verdict.
        sees_images: Whether it is given the user's image.
        languages: The languages it was trained for; `None` if there are too many to list.
        completion: Whether its prompt is sent without the server's chat template.
        params: Fields of the request body that its chat template needs.
    """

    name: str
    about: str
    names: re.Pattern[str]
    gives: frozenset[str]
    conversation: Conversation
    read: Callable[[str], GuardVerdict | None]
    sees_images: bool = False
    languages: frozenset[str] | None = None
    completion: bool = False
    params: Mapping[str, object] = field(default_factory=dict)

    def messages(self, text: str, image_sha256: str | None, answer: str) -> tuple[Message, ...]:
        """The messages about an answer to a text and perhaps an image."""
        parts: list[Part] = [text]
        if self.sees_images and image_sha256 is not None:
            parts.insert(0, ImagePart(image_sha256))
        return self.conversation(Message("user", tuple(parts)), answer)

    @property
    def hash(self) -> str:
        """SHA-256 of the form of its messages."""
        shown = self.messages("{message}", "{image}", "{answer}")
        return hashlib.sha256(repr((shown, dict(self.params))).encode()).hexdigest()


def find_family(name: str) -> tuple[GuardFamily, str]:
    """The family of a guard and the model's name on its server.

    Args:
        name: ``FAMILY:MODEL``, or a model name that identifies its family.

    Raises:
        UsageError: The family is neither given nor identified by the name.
    """
    from vlsu.models.guards.grading.families import FAMILY_NAMES  # which uses this module

    family, model = match_family(name, FAMILIES, FAMILY_NAMES)
    if family is not None:
        return family, model
    known = ", ".join(family.name for family in FAMILIES)
    raise UsageError(
        f"guard/{name}: the name identifies no known family; write guard/FAMILY:{name} with one of "
        f"{known}"
    )


def _chat(user: Message, answer: str) -> tuple[Message, ...]:
    """The conversation itself; the server's chat template does the rest."""
    return user, Message("assistant", (answer,))


def _wildguard(user: Message, answer: str) -> tuple[Message, ...]:
    """One prompt; the server's tokenizer adds the start token."""
    message, answer = _neutralised(_text(user)), _neutralised(answer)
    prompt = prompt_text("wildguard").format(message=message, answer=answer)
    return (Message("user", (prompt,)),)


def _polyguard(user: Message, answer: str) -> tuple[Message, ...]:
    """A system prompt with the categories, and the exchange in the user's turn."""
    message, answer = _neutralised(_text(user)), _neutralised(answer)
    exchange = f"Human user:\n{message}\n\nAI assistant:\n{answer}"
    return Message("system", (prompt_text("polyguard").strip(),)), Message("user", (exchange,))


def _granite_4(user: Message, answer: str) -> tuple[Message, ...]:
    """The conversation, and a last turn with the criterion."""
    block = prompt_text("granite-guardian-4").strip()
    return *_chat(user, answer), Message("user", (block,))


def _neutralised(content: str) -> str:
    """Content that cannot end its section of a prompt: a space is inserted into such markers.

    The prompt of a guard is fixed, so its markers cannot be adapted to the content.
    """
    return _SECTION_END.sub(r"\g<0> ", content)


def _text(message: Message) -> str:
    return "".join(part for part in message.parts if isinstance(part, str))


@cache
def prompt_text(name: str) -> str:
    """A publisher's prompt from ``prompts/``."""
    return (_PROMPTS / f"{name}.txt").read_text(encoding="utf-8")


_REFUSAL_AND_SAFETY = frozenset({"refusal", "safety"})
_SAFETY = frozenset({"safety"})
ENGLISH = frozenset({"en"})
LLAMA_GUARD_LANGUAGES = frozenset({"en", "fr", "de", "hi", "it", "pt", "es", "th"})
POLYGUARD_LANGUAGES = LLAMA_GUARD_LANGUAGES | {"ar", "cs", "zh", "nl", "ja", "ko", "pl", "ru", "sv"}
NEMOTRON_LANGUAGES = LLAMA_GUARD_LANGUAGES - {"pt"} | {"ar", "nl", "ko", "zh", "ja"}

#: In the order in which model names are matched: specific families first.
FAMILIES: tuple[GuardFamily, ...] = (
    GuardFamily(
        "qwen3guard",
        "Qwen3Guard-Gen; safety in three levels, 119 languages",
        re.compile(r"qwen[\d.]*-?guard"),
        _REFUSAL_AND_SAFETY | {"controversial"},
        _chat,
        read_qwen3guard,
    ),
    GuardFamily(
        "wildguard",
        "WildGuard, served with /completions; English",
        re.compile(r"wild-?guard"),
        _REFUSAL_AND_SAFETY,
        _wildguard,
        read_wildguard,
        languages=ENGLISH,
        completion=True,
    ),
    GuardFamily(
        "polyguard",
        "PolyGuard; 17 languages",
        re.compile(r"poly-?guard"),
        _REFUSAL_AND_SAFETY,
        _polyguard,
        read_polyguard,
        languages=POLYGUARD_LANGUAGES,
    ),
    GuardFamily(
        "nemotron",
        "Nemotron 3 and 3.5 Content Safety; 12 languages",
        re.compile(r"nemotron-?3(?:\.\d+)?-content-safety"),
        _SAFETY,
        _chat,
        read_user_and_response,
        sees_images=True,
        languages=NEMOTRON_LANGUAGES,
        params=MappingProxyType(
            {"chat_template_kwargs": {"request_categories": "/no_categories"}},
        ),
    ),
    GuardFamily(
        "llama-guard-vision",
        "Llama Guard 4, and 3 11B Vision; 8 languages",
        re.compile(r"llama-?guard-?(?:4|3.*vision)"),
        _SAFETY,
        _chat,
        read_first_line,
        sees_images=True,
        languages=LLAMA_GUARD_LANGUAGES,
    ),
    GuardFamily(
        "llama-guard",
        "Llama Guard 3 8B and 1B; 8 languages",
        re.compile(r"llama-?guard"),
        _SAFETY,
        _chat,
        read_first_line,
        languages=LLAMA_GUARD_LANGUAGES,
    ),
    GuardFamily(
        "granite-guardian-4",
        "Granite Guardian 4.1, asked for harm; English",
        re.compile(r"granite-?guardian-?4|granite-?4[\d.]*-guardian"),
        _SAFETY,
        _granite_4,
        read_score,
        languages=ENGLISH,
    ),
    GuardFamily(
        "granite-guardian",
        "Granite Guardian 3.0 to 3.3, asked for harm; English",
        re.compile(r"granite-?guardian|granite-?[\d.]*-guardian"),
        _SAFETY,
        _chat,
        read_score,
        languages=ENGLISH,
        # Versions name the criterion differently; each ignores the other's name.
        params=MappingProxyType(
            {
                "chat_template_kwargs": {
                    "guardian_config": {"risk_name": "harm", "criteria_id": "harm"},
                    "think": False,
                }
            }
        ),
    ),
)
