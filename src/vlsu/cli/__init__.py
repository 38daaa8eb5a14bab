"""Commands: arguments in, calls down, tables out."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from types import FrameType

__all__ = ["main"]

#: Objects made before the collector looks for cycles among them, more than a start imports, and
#: how seldom it looks at older ones. Python's own numbers cost a third of the start-up and a
#: twentieth of a run's time, for nothing: what a run makes is freed by its reference counts.
COLLECT = (200_000, 50, 100)


def main() -> None:
    """Entry point of the ``vlsu`` command.

    Exit code 0 is success, 1 a check or gate that failed, 2 bad usage or input, 130 an interrupt
    (Ctrl-C, SIGTERM, SIGHUP). A user's mistake is one line; so is a defect of ours, unless
    ``VLSU_DEBUG`` is set.
    """
    gc.set_threshold(*COLLECT)
    # The matrices here are small; numpy's threads would only spin beside the run.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Pillow warns of metadata and trailing bytes; `vlsu data check` finds what matters.
    warnings.filterwarnings("ignore", module=r"PIL\b")
    try:
        _interrupt_on(signal.SIGTERM, getattr(signal, "SIGHUP", None))
        code = _with_streams()
    except KeyboardInterrupt:
        code = 130
    if code == 130:  # whoever interrupts again does not wait for threads that are at work
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()  # the interpreter is about to end, and would look through all of it first
    sys.exit(code)


def _interrupt_on(*signals: signal.Signals | None) -> None:
    """Have these signals end a command as Ctrl-C does, unless they are ignored (``nohup``)."""
    for number in signals:
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _as_interrupt)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C would do now, even where that is ignored, as in the background of a script.

    An event loop takes Ctrl-C between two of its steps; a `KeyboardInterrupt` raised within one
    may be the end of what another waits for, for ever.
    """
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


def _with_streams() -> int:
    from vlsu.cli.terminal import StreamError, open_streams

    code = 2
    try:
        with open_streams():
            code = _command()
    except StreamError as error:
        with open_streams():
            print(f"error: {error}", file=sys.stderr)
        return code or 2
    return code


def _command() -> int:
    """Run the command that the arguments name; its exit code."""
    try:
        from vlsu.cli.terminal import say, say_logged

        say_logged()
        from vlsu._machine import exhausted_resource
        from vlsu.cli.app import run_command
        from vlsu.errors import VlsuError

        try:
            return run_command(sys.argv[1:])
        except VlsuError as error:
            if error.__cause__ is not None:
                _show_traceback(error)
            say(f"error: {error}")
            return 2
        except Exception as error:
            if lack := exhausted_resource(error):
                _show_traceback(error)
                say(f"error: {lack}")
            else:
                _report_defect(error)
            return 2
        except BaseException as error:
            if not _is_of_damaged_parquet(error):  # Polars may panic there
                raise
            _report_defect(error)
            return 2
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("interrupted", *error.args, sep=": ", file=sys.stderr)
        return 130


def _show_traceback(error: BaseException) -> None:
    """The traceback, if ``VLSU_DEBUG`` is set."""
    if os.environ.get("VLSU_DEBUG"):
        import traceback

        from vlsu.cli.terminal import harmless

        print(harmless("".join(traceback.format_exception(error))), file=sys.stderr)


def _is_of_damaged_parquet(error: BaseException) -> bool:
    """Whether Polars found a file damaged while it read the rows."""
    if "polars" not in sys.modules:
        return False
    from vlsu.data.parquet import DAMAGED

    return isinstance(error, DAMAGED)


def _report_defect(error: BaseException) -> None:
    from vlsu.cli.terminal import say

    _show_traceback(error)
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        say("error: a file's name has characters that this locale lacks; set LC_ALL=C.UTF-8")
        return
    if _is_of_damaged_parquet(error):
        say(
            f"error: a Parquet file of the dataset or the run is damaged ({str(error)[:200]}); "
            "see vlsu data check, or make the file again"
        )
        return
    say(
        f"error: a defect of vlsu ({type(error).__name__}: {error}); "
        "set VLSU_DEBUG=1 for the traceback and report it"
    )
