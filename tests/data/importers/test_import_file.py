"""What an import leaves beside the dataset, what strict refuses, and where nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import vlsu
from tests.support.quirks import picture
from vlsu.data import import_dataset, load, sample_dataset
from vlsu.errors import DataError, UsageError

TABLE = "id,text,image,joint_grade\n" + "".join(
    f"{n},text {n},{n}.png,{'safe' if n % 3 else f'what is this {n}'}\n" for n in range(60)
)


def import_table(folder: Path, **options: Any) -> dict[str, Any]:
    """The content of ``import.json``."""
    (folder / "table.csv").write_text(TABLE)
    import_dataset("csv", folder / "table.csv", folder / "out", overwrite=True, **options)
    tree: dict[str, Any] = json.loads((folder / "out/import.json").read_text())
    return tree


def test_all_rejected_rows_are_in_the_file(tmp_path: Path) -> None:
    tree = import_table(tmp_path)
    assert [row["line"] for row in tree["rejected"]] == list(range(2, 62, 3))
    assert tree["rejected"][0] == {
        "line": 2,
        "reason": "unknown grade (joint)",
        "value": "'what is this 0'",
    }
    assert tree["counts"]["rejected"] == {"unknown grade (joint)": 20}
    assert tree["rows_read"] == 60
    assert tree["imported"] == 40
    assert tree["content_hash"] == load(tmp_path / "out").info.content_hash


def test_corrected_rows_are_in_it_too(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/1.png").write_bytes(picture(1))
    tree = import_table(tmp_path, images=tmp_path / "images")
    missing = [row for row in tree["fixed"] if row["note"] == "image missing"]
    assert len(missing) == 39
    assert missing[0] == {"line": 4, "note": "image missing", "value": "'2.png'"}


def test_a_dataset_that_replaces_it_takes_the_file_away(tmp_path: Path) -> None:
    import_table(tmp_path)
    drawn = sample_dataset(load(tmp_path / "out"), tmp_path / "drawn", n=10)
    (drawn.path / "import.json").write_text("{}")
    sample_dataset(load(tmp_path / "out"), drawn.path, n=5, overwrite=True)
    assert not (drawn.path / "import.json").exists()


@pytest.mark.parametrize("options", [{}, {"images": "images"}])
def test_strict_refuses_an_image_that_was_not_found(options: Any, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "table.csv").write_text("id,text,image\n1,x,a.png\n")
    options = {name: tmp_path / value for name, value in options.items()}
    with pytest.raises(DataError, match="image"):
        import_dataset("csv", tmp_path / "table.csv", tmp_path / "out", strict=True, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["README.md", "notes.txt", "images/mine.png", "samples.parquet"])
def test_a_folder_with_other_files_is_never_written_to(
    name: str, overwrite: bool, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    folder = tmp_path / "mine"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        import_dataset("csv", tmp_path / "table.csv", folder, overwrite=overwrite)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [Path(name).name]
    assert (folder / name).read_text() == "mine"


def test_the_users_readme_in_the_current_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "table.csv").write_text(TABLE)
    for more in ([], ["--overwrite"]):
        command = ("data", "import", "csv", "table.csv", "--out", ".", *more)
        done = vlsu(*command, expect=2, cwd=tmp_path)
        assert "holds other files" in done.stderr
    assert (tmp_path / "README.md").read_text() == "mine"


def test_the_command_says_what_the_licence_forbids(tmp_path: Path) -> None:
    made = Path(__file__).parent / "made/siuo"
    done = vlsu("data", "import", "siuo", made, "--out", tmp_path / "out")
    assert "licence of the data: CC-BY-NC-4.0 (non-commercial)" in done.stderr
    done = vlsu("data", "import", "siuo", made, "--out", tmp_path / "2", "--json")
    assert json.loads(done.stdout)["restrictions"] == ["non-commercial"]


def test_a_grade_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    with pytest.raises(UsageError, match="no such grade"):
        import_dataset("csv", tmp_path / "table.csv", tmp_path / "out", grades={"a": "bad"})
