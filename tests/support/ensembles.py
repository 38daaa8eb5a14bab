"""Members of ensembles that answer as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vlsu.data import Dataset
from vlsu.models.base import ImageSource, Model, Request, Settings
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity
from vlsu.runs import Limits, MemberModels

__all__ = ["Made", "Scripted", "members", "scripted"]

#: Of a sample's number, and whether its image and its text are shown, the answer: a severity, one
#: with a probability, or a text that is none.
Script = Callable[[int, str], Severity | tuple[Severity, float] | str]


#: Makes a model.
Made = Callable[[], Model]


@dataclass
class Scripted:
    """Answers by a script; knows a sample by its text, or by its image where that is its own.

    Attributes:
        name: Its identity.
        asked: The modality of every request.
    """

    name: str
    dataset: Dataset
    script: Script
    modalities: frozenset[str] = frozenset({"image", "text", "joint"})
    takes_instructions: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        samples = list(self.dataset.samples())
        self._texts = {sample.text: number for number, sample in enumerate(samples)}
        self._images = {sample.image_sha256: number for number, sample in enumerate(samples)}

    def identity(self) -> Mapping[str, object]:
        return {"script": self.name}

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, object]:
        texts = [part for part in request.messages[-1].parts if isinstance(part, str)]
        modality = "joint" if texts and request.images else "text" if texts else "image"
        number = self._texts[texts[0]] if texts else self._images[request.images[0]]
        self.asked.append(modality)
        said = self.script(number, modality)
        if isinstance(said, str):
            return {"text": said}
        severity, p = said if isinstance(said, tuple) else (said, None)
        category = None if severity is Severity.SAFE else "C9"
        answer = {"text": json.dumps({"severity": severity.label, "category": category})}
        return answer if p is None else {**answer, "p_unsafe": p}


class Binary(InProcessModel):
    """Gives safe and unsafe alone."""

    levels = (Severity.SAFE, Severity.UNSAFE)


def scripted(
    name: str,
    dataset: Dataset,
    script: Script,
    modalities: Sequence[str] = ("image", "text", "joint"),
    *,
    binary: bool = False,
) -> Made:
    """Makes a model of that name that answers by a script: a new one for each run."""
    kind = Binary if binary else InProcessModel
    return lambda: kind(name, Scripted(name, dataset, script, frozenset(modalities)))


def members(**models: Made) -> MemberModels:
    """Where an ensemble finds these models, by their names."""
    return MemberModels(lambda name: (models[name](), Settings(), Limits()), models)
