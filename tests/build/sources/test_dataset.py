"""``dataset:PATH``: the same images and captions, in whatever form a dataset comes."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import logging
import tarfile

import polars as pl
import pytest

import vlsu
from tests.data.fetching.image_server import response, serving
from tests.support.gallery import PICTURES, gallery
from tests.support.image_files import saved
from vlsu.build.sources.base import Access, LocalSource, SourceError, open_source
from vlsu.build.sources.dataset import DatasetSource
from vlsu.build.sources.fields import OF_DATASET
from vlsu.build.sources.vlsu_dataset import VlsuSource
from vlsu.data import Sample, write_dataset
from vlsu.errors import DataError, UsageError

CAPTIONS = ["A red bridge", "Cups on a table", "Night train"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[bytes]:
    """Three real images."""
    folder = gallery(tmp_path_factory.mktemp("dataset") / "g", 3)
    return [path.read_bytes() for path in sorted((folder / "images").iterdir())]


def opened(path, options="", access=None) -> DatasetSource:
    source = open_source(f"dataset:{path}{options}", access)
    assert isinstance(source, LocalSource)
    assert isinstance(source, DatasetSource)
    return source


def what_it_offers(source):
    return [(each.caption, source.read(each)) for each in source.candidates()]


def rows_of(pictures):
    return [
        {"caption": caption, "license": "CC0-1.0", "creator": f"P{n}"}
        for n, caption in enumerate(CAPTIONS)
    ]


# The forms


def as_parquet_of_structs(folder, pictures):
    """As `datasets` writes a column of the type Image."""
    rows = rows_of(pictures)
    frame = pl.DataFrame(rows).with_columns(
        image=pl.Series([{"bytes": data, "path": None} for data in pictures])
    )
    (folder / "data").mkdir()
    frame[:2].write_parquet(folder / "data" / "train-00000-of-00002.parquet")
    frame[2:].write_parquet(folder / "data" / "train-00001-of-00002.parquet")


def as_parquet_of_bytes(folder, pictures):
    pl.DataFrame(rows_of(pictures)).with_columns(jpg=pl.Series(pictures)).write_parquet(
        folder / "all.parquet"
    )


def as_webdataset(folder, pictures, mode="w", name="000.tar"):
    with tarfile.open(folder / name, mode) as archive:
        for n, (row, data) in enumerate(zip(rows_of(pictures), pictures, strict=True)):
            text = {key: value for key, value in row.items() if key != "caption"}
            members = {
                "json": json.dumps(text).encode(),
                "png": data,
                "txt": CAPTIONS[n].encode(),
            }
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"{n:06}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def as_compressed_webdataset(folder, pictures):
    as_webdataset(folder, pictures, "w:gz", "000.tar.gz")


def as_saved_by_datasets(folder, pictures):
    """As `Dataset.save_to_disk` writes it."""
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "train"})
    )
    (folder / "dataset_info.json").write_text("{}")
    frame = pl.DataFrame(rows_of(pictures)).with_columns(
        image=pl.Series([{"bytes": data, "path": None} for data in pictures])
    )
    frame.write_ipc_stream(folder / "data-00000-of-00001.arrow")


def as_image_folder(folder, pictures):
    """As `datasets` reads one: a table and the files that it names, relative to it."""
    (folder / "train").mkdir()
    with (folder / "train" / "metadata.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["file_name", "caption", "license", "creator"])
        table.writeheader()
        for n, row in enumerate(rows_of(pictures)):
            (folder / "train" / f"{n}.png").write_bytes(pictures[n])
            table.writerow({"file_name": f"{n}.png", **row})


def as_lines_with_base64(folder, pictures):
    lines = [
        json.dumps({**row, "image": base64.b64encode(data).decode()})
        for row, data in zip(rows_of(pictures), pictures, strict=True)
    ]
    (folder / "all.jsonl").write_text("\n".join(lines))


def as_lines_with_paths(folder, pictures):
    (folder / "deep" / "images").mkdir(parents=True)
    lines = []
    for n, row in enumerate(rows_of(pictures)):
        (folder / "deep" / "images" / f"{n}.png").write_bytes(pictures[n])
        lines.append(json.dumps({**row, "image": f"/elsewhere/images/{n}.png"}))
    (folder / "all.jsonl").write_text("\n".join(lines))


FORMS = [
    *(as_parquet_of_structs, as_parquet_of_bytes, as_webdataset, as_compressed_webdataset),
    *(as_saved_by_datasets, as_image_folder, as_lines_with_base64, as_lines_with_paths),
]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_is_offered_in_every_form(tmp_path, pictures, form):
    form(tmp_path, pictures)
    source = opened(tmp_path)
    assert what_it_offers(source) == list(zip(CAPTIONS, pictures, strict=True))
    found = list(source.candidates())
    assert len({each.id for each in found}) == 3
    assert [(each.licence, each.author) for each in found] == [
        ("CC0-1.0", f"P{n}") for n in range(3)
    ]
    again = opened(tmp_path)
    for each in reversed(found):  # in any order, and by another process
        assert again.read(each) == pictures[found.index(each)]
    assert again.identity() == source.identity()
    assert source.left_out.counts() == {}
    source.close()
    again.close()


def test_a_single_file_is_a_dataset_too(tmp_path, pictures):
    as_parquet_of_bytes(tmp_path, pictures)
    source = opened(tmp_path / "all.parquet")
    assert [each.id for each in source.candidates()] == [f"all.parquet#{n}" for n in (1, 2, 3)]


def test_columns_are_named_by_options(tmp_path, pictures):
    pl.DataFrame({"what": CAPTIONS, "small": pictures, "large": pictures[::-1]}).write_parquet(
        tmp_path / "all.parquet"
    )
    source = opened(tmp_path, "?caption=what&image=large&default_licence=MIT")
    assert what_it_offers(source) == list(zip(CAPTIONS, pictures[::-1], strict=True))
    assert {each.licence for each in source.candidates()} == {"MIT"}
    with pytest.raises(DataError, match=r"no column 'huge' \(image=huge\); found: what, small"):
        opened(tmp_path, "?image=huge")
    with pytest.raises(UsageError, match=r"no column 'title' \(caption=title\)"):
        list(opened(tmp_path, "?caption=title").candidates())


def test_a_parquet_file_of_nothing_but_images(tmp_path, pictures):
    pl.DataFrame({"image": pictures}).write_parquet(tmp_path / "a.parquet")
    assert what_it_offers(opened(tmp_path)) == [("", data) for data in pictures]


def test_of_several_images_in_a_row_the_first_is_taken(tmp_path, pictures):
    structs = [[{"bytes": data, "path": None} for data in pictures[n:]] for n in range(3)]
    pl.DataFrame({"images": structs, "caption": CAPTIONS}).write_parquet(tmp_path / "a.parquet")
    assert what_it_offers(opened(tmp_path)) == list(zip(CAPTIONS, pictures, strict=True))


def test_a_row_whose_image_is_missing_is_found_out_when_it_is_read(tmp_path, pictures):
    frame = pl.DataFrame({"image": [pictures[0], None, b""], "caption": CAPTIONS})
    frame.write_parquet(tmp_path / "a.parquet")
    source = opened(tmp_path)
    first, *others = source.candidates()
    assert source.read(first) == pictures[0]
    for n, each in enumerate(others, 2):
        with pytest.raises(SourceError, match=f"row {n} holds no image") as caught:
            source.read(each)
        assert CAPTIONS[n - 1] not in str(caught.value)


def test_data_uris_and_names_in_one_table(tmp_path, pictures):
    uri = f"data:image/png;base64,{base64.b64encode(pictures[0]).decode()}"
    (tmp_path / "x.png").write_bytes(pictures[1])
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([("image", "caption"), (uri, "A lamp"), ("x.png", "A gate"), ("", "None")])
    source = opened(tmp_path)
    assert what_it_offers(source) == [("A lamp", pictures[0]), ("A gate", pictures[1])]
    assert source.left_out.counts() == {"a row without an image": 1}
    assert all("base64" not in str(each.about) for each in source.candidates())


def test_a_link_in_an_archive_and_an_image_too_large_are_not_read(tmp_path, pictures):
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        link = tarfile.TarInfo("1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, size in (("1.txt", 3), ("2.png", 21 * 2**20), ("2.txt", 3)):
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(b"x" * size))
    source = opened(tmp_path)
    (large,) = source.candidates()  # the first has no image
    with pytest.raises(SourceError, match="sample 2: its image is too large"):
        source.read(large)
    source.close()


def test_class_labels_of_hugging_face_are_words(tmp_path, pictures):
    features = {"label": {"_type": "ClassLabel", "names": ["boat", "cat", "tree"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    frame = pl.DataFrame({"image": pictures, "label": [2, 0, 1]})
    frame.write_parquet(tmp_path / "a.parquet", metadata=metadata)
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    found = list(opened(tmp_path, "?caption=label").candidates())
    assert [each.caption for each in found] == ["tree", "boat", "cat"]
    assert found[0].licence == "cc-by-4.0"
    assert found[0].about == {OF_DATASET: True}  # it may be that of the labels alone


def test_images_at_addresses_are_fetched(tmp_path, pictures):
    with serving(lambda request: response(pictures[int(request.target[1])])) as server:
        lines = [
            {"url": server.url(f"{n}.png"), "caption": caption}
            for n, caption in enumerate(CAPTIONS)
        ]
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
        source = opened(tmp_path, access=Access(allow_private=True))
        assert what_it_offers(source) == list(zip(CAPTIONS, pictures, strict=True))
        closed = opened(tmp_path)
        with pytest.raises(SourceError, match="public internet"):
            closed.read(next(iter(closed.candidates())))


def test_images_lie_in_another_folder(tmp_path, pictures):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "a.csv").write_text("image,caption\nx.png,A lamp\nnone.png,Gone\n")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x.png").write_bytes(pictures[0])
    source = opened(tmp_path / "table", f"?images={tmp_path / 'pictures'}")
    assert what_it_offers(source) == [("A lamp", pictures[0])]
    assert source.left_out.counts() == {"a row without an image": 1}


def test_an_image_that_several_rows_name_is_offered_once(tmp_path, pictures):
    (tmp_path / "x.png").write_bytes(pictures[0])
    (tmp_path / "a.csv").write_text("image,caption\nx.png,A lamp\nx.png,A lamp again\n")
    assert [each.id for each in opened(tmp_path).candidates()] == ["x.png"]


def test_a_file_beside_its_table_goes_before_one_of_the_same_name(tmp_path, pictures):
    as_image_folder(tmp_path, pictures)
    (tmp_path / "0.png").write_bytes(pictures[2])
    assert what_it_offers(opened(tmp_path))[0] == (CAPTIONS[0], pictures[0])


def test_no_row_leads_out_of_the_folder_of_images(tmp_path, pictures):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(pictures[0])
    (inside / "a.csv").write_text(
        f"image,caption\n../secret.png,A\n{tmp_path / 'secret.png'},B\nfile:///etc/passwd,C\n"
    )
    source = opened(inside)
    assert [each for each in source.candidates() if each.url is None] == []
    forged = next(iter(opened_candidates(tmp_path, pictures)))
    for id_ in ("../secret.png", "a.csv#9", "b.csv#1", "a.csv#x", ""):
        with pytest.raises(SourceError, match="cannot be read"):
            source.read(type(forged)(id=id_, source=source.spec))


def opened_candidates(folder, pictures):
    (folder / "made").mkdir()
    as_parquet_of_bytes(folder / "made", pictures)
    return opened(folder / "made").candidates()


def test_a_damaged_file_is_one_line(tmp_path, pictures, caplog):
    as_webdataset(tmp_path, pictures)
    whole = (tmp_path / "000.tar").read_bytes()
    (tmp_path / "000.tar").write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=r"000\.tar: damaged"):
        list(opened(tmp_path).candidates())
    (tmp_path / "000.tar").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"000\.tar: damaged"):
        list(opened(tmp_path).candidates())
    (tmp_path / "000.tar").unlink()
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet"):
        opened(tmp_path)


def test_members_that_cannot_be_read_are_counted(tmp_path, pictures):
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, content in (("1.json", b"{"), ("1.png", pictures[0]), ("2.txt", b"\xff")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    source = opened(tmp_path)
    assert [each.id for each in source.candidates()] == ["0.tar#1"]
    assert source.left_out.counts() == {
        "a member that cannot be read": 2,
        "a row without an image": 1,
    }


# Datasets of this package


def test_the_bundled_dataset_offers_each_image_once():
    source = open_source("dataset:vlsu-mini")
    assert isinstance(source, VlsuSource)
    found = list(source.candidates())
    assert len(found) == PICTURES
    for each in found[:5]:
        assert hashlib.sha256(source.read(each)).hexdigest() == each.id
        assert each.caption
        assert each.about == {OF_DATASET: True}
    assert source.identity()["content_hash"] == vlsu.load("vlsu-mini").info.content_hash


def test_a_built_dataset_says_whose_its_images_are(tmp_path, pictures):
    dataset = write_dataset(
        tmp_path / "d", [], name="n", version="1", licence="MIT", citation="", source="t"
    )
    sha256 = dataset.images.add(pictures[0])
    image = {"caption": "A red bridge", "licence": "CC-BY-4.0", "author": "P", "source": "x"}
    samples = [
        Sample("1", text="Is it high?", image_sha256=sha256),  # says nothing of the image
        Sample("2", text="How?", image_sha256=sha256, metadata={"provenance": {"image": image}}),
        Sample("3", text="No image"),
    ]
    write_dataset(
        tmp_path / "d",
        samples,
        name="n",
        version="2",
        licence="MIT",
        citation="",
        source="t",
        overwrite=True,
    )
    source = open_source(f"dataset:{tmp_path / 'd'}")
    assert isinstance(source, VlsuSource)
    (found,) = source.candidates()
    assert (found.caption, found.licence, found.author) == ("A red bridge", "CC-BY-4.0", "P")
    assert source.left_out.counts() == {"a sample without an image": 1}


def test_an_importer_reads_what_only_it_knows(tmp_path, pictures):
    """A benchmark's text is what is asked about an image, and does not describe it."""
    (tmp_path / "images").mkdir()
    rows = []
    for n, data in enumerate(pictures):
        (tmp_path / "images" / f"{n}.png").write_bytes(data)
        rows.append(
            {
                "question_id": n,
                "question": "Is it safe?",
                "image": f"{n}.png",
                "category": "self-harm",
                "safety_warning": ["x"],
                "reference_answer": "y",
            }
        )
    (tmp_path / "siuo_gen.json").write_text(json.dumps(rows))
    source = opened(tmp_path / "siuo_gen.json", f"?format=siuo&images={tmp_path / 'images'}")
    offered = what_it_offers(source)
    assert [data for _, data in offered] == pictures
    assert {caption for caption, _ in offered} == {""}
    with pytest.raises(UsageError, match="did you mean 'siuo'"):
        opened(tmp_path / "siuo_gen.json", "?format=siu")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dataset:", "names no path"),
        ("dataset:{tmp}/none", "no such file or folder"),
        ("dataset:vlsu-mini?images=x", "images is for other datasets"),
        ("dataset:{tmp}?images=/none/at/all", "no folder of images"),
    ],
)
def test_a_wrong_spec_gets_one_line(tmp_path, spec, message):
    (tmp_path / "a.csv").write_text("image,caption\n")
    with pytest.raises(UsageError, match=message):
        open_source(spec.replace("{tmp}", str(tmp_path)))


def test_an_empty_folder_is_said_to_be(tmp_path):
    with pytest.raises(DataError, match="no Parquet, Arrow, JSON lines or CSV file"):
        opened(tmp_path)


def test_images_are_not_read_for_their_captions(tmp_path):
    """Where the images of a Parquet file are damaged, all that is said of them can be read."""
    noise = [saved_noise(n) for n in range(40)]
    pl.DataFrame({"image": noise, "caption": [f"noise {n}" for n in range(40)]}).write_parquet(
        tmp_path / "a.parquet", compression="uncompressed", row_group_size=10
    )
    source = opened(tmp_path)
    found = list(source.candidates())
    assert [each.caption for each in found] == [f"noise {n}" for n in range(40)]
    damaged = bytearray((tmp_path / "a.parquet").read_bytes())
    start = damaged.find(noise[0][:200])
    assert start > 0
    damaged[start : start + 50_000] = bytes(50_000)  # the images alone
    (tmp_path / "a.parquet").write_bytes(damaged)
    again = opened(tmp_path)
    assert list(again.candidates()) == found
    assert again.read(found[0]) != noise[0]


def saved_noise(seed: int) -> bytes:
    import numpy as np
    from PIL import Image

    values = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return saved(Image.fromarray(values), "PNG")
