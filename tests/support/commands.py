"""The ``vlsu`` command in this process: as a user meets it, without the second that a start takes.

Its arguments, exit code, and what it writes to the two output streams are those of the command. A
test of signals, limits, streams or start-up needs a process of its own.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from vlsu.cli import main

__all__ = ["vlsu"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def vlsu(
    *arguments: object,
    expect: int | None = 0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        arguments: As in a shell, each turned into text.
        expect: The exit code, or `None` for any.
        cwd: Where it runs.
        env: Its environment; this process's if not given.
        encoding: Of its two output streams.
    """
    command = ["vlsu", *map(str, arguments)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        with (
            _as_a_process(command, cwd, env),
            _stream("stdout", output, encoding),
            _stream("stderr", errors, encoding),
        ):
            code = _exit_code()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(encoding))
    done = subprocess.CompletedProcess(command, code, *texts)
    assert expect is None or code == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextlib.contextmanager
def _as_a_process(
    command: list[str], cwd: Path | None, env: Mapping[str, str] | None
) -> Iterator[None]:
    """What the command sets for its whole process, set back at the end."""
    argv, handlers = sys.argv, [signal.getsignal(number) for number in _SIGNALS]
    thresholds, logged = gc.get_threshold(), list(logging.getLogger().handlers)
    environment = dict(os.environ)
    sys.argv = command
    try:
        _set_environment(environment if env is None else env)
        with contextlib.chdir(cwd or Path.cwd()), warnings.catch_warnings():
            yield
    finally:
        sys.argv = argv
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            signal.signal(number, handler)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        logging.getLogger().handlers[:] = logged
        _set_environment(environment)


def _set_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


@contextlib.contextmanager
def _stream(name: str, file: IO[bytes], encoding: str) -> Iterator[None]:
    """While open, what is written to a standard stream goes to a file, in an encoding."""
    number = {"stdout": 1, "stderr": 2}[name]
    stream = getattr(sys, name)
    stream.flush()
    before = os.dup(number)
    os.dup2(file.fileno(), number)
    text = io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding, write_through=True)
    setattr(sys, name, text)
    try:
        yield
    finally:
        text.close()
        setattr(sys, name, stream)
        os.dup2(before, number)
        os.close(before)
