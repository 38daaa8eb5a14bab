"""A project's folder: ``project.yaml``, the policy, secrets, and the database if it is a file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.engine import URL

from vlsu._version import __version__
from vlsu._yaml import load_yaml, write_yaml
from vlsu.annotate.plan.settings import Bounds, ConsensusRules, Order, Plan
from vlsu.annotate.store.database import database_url
from vlsu.errors import AnnotationError, UsageError

__all__ = [
    "DATABASE_FILE",
    "FORMAT",
    "LONGEST_CARE",
    "POLICY_FILE",
    "PROJECT_FILE",
    "SECRETS_FILE",
    "Care",
    "Record",
    "care_of",
    "read",
    "write",
]

PROJECT_FILE = "project.yaml"
POLICY_FILE = "policy.yaml"
#: The database's password and the key of sessions; readable by the owner alone.
SECRETS_FILE = "secrets.yaml"
DATABASE_FILE = "annotate.sqlite"
FORMAT = "vlsu-annotate/1"

#: Characters of a text of `Care`, at most.
LONGEST_CARE = 2000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """Who is there for those who grade; entries of ``project.yaml`` that may be edited.

    Attributes:
        support: Helpline and contact, shown on every page; a text of the app's if empty.
        officer: Who is told of what may be illegal or is a threat, and reports it.
        country: Whose law decides what that is.
    """

    support: str = ""
    officer: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The content of ``project.yaml`` and ``secrets.yaml``.

    Attributes:
        id: Of the project; its database has it too.
        dataset: Folder of the dataset as given, or a bundled name.
        dataset_name: Name and version, for messages.
        content_hash: Of the dataset; another content is refused.
        policy: Name, version and hash.
        plan: Who grades what.
        database: Address without its password; empty for the SQLite file in the folder.
        password: Of the database; empty for none.
        session_key: Signs what pages send back.
        care: Who is there for those who grade.
    """

    id: str
    dataset: str
    dataset_name: str
    content_hash: str
    policy: Mapping[str, object]
    plan: Plan
    database: str
    password: str = ""
    session_key: str = ""
    care: Care = field(default_factory=lambda: Care())

    def url(self, folder: Path) -> URL:
        """The address of the database.

        Raises:
            AnnotationError: It cannot be read.
        """
        if not self.database:
            return URL.create("sqlite+pysqlite", database=str(folder / DATABASE_FILE))
        url = database_url(self.database)
        return url.set(password=self.password) if self.password else url


def write(folder: Path, record: Record, policy_text: str, *, made_at: str) -> None:
    """Write the files of a new project; ``project.yaml`` last, so that it is there when all are.

    Args:
        folder: Made if it is not there.
        record: What they say.
        policy_text: The policy's YAML.
        made_at: ISO 8601.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POLICY_FILE).write_text(policy_text, encoding="utf-8")
    hidden = {
        "database_password": record.password,
        "session_key": record.session_key or secrets.token_hex(32),
    }
    descriptor = os.open(folder / SECRETS_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(write_yaml(hidden))
    plan = asdict(record.plan)
    tree = {
        "format": FORMAT,
        "id": record.id,
        "made_at": made_at,
        "made_with": f"vlsu {__version__}",
        "dataset": {
            "path": record.dataset,
            "name": record.dataset_name,
            "content_hash": record.content_hash,
        },
        "policy": dict(record.policy),
        "database": record.database or f"sqlite:///{DATABASE_FILE}",
        "care": asdict(record.care),
        **plan,
    }
    half = folder / f"{PROJECT_FILE}.part"
    half.write_text(write_yaml(tree), encoding="utf-8")
    half.replace(folder / PROJECT_FILE)


def read(folder: Path) -> Record:
    """Read a project's folder.

    Raises:
        AnnotationError: It is no project, or a file of it is invalid; the message names the entry.
    """
    file = folder / PROJECT_FILE
    if not file.exists():
        raise AnnotationError(f"{folder}: no annotation project; make one with vlsu annotate init")
    tree = _mapping(load_yaml(file, AnnotationError), file, "the file")
    if tree.get("format") != FORMAT:
        raise AnnotationError(f"{file}: format is {tree.get('format')!r}, not {FORMAT!r}")
    dataset = _mapping(tree.get("dataset"), file, "dataset")
    hidden_file = folder / SECRETS_FILE
    hidden = _mapping(load_yaml(hidden_file, AnnotationError), hidden_file, "the file")
    database = _text(tree, "database", file)
    try:
        plan = Plan(
            graders={
                str(name): _whole(number, file, f"graders.{name}")
                for name, number in _mapping(tree.get("graders"), file, "graders").items()
            },
            regrade=_number(tree.get("regrade"), file, "regrade"),
            disjoint=bool(tree.get("disjoint")),
            seed=_whole(tree.get("seed"), file, "seed"),
            bounds=_part(Bounds, tree, "bounds", file),
            order=_part(Order, tree, "order", file),
            consensus=_part(ConsensusRules, tree, "consensus", file),
        )
    except UsageError as error:
        raise AnnotationError(f"{file}: {error}") from None
    return Record(
        id=_text(tree, "id", file),
        dataset=_text(dataset, "path", file),
        dataset_name=_text(dataset, "name", file),
        content_hash=_text(dataset, "content_hash", file),
        policy=_mapping(tree.get("policy"), file, "policy"),
        plan=plan,
        database="" if database == f"sqlite:///{DATABASE_FILE}" else database,
        password=str(hidden.get("database_password") or ""),
        session_key=_text(hidden, "session_key", hidden_file),
        care=_care(tree.get("care", {}), file),
    )


def care_of(support: str, officer: str) -> Care:
    """The texts of a new project.

    Raises:
        UsageError: One is too long.
    """
    for name, text in (("--support", support), ("--officer", officer)):
        if len(text) > LONGEST_CARE:
            raise UsageError(f"{name}: {len(text)} characters; give at most {LONGEST_CARE}")
    return Care(support=support.strip(), officer=officer.strip())


def _care(value: object, file: Path) -> Care:
    given = _mapping({} if value is None else value, file, "care")
    known = {each.name for each in fields(Care)}
    if unknown := sorted(set(given) - known):
        raise AnnotationError(f"{file}: care: there is no {unknown[0]!r}; remove it")
    for name, text in given.items():
        if not isinstance(text, str | None) or len(text or "") > LONGEST_CARE:
            raise AnnotationError(
                f"{file}: care.{name}: a text of at most {LONGEST_CARE} characters is expected"
            )
    return Care(**{name: (text or "").strip() for name, text in given.items()})


def _mapping(value: object, file: Path, part: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnnotationError(f"{file}: {part}: a mapping is expected")
    return value


def _text(tree: Mapping[str, object], key: str, file: Path) -> str:
    value = tree.get(key)
    if not isinstance(value, str) or not value:
        raise AnnotationError(f"{file}: {key}: a text is expected")
    return value


def _whole(value: object, file: Path, part: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise AnnotationError(f"{file}: {part}: a whole number is expected")
    return value


def _number(value: object, file: Path, part: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise AnnotationError(f"{file}: {part}: a number is expected")
    return float(value)


def _part(kind: type[T], tree: Mapping[str, object], key: str, file: Path) -> T:
    """A group of numbers; those that are missing have their defaults."""
    given = _mapping(tree.get(key, {}), file, key)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        raise AnnotationError(f"{file}: {key}: there is no {unknown[0]!r}; remove it")
    return kind(
        **{
            name: (_number if known[name].type == "float" else _whole)(value, file, f"{key}.{name}")
            for name, value in given.items()
        }
    )
