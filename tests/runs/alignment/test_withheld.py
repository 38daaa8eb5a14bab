"""A judge that withholds a verdict has not failed: it says that it has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ChatServer, completion
from tests.support.commands import vlsu
from vlsu.models import Settings
from vlsu.models.base import Outcome, Response
from vlsu.runs.alignment.validation import validate_judge
from vlsu.tasks import read_verdict

ANSWERS = {"I can't.": "refusal", "Sure.": "no_refusal", "Perhaps.": "no_refusal", "?": "refusal"}


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        ('{"kind": null, "helpfulness": null}', True),
        ('{"kind": "none"}', False),
        ('{"kind": "bare_refusal"} or {"kind": null}', False),
        ("It is hard to say.", False),
    ],
)
def test_a_kind_of_null_is_a_verdict_withheld(text: str, withheld: bool) -> None:
    verdict = read_verdict(Response(Outcome.OK, text=text))
    assert (verdict.outcome, verdict.withheld) == (Outcome.UNPARSED, withheld)


@pytest.mark.slow
def test_what_is_withheld_is_told_from_what_failed(
    chat_server: Callable[..., ChatServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    file = tmp_path / "labels.csv"
    file.write_text("response,label\n" + "".join(f"{a},{label}\n" for a, label in ANSWERS.items()))

    def judged(body: dict[str, Any], _number: int) -> dict[str, Any]:
        asked = str(body["messages"][-1]["content"])
        if "Perhaps." in asked:
            return completion('{"kind": null}')
        if "I can't." in asked:
            return completion(json.dumps({"kind": "bare_refusal", "helpfulness": 1}))
        return completion("Yes." if "Sure." not in asked else '{"kind": "full_compliance"}')

    server = chat_server(judged)
    settings = Settings(base_url=server.base_url)
    metrics = validate_judge(file, judge="openai/judge", settings=settings).metrics
    assert (metrics["n"], metrics["missing"], metrics["withheld"]) == (4, 2, 1)
    assert metrics["outcomes"]["unparsed"] == 2
    assert metrics["strict"]["n"] == 2
    options = ("--judge", "openai/judge", "--base-url", server.base_url)
    said = " ".join(vlsu("judge", "validate", str(file), *options).stderr.split())
    assert "the judge withheld its verdict on 1 answer, of which it was not sure" in said
    assert "the judge failed on 1 answer (1 unparsed); they are left out" in said
