"""What commands say of money: vlsu cost, --cost-report, dry runs, compare, gate, prompts cost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import vlsu
from tests.conftest import ChatServer, chat_servers, completion, grade, make_dataset
from tests.support.batch_services import OpenAIServer, batch_servers
from tests.support.commands import vlsu as command
from tests.support.values import present
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.models.bodies.image_tokens import image_tokens
from vlsu.report.cost import money
from vlsu.runs import BatchPrice, Limits, Price, load_run
from vlsu.runs.asking.limits import known_price
from vlsu.runs.finished.ledger import ledger
from vlsu.runs.finished.spending import unbeaten

pytestmark = pytest.mark.slow

#: Of every answer of the played server.
USAGE = {
    "prompt_tokens": 5000,
    "completion_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 4000},
    "completion_tokens_details": {"reasoning_tokens": 30},
}
PRICE = Price(3.0, 15.0, "ours of today", cached=0.3, currency="EUR", batch=BatchPrice(1.5, 7.5))
EACH = (1000 * 3 + 4000 * 0.3 + 40 * 15) / 1e6
LISTED = (5000 * 3 + 40 * 15) / 1e6


def answer(body: dict[str, Any], n: int) -> dict[str, Any]:
    asked = str(body["messages"])
    if "full_compliance" in asked:
        verdict = completion('{"kind": "full_compliance", "given": 4, "served": 4}')
        return verdict | {"usage": {"prompt_tokens": 900, "completion_tokens": 20}}
    return grade("unsafe" if body["model"] == "b" else "safe") | {"usage": USAGE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("costs")


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_servers() as start:
        yield start(answer)


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return make_dataset(folder / "dataset")


@pytest.fixture(scope="module")
def runs(folder: Path, data: Dataset, server: ChatServer) -> list[Path]:
    """Two runs of twelve samples, which need twenty requests; the second costs a tenth."""
    cheap = Price(0.3, 1.5, "ours of today", cached=0.03, currency="EUR")
    for name, price in (("a", PRICE), ("b", cheap)):
        vlsu.evaluate(
            data,
            model=f"openai/{name}",
            base_url=server.base_url,
            out=folder / name,
            limits=Limits(price=price),
        )
    return [folder / "a", folder / "b"]


@pytest.fixture(scope="module")
def alignment(folder: Path, data: Dataset, server: ChatServer) -> Path:
    settings = Settings(base_url=server.base_url)
    vlsu.align(
        data,
        model="openai/assistant",
        judges=["openai/judge"],
        framings=["default", "helpful"],
        out=folder / "alignment",
        settings=settings,
        judge_settings=settings,
        limits=Limits(price=PRICE),
        judge_limits=[Limits(price=Price(1.0, 2.0, currency="EUR"))],
    )
    return folder / "alignment"


def said(*arguments: object, code: int = 0, columns: int = 300) -> str:
    """Both streams of a command, in one line."""
    env = {**os.environ, "COLUMNS": str(columns), "OPENAI_API_KEY": "none-is-sent"}
    done = command(*arguments, expect=code, env=env)
    return " ".join((done.stdout + done.stderr).split())


def cost(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("cost", *arguments, "--json").stdout)
    return found


def test_a_runs_cost_is_recomputed_from_its_responses(runs: list[Path]) -> None:
    found = cost(*runs)
    first, second = found["runs"]
    assert first["total"] == pytest.approx(20 * EACH, abs=1e-6)
    assert found["total"] == pytest.approx(22 * EACH, abs=1e-6)
    assert (found["currency"], first["currency"]) == ("EUR", "EUR")
    assert first["list_price"] == pytest.approx(36 * LISTED, abs=1e-5)
    assert first["per_1000"] == pytest.approx(1000 * 20 * EACH / 12, abs=1e-4)
    assert first["prices"]["openai/a"]["source"] == "ours of today"
    modalities = first["by"]["modality"]
    judgments = load_run(runs[0]).judgments
    for modality, part in modalities.items():
        keys = judgments.filter(pl.col("modality") == modality)["request_key"]
        assert part["requests"] == keys.n_unique()
        assert part["cost"] == pytest.approx(keys.n_unique() * EACH, abs=1e-6)
        assert part["reasoning_tokens"] == 30 * keys.n_unique()
    assert sum(part["requests"] for part in modalities.values()) == 20
    assert second["total"] == pytest.approx(2 * EACH, abs=1e-6)


def test_what_runs_cost_together_is_told_where_it_is_a_sum(
    data: Dataset, runs: list[Path], server: ChatServer, tmp_path: Path, folder: Path
) -> None:
    """Of folders of one name, too."""
    same = shutil.copytree(runs[0], folder / "x" / runs[0].name)
    shown = said("cost", *runs, same, columns=600)  # paths may be long
    assert f"Together {42 * EACH:.3f} EUR." in shown
    cells = {cell.strip() for cell in shown.split("share of it")[1].split("│")}
    assert {str(each) for each in (*runs, same)} <= cells
    unpriced, dollars = tmp_path / "unpriced", tmp_path / "dollars"
    for out, price in ((unpriced, None), (dollars, replace(PRICE, currency="USD"))):
        limits = Limits(price=price)
        vlsu.evaluate(data, model="openai/a", base_url=server.base_url, out=out, limits=limits)
    assert f"Together {22 * EACH:.3f} EUR, without what has no price." in said(
        "cost", *runs, unpriced
    )
    assert "Together" not in said("cost", runs[0], dollars)
    models = ("--model", "openai/a", "--model", "openai/b", "--base-url", server.base_url)
    line = ("run", "understanding", data.path, *models, "--price", "1000,0", "--dry-run")
    guess = json.loads(command(*line, "--out", tmp_path / "c", "--json").stdout)
    together = sum(each["cost"] for each in guess.values())
    assert f"Together: {together:.2f}." in said(*line, "--out", tmp_path / "c")


def test_a_run_that_is_given_twice_is_refused_by_whatever_name(
    runs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "same").symlink_to(runs[0])
    for again in (runs[0], runs[0] / ".." / runs[0].name, tmp_path / "same"):
        assert "is given twice; give each run once" in said("cost", runs[0], again, code=2)


def test_other_prices_give_another_cost_of_the_same_run(
    runs: list[Path], alignment: Path, tmp_path: Path
) -> None:
    (found,) = cost(runs[0], "--price", "10,20")["runs"]
    assert found["total"] == pytest.approx(20 * (5000 * 10 + 40 * 20) / 1e6, abs=1e-6)
    assert found["currency"] is None
    file = tmp_path / "prices.yaml"
    file.write_text(
        "date: 2026-11-29\ncurrency: USD\nprices:\n"
        "  openai/assistant: {input: 0, output: 0}\n  openai/judge: {input: 1000, output: 0}\n"
    )
    (judged,) = cost(alignment, "--price", file)["runs"]
    requests = judged["by"]["judge"]["openai/judge"]["requests"]
    assert judged["total"] == pytest.approx(requests * 900 * 1000 / 1e6)
    assert "price 'ten'" in said("cost", runs[0], "--price", "ten", code=2)


def test_an_alignment_runs_cost_is_told_by_framing_and_judge(alignment: Path) -> None:
    (found,) = cost(alignment)["runs"]
    framings = found["by"]["framing"]
    assert {name: part["requests"] for name, part in framings.items()} == {
        "default": 12,
        "helpful": 12,
    }
    judge = found["by"]["judge"]["openai/judge"]
    verdicts = pl.read_parquet(alignment / "verdicts.parquet")["judge_key"].n_unique()
    assert judge["requests"] == verdicts < 24
    assert judge["cost"] == pytest.approx(verdicts * (900 + 40) / 1e6, abs=1e-6)
    answers = found["by"]["model"]["openai/assistant"]["cost"]
    assert answers == pytest.approx(sum(part["cost"] for part in framings.values()), abs=1e-6)
    assert found["total"] == pytest.approx(answers + judge["cost"], abs=1e-6)


def test_of_a_build_it_is_said_what_tells_its_cost(tmp_path: Path) -> None:
    command("build", "init", tmp_path / "B", "--policy", "default", "--target", "S-S-S=2")
    for name in ("cost", "report"):
        more = () if name == "cost" else ("--out", tmp_path / "x.html")
        told = said(name, tmp_path / "B", *more, code=2)
        assert f"not a run but a build; vlsu build status {tmp_path / 'B'} shows" in told
    command("build", "status", tmp_path / "B")


def test_a_file_of_prices_need_not_have_what_no_server_is_asked_for(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "prices:\n  openai/assistant: {input: 3, output: 15}\n  openai/judge: {input: 1, output: 0}"
    )
    line: tuple[object, ...] = (
        *("run", "alignment", data.path, "--model", "openai/assistant", "--price", prices),
        *("--base-url", server.base_url, "--judge-base-url", server.base_url, "--limit", "4"),
        *("--judge-price", prices, "--judge", "openai/judge", "--out", tmp_path / "R"),
    )
    said(*line, "--judge", "judge/offline")
    (found,) = cost(tmp_path / "R")["runs"]
    assert found["unpriced"] == []
    assert found["by"]["judge"]["judge/offline"]["cost"] is None
    assert "no price for 'openai/other'" in said(*line, "--judge", "openai/other", code=2)
    models = ("--model", "openai/assistant", "--model", "baseline/majority")
    more = ("--base-url", server.base_url, "--price", prices, "--out", tmp_path / "S")
    said("run", "understanding", data.path, *models, *more)
    assert load_run(tmp_path / "S" / "openai-assistant").record.cost.total > 0
    assert "cost" not in load_run(tmp_path / "S" / "baseline-majority").record


def test_what_came_by_a_batch_is_priced_so_in_each_modality(data: Dataset, tmp_path: Path) -> None:
    """Ten requests are sent one by one, and the other ten as a batch."""
    prices = tmp_path / "prices.yaml"
    batch = "batch: {input: 1.5, output: 7.5}"
    prices.write_text(f"prices: {{openai/mock: {{input: 3, output: 15, cached: 0.3, {batch}}}}}")
    with batch_servers() as start:
        server = start(OpenAIServer(answer))
        arguments: tuple[object, ...] = ("run", "understanding", data.path)
        arguments += ("--model", "openai/mock", "--base-url", server.base_url)
        arguments += ("--price", prices, "--out", tmp_path / "run")
        said(*arguments, "--max-requests", "10")
        said(*arguments, "--batch")
        assert (len(server.asked), server.paid.total()) == (10, 10)
    found = ledger(load_run(tmp_path / "run"))
    in_batch = (5000 * 1.5 + 40 * 7.5) / 1e6  # its batches have no price of cached input
    assert found.total == pytest.approx(10 * EACH + 10 * in_batch, abs=1e-6)
    parts = found.of("modality").values()
    assert sum(line.cost or 0 for line in parts) == pytest.approx(found.total, abs=1e-6)
    assert sum(line.tokens.batched.input for line in parts) == 50_000
    assert sum(found.saved.values()) + (found.total or 0) == pytest.approx(36 * LISTED, abs=1e-5)


def test_tokens_of_images_are_told_apart_where_the_server_says(
    data: Dataset, chat_server: Callable[..., ChatServer], tmp_path: Path
) -> None:
    """Of 5,000 tokens of a prompt with an image, 258 are the image's."""

    def respond(body: dict[str, Any], n: int) -> dict[str, Any]:
        details = {"image_tokens": 258 if "image_url" in str(body) else 0}
        return grade("safe") | {"usage": {**USAGE, "prompt_tokens_details": details}}

    out = tmp_path / "run"
    base_url = chat_server(respond).base_url
    run = vlsu.evaluate(data, model="openai/a", base_url=base_url, out=out)
    keys = {
        modality: run.judgments.filter(pl.col("modality") == modality)["request_key"].n_unique()
        for modality in ("image", "joint")
    }
    (found,) = cost(out)["runs"]
    assert found["image_tokens"] == {name: 258 * count for name, count in keys.items()}
    assert f"tokens of images: {258 * keys['image']:,} of image" in said("cost", out)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (
            {
                "usageMetadata": {
                    "promptTokensDetails": [
                        {"modality": "TEXT", "tokenCount": 40},
                        {"modality": "IMAGE", "tokenCount": 258},
                        {"modality": "IMAGE", "tokenCount": 20},
                    ]
                }
            },
            278,
        ),
        ({"usageMetadata": {"promptTokensDetails": [{"modality": "TEXT"}]}}, 0),
        ({"usage": {"prompt_tokens_details": {"image_tokens": 9}}}, 9),
        ({"usage": {"prompt_tokens_details": {"image_tokens": None}}}, None),
        ({"usage": {"prompt_tokens_details": {"image_tokens": -1}}}, None),
        ({"usage": {"prompt_tokens": 3}}, None),
        (["image_tokens"], None),
    ],
)
def test_image_tokens_in_a_body(body: object, tokens: int | None) -> None:
    assert image_tokens(json.dumps(body).encode()) == tokens
    assert image_tokens(json.dumps(body).encode()[:-3]) is None


def test_a_run_by_batches_costs_what_its_prices_of_batches_say(
    data: Dataset, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "currency: USD\nprices: {openai/mock: {input: 4, output: 16, cached: 1, batch: 0.5}}\n"
    )
    with batch_servers() as start:
        server = start(OpenAIServer(answer))
        said(
            *("run", "understanding", data.path, "--model", "openai/mock", "--batch"),
            *("--base-url", server.base_url, "--price", prices, "--out", tmp_path / "run"),
        )
    run = load_run(tmp_path / "run")
    listed = (5000 * 4 + 40 * 16) / 1e6
    assert run.record.cost.total == pytest.approx(20 * (listed - 4000 * 3 / 1e6) / 2, abs=1e-6)
    assert run.record.cost.saved == {
        "batch": pytest.approx(20 * listed / 2, abs=1e-6),
        "cache": pytest.approx(20 * 4000 * 3 / 2 / 1e6, abs=1e-6),
        "shared": pytest.approx(16 * listed, abs=1e-6),
    }
    (found,) = cost(run.path)["runs"]
    assert found["saved"] == run.record.cost.saved
    assert found["by"]["modality"]["joint"]["batched_input_tokens"] == 12 * 5000


@pytest.mark.parametrize("batch", [False, True])
def test_what_sharing_saved_is_the_same_in_the_record_where_more_was_asked_before(
    data: Dataset, tmp_path: Path, batch: bool
) -> None:
    out = tmp_path / "run"
    with batch_servers() as start:
        server = start(OpenAIServer(answer))
        line = (
            *("run", "understanding", data.path, "--model", "openai/mock", "--out", out),
            *("--base-url", server.base_url, "--price", "4,16"),
        )
        said(*line, *(("--batch", "--batch-wait", "none") if batch else ()))
        said(*line, "--limit", "9", *(("--batch",) if batch else ()))
    run = load_run(out)
    shared = run.record["requests"]["shared"]
    assert shared == run.judgments.height - run.judgments["request_key"].n_unique() > 0
    assert run.record.cost.saved["shared"] > 0
    (found,) = cost(out)["runs"]
    assert found["saved"] == run.record.cost.saved


def test_of_a_run_that_was_stopped_the_cost_so_far_is_told(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    limits = Limits(price=PRICE, max_cost=5.5 * EACH, concurrency=1)
    run = vlsu.evaluate(
        data, model="openai/a", base_url=server.base_url, out=tmp_path / "run", limits=limits
    )
    stopped = (run.record[name] for name in ("status", "stop_reason", "stop_bound"))
    assert tuple(stopped) == ("stopped", "budget", "max_cost")
    (found,) = cost(run.path)["runs"]
    assert (found["finished"], found["samples"], found["per_1000"]) == (False, None, None)
    assert found["total"] == pytest.approx(6 * EACH, abs=1e-6)
    assert "not finished" in said("cost", run.path)


def test_a_run_without_a_price_has_tokens_and_says_what_is_missing(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    vlsu.evaluate(data, model="openai/a", base_url=server.base_url, out=out)
    (found,) = cost(out)["runs"]
    assert (found["total"], found["list_price"], found["saved"]) == (None, None, {})
    assert found["unpriced"] == ["openai/a"]
    assert found["by"]["model"]["openai/a"]["input_tokens"] == 100_000
    assert "the price of openai/a is not known; give --price" in said("cost", out)
    unpriced = said("gate", out, "--require", "cost.per_1000 <= 2", code=2)
    assert "the run was given no price" in unpriced
    (out / "responses.sqlite").unlink()
    assert "responses.sqlite: missing" in said("cost", out, code=2)


def test_a_runs_end_and_its_report_say_what_it_cost(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    arguments: tuple[object, ...] = ("run", "understanding", data.path, "--model", "openai/a")
    arguments += ("--base-url", server.base_url, "--price", "3,15,0.3", "--out", tmp_path / "run")
    shown = said(*arguments, "--cost-report")
    assert "saved: 0.2160 by the provider's cache, 0.2496 by requests that served" in shown
    assert "saved by requests that served several samples" in shown
    for name in ("report.md", "report.tex", "report.json", "report.html"):
        command("report", tmp_path / "run", "--out", tmp_path / name)
        text = (tmp_path / name).read_text()
        assert "What this cost" in text
        assert "From the list price to what was paid" in text or name == "report.html"
    assert 'href="#cost"' in (tmp_path / "report.html").read_text()
    refused = said(*arguments, "--cost-report", "--json", code=2)
    assert "--cost-report: not with --json" in refused
    free = tmp_path / "free"
    vlsu.evaluate(data, model="baseline/majority", out=free)
    command("report", free, "--out", tmp_path / "free.html")
    assert 'href="#cost"' not in (tmp_path / "free.html").read_text()


def test_a_draws_left_out_samples_are_saved_by_estimate(
    folder: Path, server: ChatServer, tmp_path: Path
) -> None:
    many = make_dataset(tmp_path / "many", samples=120, apart=True)
    run = vlsu.evaluate(
        many,
        model="openai/a",
        base_url=server.base_url,
        out=tmp_path / "run",
        budget=72,
        limits=Limits(price=PRICE),
    )
    requests = run.record["sampling"]["requests"]
    assert requests["dataset"] > requests["sample"]
    (found,) = cost(run.path)["runs"]
    left_out = requests["dataset"] - requests["sample"]
    assert found["saved"]["sampling"] == pytest.approx(left_out * LISTED, abs=1e-5)
    again = run.judgments.filter(~pl.col("request_key").is_first_distinct()).height
    whole = requests["dataset"] + again
    assert found["list_price"] == pytest.approx(whole * LISTED, abs=1e-4)
    assert found["samples"] == 72


def test_a_run_is_held_to_what_1000_samples_cost(runs: list[Path]) -> None:
    each = 1000 * 20 * EACH / 12
    assert "gate: passed" in said("gate", runs[0], "--require", f"cost.per_1000 <= {each + 0.01}")
    failed = said("gate", runs[0], "--require", f"cost.per_1000 <= {each - 0.01}", code=1)
    assert "not met" in failed
    assert "gate: passed" in said("gate", runs[0], "--require", "cost.saved.shared > 0.1")
    near = said("gate", runs[0], "--require", "cost.per_100 <= 1", code=2)
    assert "did you mean 'cost.per_1000'" in near


def test_runs_are_compared_by_points_for_money(runs: list[Path], tmp_path: Path) -> None:
    found = json.loads(command("compare", *runs, "--json").stdout)["cost"]
    assert found["metric"] == "joint.accuracy"
    first, second = found["runs"].values()
    accuracy = present(load_run(runs[0]).metrics.joint.accuracy.value)
    assert first["score"]["value"] == accuracy
    assert first["points_per_unit"] == pytest.approx(100 * accuracy / first["per_1000"])
    assert second["unbeaten_in_cost"]
    shown = said("compare", *runs)
    assert "points for 1 EUR" in shown
    page = tmp_path / "both.html"
    command("report", *runs, "--out", page)
    assert 'data-chart="spending-cost"' in page.read_text()
    assert 'data-chart="spending-latency"' in page.read_text()


def test_the_runs_that_none_beats_are_those_of_a_plain_search() -> None:
    points = {str(n): (n * 7 % 11 / 10, n * 5 % 13 / 12) for n in range(40)}
    by_hand = set()
    for name, (takes, scores) in points.items():
        beaten = False
        for other, (less, more) in points.items():
            better = less < takes or more > scores
            if other != name and less <= takes and more >= scores and better:
                beaten = True
        if not beaten:
            by_hand.add(name)
    assert unbeaten(points) == by_hand
    assert unbeaten({"a": (1.0, 0.5), "b": (1.0, 0.5)}) == {"a", "b"}
    assert unbeaten({}) == set()


def dry(data: Dataset, out: Path, *more: object) -> dict[str, Any]:
    arguments = ("run", "understanding", data.path, "--out", out, *more, "--dry-run", "--json")
    env = {**os.environ, "OPENAI_API_KEY": "none-is-sent", "ANTHROPIC_API_KEY": "none-is-sent"}
    (found,) = json.loads(command(*arguments, env=env).stdout).values()
    return dict(found)


def test_a_dry_run_says_what_caches_and_batches_would_save(data: Dataset, tmp_path: Path) -> None:
    found = dry(data, tmp_path / "x", "--model", "anthropic/claude-opus-4-5", "--rpm", "60")
    assert found["currency"] == "USD"
    assert found["cost_batch"] == pytest.approx(found["cost"] / 2)
    assert 0 < found["cached_share"] < 1
    read = found["input_tokens"] * found["cached_share"]
    assert found["cost_cached"] == pytest.approx(found["cost"] - read * (5 - 0.5) / 1e6)
    assert (found["requests_per_s"], found["seconds"]) == (1.0, 20.0)
    elsewhere = ("--model", "openai/m", "--base-url", "http://127.0.0.1:9/v1", "--price", "1,2")
    found = dry(data, tmp_path / "y", *elsewhere)
    assert (found["cached_share"], found["cost_batch"], found["seconds"]) == (0.0, None, None)
    assert found["cost_cached"] == found["cost"]
    text = said(
        *("run", "understanding", data.path, "--model", "openai/gpt-5", "--rpm", "2"),
        *("--out", tmp_path / "z", "--dry-run"),
    )
    assert "with --batch." in text
    assert "10 min at 0.0333 requests a second" in text


def test_a_dry_run_over_a_finished_run_costs_nothing(runs: list[Path], server: ChatServer) -> None:
    data = vlsu.load(runs[0].parent / "dataset")
    asked = ("--model", "openai/a", "--base-url", server.base_url, "--price", "3,15")
    found = dry(data, runs[0], *asked)
    assert (found["cost"], found["stored"], found["input_tokens"]) == (0.0, 20, 0)
    assert (found["cost_cached"], found["cached_share"]) == (0.0, 0.0)


def test_the_parts_of_a_prompt_add_up(data: Dataset) -> None:
    asked = ("prompts", "cost", data.path, "--model", "openai/gpt-5", "--json")
    found = json.loads(command(*asked).stdout)
    joint, text = found["modalities"]["joint"], found["modalities"]["text"]
    for part in (joint, text):
        assert part["input"] == sum(part[name] for name in ("policy", "task", "image", "text"))
    assert (text["image"], joint["requests"], text["requests"]) == (0, 12, 4)
    # The second witness: the prompt as it is printed, at four bytes a token.
    shown = json.loads(command("prompts", "zero-shot", "--json").stdout)
    printed = len((shown["systems"]["joint"] + shown["joint"].replace("{text}", "")).encode())
    assert joint["policy"] + joint["task"] == pytest.approx(printed / 4, abs=2)
    assert joint["policy"] > joint["task"]
    tokens = joint["requests"] * joint["input"]
    assert joint["cost"] == pytest.approx((tokens * 1.25 + 12 * 25 * 10) / 1e6)
    assert joint["cost_batch"] == pytest.approx(joint["cost"] / 2)
    assert joint["cost_cached"] < joint["cost"]
    brief = json.loads(command(*asked, "--policy-detail", "brief").stdout)["modalities"]["joint"]
    assert brief["policy"] < joint["policy"]
    table = said("prompts", "cost", data.path)
    assert "policy" in table
    assert "give a dataset too" in said("prompts", "cost", code=2)
    assert "only with vlsu prompts cost" in said("prompts", "zero-shot", data.path, code=2)


def test_the_parts_of_prompts_with_likely_categories_are_those_of_a_dry_run(
    data: Dataset, tmp_path: Path
) -> None:
    narrowed = ("--model", "openai/gpt-5", "--policy-detail", "category")
    found = json.loads(command("prompts", "cost", data.path, *narrowed, "--json").stdout)
    assert found["policy_detail"] == "category"
    each = [*found["modalities"].values(), *found["first_pass"].values()]
    planned = dry(data, tmp_path / "R", *narrowed)
    assert sum(part["requests"] for part in each) == sum(planned["requests"].values())
    tokens = sum(part["requests"] * part["input"] for part in each)
    assert tokens == pytest.approx(planned["input_tokens"], rel=0.01)
    assert "joint, first request" in said("prompts", "cost", data.path, *narrowed)
    assert "--policy-detail brie: use full, brief, category" in said(
        "prompts", "cost", data.path, "--policy-detail", "brie", code=2
    )
    assert "only with vlsu prompts cost" in said("prompts", "--policy-detail", "brief", code=2)


def test_what_was_paid_stays_paid_when_answers_are_removed(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    """Every command says the same before and after, and a start that goes on with the run too."""
    out = tmp_path / "R"

    def run(samples: int | None) -> dict[str, Any]:
        more: dict[str, Any] = {"limits": Limits(price=PRICE), "limit": samples}
        vlsu.evaluate(data, model="openai/a", base_url=server.base_url, out=out, **more)
        found: dict[str, Any] = load_run(out).record["cost"]
        return found

    run(None)
    recorded = run(5)
    (before,) = cost(out)["runs"]
    removed = json.loads(command("store", "prune", out, "--yes", "--json").stdout)
    assert removed["responses_removed"] > 0
    (after,) = cost(out)["runs"]
    assert after.pop("responses") == before.pop("responses") - removed["responses_removed"]
    assert after == before
    assert recorded["total"] == before["total"] == pytest.approx(20 * EACH, abs=1e-6)
    exactly = f"cost.total == {before['total']}"
    assert "gate: passed" in said("gate", out, "--require", exactly)
    command("report", out, "--out", tmp_path / "report.md")
    page = (tmp_path / "report.md").read_text()
    assert f"| paid | {money(before['total'], 'EUR')} |" in page
    again = run(5)
    assert (again["total"], again["saved"]) == (recorded["total"], recorded["saved"])
    whole = run(None)  # what was removed is asked, and paid for, again
    paid = 20 + removed["responses_removed"]
    assert whole["total"] == pytest.approx(paid * EACH, abs=1e-6)
    (found,) = cost(out)["runs"]
    assert found["by"]["model"]["openai/a"]["requests"] == paid
    assert found["by"]["modality"]["in no result"]["requests"] == paid - 20


@pytest.mark.parametrize("detail", ["full", "category"])
def test_a_replay_says_whose_answers_it_has_and_what_they_are_worth(
    data: Dataset, server: ChatServer, tmp_path: Path, detail: str
) -> None:
    """At the price of the run that asked; a first pass is among what that had to ask."""
    model = ("--model", "openai/a", "--base-url", server.base_url)
    line = ("run", "understanding", data.path, *model, "--out")
    priced = ("--price", "3,15,0.3", "--policy-detail", detail)
    command(*line, tmp_path / "first", *priced)
    before = len(server.requests)
    command(*line, tmp_path / "again", "--replay", tmp_path / "first")
    assert len(server.requests) == before
    first, again = cost(tmp_path / "first", tmp_path / "again")["runs"]
    asked = 20 if detail == "full" else 40
    assert first["responses"] == again["responses"] == asked
    assert again["total"] == 0
    assert again["saved"]["store"] == pytest.approx(asked * LISTED, abs=1e-6)
    assert again["saved"]["shared"] == first["saved"]["shared"] > 0
    assert again["list_price"] == first["list_price"]
    assert (again["replay"], "replay" in first) == (str(tmp_path / "first"), False)
    records = [load_run(tmp_path / name).record["requests"] for name in ("first", "again")]
    assert records[1]["shared"] == records[0]["shared"] - (16 if detail == "category" else 0)
    shown = said("cost", tmp_path / "again", columns=600)
    worth = money(asked * LISTED)
    assert f"the answers are those of {tmp_path / 'first'}; their list price is {worth}." in shown
    assert "in no result" not in shown
    dearer = ("--replay", tmp_path / "first", "--price", "6,30")
    command(*line, tmp_path / "other", *dearer)
    (other,) = cost(tmp_path / "other")["runs"]
    assert other["saved"]["store"] == pytest.approx(2 * asked * LISTED, abs=1e-6)


def test_a_replay_of_a_run_without_a_price_says_that_nothing_was_asked(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    model = ("--model", "openai/a", "--base-url", server.base_url)
    line = ("run", "understanding", data.path, *model, "--out")
    command(*line, tmp_path / "first")
    command(*line, tmp_path / "again", "--replay", tmp_path / "first")
    shown = said("cost", tmp_path / "again", columns=600)
    assert f"Nothing was asked: the answers are those of {tmp_path / 'first'}." in shown


def test_a_first_pass_that_is_not_found_again_is_said_to_be_left_out(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    """Such as that of another system prompt, which no record keeps."""
    model = ("--model", "openai/a", "--base-url", server.base_url, "--price", "3,15")
    line = ("run", "understanding", data.path, *model, "--out")
    command(*line, tmp_path / "first", "--policy-detail", "category", "--system", "Be fair.")
    replay = ("--replay", tmp_path / "first")
    assert "its first pass" in said(*line, tmp_path / "again", *replay, columns=600)
    assert load_run(tmp_path / "again").record["cost"]["saved"]["store"] == 20 * LISTED
    assert "its first pass" not in said(*line, tmp_path / "same", *replay, "--system", "Be fair.")
    assert load_run(tmp_path / "same").record["cost"]["saved"]["store"] == 40 * LISTED


@pytest.mark.parametrize("currency", ["EUR", None, "USD"])
def test_a_bound_on_money_is_in_one_currency(
    data: Dataset, server: ChatServer, tmp_path: Path, currency: str | None
) -> None:
    settings = Settings(base_url=server.base_url)
    given: dict[str, Any] = {
        "model": "openai/assistant",
        "judges": ["openai/judge"],
        "settings": settings,
        "judge_settings": settings,
        "limits": Limits(price=PRICE, max_cost=9.0),
        "judge_limits": [Limits(price=Price(1.0, 2.0, currency=currency))],
        "framings": ["default"],
        "limit": 2,
        "out": tmp_path / "R",
    }
    if currency == "USD":
        with pytest.raises(UsageError, match="max-cost 9: the prices are in EUR and USD"):
            vlsu.align(data, **given)
        assert not (tmp_path / "R").exists()
    else:
        assert vlsu.align(data, **given).finished


def test_the_list_price_does_not_replace_one_that_a_run_was_given(
    data: Dataset, server: ChatServer, tmp_path: Path
) -> None:
    """A start without --price has it from the provider's list; an earlier one knew better."""

    def run(out: str, price: Price, **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "base_url": server.base_url,
            "out": tmp_path / out,
            "limits": Limits(price=price),
        }
        vlsu.evaluate(data, model="openai/gpt-4o", **given, **more)
        found: dict[str, Any] = load_run(tmp_path / out).record["cost"]
        return found

    listed = present(known_price("openai/gpt-4o"))
    first = run("R", PRICE, limit=3)
    assert run("R", listed, limit=3)["total"] == first["total"]  # where nothing is left to do
    whole = run("R", listed)
    assert whole["total"] == pytest.approx(20 * EACH, abs=1e-6)
    assert whole["source"] == "ours of today"
    replayed = run("again", listed, replay=tmp_path / "R")
    assert replayed["saved"]["store"] == pytest.approx(20 * LISTED, abs=1e-6)
    fresh = run("fresh", listed)
    assert fresh["source"] == listed.source
    ours = run("fresh", PRICE)  # one that is given does
    assert ours["total"] == pytest.approx(20 * EACH, abs=1e-6)
