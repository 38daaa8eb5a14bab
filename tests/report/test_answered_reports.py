"""Reports of runs that answered too little open with that, in every format."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conftest import ChatServer, completion, make_dataset
from tests.support.answered_runs import half_alignment, half_run
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.values import nested
from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import wilson
from vlsu.models import Settings
from vlsu.report import publish_tables, write_report
from vlsu.report.alignment import headline as alignment_headline
from vlsu.report.comparison.compared import compared, in_order
from vlsu.report.tasks import contents, metric_tables, notice
from vlsu.report.understanding.answered import (
    answered_caption,
    answered_parts,
    answered_sentence,
)
from vlsu.report.understanding.headline import headline_sentence
from vlsu.runs import Run, evaluate

pytestmark = pytest.mark.slow

ChatServers = Callable[..., ChatServer]

REMEDY = {
    "unparsed": "--structured on",
    "refused": "says what the grades are for",
    "blocked": "filter",
    "error": "Run the same command again",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("low")
    share = {"unparsed": 1.0, "refused": 1.0, "blocked": 1.0, "error": 0.8}
    found = {name: half_run(folder / name, s, name) for name, s in share.items()}
    found["half"] = half_run(folder / "half", 0.5)
    found["good"] = scripted_run("vlsu-mini", folder / "good")
    return found


@pytest.mark.parametrize("outcome", list(REMEDY))
def test_a_report_opens_with_what_is_missing_why_and_what_to_do(
    runs: dict[str, Run], tmp_path: Path, outcome: str
) -> None:
    run = runs[outcome]
    warned = notice(run)
    assert warned is not None
    assert warned.what.startswith("Too little was answered: ")
    assert REMEDY[outcome] in warned.causes[0]
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    assert 0 < body.index('class="alert"') < body.index('class="headline"')
    markdown = write_report([run], tmp_path / "r.md").read_text(encoding="utf-8")
    assert markdown.split("\n\n")[1].startswith("**Too little was answered")
    latex = write_report([run], tmp_path / "r.tex").read_text(encoding="utf-8")
    assert latex.index("Too little was answered") < latex.index(r"\toprule")
    (entry,) = json.loads(write_report([run], tmp_path / "r.json").read_text())["runs"]
    assert entry["notice"] == warned.text
    assert entry["answered"]["joint"]["value"] == run.metrics["joint"]["answered"]["value"]


@pytest.mark.parametrize("outcome", ["unparsed", "refused", "blocked"])
def test_a_run_without_an_answer_is_never_called_wrong(
    runs: dict[str, Run], tmp_path: Path, outcome: str
) -> None:
    run = runs[outcome]
    # Pairs that share an image or a text are worth fewer that share none.
    worth = run.metrics["intervals"]["clusters"]["units"]["joint"]
    high = round(100 * wilson(0.0, worth)[1])
    assert headline_sentence(run.metrics) == (
        f"It answered 0% [0, {high}] of pairs (100% {outcome}). Nothing can be said of what it "
        "understands."
    )
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Right on" not in page
    tiles = re.findall(r'<span class="value">([^<]+)</span>', page)
    assert set(tiles) == {"–"}
    assert "Lowest of" not in page


def test_a_run_of_half_the_answers_is_counted_both_ways(runs: dict[str, Run]) -> None:
    joint = runs["half"].metrics["joint"]
    said = headline_sentence(runs["half"].metrics)
    for key in ("answered", "accuracy", "accuracy_answered"):
        assert f"{joint[key]['value']:.0%} [" in said, key
    assert said.startswith("It answered ")


def test_a_bound_of_ones_own_is_kept_to(runs: dict[str, Run]) -> None:
    assert notice(runs["half"], 0.3) is None
    assert headline_sentence(runs["half"].metrics, 0.3).startswith("Right on ")
    assert notice(runs["good"], 0.999) is not None


def test_cut_off_answers_have_another_remedy(tmp_path: Path) -> None:
    warned = notice(half_run(tmp_path / "cut", 0.5, tokens=256))
    assert warned is not None
    assert "were cut off at the bound" in warned.causes[0]
    assert "--max-tokens" in warned.causes[0]
    assert "--structured" not in warned.causes[0]


def test_a_server_that_says_so_cut_them_off(tmp_path: Path, chat_server: ChatServers) -> None:
    """Whatever their length: the bound may be the server's own."""
    server = chat_server(lambda body, number: completion('{"severity": "uns', "length"))
    data = make_dataset(tmp_path / "data")
    settings = Settings(base_url=server.base_url)
    run = evaluate(data, model="openai/made-up", out=tmp_path / "run", settings=settings)
    warned = notice(run)
    assert warned is not None
    assert "100% of them were cut off" in warned.causes[0]


@pytest.mark.parametrize("structured", ["on", "off"])
def test_no_remedy_is_advised_that_was_taken(
    tmp_path: Path, chat_server: ChatServers, structured: Literal["on", "off"]
) -> None:
    server = chat_server(lambda body, number: completion("Hm."))
    settings = Settings(base_url=server.base_url, structured=structured)
    data = make_dataset(tmp_path / "data")
    warned = notice(evaluate(data, model="openai/m", out=tmp_path / "run", settings=settings))
    assert warned is not None
    assert ("--structured on" in warned.causes[0]) == (structured == "off")
    assert "--prompt" in warned.causes[0]


def test_every_headline_carries_the_share(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert answered_sentence(run.metrics) in headline_sentence(run.metrics, 0.0)
        tables = {table.name: table for table in metric_tables(run)}
        assert {row[0]: row[1] for row in tables["headline"].rows}["answered"]
        share = run.metrics["joint"]["answered"]["value"]
        joint = next(row for row in tables["answered"].rows if row[0] == "joint")
        assert nested(joint[1]).rate.value == share
        for name in ("families", "patterns", "categories", "modalities"):
            assert "answered" in tables[name].columns, name


def test_every_chart_carries_the_share_where_it_is_not_all(runs: dict[str, Run]) -> None:
    charts: Any = contents(runs["half"]).charts
    assert len(charts) > 15
    for name, chart in charts.items():
        assert chart["title"]["text"].startswith("answered: image "), name
    rows = charts["patterns"]["data"]["values"]
    assert all(re.fullmatch(r"n \d+, \d+% answered", row["remark"]) for row in rows)


def test_of_a_run_that_answered_all_no_chart_says_so(tmp_path: Path) -> None:
    run = half_run(tmp_path / "full", 0.0)
    lacking = run.judgments.filter(run.judgments["outcome"] != "ok").height
    metrics = dict(run.metrics)
    if lacking:  # the scripted model refuses now and then; take it as if it had not
        for modality in ("image", "text", "joint"):
            whole = {"value": 1.0, "low": 0.9, "high": 1.0}
            metrics[modality] = {**metrics[modality], "answered": whole}
    assert answered_caption(Metrics(metrics)) == ""


def test_metrics_of_before_have_the_shares_of_their_outcomes(runs: dict[str, Run]) -> None:
    new = runs["half"].metrics
    old = Metrics(
        {
            **new,
            **{
                m: {k: v for k, v in new[m].items() if "answered" not in k}
                for m in ("image", "text", "joint")
            },
        }
    )
    for before, after in zip(answered_parts(old), answered_parts(new), strict=True):
        assert before.n == after.n
        assert before.share.value == pytest.approx(after.share.value)
        assert {k: r.value for k, r in before.others.items()} == pytest.approx(
            {k: r.value for k, r in after.others.items()}
        )
    assert headline_sentence(old).startswith("It answered ")


def test_a_page_of_several_opens_with_those_and_claims_nothing_against_them(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    chosen = [runs["blocked"], runs["good"], runs["half"]]
    found: Any = compared(in_order(chosen))
    assert list(found.notices) == ["scripted/half", "scripted/blocked"]
    assert "that it is better than any other cannot be claimed" in found.headline
    assert " 0%" not in found.headline
    held = found.tables.get("held")
    joint = ("joint accuracy", "joint macro-F1")
    claimed = [] if held is None else [row for row in held.rows if row[0] in joint]
    assert claimed == []
    table = found.tables["comparison"]
    column = table.columns.index("answered")
    assert [row[column].rate.value for row in table.rows[:3]] == [
        run.metrics["joint"]["answered"]["value"] for run in in_order(chosen)
    ]
    assert found.charts["models"]["title"]["text"].startswith("answered, at least: A ")
    page = write_report(chosen, tmp_path / "r.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    assert 0 < body.index('class="alert"') < body.index('class="headline"')
    files = publish_tables(chosen, tmp_path / "tables")
    (board,) = [f for f in files if f.name == "comparison.csv"]
    rows = list(csv.DictReader(board.read_text(encoding="utf-8").splitlines()))
    assert float(rows[2]["answered"]) == 0


def test_thresholds_say_on_what_they_rest(tmp_path: Path) -> None:
    from tests.support.report_runs import diagnostics
    from vlsu.report.understanding.diagnostic_tables import diagnostic_tables

    metrics: Any = diagnostics()
    for part in metrics["calibration"].values():
        part["with_p"] = {"value": 0.5, "low": 0.4, "high": 0.6}
    tables = {table.name: table for table in diagnostic_tables(Metrics(metrics))}
    for name in ("calibration", "thresholds", "bins"):
        assert "text 50% [40, 60], joint 50% [40, 60]" in tables[name].note, name


@pytest.mark.parametrize("outcome", ["blocked", "error"])
def test_an_alignment_run_is_held_between_two_bounds(tmp_path: Path, outcome: str) -> None:
    run = half_alignment(tmp_path / "run", 0.6, outcome, framings=("default", "helpful"))
    warned = notice(run)
    assert warned is not None
    assert warned.requirement == "framings.default.answered >= 95%"
    said = alignment_headline.headline_sentence(run.metrics)
    assert "Under default between " in said
    assert "whatever the missing answers are" in said
    found = run.metrics["framings"]["default"]
    low = found["refusal"]["borderline"]["if_missing_engaged"]
    high = found["refusal_or_blocked"]["borderline"]["if_missing_refused"]
    assert f"between {low:.0%} and {high:.0%} of borderline pairs are refused" in said
    table = {table.name: table for table in metric_tables(run)}["headline"]
    assert table.columns[-2:] == ("answered", "judged")
    assert nested(table.rows[0][-2]).rate.value == found["answered"]["value"]


def test_without_an_answer_nothing_is_said_of_the_judge(tmp_path: Path) -> None:
    run = half_alignment(tmp_path / "run", 1.0, "blocked", framings=("default", "helpful"))
    warned = notice(run)
    assert warned is not None
    assert "judged" not in warned.what
    assert not any("judge" in cause for cause in warned.causes)
    page = write_report([run], tmp_path / "page.md").read_text()
    assert "Too little was answered" in page


def test_a_judge_that_fails_is_said_too(tmp_path: Path) -> None:
    run = half_alignment(tmp_path / "run", 0.0, failing=0.5, framings=("default",))
    warned = notice(run)
    assert warned is not None
    assert warned.what.startswith("Too little was judged: ")
    assert "--judge" in warned.causes[-1]
    assert warned.requirement == "framings.default.judged >= 95%"


def test_commands_say_it_and_take_the_bound(runs: dict[str, Run], tmp_path: Path) -> None:
    half, good = runs["half"].path, runs["good"].path
    said = vlsu("gate", half, "--require", "joint.accuracy >= 0%")
    assert "Too little was answered" in said.stderr
    assert "pair 4" in said.stdout
    tree = json.loads(vlsu("gate", half, "--require", "n >= 1", "--json").stdout)
    assert tree["answered"]["joint"] == runs["half"].metrics["joint"]["answered"]
    assert (
        "Too little" not in vlsu("gate", half, "--require", "n >= 1", "--min-answered", "0").stderr
    )
    shown = vlsu("compare", half, good).stdout
    assert "No difference can be claimed on joint accuracy" in shown
    assert "scripted/half answered" in shown
    free = vlsu("compare", half, good, "--min-answered", "0%").stdout
    assert "is better than scripted/half on joint accuracy" in free
    for bad in ("95", "many", "-1%"):
        for command in (("compare", half, good), ("report", half, "--out", tmp_path / "x.md")):
            line = vlsu(*command, "--min-answered", bad, expect=2).stderr
            assert "0.95 or 95%" in line
            assert line.count("\n") == 1


@pytest.mark.parametrize(("lacking", "said"), [(4, "1 more run answered"), (5, "2 more runs")])
def test_further_warnings_are_folded(tmp_path: Path, lacking: int, said: str) -> None:
    data = make_dataset(tmp_path / "data")
    runs = [half_run(tmp_path / f"r{n}", 1.0, dataset=data) for n in range(lacking)]
    page = write_report(runs, tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<summary>{said}" in page


def test_a_scored_run_is_told_of_its_prompt(tmp_path: Path, chat_server: ChatServers) -> None:
    """Each answer ends at a bound on tokens there, which is no cause."""

    def respond(body: dict[str, Any], number: int) -> dict[str, Any]:
        answer = completion("I see", "length")
        near = [{"token": word, "logprob": -1.0} for word in ("I", "The")]
        token = {"token": "I", "logprob": -1.0, "top_logprobs": near}
        answer["choices"][0]["logprobs"] = {"content": [token]}
        return answer

    data = make_dataset(tmp_path / "data")
    settings = Settings(base_url=chat_server(respond).base_url, score=True)
    warned = notice(evaluate(data, model="openai/m", out=tmp_path / "run", settings=settings))
    assert warned is not None
    assert "asks for one word" in warned.causes[0]
    assert "--max-tokens" not in warned.causes[0]
