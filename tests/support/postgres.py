"""A PostgreSQL server of this test session's own, on loopback, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ports import reserved_port

__all__ = ["PostgresServer", "missing_reason", "postgres_server"]

#: Debian keeps the programs of each version in a folder of its own.
_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@dataclass
class PostgresServer:
    """A running server; `process` is its postmaster."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    settings: Mapping[str, str] = field(default_factory=dict)

    def new_database(self, about: str = "") -> str:
        """The address of a new, empty database; `about` it, as ``CREATE DATABASE`` has it."""
        name = f"t{uuid.uuid4().hex[:16]}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" {about}')
        return self._address(name)

    def drop_database(self, address: str) -> None:
        """Remove a database that `new_database` gave, whoever is still connected to it."""
        name = address.rpartition("/")[2]
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=20).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Start it again after `kill`."""
        self.process = _started(self.folder, self.port, self.settings)
        _wait(self)

    def kill(self) -> None:
        """End it as a crash does: no process of it finishes anything."""
        children = subprocess.run(
            ["ps", "--ppid", str(self.process.pid), "-o", "pid="], capture_output=True, text=True
        ).stdout.split()
        for pid in (self.process.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(100)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(100)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(100)

    def _address(self, database: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"


def missing_reason() -> str | None:
    """Why no server can be started here; `None` if one can."""
    if _program("initdb") is None or _program("postgres") is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


@contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """A server in a new folder, stopped at the end and its folder removed.

    Args:
        settings: Those that differ from the ones for tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="vlsu-postgres-"))
    try:
        if (user := _user()) is not None:
            shutil.chown(folder, user, _group(user))
        made = subprocess.run(
            [
                *(str(_program("initdb")), "-D", str(folder / "data"), "-U", "tester"),
                *("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            cwd=folder,
            **_as_user(),
        )
        assert made.returncode == 0, made.stderr
        with reserved_port() as port:
            process = _started(folder / "data", port, settings)
            server = PostgresServer(folder / "data", port, process, settings)
            try:
                _wait(server)
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(data: Path, port: int, other: Mapping[str, str]) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "120",
        "fsync": "off",  # the machine does not lose power in a test
        "shared_buffers": "256MB",
        "max_wal_size": "4GB",
        **other,
    }
    command = [str(_program("postgres")), "-D", str(data), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log = (data.parent / "log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=data.parent, **_as_user())


def _wait(server: PostgresServer) -> None:
    end = time.monotonic() + 60
    while not server.ready():
        assert time.monotonic() < end, (server.folder.parent / "log").read_text()
        assert server.process.poll() is None, (server.folder.parent / "log").read_text()
        time.sleep(0.05)


def _program(name: str) -> Path | None:
    for folder in _FOLDERS:
        if (folder / name).exists():
            return folder / name
    found = shutil.which(name)
    return None if found is None else Path(found)


def _other_user() -> str | None:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _user() -> str | None:
    return _other_user() if os.geteuid() == 0 else None


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _as_user() -> dict[str, Any]:
    user = _user()
    return {} if user is None else {"user": user, "group": _group(user), "extra_groups": []}
