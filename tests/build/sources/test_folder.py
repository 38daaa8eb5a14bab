"""``folder:PATH``: which images it offers, what it says of them, and what it leaves out."""

from __future__ import annotations

import hashlib
import json
import logging

import polars as pl
import pytest

import vlsu
from tests.support.gallery import PICTURES, gallery
from vlsu.build.sources.base import LocalSource, RemoteSource, open_source
from vlsu.build.sources.fields import FROM_NAME
from vlsu.build.sources.folder import FolderSource, words_of
from vlsu.errors import DataError, UsageError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bytes of a few real images."""
    folder = gallery(tmp_path_factory.mktemp("gallery") / "g", 5)
    return [path.read_bytes() for path in sorted((folder / "images").iterdir())]


def folder_source(folder, options="") -> FolderSource:
    source = open_source(f"folder:{folder}{options}")
    assert isinstance(source, FolderSource)
    return source


def offered(folder, options=""):
    return {each.id: each for each in folder_source(folder, options).candidates()}


def test_the_gallery_of_the_tests_offers_every_image_of_the_bundled_dataset(tmp_path):
    source = open_source(f"folder:{gallery(tmp_path / 'g')}")
    assert isinstance(source, LocalSource)
    assert not isinstance(source, RemoteSource)
    found = list(source.candidates())
    assert len(found) == len({each.id for each in found}) == PICTURES
    assert all(each.caption and each.licence for each in found)
    mini = vlsu.load("vlsu-mini")
    hashes = {hashlib.sha256(source.read(each)).hexdigest() for each in found}
    assert hashes == {sample.image_sha256 for sample in mini}
    assert found == list(source.candidates())  # the same order each time


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_says_what_an_image_shows_and_whose_it_is(tmp_path, pictures, form):
    (tmp_path / "one.jpg").write_bytes(pictures[0])
    row = {
        "file_name": "one.jpg",
        "Caption": "A red bridge",
        "license": "CC BY 4.0",
        "Creator": "A. Painter",
        "source_url": "https://photos.example/1",
        "width": "640",
        "camera": "box",
    }
    table = pl.DataFrame([row])
    write = {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}[form]
    getattr(table, write)(tmp_path / f"metadata.{form}")
    (found,) = offered(tmp_path).values()
    assert (found.caption, found.licence, found.author) == (
        *("A red bridge", "CC BY 4.0"),
        "A. Painter",
    )
    assert (found.page, found.width, found.url) == ("https://photos.example/1", 640, None)
    assert found.about == {"camera": "box"}


def test_options_name_columns_and_what_holds_where_a_row_says_nothing(tmp_path, pictures):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(pictures[0])
    (tmp_path / "metadata.csv").write_text(
        "file_name,caption,what,rights\na.png,no,A tower,CC0-1.0\nb.png,no,A gate,\n"
    )
    found = offered(tmp_path, "?caption=what&default_licence=CC-BY-4.0&default_author=A%26B")
    assert [each.caption for each in found.values()] == ["A tower", "A gate"]
    assert [each.licence for each in found.values()] == ["CC0-1.0", "CC-BY-4.0"]
    assert {each.author for each in found.values()} == {"A&B"}


def test_files_beside_an_image_describe_it(tmp_path, pictures):
    for name in ("a.png", "b.png", "c.jpg"):
        (tmp_path / name).write_bytes(pictures[0])
    (tmp_path / "a.txt").write_text(" A market\nin the rain \n")
    (tmp_path / "b.png.json").write_text(
        json.dumps({"title": "Harbour", "tags": ["boat", "rope"], "license": "CC0-1.0"})
    )
    found = offered(tmp_path)
    assert found["a.png"].caption == "A market in the rain"
    assert (found["b.png"].caption, found["b.png"].licence) == ("Harbour. boat, rope", "CC0-1.0")
    assert found["c.jpg"].caption == ""


def test_names_of_files_and_folders_are_the_last_resort(tmp_path, pictures):
    (tmp_path / "harbour").mkdir()
    (tmp_path / "harbour" / "old_bridge-02.png").write_bytes(pictures[0])
    (found,) = offered(tmp_path).values()
    assert found.caption == "harbour old bridge"
    assert found.about == {FROM_NAME: True}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("IMG_2031.jpg", ""),
        ("images/DSC00012.JPG", ""),
        ("3f2a9c0011ee.png", ""),
        ("cats/0001.jpg", "cats"),
        ("0007-cup-of-coffee.png", "cup of coffee"),
        ("写真/橋.png", "写真 橋"),
    ],
)
def test_names_that_programs_give_say_nothing(path, words):
    assert words_of(path) == words


def test_a_table_of_a_folder_below_names_images_relative_to_itself(tmp_path, pictures):
    (tmp_path / "train" / "deep").mkdir(parents=True)
    (tmp_path / "train" / "deep" / "x.png").write_bytes(pictures[0])
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text\ndeep/x.png,A lamp\n")
    found = offered(tmp_path)
    assert list(found) == ["train/deep/x.png"]  # once, though the walk meets it again
    assert found["train/deep/x.png"].caption == "A lamp"


def test_what_cannot_be_offered_is_counted_and_logged_by_its_place(tmp_path, pictures, caplog):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(pictures[0])
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "a.png").write_bytes(pictures[0])
    (inside / "a.json").write_text("[1, 2]")
    (inside / ".hidden.png").write_bytes(pictures[0])
    (inside / "metadata.csv").write_text(
        "file_name,caption\n../secret.png,words kept out of logs\nnone.png,x\nlink.png,x\n"
    )
    source = folder_source(inside)
    with caplog.at_level(logging.WARNING):
        assert [each.id for each in source.candidates()] == ["a.png"]
    assert source.left_out.counts() == {
        "the table's image does not exist": 3,
        "links are not followed": 1,
        "no JSON object in the file beside it": 1,
    }
    assert "metadata.csv row 2 and 2 more" in caplog.text
    assert "words kept out" not in caplog.text


def test_rows_that_cannot_be_read_are_counted(tmp_path, pictures):
    (tmp_path / "a.png").write_bytes(pictures[0])
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "A lamp"}\n{"file\n\n')
    source = folder_source(tmp_path)
    assert [each.caption for each in source.candidates()] == ["A lamp"]
    assert source.left_out.counts() == {"a row: not valid JSON": 1}


def test_no_candidate_leads_out_of_the_folder(tmp_path, pictures):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(pictures[0])
    (tmp_path / "secret.png").write_bytes(pictures[0])
    source = folder_source(tmp_path / "in")
    (found,) = source.candidates()
    for name in ("../secret.png", str(tmp_path / "secret.png"), "gone.png"):
        forged = type(found)(id=name, source=found.source)
        with pytest.raises(DataError, match="cannot be read"):
            source.read(forged)


def test_its_identity_changes_with_what_it_depends_on(tmp_path, pictures):
    (tmp_path / "a.png").write_bytes(pictures[0])
    source = open_source(f"folder:{tmp_path}")
    before = source.identity()
    (tmp_path / "notes.md").write_text("not read")
    assert source.identity() == before
    (tmp_path / "a.txt").write_text("A tower")
    after = source.identity()
    assert after != before
    assert after["files"] == 2
    assert json.loads(json.dumps(after)) == after


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "names no source"),
        ("folder:", "names no path"),
        ("folder:{tmp}/none", "no such folder"),
        ("folder:{tmp}/file", "is a file"),
        ("folder:{tmp}?captoin=x", "did you mean 'caption'"),
        ("folder:{tmp}?caption=", "no value"),
        ("folder:{tmp}?caption=a&caption=b", "given twice"),
        ("foldr:{tmp}", "did you mean 'folder'"),
    ],
)
def test_a_wrong_spec_gets_one_line(tmp_path, spec, message):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message):
        open_source(spec.replace("{tmp}", str(tmp_path)))


def test_a_column_that_does_not_exist_is_named(tmp_path, pictures):
    (tmp_path / "a.png").write_bytes(pictures[0])
    (tmp_path / "metadata.csv").write_text("file_name,caption\na.png,x\n")
    with pytest.raises(UsageError, match=r"no column 'alt' .*found: caption, file_name"):
        offered(tmp_path, "?caption=alt")


def test_a_folder_of_a_dataset_is_sent_to_the_other_source():
    with pytest.raises(UsageError, match="write dataset:"):
        open_source(f"folder:{vlsu.load('vlsu-mini').path}")


def test_a_question_mark_in_the_name_of_a_folder_is_no_option(tmp_path, pictures):
    folder = tmp_path / "what?caption=alt"
    folder.mkdir()
    (folder / "a.png").write_bytes(pictures[0])
    assert list(offered(folder)) == ["a.png"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_that_cannot_be_read_is_said_to_be_damaged(tmp_path, pictures, form):
    """And not to lack a column: there is none in what cannot be read."""
    (tmp_path / "a.png").write_bytes(pictures[0])
    (tmp_path / f"metadata.{form}").write_bytes(b"PAR1\xff\x00cut short")
    with pytest.raises(DataError, match=rf"metadata\.{form}") as caught:
        list(folder_source(tmp_path).candidates())
    assert "no column" not in str(caught.value)


def test_a_table_without_a_column_of_names_is_told_to_name_it(tmp_path, pictures):
    (tmp_path / "a.png").write_bytes(pictures[0])
    (tmp_path / "metadata.csv").write_text("picture,caption\na.png,A tower\n")
    with pytest.raises(DataError, match="no column file_name"):
        list(folder_source(tmp_path).candidates())
