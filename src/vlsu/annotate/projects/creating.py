"""Making a project: its folder, its database, and a slot for each grade that is wanted."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, inspect, select

from vlsu._folders import among_images, foreign_names
from vlsu._text import quoted
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.content import Rows, clusters_of, tell_nothing
from vlsu.annotate.projects.folder import (
    DATABASE_FILE,
    POLICY_FILE,
    PROJECT_FILE,
    Care,
    Record,
    write,
)
from vlsu.annotate.projects.gold import Known, read_gold
from vlsu.annotate.store.bulk import analyze, insert_rows
from vlsu.annotate.store.database import Database, database_url, shown
from vlsu.annotate.store.states import MODALITY_NUMBERS
from vlsu.annotate.store.tables import (
    bins,
    gold,
    items,
    meta,
    policy_versions,
    slots,
)
from vlsu.data import BUNDLED, Dataset, load
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES, Policy

__all__ = ["Made", "create", "new_folder", "require_empty", "require_unused"]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.

    Attributes:
        samples: Samples of the dataset.
        slots: Modality -> grades wanted.
        gold: Known answers.
        notes: What its maker should know.
    """

    samples: int
    slots: Mapping[str, int]
    gold: int
    notes: tuple[str, ...] = field(default=())


def create(
    folder: Path,
    dataset: Dataset,
    plan: Plan,
    *,
    policy: Policy | None = None,
    database: str | None = None,
    gold_file: Path | None = None,
    care: Care | None = None,
    now: int,
) -> Made:
    """Make a project.

    Args:
        folder: New, or empty.
        dataset: What is graded; it stays where it is, and must not change.
        plan: Who grades what.
        policy: The dataset's, if not given.
        database: Address of a PostgreSQL database of its own; a SQLite file in the folder if not
            given.
        gold_file: Known answers: a CSV with item, grade, and perhaps modality and category.
        care: Who is there for those who grade.
        now: Milliseconds.

    Raises:
        VlsuError: The folder or the database is taken, or something given cannot be used.
    """
    policy = policy or dataset.policy
    require_empty(folder)
    _require_outside(folder, dataset)
    answers = {} if gold_file is None else read_gold(gold_file, dataset, policy)
    record, password = _record(dataset, plan, policy, database)
    record = replace(record, care=care or Care())
    made_at = datetime.datetime.fromtimestamp(now / 1000, datetime.UTC)
    with new_folder(folder):
        opened = Database(record.url(folder), connections=1)
        try:
            require_unused(opened)
            opened.migrate()
            made = opened.write(
                lambda connection: _fill(connection, record, dataset, policy, answers, now)
            )
            opened.write(analyze)
        except BaseException:
            opened.close()
            for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"):
                (folder / name).unlink(missing_ok=True)
            raise
        opened.close()
        if opened.sqlite:
            (folder / DATABASE_FILE).chmod(0o600)
        write(folder, record, policy.text, made_at=made_at.isoformat(timespec="seconds"))
    notes = list(made.notes)
    if password:
        notes.append("the database's password is in secrets.yaml, which only you can read")
    return Made(made.samples, made.slots, made.gold, tuple(notes))


def require_empty(folder: Path) -> None:
    """Refuse a folder that has anything in it but the rest of a project that was never complete."""
    if wrong := among_images(folder):
        raise AnnotationError(f"{folder}: {wrong}; give another folder")
    try:
        if folder.exists() and (found := foreign_names(folder, _is_own)):
            raise AnnotationError(f"{folder}: has {quoted(found[0])} in it; give an empty folder")
        if (folder / PROJECT_FILE).exists():
            raise AnnotationError(f"{folder}: holds a project already; give another folder")
    except OSError as error:
        raise AnnotationError(f"{folder}: cannot be used ({error.strerror})") from None


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A project's folder, made if it is not there; where the work fails, what was made is removed.

    Raises:
        AnnotationError: It cannot be made or written.
    """
    made: list[Path] = []
    try:
        for each in (*reversed(folder.parents), folder):
            if not each.is_dir():
                each.mkdir()
                made.append(each)
        yield
    except OSError as error:
        _remove(made)
        raise AnnotationError(f"{folder}: cannot be used ({error.strerror})") from None
    except BaseException:
        _remove(made)
        raise


def _remove(folders: list[Path]) -> None:
    """Remove those that are empty."""
    for each in reversed(folders):
        with suppress(OSError):
            each.rmdir()


def _require_outside(folder: Path, dataset: Dataset) -> None:
    """Refuse a folder in the dataset's: who passes that on would pass on names and secrets."""
    if folder.resolve().is_relative_to(dataset.path.resolve()):
        raise AnnotationError(
            f"{folder}: is in the dataset's folder, which must not change and may be passed on; "
            "give another folder"
        )


def _is_own(entry: os.DirEntry[str]) -> bool:
    return entry.name in (PROJECT_FILE, POLICY_FILE, "secrets.yaml", f"{PROJECT_FILE}.part") or (
        entry.name.startswith(DATABASE_FILE)
    )


def _record(
    dataset: Dataset, plan: Plan, policy: Policy, database: str | None
) -> tuple[Record, str]:
    address, password = "", ""
    if database is not None:
        url = database_url(database)
        if url.get_backend_name() == "sqlite":
            raise AnnotationError("--db: leave it out for a SQLite file in the folder")
        password = url.password or ""
        address = url.set(password=None, drivername=url.get_backend_name()).render_as_string()
    bundled = next((name for name in BUNDLED if load(name).path == dataset.path), None)
    record = Record(
        id=uuid.uuid4().hex,
        dataset=bundled or str(dataset.path.resolve()),
        dataset_name=f"{dataset.info.name} {dataset.info.version}",
        content_hash=dataset.info.content_hash,
        policy=policy.identity,
        plan=plan,
        database=address,
        password=str(password),
    )
    return record, str(password)


def require_unused(database: Database) -> None:
    """Refuse a database that holds a project."""
    with database.read() as connection:
        if not inspect(connection).has_table(meta.name):
            return
        taken = connection.execute(select(meta.c.value).where(meta.c.key == "project")).first()
    if taken is not None:
        raise AnnotationError(
            f"{shown(database.url)}: holds another project; give each a database of its own"
        )


def _fill(
    connection: Connection,
    record: Record,
    dataset: Dataset,
    policy: Policy,
    answers: Mapping[tuple[str, str], Known],
    now: int,
) -> Made:
    ids = dataset.frame().select("id").collect()["id"]
    clusters = clusters_of(dataset)
    rows = Rows(record.plan, clusters, frozenset(answers), opaque=tell_nothing(ids))
    numbers: dict[str, int] = {}

    def all_items() -> Any:
        for number, sample in enumerate(dataset):
            numbers[sample.id] = number
            yield rows.item(number, sample)

    found = list(all_items())
    insert_rows(
        connection,
        bins,
        ("id", "stratum", "language"),
        ((number, *key) for key, number in rows.bins.items()),
    )
    insert_rows(
        connection,
        items,
        ("id", "sample_id", "alias", "image_sha256", "text_sha256", "bin"),
        found,
    )
    insert_rows(
        connection,
        slots,
        (
            *("item_id", "modality", "seat", "place", "state"),
            *("rank", "hard", "bin", "cluster"),
        ),
        (row for number, sample in enumerate(dataset) for row in rows.slots(number, sample)),
    )
    insert_rows(
        connection,
        gold,
        ("item_id", "modality", "grade", "category", "note", "cluster"),
        (
            (
                *(numbers[sample], MODALITY_NUMBERS[modality]),
                *(known.grade, known.category, known.note or None, clusters.get(sample)),
            )
            for (sample, modality), known in answers.items()
        ),
    )
    connection.execute(
        insert(policy_versions).values(
            id=1, label=policy.version, policy_hash=policy.hash, made_at=now
        )
    )
    facts = {"project": record.id, "dataset": record.content_hash}
    connection.execute(insert(meta), [{"key": k, "value": v} for k, v in facts.items()])
    wanted = dict.fromkeys(MODALITIES, 0)
    counts = select(slots.c.modality, func.count()).group_by(slots.c.modality)
    for modality, number in connection.execute(counts):
        wanted[MODALITIES[modality]] = number
    if not any(wanted.values()):
        if answers:
            raise AnnotationError(
                f"{dataset.info.name}: of all that is to be graded the answers are known, and "
                "nothing is left; give --gold fewer"
            )
        raise AnnotationError(f"{dataset.info.name}: no sample has what is to be graded")
    return Made(len(numbers), wanted, len(answers), tuple(_notes(rows, wanted, answers)))


def _notes(
    rows: Rows, wanted: Mapping[str, int], answers: Mapping[tuple[str, str], Known]
) -> list[str]:
    notes = []
    if rows.ungraded:
        samples = "1 sample has" if rows.ungraded == 1 else f"{rows.ungraded} samples have"
        notes.append(
            f"{samples} a known pair and parts that are not known: nobody grades these parts, "
            "as graders are shown the pair; add answers for them to --gold"
        )
    if rows.plan.disjoint and rows.seats:
        notes.append(
            f"at least {rows.seats} graders are needed, since whoever grades a pair never grades "
            "its parts"
        )
    training = rows.plan.checks.training
    if answers and rows.plan.checks.gold and len(answers) <= training:
        used = "1 known answer is" if len(answers) == 1 else f"{len(answers)} known answers are all"
        notes.append(
            f"{used} used in training, so that none is left to be hidden among the others; give "
            f"more than {training}"
        )
    if rows.unknown:
        items_ = "1 item" if rows.unknown == 1 else f"{rows.unknown} items"
        are = "is" if rows.unknown == 1 else "are"
        notes.append(
            f"{items_} could be hard to look at and {are} not known to be: grade the dataset "
            "with a model first, so that lighter ones space them"
        )
    if rows.plan.graders.get("image") == 1 and wanted["image"] and not rows.plan.regrade:
        notes.append("images have one grader each, so that their agreement cannot be told")
    return notes
