"""Which file a row's image is: the one that the row states, as exactly as it states it."""

import base64
import contextlib
import hashlib
import io
import os
import subprocess
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.values import present
from vlsu.data import check_dataset, import_dataset
from vlsu.data.images.folder import ImageFolder
from vlsu.data.images.inline import inline_image
from vlsu.data.images.probe import ImageError
from vlsu.errors import DataError

pytestmark = pytest.mark.slow

NFC, NFD = (unicodedata.normalize(form, "café près.png") for form in ("NFC", "NFD"))


def picture(number=0, form="PNG"):
    """A small image that is like no other."""
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), (number % 256, number // 256, 7)).save(buffer, form)
    return buffer.getvalue()


def put(folder, *paths):
    """Different images at these paths; path -> bytes."""
    files = {path: picture(n) for n, path in enumerate(paths)}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return files


def imported(tmp_path, *rows, header="id,text,image,joint_grade", **options):
    """The report of an import of these rows; ``images`` is the folder beside the table."""
    (tmp_path / "images").mkdir(exist_ok=True)
    lines = [header, *rows]
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    options.setdefault("images", tmp_path / "images")
    return import_dataset("csv", tmp_path / "table.csv", tmp_path / "d", overwrite=True, **options)


def shown(report, files):
    """Id -> path of the file that the sample shows."""
    dataset = report.dataset
    paths = {data: path for path, data in files.items()}
    return {s.id: s.image_sha256 and paths[dataset.read_image(s.image_sha256)] for s in dataset}


def problems(report):
    return {kind: n for kind, n in report.notes.items() if not kind.startswith("no grade")}


def test_the_path_of_a_row_goes_before_its_id(tmp_path):
    files = put(tmp_path / "images", "1.png", "2.png", "3.png", "a/x.png", "b/x.png")
    report = imported(
        tmp_path,
        *("1,x,3.png,safe", "2,x,1.png,safe", "3,x,2.png,safe"),
        *("4,x,a/x.png,safe", "5,x,b\\x.png,safe", "x,x,1.png,safe"),
    )
    expected = {"1": "3.png", "2": "1.png", "3": "2.png", "4": "a/x.png", "5": "b/x.png"}
    assert shown(report, files) == {**expected, "x": "1.png"}
    assert not problems(report)


def test_the_file_of_an_address_goes_before_that_of_an_id(tmp_path):
    files = put(tmp_path / "images", "1.png", "2.png")
    rows = ("1,x,https://a.example/2.png,safe", "2,x,https://a.example/other.png,safe")
    assert shown(imported(tmp_path, *rows), files) == {"1": "2.png", "2": "2.png"}


def test_a_stated_file_that_is_not_there_is_noted_and_no_other_taken(tmp_path):
    files = put(tmp_path / "images", "1.png", "2.png")
    report = imported(tmp_path, "1,x,gone.png,safe", "2,x,,safe")
    assert shown(report, files) == {"1": None, "2": "2.png"}
    assert problems(report) == {"image missing": 1}
    with pytest.raises(DataError, match=r"line 2: image missing: 'gone.png'"):
        imported(tmp_path, "1,x,gone.png,safe", strict=True)


@pytest.mark.parametrize("stated", [NFC, NFD])
@pytest.mark.parametrize("named", [NFC, NFD])
def test_names_are_found_in_either_unicode_form(tmp_path, stated, named):
    files = put(tmp_path / "images", named)
    for row in (f"1,x,{stated},safe", f"{Path(stated).stem},x,,safe", f"1,x,sub/{stated},safe"):
        report = imported(tmp_path, row)
        assert list(shown(report, files).values()) == [named]


def test_the_exact_spelling_goes_first_then_the_form_then_the_letter_case(tmp_path):
    files = put(tmp_path / "images", "A.png", "a.png", NFC, NFD, NFC.upper(), "B.PNG", "Straße.png")
    stated = ["a.png", "A.png", NFD, NFC, NFC.upper(), "b.png", "STRASSE.png"]
    rows = [f"{n},x,{name},safe" for n, name in enumerate(stated)]
    report = imported(tmp_path, *rows)
    expected = ["a.png", "A.png", NFD, NFC, NFC.upper(), "B.PNG", "Straße.png"]
    assert list(shown(report, files).values()) == expected
    assert not problems(report)


def test_several_files_that_fit_as_well_are_noted(tmp_path):
    put(tmp_path / "images", "IMG.png", "Img.png", "a/x.png", "b/x.png")
    report = imported(tmp_path, "1,x,img.png,safe", "2,x,x.png,safe")
    assert problems(report) == {"several image files fit, first taken": 2}
    with pytest.raises(DataError, match="several image files fit"):
        imported(tmp_path, "2,x,x.png,safe", strict=True)


@pytest.mark.parametrize(
    ("stated", "file"),
    [
        ("train/1.png", "train/1.png"),
        ("./train//1.png", "train/1.png"),
        ("images/train/1.png", "train/1.png"),  # the folder's own name before it
        ("/data/set/images/train/1.png", "train/1.png"),  # of another machine
        (r"C:\set\train\1.png", "train/1.png"),
        ("1.png", "train/1.png"),  # below, and only there
        ("../images/train/1.png", "train/1.png"),
        ("train/1", "train/1.png"),  # without its extension
        ("v1.2", "v1.2.png"),
        ("odd\\name.png", "odd\\name.png"),  # a file's name may hold a backslash
        ("R [final]?*.png", "R [final]?*.png"),
    ],
)
def test_a_path_is_found_from_where_it_was_written(tmp_path, stated, file):
    files = put(tmp_path / "images", file)
    report = imported(tmp_path, f'other,x,"{stated}",safe')
    assert shown(report, files) == {"other": file}
    assert not problems(report)


def test_the_same_name_in_another_folder_is_taken_and_noted(tmp_path):
    files = put(tmp_path / "images", "test/1.png")
    report = imported(tmp_path, "a,x,train/1.png,safe")
    assert shown(report, files) == {"a": "test/1.png"}
    assert problems(report) == {"image found in another folder than stated, by its file name": 1}
    with pytest.raises(DataError, match="another folder"):
        imported(tmp_path, "a,x,train/1.png,safe", strict=True)


def test_the_longest_common_end_of_two_paths_decides(tmp_path):
    files = put(tmp_path / "images", "x.png", "a/x.png", "b/x.png")
    report = imported(tmp_path, "1,x,data/a/x.png,safe", "2,x,x.png,safe", "3,x,c/x.png,safe")
    assert shown(report, files) == {"1": "a/x.png", "2": "x.png", "3": "x.png"}


def test_a_stated_hash_finds_its_file_where_the_path_does_not(tmp_path):
    data = picture(5)
    sha256 = hashlib.sha256(data).hexdigest()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / f"{sha256}.png").write_bytes(data)
    header = "id,text,image,image_sha256,joint_grade"
    report = imported(tmp_path, f"1,x,gone.png,{sha256},safe", f"2,x,,{sha256},safe", header=header)
    assert [s.image_sha256 for s in report.dataset] == [sha256] * 2
    assert problems(report) == {"no image at the stated path, another taken": 1}


def test_very_long_and_very_deep_names_are_no_file_and_cost_nothing(tmp_path):
    put(tmp_path / "images", "1.png")
    folder = ImageFolder(tmp_path / "images")
    for name in ("a/" * 1_000_000, "x" * 10_000_000, "/" * 5000, "..", "../..", "", " ", "\0"):
        assert folder.find_path(name) is None
        assert folder.find_id(name) is None
    assert folder.find_address("https://a.example/" + "a%20" * 1_000_000) is None


def test_many_files_of_one_name_are_searched_by_bisection(tmp_path):
    folder = tmp_path / "images"
    for n in range(2000):
        (folder / f"d{n}").mkdir(parents=True)
        (folder / f"d{n}" / "image.png").write_bytes(b"")
    index = ImageFolder(folder)
    for n in (0, 7, 1999):
        match = present(index.find_path(f"d{n}/image.png"))
    assert (match.path, match.others) == (f"d{n}/image.png", 0)
    assert present(index.find_path("image.png")).others > 1


# What a folder may hold


def test_odd_folders_and_names_stop_no_import(tmp_path):
    images = tmp_path / "images"
    files = put(images, "good.png", "line\nbreak.png", "tab\t.png", "n" * 240 + ".png")
    (images / "loop").symlink_to("loop")
    (images / "to itself").symlink_to(".")
    (images / "dangling.png").symlink_to("nowhere.png")
    (images / "away.png").symlink_to("/etc/hostname")
    (images / "inside.png").symlink_to("good.png")
    os.mkfifo(images / "pipe.png")
    raw = os.fsencode(images) + b"/\xff\xfe.png"
    Path(os.fsdecode(raw)).write_bytes(picture(99))
    rows = [
        *("good,x,good.png,safe", 'broken,x,"line\nbreak.png",safe', "p,x,pipe.png,safe"),
        *("l,x,loop,safe", "a,x,away.png,safe", "d,x,dangling.png,safe", "i,x,inside.png,safe"),
        f"n,x,{'n' * 240}.png,safe",
    ]
    report = imported(tmp_path, *rows)
    found = shown(report, files)
    assert found == {
        "good": "good.png",
        "broken": "line\nbreak.png",
        "i": "good.png",
        "n": "n" * 240 + ".png",
        **dict.fromkeys("plad"),
    }
    assert problems(report) == {
        "image missing": 3,
        "image unreadable": 1,
        "links that lead out of the images folder, left out": 1,
        "part of the images folder left out": 3,
    }
    values = {example.kind: example.value for example in report.examples}
    assert "named pipe" in values["image unreadable"]
    assert all(example.value.isprintable() for example in report.examples)


def nested(folder, name, depth):
    """So many folders in each other; the descriptor of the innermost."""
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inner)
        below = os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    return inner


@pytest.fixture
def images(tmp_path):
    """A folder of images that may become too deep for Python to remove."""
    (tmp_path / "images").mkdir()
    yield tmp_path / "images"
    subprocess.run(["rm", "-rf", str(tmp_path / "images")], check=True)


def test_a_folder_deeper_than_any_path_is_noted(tmp_path, images):
    put(images, "good.png")
    os.close(nested(images, "d" * 200, 25))
    report = imported(tmp_path, "good,x,good.png,safe")
    assert report.dataset.info.counts["images"] == 1
    assert problems(report) == {"part of the images folder left out": 1}


def test_a_thousand_folders_in_each_other_are_walked(tmp_path, images):
    inner = nested(images, "d", 1500)
    with os.fdopen(os.open("1.png", os.O_WRONLY | os.O_CREAT, dir_fd=inner), "wb") as file:
        file.write(picture(3))
    os.close(inner)
    report = imported(tmp_path, "1,x,,safe")
    assert report.dataset.info.counts["images"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_may_not_be_read_is_noted(tmp_path):
    put(tmp_path / "images", "good.png", "closed/1.png")
    (tmp_path / "images" / "closed").chmod(0)
    report = imported(tmp_path, "good,x,good.png,safe")
    (tmp_path / "images" / "closed").chmod(0o755)
    assert problems(report) == {"part of the images folder left out": 1}


def test_the_images_folder_itself_may_be_a_link(tmp_path):
    files = put(tmp_path / "elsewhere", "1.png", "a/2.png")
    (tmp_path / "link").symlink_to("elsewhere")
    report = imported(tmp_path, "1,x,,safe", "b,x,a/2.png,safe", images=tmp_path / "link")
    assert shown(report, files) == {"1": "1.png", "b": "a/2.png"}


def test_a_file_put_in_the_place_of_a_link_later_is_still_not_followed(tmp_path):
    put(tmp_path / "images", "a/1.png")
    (tmp_path / "secret.png").write_bytes(picture(8))
    folder = ImageFolder(tmp_path / "images")
    match = folder.find_path("a/1.png")
    (tmp_path / "images" / "a" / "1.png").unlink()
    (tmp_path / "images" / "a" / "1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="symbolic link"):
        folder.read(present(match).path)


# Images in the row


def uri(data, head="data:image/png;base64,"):
    return head + base64.b64encode(data).decode()


NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8))


def noise(form):
    buffer = io.BytesIO()
    NOISE.save(buffer, form)
    return buffer.getvalue()


WRITTEN = {
    "data URI": uri,
    "data URI in capitals": lambda data: uri(data, "DATA:IMAGE/PNG;BASE64,"),
    "data URI with a parameter": lambda data: uri(data, "data:image/png;charset=utf-8;base64,"),
    "data URI without a type": lambda data: uri(data, "data:;base64,"),
    "data URI, percent-encoded": lambda data: (
        "data:image/png," + "".join(f"%{byte:02x}" for byte in data)
    ),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 for addresses": lambda data: base64.urlsafe_b64encode(data).decode(),
    "base64 without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "base64 as Python prints it": lambda data: str(base64.b64encode(data)),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("column", ["image", "image_url"])
def test_an_image_in_the_row_is_taken(tmp_path, name, form, column):
    data = noise(form)
    row = f'1,x,"{WRITTEN[name](data)}",safe'
    report = imported(tmp_path, row, header=f"id,text,{column},joint_grade", images=None)
    (sample,) = report.dataset
    assert report.dataset.read_image(sample.image_sha256) == data
    assert (sample.image_url, dict(sample.metadata)) == (None, {})
    assert not problems(report)
    assert check_dataset(report.dataset).ok


def test_an_image_in_the_row_goes_before_the_folder(tmp_path):
    put(tmp_path / "images", "1.png")
    (sample,) = imported(tmp_path, f'1,x,"{uri(noise("PNG"))}",safe').dataset
    assert (tmp_path / "d").joinpath("images", sample.image_sha256[:2]).is_dir()


@pytest.mark.parametrize(
    "broken",
    [
        lambda data: uri(data)[:-30] + "!!" + uri(data)[-28:],
        lambda data: uri(data[:40]),
        lambda data: uri(b"no picture at all"),
        lambda data: "data:image/png;base64",
        lambda data: uri(b""),
        lambda data: base64.b64encode(data).decode() + "!",
        lambda data: "data:" + "x" * 5000,
    ],
)
def test_a_broken_image_in_the_row_is_one_short_note(tmp_path, broken):
    text = broken(noise("PNG") * 50)
    report = imported(tmp_path, f'1,x,"{text}",safe', "2,y,,safe", images=None)
    assert [s.image_sha256 for s in report.dataset] == [None, None]
    (kind,) = (kind for kind in problems(report) if kind != "no image stated")
    assert kind.startswith("image unreadable")
    (example,) = (each for each in report.examples if each.kind == kind)
    assert len(example.value) < 140
    assert len(report.dataset.info.name) < 80
    checked = check_dataset(report.dataset).to_dict()
    assert len(str(checked)) < 2000


@pytest.mark.parametrize(
    "name", ["1.png", "9j/4AAQ/a.jpg", "iVBORw0KGgo.png", "QmYwAPJzv5CZsnA625s3Xf2n", "x" * 5000]
)
def test_a_name_is_no_image_in_the_row(name):
    assert inline_image(name) is None


PNG_START = "iVBORw0KGgoAAAANSUhEUgAA"


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "A" * n,
        lambda n: PNG_START + "A" * n,
        lambda n: PNG_START + "=" * n,
        lambda n: PNG_START + " \n" * n,
        lambda n: PNG_START + "-_" * n + "!",
        lambda n: "data:" + "," * n,
        lambda n: "data:" + ";" * n,
        lambda n: "data:image/png," + "%" * n,
        lambda n: "data:image/png;base64," + "%41" * n,
        lambda n: "b'" * n,
    ],
)
def test_reading_an_image_in_a_row_takes_twice_as_long_for_twice_as_much(make):
    def seconds(length):
        text = make(length)
        taken = []
        for _ in range(3):
            begun = time.process_time()
            with contextlib.suppress(ImageError):
                inline_image(text)
            taken.append(time.process_time() - begun)
        return min(taken)

    assert seconds(2**21) < 8 * seconds(2**19) + 0.05  # quadratic: 16 times


def test_what_is_echoed_of_a_row_is_cut_and_printable(tmp_path):
    long = "\x1b[31m" + "x" * 1_000_000
    report = imported(tmp_path, f"1,x,{long},safe")
    (sample,) = report.dataset
    assert len(str(sample.metadata["image_fault"])) < 120
    assert "\x1b" not in sample.metadata["image_fault"]
    assert all(len(example.value) < 140 for example in report.examples)
    assert all(len(finding.detail) < 200 for finding in check_dataset(report.dataset).findings)


def test_files_that_are_one_are_read_once(tmp_path):
    """Rows that show one file, and hard links of it, which are the same bytes by other names."""
    files = put(tmp_path / "images", "a.png", "b.png")
    os.link(tmp_path / "images/a.png", tmp_path / "images/linked.png")
    folder = ImageFolder(tmp_path / "images")
    state, data = folder.read_once("a.png", {})
    assert data == files["a.png"]
    for path in ("a.png", "linked.png"):
        assert folder.read_once(path, {state: "its hash"}) == (state, b"")
    other, data = folder.read_once("b.png", {state: "its hash"})
    assert (other != state, data) == (True, files["b.png"])
    # One that was written again is another.
    (tmp_path / "images/b.png").write_bytes(picture(300))
    assert folder.read_once("b.png", {other: "its hash"})[1] == picture(300)

    rows = ["1,a,a.png,safe", "2,b,linked.png,safe", "3,c,a.png,safe", "4,d,b.png,safe"]
    report = imported(tmp_path, *rows)
    hashes = [sample.image_sha256 for sample in report.dataset]
    assert hashes[0] == hashes[1] == hashes[2] == hashlib.sha256(files["a.png"]).hexdigest()
    assert hashes[3] == hashlib.sha256(picture(300)).hexdigest()
    assert report.dataset.info.counts["images"] == 2


def test_the_same_name_in_very_many_folders_is_no_ambiguity(tmp_path):
    paths = [f"{n}/image.png" for n in range(600)]
    files = put(tmp_path / "images", "image.png", *paths)
    rows = [f"{n},what is this,{path},safe" for n, path in enumerate(paths)]
    report = imported(tmp_path, *rows, "top,what is this,far/away/image.png,safe")
    found = shown(report, files)
    assert {str(n): path for n, path in enumerate(paths)}.items() <= found.items()
    assert found["top"] == "image.png"  # that path's end, whatever folders have one of its name
