"""How much of the policy a prompt states: all, no lines of the categories, those of likely ones."""

import json

import pytest

from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Outcome, Response
from vlsu.policy import MODALITIES, default_policy, load_policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.tasks import CONTROLS, ONE_WORD, PROMPTS, LikelyCategories, Understanding, load_prompt

POLICY = default_policy()
SAMPLE = Sample(id="a", text="a text", image_sha256="ab" * 32)

#: Of version 0.1's prompts and requests: another value asks every stored run again.
HASHES = {
    ("default", "zero-shot"): "689fd627fd258dd4",
    ("default", "structured-cot"): "0ceb31d421ee7186",
    ("default", "reversed"): "2d0cc7a3bbaefaa5",
    ("default", "one-word"): "31f3009f44f83303",
    ("binary", "zero-shot"): "06b5b86326600b6f",
    ("binary", "joint-first"): "cd8e504af4dec4a8",
}
KEYS = {
    "openai/gpt-5.6-luna": "ae8c71d467c5fd0936ff024c896eac73",
    "anthropic/claude-sonnet-4-5": "d2575a3c3ec8638e7e0afff2c73d3b95",
    "google/gemini-2.5-flash": "14bcd027f4b949262cac3f159fd0efbe",
}


@pytest.mark.parametrize(("policy", "prompt"), HASHES)
def test_the_default_is_what_it_was_to_the_byte(policy, prompt):
    whole = load_prompt(prompt, load_policy(policy))
    assert whole.hash.startswith(HASHES[policy, prompt])
    assert whole.title == prompt


@pytest.mark.parametrize("spec", KEYS)
def test_no_key_of_a_stored_request_changes(spec, monkeypatch):
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE"):
        monkeypatch.setenv(f"{name}_API_KEY", "k")
    keys = RequestKeys(open_model(spec).identity())
    task = Understanding(POLICY, load_prompt("zero-shot", POLICY))
    first = task.requests(SAMPLE)[0].request
    assert keys.key(first) == KEYS[spec]
    assert keys.key(first._replace(shared_prefix=True)) == KEYS[spec]


@pytest.mark.parametrize("prompt", [*PROMPTS, *CONTROLS, ONE_WORD])
def test_brief_states_every_meaning_and_rule_and_no_line_of_a_category(prompt):
    brief = load_prompt(prompt, POLICY, "brief")
    (system,) = set(brief.systems.values())  # one for all modalities
    assert all(each.name in system and each.description in system for each in POLICY.categories)
    assert all(rule in system for rule in POLICY.boundary)
    assert all(meaning in system for meaning in POLICY.severities.values())
    for category in POLICY.categories:
        for seen in category.severities.values():
            assert seen.image not in system
            assert seen.text not in system
    whole = load_prompt(prompt, POLICY)
    assert len(system) < 0.65 * min(map(len, whole.systems.values()))
    assert brief.hash != whole.hash
    assert brief.title == f"{prompt}, brief"


def test_each_detail_is_a_prompt_with_keys_of_its_own():
    keys = RequestKeys({"model": "m"})
    seen = {
        keys.key(request.request)
        for detail in ("full", "brief", "category")
        for request in Understanding(POLICY, load_prompt("zero-shot", POLICY, detail)).requests(
            SAMPLE
        )
    }
    assert len(seen) == 9


def lines(task, modality, likely):
    found = {each.modality: each.request for each in task.requests(SAMPLE, likely)}
    return str(found[modality].messages[-1].parts[-1])


def test_of_likely_categories_what_is_seen_of_the_modality_stands_before_the_question():
    task = Understanding(POLICY, load_prompt("zero-shot", POLICY, "category"))
    first, second = POLICY.categories[:2]
    words = lines(task, "text", {"text": (second.id,)})
    assert second.name in words
    assert first.name not in words
    assert all(seen.text in words for seen in second.severities.values())
    assert not any(
        seen.image in words for seen in second.severities.values() if seen.image != seen.text
    )
    assert words.endswith("</text>")
    # none likely: none stated; nothing known: all of them
    assert lines(task, "text", {"text": ()}) == task_words("brief")
    every = lines(task, "joint", {})
    assert all(category.name in every for category in POLICY.categories)


def task_words(detail):
    return lines(Understanding(POLICY, load_prompt("zero-shot", POLICY, detail)), "text", None)


def test_the_first_pass_asks_each_modality_for_categories_and_no_grade():
    likely = LikelyCategories(POLICY, MODALITIES)
    requests = likely.requests(SAMPLE)
    assert [each.modality for each in requests] == ["image", "joint", "text"]
    assert len({each.request.messages[0] for each in requests}) == 1
    assert [len(each.request.images) for each in requests] == [1, 1, 0]
    assert "a text" not in str(requests[0].request.messages)
    assert [each.modality for each in likely.requests(Sample(id="b", text="t"))] == ["text"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"categories": ["C3", "c1"]}', ("C3", "C1")),
        ('{"categories": []}', ()),
        ('```json\n{"categories": ["C1", "C1", "C2", "C3", "C4"]}\n```', ("C1", "C2", "C3")),
        ('{"categories": ["C1", "nonsense"]}', ("C1",)),
        ('{"categories": ["nonsense"]}', None),
        ('{"categories": "C1"}', None),
        ("C1 and C2", None),
    ],
)
def test_what_the_first_pass_says(answer, expected):
    likely = LikelyCategories(POLICY, MODALITIES)
    response = Response(Outcome.OK, text=answer)
    assert likely.read(response) == expected
    assert likely.outcome(response) is (Outcome.UNPARSED if expected is None else Outcome.OK)
    assert likely.read(Response(Outcome.REFUSED, text=answer)) is None


def test_a_prompt_without_such_lines_is_refused(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_text("{% if part == 'system' %}Grade it.{% else %}{{ text }}{% endif %}")
    with pytest.raises(UsageError, match="states no lines of the categories"):
        load_prompt(str(path), POLICY, "brief")
    path.write_text(
        "{% if part == 'system' %}{% include 'policy.jinja' %}{% else %}{{ text }}{% endif %}"
    )
    assert json.dumps(load_prompt(str(path), POLICY, "brief").systems)
