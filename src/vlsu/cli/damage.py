"""What lies in a run's folder can have been edited, or damaged: one line, whatever it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Runs named in the line.
_NAMED = 3
#: Characters of what Python says of it.
_SHOWN = 160


@contextmanager
def reading(runs: Sequence[Path]) -> Iterator[None]:
    """Read finished runs: what is not as vlsu writes it is named, and no defect of ours.

    Args:
        runs: The run folders.

    Raises:
        RunError: A value, a key or a column of a run was missing or of another kind; any other
            with the runs' names before it, if it names none.
    """
    from polars.exceptions import PolarsError

    from vlsu.errors import DataError, PolicyError, RunError

    names = ", ".join(str(run) for run in runs[:_NAMED])
    names += f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
    try:
        yield
    except (RunError, DataError, PolicyError) as error:
        if any(re.search(rf"(?<!\S){re.escape(str(run))}(?!\w)", str(error)) for run in runs):
            raise
        raise type(error)(f"{names}: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, PolarsError) as at:
        what = f"{type(at).__name__}: {' '.join(str(at).split())}"[:_SHOWN]
        raise RunError(
            f"{names}: what run.yaml, metrics.json or judgments.parquet holds is not as vlsu "
            f"writes it ({what}); if one was edited or damaged, delete metrics.json and "
            "judgments.parquet and run the same vlsu run command again: they are made anew from "
            "the stored responses. If none was, it is a defect of vlsu: set VLSU_DEBUG=1 for the "
            "traceback and report it"
        ) from at
