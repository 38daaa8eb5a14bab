"""Commands: arguments in, calls down, tables out."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``vlsu`` command.

    Exit code 0 is success, 1 a check or gate that failed, 2 bad usage or input, 130 an interrupt.
    A user's mistake is one line; so is a defect of ours, unless ``VLSU_DEBUG`` is set.
    """
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
