"""A path is a path, whatever characters it holds: never a pattern, an address or a home."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import make_dataset
from tests.support.commands import vlsu
from vlsu.data import check_dataset, dataset_info, export_dataset, load, sample_dataset
from vlsu.data.parquet import literal, read_parquet, scan_parquet
from vlsu.runs import load_run

pytestmark = pytest.mark.slow

NAMES = [
    *("R [final]", "r?", "a*b", "{x}", "%20", "-leading", "größe 猫", "group=1", "back\\slash"),
    *("[!a]", "#1", "~", "$HOME", "file:", "a:b", "k[1]"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_by_its_very_path(name, tmp_path, monkeypatch):
    rows = pl.DataFrame({"a": ["x", "y"]})
    folder = tmp_path / name
    folder.mkdir()
    rows.write_parquet(literal(folder / "one.parquet"))
    rows.lazy().sink_parquet(literal(folder / "two.parquet"))
    assert {path.name for path in folder.iterdir()} == {"one.parquet", "two.parquet"}
    monkeypatch.chdir(tmp_path)
    for base in (folder, Path(name)):
        assert read_parquet(base / "one.parquet").equals(rows)
        both = scan_parquet([base / "one.parquet", base / "two.parquet"]).collect()
        assert both.equals(pl.concat([rows, rows]))


def test_a_pattern_that_would_match_other_folders_matches_none(tmp_path):
    for name in ("r1", "r2"):
        (tmp_path / name).mkdir()
        pl.DataFrame({"a": [name]}).write_parquet(tmp_path / name / "s.parquet")
    with pytest.raises(FileNotFoundError):
        scan_parquet(tmp_path / "r?" / "s.parquet")
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "r*" / "s.parquet")


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "s.parquet")
    for read in (scan_parquet, read_parquet):
        with pytest.raises(OSError, match="named pipe"):
            read(tmp_path / "s.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_lives_in_a_folder_of_any_name(name, tmp_path):
    dataset = make_dataset(tmp_path / name / "d")
    assert check_dataset(load(dataset.path)).ok
    assert dataset_info(dataset)["samples"] == 12
    drawn = sample_dataset(dataset, tmp_path / name / "drawn", n=6)
    assert len(list(drawn.samples())) == 6
    for form in ("csv", "jsonl", "parquet"):
        assert export_dataset(dataset, form, tmp_path / name / f"{name}.{form}").exists()


@pytest.mark.parametrize("name", ["R [final]", "-a*{x}? %20 ü"])
def test_a_run_is_read_again_and_kept_in_a_folder_of_any_name(name, tmp_path):
    decoy = tmp_path / "R f"  # what the name would match as a pattern
    for model, out in (("baseline/random", decoy), ("baseline/majority", tmp_path / name)):
        vlsu(
            *("run", "understanding", "vlsu-mini", "--model", model, "--limit", "20"),
            *("--out", str(out)),
            cwd=tmp_path,
        )
    run = load_run(tmp_path / name)
    assert set(run.judgments["predicted"].drop_nulls()) == {"borderline"}
    before = (tmp_path / name / "metrics.json").read_bytes()
    again = vlsu(
        *("run", "understanding", "vlsu-mini", "--model", "baseline/majority", "--limit", "20"),
        *("--out", f"./{name}"),
        cwd=tmp_path,
    )
    assert "damaged" not in again.stderr
    assert (tmp_path / name / "metrics.json").read_bytes() == before
    vlsu("report", f"./{name}", "--out", f"./{name}.html", cwd=tmp_path)
    assert (tmp_path / f"{name}.html").stat().st_size > 10_000
    vlsu("compare", f"./{name}", str(decoy), cwd=tmp_path)
    shutil.rmtree(decoy)
