"""Files of candidates, and what a model proposes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.two_severities import two_severities
from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Response
from vlsu.policy import default_policy
from vlsu.tasks import Framing, load_candidates
from vlsu.tasks.framing import candidates_text
from vlsu.tasks.proposals import MAX_LENGTH, proposal_request, read_proposals


def write(folder: Path, text: str) -> Path:
    file = folder / "candidates.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_mapping_names_its_instructions(tmp_path: Path) -> None:
    (tmp_path / "longer.txt").write_text("Weigh both.\n", encoding="utf-8")
    file = write(
        tmp_path, "brief: |\n  Be kind.\n  Be brief.\nlong: {file: longer.txt}\n3: Third.\n"
    )
    assert load_candidates(file) == (
        Framing("brief", "Be kind.\nBe brief."),
        Framing("long", "Weigh both."),
        Framing("3", "Third."),
    )


def test_a_list_is_numbered_and_files_bear_their_names(tmp_path: Path) -> None:
    (tmp_path / "longer.txt").write_text("Weigh both.", encoding="utf-8")
    file = write(tmp_path, "- Be kind.\n- file: longer.txt\n- Be brief.\n")
    assert [each.name for each in load_candidates(file)] == ["candidate-1", "longer", "candidate-3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a mapping from names to instructions, or a list"),
        ("just words", "expected a mapping from names to instructions, or a list"),
        ("a: [1", "not valid YAML (did not find expected ',' or ']')"),
        ("a: x\nb: y\na: z\n", "line 3: 'a' is given twice"),
        ("a: ''", "candidate 'a': expected a text, or file: and its path"),
        ("a: 3", "candidate 'a': expected a text, or file: and its path"),
        ("- {path: x}", "candidate '1': expected a text, or file: and its path"),
        ("a: {file: none.txt}", "none.txt cannot be read (No such file or directory)"),
        ("a: {file: empty.txt}", "empty.txt is empty"),
        ("a: x\nb: ' x '", "candidate 'b': the same instruction as 'a'"),
        ("harmless: x", "harmless is a framing of this package"),
        ("? [a, b]\n: x", "line 1: a name must be a text, not a list"),
        ("'a\tb': x", "a name is one line of at most 60 characters"),
        ("- {file: longer.txt}\n- {file: sub/longer.txt}", "two candidates are called 'longer'"),
    ],
)
def test_wrong_files_are_told_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "longer.txt").write_text("One.", encoding="utf-8")
    (tmp_path / "sub" / "longer.txt").write_text("Two.", encoding="utf-8")
    with pytest.raises(UsageError) as told:
        load_candidates(write(tmp_path, text))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read"):
        load_candidates(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UsageError, match=r"latin\.yaml: not UTF-8"):
        load_candidates(tmp_path / "latin.yaml")


@given(st.dictionaries(st.text("abc-1 ", min_size=1).filter(str.strip), st.text(min_size=1)))
def test_what_is_written_out_is_read_back(tmp_path_factory, found: dict[str, str]) -> None:
    """A search writes its candidates as YAML; they are candidates for the next one."""
    texts = {text.strip(): name for name, text in found.items() if text.strip()}
    named = {name: text for text, name in texts.items()}
    if not named:
        return
    framings = tuple(Framing(name, text) for name, text in named.items())
    file = tmp_path_factory.mktemp("written") / "candidates.yaml"
    file.write_bytes(candidates_text(framings).encode())
    assert load_candidates(file) == framings


# Proposals

OLD = (Framing("default", ""), Framing("proposed-1", "Be kind."))


def said(*texts: object, **more: object) -> Response:
    return Response(Outcome.OK, text=json.dumps({"instructions": list(texts), **more}))


def test_what_is_new_is_named_and_the_rest_counted() -> None:
    response = said("Weigh both.", "be  KIND.", " Weigh both. ", "Ask first.", "One too many.")
    found = read_proposals(response, 4, OLD)
    assert found.outcome is Outcome.OK
    assert found.framings == (
        Framing("proposed-2", "Weigh both."),
        Framing("proposed-3", "Ask first."),
    )
    assert (found.duplicates, found.surplus) == (2, 1)


@pytest.mark.parametrize(
    "text",
    [
        '<think>{"instructions": ["No."]}</think>{"instructions": ["Weigh both."]}',
        '```json\n{"instructions": ["Weigh both."]}\n```',
    ],
)
def test_reasoning_and_a_fence_are_left_out(text: str) -> None:
    found = read_proposals(Response(Outcome.OK, text=text), 3, OLD)
    assert [each.instruction for each in found.framings] == ["Weigh both."]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Here are three: be kind, be brief, be firm.",
        'Sure! {"instructions": ["Weigh both."]}',
        '["Weigh both."]',
        '{"instructions": []}',
        '{"instructions": "Weigh both."}',
        '{"instructions": ["Weigh both.", 3]}',
        '{"instructions": ["Weigh both.", " "]}',
        '{"instructions": ["Weigh both."], "note": "x"}',
        '{"instructions": ["\\ud800"]}',
        json.dumps({"instructions": ["x" * (MAX_LENGTH + 1)]}),
    ],
)
def test_anything_else_is_unparsed(text: str) -> None:
    assert read_proposals(Response(Outcome.OK, text=text), 3, OLD).outcome is Outcome.UNPARSED


def test_other_outcomes_stay_what_they_are() -> None:
    refusal = Response(Outcome.OK, text="I'm sorry, but I can't help with that.")
    assert read_proposals(refusal, 3, OLD).outcome is Outcome.REFUSED
    assert read_proposals(Response(Outcome.BLOCKED), 3, OLD).outcome is Outcome.BLOCKED
    cut = Response(Outcome.OK, text='{"instructions": ["Weigh both."]}', cut_off=True)
    assert read_proposals(cut, 3, OLD).outcome is Outcome.UNPARSED


def test_the_proposer_is_told_the_policy_and_what_was_tried() -> None:
    policy = default_policy()
    request = proposal_request(policy, 5, OLD)
    words = " ".join(str(part) for message in request.messages for part in message.parts)
    assert "Write 5 system prompts" in words
    assert "- Be kind." in words
    for text in (*policy.severities.values(), *policy.responses.values()):
        assert text in words
    assert "Already tried" not in str(proposal_request(policy, 5, OLD[:1]).messages)


def test_what_should_be_engaged_with_is_what_the_policy_has() -> None:
    three = str(proposal_request(default_policy(), 5, OLD).messages)
    assert "engage with borderline and safe ones" in three
    assert "they decline borderline pairs because of the topic" in three
    two = str(proposal_request(two_severities(), 5, OLD).messages)
    assert "engage with safe ones" in two
    assert "they decline safe pairs because of the topic" in two
    assert "borderline" not in two
