"""Backups: of one moment, checked whole, restored into either database."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.annotating import (
    START,
    answer_to,
    check_invariants,
    grade_all,
    join_graders,
)
from tests.support.postgres import PostgresServer
from vlsu.annotate.backup.making import back_up
from vlsu.annotate.backup.restoring import restore
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.tables import grades, metadata
from vlsu.annotate.work.leasing import Lease
from vlsu.errors import AnnotationError, UsageError


def content(project: Project) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, in order."""
    with project.database.read() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


def worked_on(new_project, clock):
    """A project with something in most of its tables."""
    project = new_project(graders={"image": 1, "text": 2, "joint": 2})
    ada, ben, _ = join_graders(project, "Ada", "Ben", "Größe 🙂")
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    for number in range(14):
        for person in (ada, ben):
            lease = project.next_item(person)
            if isinstance(lease, Lease):
                clock.forward(seconds=3)
                grade = ("safe", "unsafe")[(number + person) % 2]
                project.submit(person, answer_to(lease, grade, note="“so” \x7f\u202e", seconds=2.1))
    project.skip(ada, project.next_item(ada))
    project.opt_out(ben, "C9")
    project.next_item(ada)
    case = project.next_case(eve)
    project.decide(eve, case.dispute, "borderline", "C9", "both", contested=True)
    return project


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_what_is_restored_is_what_was_backed_up(
    new_project, clock, tmp_path, postgres: PostgresServer, into
):
    project = worked_on(new_project, clock)
    made = back_up(project, tmp_path / "p.tar.gz")
    assert (tmp_path / "p.tar.gz").stat().st_mode & 0o777 == 0o600
    address = postgres.new_database() if into == "postgresql" else None
    assert restore(tmp_path / "p.tar.gz", tmp_path / "again", database=address) == made
    assert made.rows == sum(map(len, content(project).values()))
    with open_project(tmp_path / "again", clock=clock) as again:
        assert content(again) == content(project)
        assert again.plan == project.plan
        assert again.record.session_key == project.record.session_key
        assert again.database.sqlite == (address is None)
        # Work goes on: new rows have numbers of their own.
        (dan,) = join_graders(again, "Dan")
        assert len(grade_all(again, [dan])) > 10
        check_invariants(again)


def test_a_backup_while_graders_work_is_of_one_moment(new_project, tmp_path, clock):
    project = new_project(graders={"image": 3, "text": 3, "joint": 3})
    people = join_graders(project, "Ada", "Ben", "Cleo")
    over = threading.Event()

    def grade(person: int) -> None:
        while not over.is_set():
            lease = project.next_item(person)
            if isinstance(lease, Lease):
                project.submit(person, answer_to(lease))
            else:
                return

    threads = [threading.Thread(target=grade, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    made: list[Path] = []
    while any(thread.is_alive() for thread in threads) or not made:
        made.append(tmp_path / f"{len(made)}.tar.gz")
        back_up(project, made[-1])
    over.set()
    for thread in threads:
        thread.join()
    numbers = []
    for file in made[-3:]:
        restore(file, tmp_path / f"of-{file.stem}")
        with open_project(tmp_path / f"of-{file.stem}", clock=clock) as again:
            check_invariants(again)
            numbers.append(len(content(again)[grades.name]))
    assert numbers == sorted(numbers)
    assert numbers[-1] <= 108


def test_nothing_of_the_dataset_is_in_a_backup(new_project, tmp_path):
    project = new_project()
    back_up(project, tmp_path / "p.tar.gz")
    data = gzip.decompress((tmp_path / "p.tar.gz").read_bytes())
    texts = [sample.text for sample in project.dataset()]
    assert texts
    assert not any(text.encode() in data for text in texts)


@pytest.fixture
def backup(new_project, tmp_path: Path) -> Path:
    project = new_project()
    join_graders(project, "Ada")
    back_up(project, tmp_path / "p.tar.gz")
    return tmp_path / "p.tar.gz"


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_damaged_backup_is_refused_and_nothing_is_made(backup, tmp_path):
    whole = backup.read_bytes()
    for place in range(10, len(whole), len(whole) // 12):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(AnnotationError, match=r"p\.tar\.gz") as refusal:
            restore(backup, tmp_path / "again")
        assert "\n" not in str(refusal.value)
        assert not (tmp_path / "again" / "project.yaml").exists()
    for length in (0, 20, len(whole) // 2, len(whole) - 4):
        backup.write_bytes(whole[:length])
        with pytest.raises(AnnotationError, match="damaged"):
            restore(backup, tmp_path / "again")
    backup.write_bytes(whole)
    restore(backup, tmp_path / "again")


def changed(backup, change):
    """Write a backup anew with other members."""
    with tarfile.open(backup) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(backup, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def manifest_with(**values: object) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        member, data = members[0]
        members[0] = (member, json.dumps(json.loads(data) | values).encode())

    return change


def escape(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("../escaped"), b"x"))


def escape_by_manifest(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    member, data = members[0]
    tree = json.loads(data)
    tree["parts"]["tables/../../escaped"] = {"size": 1, "sha256": "0" * 64}
    members[0] = (member, json.dumps(tree).encode())
    members.append((tarfile.TarInfo("tables/../../escaped"), b"x"))


def link(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    for member, _ in members:
        if member.name == "policy.yaml":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"


def without_a_table(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[:] = [each for each in members if each[0].name != "tables/grades.jsonl"]


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (manifest_with(format="vlsu-annotate-backup/2"), "newer version"),
        (manifest_with(revision="v9999"), "newer version"),
        (manifest_with(format="something/1"), "no backup"),
        (manifest_with(parts=[]), "manifest is damaged"),
        (manifest_with(project="0" * 32), "another project"),
        (escape, "does not belong there"),
        (escape_by_manifest, "does not belong there"),
        (link, "does not belong there"),
        (without_a_table, "grades.jsonl is missing"),
    ],
)
def test_a_backup_that_was_tampered_with_is_refused(backup, tmp_path, change, said):
    changed(backup, change)
    with pytest.raises(AnnotationError, match=said):
        restore(backup, tmp_path / "in" / "again")
    assert not (tmp_path / "in" / "again" / "project.yaml").exists()
    assert not list(tmp_path.rglob("escaped"))


def test_nothing_is_overwritten(backup, new_project, tmp_path, postgres: PostgresServer):
    restore(backup, tmp_path / "again")
    with pytest.raises(AnnotationError, match="holds a project already"):
        restore(backup, tmp_path / "again")
    address = postgres.new_database()
    restore(backup, tmp_path / "first", database=address)
    with pytest.raises(AnnotationError, match="holds another project"):
        restore(backup, tmp_path / "second", database=address)
    with open_project(tmp_path / "again") as again, pytest.raises(UsageError, match="exists"):
        back_up(again, backup)
    with pytest.raises(AnnotationError, match="cannot be read"):
        restore(tmp_path / "none.tar.gz", tmp_path / "third")


@pytest.mark.slow
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_what_was_killed_half_way_is_no_backup_and_no_project(backup, tmp_path, clock):
    restore(backup, tmp_path / "p")
    command = [sys.executable, "-m", "vlsu", "annotate"]
    lasted = []
    for arguments in (["backup", "p", "whole.tar.gz"], ["restore", backup.name, "whole"]):
        began = time.monotonic()
        subprocess.run([*command, *arguments], cwd=tmp_path, check=True, capture_output=True)
        lasted.append(time.monotonic() - began)
    for number, share in enumerate((0.5, 0.8, 0.95)):
        made, again = tmp_path / f"{number}.tar.gz", tmp_path / f"again-{number}"
        for arguments, seconds in (
            (["backup", "p", made.name], lasted[0] * share),
            (["restore", backup.name, again.name], lasted[1] * share),
        ):
            process = subprocess.Popen(
                [*command, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
        if not made.exists():
            with open_project(tmp_path / "p") as project:
                back_up(project, made)
        restore(made, tmp_path / f"from-{number}")
        if not (again / "project.yaml").exists():
            restore(backup, again)
        with open_project(again, clock=clock) as project:
            check_invariants(project)
    assert clock.now == START
