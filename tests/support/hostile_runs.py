"""Run folders that storage or somebody has changed, and the commands that read them."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import yaml

from vlsu.cli.app import run_command
from vlsu.errors import VlsuError
from vlsu.runs import load_runs
from vlsu.runs.damage import damage

#: What stands in place of a value: of every type that YAML and JSON have, and absurd ones.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    -(2**63),
    10**40,
    1e308,
    -0.5,
    "",
    "x",
    "\x1b[31m[bold]" * 50,
    "x" * 100_000,
    "NaN",
    [],
    [1, None, "x"],
    {},
    {"value": "x", "low": None, "high": []},
    {"a": {"b": {"c": {}}}},
)
#: The same of a table's column: each gives a column of another type, or of other values.
_COLUMNS: tuple[Callable[[pl.Expr], pl.Expr], ...] = (
    lambda column: column.cast(pl.String).str.len_bytes().cast(pl.Int64),
    lambda column: pl.lit(None, dtype=pl.Null),
    lambda column: pl.lit(1.5),
    lambda column: pl.lit(float("nan")),
    lambda column: pl.lit(float("inf")),
    lambda column: pl.lit(value=True),
    lambda column: pl.lit("\x1b[31mfoo"),
    lambda column: pl.lit(""),
    lambda column: pl.lit("x" * 100_000),
    lambda column: pl.lit("x").cast(pl.Binary),
    lambda column: pl.lit("x").cast(pl.Categorical),
    lambda column: pl.concat_list(pl.lit(1), pl.lit(2)),
    lambda column: pl.struct(a=pl.lit(1)),
    lambda column: pl.lit(2**62),
    lambda column: pl.lit(-1),
    lambda column: pl.date(2020, 1, 1),
    lambda column: column.shift(1),
    lambda column: column.first(),
)


class HungError(Exception):
    """A command took longer than anything here may."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Give up after so many seconds."""

    def give_up(number: int, frame: object) -> None:
        raise HungError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(arguments: list[str], seconds: int = 300) -> tuple[int, str]:
    """Exit code of a command and what it says; any other exception than a user's is let through."""
    out, said = StringIO(), StringIO()
    with within(seconds), redirect_stdout(out), redirect_stderr(said):
        try:
            return run_command(arguments), out.getvalue() + said.getvalue()
        except VlsuError as error:
            return 2, str(error)


def served(folder: str, dataset: str) -> tuple[int, str]:
    """The same of ``vlsu view`` and of what its page asks for."""
    from vlsu.report.serve.view import view_app

    with within(60):
        try:
            app = view_app(load_runs([folder], [dataset]))
            for path, query in (("/run/1/", ""), ("/run/1/samples", "from=0&to=9")):
                status, body = asyncio.run(_get(app, f"/{app.secret}{path}", query))
                if status == 500:
                    return 2, body.decode()
        except VlsuError as error:
            return 2, str(error)
        except Exception as error:
            if (found := damage([folder], error)) is None:
                raise
            return 2, str(found)
    return 0, ""


async def _get(app: Any, path: str, query: str) -> tuple[int, bytes]:
    """Ask an ASGI application for a page; status and body of its answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1:8765")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return int(sent[0]["status"]), body


# Mutations


def paths(tree: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Where something stands in nested mappings and lists."""
    if path:
        yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from paths(value, (*path, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree[:3]):
            yield from paths(value, (*path, number))


def changed(tree: Any, draw: random.Random) -> Any:
    """A tree of which something is left out, doubled or replaced."""
    copy = deepcopy(tree)
    path = draw.choice(list(paths(copy)))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    if draw.random() < 0.25 and isinstance(inner, dict):
        del inner[path[-1]]
        if draw.random() < 0.3:
            inner["another"] = 1
    else:
        inner[path[-1]] = draw.choice(VALUES)
    return copy


def change_record(run: Path, draw: random.Random) -> None:
    """Another ``run.yaml``."""
    tree = yaml.safe_load((run / "run.yaml").read_text())
    for _ in range(draw.choice([1, 1, 1, 3])):
        tree = changed(tree, draw)
    (run / "run.yaml").write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


def change_json(name: str) -> Callable[[Path, random.Random], None]:
    """Another ``metrics.json``, or another file of JSON."""

    def change(run: Path, draw: random.Random) -> None:
        tree = orjson.loads((run / name).read_bytes())
        for _ in range(draw.choice([1, 1, 1, 3])):
            tree = changed(tree, draw)
        (run / name).write_text(json.dumps(tree))

    return change


def change_table(name: str) -> Callable[[Path, random.Random], None]:
    """Other columns in a Parquet file, or other rows."""

    def change(run: Path, draw: random.Random) -> None:
        table = pl.read_parquet(run / name)
        column = draw.choice(table.columns)
        match draw.randrange(8):
            case 0:
                table = table.drop(column)
            case 1:
                table = table.head(0)
            case 2:
                table = pl.concat([table, table])
            case 3:
                table = table.rename({column: "another"})
            case _:
                table = table.with_columns(draw.choice(_COLUMNS)(pl.col(column)).alias(column))
        table.write_parquet(run / name)

    return change


def change_bytes(run: Path, draw: random.Random) -> None:
    """Any file cut, emptied, overwritten, or made something else."""
    file = draw.choice(sorted(path for path in run.iterdir() if path.is_file()))
    data = bytearray(file.read_bytes())
    match draw.randrange(7):
        case 0:
            data = data[: len(data) // 2]
        case 1:
            data = bytearray()
        case 2:
            for _ in range(20):
                if data:
                    data[draw.randrange(len(data))] = draw.randrange(256)
        case 3:
            data = bytearray(b"\x00" * 10_000)
        case 4:
            data = bytearray(b"[" * 100_000)
        case 5:
            file.unlink()
            file.mkdir()
            return
        case 6:
            file.unlink()
            return
    file.write_bytes(data)


RECURSIVE = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT '' || x AS key, 200 AS status, x'' AS body, 0.0 AS latency_s, 1 AS attempts, "
    "0.0 AS received, 0 AS checksum FROM n"
)
STATEMENTS = (
    f"ALTER TABLE responses RENAME TO old; CREATE VIEW responses AS {RECURSIVE}",
    "CREATE TRIGGER t AFTER INSERT ON errors BEGIN DELETE FROM responses; END",
    "CREATE VIEW v AS SELECT * FROM responses",
    "DROP TABLE responses",
    "DROP TABLE errors; DROP TABLE images; DROP TABLE response_tokens",
    "DROP TABLE responses; CREATE TABLE responses (key TEXT)",
    "ALTER TABLE responses ADD COLUMN more TEXT",
    "CREATE INDEX i ON responses (hex(body))",
    "UPDATE responses SET body = 'text'",
    "UPDATE responses SET status = 'x'",
    "UPDATE responses SET checksum = 0",
    "UPDATE responses SET latency_s = 'x'",
    "UPDATE responses SET body = zeroblob(100000000) WHERE rowid = 1",
    "UPDATE responses SET key = CAST(x'ff' AS TEXT) WHERE rowid = 1",
    "UPDATE responses SET coding = 'x'",
    "UPDATE responses SET coding = 4611686018427387904",
    "UPDATE responses SET number = number + 100000",
    "DELETE FROM responses WHERE number = 2",
    "INSERT INTO segments VALUES (1, x'00', 0)",
    "INSERT INTO segments VALUES (1, zeroblob(1600), 4089386839)",
    "DROP TABLE specs",
    "INSERT INTO specs VALUES (7, x'ff')",
    "INSERT INTO response_tokens VALUES (-7, x'ff', 'x', 'x', 9e999, 0, 0, 0)",
    "UPDATE response_tokens SET input_tokens = 9223372036854775807",
    "ALTER TABLE responses RENAME TO former_responses",
    "INSERT INTO errors VALUES ('k', 'x', 'x', CAST(x'ff' AS TEXT), x'00', 1, 'x')",
    "DELETE FROM responses",
)


def change_store(run: Path, draw: random.Random) -> None:
    """Another schema in ``responses.sqlite``, or rows of other types."""
    with closing(sqlite3.connect(run / "responses.sqlite")) as connection:
        connection.executescript(draw.choice(STATEMENTS))


CHANGES: dict[str, Callable[[Path, random.Random], None]] = {
    "run.yaml": change_record,
    "metrics.json": change_json("metrics.json"),
    "judgments.parquet": change_table("judgments.parquet"),
    "bytes": change_bytes,
    "responses.sqlite": change_store,
}


def copy_of(run: Path, place: Path) -> Path:
    """A copy to change."""
    if place.exists():
        shutil.rmtree(place)
    return Path(shutil.copytree(run, place))
