"""What is written where: never over anything that is not this package's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_dataset
from tests.support.quirks import picture
from tests.support.report_runs import scripted_run
from vlsu import evaluate
from vlsu._folders import among_images
from vlsu.annotate.projects.creating import require_empty
from vlsu.build.folder.build import init
from vlsu.cli.demo import try_alignment
from vlsu.data import (
    Dataset,
    FindingKind,
    check_dataset,
    export_dataset,
    import_dataset,
    load,
    sample_dataset,
)
from vlsu.errors import DataError, RunError, UsageError, VlsuError
from vlsu.policy import default_policy
from vlsu.report import publish_figures, publish_tables, write_report
from vlsu.runs.alignment.validation import validate_judge

TEXT = "id,text,joint_grade\na,Is this a bridge?,safe\nb,Is this a river?,unsafe\n"
OTHER = "id,text,joint_grade\nc,Is this a kettle?,safe\n"


def imported(folder: Path, text: str = TEXT, **options: Any) -> Dataset:
    source = folder.parent / "pairs.csv"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    return import_dataset("csv", source, folder, **options).dataset


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- Datasets


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name", ["README.md", "notes.txt", "images/mine.png", ".git/config", "samples.parquet"]
)
def test_a_folder_that_holds_anything_else_is_not_written_to(
    tmp_path: Path, name: str, overwrite: bool
) -> None:
    folder = tmp_path / "D"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("mine")
    before = tree(folder)
    top = name.partition("/")[0]
    with pytest.raises(DataError, match=rf"D: holds other files \({top}\); choose a new or an"):
        imported(folder, overwrite=overwrite)
    with pytest.raises(DataError, match="holds other files"):
        sample_dataset(load("vlsu-mini"), folder, n=5, overwrite=overwrite)
    assert tree(folder) == before


def test_a_dataset_yaml_of_another_tool_is_no_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "D"
    folder.mkdir()
    (folder / "dataset.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    with pytest.raises(DataError, match=r"holds other files \(dataset.yaml\)"):
        imported(folder, overwrite=True)


def test_what_a_system_puts_into_a_folder_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "D"
    folder.mkdir()
    (folder / ".DS_Store").write_text("")
    (folder / ".gitkeep").write_text("")
    assert len(imported(folder)) == 2


def test_overwriting_replaces_a_datasets_files_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "D"
    imported(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "samples-of-mine.parquet").write_text("mine")
    with pytest.raises(DataError, match="holds a dataset already"):
        imported(folder, OTHER)
    assert [s.id for s in imported(folder, OTHER, overwrite=True)] == ["c"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "samples-of-mine.parquet").read_text() == "mine"
    assert "1 samples" in (folder / "README.md").read_text()
    (folder / "README.md").write_text("# My own words")
    imported(folder, overwrite=True)
    assert (folder / "README.md").read_text() == "# My own words"


def test_an_interrupted_import_leaves_nothing_half_made(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(picture(1))

    def interrupt(done: int, total: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    options: Any = {"images": tmp_path / "images", "progress": interrupt}
    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path / "new" / "D", **options)
    assert not (tmp_path / "new" / "D").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(KeyboardInterrupt):
        imported(empty, **options)
    assert not list(empty.iterdir())
    made = tmp_path / "made"
    imported(made)
    with pytest.raises(KeyboardInterrupt):
        imported(made, overwrite=True, **options)
    with pytest.raises(DataError, match="none of 1 rows"):
        imported(made, "id,text,joint_grade\na,b,x\n", overwrite=True)
    assert [sample.id for sample in load(made)] == ["a", "b"]


@pytest.mark.slow
def test_after_a_kill_the_same_command_goes_on(tmp_path: Path) -> None:
    images, source, out = tmp_path / "images", tmp_path / "pairs.csv", tmp_path / "D"
    images.mkdir()
    rows = [f"{n},Text {n},safe" for n in range(3_000)]
    for n in range(200):
        (images / f"{n}.png").write_bytes(picture(n))
    source.write_text("\n".join(["id,text,joint_grade", *rows, ""]))
    command = [sys.executable, "-m", "vlsu", "data", "import", "csv", source, "--out", out]
    process = subprocess.Popen([*map(str, command), "--images", str(images)])
    deadline = time.monotonic() + 60
    while not list(out.glob("images/*/*.png")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert out.exists()
    if not (out / "dataset.yaml").exists():
        with pytest.raises(DataError, match="not a finished dataset"):
            load(out)
    done = subprocess.run(
        [*map(str, command), "--images", str(images), "--overwrite"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert check_dataset(load(out)).counts.get(FindingKind.ORPHAN) is None
    assert len(load(out)) == 3_000
    assert not list(out.glob(".*.tmp"))


def test_a_kill_while_files_take_their_places_is_gone_on_from(tmp_path: Path) -> None:
    folder = tmp_path / "D"
    imported(folder)
    (folder / "dataset.yaml").unlink()
    (folder / ".dataset-unfinished").write_text("samples.parquet\nREADME.md\n../pairs.csv\n")
    (folder / "notes.txt").write_text("mine")
    assert [s.id for s in imported(folder, OTHER)] == ["c"]
    assert "1 samples" in (folder / "README.md").read_text()
    assert (tmp_path / "pairs.csv").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / ".dataset-unfinished").exists()


def test_a_link_in_the_place_of_the_images_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "D"
    folder.mkdir()
    (folder / "images").symlink_to(elsewhere)
    with pytest.raises(DataError, match="holds other files"):
        imported(folder)


def test_the_demo_replaces_no_dataset_but_its_own(tmp_path: Path) -> None:
    mine = make_dataset(tmp_path / "pairs")
    before = tree(mine.path)
    with pytest.raises(UsageError, match="pairs: holds another dataset; choose another --out"):
        try_alignment(mine.path, tmp_path / "alignment")
    assert tree(mine.path) == before


# --- Runs


def run_into(out: Path, data: Path) -> object:
    return evaluate(data, model="baseline/majority", out=out)


def test_a_run_is_not_written_into_a_dataset(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "D").path
    before = tree(data)
    with pytest.raises(RunError, match="D: is a dataset; choose another --out"):
        run_into(data, data)
    assert tree(data) == before


@pytest.mark.parametrize("name", ["metrics.json", "judgments.parquet"])
def test_results_that_are_no_runs_are_not_replaced(tmp_path: Path, name: str) -> None:
    data = make_dataset(tmp_path / "D").path
    out = tmp_path / "R"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(RunError, match=f"R: holds a {name} but no run"):
        run_into(out, data)
    assert tree(out) == {name: b"mine"}


# --- Files


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    scripted_run(make_dataset(folder / "D"), folder / "R")
    return folder


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("R/metrics.json", lambda made, file: write_report(_runs(made), file)),
        ("R/judgments.parquet", lambda made, file: export_dataset(load(made / "D"), "csv", file)),
        ("D/samples.parquet", lambda made, file: export_dataset(load(made / "D"), "parquet", file)),
        ("D/README.md", lambda made, file: write_report(_runs(made), file)),
        ("D", lambda made, file: export_dataset(load(made / "D"), "csv", file)),
    ],
)
def test_no_file_of_a_run_or_a_dataset_is_written_over(
    made: Path, name: str, write: Callable[[Path, Path], object]
) -> None:
    before = tree(made)
    with pytest.raises(UsageError) as refused:
        write(made, made / name)
    assert str(refused.value).startswith(f"{made / name}: is ")
    assert "--out" in str(refused.value)
    assert tree(made) == before


@pytest.mark.parametrize("name", ["images", "images/new", "images/new/deep", "link"])
@pytest.mark.parametrize(
    "write",
    [
        lambda made, out: run_into(out, made / "D"),
        lambda made, out: sample_dataset(load(made / "D"), out, n=2, overwrite=True),
        lambda made, out: export_dataset(load(made / "D"), "vlsu", out),
        lambda made, out: export_dataset(load(made / "D"), "csv", out),
        lambda made, out: write_report(_runs(made), out / "page.html"),
        lambda made, out: publish_tables(_runs(made), out),
        lambda made, out: publish_figures(_runs(made), out),
        lambda made, out: init(out, default_policy()),
        lambda made, out: require_empty(out),
    ],
    ids=["run", "sample", "vlsu", "csv", "report", "tables", "figures", "build", "project"],
)
def test_nothing_is_written_among_the_images_of_a_dataset(
    made: Path, tmp_path: Path, name: str, write: Callable[[Path, Path], object]
) -> None:
    folder = tmp_path / "D"
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    (folder / "link").symlink_to(folder / "images" / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(VlsuError, match=r"(lies among the images of the dataset .*D; |: is a )"):
        write(tmp_path, folder / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_links_in_a_circle_are_no_folder_of_images(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert among_images(tmp_path / "a" / "run") is None


def test_a_folder_called_images_is_no_datasets_everywhere(made: Path, tmp_path: Path) -> None:
    assert sample_dataset(load(made / "D"), tmp_path / "images" / "few", n=1).path.exists()


@pytest.mark.slow
def test_tables_and_figures_go_beside_others(made: Path, tmp_path: Path) -> None:
    (tmp_path / "main.tex").write_text("mine")
    publish_tables(_runs(made), tmp_path)
    publish_tables(_runs(made), tmp_path)
    publish_figures(_runs(made), tmp_path)
    assert (tmp_path / "main.tex").read_text() == "mine"


def test_a_device_is_no_file_to_write(made: Path, tmp_path: Path) -> None:
    # Renamed over, it would be gone for every program of the machine.
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is not a regular file"):
        export_dataset(load(made / "D"), "csv", pipe)
    assert pipe.is_fifo()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_replaces_an_export_and_nothing_else(
    made: Path, tmp_path: Path, format: str
) -> None:
    file = tmp_path / f"pairs.{format}"
    file.write_text(TEXT)
    with pytest.raises(
        UsageError, match="already exists and is no export of a dataset written by vlsu"
    ):
        export_dataset(load(made / "D"), format, file)
    assert file.read_text() == TEXT
    file.write_text("")
    first = export_dataset(load(made / "D"), format, file).read_bytes()
    for other in ("csv", "jsonl", "parquet"):
        export_dataset(load(made / "D"), other, file)
    assert export_dataset(load(made / "D"), format, file).read_bytes() == first


def test_a_calibration_replaces_a_calibration_and_nothing_else(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("response,label\nI can't help with that.,refusal\nSure.,no_refusal\n")
    before = labels.read_bytes()
    with pytest.raises(
        UsageError, match=r"labels.csv: already exists and is no calibration written by vlsu"
    ):
        validate_judge(labels, judge="judge/offline", out=labels)
    assert labels.read_bytes() == before
    for _ in range(2):
        validate_judge(labels, judge="judge/offline", out=tmp_path / "c.json")


def _runs(made: Path) -> list[Any]:
    from vlsu.runs import load_run

    return [load_run(made / "R")]


@pytest.mark.parametrize(
    ("name", "text"),
    [("page.html", "<!doctype html>\n<html><title>Mine</title>"), ("paper.tex", "% My paper\n")],
)
def test_a_report_replaces_a_report_and_no_page_or_paper_of_somebody(name, text, tmp_path):
    run = evaluate("vlsu-mini", model="baseline/majority", out=tmp_path / "R", limit=10)
    out = tmp_path / name
    out.write_text(text)
    with pytest.raises(
        UsageError, match=r"already exists and is no (page|LaTeX file) written by vlsu; choose"
    ):
        write_report(run, out)
    assert out.read_text() == text
    out.write_text("")
    first = write_report(run, out).read_bytes()
    out.write_bytes(first.replace(b"\n", b"\r\n"))  # as some tools and editors leave it
    assert write_report(run, out).read_bytes() == first
