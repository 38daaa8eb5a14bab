"""Framing searches end to end, against a real chat server whose refusals are known."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from aiohttp import web

from tests.conftest import ChatServer, chat_servers, completion, make_dataset
from tests.support.commands import vlsu
from tests.support.stores import stored_bodies
from tests.support.tuning_runs import (
    REFUSAL,
    answer,
    instruction,
    paired_dataset,
    proposal,
    proposes,
    system_of,
    words_of,
)
from tests.support.views import undeclared
from vlsu.cli.report import report
from vlsu.data import Dataset, load
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models import Settings, open_model
from vlsu.report import write_report
from vlsu.runs import (
    Limits,
    Price,
    Proposer,
    Run,
    Tuning,
    TuningOptions,
    load_run,
    prepare_tuning,
    read_tuning,
)
from vlsu.runs.finished.ledger import ledger
from vlsu.tasks import Framing, load_candidates

pytestmark = pytest.mark.slow

Serve = Callable[..., ChatServer]

#: The scripted model's front is the first four; every other is well behind one of them.
PROMISES = {
    "mild": (5, 50),
    "even": (20, 75),
    "firm": (45, 90),
    "hard": (80, 99),
    **{f"poor-{n}": (40 + 5 * n, 45 - 2 * n) for n in range(12)},
}
FRONT = ["mild", "even", "firm", "hard"]
CANDIDATES = tuple(Framing(name, instruction(promise)) for name, promise in PROMISES.items())


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return paired_dataset(tmp_path_factory.mktemp("pairs") / "dataset")


def tuning(dataset: Dataset, server: ChatServer, **arguments: Any) -> Tuning:
    return prepare_tuning(
        dataset,
        TuningOptions(
            model="openai/assistant",
            settings=Settings(base_url=server.base_url, **arguments.pop("settings", {})),
            **{"candidates": CANDIDATES, **arguments},
        ),
    )


def proposer(server: ChatServer, count: int = 4, limits: Limits | None = None) -> Proposer:
    model = open_model("openai/proposer", Settings(base_url=server.base_url))
    return Proposer(model, count, limits or Limits())


@dataclass(frozen=True)
class Search:
    """A finished search of `CANDIDATES` at a price, and its server.

    Attributes:
        asked: Requests that it took.
    """

    run: Run
    server: ChatServer
    asked: int

    def copied(self, folder: Path) -> Path:
        """A copy of its folder, in which it can be searched again."""
        return Path(shutil.copytree(self.run.path, folder))


PRICED = Limits(price=Price(1.0, 1.0))


@pytest.fixture(scope="module")
def search(pairs: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    with chat_servers() as serve, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "test")
        server = serve(answer)
        folder = tmp_path_factory.mktemp("search") / "run"
        run = tuning(pairs, server, limits=PRICED).run(folder)
        yield Search(run, server, len(server.requests))


def test_the_front_is_found_and_shown_on_pairs_it_was_not_chosen_by(
    pairs: Dataset, search: Search, tmp_path: Path
) -> None:
    folder = search.copied(tmp_path / "run")
    run = tuning(pairs, search.server, max_under_refusal=0.6).run(folder)
    assert run.finished
    found = read_tuning(run.path)
    assert list(undeclared(found, "tuning")) == []
    assert found.framings["firm"].selection.over_blocking.value is not None
    assert found["front"] == FRONT
    assert found["baseline"] == "default"
    for name, (over, refused) in PROMISES.items():
        about = found["framings"][name]
        if name not in FRONT:
            assert about["dropped"]["instead"] in PROMISES
            assert about["held_out"] is about["change"] is None
            continue
        assert about["dropped"] is None
        # The scripted model declines exactly as promised, in the long run.
        held_out = about["held_out"]
        assert held_out["over_blocking"]["low"] <= over / 100 <= held_out["over_blocking"]["high"]
        under = held_out["under_refusal"]
        assert under["low"] <= 1 - refused / 100 <= under["high"]
        for key, rate in about["change"].items():
            of_default = found["framings"]["default"]["held_out"][key]["value"]
            assert rate["value"] == pytest.approx(held_out[key]["value"] - of_default)
    assert (
        run.metrics["framings"]["firm"]["over_blocking"]
        == (found["framings"]["firm"]["held_out"]["over_blocking"])
    )


def judgments_of(run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of the race, and of the held-out pairs."""
    rows = run.judgments
    return rows.drop_nulls("rung"), rows.filter(pl.col("rung").is_null())


def test_no_image_text_or_group_is_on_both_sides(pairs: Dataset, search: Search) -> None:
    race, held_out = judgments_of(search.run)
    samples = {sample.id: sample for sample in pairs}
    for link in ("image_sha256", "text", "group"):
        sides = [
            {getattr(samples[id_], link) for id_ in rows["sample_id"]} for rows in (race, held_out)
        ]
        assert sides[0] - {None}
        assert not sides[0] & sides[1] - {None}
    # And on the wire: every question of the race was asked before the first held-out one.
    requests = search.server.requests[: search.asked]
    texts = [words_of(body) for body in requests]
    confirming = {samples[id_].text for id_ in held_out["sample_id"]}
    first = next(n for n, text in enumerate(texts) if text in confirming)
    assert all(text in confirming for text in texts[first:])
    assert len({system_of(body) for body in requests[first:]}) == len(FRONT) + 1


def test_every_candidate_of_a_rung_sees_the_same_pairs(
    pairs: Dataset, search: Search, tmp_path: Path
) -> None:
    run = tuning(pairs, search.server, keep=3).run(search.copied(tmp_path / "run"))
    race, _ = judgments_of(run)
    found = read_tuning(run.path)
    sizes = [rung["candidates"] for rung in found["rungs"]]
    assert sizes == [19, 10]
    asked: set[str] = set()
    for number, rung in enumerate(found["rungs"], 1):
        rows = race.filter(pl.col("rung") == number)
        by_framing = [set(part["sample_id"]) for _, part in rows.group_by("framing")]
        assert len(by_framing) == rung["candidates"]
        assert all(samples == by_framing[0] for samples in by_framing)
        assert not asked & by_framing[0]
        asked |= by_framing[0]
        expected = Counter(
            row
            for row in race.filter(
                pl.col("sample_id").is_in(list(asked)), pl.col("framing") == found["front"][0]
            )["expected"]
        )
        assert expected == {key: rung[key] for key in ("borderline", "unsafe")}
    assert len(found["front"]) == 3


def test_the_same_command_again_asks_nothing_and_finds_the_same(
    pairs: Dataset, search: Search, tmp_path: Path
) -> None:
    server, asked, before = search.server, search.asked, read_tuning(search.run.path)
    sent = len(server.requests)
    again = tuning(pairs, server, limits=PRICED).run(search.copied(tmp_path / "run"))
    assert len(server.requests) == sent
    assert read_tuning(again.path) == before
    calls = before["calls"]
    assert calls["answers"] == asked
    assert calls["race"]["answers"] + calls["confirmation"]["answers"] == asked
    assert calls["answers_of_all_on_everything"] == 19 * 240
    assert calls["share"] == asked / (19 * 240)


def test_a_dry_run_is_what_it_then_takes_at_most(
    pairs: Dataset, chat_server: Serve, search: Search
) -> None:
    server = chat_server(answer)
    guess = tuning(pairs, server, limits=PRICED).estimate()
    assert server.requests == []
    assert guess.everything.requests["answers"] == 19 * 240
    # Every place on the front is taken, so that nothing is left over.
    assert guess.race.requests["answers"] == search.asked
    assert guess.race.cost is not None
    assert guess.everything.cost is not None
    assert guess.race.cost < guess.everything.cost
    assert [(rung.candidates, rung.samples) for rung in guess.rungs] == [(19, 20), (10, 40)]


def test_a_budget_stops_it_and_it_goes_on(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(answer)
    stopped = tuning(pairs, server, limits=Limits(max_requests=500)).run(tmp_path / "run")
    assert stopped.record["stopped"] == "--max-requests 500 reached"
    with pytest.raises(RunError, match="no finished tuning"):
        read_tuning(stopped.path)
    run = tuning(pairs, server).run(tmp_path / "run")
    assert run.finished
    assert read_tuning(run.path)["calls"]["answers"] == len(server.requests)


def test_what_one_model_is_paid_for_in_all_stages_is_added_up(search: Search) -> None:
    record = search.run.record
    # The server says 18 tokens of every request.
    assert record["cost"]["total"] == pytest.approx(search.asked * 18 / 1e6)
    assert record["cost"]["of"] == {"openai/assistant": record["cost"]["total"]}


def command(
    dataset: Dataset, server: ChatServer, file: Path, out: Path, *more: object
) -> tuple[object, ...]:
    return (
        *("framings", "tune", dataset.path, "--model", "openai/assistant"),
        *("--base-url", server.base_url, "--candidates", file, "--out", out, *more),
    )


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    file = tmp_path / "given.yaml"
    file.write_text(yaml.safe_dump({f.name: f.instruction for f in CANDIDATES}, sort_keys=False))
    return file


def test_killed_it_asks_nothing_again_that_was_stored(
    pairs: Dataset, chat_server: Serve, tmp_path: Path, candidates: Path, search: Search
) -> None:
    server, killed = chat_server(answer, 0.005), threading.Event()
    server.ready = lambda number: number <= 600 or killed.is_set()
    line = command(pairs, server, candidates, tmp_path / "run", "--concurrency", 8)
    process = subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, line)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while len(server.requests) < 600:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    killed.set()
    process.wait()
    server.settle()
    bodies = stored_bodies(tmp_path / "run" / "responses.sqlite")
    stored = sum(b"chatcmpl" in body for body in bodies)
    assert stored > 100
    before = len(server.requests)
    vlsu(*line)
    found = read_tuning(tmp_path / "run")
    assert len(server.requests) - before == found["calls"]["answers"] - stored
    assert read_tuning(search.run.path) == found


def test_another_split_needs_another_folder(pairs: Dataset, search: Search, tmp_path: Path) -> None:
    server = search.server
    search.copied(tmp_path / "run")
    for other in ({"settings": {"seed": 1}}, {"held_out": 0.4}, {"limit": 200}):
        with pytest.raises(RunError, match="another"):
            tuning(pairs, server, **other).run(tmp_path / "run")
    with pytest.raises(RunError, match="another split"):
        tuning(pairs, server, held_out=0.4).run(tmp_path / "run")


def test_held_out_pairs_that_confirmed_others_before_are_owned_up_to(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(answer)
    tuning(pairs, server, candidates=CANDIDATES[:1]).run(tmp_path / "run")
    assert read_tuning(tmp_path / "run")["held_out_shown_before"] == 0
    for _ in range(2):
        tuning(pairs, server, candidates=CANDIDATES[:2]).run(tmp_path / "run")
        assert read_tuning(tmp_path / "run")["held_out_shown_before"] == 1


def test_an_instruction_that_leaves_the_model_without_words_does_not_win(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    def failing(body: dict[str, Any], number: int) -> Any:
        if system_of(body) == instruction(PROMISES["firm"]):
            return web.json_response({"error": {"message": "no"}}, status=400)
        return answer(body, number)

    run = tuning(pairs, chat_server(failing)).run(tmp_path / "run")
    found = read_tuning(run.path)
    about = found["framings"]["firm"]
    assert about["dropped"]["rung"] == 1
    assert about["selection"]["over_blocking"]["missing"] == 20
    assert about["selection"]["over_blocking"]["value"] is None
    assert "firm" not in found["front"]


def test_the_best_under_a_constraint_is_marked_and_kept(
    pairs: Dataset, search: Search, tmp_path: Path
) -> None:
    folder = search.copied(tmp_path / "run")
    run = tuning(pairs, search.server, max_under_refusal=0.15, keep=1).run(folder)
    found = read_tuning(run.path)
    assert found["constraint"] == {"max_under_refusal": 0.15, "chosen": "firm"}
    assert found["front"] == ["firm"]


def test_without_references_there_is_no_baseline(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    server = chat_server(answer)
    run = tuning(
        pairs, server, references=(), candidates=CANDIDATES[4:8], max_under_refusal=0.0
    ).run(tmp_path / "run")
    found = read_tuning(run.path)
    assert found["baseline"] is None
    assert found["constraint"]["chosen"] is None
    assert {about["source"] for about in found["framings"].values()} == {"given"}
    assert all(about["change"] is None for about in found["framings"].values())


def test_a_model_that_cannot_see_is_shown_captions(chat_server: Serve, tmp_path: Path) -> None:
    server = chat_server(answer)
    run = tuning(
        load("vlsu-mini"), server, candidates=CANDIDATES[:1], captions=True, limit=120
    ).run(tmp_path / "run")
    assert read_tuning(run.path)["front"]
    assert all(isinstance(body["messages"][-1]["content"], str) for body in server.requests)
    with pytest.raises(RunError, match="choice between images and captions"):
        tuning(load("vlsu-mini"), server, candidates=CANDIDATES[:1], limit=120).run(
            tmp_path / "run"
        )


# Proposals


def proposing(*texts: str) -> Callable[[dict[str, Any], int], Any]:
    def respond(body: dict[str, Any], number: int) -> Any:
        return proposal(*texts) if proposes(body) else answer(body, number)

    return respond


def test_proposals_are_raced_stored_and_not_asked_for_again(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    given, new = CANDIDATES[4], instruction(PROMISES["even"])
    server = chat_server(proposing(new, new.upper(), given.instruction))
    for _ in range(2):
        run = tuning(pairs, server, candidates=[given], proposer=proposer(server)).run(
            tmp_path / "run"
        )
    assert sum(map(proposes, server.requests)) == 1
    found = read_tuning(run.path)
    assert found["framings"]["proposed-1"]["instruction"] == new
    assert found["framings"]["proposed-1"]["source"] == "proposed"
    assert "proposed-1" in found["front"]
    assert found["proposals"] == {
        "model": "openai/proposer",
        "asked": 4,
        "outcome": "ok",
        "new": 1,
        "duplicates": 2,
        "surplus": 0,
    }
    written = load_candidates(run.path / "candidates.yaml")
    assert [each.instruction for each in written] == [given.instruction, new]


def test_an_answer_without_proposals_is_an_outcome(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    def rambling(body: dict[str, Any], number: int) -> Any:
        return completion("Be kind, be brief.") if proposes(body) else answer(body, number)

    server = chat_server(rambling)
    run = tuning(pairs, server, proposer=proposer(server)).run(tmp_path / "run")
    found = read_tuning(run.path)
    assert found["proposals"]["outcome"] == "unparsed"
    assert found["front"] == FRONT
    with pytest.raises(RunError, match=r"proposed nothing to race \(unparsed\)"):
        tuning(pairs, server, candidates=(), references=["default"], proposer=proposer(server)).run(
            tmp_path / "other"
        )


def test_a_proposer_of_unknown_price_is_refused_where_money_is_bounded(
    pairs: Dataset, chat_server: Serve
) -> None:
    server = chat_server(answer)
    limits = Limits(price=Price(1, 1), max_cost=1.0)
    with pytest.raises(UsageError, match="price of openai/proposer"):
        tuning(pairs, server, proposer=proposer(server), limits=limits)
    priced = proposer(server, limits=Limits(price=Price(1, 1)))
    assert tuning(pairs, server, proposer=priced, limits=limits).estimate().race.cost


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"candidates": ()}, "no candidates"),
        ({"candidates": CANDIDATES[:1], "references": ()}, "one instruction alone"),
        ({"keep": 0}, "keep 0"),
        ({"held_out": 1.0}, "held-out 1"),
        ({"max_under_refusal": 1.5}, "max-under-refusal 1.5"),
        ({"refusal": "maybe"}, "refusal 'maybe': use strict or lenient"),
        (
            {"judge": "guard/llama-guard:m", "judge_settings": Settings("http://127.0.0.1:1/v1")},
            "does not detect refusals",
        ),
        ({"references": ["kind"]}, "reference 'kind'"),
        ({"limit": 0}, "limit 0"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_asked(
    pairs: Dataset, chat_server: Serve, arguments: dict[str, Any], said: str
) -> None:
    server = chat_server(answer)
    with pytest.raises(UsageError) as told:
        tuning(pairs, server, **arguments)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert server.requests == []


def test_too_few_pairs_are_told_with_their_counts(
    chat_server: Serve, tmp_path: Path, pairs: Dataset
) -> None:
    server = chat_server(answer)
    with pytest.raises(
        DataError, match=r"borderline pairs to choose by and .* held out, 10 of each"
    ):
        tuning(make_dataset(tmp_path / "linked", 12), server)
    with pytest.raises(DataError, match="borderline pairs to choose by"):
        tuning(pairs, server, limit=50)


def test_the_command_line_searches_and_shows(
    pairs: Dataset, chat_server: Serve, tmp_path: Path, candidates: Path
) -> None:
    server = chat_server(proposing(instruction((30, 80))))
    out = tmp_path / "run"

    tune = partial(vlsu, *command(pairs, server, candidates, out))
    dry = json.loads(tune("--dry-run", "--json").stdout)
    assert server.requests == []
    assert dry["race"]["requests"]["answers"] < dry["everything"]["requests"]["answers"]
    propose = ("--propose", "openai/proposer", "--propose-base-url", server.base_url)
    more = (*propose, "--proposals", 3, "--max-under-refusal", 0.15)
    shown = tune(*more)
    assert "firm *" in shown.stdout
    assert "(default)" in shown.stdout
    assert "Answers asked for: " in shown.stderr
    assert "openai/proposer was asked for 3 instructions: 1 new." in shown.stderr
    text = (out / "tuning.md").read_text()
    assert "Every candidate on the selection split" in text
    assert "Decline 45 in 100 borderline pairs" in text
    assert json.loads(tune(*more, "--json").stdout) == read_tuning(out)
    assert load_run(out).finished
    candidates.write_text("a: 3")
    assert "candidate 'a': expected a text" in tune(expect=2).stderr


def test_the_report_of_a_search_lies_in_its_folder(search: Search, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"see tuning\.md in that folder"):
        report([search.run.path], tmp_path / "x.html")


@pytest.mark.parametrize("level", ["0.95", "0.9"])
def test_a_search_is_neither_gated_nor_compared_nor_served(
    search: Search, tmp_path: Path, level: str
) -> None:
    run, other = search.run.path, search.copied(tmp_path / "other")
    (tmp_path / "traffic.yaml").write_text("severity: {safe: 0.9, borderline: 0.05, unsafe: 0.05}")
    for arguments in (
        ("gate", run, "--require", "cost.total <= 2", "--confidence", level),
        ("compare", run, other),
        ("project", run, "--traffic", tmp_path / "traffic.yaml"),
        ("view", run),
    ):
        said = vlsu(*arguments, expect=2).stderr
        assert f"error: {run}: a framing search; see tuning.md in that folder" in said
    with pytest.raises(UsageError, match=r"see tuning\.md in that folder"):
        write_report([search.run, load_run(other)], tmp_path / "x.html")


def test_what_a_search_cost_is_told_by_instruction_and_judge(
    pairs: Dataset, chat_server: Serve, tmp_path: Path
) -> None:
    asked: Counter[str] = Counter()

    def respond(body: dict[str, Any], number: int) -> Any:
        asked[body["model"]] += 1
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        if body["model"] == "judge":
            refuses = REFUSAL in str(body["messages"][-1])
            kind = "direct_refusal" if refuses else "full_compliance"
            verdict = {"kind": kind, "given": 0, "served": 0} if refuses else {"kind": kind}
            return completion(json.dumps({"given": 4, "served": 4, **verdict})) | {"usage": usage}
        found = proposal(instruction((30, 80))) if proposes(body) else answer(body, number)
        return found | {"usage": usage}

    server = chat_server(respond)
    run = tuning(
        pairs,
        server,
        candidates=CANDIDATES[:3],
        judge="openai/judge",
        judge_settings=Settings(base_url=server.base_url),
        judge_limits=Limits(price=Price(2.0, 0.0)),
        limits=PRICED,
        proposer=proposer(server, limits=Limits(price=Price(3.0, 0.0))),
    ).run(tmp_path / "run")
    found = ledger(run)
    rows = run.judgments
    assert found.samples == rows["sample_id"].n_unique()
    models, judges = found.of("model"), found.of("judge")
    assert {name: line.requests for name, line in (models | judges).items()} == {
        f"openai/{name}": count for name, count in asked.items()
    }
    assert models["openai/assistant"].cost == pytest.approx(asked["assistant"] * 110 / 1e6)
    assert models["openai/proposer"].cost == pytest.approx(300 / 1e6)
    assert judges["openai/judge"].cost == pytest.approx(asked["judge"] * 200 / 1e6)
    assert {name: line.requests for name, line in found.of("framing").items()} == {
        name: rows.filter(pl.col("framing") == name)["request_key"].n_unique()
        for name in rows["framing"].unique()
    }
    parts = sum(line.cost or 0 for line in (*models.values(), *judges.values()))
    assert found.total == pytest.approx(parts)
    # Answers that are alike are judged once: each further one would cost as much again.
    again = rows["judge_key"].count() - asked["judge"]
    assert again > 0
    assert found.saved["shared"] == pytest.approx(again * 200 / 1e6)
    assert run.record.cost.saved == {why: round(money, 6) for why, money in found.saved.items()}
