"""A run whose files were edited or damaged is named in one line, by every command that reads it."""

import json
import shutil
import sys

import polars as pl
import pytest
import yaml

import vlsu
from tests.conftest import grade
from vlsu.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def run(chat_server, dataset, tmp_path):
    server = chat_server(lambda body, n: grade("unsafe"))
    vlsu.evaluate(dataset, model="openai/mock", base_url=server.base_url, out=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    (tmp_path / "traffic.yaml").write_text("severity: {safe: 0.9, borderline: 0.09, unsafe: 0.01}")
    return tmp_path / "run"


def edit(file, change):
    read, write = (
        (yaml.safe_load, yaml.safe_dump)
        if file.suffix == ".yaml"
        else (
            json.loads,
            json.dumps,
        )
    )
    held = read(file.read_text())
    change(held)
    file.write_text(write(held))


def edit_judgments(run, change):
    file = run / "judgments.parquet"
    change(pl.read_parquet(file)).write_parquet(file)


def no_late_fusion(run):
    edit(run / "metrics.json", lambda held: held.pop("late_fusion"))


def a_number_for_a_rate(run):
    edit(run / "metrics.json", lambda held: held["joint"].update(accuracy=0))


def a_word_for_a_bound(run):
    edit(run / "metrics.json", lambda held: held["joint"]["accuracy"].update(high="\x1b[31mx"))


def counts_as_a_number(run):
    edit(run / "metrics.json", lambda held: held["outcomes"].update(image=2))


def no_policy_version(run):
    edit(run / "run.yaml", lambda held: held["policy"].pop("version"))


def no_concurrency(run):
    edit(run / "run.yaml", lambda held: held.pop("concurrency"))


def modalities_of_nothing(run):
    edit(run / "run.yaml", lambda held: held.update(modalities=[None, None]))


def ids_of_another_kind(run):
    edit_judgments(run, lambda frame: frame.with_columns(sample_id=pl.struct(pl.lit(1))))


def no_outcomes(run):
    edit_judgments(run, lambda frame: frame.drop("outcome"))


def text_for_a_severity(run):
    edit_judgments(run, lambda frame: frame.with_columns(predicted=pl.lit("\x1b[31mx")))


COMMANDS = {
    "report": ["report", "run", "--out", "report.html"],
    "tables": ["report", "run", "other", "--tables", "tables"],
    "compare": ["compare", "other", "run"],
    "gate": ["gate", "run", "--require", "joint.f1_macro >= 0.1"],
    "gate at another level": [
        *("gate", "run", "--require", "joint.f1_macro >= 0.1", "--confidence", "0.9"),
    ],
    "project": ["project", "run", "--traffic", "traffic.yaml"],
}


@pytest.mark.parametrize(
    "damage",
    [
        no_late_fusion,
        a_number_for_a_rate,
        a_word_for_a_bound,
        counts_as_a_number,
        no_policy_version,
        no_concurrency,
        modalities_of_nothing,
        ids_of_another_kind,
        no_outcomes,
        text_for_a_severity,
    ],
)
def test_what_was_edited_is_named_and_no_defect(damage, run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    damage(run)
    refused = 0
    for arguments in COMMANDS.values():
        monkeypatch.setattr(sys, "argv", ["vlsu", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capfd.readouterr()
        assert "\x1b" not in shown.out + shown.err
        assert "error: a defect of vlsu" not in shown.err
        if end.value.code == 2:
            refused += 1
            assert "run" in shown.err
            assert shown.err.count("\n") == 1
    assert refused, "no command reads what was damaged"


def test_the_traceback_is_there_for_whoever_asks(run, tmp_path, monkeypatch, capfd):
    no_late_fusion(run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLSU_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["vlsu", "report", "run", "--out", "report.html"])
    with pytest.raises(SystemExit):
        main()
    shown = capfd.readouterr().err
    assert "Traceback" in shown
    assert "AttributeError: no 'late_fusion' here" in shown
