"""The same weights behind `transformers serve` give the same answers as in this process."""

from __future__ import annotations

import polars as pl
import pytest

from tests.models.hf.asking import SMALL, TALL, WIDE, answers, asked
from tests.models.hf.grader import grader
from tests.support.commands import vlsu
from tests.support.transformers_server import MISSING, transformers_server
from vlsu.models import Settings, open_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING), reason=f"transformers serve needs {', '.join(MISSING)}; make install-hf"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return grader(tmp_path_factory.mktemp("grader"))


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with transformers_server(folder, tmp_path_factory.mktemp("server") / "log") as address:
        yield address


def test_answers_and_lengths_of_prompts_are_the_same(folder, server):
    requests = [
        asked("Hello there."),
        asked(SMALL, "What is it?"),
        asked(WIDE),
        asked(TALL, "And what is that, in a few words, please? " * 3),
    ]
    here = answers(open_model(f"hf/{folder}", Settings(max_tokens=8)), requests)
    settings = Settings(base_url=server, max_tokens=8, structured="off")
    there = answers(open_model(f"openai/{folder}", settings), requests)
    assert [(each.text, each.input_tokens) for each in there] == [
        (each.text, each.input_tokens) for each in here
    ]


def test_grades_are_the_same(folder, server, tmp_path):
    def judged(out, *model):
        vlsu(
            *("run", "understanding", "vlsu-mini", "--limit", 3, "--max-tokens", 8),
            *("--out", tmp_path / out, "--model", *model),
        )
        judgments = pl.read_parquet(tmp_path / out / "judgments.parquet")
        return judgments.select("sample_id", "modality", "outcome", "predicted").sort(
            "sample_id", "modality"
        )

    here = judged("here", f"hf/{folder}")
    assert here.equals(judged("there", f"openai/{folder}", "--base-url", server))
    assert here["outcome"].unique().to_list() == ["ok"]
    assert here["predicted"].n_unique() > 1
