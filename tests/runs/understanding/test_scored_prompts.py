"""The prompt of a run with ``--score``: which it is, what contradicts it, what it costs."""

from typing import Any

import pytest

from tests.support.commands import vlsu
from vlsu.errors import UsageError
from vlsu.models import Settings
from vlsu.runs import Limits, Price, UnderstandingOptions, prepare_controls
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.understanding.evaluation import prepare
from vlsu.tasks import CONTROLS, PROMPTS

URL = "http://127.0.0.1:9/v1"


def options(prompt=None, **settings):
    return UnderstandingOptions(
        model="openai/m", settings=Settings(base_url=URL, **settings), prompt=prompt
    )


def prompt_of(dataset, given):
    prompt: Any = prepare(dataset, given).task.identity()["prompt"]
    return prompt["name"]


def test_a_scored_run_has_the_prompt_of_one_word_and_any_other_run_the_default(dataset, tmp_path):
    assert prompt_of(dataset, options()) == "zero-shot"
    assert prompt_of(dataset, options(score=True)) == "one-word"
    own = tmp_path / "mine.jinja"
    own.write_text(
        "{% if part == 'system' %}Say {{ severities | join(' or ') }}, one word."
        "{% else %}{{ text }}{% endif %}"
    )
    assert prompt_of(dataset, options(str(own), score=True)) == "mine.jinja"


@pytest.mark.parametrize("prompt", [*PROMPTS, *CONTROLS])
def test_a_prompt_whose_answer_is_json_is_not_scored(dataset, prompt):
    with pytest.raises(UsageError, match=f"is scored, and {prompt} asks for JSON"):
        prepare(dataset, options(prompt, score=True))


@pytest.mark.parametrize(
    "given", [{"score": True}, {"score": True, "prompt": "one-word"}, {"prompt": "one-word"}]
)
def test_no_server_is_to_enforce_json_where_one_word_is_asked_for(dataset, given):
    with pytest.raises(UsageError, match="--structured on: not with"):
        prepare(dataset, options(**given, structured="on"))


def test_controls_of_a_scored_run_are_refused_in_one_line(dataset):
    with pytest.raises(UsageError, match="--controls: not where openai/m is scored"):
        prepare_controls(dataset, options(score=True))


def test_a_word_costs_less_than_an_object(dataset):
    def estimate(prompt=None, **settings):
        priced = options(prompt, **settings)
        limits = Limits(price=Price(1.0, 2.0, "a file"))
        with_price = UnderstandingOptions(
            model=priced.model, settings=priced.settings, prompt=prompt, limits=limits
        )
        return prepare(dataset, with_price).estimate()

    requests = sum(estimate().requests.values())
    assert estimate().output_tokens == 25 * requests
    for found in (estimate("one-word"), estimate(score=True)):
        assert found.output_tokens == 2 * requests
        assert found.cost == pytest.approx((found.input_tokens + 2.0 * 2 * requests) / 1e6)


def test_the_labels_that_are_scored_are_part_of_the_key(dataset, tmp_path):
    """A prompt of the user's may look the same under two policies."""
    own = tmp_path / "mine.jinja"
    own.write_text("{% if part == 'system' %}Grade.{% else %}{{ text }}{% endif %}")
    sample = next(iter(dataset))

    def keys(policy, identity, **settings):
        given = options(str(own), **settings)
        asked = UnderstandingOptions(
            model=given.model, settings=given.settings, prompt=str(own), policy=policy
        )
        made = RequestKeys(identity)
        return {made.key(each.request) for each in prepare(dataset, asked).task.requests(sample)}

    identity = {"spec": "x"}
    three, two = (keys(policy, identity, score=True) for policy in ("default", "binary"))
    assert not three & two
    assert keys("default", identity) == keys("binary", identity)


def test_the_prompt_is_listed_and_printed(tmp_path):
    listed = vlsu("prompts", cwd=tmp_path).stdout
    assert any("one-word" in line and "--score" in line for line in listed.splitlines())
    assert "exactly one word" in vlsu("prompts", "one-word", cwd=tmp_path).stdout
