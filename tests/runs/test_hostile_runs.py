"""A run folder that was damaged or comes from somewhere else: a line from every command."""

import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

import vlsu
from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run
from tests.support.hostile_runs import CHANGES, STATEMENTS, change_json, copy_of, outcome, served
from tests.support.report_runs import scripted_run
from vlsu.errors import RunError, VlsuError
from vlsu.models.base import Raw, Response
from vlsu.runs import ResponseStore, load_run
from vlsu.runs.damage import damage
from vlsu.runs.folder import RunFolder

pytestmark = pytest.mark.slow

#: Changes that are tried of each kind, each with some of the commands; more by hand.
TRIED = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dataset and finished runs of every kind on it."""
    place = tmp_path_factory.mktemp("hostile")
    dataset = make_dataset(place / "dataset", samples=120, images=10)
    scripted_run(dataset, place / "understanding")
    scripted_run(dataset, place / "part", limit=80)
    scripted_run(dataset, place / "drawn", budget=80)
    alignment_run(dataset, place / "alignment", failing=0.1)
    alignment_run(dataset, place / "framings", framings=["default", "helpful"])
    vlsu.evaluate(dataset, model="baseline/majority", out=place / "baseline")
    (place / "traffic.yaml").write_text("harm_prevalence: 0.01")
    return place


#: Run -> one of the same task beside it.
BESIDE = {
    "understanding": "part",
    "drawn": "part",
    "alignment": "framings",
    "baseline": "understanding",
}


def commands(place, run, other, out):
    """Every command that reads a run."""
    again = ("run", "understanding", place / "dataset", "--model", "baseline/majority", "--out")
    several = {
        "report": ("report", run, "--out", f"{out}.html"),
        "report, LaTeX": ("report", run, "--out", f"{out}.tex"),
        "report, JSON": ("report", run, "--out", f"{out}.json"),
        "report, tables": ("report", run, "--tables", f"{out}-tables"),
        "report of several": ("report", other, run, "--out", f"{out}-2.html"),
        "compare": ("compare", run, other),
        "compare, JSON": ("compare", other, run, "--json"),
        "gate": ("gate", run, "--require", "n >= 1"),
        "gate at 90%": ("gate", run, "--require", "n >= 1", "--confidence", "0.9"),
        "project": ("project", run, "--traffic", place / "traffic.yaml"),
        "power": ("power", "--from", run, other, "--margin", "0.05"),
        "judge sample": ("judge", "sample", run, "--n", "5", "--out", f"{out}.csv"),
        "pilot": (*again, f"{out}-drawn", "--budget", "80", "--pilot", run),
    }
    if other.name == BESIDE["baseline"]:
        several |= {"again": (*again, run), "dry run": (*again, run, "--dry-run")}
    return {name: list(map(str, each)) for name, each in several.items()}


def one_line(said):
    return "\n" not in said.strip() and "Traceback" not in said and "defect" not in said


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("seed", range(TRIED))
def test_every_command_says_a_line_or_does_its_work(kind, seed, place, tmp_path):
    draw = random.Random(f"{kind} {seed}")
    name, other = draw.choice(list(BESIDE.items()))
    run = copy_of(place / name, tmp_path / "run")
    CHANGES[kind](run, draw)
    every = commands(place, run, place / other, tmp_path / "out")
    chosen = draw.sample(list(every), 4)
    chosen += [command for command in ("again", "dry run") if command in every]
    for command in chosen:
        before = {file: file.stat().st_size for file in run.iterdir() if file.is_file()}
        code, said = outcome(every[command])
        assert code in (0, 1, 2), command
        assert code != 2 or one_line(said), (command, said)
        if command not in ("again", "dry run"):  # who only reads changes nothing
            after = {file: file.stat().st_size for file in run.iterdir() if file.is_file()}
            assert after.items() >= {f: n for f, n in before.items() if "-" not in f.name}.items()
    code, said = served(str(run), str(place / "dataset"))
    assert code != 2 or one_line(said), said


@pytest.mark.parametrize("name", BESIDE)
def test_a_sound_run_is_never_called_damaged(name, place, tmp_path):
    run = copy_of(place / name, tmp_path / "run [1] *?")
    assert RunFolder(run).changed_file() is None
    assert damage([run], ValueError()) is None
    for command, arguments in commands(place, run, place / BESIDE[name], tmp_path / "out").items():
        code, said = outcome(arguments)
        assert "damaged" not in said, command
        assert "as vlsu wrote it" not in said, command
        assert code in (0, 2), (command, said)
    assert served(str(run), str(place / "dataset"))[0] == 0
    assert RunFolder(run).changed_file() is None


def test_what_cannot_be_read_names_the_file_that_was_changed(place, tmp_path):
    for name in ("metrics.json", "judgments.parquet", "run.yaml"):
        run = copy_of(place / "understanding", tmp_path / "run")
        with (run / name).open("ab") as file:
            file.write(b" ")
        assert RunFolder(run).changed_file() == run / name
        said = str(damage([place / "part", run], KeyError("x")))
        assert said.startswith(f"{run / name}: not as vlsu wrote it, and cannot be read (KeyError)")
    (run / "judgments.parquet").unlink()
    assert RunFolder(run).changed_file() == run / "run.yaml"


def test_a_defect_is_not_blamed_on_a_sound_run(place, tmp_path, monkeypatch, capsys):
    from vlsu.cli.app import run_command

    def broken(*arguments, **options):
        raise KeyError("ours")

    monkeypatch.setattr("vlsu.report.write_report", broken)
    command = ["report", str(place / "understanding"), "--out", str(tmp_path / "r.html")]
    with pytest.raises(KeyError):
        run_command(command)
    changed = copy_of(place / "understanding", tmp_path / "run")
    (changed / "metrics.json").write_text("{}")
    with pytest.raises(RunError, match="not as vlsu wrote it"):
        run_command(["report", str(changed), "--out", str(tmp_path / "r.html")])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda table: table.drop("outcome"), "column outcome is missing"),
        (lambda table: table.with_columns(outcome=1), "column outcome holds Int32"),
        (lambda table: table.with_columns(p_unsafe=pl.lit("x")), "column p_unsafe holds String"),
        (lambda table: pl.concat([table] * 4), "rows, of 360 at most"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(change, what, place, tmp_path):
    run = copy_of(place / "understanding", tmp_path / "run")
    file = run / "judgments.parquet"
    change(pl.read_parquet(file)).write_parquet(file)
    with pytest.raises(RunError, match=what):
        _ = load_run(run).judgments


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("dataset", {"content_hash": "x"}),
        ("model", "openai/x"),
        ("model", {"spec": 1, "identity": {}}),
        ("framings", ["default"]),
        ("judges", {}),
        ("requests", {"asked": "many", "reused": 0, "stored": 0}),
        ("outcomes", {"joint": {"ok": -1}}),
        ("limit", "all"),
        ("seed", 10**30),
        ("cost", "nan"),
    ],
)
def test_a_record_of_other_kinds_is_damaged(part, value, place, tmp_path):
    run = copy_of(place / "alignment", tmp_path / "run")
    record = {**load_run(run).record, part: value}
    RunFolder(run).write_record(record)
    with pytest.raises(RunError, match=r"run\.yaml: damaged"):
        load_run(run)


def test_a_table_of_a_billion_rows_is_refused_without_reading_it(place, tmp_path):
    run = copy_of(place / "understanding", tmp_path / "run")
    table = pl.read_parquet(run / "judgments.parquet").head(1)
    many = pl.concat([table] * 2000).sample(2_000_000, with_replacement=True)
    many.write_parquet(run / "judgments.parquet", row_group_size=2_000_000)
    code = f"""
import vlsu
from pathlib import Path

try:
    vlsu.load_run({str(run)!r}).judgments
except vlsu.VlsuError as error:
    print(error)
print(next(s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2000000 rows, of 360 at most" in done.stdout
    # Had they been read, they would have taken half a gigabyte more.
    assert int(done.stdout.split()[-2]) < 500_000


# The store


def stored(place, count=5):
    store = ResponseStore(place)
    for number in range(count):
        store.put(f"{number:032x}", Raw(200, b"body"), 1)
        store.put_usage(f"{number:032x}", "openai/x", Response(vlsu_outcome("ok")))
    store.close()


def trouble(file, work, **options):
    """What is said where a store cannot be opened, worked with or closed."""
    try:
        with closing(ResponseStore(file, **options)) as store:
            work(store)
    except RunError as error:
        return str(error)
    return ""


def vlsu_outcome(name):
    from vlsu.models.base import Outcome

    return Outcome(name)


@pytest.mark.parametrize("statements", STATEMENTS)
def test_a_store_that_was_not_made_so_is_never_queried(statements, tmp_path):
    file = tmp_path / "responses.sqlite"
    stored(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(statements)
    keys = [f"{number:032x}" for number in range(5)]

    def read(store):
        store.responses(keys)
        store.usage()
        store.error_counts()
        store.unanswered()

    def write(store):
        store.responses(keys)
        store.put("f" * 32, Raw(200, b"new"), 1)

    said = trouble(file, read, read_only=True)
    assert not said or "damaged" in said or "is no store" in said
    said = [trouble(file, write) for _ in range(3)]  # found when it is opened, or when it is read
    assert all("damaged" in each for each in said if each)
    assert said[-1] == ""
    again = ResponseStore(file, read_only=True)
    assert again.stored(["f" * 32])
    again.close()
    with closing(sqlite3.connect(file)) as connection:
        kinds = {kind for (kind,) in connection.execute("SELECT type FROM sqlite_schema")}
    assert kinds <= {"table", "index"}


def test_of_a_recursive_view_the_answers_beneath_are_kept(tmp_path):
    file = tmp_path / "responses.sqlite"
    stored(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(STATEMENTS[0])
    store = ResponseStore(file)
    assert store.count() == 5
    store.close()
    assert (tmp_path / "responses.sqlite.damaged-1").exists()


def test_a_function_in_a_schema_is_not_called(tmp_path):
    file = tmp_path / "responses.sqlite"
    stored(file)
    store = ResponseStore(file, read_only=True)
    assert store._reader.execute("PRAGMA trusted_schema").fetchone() == (0,)
    store.close()


# Other files of a run


def test_a_search_and_its_result(place, tmp_path):
    from vlsu.runs import read_tuning

    for seed in range(20):
        (tmp_path / "tuning.json").write_text(
            '{"front": ["a"], "framings": {"a": {"held_out": 1}}}'
        )
        change_json("tuning.json")(tmp_path, random.Random(seed))
        with contextlib.suppress(VlsuError):
            read_tuning(tmp_path)


def test_links_in_a_run_folder_lead_nowhere(place, tmp_path):
    run = copy_of(place / "baseline", tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    for name in (".metrics.json.1.tmp", ".judgments.parquet.00000.tmp", ".room.1.tmp"):
        (run / name).symlink_to(elsewhere)
    shutil.copy(place / "baseline" / "run.yaml", run / "run.yaml")
    (run / "metrics.json").unlink()
    (run / "metrics.json").symlink_to(elsewhere)
    again = vlsu.evaluate(place / "dataset", model="baseline/majority", out=run)
    assert again.metrics["n"] == 120
    assert elsewhere.read_text() == "precious"
    assert not Path(run / "metrics.json").is_symlink()
