"""Ensembles from the command line: named members, servers, kills, and what reads their runs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from aiohttp import web

from tests.conftest import ChatServer, grade, make_dataset
from tests.support.commands import vlsu
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models import open_model
from vlsu.models.base import Settings
from vlsu.runs import Limits, MemberModels, Price, UnderstandingOptions, load_run, prepare

pytestmark = pytest.mark.slow

Servers = Callable[..., ChatServer]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "dataset", 12, apart=True)


def named(folder: Path, **servers: ChatServer) -> Path:
    """A ``models.yaml`` of servers by name."""
    entries = {
        name: {"spec": f"openai/{name}", "base_url": server.base_url, "price": "1,2"}
        for name, server in servers.items()
    }
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump({"models": entries}))
    return file


def always(severity: str) -> Callable[[dict[str, Any], int], Any]:
    return lambda body, n: grade(severity, "C9")


def test_members_are_asked_each_at_its_own_server(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    mild, harsh = chat_server(always("borderline")), chat_server(always("unsafe"))
    models = named(tmp_path, mild=mild, harsh=harsh)
    command = ("run", "understanding", dataset.path, "--models", models, "--out", tmp_path / "R")
    spec = ("--model", "ensemble/max:mild+harsh@text")
    dry = json.loads(vlsu(*command, *spec, "--dry-run", "--json").stdout)
    assert sum(dry["ensemble/max:mild+harsh@text"]["requests"].values()) == 48
    assert not mild.requests
    assert not (tmp_path / "R").exists()
    done = vlsu(*command, *spec)
    assert "mild" in done.stderr
    assert "asked at" in done.stderr
    assert (len(mild.requests), len(harsh.requests)) == (36, 12)
    record = load_run(tmp_path / "R").record
    assert record.requests.asked == 48
    # 48 requests of 11 and 7 tokens, at 1 and 2 for a million.
    assert record.cost.total == pytest.approx(48 * (11 + 2 * 7) / 1e6)
    assert record.cost.of == pytest.approx({
        "openai/mild": 36 * 25 / 1e6, "openai/harsh": 12 * 25 / 1e6,
    })  # fmt: skip
    rows = pl.read_parquet(tmp_path / "R" / "judgments.parquet")
    said = dict(rows.group_by("modality").agg(pl.col("predicted").unique().first()).iter_rows())
    assert said == {"image": "borderline", "text": "unsafe", "joint": "unsafe"}
    tokens = dict(rows.group_by("modality").agg(pl.col("input_tokens").first()).iter_rows())
    assert tokens == {"image": 11, "text": 22, "joint": 22}
    again = vlsu(*command, *spec)
    assert (len(mild.requests), len(harsh.requests)) == (36, 12)
    assert "0 asked" in again.stderr


def test_each_member_has_its_price_of_a_file_or_of_its_entry(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    server = chat_server(always("unsafe"))
    prices = tmp_path / "prices.yaml"
    tree = {"openai/a": {"input": 1, "output": 2}, "openai/b": {"input": 10, "output": 20}}
    prices.write_text(yaml.safe_dump({"currency": "EUR", "prices": tree}))
    command = ("run", "understanding", dataset.path)
    unpriced = ("--model", "ensemble/max:openai/a+openai/b", "--base-url", server.base_url)
    given = (*command, *unpriced, "--price", prices)
    dry = json.loads(vlsu(*given, "--out", tmp_path / "R", "--dry-run", "--json").stdout)
    assert dry["ensemble/max:openai/a+openai/b"]["currency"] == "EUR"
    vlsu(*given, "--out", tmp_path / "R")
    cost = load_run(tmp_path / "R").record.cost
    each = 25 / 1e6  # 11 and 7 tokens, at 1 and 2 for a million
    assert cost.of == pytest.approx({"openai/a": 36 * each, "openai/b": 36 * 10 * each})
    del tree["openai/b"]
    prices.write_text(yaml.safe_dump({"prices": tree}))
    assert "no price for 'openai/b'" in vlsu(*given, "--out", tmp_path / "S", expect=2).stderr

    models = named(tmp_path, mild=server, harsh=server)
    named_ones = (*command, "--model", "ensemble/max:mild+harsh", "--models", models)
    vlsu(*named_ones, "--out", tmp_path / "T", "--max-cost", 40 * each)
    record = load_run(tmp_path / "T").record
    assert record["stop_bound"] == "max_cost"
    assert 40 <= record.cost.total / each < 42  # of both together
    vlsu(*named_ones, "--out", tmp_path / "T")
    assert load_run(tmp_path / "T").record.cost.total == pytest.approx(72 * each)
    refused = vlsu(*command, *unpriced, "--out", tmp_path / "U", "--max-cost", 1, expect=2)
    assert "max-cost needs a price" in refused.stderr


def test_a_bound_on_money_counts_each_member_at_its_own_price(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    server = chat_server(always("unsafe"))
    entries: dict[str, dict[str, Any]] = {
        name: {"spec": f"openai/{name}", "base_url": server.base_url, "price": price}
        for name, price in (("cheap", "1,2"), ("dear", "10,20"))
    }
    models = tmp_path / "models.yaml"
    models.write_text(yaml.safe_dump({"models": entries}))
    line = ("run", "understanding", dataset.path, "--model", "ensemble/max:cheap+dear")
    line_of = (*line, "--models", models, "--concurrency", 1, "--out")
    each = 25 / 1e6  # 11 and 7 tokens, at 1 and 2 for a million
    bound = (36 + 5.5 * 10) * each
    vlsu(*line_of, tmp_path / "R", "--max-cost", bound)
    record = load_run(tmp_path / "R").record
    assert record["stop_bound"] == "max_cost"
    assert record.cost.of == pytest.approx(
        {"openai/cheap": 36 * each, "openai/dear": 6 * 10 * each}
    )
    entries["dear"]["price"] = {"input": 10, "output": 20, "currency": "EUR"}
    entries["cheap"]["price"] = {"input": 1, "output": 2, "currency": "USD"}
    models.write_text(yaml.safe_dump({"models": entries}))
    refused = vlsu(*line_of, tmp_path / "S", "--max-cost", 1, expect=2).stderr
    assert "max-cost 1: the prices are in EUR and USD, which do not add up" in refused


def test_a_bound_on_money_needs_a_price_of_every_member(
    dataset: Dataset, chat_server: Servers
) -> None:
    """Those that another program opens, too."""
    server = chat_server(always("unsafe"))
    settings = Settings(base_url=server.base_url)
    models = MemberModels(lambda spec: (open_model(spec, settings), settings, Limits()))
    options = UnderstandingOptions(
        model="ensemble/max:openai/a+openai/b", limits=Limits(max_cost=1, price=Price(1.0, 2.0))
    )
    with pytest.raises(UsageError, match="max-cost needs a price of openai/a too"):
        prepare(dataset, options, models)


def test_an_entry_may_be_an_ensemble_but_is_not_asked_itself(
    dataset: Dataset, tmp_path: Path
) -> None:
    models = tmp_path / "models.yaml"
    entry: dict[str, Any] = {"spec": "ensemble/vote:one+baseline/random"}
    one = {"spec": "baseline/majority"}
    models.write_text(yaml.safe_dump({"models": {"both": entry, "one": one}}))
    command = ("run", "understanding", dataset.path, "--model", "both", "--models", models)
    vlsu(*command, "--out", tmp_path / "R")
    members = load_run(tmp_path / "R").record.ensemble.members
    assert [each["spec"] for each in members] == ["baseline/majority", "baseline/random"]
    entry["max_tokens"] = 5
    models.write_text(yaml.safe_dump({"models": {"both": entry, "one": one}}))
    refused = vlsu(*command, "--out", tmp_path / "S", expect=2)
    assert "max_tokens: an ensemble is not asked itself" in refused.stderr


def test_limit_and_seed_hold_for_all_members(dataset: Dataset, tmp_path: Path) -> None:
    spec = ("--model", "ensemble/max:baseline/majority+baseline/random")
    command = ("run", "understanding", dataset.path, *spec, "--out", tmp_path / "R")
    vlsu(*command, "--limit", 5, "--seed", 3)
    runs = [load_run(tmp_path / "R" / p) for p in (".", "members/baseline-majority")]
    first, second = (set(run.judgments["sample_id"]) for run in runs)
    assert first == second
    assert len(first) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--controls"], "--controls: not with an ensemble"),
        (["--draws", "2", "--param", "temperature=1"], "--draws: not with an ensemble"),
        (["--budget", "5"], "--budget: not with an ensemble"),
        (["--probe", "swap"], "--probe: not with an ensemble"),
    ],
)
def test_what_an_ensemble_cannot_do_is_refused(
    dataset: Dataset, chat_server: Servers, tmp_path: Path, arguments: list[str], message: str
) -> None:
    server = chat_server(always("safe"))
    models = named(tmp_path, a=server, b=server)
    command = ("run", "understanding", dataset.path, "--models", models, "--out", tmp_path / "R")
    done = vlsu(*command, "--model", "ensemble/max:a+b", *arguments, expect=2)
    assert message in done.stderr
    assert not server.requests


def test_an_ensemble_answers_no_questions(dataset: Dataset, tmp_path: Path) -> None:
    spec = "ensemble/max:baseline/majority+baseline/random"
    done = vlsu(
        "run", "alignment", dataset.path, "--model", spec, "--out", tmp_path / "R", expect=2
    )
    assert "use it with vlsu run understanding" in done.stderr


def test_a_name_may_hold_what_separates_members(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    server = chat_server(always("safe"))
    spec = "ensemble/max:openai/a%2Bb:c+openai/x@y%40text+openai/z@text"
    vlsu(
        "run", "understanding", dataset.path, "--model", spec, "--base-url", server.base_url,
        "--out", tmp_path / "R", "--modalities", "text",
    )  # fmt: skip
    assert {body["model"] for body in server.requests} == {"a+b:c", "x@y@text", "z"}
    assert load_run(tmp_path / "R").record.model.spec == spec


def test_errors_are_asked_again_and_combined_again(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    """A server that fails the first start for good, and answers in the second."""
    broken = {"now": True}

    def respond(body: dict[str, Any], n: int) -> Any:
        if broken["now"] and n % 3 == 0:
            return web.json_response({"error": {"message": "bad", "type": "x"}}, status=400)
        return grade("safe")

    flaky, good = chat_server(respond), chat_server(always("borderline"))
    models = named(tmp_path, flaky=flaky, good=good)
    command = ("run", "understanding", dataset.path, "--models", models, "--out", tmp_path / "R")
    vlsu(*command, "--model", "ensemble/max:flaky+good", "--concurrency", 1)
    run = load_run(tmp_path / "R")
    failed = sum(counts.get("error", 0) for counts in run.record.outcomes.values())
    assert failed == 12  # whoever did not answer might have said unsafe
    broken["now"] = False
    vlsu(*command, "--model", "ensemble/max:flaky+good", "--concurrency", 1)
    run = load_run(tmp_path / "R")
    assert set(run.judgments["predicted"]) == {"borderline"}
    assert len(good.requests) == 36
    assert run.record.requests.asked == 12


def command(dataset: Dataset, models: Path, out: Path) -> subprocess.Popen[str]:
    arguments = ("run", "understanding", dataset.path, "--models", models, "--out", out)
    more = ("--model", "ensemble/vote:a+b", "--concurrency", 2)
    return subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, (*arguments, *more))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_and_interrupted_it_goes_on_with_the_same_command(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    a, b = chat_server(always("safe"), delay=0.05), chat_server(always("unsafe"), delay=0.05)
    models, out = named(tmp_path, a=a, b=b), tmp_path / "R"
    told: set[str] = set()  # of whoever is not, no more is asked before the command is stopped
    a.ready = lambda number: number <= 6 or a.base_url in told
    b.ready = lambda number: number <= 6 or b.base_url in told

    def stopped(server: ChatServer, requests: int, how: signal.Signals) -> int:
        with command(dataset, models, out) as process:
            deadline = time.monotonic() + 300
            while len(server.requests) < requests:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal(how)
            told.add(server.base_url)
            process.communicate(timeout=300)
            return process.returncode

    assert stopped(a, 6, signal.SIGKILL) == -signal.SIGKILL
    assert load_run(out).record.status == "running"
    assert stopped(b, 6, signal.SIGINT) == 130
    record = load_run(out).record
    assert (record.status, record.stop_reason) == ("stopped", "interrupted")
    assert load_run(out / "members" / "a").finished
    with command(dataset, models, out) as process:
        process.communicate(timeout=300)
    assert process.returncode == 0
    run = load_run(out)
    assert run.finished
    assert set(run.judgments["predicted"]) == {"unsafe"}  # a tie
    assert len(a.requests) <= 36 + 4
    assert len(b.requests) <= 36 + 4


def test_a_budget_is_for_all_members_together(
    dataset: Dataset, chat_server: Servers, tmp_path: Path
) -> None:
    a, b = chat_server(always("safe")), chat_server(always("unsafe"))
    models = named(tmp_path, a=a, b=b)
    arguments = ("run", "understanding", dataset.path, "--models", models, "--out", tmp_path / "R")
    spec = ("--model", "ensemble/max:a+b", "--max-requests", 40)
    done = vlsu(*arguments, *spec)
    assert "--max-requests 40 reached" in done.stderr
    assert len(a.requests) + len(b.requests) == 40
    vlsu(*arguments, *spec)
    assert load_run(tmp_path / "R").finished
    assert len(a.requests) + len(b.requests) == 72


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble ``R`` of what ``A`` says of image and text, and ``A``, on the bundled set."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = ("run", "understanding", "vlsu-mini", "--limit", 120)
    vlsu(*arguments, "--model", "baseline/random", "--out", folder / "A")
    spec = f"ensemble/max:{folder / 'A'}@image+{folder / 'A'}@text"
    vlsu(*arguments, "--model", spec, "--out", folder / "R")
    vlsu(*arguments, "--model", f"ensemble/stack:{folder / 'A'}+{folder / 'R'}",
         "--out", folder / "S")  # fmt: skip
    return folder


@pytest.mark.parametrize("kind", ["html", "md", "tex", "json"])
def test_it_is_reported(runs: Path, kind: str) -> None:
    file = runs / f"report.{kind}"
    vlsu("report", runs / "R", "--out", file)
    text = file.read_text()
    if kind in ("html", "md"):
        assert "An ensemble of" in text
        assert "worst of its members" in text
    vlsu("report", runs / "R", runs / "A", "--out", runs / f"both.{kind}")


def test_a_report_of_a_stack_says_that_it_saw_gold_grades(runs: Path) -> None:
    vlsu("report", runs / "S", "--out", runs / "stack.md")
    assert "has seen gold grades" in (runs / "stack.md").read_text()


def test_it_is_compared_by_family(runs: Path) -> None:
    """The late-fusion question: what the joint judgment gains, where only it can."""
    found = json.loads(vlsu("compare", runs / "R", runs / "A", "--json").stdout)
    (pair,) = found["pairs"]
    said = {}
    for name in "RA":
        rows = pl.read_parquet(runs / name / "judgments.parquet")
        columns = ("sample_id", "modality", "expected", "predicted")
        said[name] = {(id_, m): (gold, it) for id_, m, gold, it in rows.select(columns).iter_rows()}
    ids = sorted({id_ for id_, _ in said["A"]})
    order = ["safe", "borderline", "unsafe"]

    def family(id_: str) -> str:
        image, text, joint = (order.index(said["A"][id_, m][0]) for m in ("image", "text", "joint"))
        if joint == max(image, text):
            return "late-fusion"
        return "escalating" if joint > max(image, text) else "de-escalating"

    def flagged(name: str, of: list[str]) -> float:
        return sum(said[name][id_, "joint"][1] == "unsafe" for id_ in of) / len(of)

    for name in ("late-fusion", "escalating", "de-escalating"):
        inside = [id_ for id_ in ids if family(id_) == name]
        unsafe = [id_ for id_ in inside if said["A"][id_, "joint"][0] == "unsafe"]
        safe = [id_ for id_ in inside if said["A"][id_, "joint"][0] == "safe"]
        for key, of in (
            ("unsafe_recall", unsafe), ("safe_called_unsafe", safe), ("flagged", inside)
        ):  # fmt: skip
            row = pair["metrics"].get(f"families.{name}.{key}")
            if not of:  # such as safe pairs of an escalating pattern
                assert row is None
                continue
            first, second = flagged("R", of), flagged("A", of)
            assert row["n"] == len(of)
            assert row["first"]["value"] == pytest.approx(first)
            difference = row["difference"]
            assert difference["value"] == pytest.approx(second - first)
            assert difference["low"] <= difference["value"] <= difference["high"]
            better = {"unsafe_recall": "higher", "safe_called_unsafe": "lower"}.get(key)
            if key == "flagged" and name == "de-escalating":
                better = "lower"
            assert row["better_is"] == better


def test_it_is_gated_and_projected(runs: Path) -> None:
    vlsu("gate", runs / "R", "--require", "families.late-fusion.safe_called_unsafe <= 1")
    vlsu("gate", runs / "R", "--require", "joint.accuracy > 0.99", expect=1)
    vlsu(
        "gate", runs / "R", "--against", runs / "A", "--require", "joint.accuracy >= 0", expect=None
    )
    traffic = runs / "traffic.yaml"
    traffic.write_text("severity: {safe: 0.95, borderline: 0.049, unsafe: 0.001}\n")
    vlsu("project", runs / "R", "--traffic", traffic)


def test_guards_are_chosen_among_it(runs: Path) -> None:
    found = json.loads(vlsu("guards", runs / "S", runs / "R", "--json").stdout)
    assert "ensemble/stack:A+R" in json.dumps(found)
    assert "ensemble/max:A@image+A@text" in json.dumps(found)


def test_it_is_viewed(runs: Path) -> None:
    command = [sys.executable, "-m", "vlsu", "view", str(runs / "R"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", line)
        assert address, line
        page = urllib.request.urlopen(address.group()).read().decode()
        process.terminate()
    assert "An ensemble of" in page
