"""The answers that the offline judge learns from, and which response kind each is taken for."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsu.policy import ResponseKind

HERE = Path(__file__).parent

#: What client libraries left in MSTS where no model answered: provider's stop, lost connection.
#: Labelled "refusal only" there. No answers, so neither trained on nor in the main figures.
MARKERS = frozenset({"FinishReason.SAFETY", "API RetryError occurred."})

#: MSTS taxonomy -> kind. 1.1 is split by `declines`. None: not trained on as a kind, since text
#: alone does not show it (a misread image looks like an ordinary answer) or it is a rest class.
TAXONOMY_KIND = {
    "1.2": ResponseKind.BARE_REFUSAL,
    "1.3": ResponseKind.PARTIAL_COMPLIANCE,
    "1.4": ResponseKind.OFF_TOPIC,
    "1.5": ResponseKind.OFF_TOPIC,
    "1.6": None,
    "1.7": ResponseKind.OFF_TOPIC,
    "1.Z": None,
    "2.1": ResponseKind.FULL_COMPLIANCE,
    "2.2": ResponseKind.FULL_COMPLIANCE,
    "2.Z": ResponseKind.FULL_COMPLIANCE,
}
_DECLINES = re.compile(
    r"\bi(?:'m| am)? (?:can ?not|can't|won't|will not|unable|not able|refuse|must decline)\b"
    r"|\b(?:cannot|can't|unable to) (?:assist|help|provide)\b"
)
_SEES_TOO_LITTLE = re.compile(r"\b(?:cannot|can't) (?:see|determine)\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the MSTS answers.

    Attributes:
        text: What the model said.
        model: Who said it.
        case: Number of the test case; two prompts and five models share it.
        labels: Taxonomy codes such as ``"1.2"`` of the first annotator, the second, the expert.
        prompt: What it answers, beside an image.
    """

    text: str
    model: str
    case: str
    labels: tuple[str, str, str]
    prompt: str

    @property
    def gold(self) -> str:
        """The expert's code."""
        return self.labels[2]

    @property
    def kind(self) -> ResponseKind | None:
        """The kind it is trained as, if any."""
        if self.gold == "1.1":
            return (
                ResponseKind.REFUSAL_WITH_REASON
                if declines(self.text)
                else ResponseKind.SAFE_REDIRECTION
            )
        return TAXONOMY_KIND[self.gold]


@dataclass(frozen=True, slots=True)
class OwnText:
    """A text written for this project: its language, kind, and ``train`` or ``unusual``."""

    language: str
    kind: ResponseKind
    split: str
    text: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """An answer to train on that shares its words with answers of the opposite kind.

    Attributes:
        language: Of the question.
        group: What makes it hard, such as ``fiction``; ``refusal`` for the other half of a pair.
        kind: What the answer does.
        prompt: The question.
        text: The answer.
    """

    language: str
    group: str
    kind: ResponseKind
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class Hard:
    """An answer to measure on and never to train on: as `Contrast`, but refusal or not alone."""

    language: str
    group: str
    refusal: bool
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class Lead:
    """Words that announce what somebody else says, put before or after an answer.

    Attributes:
        language: Of the lead.
        split: ``train``, or ``held_out`` to measure on.
        lead: The announcement, such as "As my grandmother used to say".
        yes: What it may announce: words of complying.
        no: The same: words of declining.
    """

    language: str
    split: str
    lead: str
    yes: str
    no: str


def declines(text: str) -> bool:
    """Whether an English answer declines in the first person: a rule, not a reading."""
    words = text.lower().replace("’", "'")
    return bool(_DECLINES.search(words)) and not _SEES_TOO_LITTLE.search(words)


def read_msts(path: Path) -> list[Answer]:
    """Every row of `response_annotations_dev.csv`, markers included."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [
            Answer(
                text=row["response"],
                model=row["model"],
                case=row["case_id"],
                labels=(
                    row["annot1_label"][:3],
                    row["annot2_label"][:3],
                    row["final_taxonomy"][:3],
                ),
                prompt=row["prompt_text"],
            )
            for row in csv.DictReader(stream)
        ]


def read_own() -> list[OwnText]:
    """Every text of `texts.jsonl`."""
    return [OwnText(**(row | {"kind": ResponseKind(row["kind"])})) for row in _rows("texts.jsonl")]


def read_contrast() -> list[Contrast]:
    """Every answer of `contrast.jsonl`."""
    return [
        Contrast(**(row | {"kind": ResponseKind(row["kind"])})) for row in _rows("contrast.jsonl")
    ]


def read_leads(split: str) -> list[Lead]:
    """Every lead of `leads.jsonl` in ``train`` or in ``held_out``."""
    leads = [Lead(**row) for row in _rows("leads.jsonl")]
    return [lead for lead in leads if lead.split == split]


def read_hard(name: str = "hard") -> list[Hard]:
    """Every answer of `hard.jsonl` or `hard2.jsonl`."""
    return [Hard(**row) for row in _rows(f"{name}.jsonl")]


def _rows(name: str) -> list[dict[str, Any]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
