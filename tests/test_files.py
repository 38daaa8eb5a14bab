"""Files a user hands over are opened in one way: regular files only, links and paths as said."""

import contextlib
import errno
import os
import random
import socket
from contextlib import suppress

import polars as pl
import pytest

from tests.support.commands import vlsu
from vlsu._files import (
    open_beneath,
    open_text,
    read_bytes,
    read_bytes_beneath,
    read_text,
    read_text_beneath,
)
from vlsu.data import import_dataset
from vlsu.data.parquet import DAMAGED, reading, scan_parquet
from vlsu.data.tables import read_rows
from vlsu.errors import DataError, VlsuError
from vlsu.models.catalogue import load_models
from vlsu.policy import load_policy
from vlsu.report.comparison.oracle import load_oracle
from vlsu.runs.alignment.validation import load_calibration
from vlsu.runs.asking.limits import read_price
from vlsu.runs.finished.projection import load_traffic
from vlsu.tasks.framing import load_candidates, load_framing
from vlsu.tasks.prompting import prompt_source


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_regular_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "R [final]?.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert read_bytes(file) == b"\xef\xbb\xbfone\r\ntwo\n"
    assert read_text(file) == "one\ntwo\n"
    with open_text(file, encoding="utf-8-sig", newline="") as text:
        assert text.read() == "one\r\ntwo\n"


def test_a_link_that_the_user_names_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("here")
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert read_text(tmp_path / "link.txt") == "here"


def test_what_is_no_regular_file_is_refused_at_once_with_its_kind(tmp_path, pipe):
    with socket.socket(socket.AF_UNIX) as server:
        with contextlib.chdir(tmp_path):  # its path may be longer than an address can be
            server.bind("socket")
        for path, what in (
            (pipe, "is a named pipe, not a file"),
            (tmp_path / "socket", "is a socket, not a file"),
            (tmp_path, "is a folder, not a file"),
            ("/dev/zero", "is a device, not a file"),
        ):
            with pytest.raises(OSError, match=what):
                read_bytes(path)


def test_a_file_of_any_size_is_read_up_to_its_bound(tmp_path):
    file = tmp_path / "long.txt"
    file.write_bytes(b"x" * (2**20 + 1))
    assert len(read_bytes(file)) == 2**20 + 1
    with pytest.raises(OSError, match="is larger than 1 MiB"):
        read_bytes(file, limit=2**20)


def test_a_null_byte_in_a_path_is_an_error_of_the_file(tmp_path):
    with pytest.raises(OSError, match="null byte"):
        read_bytes(f"{tmp_path}/a\0b")
    with pytest.raises(OSError, match="null byte"):
        read_bytes_beneath(tmp_path, "a\0b")


@pytest.fixture
def tree(tmp_path):
    """A folder with a file in it, a secret beside it, and links to both."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "in.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "to-file").symlink_to(tmp_path / "secret.txt")
    (root / "to-folder").symlink_to(tmp_path)
    (root / "to-inside").symlink_to("sub")
    return root


def test_a_file_beneath_a_folder_is_read_through_a_link_to_the_folder_alone(tree, tmp_path):
    assert read_text_beneath(tree, "sub/in.txt") == "inside"
    (tmp_path / "elsewhere").symlink_to(tree)
    assert read_text_beneath(tmp_path / "elsewhere", "sub/in.txt") == "inside"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("../secret.txt", errno.EPERM),
        ("sub/../../secret.txt", errno.EPERM),
        ("/etc/hostname", errno.EPERM),
        ("to-file", errno.ELOOP),
        ("to-folder/secret.txt", errno.ELOOP),
        ("to-inside/in.txt", errno.ELOOP),
        ("sub", errno.EISDIR),
        (".", errno.EISDIR),
        ("gone/in.txt", errno.ENOENT),
        ("sub/in.txt/more", errno.ENOTDIR),
    ],
)
def test_nothing_leads_out_of_the_folder(tree, path, number):
    with pytest.raises(OSError, match=rf"Errno {number}\b"):
        open_beneath(tree, path)


READERS = {
    "a table to import": lambda path: import_dataset("csv", path, path.parent / "out"),
    "a release to import": lambda path: import_dataset("vlsu", path, path.parent / "out"),
    "labels": lambda path: read_rows(path, ("label",)),
    "a policy": load_policy,
    "models.yaml": load_models,
    "a prompt": lambda path: prompt_source(str(path)),
    "a framing": lambda path: load_framing(str(path)),
    "candidates": load_candidates,
    "prices": lambda path: read_price(str(path), "openai/x"),
    "traffic": load_traffic,
    "a calibration": load_calibration,
    "an oracle": load_oracle,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "missing"])
def test_every_reader_of_a_file_refuses_what_is_none_in_one_line(name, kind, tmp_path, pipe):
    path = {"pipe": pipe, "folder": tmp_path, "missing": tmp_path / "none"}.get(kind)
    path = path or tmp_path / "device"
    if kind == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(VlsuError) as caught:
        READERS[name](path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_candidate_file_stays_beside_its_list(tree):
    candidates = tree / "candidates.yaml"
    candidates.write_text("plain: {file: sub/in.txt}\n")
    (framing,) = load_candidates(candidates)
    assert framing.instruction == "inside"
    for outside in ("../secret.txt", "to-file", str(tree / "sub" / "in.txt")):
        candidates.write_text(f"plain: {{file: {outside}}}\n")
        with pytest.raises(VlsuError, match="beside the YAML file"):
            load_candidates(candidates)


def test_a_lock_is_never_written_through_a_link(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (run / ".lock").symlink_to(victim)
    command = ("run", "understanding", "vlsu-mini", "--model", "baseline/majority")
    done = vlsu(*command, "--out", run, "--limit", "1", expect=2)
    assert victim.read_text() == "untouched"
    assert len(done.stderr.strip().splitlines()) == 1


def test_damaged_pages_of_a_parquet_file_are_known_as_such(tmp_path):
    """Whatever Polars says of them, they are no defect of this package."""
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"text": [f"text {n}" for n in range(5000)]}).write_parquet(file)
    whole = file.read_bytes()
    failed = 0
    for seed in range(40):
        chance = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(8):  # between the two magic numbers and the metadata at the end
            damaged[chance.randrange(4, len(whole) - 1000)] = chance.randrange(256)
        file.write_bytes(damaged)
        try:
            scan_parquet(file).collect(engine="streaming")
        except DAMAGED:
            failed += 1
        with suppress(DataError), reading(file, "make it again"):
            scan_parquet(file).collect(engine="streaming")
    assert failed > 10
