"""`transformers serve` with a model of the test's own, on a port of the loopback address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.ports import reserved_port

__all__ = ["MISSING", "transformers_server"]

#: What it needs and is not installed.
MISSING = [name for name in ("fastapi", "openai", "uvicorn") if find_spec(name) is None]


@contextmanager
def transformers_server(model: Path, log: Path) -> Iterator[str]:
    """The address of a server's ``/v1``, which ends with the block.

    Args:
        model: Folder of its weights.
        log: File for what it prints.
    """
    command = [
        *(sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)),
        *("--host", "127.0.0.1", "--device", "cpu", "--port"),
    ]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (
        reserved_port() as port,
        log.open("w") as out,
        subprocess.Popen([*command, str(port)], stdout=out, stderr=out, env=offline) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server does not answer: {log.read_text()}")
