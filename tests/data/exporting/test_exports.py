"""Exports, as the readers of their formats see them."""

import contextlib
import csv
import hashlib
import importlib.resources
import io
import json
import tarfile
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.features import Image as ImageFeature
from datasets.load import load_dataset
from huggingface_hub import DatasetCard
from PIL import Image

from tests.support.commands import vlsu
from tests.support.exported import make, picture
from vlsu.data import (
    COLUMNS,
    EXPORT_FORMATS,
    Dataset,
    ImageStore,
    Sample,
    diff_datasets,
    export_dataset,
    import_dataset,
    importers,
    load,
    write_dataset,
    write_export,
)
from vlsu.data.exporting import parquet, webdataset
from vlsu.data.exporting.content import Content
from vlsu.errors import DataError, UsageError

FILES = ("csv", "jsonl", "parquet")
FOLDERS = ("hf", "webdataset", "vlsu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("made") / "D")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` prepares goes to the test's folder, and nothing is looked for on the hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


# --- Hugging Face


def test_load_dataset_gives_pictures(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "hf", tmp_path / "X")
    rows = load_dataset(str(folder), split="test")
    assert rows.column_names == [*COLUMNS, "image"]
    assert isinstance(rows.features["image"], ImageFeature)
    assert [row and row.size for row in rows["image"]] == [(4, 3), (4, 3), None, (4, 3), (4, 3)]
    for row, expected in zip(rows.remove_columns("image"), made.rows(), strict=True):
        assert tuple(row[column] for column in COLUMNS) == expected


def test_the_bytes_of_images_are_those_that_were_added(made: Dataset, tmp_path: Path) -> None:
    file = export_dataset(made, "parquet", tmp_path / "x.parquet")
    for row in pl.read_parquet(file).iter_rows(named=True):
        if row["image_sha256"] is None:
            assert row["image"] is None
        else:
            assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["image_sha256"]
            assert row["image"]["path"].startswith(row["image_sha256"])


def test_one_parquet_file_has_pictures_without_a_card(made: Dataset, tmp_path: Path) -> None:
    file = export_dataset(made, "parquet", tmp_path / "x.parquet")
    rows = load_dataset("parquet", data_files=str(file), split="train")
    assert isinstance(rows[0]["image"], Image.Image)


def test_the_arrow_schema_is_what_pyarrow_makes_of_the_features() -> None:
    # The package has no Arrow library; its serialised schema is a file, made like this.
    fields = [(column, pa.string()) for column in COLUMNS]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    metadata = {"huggingface": orjson.dumps({"info": {"features": parquet.FEATURES}})}
    expected = pa.schema([*fields, ("image", image)], metadata=metadata)
    kept = importlib.resources.files("vlsu.data.exporting").joinpath("arrow-schema.bin")
    found = pa.ipc.read_schema(pa.py_buffer(kept.read_bytes()))
    assert found.equals(expected, check_metadata=True)


def test_the_card_is_valid_and_says_what_the_hub_asks(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "hf", tmp_path / "X")
    data = DatasetCard.load(folder / "README.md").data
    assert data.license == "cc-by-4.0"
    assert data.language == ["en", "fr"]
    assert data.size_categories == ["n<1K"]
    assert data.configs[0]["data_files"] == [{"split": "test", "path": "data/test-*.parquet"}]
    assert data.dataset_info["splits"][0]["num_examples"] == 5


def test_shards_are_closed_at_a_size_and_read_as_one(
    made: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "SHARD_ROWS", 2)
    content = Content(made)
    every_row = content.batches(rows=1)
    monkeypatch.setattr(content, "batches", lambda: every_row)
    shards = parquet.write_shards(content, tmp_path / "data")
    assert [path.name for path in shards] == [f"test-{n:05}-of-00003.parquet" for n in range(3)]
    frames = [pl.read_parquet(path) for path in shards]
    assert pl.concat(frames)["id"].to_list() == [sample.id for sample in made]


def test_no_statistics_repeat_an_image(made: Dataset, tmp_path: Path) -> None:
    file = export_dataset(made, "parquet", tmp_path / "x.parquet")
    group = pq.read_metadata(file).row_group(0)
    assert not any(group.column(n).is_stats_set for n in range(group.num_columns))


# --- WebDataset


def test_a_tar_has_the_members_of_a_sample_together(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "webdataset", tmp_path / "X")
    with tarfile.open(folder / "test-000000.tar") as tar:
        names = tar.getnames()
        assert names[:4] == ["000000000.json", "000000000.webp", "000000001.json", "000000001.png"]
        assert names[4:6] == ["000000002.json", "000000003.json"]  # one has no image
        member = tar.extractfile("000000001.json")
        assert member is not None
        row = json.load(member)
    assert tuple(row.values()) == list(made.rows())[1]


def test_load_dataset_reads_the_tar_though_formats_differ(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "webdataset", tmp_path / "X")
    rows = load_dataset(str(folder), split="test")
    assert [row["json"]["id"] for row in rows] == [sample.id for sample in made]
    assert rows[0]["webp"].size == (4, 3)
    assert (rows[1]["webp"], rows[1]["png"].size) == (None, (4, 3))


def test_tar_shards_are_closed_at_a_count(
    made: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webdataset, "SHARD_SAMPLES", 2)
    shards = webdataset.write_shards(Content(made), tmp_path)
    assert [path.name for path in shards] == [f"test-{n:06}.tar" for n in range(3)]


# --- The released CSV's shape


def test_the_vlsu_shape_has_its_nine_columns_and_the_images(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "vlsu", tmp_path / "X")
    with (folder / "VLSU.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:9] == [
        *("uuid", "web_path", "prompt", "image_grade", "consensus_text_grade"),
        *("consensus_combined_grade", "image_category", "text_category", "combined_category"),
    ]
    assert rows[1]["combined_category"] == "C9: Interpersonal Violence"
    assert rows[1]["web_path"] == "https://example.org/b.png"
    names = {path.name for path in (folder / "images").iterdir()}
    webp = hashlib.sha256(picture("WEBP")).hexdigest()
    assert names == {f"{webp}.webp", "b.png", "d.jpg", "e.png"}
    assert rows[0]["web_path"] == f"images/{webp}.webp"  # "a.1/x" is no file name


def test_a_dataset_of_the_release_has_nine_columns_and_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "VLSU.csv"
    source.write_text(
        "uuid,web_path,prompt,image_grade,consensus_text_grade,consensus_combined_grade,"
        "image_category,text_category,combined_category\n"
        'u1,https://example.org/1.png,"a\nb",safe,safe,unsafe,,,C9: Interpersonal Violence\n'
        "u2,https://example.org/2.png,c,borderline,safe,safe,C3: Drug Abuse,,\n",
        encoding="utf-8",
    )
    images = tmp_path / "images"
    images.mkdir()
    (images / "u1.png").write_bytes(picture("PNG"))
    (images / "u2.png").write_bytes(picture("PNG", "blue"))
    first = import_dataset("vlsu", source, tmp_path / "1", images=images).dataset
    folder = export_dataset(first, "vlsu", tmp_path / "X", have_right=True)
    assert (folder / "VLSU.csv").read_text() == source.read_text()
    again = import_dataset(
        "vlsu", folder / "VLSU.csv", tmp_path / "2", images=folder / "images"
    ).dataset
    assert again.info.content_hash == first.info.content_hash


# --- Re-import


#: Format -> the importer that reads it, as far as there is one.
IMPORTERS = {
    "csv": "csv",
    **{name: name for name in (*FILES, *FOLDERS) if name in importers.names()},
}
if "hf" not in IMPORTERS:
    del IMPORTERS["vlsu"]  # an importer of the file alone, without the columns that follow


@pytest.mark.parametrize("format", IMPORTERS)
def test_an_export_comes_back_to_the_same_content_hash(
    made: Dataset, tmp_path: Path, format: str
) -> None:
    out = export_dataset(made, format, tmp_path / f"x.{format}")
    images = made.path / "images" if format in ("csv", "jsonl") else None
    again = import_dataset(IMPORTERS[format], out, tmp_path / "2", images=images).dataset
    assert again.info.content_hash == made.info.content_hash


# --- What image files say beside their pictures


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two samples of a turned photo that says where it was taken, one of a plain picture."""
    folder = tmp_path_factory.mktemp("placed") / "D"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "SECRET"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((48, 32)).save(buffer, "JPEG", exif=exif)
    store = ImageStore(folder)
    photo, plain = store.add(buffer.getvalue()), store.add(picture("PNG"))
    samples = [
        Sample("a", "x", image_sha256=photo),
        Sample("b", "y", image_sha256=photo),
        Sample("c", "z", image_sha256=plain),
    ]
    return write_dataset(
        folder, samples, name="made", version="1", licence="", citation="", source=""
    )


@pytest.mark.parametrize("format", ["hf", "parquet", "webdataset", "vlsu"])
def test_places_are_left_out_of_an_export_and_it_comes_back_as_exported(
    placed: Dataset, tmp_path: Path, format: str
) -> None:
    kept = write_export(placed, format, tmp_path / "kept" / f"x.{format}")
    assert (kept.placed, kept.stripped) == (2, 0)
    assert kept.content_hash == placed.info.content_hash

    made = write_export(placed, format, tmp_path / "bare" / f"x.{format}", strip_metadata=True)
    assert (made.placed, made.stripped, made.converted) == (0, 2, 0)
    folder = made.out.parent if format == "parquet" else made.out
    tree = json.loads((folder / "croissant.json").read_text())["vlsu:export"]
    assert tree["vlsu:contentHash"] == made.content_hash != placed.info.content_hash
    assert tree["vlsu:metadataRemoved"] == 2
    assert "Metadata was removed from the images of 2" in (folder / "DATASHEET.md").read_text()

    again = import_dataset(IMPORTERS[format], made.out, tmp_path / "2").dataset
    assert again.info.content_hash == made.content_hash
    assert diff_datasets(placed, again).columns == {"image_sha256": 2}
    for path in again.images.files():
        assert b"SECRET" not in path.read_bytes()


def test_loaded_pictures_of_a_stripped_export_stand_upright(
    placed: Dataset, tmp_path: Path
) -> None:
    out = export_dataset(placed, "hf", tmp_path / "X", strip_metadata=True)
    image = load_dataset(str(out), split="test")[0]["image"]
    assert image.size == (32, 48)
    assert 0x8825 not in image.getexif()


def test_the_command_says_what_images_say(placed: Dataset, tmp_path: Path) -> None:
    command = ("data", "export", placed.path, "--format", "hf", "--out", tmp_path / "X")
    assert "images of 2 of 3 samples say where they were taken" in vlsu(*command).stderr
    done = vlsu(*command, "--strip-metadata")
    assert "metadata was removed from the images of 2 samples" in done.stderr
    table = ("data", "export", placed.path, "--out", tmp_path / "x.csv", "--strip-metadata")
    assert "csv carries no images" in vlsu(*table, expect=2).stderr


# --- Licences


@pytest.mark.parametrize("format", [*EXPORT_FORMATS])
def test_a_restricted_licence_stops_every_format(format: str, tmp_path: Path) -> None:
    restricted = make(tmp_path / "D", licence="CC-BY-NC-ND")
    with pytest.raises(UsageError, match=r"CC-BY-NC-ND \(non-commercial, no-derivatives\).*right"):
        export_dataset(restricted, format, tmp_path / "X")
    assert not (tmp_path / "X").exists()


def test_gated_data_are_not_exported_and_croissant_forbids_their_distribution(
    tmp_path: Path,
) -> None:
    gated = make(tmp_path / "D", licence="gated: see the terms of the source")
    with pytest.raises(UsageError, match=r"\(no-redistribution\).*--i-have-the-right"):
        export_dataset(gated, "hf", tmp_path / "X")
    made = write_export(gated, "hf", tmp_path / "X", have_right=True)
    tree = json.loads((tmp_path / "X" / "croissant.json").read_text())
    assert made.right_stated
    assert tree["usageInfo"]["odrl:prohibition"]["odrl:action"] == {"@id": "odrl:distribute"}


@pytest.mark.parametrize("name", ["vlguard", "holisafe", "hateful-memes"])
def test_gated_benchmarks_are_not_passed_on(name: str, tmp_path: Path) -> None:
    gated = make(tmp_path / "D", licence=importers.get(name).licence)
    with pytest.raises(UsageError, match=r"no-redistribution\).*right"):
        export_dataset(gated, "hf", tmp_path / "X")
    export_dataset(gated, "hf", tmp_path / "X", have_right=True)
    usage = json.loads((tmp_path / "X" / "croissant.json").read_text())["usageInfo"]
    assert usage["odrl:prohibition"]["odrl:action"] == {"@id": "odrl:distribute"}


@pytest.mark.parametrize("format", ["csv", *FOLDERS])
def test_the_stated_right_is_in_the_export(format: str, tmp_path: Path) -> None:
    restricted = make(tmp_path / "D", licence="CC BY-NC 4.0")
    made = write_export(restricted, format, tmp_path / "E" / "X", have_right=True)
    assert made.right_stated
    folder = tmp_path / "E" if format == "csv" else tmp_path / "E" / "X"
    tree = json.loads((folder / "croissant.json").read_text())
    assert tree["vlsu:export"]["vlsu:rightStated"] is True
    assert "--i-have-the-right" in tree["usageInfo"]["description"]
    assert "--i-have-the-right" in (folder / "DATASHEET.md").read_text()
    if format != "csv":
        assert "--i-have-the-right" in (folder / "README.md").read_text()


def test_the_licence_of_a_single_image_counts(tmp_path: Path) -> None:
    rows = [
        Sample("a", "x", metadata={"unsafe_image_license": "CC BY-NC 2.0", "n": 1}),
        Sample("b", "y", metadata={"unsafe_image_license": 'CC0 "plain"', "text": "by-nc-nd"}),
        Sample("c", "z", metadata={"deep": {"licence": "CC BY-NC 2.0"}}),
    ]
    dataset = write_dataset(
        tmp_path / "D", rows, name="n", version="1", licence="MIT", citation="", source=""
    )
    with pytest.raises(
        UsageError, match=r"licence of 2 samples is CC BY-NC 2\.0 \(non-commercial\)"
    ):
        export_dataset(dataset, "csv", tmp_path / "x.csv")
    assert write_export(dataset, "csv", tmp_path / "x.csv", have_right=True).right_stated
    sheet = (tmp_path / "DATASHEET.md").read_text()
    assert "| CC BY-NC 2.0 | 2 |" in sheet.splitlines()
    assert '| CC0 "plain" | 1 |' in sheet.splitlines()
    assert "CC BY-NC 2.0: non-commercial" in sheet


def test_a_right_that_is_not_needed_is_not_recorded(made: Dataset, tmp_path: Path) -> None:
    assert not write_export(made, "csv", tmp_path / "x.csv", have_right=True).right_stated
    assert "i-have-the-right" not in (tmp_path / "croissant.json").read_text()


# --- Places


@pytest.mark.parametrize("format", FOLDERS)
def test_a_folder_is_replaced_only_if_it_is_an_export(
    made: Dataset, tmp_path: Path, format: str
) -> None:
    folder = tmp_path / "X"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files and is no export"):
        export_dataset(made, format, folder)
    assert (folder / "mine.txt").read_text() == "mine"
    (folder / "mine.txt").unlink()
    for each in (format, *FOLDERS):
        export_dataset(made, each, folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files and is no export"):
        export_dataset(made, format, folder)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["X"]


def test_documents_of_two_files_in_a_folder_do_not_replace_each_other(
    made: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "DATASHEET.md").write_text("mine")
    first = write_export(made, "csv", tmp_path / "x.csv")
    second = write_export(made, "jsonl", tmp_path / "x.jsonl")
    assert [path.name for path in first.files] == [
        *("x.csv", "croissant.json", "x.csv.DATASHEET.md")
    ]
    assert [path.name for path in second.files] == [
        *("x.jsonl", "x.jsonl.croissant.json", "x.jsonl.DATASHEET.md")
    ]
    assert write_export(made, "csv", tmp_path / "x.csv").files == first.files
    assert (tmp_path / "DATASHEET.md").read_text() == "mine"


@pytest.mark.parametrize("deep", ["", "d" * 200])
def test_a_failed_export_leaves_nothing(tmp_path: Path, deep: str) -> None:
    damaged = make(tmp_path / deep / "D")
    for path in damaged.images.files():
        path.write_bytes(b"")
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
    for format, name in (("hf", "X"), ("parquet", "x.parquet"), ("webdataset", "W")):
        said = r"sample 'a\.1/x': image [0-9a-f]{12}: .*symbolic link.*check the file"
        with pytest.raises(DataError, match=said):
            export_dataset(damaged, format, tmp_path / "out" / name)
    assert list((tmp_path / "out").iterdir()) == []


def test_images_that_are_not_there_are_counted(tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path / "D",
        [Sample("a", "x", image_sha256="0" * 64), Sample("b", "y", image_url="https://e.org/1")],
        name="n",
        version="1",
        licence="CC0",
        citation="",
        source="",
    )
    assert write_export(dataset, "hf", tmp_path / "X").without_image == 2
    assert pl.read_parquet(tmp_path / "X" / "data")["image"].null_count() == 2


def test_a_dataset_without_rows_is_exported(tmp_path: Path) -> None:
    empty = write_dataset(
        tmp_path / "D", [], name="n", version="1", licence="CC0", citation="", source=""
    )
    for format in ("csv", "jsonl", "parquet", *FOLDERS):
        assert write_export(empty, format, tmp_path / f"x-{format}").samples == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b", "x" * 300, "file/X", "D"])
@pytest.mark.parametrize("format", ["csv", "parquet", "hf"])
def test_a_place_that_is_none_is_one_line(tmp_path: Path, format: str, name: str) -> None:
    made = make(tmp_path / "D")
    (tmp_path / "file").write_text("mine")
    with contextlib.chdir(tmp_path), pytest.raises((UsageError, DataError)) as refused:
        export_dataset(made, format, name)
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["D", "file"]


# --- The command


def test_the_command_exports_and_says_what_is_missing(made: Dataset, tmp_path: Path) -> None:
    done = vlsu("data", "export", made.path, "--format", "hf", "--out", tmp_path / "X", "--json")
    report = json.loads(done.stdout)
    assert (report["samples"], report["without_image"]) == (5, 1)
    assert "1 of 5 samples have no image" in done.stderr
    assert "vlsu data datasheet" in done.stderr
    restricted = make(tmp_path / "R", licence="CC-BY-NC-ND")
    command = ("data", "export", restricted.path, "--out", tmp_path / "x.csv")
    assert "--i-have-the-right" in vlsu(*command, expect=2).stderr
    assert "you stated" in vlsu(*command, "--i-have-the-right").stderr
    assert load(restricted.path).info == restricted.info


def test_pictures_of_an_export_open_as_such(made: Dataset, tmp_path: Path) -> None:
    folder = export_dataset(made, "webdataset", tmp_path / "X")
    with tarfile.open(folder / "test-000000.tar") as tar:
        for member in tar:
            data = tar.extractfile(member)
            assert data is not None
            if not member.name.endswith(".json"):
                assert Image.open(io.BytesIO(data.read())).size == (4, 3)
