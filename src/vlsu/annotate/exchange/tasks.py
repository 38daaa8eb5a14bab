"""A project's grades as annotated tasks of Label Studio, with the labelling configuration they fit.

Format: Label Studio's task format and import of annotated tasks (labelstud.io/guide/task_format,
label_studio/tasks/serializers.py). An annotation with a ``completed_by`` that the importing
installation does not know is refused there, so that the grader's pseudonym is a text of the
annotation instead, which survives an import into Label Studio and an export from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import quoteattr

from vlsu.annotate.exchange.grading import Given, Graded
from vlsu.annotate.plan.answers import CONFIDENCES
from vlsu.data import Sample
from vlsu.policy import NOT_SURE, Policy

__all__ = ["TaskList", "labelling_config"]


class TaskList:
    """Writes tasks as they come: one for each sample and modality, with a key for each of the data.

    Args:
        file: An open text file.
        image_url: What stands before ``ab/NAME`` of an image; its path below the exported
            dataset, ``images/ab/NAME``, if empty.
    """

    def __init__(self, file: TextIO, image_url: str = "") -> None:
        self._file = file
        self._prefix = f"{image_url.rstrip('/')}/" if image_url else "images/"
        self._first = True

    def add(self, sample: Sample, graded: Graded, image: Path | None) -> None:
        """Write the tasks of a sample; those of one part do not hold the other."""
        place = "" if image is None else f"{self._prefix}{image.parent.name}/{image.name}"
        for modality, unit in graded.units.items():
            if not unit.wanted and not unit.given:
                continue
            task = {
                "data": {
                    "sample": sample.id,
                    "modality": modality,
                    "image": "" if modality == "text" else place,
                    "text": "" if modality == "image" else sample.text or "",
                },
                "annotations": [_annotation(each) for each in unit.given],
            }
            self._file.write("[\n" if self._first else ",\n")
            self._file.write(json.dumps(task, ensure_ascii=False))
            self._first = False

    def end(self) -> None:
        """Close the list."""
        self._file.write("[]\n" if self._first else "\n]\n")


def labelling_config(policy: Policy) -> str:
    """The labelling configuration (XML) that the tasks fit.

    Args:
        policy: For the severities and categories.
    """
    grades = [*(severity.label for severity in policy.severities), NOT_SURE]
    harmful = ",".join(grade for grade in grades if grade not in ("safe", NOT_SURE))
    categories = [(each.id, f"{each.id}: {each.name}") for each in policy.categories]
    return "\n".join(
        [
            "<View>",
            '  <Image name="image" value="$image"/>',
            '  <Text name="text" value="$text"/>',
            *_choices("grade", _plain(grades), 'choice="single" required="true"'),
            *_choices(
                "category",
                categories,
                'choice="single" visibleWhen="choice-selected" whenTagName="grade" '
                f"whenChoiceValue={quoteattr(harmful)}",
            ),
            *_choices("admissible", _plain(grades[:-1]), 'choice="multiple"'),
            *_choices("confidence", _plain(map(str, CONFIDENCES)), 'choice="single"'),
            '  <TextArea name="grader" toName="text" editable="false" maxSubmissions="1"/>',
            "</View>",
            "",
        ]
    )


def _plain(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


def _choices(name: str, values: Iterable[tuple[str, str]], about: str) -> list[str]:
    """A control; of each choice what results hold, which is its alias, and what is shown."""
    return [
        f'  <Choices name="{name}" toName="text" {about}>',
        *(
            f"    <Choice value={quoteattr(shown)}"
            + ("" if shown == value else f" alias={quoteattr(value)}")
            + "/>"
            for value, shown in values
        ),
        "  </Choices>",
    ]


def _annotation(given: Given) -> dict[str, object]:
    """An annotation; one that was set aside is cancelled, which Label Studio leaves out too."""
    results = [_choice("grade", [given.grade])]
    if given.category:
        results.append(_choice("category", [given.category]))
    if given.admissible:
        results.append(_choice("admissible", list(given.admissible)))
    if given.confidence:
        results.append(_choice("confidence", [str(given.confidence)]))
    results.append(
        {
            "from_name": "grader",
            "to_name": "text",
            "type": "textarea",
            "value": {"text": [given.grader]},
        }
    )
    return {
        "result": results,
        "lead_time": round(given.seconds, 3),
        "was_cancelled": given.set_aside,
        "ground_truth": False,
    }


def _choice(name: str, values: list[str]) -> dict[str, object]:
    value = {"choices": values}
    return {"from_name": name, "to_name": "text", "type": "choices", "value": value}
