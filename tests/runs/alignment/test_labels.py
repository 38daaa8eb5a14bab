"""Human labels inside a run: drawn, filled in, read back, and what they correct."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.conftest import make_dataset
from tests.support.alignment_runs import HOSTILE, Answering, Judging
from tests.support.report_runs import scripted_run
from vlsu.analysis.alignment.labelling import draw_answers
from vlsu.cli.app import app
from vlsu.data import load
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models import Settings, open_model
from vlsu.models.base import ImageSource, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.report import write_report
from vlsu.runs import Run, align, load_run
from vlsu.runs.alignment.labels import AnswersToLabel, draw_labels, read_labels
from vlsu.runs.alignment.validation import validate_judge
from vlsu.runs.asking.plan import Subset
from vlsu.tasks import Alignment, load_framings

REFUSAL = "I'm sorry, but I can't help with that."


@dataclass
class Erring(Judging):
    """Misses a third of the refusals, and never calls anything else one."""

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        said = super().answer(requests, images)
        kept = {"text": orjson.dumps({"kind": "off_topic", "helpfulness": 1}).decode()}
        return [
            kept if "bare" in str(each) and random.Random(str(request)).random() < 1 / 3 else each
            for each, request in zip(said, requests, strict=True)
        ]


@dataclass
class Formulaic(Answering):
    """Begins its help as a spreadsheet's formula."""

    def _answer(self, request: Request) -> Mapping[str, object]:
        said = super()._answer(request)
        helps = str(said["text"]).startswith("Here")
        return {"text": "=1+1 is what I see,\nand more."} if helps else said


def run_of(out: Path, data: str | Path = "vlsu-mini", **more: object) -> Run:
    arguments: Any = {
        "model": InProcessModel("scripted/assistant", Formulaic()),
        "judges": [InProcessModel("scripted/judge", Erring())],
        **more,
    }
    return align(data, out=out, **arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(tmp_path_factory.mktemp("labels") / "run")


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def fill(file: Path, label: str | None = None, skip: int = 0) -> None:
    """Label by the truth, which in these answers is plain to see; leave the first ones out."""
    rows = rows_of(file)
    for number, row in enumerate(rows):
        truth = "refusal" if row["response"] == REFUSAL else "no_refusal"
        row["label"] = "" if number < skip else label or truth
    with file.open("w", encoding="utf-8-sig", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


# --- Drawing


def answers(rng: random.Random, *sizes: int) -> pl.DataFrame:
    rows = [
        (f"s{n}", f"f{framing}", 0, rng.choice(["yes", "no", None]), rng.choice(["safe", "unsafe"]))
        for framing, size in enumerate(sizes)
        for n in range(size)
    ]
    names = ["sample_id", "framing", "draw", "verdict", "severity"]
    return pl.DataFrame(rows, schema=names, orient="row")


@given(
    st.integers(0, 99),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 130),
    st.integers(0, 9),
)
def test_the_draw_is_even_over_framings_and_in_proportion_within(
    content: int, sizes: list[int], n: int, seed: int
) -> None:
    table = answers(random.Random(content), *sizes)
    drawn = draw_answers(table, n, seed)
    assert drawn.height == min(n, table.height)
    assert drawn.join(table, on=drawn.columns, nulls_equal=True).height == drawn.unique().height
    assert drawn.unique().height == drawn.height
    again = draw_answers(table.sample(fraction=1.0, shuffle=True, seed=1), n, seed)
    assert again.equals(drawn)
    of_framing = Counter(drawn["framing"])
    full = {
        name
        for name, size in zip(sorted(set(table["framing"])), sizes, strict=True)
        if of_framing[name] == size
    }
    open_ = [of_framing[name] for name in set(table["framing"]) - full]
    assert not open_ or max(open_) - min(open_) <= 1
    assert all(of_framing[name] <= max(open_, default=n) + 1 for name in full)
    for name in set(table["framing"]):
        part, got = table.filter(framing=name), drawn.filter(framing=name)
        for verdict in part["verdict"].unique():
            same = pl.col("verdict").eq_missing(pl.lit(verdict, dtype=pl.String))
            wanted = got.height * part.filter(same).height / part.height
            assert abs(got.filter(same).height - wanted) < 1 + 1e-9


def test_every_answer_has_the_same_chance() -> None:
    table = answers(random.Random(0), 37)
    drawn = Counter(
        id_ for seed in range(800) for id_ in draw_answers(table, 10, seed)["sample_id"]
    )
    expected = 800 * 10 / 37  # standard error about 13
    assert len(drawn) == 37
    assert all(abs(count - expected) < 55 for count in drawn.values())


def test_the_file_holds_what_a_person_needs_and_nothing_that_sways(
    run: Run, tmp_path: Path
) -> None:
    drawn = draw_labels(run, 90, tmp_path / "labels.csv")
    rows = rows_of(drawn.file)
    assert drawn.count == len(rows) == 90
    assert list(rows[0]) == [
        *("sample_id", "framing", "draw", "label"),
        *("prompt", "image", "language", "response"),
    ]
    assert {row["label"] for row in rows} == {""}
    assert Counter(row["framing"] for row in rows) == dict.fromkeys(run.record["framings"], 30)
    assert all(Path(row["image"]).is_file() and row["prompt"] for row in rows)
    assert [row["framing"] for row in rows] != sorted(row["framing"] for row in rows)
    assert sum(d for parts in drawn.framings.values() for _, d in parts.values()) == 90
    again = draw_labels(run, 90, tmp_path / "again.csv")
    assert again.file.read_bytes() == drawn.file.read_bytes()
    other = draw_labels(run, 90, tmp_path / "other.csv", seed=1)
    assert other.file.read_bytes() != drawn.file.read_bytes()


def test_no_cell_is_a_formula(run: Run, tmp_path: Path) -> None:
    rows = rows_of(draw_labels(run, 60, tmp_path / "labels.csv").file)
    assert any(row["response"].startswith("'=1+1") for row in rows)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_how_many_to_draw_is_said(run: Run, tmp_path: Path) -> None:
    few = draw_labels(run, 60, tmp_path / "few.csv")
    wanted = few.wanted()
    assert wanted is not None
    enough = draw_labels(run, wanted, tmp_path / "enough.csv")
    assert enough.wanted() is None
    assert all(d >= 20 for parts in enough.framings.values() for _, d in parts.values())
    rare = AnswersToLabel(
        tmp_path / "x.csv", 20, {"default": {"safe": (19, 2), "unsafe": (900, 90)}}, None
    )
    assert rare.wanted() is None


def test_what_cannot_be_drawn_is_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("mine")
    with pytest.raises(UsageError, match="already exists; choose another --out"):
        draw_labels(run, 5, file)
    assert file.read_text() == "mine"
    with pytest.raises(UsageError, match="draw at least 1"):
        draw_labels(run, 0, tmp_path / "new.csv")
    other = scripted_run(make_dataset(tmp_path / "data"), tmp_path / "understanding")
    with pytest.raises(UsageError, match="no alignment run"):
        draw_labels(other, 5, tmp_path / "new.csv")


def test_without_the_dataset_the_answers_are_drawn_all_the_same(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")
    made = run_of(tmp_path / "run", data.path)
    data.path.rename(tmp_path / "elsewhere")
    drawn = draw_labels(load_run(made.path), 9, tmp_path / "labels.csv")
    assert drawn.without_prompts is not None
    assert {row["prompt"] for row in rows_of(drawn.file)} == {""}
    assert all(row["response"] for row in rows_of(drawn.file))


# --- StoredAnswers


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("s0,default,refusl", "row 2: label 'refusl' is none; did you mean 'refusal'"),
        ("s0,harmles,refusal", "row 2: framing 'harmles' is not in this run; did you mean 'harm"),
        ("s0,default,\ns99,default,refusal", "row 3: sample 's99' is not in this run; remove"),
        ("s0,default,refusal,2", "row 2: draw 2 is not in this run; its draws are 0 to 1"),
        ("s0,default,refusal,-1", "row 2: draw -1 is not in this run"),
        ("s0,default,refusal,first", "row 2: draw 'first' is no number; count draws from 0"),
        ("s0,default,refusal\ns0,default,empty,0", "row 3: row 2 labels the same answer; keep one"),
        ("s0,default,\n,,\n", "no row has a label; fill the column label"),
        ("", "no row has a label"),
    ],
)
def test_a_wrong_row_is_told_in_a_line(tmp_path: Path, rows: str, said: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"Sample_ID,framing,label,draw,notes\n{rows}\n")
    task = Alignment(load_framings(["default", "harmless"]), draws=2)
    with pytest.raises(DataError) as told:
        read_labels(file, make_dataset(tmp_path / "data"), Subset(), task)
    assert f"{file}: {said}" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_sample_outside_the_limit_is_not_in_the_run(tmp_path: Path) -> None:
    data, task = make_dataset(tmp_path / "data"), Alignment(load_framings(["default"]))
    inside = set(Subset(limit=3).frame(data).select("id").collect()["id"])
    file = tmp_path / "labels.csv"
    for id_ in data.frame().select("id").collect()["id"]:
        file.write_text(f"sample_id,framing,label\n{id_},default,bare_refusal\n")
        if id_ in inside:
            assert read_labels(file, data, Subset(limit=3), task).frame.height == 1
        else:
            with pytest.raises(DataError, match="is not in this run"):
                read_labels(file, data, Subset(limit=3), task)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sample_id,label\n", "no column 'framing'; found sample_id, label"),
        (b"\xff\xfe\x00", "line 1: byte 0x00 at offset 2 is not UTF-16-LE text"),
        (None, "cannot be read (No such file"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "labels.csv"
    if content is not None:
        file.write_bytes(content)
    task = Alignment(load_framings(["default"]))
    with pytest.raises(DataError) as told:
        read_labels(file, load("vlsu-mini"), Subset(), task)
    assert said in str(told.value)


# --- Correcting


@pytest.fixture(scope="module")
def labelled(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    file = tmp_path_factory.mktemp("filled") / "labels.csv"
    draw_labels(run, 480, file)
    fill(file, skip=20)
    return run_of(run.path, labels=file), file


def refusals(run: Run, framing: str, severity: str) -> float:
    """The true rate."""
    part = run.judgments.filter(framing=framing, expected=severity)
    share = part.select((pl.col("answer") == REFUSAL).mean()).item()
    assert isinstance(share, float)
    return share


def test_labels_take_out_what_the_judge_misses(labelled: tuple[Run, Path]) -> None:
    run, _ = labelled
    off, wide = 0.0, 0
    for framing, found in run.metrics["framings"].items():
        for severity in ("safe", "borderline", "unsafe"):
            rate, truth = found["refusal"][severity], refusals(run, framing, severity)
            corrected = rate["corrected"]
            assert corrected["method"] == "prediction-powered"
            off += truth - rate["value"]
            wide += corrected["low"] <= truth <= corrected["high"]
            assert abs(corrected["value"] - truth) < 0.2
    assert off > 0.5  # nine rates that the judge puts too low
    assert wide >= 8
    pair = run.metrics["differences"]["harmless -> helpful"]["over_blocking"]
    assert pair["corrected"]["method"] == "prediction-powered"


def test_the_run_says_what_corrected_it(labelled: tuple[Run, Path], tmp_path: Path) -> None:
    run, file = labelled
    record = run.record["labels"]
    assert (record["labelled"], record["unlabelled"]) == (460, 20)
    assert record["file"] == file.name
    assert sum(record["labels"].values()) == 460
    assert run.record["requests"]["asked"] == 0
    text = write_report([run], tmp_path / "r.md").read_text()
    assert "460 human labels of answers in this run" in text
    assert "prediction-powered" in text
    assert "460 of labels.csv" in text


@pytest.mark.slow
def test_labels_come_before_a_calibration_which_serves_where_they_are_few(
    run: Run, tmp_path: Path
) -> None:
    pairs = [
        f'"{a} {n}",{label}'
        for n in range(60)
        for a, label in ((REFUSAL, "refusal"), ("Here.", "no_refusal"))
    ]
    outside = tmp_path / "outside.csv"
    outside.write_text("\n".join(["response,label", *pairs]))
    judge = InProcessModel("scripted/judge", Erring())
    calibration = validate_judge(outside, judge=judge).calibration
    file = tmp_path / "labels.csv"
    draw_labels(run, 480, file)
    fill(file)
    rows = [r for r in rows_of(file) if r["framing"] != "helpful"]
    lines = [f"{r['sample_id']},{r['framing']},{r['label']}" for r in rows]
    file.write_text("\n".join(["sample_id,framing,label", *lines]))
    found = run_of(run.path, labels=file, calibration=calibration).metrics
    methods = {
        name: part["over_blocking"]["corrected"]["method"]
        for name, part in found["framings"].items()
    }
    assert methods == {
        "default": "prediction-powered",
        "harmless": "prediction-powered",
        "helpful": "rogan-gladen",
    }
    without = run_of(run.path, labels=file).metrics["framings"]["helpful"]["over_blocking"]
    assert without["corrected"] is None
    assert without["not_corrected"].startswith("0 labels among these answers; 20 are needed")


def test_labels_of_another_run_are_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    draw_labels(run, 60, file)
    fill(file)
    rows = rows_of(file)
    row = next(n for n, r in enumerate(rows, 2) if r["response"] == REFUSAL)
    file.write_text(file.read_text(encoding="utf-8-sig").replace(REFUSAL, "Sure.", 1))
    with pytest.raises(DataError, match=f"row {row}: the response labelled is not this run's"):
        run_of(run.path, labels=file)
    run_of(run.path)  # leaves the run as the other tests want it


@pytest.mark.slow
def test_hostile_answers_survive_the_file(tmp_path: Path) -> None:
    made = run_of(tmp_path / "run", model=InProcessModel("scripted/assistant", Answering()))
    file = tmp_path / "labels.csv"
    draw_labels(made, 600, file)
    assert HOSTILE in {row["response"] for row in rows_of(file)}
    fill(file, "no_refusal")
    with file.open() as lines:
        text = lines.read()
    file.write_text(text.replace("\n", "\r\n"), newline="")
    again = run_of(
        tmp_path / "run", model=InProcessModel("scripted/assistant", Answering()), labels=file
    )
    corrected = again.metrics["framings"]["default"]["over_blocking"]["corrected"]
    assert corrected["value"] == 0.0


def test_a_guard_of_safety_alone_is_not_corrected_by_labels(run: Run, tmp_path: Path) -> None:
    guard = open_model("guard/llama-guard:x", Settings(base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(UsageError, match="put a judge of refusal first"):
        run_of(tmp_path / "run", judges=[guard], labels=tmp_path / "labels.csv")


def test_the_command_line_draws_and_takes_back(tmp_path: Path) -> None:
    made = run_of(tmp_path / "run", make_dataset(tmp_path / "data", samples=90).path)
    file = tmp_path / "labels.csv"
    command = ["judge", "sample", str(made.path), "--n", "30", "--out", str(file)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Drawn for labelling: 30 answers" in done.stdout
    said = " ".join(done.stderr.split())
    assert "draw --n 200" in said or "draw --n 190" in said
    assert "holds 30 answers of the model, some perhaps harmful" in said
    tree = json.loads(
        CliRunner().invoke(app, [*command[:-1], str(tmp_path / "other.csv"), "--json"]).stdout
    )
    assert tree["drawn"] == 30
    safe = tree["framings"]["default"]["safe"]
    assert safe["answers"] == 30
    assert 2 <= safe["drawn"] <= 4  # a third of the framing's ten, to within an answer


def test_a_run_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        load_run(tmp_path)
