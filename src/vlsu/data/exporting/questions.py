"""What only a dataset's author knows: the questions of its datasheet, asked once.

The answers stand under ``datasheet`` in ``dataset.yaml``. Every export takes them from there: the
datasheet as prose, the Croissant description as RAI properties. A question without an answer is
shown as unanswered; nothing is made up in its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from vlsu._files import read_text
from vlsu._text import one_line
from vlsu._yaml import read_yaml, write_yaml
from vlsu.data.datasets.dataset import BUNDLED, DATASET_FILE, Dataset, load
from vlsu.errors import DataError, UsageError
from vlsu.policy import MODALITIES
from vlsu.registry import did_you_mean

__all__ = [
    "QUESTIONS",
    "SECTIONS",
    "Question",
    "add_questions",
    "annotators",
    "checked",
    "lines",
    "unanswered",
]

#: The sections of a datasheet (Gebru et al. 2021, section 3), in order, with one for annotation.
SECTIONS = (
    *("Motivation", "Composition", "Collection process", "Annotation"),
    *("Preprocessing, cleaning, labelling", "Uses", "Distribution", "Maintenance"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the author.

    Attributes:
        key: Below ``datasheet`` in ``dataset.yaml``.
        rai: The property of the Croissant RAI vocabulary 1.0 that has the answer, if there is one.
        many: Whether that property may have several values.
    """

    key: str
    section: str
    text: str
    rai: str | None = None
    many: bool = False


def _section(name: str, *rows: tuple[str, str, str | None, bool]) -> tuple[Question, ...]:
    return tuple(Question(key, name, text, rai, many) for key, text, rai, many in rows)


QUESTIONS: tuple[Question, ...] = (
    *_section(
        "Motivation",
        ("purpose", "For what purpose was the dataset created?", None, False),
        ("creators", "Who created it, and on behalf of whom?", None, False),
        ("funding", "Who funded its creation?", None, False),
    ),
    *_section(
        "Composition",
        ("selection", "Is it all there is, or a selection? How was it selected?", None, False),
        (
            "missing_data",
            "What is missing from samples, and why?",
            "dataCollectionMissingData",
            False,
        ),
        ("noise", "Which errors, noise or redundancies are known?", None, False),
        (
            "personal_information",
            "Which personal or sensitive information does it hold?",
            "personalSensitiveInformation",
            True,
        ),
        ("biases", "Which biases are known?", "dataBiases", True),
    ),
    *_section(
        "Collection process",
        ("collection", "How were images and texts acquired?", "dataCollection", False),
        (
            "collection_type",
            "By which kinds of collection, such as web scraping or manual writing?",
            "dataCollectionType",
            True,
        ),
        ("raw_data", "What is the raw data, and where is it?", "dataCollectionRawData", False),
        (
            "timeframe",
            "Between which dates was it collected (YYYY-MM-DD, first and last)?",
            "dataCollectionTimeframe",
            True,
        ),
        ("collectors", "Who collected it, and how were they paid?", None, False),
        ("consent", "Did the people shown or quoted consent? How may they object?", None, False),
        ("ethics_review", "Was there an ethical review?", None, False),
    ),
    *_section(
        "Annotation",
        (
            "annotators",
            "Who gave the grades? One text, or one each for image, text and joint.",
            None,
            False,
        ),
        (
            "annotation_protocol",
            "How were the grades given, and made into one grade?",
            "dataAnnotationProtocol",
            True,
        ),
        (
            "annotation_platform",
            "With which tool or on which platform?",
            "dataAnnotationPlatform",
            True,
        ),
        ("annotation_analysis", "How well do graders agree?", "dataAnnotationAnalysis", True),
        (
            "annotations_per_item",
            "How many grades were given an item?",
            "annotationsPerItem",
            False,
        ),
        ("annotator_demographics", "Who are the graders?", "annotatorDemographics", True),
        (
            "machine_annotation",
            "Which models or programs took part in grading?",
            "machineAnnotationTools",
            True,
        ),
    ),
    *_section(
        "Preprocessing, cleaning, labelling",
        (
            "preprocessing",
            "What was done to the data before it was graded?",
            "dataPreprocessingProtocol",
            True,
        ),
        ("manipulation", "What was changed in it otherwise?", "dataManipulationProtocol", False),
        ("imputation", "Which values were filled in, and how?", "dataImputationProtocol", False),
    ),
    *_section(
        "Uses",
        ("uses", "For which uses is it meant or known to be fit?", "dataUseCases", True),
        ("limitations", "What is it not fit for?", "dataLimitations", True),
        ("social_impact", "Which effects on people may its use have?", "dataSocialImpact", False),
    ),
    *_section(
        "Distribution",
        ("homepage", "At which address is it published?", None, False),
        ("published", "On which date was it published (YYYY-MM-DD)?", None, False),
        ("restrictions", "Which other restrictions hold, such as export controls?", None, False),
    ),
    *_section(
        "Maintenance",
        (
            "maintenance",
            "Who maintains it, and how will it be updated?",
            "dataReleaseMaintenancePlan",
            False,
        ),
        ("contact", "How can the maintainer be reached?", None, False),
        ("errata", "Where are errata listed?", None, False),
    ),
)
_KEYS = {question.key: question for question in QUESTIONS}


def checked(answers: Mapping[str, object], place: str) -> Mapping[str, object]:
    """The answers, if each is to a question and of a kind that can be printed.

    Args:
        answers: Key -> text, number or list of them; for ``annotators`` also a text a modality.
        place: The file, for the message.

    Raises:
        DataError: No such question, or an answer of another kind.
    """
    for key, answer in answers.items():
        if key not in _KEYS:
            near = did_you_mean(key, list(_KEYS))
            raise DataError(f"{place}: datasheet.{one_line(key, 40)}: no such question; {near}")
        if isinstance(answer, Mapping) and (
            key != "annotators" or not set(answer) <= set(MODALITIES)
        ):
            raise DataError(f"{place}: datasheet.{key}: a text or a list of texts is expected")
        parts = answer.values() if isinstance(answer, Mapping) else _listed(answer)
        if any(isinstance(part, list | Mapping) for part in parts):
            raise DataError(f"{place}: datasheet.{key}: a text or a list of texts is expected")
    return answers


def _listed(answer: object) -> list[object]:
    return answer if isinstance(answer, list) else [answer]


def lines(answers: Mapping[str, object], key: str) -> list[str]:
    """The answer to a question as a list of texts; empty if it is unanswered."""
    answer = answers.get(key)
    if isinstance(answer, Mapping):
        return [f"{name}: {text}" for name, text in answer.items() if _text(text)]
    return [text for each in _listed(answer) if (text := _text(each))]


def annotators(answers: Mapping[str, object], modality: str) -> str | None:
    """Who graded a modality, or `None` if that is unanswered."""
    answer = answers.get("annotators")
    if isinstance(answer, Mapping):
        return _text(answer.get(modality)) or None
    return "; ".join(lines(answers, "annotators")) or None


def unanswered(answers: Mapping[str, object]) -> list[Question]:
    """The questions without an answer, in order."""
    return [question for question in QUESTIONS if not lines(answers, question.key)]


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def add_questions(dataset: Dataset) -> int:
    """Add the questions without an answer to ``dataset.yaml``, each with an empty answer.

    Returns:
        How many were added.

    Raises:
        UsageError: The dataset comes with this package.
        DataError: The file cannot be read or written.
    """
    if dataset.path in [load(name).path for name in BUNDLED]:
        raise UsageError(f"{dataset.info.name} comes with vlsu and is not changed; copy it first")
    path = dataset.path / DATASET_FILE
    answers = dict(checked(dataset.info.datasheet, str(path)))
    missing = [question for question in QUESTIONS if question.key not in answers]
    try:
        text = read_text(path).rstrip("\n")
        tree = read_yaml(text)
        former = tree.pop("datasheet", None)
        if former is not None:
            text = write_yaml(tree, width=100).rstrip("\n")
        lines_ = [
            text,
            "# What only the author knows; every export takes it from here.",
            "datasheet:",
        ]
        for question in QUESTIONS:
            lines_.append(f"  # {question.section}: {question.text}")
            value = write_yaml({question.key: answers.get(question.key)}, width=100)
            lines_ += [f"  {line}" for line in value.rstrip("\n").split("\n")]
        temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
        temporary.write_text("\n".join(lines_) + "\n", encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); copy the dataset first"
        ) from None
    return len(missing)
