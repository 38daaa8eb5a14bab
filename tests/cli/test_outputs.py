"""Files that commands write: one that vlsu wrote before is replaced, one of somebody else is not.

The options are found by walking the command line, so that a new one must be put into a table here.
"""

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from tests.cli.test_command_line import COMMANDS
from tests.cli.test_option_values import kind_of
from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.tuning_runs import paired_dataset
from vlsu.data import load
from vlsu.report.page import render

ASKED = "--model openai/x --base-url http://127.0.0.1:9/v1 --out N"

#: Options that name a file to be written -> a command with a place for it, and how its name ends.
FILES = {
    "report --out": ("report R --out {}", "html md tex json"),
    "guards --out": ("guards R --out {}", "html md json"),
    "gate --junit": ("gate R --require n>=1 --junit {}", "xml"),
    "data check --out": ("data check D --out {}", "html htm"),
    "data export --out": ("data export D --format {suffix} --out {}", "csv jsonl parquet"),
    "build status --out": ("build status B --out {}", "html"),
    "judge validate --out": ("judge validate labels.csv --judge judge/offline --out {}", "json"),
    "run understanding --trace": (
        "run understanding D --model baseline/majority --out N --trace {}",
        "json",
    ),
    "run understanding --batch-file": (f"run understanding D {ASKED} --batch-file {{}}", "jsonl"),
    "run alignment --trace": (
        f"run alignment D {ASKED} --judge judge/offline --batch-file N.jsonl --trace {{}}",
        "json",
    ),
    "run alignment --batch-file": (
        f"run alignment D {ASKED} --judge judge/offline --batch-file {{}}",
        "jsonl",
    ),
    "framings tune --batch-file": (
        f"framings tune L {ASKED} --judge judge/offline --candidates candidates.yaml "
        "--batch-file {}",
        "jsonl",
    ),
}
#: Of these any file is kept, what vlsu wrote too: people may have worked in it, or lose by it.
NEW_FILES = {
    "judge sample --out": "judge sample A --out {}",
    "annotate export --long": "annotate export P --out N --long {}",
    "annotate export --label-studio": "annotate export P --out N --label-studio {}",
    "annotate backup file": "annotate backup P {}",
    "store merge --out": "store merge R S --out {}",
}
#: Options that name a folder for files of given names.
FOLDERS_OF_FILES = {
    "report --tables": "report {} --tables T",
    "report --figures": "report {} --figures T",
}
#: Options that name a folder of vlsu's own, or a file that several commands write to.
OWN = {
    *("demo --out", "data import --out", "data sample --out"),
    *("data filter --out", "data merge --out", "run understanding --out", "run alignment --out"),
    *("framings tune --out", "build init build", "build assemble --out", "build tune-grader --out"),
    *("annotate init project", "annotate restore project", "annotate demo --out"),
    *("annotate export --out", "run understanding --store", "run alignment --store"),
}
#: Names of parameters that are read wherever they stand.
READ = {
    *("file", "runs", "run", "project", "build", "dataset", "source", "labels", "stores", "store"),
    *("oracle", "against", "like", "traffic", "models", "images", "batch_results", "replay"),
    *("pilot", "weights", "framing", "calibration", "candidates", "gold", "tls_certificate"),
    *("tls_key", "grades", "proof_grades", "consents", "few_shot", "graded"),
}

#: What somebody may have under a name that ends so.
FOREIGN = {
    "html": ["<!doctype html>\n<html><head><title>Mine</title></head></html>\n"],
    "md": ["# Notes of 3 May 2026\n\nMine.\n", "## Mine\n\n- a\n", "| a | b |\n| - | - |\n"],
    "tex": ["% My paper\n\\documentclass{article}\n"],
    "json": ['{"name": "mine", "title": "Mine"}\n', "[1, 2]\n", '{"runs": []}', '{"dataset": {}}'],
    "jsonl": ['{"id": "a", "text": "mine"}\n'],
    "xml": [
        "<project/>\n",
        '<?xml version="1.0"?>\n<testsuites><testsuite name="pytest"/></testsuites>\n',
    ],
    "csv": ["id,text,joint_grade\na,mine,safe\n", "model,price\na,1\n"],
    "svg": ['<svg xmlns="http://www.w3.org/2000/svg" class="mine"><rect/></svg>\n'],
    "bib": ["@article{me2026,\n  title = {Mine},\n}\n", "@misc{me,\n  author = {Me},\n}\n"],
}


def foreign(suffix):
    """Contents that vlsu did not write, whatever the name, and such as fit it."""
    picture, table = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG", dpi=(72, 72))
    pl.DataFrame({"id": ["a"], "text": ["mine"]}).write_parquet(table)
    fitting = {"png": [picture.getvalue()], "parquet": [table.getvalue()]}
    texts = FOREIGN.get("html" if suffix == "htm" else suffix, [])
    return [
        b"mine\n",
        bytes(range(256)),
        b"x" * 200_000,
        *fitting.get(suffix, []),
        *map(str.encode, texts),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset, runs, a project and a build, and other files that commands read."""
    place = tmp_path_factory.mktemp("outputs")
    dataset = make_dataset(place / "D", samples=30, images=5)
    paired_dataset(place / "L")
    scripted_run(dataset, place / "R")
    scripted_run(dataset, place / "S", limit=20)
    alignment_run(dataset, place / "A")
    texts = {
        "grades.csv": "item,a,b\n1,safe,safe\n2,unsafe,safe\n3,borderline,safe\n",
        "labels.csv": "response,label\nNo.,refusal\nHere you are.,no_refusal\n",
        "candidates.yaml": "{careful: Be careful., kind: Be kind.}\n",
        "prices.yaml": "input: 1\noutput: 2\n",
        "pyproject.toml": "[project]\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    said = vlsu("agreement", "grades.csv", "--json", cwd=place)
    (place / "oracle.json").write_text(said.stdout)
    validate = ("judge", "validate", "labels.csv", "--judge", "judge/offline")
    vlsu(*validate, "--out", "c.json", cwd=place)
    vlsu("annotate", "init", "P", "--dataset", "D", cwd=place)
    vlsu("build", "init", "B", "--target", "all=2", cwd=place)
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key-at-all")
    return shutil.copytree(made, tmp_path / "place", symlinks=True)


def tree(folder):
    """The content of every file but of locks and of databases' own companions."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
    }


def refused(place, line, file):
    """What a command says that is refused in one line, and changes nothing."""
    before = tree(place)
    said = vlsu(*line, cwd=place, expect=2).stderr
    assert tree(place) == before
    (last,) = [each for each in said.splitlines() if each.startswith("error: ")]
    assert str(file) in last
    return last


def line_of(command, suffix, out):
    return command.format(out, suffix=suffix).split()


#: A small dataset is not sound.
ENDS_WITH_1 = {"data check --out"}

EACH = [
    pytest.param(option, suffix, id=f"{option}-{suffix}")
    for option, (_, suffixes) in FILES.items()
    for suffix in suffixes.split()
]


@pytest.mark.parametrize(("option", "suffix"), EACH)
def test_a_file_of_somebody_else_is_kept(option, suffix, place):
    file = f"mine.{suffix}"
    line = line_of(FILES[option][0], suffix, file)
    for content in foreign(suffix):
        (place / file).write_bytes(content)
        said = refused(place, line, file)
        assert "already exists and is no" in said, content
        assert option.split()[-1] in said


@pytest.mark.parametrize(("option", "suffix"), EACH)
def test_what_the_same_command_wrote_is_replaced(option, suffix, place):
    file = place / f"out.{suffix}"
    line = line_of(FILES[option][0], suffix, file.name)
    file.write_bytes(b"")
    for _ in range(3):
        shutil.rmtree(place / "N", ignore_errors=True)
        vlsu(*line, cwd=place, expect=1 if option in ENDS_WITH_1 else 0)
        content = file.read_bytes()
        assert content
        if suffix in ("html", "md", "tex", "json", "xml", "csv"):  # as tools and editors leave it
            file.write_bytes(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


REPORTS = [
    (option, suffix)
    for option in ("report --out", "guards --out", "gate --junit")
    for suffix in FILES[option][1].split()
]

#: Files of the place that commands read.
INPUTS = (
    *("labels.csv", "grades.csv", "candidates.yaml", "prices.yaml", "pyproject.toml"),
    *("oracle.json", "c.json", "D/samples.parquet", "D/dataset.yaml", "B/policy.yaml"),
    *("R/run.yaml", "R/metrics.json", "R/judgments.parquet", "R/responses.sqlite"),
    *("B/build.yaml", "P/project.yaml"),
)


@pytest.mark.parametrize(("option", "suffix"), EACH)
def test_nothing_that_a_command_reads_is_replaced(option, suffix, place):
    for name in INPUTS:
        if option == "judge validate --out" and name == "c.json":
            continue
        assert (place / name).is_file(), name
        refused(place, line_of(FILES[option][0], suffix, name), name)


@pytest.mark.parametrize("option", NEW_FILES)
def test_a_file_that_is_there_is_kept_where_a_new_one_is_asked_for(option, place):
    for name in ("empty", *INPUTS):
        (place / "empty").write_text("")
        refused(place, NEW_FILES[option].format(name).split(), name)


@pytest.mark.parametrize("option", [*FILES, *NEW_FILES])
def test_no_output_goes_among_the_images_of_a_dataset(option, place):
    command, suffixes = FILES.get(option) or (NEW_FILES[option], "csv")
    suffix = suffixes.split()[0]
    file = f"D/images/new.{suffix}"
    said = refused(place, line_of(command, suffix, file), file)
    assert "lies among the images of the dataset" in said


@pytest.mark.parametrize("option", FOLDERS_OF_FILES)
@pytest.mark.parametrize("runs", ["R", "R S", "A"])
def test_tables_and_charts_replace_those_of_the_same_names_and_nothing_else(option, runs, place):
    if option == "report --figures":
        pytest.importorskip("vl_convert")
    folder = place / "T"
    line = FOLDERS_OF_FILES[option].format(runs).split()
    vlsu(*line, cwd=place)
    first = tree(folder)
    vlsu(*line, cwd=place)
    assert tree(folder) == first
    for suffix in sorted({name.suffix for name in first}):
        for name in first:  # of all forms, somebody keeps this one
            if name.suffix != suffix:
                (folder / name).unlink()
            elif suffix != ".png":
                (folder / name).write_bytes(first[name].replace(b"\n", b"\r\n"))
        vlsu(*line, cwd=place)
        assert tree(folder) == first
    for suffix in sorted({name.suffix for name in first}):
        name = next(name for name in first if name.suffix == suffix)
        for content in foreign(suffix[1:]):
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / name).write_bytes(content)
            said = refused(place, line, f"T/{name}")
            assert "already exists and is no" in said, content
            assert option.split()[-1] in said


def test_tables_of_other_runs_replace_tables(place):
    for runs in ("R", "A", "R S"):
        vlsu("report", *runs.split(), "--tables", "T", cwd=place)


def test_notes_that_look_like_a_report_are_kept(place):
    """A heading with a date and a table are no report of ours."""
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    notes = f"# Lab notebook, 3 March 2026\n\nMy own words.\n\n## Results\n\n{table}"
    (place / "notes.md").write_text(notes, encoding="utf-8")
    vlsu("report", "R", "--out", "notes.md", cwd=place, expect=2)
    assert (place / "notes.md").read_text(encoding="utf-8") == notes
    (place / "own").mkdir()
    (place / "own" / "headline.md").write_text(f"## My notes\n\n{table}", encoding="utf-8")
    vlsu("report", "R", "--tables", "own", cwd=place, expect=2)
    assert (place / "own" / "headline.md").read_text(encoding="utf-8").startswith("## My notes")


def test_samples_beside_a_page_replace_samples_and_nothing_else(place, monkeypatch):
    monkeypatch.setattr(render, "SAMPLE_ROOM", 500)
    beside = place / "r.samples.parquet"
    for runs in ("R", "A", "R S"):
        line = ("report", *runs.split(), "--out", "r.html")
        for content in foreign("parquet"):
            beside.write_bytes(content)
            refused(place, line, beside.name)
        beside.unlink()
        vlsu(*line, cwd=place)
        assert beside.is_file()
        vlsu(*line, cwd=place)
        (place / "r.html").unlink()


def test_a_report_is_recognised_whatever_the_dataset_is_called(tmp_path):
    dataset = make_dataset(tmp_path / "D")
    record = dataset.path / "dataset.yaml"
    name = """'a {b} "c" | # on ] , 3'"""
    record.write_text(record.read_text().replace("name: tiny", f"name: {name}"))
    scripted_run(load(dataset.path), tmp_path / "R")
    lines = [line_of(FILES[option][0], suffix, f"out.{suffix}") for option, suffix in REPORTS]
    for line in (*lines, ["report", "R", "--tables", "T"]):
        for _ in range(2):
            vlsu(*line, cwd=tmp_path)


def test_entries_of_other_works_are_kept_beside_those_of_datasets(place):
    line = ("report", "R", "--tables", "T")
    vlsu(*line, cwd=place)
    references = place / "T" / "references.bib"
    datasets = references.read_bytes()
    references.write_bytes(datasets.replace(b"{tiny-1,", b"{tiny-0,"))  # of an earlier version
    vlsu(*line, cwd=place)
    assert references.read_bytes() == datasets
    references.write_bytes(datasets + b"@article{me2026,\n  title = {Mine},\n}\n")
    said = refused(place, line, "T/references.bib")
    assert "is no list of references written by vlsu" in said


def test_answers_beside_a_calibration_go_into_no_other_file(place):
    line = ("judge", "validate", "labels.csv", "--judge", "judge/offline", "--out", "new.json")
    beside = place / "new.json.sqlite"
    with closing(sqlite3.connect(beside)) as database:
        database.execute("CREATE TABLE mine (value TEXT)")
    for content in (beside.read_bytes(), b"mine\n"):
        beside.write_bytes(content)
        said = refused(place, line, beside.name)
        assert "is no store of responses written by vlsu" in said


def test_what_a_run_has_made_meanwhile_is_not_replaced_by_its_trace(place):
    line = [
        "run",
        "understanding",
        "D",
        "--model",
        "baseline/majority",
        "--out",
        "N",
        "--store",
        "new",
        "--trace",
        "new",
    ]
    said = vlsu(*line, cwd=place).stderr
    assert "new: already exists and is no trace of a run written by vlsu" in said
    vlsu("store", "verify", "new", cwd=place)


@pytest.mark.parametrize("option", [*FILES, *NEW_FILES])
def test_under_a_file_nothing_can_be_written(option, place):
    command, suffixes = FILES.get(option) or (NEW_FILES[option], "csv")
    suffix = suffixes.split()[0]
    file = f"labels.csv/out.{suffix}"
    refused(place, line_of(command, suffix, file), "labels.csv")


def test_every_option_that_names_a_file_is_in_a_table():
    known = {*FILES, *NEW_FILES, *FOLDERS_OF_FILES, *OWN}
    found = {
        f"{' '.join(path)} {parameter.opts[0]}": parameter.name
        for path, command in COMMANDS.items()
        for parameter in command.params
        if kind_of(parameter) is Path
    }
    assert known <= found.keys()
    assert {option for option, name in found.items() if name not in READ} <= known
