"""Models that write concepts and queries and grade them, played by a chat server on a real socket.

They read what they are asked for out of the real prompts, answer in the exact format of the chat
completions API, and answer the same request in the same way each time. By rule some answers are
refusals, blocked by the provider, or no JSON; some queries are wrong in ways that checks find, and
some come to other grades than were asked for.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tests.conftest import ChatServer, completion
from vlsu.policy import default_policy

__all__ = ["PlayedModels", "asked_twice"]

_FRAMES: Mapping[str, Sequence[str]] = {
    "English": (
        "what should I do about this {}",
        "could you help me with {} here",
        "is this right for {}",
        "how would they take {} if I did that",
        "tell my friend why {} matters to you",
    ),
    "German": (
        "was soll ich hier mit {} machen",
        "kannst du mir bei {} helfen",
        "ist das der richtige Ort für {}",
        "wie würde ich {} am besten sagen",
        "warum sind die so bei {}",
    ),
}
_WORDS: Mapping[str, Sequence[str]] = {
    language: words.split()
    for language, words in {
        "English": (
            "tomorrow weekend budget invoice quietly nephew museum ticket morning lawyer "
            "holiday luggage meeting promise laundry rehearsal garden october barely "
            "clearly upstairs somebody elsewhere theatre lecture blanket shoulder journey "
            "season interview question answer harvest marathon company landlord manager "
            "cousin evening autumn library station platform insurance deadline paperwork "
            "furniture breakfast seminar orchestra committee election harbour festival "
            "gallery workshop colleague neighbour afternoon midnight assignment apartment"
        ),
        "German": (
            "morgen Wochenende Rechnung leise Neffe Ausweis Termin Anwalt Urlaub Koffer "
            "Sitzung Zusage Wäsche Probe Garten Oktober kaum deutlich oben jemand "
            "woanders Theater Vorlesung Decke Schulter Reise Jahreszeit Gespräch Frage "
            "Antwort Ernte Firma Vermieter Leitung Kusine Abend Herbst Bücherei Bahnsteig "
            "Versicherung Frist Papiere Möbel Frühstück Seminar Orchester Ausschuss Hafen "
            "Fest Werkstatt Nachbar Nachmittag Mitternacht Aufgabe Wohnung"
        ),
    }.items()
}
_COUNT = re.compile(r"Write (\d+) messages? to the image")
_IMAGE = re.compile(r"The image alone is (\w+)")
_TEXT = re.compile(r"The message alone is to be (\w+)")
_JOINT = re.compile(r"Image and message together are to be (\w+)")
_LENGTH = re.compile(r"of (\d+) to (\d+) words")
_LANGUAGE = re.compile(r"^Write in (\w+)", re.MULTILINE)
_TOPIC = re.compile(r"^Topic: (.*?)\. ", re.MULTILINE)
_VALUES = re.compile(r"^(Setting|Subject|Viewpoint|Culture|Season|Medium): (.+)$", re.MULTILINE)
_MILDER = {"unsafe": "borderline", "borderline": "safe", "safe": "borderline"}
REFUSAL = "I'm sorry, but I can't help with that."


class PlayedModels:
    """Answers a `ChatServer` gives; one of these for all models of a build.

    Args:
        captions: What the images to be found are called; concepts take their words from these.
        refused: Share of the requests for concepts and queries that are refused.
        blocked: Share that the provider blocks.
        garbled: Share of the answers that are no JSON.
        off_target: Share of the pairs that are graded otherwise than was asked for.
    """

    def __init__(
        self,
        captions: Sequence[str] = (),
        *,
        refused: float = 0.05,
        blocked: float = 0.03,
        garbled: float = 0.03,
        off_target: float = 0.3,
    ) -> None:
        self.captions = [*captions] or ["a bridge over a river"]
        self.shares = (refused, blocked, garbled)
        self.off_target = off_target
        #: Text -> severities of image, text and pair that it was written for, and its category.
        self.meant: dict[str, tuple[str, str, str, str | None]] = {}
        #: Image, as it was sent -> severity that it was said to have.
        self.images: dict[str, str] = {}
        #: What was asked for -> how often.
        self.kinds: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        """The answer to a request of the chat completions API."""
        words, images = _user_turn(body)
        drawn = random.Random(_digest(body))
        if "Describe one image to look for" in words:
            self.kinds["concepts"] += 1
            return self._spoilt(drawn) or completion(json.dumps(self._concept(words, drawn)))
        if _COUNT.search(words):
            self.kinds["queries"] += 1
            answer = {"queries": self._queries(words, images, drawn)}
            return self._spoilt(drawn) or completion(json.dumps(answer))
        self.kinds["grades"] += 1
        return completion(json.dumps(self._grade(words, images)))

    def _spoilt(self, drawn: random.Random) -> dict[str, Any] | None:
        refused, blocked, garbled = self.shares
        number = drawn.random()
        if number < refused:
            return completion(REFUSAL)
        if number < refused + blocked:
            return completion("", finish="content_filter")
        if number < refused + blocked + garbled:
            return completion("Sure! Here is something nice, in prose.")
        return None

    def _concept(self, words: str, drawn: random.Random) -> dict[str, Any]:
        caption = re.sub(r"[^\w\s]", "", drawn.choice(self.captions)).split()
        values = dict(_VALUES.findall(words))
        seen = ", ".join(value.partition("(")[0].strip() for value in values.values())
        return {
            "concept": f"{' '.join(caption[:12])}; {seen}"[:390],
            "search": " ".join(caption[:5])[:78],
            "kinds": _no_kinds(),
        }

    def _queries(
        self, words: str, images: Sequence[str], drawn: random.Random
    ) -> list[dict[str, Any]]:
        fewest, most = (int(each) for each in _found(_LENGTH, words))
        (language,), (count,) = _found(_LANGUAGE, words), _found(_COUNT, words)
        image, text, joint = (_found(each, words)[0] for each in (_IMAGE, _TEXT, _JOINT))
        category = _category(words)
        if images:
            self.images[images[0]] = image
        found = []
        for _ in range(int(count)):
            query = _sentence(language, drawn.randint(fewest, most), drawn)
            self.meant[query] = (image, text, joint, category)
            found.append({"text": query, "kinds": _no_kinds()})
        return found

    def _grade(self, words: str, images: Sequence[str]) -> dict[str, Any]:
        text = max((each for each in self.meant if each in words), key=len, default=None)
        drawn = random.Random(_digest([text, *images]))
        if text is None:
            severity = self.images.get(images[0], "safe") if images else "safe"
            category = "C9"
        else:
            _, alone, together, meant = self.meant[text]
            severity, category = (together if images else alone), meant or "C9"
            if images and drawn.random() < self.off_target:
                severity = _MILDER[severity]
        return {"severity": severity, "category": None if severity == "safe" else category}


def asked_twice(server: ChatServer) -> int:
    """Requests that came more often than once, word for word."""
    counts = Counter(_digest(body) for body in server.requests)
    return sum(number - 1 for number in counts.values())


def _digest(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _user_turn(body: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The words of the user's turn, and a name for each image in it."""
    content: Any = next(each["content"] for each in body["messages"] if each["role"] == "user")
    parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    words = "\n".join(part["text"] for part in parts if part["type"] == "text")
    images = [_digest(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    return words, images


def _found(pattern: re.Pattern[str], words: str) -> tuple[str, ...]:
    match = pattern.search(words)
    assert match is not None, f"the prompt has nothing like {pattern.pattern!r}"
    return match.groups()


def _sentence(language: str, length: int, drawn: random.Random) -> str:
    """A question of about so many words, that says nothing of an image."""
    frame = drawn.choice(_FRAMES[language])
    filling = drawn.sample(_WORDS[language], max(2, length - len(frame.split()) + 1))
    return frame.format(" ".join(filling)).capitalize() + "?"


def _no_kinds() -> dict[str, bool]:
    return {"minor": False, "sexual": False, "propaganda": False}


def _category(words: str) -> str | None:
    match = _TOPIC.search(words)
    names = _categories()
    return None if match is None else names.get(match[1])


@cache
def _categories() -> Mapping[str, str]:
    return {each.name: each.id for each in default_policy().categories}
