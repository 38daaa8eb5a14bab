"""Runs that share a store, and runs that judge another's answers again."""

import json
import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

import vlsu
from tests.conftest import grade, make_dataset
from tests.support.commands import vlsu as command
from tests.support.values import present
from vlsu.data import Sample, write_dataset
from vlsu.errors import RunError, UsageError
from vlsu.policy import Severity
from vlsu.runs import Limits, Price, ResponseStore, UnderstandingOptions, load_run, prepare
from vlsu.runs.finished.ledger import cost_figures, ledger
from vlsu.runs.writing import locked_file


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "dataset", samples=12, images=4)


@pytest.fixture
def server(chat_server):
    return chat_server(lambda body, n: grade("safe"))


def evaluate(dataset, server, out, **options):
    price = Limits(price=Price(1.0, 2.0))
    return vlsu.evaluate(
        dataset, model="openai/mock", base_url=server.base_url, out=out, limits=price, **options
    )


def test_what_one_run_asked_another_does_not_pay_for_again(dataset, server, tmp_path):
    shared = tmp_path / "shared.sqlite"
    first = evaluate(dataset, server, tmp_path / "first", modalities=["text"], store=shared)
    asked = len(server.requests)
    second = evaluate(dataset, server, tmp_path / "second", store=shared)
    texts = first.record["requests"]["asked"]
    assert len(server.requests) - asked == second.record["requests"]["needed"] - texts
    assert second.record["requests"]["reused"] == texts
    assert second.record["store"] == str(shared)
    alone = evaluate(dataset, server, tmp_path / "alone")
    # What the other run paid for costs this one nothing, in the parts of the bill as in the sum.
    found = ledger(second)
    lines = found.of("modality")
    assert sum(present(line.cost) for line in lines.values()) == pytest.approx(found.total)
    paid_for = sum(present(line.requests) for line in lines.values())
    assert paid_for == second.record["requests"]["asked"]
    assert found.listed == pytest.approx(ledger(alone).listed, abs=1e-6)
    assert found.saved == second.record["cost"]["saved"]
    assert found.saved["store"] > 0
    paid = alone.record["cost"]["total"] - first.record["cost"]["total"]
    assert second.record["cost"]["total"] == pytest.approx(paid, abs=1e-6)
    assert second.metrics == alone.metrics
    # Compared with others, or at a gate, it is no cheaper than without: only its bill is.
    each = [cost_figures(run)["per_1000"] for run in (second, alone)]
    paid_alone = 1000 * alone.record["cost"]["total"] / present(found.samples)
    assert each == pytest.approx([paid_alone] * 2, abs=1e-5)
    # The run has all it rests on, and can do without the other file.
    shared.unlink()
    again = load_run(tmp_path / "second")
    keys = again.judgments["request_key"].to_list()
    assert set(again.responses(keys)) == set(keys)


def test_what_a_run_asked_before_is_put_into_the_shared_store_too(dataset, server, tmp_path):
    # As after a kill or a full disk between the two files, which are written one after the other.
    shared = tmp_path / "shared.sqlite"
    alone = evaluate(dataset, server, tmp_path / "first", modalities=["text"], limit=2)
    evaluate(dataset, server, tmp_path / "first", modalities=["text"], store=shared)
    asked = len(server.requests)
    second = evaluate(dataset, server, tmp_path / "second", modalities=["text"], store=shared)
    assert len(server.requests) == asked > alone.record["requests"]["asked"] > 0
    assert second.record["cost"]["total"] == 0
    free = command("cost", tmp_path / "second", "--price", "3,4", "--json")
    assert json.loads(free.stdout)["runs"][0]["total"] == 0


def test_a_dry_run_counts_what_the_shared_store_has(dataset, server, tmp_path):
    shared = tmp_path / "shared.sqlite"
    evaluate(dataset, server, tmp_path / "first", modalities=["text"], store=shared)
    options = UnderstandingOptions(
        model="openai/mock", settings=vlsu.Settings(base_url=server.base_url), store=shared
    )
    estimate = prepare(dataset, options).estimate(tmp_path / "second")
    assert estimate.requests["text"] == 0
    assert not (tmp_path / "second").exists()


def test_two_runs_do_not_work_with_one_store_at_a_time(dataset, server, tmp_path):
    shared = tmp_path / "shared.sqlite"
    with (
        locked_file(shared),
        pytest.raises(RunError, match="works with it; wait for it or stop it"),
    ):
        evaluate(dataset, server, tmp_path / "run", store=shared)
    assert not server.requests
    with pytest.raises(RunError, match="its folder does not exist"):
        evaluate(dataset, server, tmp_path / "run", store=tmp_path / "none" / "s.sqlite")


def test_a_runs_own_file_is_no_shared_store(dataset, server, tmp_path):
    evaluate(dataset, server, tmp_path / "first")
    with pytest.raises(RunError, match="belongs to the run beside it"):
        evaluate(dataset, server, tmp_path / "run", store=tmp_path / "first" / "responses.sqlite")


def test_a_store_in_the_run_folder_is_found_again_and_the_runs_own_refused(
    dataset, server, tmp_path
):
    out = tmp_path / "run"
    with pytest.raises(RunError, match="this run's own store"):
        evaluate(dataset, server, out, store=out / "responses.sqlite")
    evaluate(dataset, server, out, store=out / "shared.sqlite")
    again = evaluate(dataset, server, out, store=out / "shared.sqlite")
    assert again.record["requests"]["asked"] == 0


def test_a_file_that_is_no_store_is_left_as_it_is(dataset, server, tmp_path):
    notes, database = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    notes.write_text("what is to be done\n" * 1000)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE todo (what TEXT)")
    for file in (notes, database):
        before = file.read_bytes()
        with pytest.raises(RunError, match="holds something else than responses"):
            evaluate(dataset, server, tmp_path / "run", store=file)
        assert file.read_bytes() == before
        for line in ("info", "verify", "merge", "prune"):
            more = {"merge": ["--out", tmp_path / "new"], "prune": ["--errors", "--yes"]}
            status = 1 if line == "verify" and file is notes else 2
            done = command("store", line, file, *more.get(line, []), expect=status)
            assert "no store of responses" in " ".join((done.stdout + done.stderr).split())
        assert file.read_bytes() == before
    left = {file.name for file in tmp_path.iterdir()}
    assert not {name for name in left if "damaged" in name or name == "new"}
    with pytest.raises(RunError, match="is a folder; give the name of a file to --store"):
        evaluate(dataset, server, tmp_path / "run", store=tmp_path)
    assert not server.requests


def test_an_empty_file_and_a_damaged_store_are_taken(dataset, server, tmp_path):
    shared = tmp_path / "shared.sqlite"
    shared.touch()
    evaluate(dataset, server, tmp_path / "first", store=shared)
    with shared.open("r+b") as file:
        file.write(b"\0" * 200)
    asked = len(server.requests)
    second = evaluate(dataset, server, tmp_path / "second", store=shared)
    assert len(server.requests) == asked
    assert second.record["requests"]["reused"] == second.record["requests"]["needed"]


def test_stored_answers_are_judged_again_without_asking(dataset, server, tmp_path):
    first = evaluate(dataset, server, tmp_path / "first")
    asked = len(server.requests)
    again = evaluate(
        dataset, server, tmp_path / "again", prompt="structured-cot", replay=tmp_path / "first"
    )
    assert len(server.requests) == asked
    assert again.metrics == first.metrics
    assert again.judgments["request_key"].to_list() == first.judgments["request_key"].to_list()
    assert again.record["replay"] == {"run": str(tmp_path / "first"), "missing": 0}
    assert again.record["requests"]["asked"] == 0
    assert again.record["cost"]["total"] == 0
    keys = again.judgments["request_key"].to_list()
    assert set(load_run(tmp_path / "again").responses(keys)) == set(keys)


def test_what_is_judged_again_has_the_price_that_is_given(dataset, server, tmp_path):
    first = evaluate(dataset, server, tmp_path / "first")
    costs = []
    for _ in range(2):  # the second start finds all there
        again = evaluate(dataset, server, tmp_path / "again", replay=tmp_path / "first")
        costs.append(again.record["cost"])
    assert costs[0] == costs[1]
    assert costs[0]["total"] == 0
    assert costs[0]["saved"]["store"] == first.record["cost"]["total"] > 0


def test_a_run_is_not_judged_again_into_itself(dataset, server, tmp_path):
    evaluate(dataset, server, tmp_path / "first")
    before = (tmp_path / "first" / "run.yaml").read_bytes()
    with pytest.raises(RunError, match="is the run to judge again; choose another --out"):
        evaluate(dataset, server, tmp_path / "first", limit=5, replay=tmp_path / "first")
    assert (tmp_path / "first" / "run.yaml").read_bytes() == before


def test_answers_are_not_judged_again_among_others(dataset, server, tmp_path):
    """A folder's own answers, or those of a third run, would be taken for those of the run."""
    first = evaluate(dataset, server, tmp_path / "first")
    second = evaluate(dataset, server, tmp_path / "second")
    again = evaluate(dataset, server, tmp_path / "again", replay=first.path)
    for folder, run in ((second, first), (again, second)):
        before = (folder.path / "run.yaml").read_bytes()
        said = f"{folder.path}: holds other answers than those of {run.path}; choose another --out"
        with pytest.raises(RunError, match=re.escape(said)):
            evaluate(dataset, server, folder.path, replay=run.path)
        assert (folder.path / "run.yaml").read_bytes() == before
    evaluate(dataset, server, again.path, replay=first.path)
    moved = first.path.rename(tmp_path / "moved")
    evaluate(dataset, server, again.path, replay=moved)


def test_a_file_of_responses_is_no_run_to_judge_again(dataset, server, tmp_path):
    first = evaluate(dataset, server, tmp_path / "first")
    for file in (first.path / "responses.sqlite", first.path / "run.yaml"):
        with pytest.raises(UsageError, match=r"is a file; --replay takes the folder of a finished"):
            evaluate(dataset, server, tmp_path / "again", replay=file)
    assert not (tmp_path / "again").exists()


def test_what_has_no_stored_answer_is_an_error_and_named(dataset, server, tmp_path, caplog):
    evaluate(dataset, server, tmp_path / "first", modalities=["text", "joint"], limit=5)
    asked = len(server.requests)
    line = ["run", "understanding", dataset.path, "--model", "openai/mock"]
    line += ["--base-url", server.base_url, "--replay", tmp_path / "first"]
    done = command(*line, "--out", tmp_path / "again", "--modalities", "joint", expect=1)
    assert len(server.requests) == asked
    said = " ".join(done.stderr.split())
    assert "has no answer to 7 requests, which count as errors" in said
    assert "--replay asks nothing. Ask for them in that run" in said
    assert "Run the same command again" not in said
    again = load_run(tmp_path / "again")
    outcomes = again.metrics["outcomes"]["joint"]
    assert (outcomes["ok"], outcomes["error"]) == (5, 7)
    assert again.record["replay"]["missing"] == 7
    command(*line, "--out", tmp_path / "part", "--modalities", "joint", "--limit", "5")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": 5}, "leave out --budget"),
        ({"draws": 2}, "leave out --draws"),
        ({"probe": "swap"}, "leave out --probe"),
        ({"store": "x.sqlite"}, "leave out --store"),
    ],
)
def test_what_asks_is_refused_beside_a_replay(options, said, tmp_path):
    settings = vlsu.Settings(params={"temperature": 1})
    with pytest.raises(UsageError, match=said):
        UnderstandingOptions(model="openai/mock", replay=tmp_path, settings=settings, **options)


def test_a_run_that_judged_nothing_has_no_answer_to_any_request(server, tmp_path):
    about: dict[str, Any] = {
        "name": "n",
        "version": "1",
        "licence": "",
        "citation": "",
        "source": "",
    }
    samples = [Sample("alone", image_sha256="0" * 64, image_grade=Severity.SAFE)]
    nothing = write_dataset(tmp_path / "D", samples, **about)
    first = evaluate(nothing, server, tmp_path / "first", modalities=["text"])
    assert first.judgments.is_empty()
    samples += [Sample(str(n), text="a garden", text_grade=Severity.SAFE) for n in range(3)]
    more = write_dataset(tmp_path / "D", samples, overwrite=True, **about)
    again = evaluate(more, server, tmp_path / "again", modalities=["text"], replay=first.path)
    assert again.record["replay"]["missing"] == 1
    assert again.record["outcomes"]["text"]["error"] == 3


def test_only_a_finished_run_of_the_same_model_is_replayed(dataset, server, tmp_path):
    first = evaluate(dataset, server, tmp_path / "first")
    with pytest.raises(UsageError, match="answers of openai/mock; give --model openai/mock"):
        vlsu.evaluate(
            dataset,
            model="openai/other",
            base_url=server.base_url,
            out=tmp_path / "x",
            replay=first.path,
        )
    (first.path / "judgments.parquet").unlink()
    with pytest.raises(RunError, match="has no judgments yet"):
        evaluate(dataset, server, tmp_path / "x", replay=first.path)
    with closing(ResponseStore(first.path / "responses.sqlite", read_only=True)) as store:
        assert store.count() == first.record["requests"]["stored"]


def test_a_shared_store_is_one_of_the_options_of_both_tasks(dataset, server, tmp_path):
    shared = tmp_path / "shared.sqlite"
    for _ in range(2):
        for task, more in (("understanding", []), ("alignment", ["--framings", "default"])):
            line = [
                "run",
                task,
                dataset.path,
                "--model",
                "openai/mock",
                "--base-url",
                server.base_url,
            ]
            out = tmp_path / f"{task}-{len(list(tmp_path.iterdir()))}"
            command(*line, *more, "--store", shared, "--out", out)
    found = json.loads(command("store", "info", shared, "--json").stdout)["stores"][0]
    assert found["responses"] >= len(server.requests)
