"""Models that write concepts, of harmless content, by reading what they are asked for."""

from __future__ import annotations

import json
import re

from vlsu.build.asking.asking import Writer
from vlsu.models.inprocess import InProcessModel
from vlsu.runs.asking.limits import Limits

__all__ = ["Author", "asked_of", "concept", "writing"]

_LABELLED = re.compile(r"^(Setting|Subject|Viewpoint|Culture|Season|Medium): (.+)$", re.MULTILINE)


def asked_of(question: str) -> dict[str, str]:
    """The values that a question names, by label."""
    return {label.lower(): value for label, value in _LABELLED.findall(question)}


def concept(question: str, **changed: object) -> str:
    """An answer in which each value asked for is named."""
    asked = asked_of(question)
    words = [asked[name] for name in ("medium", "subject", "setting", "culture", "season")]
    kinds = {"minor": False, "sexual": False, "propaganda": False}
    answer = {
        "concept": f"{', '.join(words)}, {asked['viewpoint']}.",
        "search": f"{asked['subject'].split(',')[0]} {asked['setting']}"[:80],
        "kinds": kinds,
    }
    return json.dumps(answer | changed)


class Author:
    """Answers each question; remembers what it was asked.

    Args:
        respond: Question and its number, from 1 -> answer.
    """

    modalities = frozenset({"text"})
    takes_instructions = True

    def __init__(self, respond=lambda question, number: concept(question)):
        self.respond = respond
        self.questions: list[str] = []

    def identity(self):
        return {"version": 1}

    def answer(self, requests, images):
        found = []
        for request in requests:
            question = request.messages[-1].parts[0]
            self.questions.append(question)
            found.append({"text": self.respond(question, len(self.questions))})
        return found


def writing(author: Author) -> Writer:
    """It as a writer, asked one question at a time."""
    return Writer(InProcessModel("own/author", author, batch_size=1), Limits())
