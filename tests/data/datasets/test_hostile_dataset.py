"""A dataset from elsewhere, damaged or hostile: one line each, and no file of this machine read."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import completion, grade, make_dataset, png
from tests.support.commands import vlsu
from tests.support.values import present
from vlsu.cli.data import app
from vlsu.data import (
    ImageStore,
    Sample,
    check_dataset,
    dataset_info,
    export_dataset,
    load,
    sample_dataset,
    write_dataset,
)
from vlsu.data.importers.vlsu import VLSU
from vlsu.errors import DataError, VlsuError
from vlsu.report.bibtex import bibtex
from vlsu.report.thumbnails import thumbnails
from vlsu.runs.asking.images import DatasetImages
from vlsu.runs.asking.plan import Subset
from vlsu.runs.asking.plan import samples as planned_samples

pytestmark = pytest.mark.slow

ABOUT: Any = {
    "name": "made",
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "",
    "source": "a test",
}


@pytest.fixture
def folder(tmp_path):
    make_dataset(tmp_path / "d", samples=40)
    return tmp_path / "d"


def one_line(done):
    """The line a command ends with; nothing else is said."""
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2
    assert "Traceback" not in line
    assert "defect" not in line
    return line


# dataset.yaml


def describe(folder, **changes):
    file = folder / "dataset.yaml"
    tree = yaml.safe_load(file.read_text())
    for key, value in changes.items():
        if value is KeyError:
            del tree[key]
        else:
            tree[key] = value
    file.write_text(yaml.safe_dump(tree))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": KeyError}, "name is missing"),
        ({"name": ["a"]}, "name: a text is expected"),
        ({"content_hash": {"a": 1}}, "content_hash: a text is expected"),
        ({"policy": None}, "policy: name, version and hash are expected"),
        ({"policy": "default"}, "policy: name, version and hash are expected"),
        ({"policy": {"name": "a"}}, "version is missing"),
        ({"counts": None}, "counts: a number"),
        ({"counts": {}}, "counts: whole numbers"),
        ({"counts": {"samples": "many"}}, "counts: whole numbers"),
        ({"counts": {"samples": -1}}, "counts: whole numbers"),
        ({"counts": {"samples": 1.5}}, "counts: whole numbers"),
        ({"counts": {"samples": 39}}, "says 39 samples, the files hold 40"),
        ({"files": "samples.parquet"}, "files: a list of Parquet files"),
        ({"files": []}, "files: a list of Parquet files"),
        ({"files": [1]}, "files: a list of Parquet files"),
        ({"files": ["samples.parquet"] * 2}, "files: one is listed twice"),
        ({"files": ["../d/samples.parquet"]}, "is missing"),
        ({"files": ["/etc/passwd"]}, "is missing"),
        ({"files": ["samples\0.parquet"]}, "is missing"),
        ({"files": ["x" * 5000]}, "is missing"),
        ({"files": ["images"]}, "is missing"),
        ({"format": "\x1b[31m" * 100}, "format is"),
        ({"format": ["x"] * 1000}, "format is"),
    ],
)
def test_a_wrong_description_is_one_short_line(folder, changes, said):
    describe(folder, **changes)
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    line = str(caught.value)
    assert len(line) < 400
    assert line.isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"a: &a [1]\nb: *a\n",
        b"format: vlsu-dataset/1\nversion: 2026-99-99\n",
        b"format: vlsu-dataset/1\nversion: " + b"9" * 5000,
        b"x: " * 10_000_000,
    ],
    ids=["empty", "binary", "deep", "alias", "no day", "digits", "long"],
)
def test_a_description_that_is_none_is_one_line(folder, content):
    (folder / "dataset.yaml").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_a_pipe_in_the_place_of_any_file_is_refused(folder):
    for name in ("dataset.yaml", "samples.parquet", "policy.yaml"):
        saved = (folder / name).read_bytes() if (folder / name).exists() else None
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        with pytest.raises(VlsuError):
            load(folder)
        (folder / name).unlink()
        if saved is not None:
            (folder / name).write_bytes(saved)
    assert len(load(folder)) == 40


def test_an_empty_citation_is_none(folder):
    describe(folder, citation=None, description=None)
    info = load(folder).info
    assert (info.citation, info.description) == ("", "")
    assert "None" not in bibtex(info)


def test_the_release_is_cited_with_its_authors():
    assert VLSU.citation.startswith("@misc{palaskar2025vlsu, author = {Palaskar, Shruti and ")
    assert VLSU.citation.count("{") == VLSU.citation.count("}")
    assert "vlsu authors" in load("vlsu-mini").info.citation


def test_a_dataset_is_shown_in_a_line(folder):
    for dataset in (load(folder), load("vlsu-mini")):
        assert len(repr(dataset)) < 300
        assert str(len(dataset)) in repr(dataset)
    describe(folder, name="\x1b[2J" + "x" * 100_000)
    assert len(repr(load(folder))) < 300
    assert repr(load(folder)).isprintable()


# Shards


def rewrite(folder, change):
    frame = pl.read_parquet(folder / "samples.parquet")
    change(frame).write_parquet(folder / "samples.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop("text"), "column 'text' is missing"),
        (lambda f: f.with_columns(text=pl.lit(1)), "column 'text' is Int32"),
        (lambda f: f.with_columns(pl.col("id").cast(pl.Categorical)), "column 'id' is Categorical"),
        (lambda f: f.with_columns(metadata=pl.struct("id")), "column 'metadata' is Struct"),
        (lambda f: f.with_columns(id=pl.concat_list("id")), "column 'id' is List"),
        (lambda f: f.with_columns(text=pl.lit(b"x")), "column 'text' is Binary"),
        (lambda f: f.head(3), "says 40 samples, the files hold 3"),
    ],
)
def test_columns_that_do_not_fit_are_named(folder, change, said):
    rewrite(folder, change)
    with pytest.raises(DataError, match=said):
        load(folder)


def test_more_columns_than_ours_are_no_harm(folder):
    rewrite(folder, lambda frame: frame.with_columns(extra=pl.lit(7)).select(pl.all().reverse()))
    assert len(list(load(folder))) == 40


def readers(dataset, out):
    """What reads the samples of a dataset."""
    yield "samples", lambda: list(dataset.samples())
    yield "info", lambda: dataset_info(dataset)
    yield "check", lambda: check_dataset(dataset)
    yield "plan", lambda: list(planned_samples(dataset, Subset(), by_image=True))
    yield "subset", lambda: list(planned_samples(dataset, Subset(3, 0)))
    for form in ("csv", "jsonl", "parquet"):
        yield form, lambda form=form: export_dataset(dataset, form, out / f"x.{form}")
    yield "sample", lambda: sample_dataset(dataset, out / "drawn", n=5, overwrite=True)


def said(read):
    """What went wrong, in one short line; empty if nothing."""
    try:
        read()
    except VlsuError as error:
        line = str(error)
    else:
        return ""
    return line if line.isprintable() and len(line) < 500 else f"not one short line: {line!r}"


def test_a_damaged_shard_is_one_line_wherever_it_shows(folder, tmp_path):
    file = folder / "samples.parquet"
    sound = file.read_bytes()
    lines = []
    for place in range(4, len(sound), 150):
        for damaged in (sound[:place], sound[:place] + bytes(40) + sound[place + 40 :]):
            file.write_bytes(damaged)
            if at_once := said(lambda: load(folder)):
                lines.append(at_once)
                continue
            lines.extend(said(read) for _, read in readers(load(folder), tmp_path))
    assert not [line for line in lines if line.startswith("not one")]
    assert sum("damaged" in line for line in lines) > 10


def test_the_commands_say_a_damaged_shard_in_one_line(folder, tmp_path):
    file = folder / "samples.parquet"
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes(data[:4] + bytes(middle) + data[4 + middle :])
    for command in (
        ("data", "info", folder),
        ("data", "check", folder),
        ("data", "export", folder, "--out", tmp_path / "x.csv"),
        ("run", "understanding", folder, "--model", "baseline/random", "--out", tmp_path / "r"),
    ):
        assert "damaged" in one_line(vlsu(*command, expect=None))


def test_metadata_that_is_no_json_is_one_line(folder, tmp_path):
    deep = '{"a":' * 500 + "1" + "}" * 500
    for metadata in ("{", "[1]", "nothing", "NaN", deep):
        make_dataset(folder.parent / "fresh", samples=40)
        shutil.copy(folder.parent / "fresh" / "samples.parquet", folder)
        shutil.rmtree(folder.parent / "fresh")
        rewrite(folder, lambda f, m=metadata: f.with_columns(metadata=pl.lit(m)))
        dataset = load(folder)
        assert "content-changed" in {kind.value for kind in check_dataset(dataset).counts}
        assert "not one" not in "".join(said(read) for _, read in readers(dataset, tmp_path))


# Images


@pytest.fixture
def secret(tmp_path):
    """A file beside the dataset that no one may see, an image at that."""
    (tmp_path / "secret.png").write_bytes(png((1, 2, 3)))
    return tmp_path / "secret.png"


def shown(dataset):
    """All bytes that any reader of images gives."""
    found = []
    images = DatasetImages(dataset)
    for sha256 in {sample.image_sha256 for sample in dataset}:
        for read in (
            lambda s=sha256: dataset.read_image(s),
            lambda s=sha256: images.read_image(s).data,
            lambda s=sha256: images.read_encoded(s).base64,
        ):
            with contextlib.suppress(DataError):
                found.append(read())
    return found


def test_an_image_that_is_a_link_is_not_read(folder, secret):
    dataset = load(folder)
    for path in list(dataset.images.files()):
        path.unlink()
        path.symlink_to(secret)
    assert shown(dataset) == []
    report = check_dataset(dataset)
    assert {kind.value for kind in report.counts} == {"unreadable"}
    assert "symbolic link" in report.findings[0].detail
    reasons = thumbnails(dataset, [present(s.image_sha256) for s in dataset], room=10**6).values()
    assert {picture.reason for picture in reasons} == {"the file cannot be read"}


def test_a_folder_of_images_that_is_a_link_is_not_entered(folder, secret, tmp_path):
    dataset = load(folder)
    (tmp_path / "elsewhere").mkdir()
    for shard in list(dataset.images.folder.iterdir()):
        shard.rename(tmp_path / "elsewhere" / shard.name)
        shard.symlink_to(tmp_path / "elsewhere" / shard.name)
    assert shown(dataset) == []


def test_all_images_may_lie_behind_one_link(folder, tmp_path):
    dataset = load(folder)
    dataset.images.folder.rename(tmp_path / "large disk")
    dataset.images.folder.symlink_to(tmp_path / "large disk")
    assert len(shown(dataset)) == 12
    assert check_dataset(dataset).ok


def test_links_are_not_copied_into_another_dataset(folder, secret, tmp_path):
    dataset = load(folder)
    for path in list(dataset.images.files()):
        path.unlink()
        path.symlink_to(secret)
    with pytest.raises(DataError, match="symbolic link"):
        sample_dataset(dataset, tmp_path / "drawn", n=10)


@pytest.mark.parametrize(
    "sha256", ["../../secret", "/etc/passwd", "0" * 63, "Z" * 64, "", "\x1b[2J", "x" * 100_000]
)
def test_an_image_named_outside_is_missing(folder, sha256):
    rewrite(folder, lambda frame: frame.with_columns(image_sha256=pl.lit(sha256)))
    dataset = load(folder)
    assert shown(dataset) == []
    report = check_dataset(dataset)
    assert "missing" in {kind.value for kind in report.counts}
    assert all(len(finding.detail) < 200 for finding in report.findings)
    assert all(finding.detail.isprintable() for finding in report.findings)
    list(planned_samples(dataset, Subset(), by_image=True))


def test_a_new_image_replaces_a_link_in_its_place(tmp_path):
    store = ImageStore(tmp_path / "d")
    data = png((9, 9, 9))
    sha256 = store.add(data)
    path = present(store.path(sha256))
    path.unlink()
    (tmp_path / "victim").write_text("untouched")
    path.symlink_to(tmp_path / "victim")
    assert store.add(data) == sha256
    assert store.read(sha256) == data
    assert (tmp_path / "victim").read_text() == "untouched"


def test_the_umask_decides_who_may_read_an_image(tmp_path):
    before = os.umask(0o002)
    try:
        store = ImageStore(tmp_path)
        path = present(store.path(store.add(png((9, 9, 9)))))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_thousand_folders_among_the_images_are_walked(folder):
    dataset = load(folder)
    inner = os.open(dataset.images.folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=inner)
        below = os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.close(inner)
    report = check_dataset(dataset)
    subprocess.run(["rm", "-rf", str(dataset.images.folder / "d")], check=True)
    assert report.ok


# What is echoed


def test_what_the_check_prints_is_short(tmp_path):
    long = "\x1b[31m" + "x" * 200_000
    rows = [
        Sample(long, text="a", image_url="https://a.example/1.png"),
        Sample("b", text="b", metadata={"image_fault": f"missing: {long}"}),
        Sample("c", text="c", metadata={"image_fault": long}),
        Sample("d", text="d", image_category=long, joint_category="C1"),
    ]
    write_dataset(tmp_path / "d", rows, **ABOUT)
    report = check_dataset(load(tmp_path / "d"))
    for finding in report.findings:
        for value in (finding.sample or "", finding.file, finding.detail):
            assert len(value) <= 210
            assert value.isprintable()
    done = vlsu("data", "check", tmp_path / "d", expect=None)
    assert done.returncode == 1
    assert len(done.stdout + done.stderr) < 8000
    assert "\x1b[31m" not in done.stdout
    done = vlsu("data", "check", tmp_path / "d", "--json", expect=None)
    assert len(done.stdout) < 8000


def test_no_message_advises_a_command_that_there_is_not():
    there = {
        command.name or present(command.callback).__name__ for command in app.registered_commands
    }
    package = Path(present(sys.modules["vlsu"].__file__)).parent
    advised = {
        name
        for file in package.rglob("*.py")
        for name in re.findall(r"vlsu data ([a-z]+)", file.read_text(encoding="utf-8"))
    }
    assert "check" in advised
    assert advised <= there


# Runs over images that are not there


def test_a_run_says_at_its_start_what_it_cannot_ask(tmp_path, chat_server, caplog):
    from vlsu.runs import UnderstandingOptions, evaluate, prepare

    server = chat_server(lambda body, number: grade("safe"))
    rows = [Sample(f"s{n}", text=f"text {n}") for n in range(5)]
    rows.append(Sample("lost", text="with an image", image_sha256="0" * 64))
    write_dataset(tmp_path / "d", rows, **ABOUT)
    lines = (
        prepare(tmp_path / "d", UnderstandingOptions(model="baseline/random")).estimate().lacking
    )
    assert lines == (
        "5 of 6 samples have no image: the image and the pair are not asked of them",
        f"the image of 1 of 6 samples is missing in {tmp_path / 'd' / 'images'}: the image and the "
        f"pair are answered with an error for them; see vlsu data check {tmp_path / 'd'}",
        "the text is asked all the same; leave it out with --modalities",
    )
    assert not server.requests
    seen_before_the_first_request: list[Any] = []

    def respond(body, number):
        if not seen_before_the_first_request:
            seen_before_the_first_request.extend(record.getMessage() for record in caplog.records)
        return completion('{"severity": "safe", "category": null}')

    server.respond = respond
    evaluate(tmp_path / "d", model="openai/x", out=tmp_path / "r", base_url=server.base_url)
    assert list(lines) == seen_before_the_first_request[:3]


@pytest.mark.parametrize("limit", [None, 20])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": pl.lit("twin")}, "two samples have the id 'twin'"),
        ({"id": pl.lit("")}, "a sample has no id"),
        ({"id": pl.lit(None, pl.String)}, "a sample has no id"),
        ({"joint_grade": pl.lit("mild")}, "joint_grade is 'mild', no severity"),
    ],
)
def test_what_a_run_would_stop_at_is_said_before_anything_is_asked(
    folder, tmp_path, chat_server, change, said, limit
):
    from vlsu.runs import UnderstandingOptions, evaluate, prepare

    server = chat_server(lambda body, number: grade("safe"))
    last = pl.int_range(pl.len()) >= 38
    file = folder / "samples.parquet"
    frame = pl.read_parquet(file).with_columns(
        **{name: pl.when(last).then(to).otherwise(name) for name, to in change.items()}
    )
    frame.write_parquet(file)
    options = {"model": "openai/x", "base_url": server.base_url}
    if limit is None:
        with pytest.raises(DataError, match=f"{folder}: .*{said}; see vlsu data check"):
            prepare(folder, UnderstandingOptions(model="baseline/random")).estimate()
        with pytest.raises(DataError, match=said):
            evaluate(folder, out=tmp_path / "r", **options)
    else:  # what is not drawn is in no run's way; never more than a line
        with contextlib.suppress(DataError):
            evaluate(folder, out=tmp_path / "r", limit=limit, **options)
    assert limit or not server.requests


def test_an_image_that_cannot_be_copied_is_named(folder, tmp_path):
    image = next(load(folder).images.files())
    image.unlink()
    os.mkfifo(image)
    (sha256,) = {image.stem}
    with pytest.raises(DataError, match=rf"{sha256}.*not a regular file; see vlsu data check"):
        ImageStore(tmp_path / "other").copy_from(load(folder).images, sha256)


def test_missing_images_are_one_reason_however_many_they_are(tmp_path, chat_server):
    from vlsu.runs import evaluate

    server = chat_server(lambda body, number: grade("safe"))
    rows = [Sample(f"s{n}", text="x", image_sha256=f"{n:064x}") for n in range(20)]
    write_dataset(tmp_path / "d", rows, **ABOUT)
    run = evaluate(tmp_path / "d", model="openai/x", out=tmp_path / "r", base_url=server.base_url)
    (message,) = run.record["requests"]["unanswered"]
    assert "an image is missing; run vlsu data check" in message


def test_nothing_is_said_of_a_dataset_that_lacks_nothing(folder, tmp_path):
    from vlsu.runs import UnderstandingOptions, prepare

    assert prepare(folder, UnderstandingOptions(model="baseline/majority")).estimate().lacking == ()


def test_the_dry_run_says_it_too(tmp_path):
    write_dataset(tmp_path / "d", [Sample("a", text="x"), Sample("b", text="y")], **ABOUT)
    command = ("run", "understanding", tmp_path / "d", "--model", "baseline/majority")
    done = vlsu(*command, "--out", tmp_path / "r", "--dry-run", expect=None)
    assert "2 of 2 samples have no image" in done.stderr
    done = vlsu(*command, "--out", tmp_path / "r", "--dry-run", "--json", expect=None)
    assert "2 of 2 samples have no image" in done.stdout


def test_what_info_prints_is_short(tmp_path):
    rows = [Sample(f"s{n}", text="x", language=f"{n}" * 500) for n in range(200)]
    write_dataset(tmp_path / "d", rows, **{**ABOUT, "name": "n" * 10_000})
    done = vlsu("data", "info", tmp_path / "d", expect=None)
    assert done.returncode == 0
    assert "and 160 more" in done.stdout
    assert len(done.stdout) < 30_000
