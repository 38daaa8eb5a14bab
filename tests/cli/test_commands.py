"""The command line as a user meets it: exit codes, one-line errors, JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import vlsu
from vlsu.data import COLUMNS


def test_help_names_every_command():
    said = vlsu("--help").stdout
    for command in ("demo", "data", "run", "report", "models", "prompts", "policy"):
        assert command in said


def test_no_markup_of_docstrings_is_printed():
    for command in ("models", "prompts", "policy"):
        assert "`" not in vlsu(command).stdout
    about = json.loads(vlsu("models", "--json").stdout)
    assert about
    assert "`" not in "".join(each["about"] for each in about)


def test_the_version_is_the_packages():
    from vlsu import __version__

    assert vlsu("--version").stdout == f"vlsu {__version__}\n"
    for command in ([sys.executable, "-m", "vlsu"], [str(Path(sys.executable).with_name("vlsu"))]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"vlsu {__version__}\n"


def test_import_is_quick_and_leaves_the_heavy_parts_out():
    code = "import sys, vlsu; print([m for m in ('polars', 'numpy', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_run_majority_and_report_in_every_format(tmp_path):
    run = tmp_path / "run"
    arguments = ("run", "understanding", "vlsu-mini", "--model", "baseline/majority", "--out", run)
    metrics = json.loads(vlsu(*arguments, "--json").stdout)
    borderline = metrics["joint"]["confusion"]["borderline"]["borderline"]
    assert metrics["joint"]["accuracy"]["value"] == pytest.approx(borderline / metrics["n"])
    again = vlsu(*arguments)
    assert "0 asked" in again.stderr
    assert "accuracy" in again.stdout
    for suffix in ("html", "md", "tex", "json"):
        vlsu("report", run, "--out", tmp_path / f"report.{suffix}")
        assert (tmp_path / f"report.{suffix}").stat().st_size > 500


def test_import_check_info_export(tmp_path):
    source = tmp_path / "pairs.csv"
    source.write_text("prompt,label\nhello,SAFE\nworld,unsafe\nodd,perhaps\n", encoding="utf-8")
    out = tmp_path / "d"
    options = ("--map", "prompt=text", "--map", "label=joint_grade", "--out", out)
    report = json.loads(vlsu("data", "import", "csv", source, *options, "--json").stdout)
    assert (report["rows_read"], report["imported"]) == (3, 2)
    assert sum(report["rejected"].values()) == 1
    about = json.loads(vlsu("data", "info", out, "--json").stdout)
    assert about["severities"]["joint"]["unsafe"] == 1
    assert json.loads(vlsu("data", "check", "vlsu-mini", "--json").stdout)["ok"]
    vlsu("data", "export", out, "--out", tmp_path / "x.csv")
    header = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(COLUMNS)


def test_strict_names_file_row_and_value(tmp_path):
    source = tmp_path / "pairs.csv"
    source.write_text("text,joint_grade\nhello,perhaps\nworld,safe\n", encoding="utf-8")
    said = vlsu(
        "data", "import", "csv", source, "--out", tmp_path / "d", "--strict", expect=2
    ).stderr
    assert "pairs.csv" in said
    assert "2" in said
    assert "perhaps" in said
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "info", "nowhere"), "nowhere"),
        (("data", "import", "vlsuu", "x.csv", "--out", "d"), "did you mean 'vlsu'"),
        (("data", "import", "vlsu", "absent.csv", "--out", "d"), "absent.csv"),
        (("report", "nowhere", "--out", "r.html"), "not a run"),
        (("policy", "absent.yaml"), "absent.yaml"),
        (("prompts", "zeroshot"), "did you mean 'zero-shot'"),
        (("run", "understanding", "vlsu-mini", "--model", "gpt-4o", "--out", "r"), "provider/name"),
        (("run", "understanding", "vlsu-mini", "--model", "opena/x", "--out", "r"), "'openai'"),
        (
            (
                "run",
                "understanding",
                "vlsu-mini",
                "--model",
                "baseline/majority",
                "--out",
                "r",
                "--param",
                "severity",
            ),
            "write name=value",
        ),
        (
            (
                "run",
                "understanding",
                "vlsu-mini",
                "--model",
                "baseline/majority",
                "--out",
                "r",
                "--modalities",
                "image,video",
            ),
            "unknown modality 'video'",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(tmp_path, arguments, message):
    done = vlsu(*arguments, expect=2, cwd=tmp_path)
    assert message in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1


def test_a_failed_check_exits_1(tmp_path):
    source = tmp_path / "pairs.csv"
    source.write_text("text,joint_grade,image\nhello,safe,gone.png\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    vlsu(
        *("data", "import", "csv", source, "--out", tmp_path / "d"),
        *("--images", tmp_path / "images"),
    )
    report = json.loads(vlsu("data", "check", tmp_path / "d", "--json", expect=1).stdout)
    assert not report["ok"]


def test_policy_and_prompts_can_be_started_from(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(vlsu("policy", "--yaml").stdout, encoding="utf-8")
    shown = vlsu("policy", mine).stdout
    assert "C15" in shown
    assert "Not covered" in shown
    assert "hacking and malware" in shown
    template = tmp_path / "mine.jinja"
    template.write_text(vlsu("prompts", "zero-shot").stdout, encoding="utf-8")
    rendered = vlsu("prompts", template, "--rendered", "--policy", mine).stdout
    assert "{text}" in rendered
    assert "C9" in rendered
    listed = json.loads(vlsu("models", "--json").stdout)
    assert "openai" in {entry["provider"] for entry in listed}


def test_no_extra_is_advertised_that_brings_nothing():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    empty = [name for name, what in project["project"]["optional-dependencies"].items() if not what]
    assert empty == []
