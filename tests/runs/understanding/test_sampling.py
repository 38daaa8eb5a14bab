"""Budgets and wanted precisions, from the dataset to metrics.json, against a real server."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlsu
from tests.conftest import grade
from tests.support.commands import vlsu as command
from tests.support.values import present
from vlsu.analysis.sampling.precision import Precision
from vlsu.data import Dataset, Sample, write_dataset
from vlsu.errors import RunError, UsageError
from vlsu.policy import PATTERNS, Severity, default_policy
from vlsu.report.comparison.tables import setup_table
from vlsu.runs import Limits, UnderstandingOptions, prepare
from vlsu.runs.finished.comparison import compare
from vlsu.runs.finished.gating import gate
from vlsu.runs.understanding.strata import Strata

pytestmark = pytest.mark.slow

SIZE = 600


def text_dataset(folder: Path, size: int = SIZE, policy: Any = None, shift: int = 0) -> Dataset:
    """Texts only, each its own, over the 17 patterns; every 40th sample lacks its image grade."""
    levels = random.Random(4)
    rows = []
    for n in range(size):
        pattern = PATTERNS[(n + shift) % len(PATTERNS)]
        rows.append(
            Sample(
                id=f"s{n}",
                text=f"{levels.random()} {pattern.text.label}",
                image_grade=None if n % 40 == 0 else pattern.image,
                text_grade=pattern.text,
                joint_grade=pattern.joint,
                joint_category="C9" if pattern.joint is Severity.UNSAFE else None,
            )
        )
    return write_dataset(
        folder,
        rows,
        name="texts",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=policy or default_policy(),
    )


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    return text_dataset(tmp_path / "texts")


def answer(body: dict[str, Any], _: int) -> dict[str, Any]:
    """Right about borderline texts always, about the others every other time."""
    words = body["messages"][-1]["content"]
    words = words if isinstance(words, str) else words[-1]["text"]
    number, gold = present(re.search(r"<text>\s*(\S+) (\w+)\s*</text>", words)).groups()
    wrong = gold != "borderline" and number[-1] in "01234"
    return grade("borderline" if wrong else gold)


def run(dataset: Dataset, server: Any, out: Path, **options: Any) -> vlsu.Run:
    return vlsu.evaluate(
        dataset,
        model="openai/mock",
        base_url=server.base_url,
        out=out,
        modalities=["text"],
        **options,
    )


def asked(server: Any) -> int:
    count = len(server.requests)
    server.requests.clear()
    return count


def test_a_larger_budget_asks_only_what_is_missing_and_the_whole_set_too(
    texts, chat_server, tmp_path
):
    server = chat_server(answer)
    small = run(texts, server, tmp_path / "run", budget=150)
    ids = set(small.judgments["sample_id"])
    assert len(ids) == asked(server) == 150
    found = small.metrics["sampling"]
    assert (found["sampled"], found["population"], found["budget"]) == (150, SIZE, 150)
    assert found["requests"] == {"sample": 150, "dataset": SIZE}
    assert found["steps"] == [small.metrics["sampling"]["steps"][0], 150]
    large = run(texts, server, tmp_path / "run", budget=300)
    assert asked(server) == 150
    assert set(large.judgments["sample_id"]) > ids
    assert large.record["requests"]["reused"] == 150
    assert run(texts, server, tmp_path / "run", budget=300).metrics == large.metrics
    assert asked(server) == 0

    whole = run(texts, server, tmp_path / "run")
    assert asked(server) == 300
    assert "sampling" not in whole.metrics
    assert whole.metrics == run(texts, server, tmp_path / "fresh").metrics
    truth = whole.metrics["text"]["accuracy"]["value"]
    for estimate in (small, large):
        rate = estimate.metrics["text"]["accuracy"]
        assert rate["low"] <= truth <= rate["high"]
    widths = [r.metrics["text"]["accuracy"] for r in (small, large)]
    assert widths[0]["high"] - widths[0]["low"] > widths[1]["high"] - widths[1]["low"]


def test_every_stratum_is_drawn_from_and_sizes_follow_the_errors(texts, chat_server, tmp_path):
    done = run(texts, chat_server(answer), tmp_path / "run", budget=400)
    strata = done.metrics["sampling"]["strata"]
    assert set(strata) >= {str(pattern) for pattern in PATTERNS}
    assert any(name.startswith("?") for name in strata)  # without an image grade: their own
    assert sum(s["population"] for s in strata.values()) == SIZE
    assert all(s["sampled"] >= min(4, s["population"]) for s in strata.values())

    def share(letters: str) -> float:
        of = [s for name, s in strata.items() if name.split("-")[1] in letters]
        return sum(s["sampled"] for s in of) / sum(s["population"] for s in of)

    assert share("B") < share("SU")


def test_drawing_stops_when_the_interval_is_narrow_enough(texts, chat_server, tmp_path):
    server = chat_server(answer)
    done = run(texts, server, tmp_path / "run", until="text.accuracy +- 0.04")
    found, rate = done.metrics["sampling"], done.metrics["text"]["accuracy"]
    assert found["reached"] is True
    assert (rate["high"] - rate["low"]) / 2 <= 0.04
    assert found["steps"] == sorted(found["steps"])
    assert asked(server) == found["sampled"] < SIZE
    capped = run(texts, server, tmp_path / "run", until="text.accuracy +- 0.01", budget=350)
    assert capped.metrics["sampling"]["reached"] is False
    assert capped.metrics["sampling"]["sampled"] == 350
    assert asked(server) == 350 - found["sampled"]
    # So narrow that all are drawn: a full run, which says so.
    whole = run(texts, server, tmp_path / "run", until="text.accuracy +- 0.0001")
    assert "sampling" not in whole.metrics
    assert whole.record["sampling"]["reached"] is True
    assert asked(server) == SIZE - 350


def test_a_pattern_alone_costs_little_more_than_its_own_samples(chat_server, tmp_path):
    images = vlsu.load("vlsu-mini")
    narrow = vlsu.evaluate(
        images,
        model="baseline/random",
        out=tmp_path / "run",
        modalities=["joint"],
        until="patterns.S-S-U.accuracy +- 0.0001",
    )
    found = narrow.metrics["sampling"]
    of_pattern = found["strata"]["S-S-U"]
    assert of_pattern["sampled"] == of_pattern["population"]
    assert found["sampled"] < 0.7 * found["population"]


def test_an_earlier_run_decides_where_to_draw(texts, chat_server, tmp_path):
    server = chat_server(answer)
    run(texts, server, tmp_path / "first")
    asked(server)
    done = run(texts, server, tmp_path / "second", budget=200, pilot=tmp_path / "first")
    assert asked(server) == 200
    found = done.metrics["sampling"]
    assert found["steps"] == [200]  # no first part of its own
    assert found["pilot"]["model"] == "openai/mock"
    strata = found["strata"]
    assert strata["S-B-B"]["sampled"] < strata["S-S-S"]["sampled"]
    own = run(texts, server, tmp_path / "third", budget=200)
    assert own.record["fingerprint"] != done.record["fingerprint"]


def test_a_stopped_draw_goes_on(texts, chat_server, tmp_path):
    server = chat_server(answer)
    stopped = run(
        texts, server, tmp_path / "run", budget=200, limits=Limits(max_requests=120, concurrency=1)
    )
    assert not stopped.finished
    assert asked(server) == 120
    done = run(texts, server, tmp_path / "run", budget=200)
    assert done.finished
    assert asked(server) == 80
    assert done.metrics == run(texts, server, tmp_path / "fresh", budget=200).metrics


def test_the_order_of_the_draw_is_the_seeds_and_the_halves_are_equal(texts):
    strata = Strata.of(texts, 0)
    assert strata.population.sum() == len(strata) == SIZE
    assert abs(int(strata.population[0].sum() - strata.population[1].sum())) <= 1
    assert (np.abs(strata.population[0] - strata.population[1]) <= 1).all()
    sizes = np.minimum(strata.population, 3)
    few, more = (strata.first(n) for n in (sizes, np.minimum(strata.population, 5)))
    for half in (0, 1):
        assert set(few[half].ids) < set(more[half].ids)
        assert len(few[half].ids) == sizes[half].sum()
    rest = strata.first(np.minimum(strata.population, 5), after=sizes)
    assert set(rest[0].ids) == set(more[0].ids) - set(few[0].ids)
    other = Strata.of(texts, 1).first(sizes)
    assert set(other[0].ids) != set(few[0].ids)


def test_what_is_wrong_is_said_in_one_line(texts, chat_server, tmp_path):
    model: Any = {"model": "baseline/majority", "modalities": ["text"]}
    for options, message in (
        ({"budget": 20}, r"--budget 20: \d+ patterns need at least \d+ samples"),
        ({"budget": 200, "limit": 5}, "--limit cuts the dataset"),
        ({"pilot": tmp_path}, "give --budget or --until too"),
        ({"budget": 200, "pilot": tmp_path / "none"}, "not a run"),
        ({"until": "text.f1"}, "write KEY"),
        ({"until": "text.f1 +- 0.1"}, "no rate 'text.f1'.*did you mean"),
        ({"until": "text.accuracy +- 1.5"}, "between 0 and 1"),
        ({"until": "joint.accuracy +- 0.1"}, "nothing to measure joint.accuracy on"),
        ({"until": "text.n +- 0.1"}, "no rate 'text.n'"),
    ):
        with pytest.raises((UsageError, RunError), match=message) as caught:
            prepare(texts, UnderstandingOptions(**model, **options))
        assert "\n" not in str(caught.value)
    other = text_dataset(tmp_path / "other", 40)
    elsewhere = vlsu.evaluate(
        vlsu.load("vlsu-mini"), model="baseline/majority", out=tmp_path / "mini"
    )
    with pytest.raises(UsageError, match="of no sample of this dataset"):
        prepare(other, UnderstandingOptions(**model, budget=40, pilot=elsewhere.path))


def test_a_pilot_over_other_grades_is_named(texts, tmp_path):
    flipped = text_dataset(tmp_path / "flipped", shift=3)
    assert set(flipped.frame().collect()["id"]) == set(texts.frame().collect()["id"])
    run_ = vlsu.evaluate(
        flipped, model="baseline/majority", out=tmp_path / "run", modalities=["text"]
    )
    with pytest.raises(UsageError, match=r"--pilot .*run: a run over a dataset with other grades"):
        prepare(
            texts,
            UnderstandingOptions(
                model="baseline/majority", modalities=["text"], budget=200, pilot=run_.path
            ),
        )


def test_gates_and_comparisons_say_that_a_run_is_an_estimate(texts, chat_server, tmp_path):
    server = chat_server(answer)
    drawn = run(texts, server, tmp_path / "drawn", budget=150)
    whole = run(texts, server, tmp_path / "whole")
    held = gate(drawn, ["text.accuracy >= 0"]).to_dict()
    assert held["estimated_from"] == {"sampled": 150, "population": SIZE}
    assert "estimated_from" not in gate(whole, ["text.accuracy >= 0"]).to_dict()
    found = compare([drawn, whole])
    assert found["samples"]["drawn"] == ["drawn"]
    subsets = [d for d in found["differences_in_setup"] if d["what"] == "samples"]
    assert subsets[0]["values"] == {"drawn": "drawn by pattern (--budget 150)", "whole": "all"}
    assert "not of the dataset" in setup_table(found).note
    # Within a pattern the draw is even, so what is compared there is the dataset's.
    assert found["pairs"][0]["metrics"]["text.accuracy"]["n"] == 150


@pytest.mark.parametrize(
    "text", ["joint.f1_macro +- 0.02", "joint.f1_macro ± 0.02", "  joint.f1_macro+/-2e-2 "]
)
def test_a_precision_is_read_as_people_write_it(text):
    assert Precision.parse(text) == Precision("joint.f1_macro", 0.02)
    assert str(Precision.parse(text)) == "joint.f1_macro +- 0.02"


def test_the_command_line_says_what_was_drawn(tmp_path):
    base = ("run", "understanding", "vlsu-mini", "--model", "baseline/random", "--out", "run")
    done = command(*base, "--budget", "100", cwd=tmp_path)
    assert done.returncode == 0
    assert "Estimated for all 465 samples of the dataset from 100 of them" in done.stderr
    again = command(*base, "--until", "joint.f1_macro +- 0.05", "--json", cwd=tmp_path)
    metrics = json.loads(again.stdout)
    assert metrics["sampling"]["reached"] is True
    rate = metrics["joint"]["f1_macro"]
    assert (rate["high"] - rate["low"]) / 2 <= 0.05
    report = command("report", "run", "--out", "report.md", cwd=tmp_path)
    assert report.returncode == 0
    words = (tmp_path / "report.md").read_text()
    assert "joint.f1\\_macro +- 0.05: reached" in words
    assert command("report", "run", "--out", "report.html", cwd=tmp_path).returncode == 0
    page = (tmp_path / "report.html").read_text()
    assert "Estimated for all 465 samples of the dataset from" in page
    held = command("gate", "run", "--require", "joint.f1_macro >= 0", cwd=tmp_path)
    assert "Estimated for all 465 samples" in held.stdout
    (tmp_path / "mix.yaml").write_text("harm_prevalence: 1/1000\n")
    uneven = command("project", "run", "--traffic", "mix.yaml", cwd=tmp_path, expect=2)
    assert "drawn unevenly" in uneven.stderr
    wrong = command(*base, "--until", "joint.f1_marco +- 0.05", cwd=tmp_path, expect=2)
    assert "did you mean 'joint.f1_macro'" in wrong.stderr
    assert wrong.stderr.strip().count("\n") == 0
    dry = command(*base, "--budget", "90", "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(dry.stdout)["baseline/random"]["samples"] == 90


@pytest.mark.parametrize("draw", [("--budget", "90"), ("--until", "joint.accuracy +- 0.15")])
def test_a_dry_run_over_a_finished_draw_counts_nothing(tmp_path, draw):
    base = ("run", "understanding", "vlsu-mini", "--model", "baseline/random", "--out", "run")
    before = command(*base, *draw, "--dry-run", cwd=tmp_path).stdout
    assert ("at most" in before) is ("--until" in draw)
    command(*base, *draw, cwd=tmp_path)
    (found,) = json.loads(
        command(*base, *draw, "--dry-run", "--json", cwd=tmp_path).stdout
    ).values()
    assert sum(found["requests"].values()) == 0
    assert found["stored"] > 0
    assert not found["at_most"]
    more = ("--until", "joint.accuracy +- 0.1", "--dry-run", "--json")
    (found,) = json.loads(command(*base, *more, cwd=tmp_path).stdout).values()
    assert found["at_most"]
    assert sum(found["requests"].values()) > 0
