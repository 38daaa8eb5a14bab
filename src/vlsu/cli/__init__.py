"""Commands: arguments in, calls down, tables out."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["main"]

#: Objects made before the collector looks for cycles among them, and how seldom it looks at older
#: ones. Python's own numbers cost a third of the start-up and a twentieth of a run's time, for
#: nothing: what a run makes is freed by its reference counts.
COLLECT = (100_000, 50, 100)


def main() -> None:
    """Entry point of the ``vlsu`` command.

    Exit code 0 is success, 1 a check or gate that failed, 2 bad usage or input, 130 an interrupt.
    A user's mistake is one line; so is a defect of ours, unless ``VLSU_DEBUG`` is set.
    """
    gc.set_threshold(*COLLECT)
    # The matrices here are small; numpy's threads would only spin beside the run.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from vlsu.cli.app import app
    from vlsu.errors import VlsuError

    try:
        app()
    except VlsuError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if os.environ.get("VLSU_DEBUG"):
            raise
        print(
            f"error: a defect of vlsu ({type(error).__name__}: {error}); "
            "set VLSU_DEBUG=1 for the traceback and report it",
            file=sys.stderr,
        )
        sys.exit(2)
    finally:
        gc.freeze()  # the interpreter is about to end, and would look through all of it first
