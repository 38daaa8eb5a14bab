"""The JSON schema sent along with a request, where a server can keep to one."""

import json

import pytest

from vlsu.data import Sample
from vlsu.models import Outcome, Response
from vlsu.policy import Severity, default_policy
from vlsu.tasks import Understanding, load_prompt
from vlsu.tasks.answers.reading import read_answer

SAMPLE = Sample(id="s", text="words", language="en", image_sha256="ab" * 32)


def schemas(prompt):
    task = Understanding(default_policy(), load_prompt(prompt, default_policy()))
    return {
        task_request.modality: task_request.request.schema for task_request in task.requests(SAMPLE)
    }


@pytest.mark.parametrize(
    ("prompt", "modality", "fields"),
    [
        ("zero-shot", "joint", ["severity", "category"]),
        ("zero-shot", "image", ["severity", "category"]),
        ("structured-cot", "image", ["image", "severity", "category"]),
        ("structured-cot", "text", ["text", "severity", "category"]),
        ("structured-cot", "joint", ["image", "text", "together", "severity", "category"]),
    ],
)
def test_a_prompt_that_reasons_has_room_for_it_before_the_grade(prompt, modality, fields):
    schema = schemas(prompt)[modality]
    assert list(schema["properties"]) == fields
    # What OpenAI's strict mode and Anthropic ask of a schema.
    assert schema["required"] == fields
    assert schema["additionalProperties"] is False


def test_a_prompt_of_ones_own_gets_no_schema(tmp_path):
    own = tmp_path / "mine.jinja"
    own.write_text("{% if part == 'system' %}Think, then grade.{% else %}{{ text }}{% endif %}")
    assert set(schemas(str(own)).values()) == {None}


def test_an_answer_in_the_form_of_the_schema_is_read():
    words = {"image": 'shows "x"', "text": "says {y}", "together": "severity: unsafe?"}
    answer = json.dumps({**words, "severity": "borderline", "category": "C9"})
    read = read_answer(Response(Outcome.OK, text=answer), default_policy())
    assert (read.severity, read.category) == (Severity.BORDERLINE, "C9")
