"""How much each stage has done: tries, records, calls of models, and time."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from vlsu.build.folder.reading import Reader

if TYPE_CHECKING:
    from vlsu.build.folder.build import Build

__all__ = ["stages", "timed"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def timed(
    stage: str,
) -> Callable[[Callable[Concatenate[Build, _P], _R]], Callable[Concatenate[Build, _P], _R]]:
    """Record how long each call of a stage's function took, one that fails too.

    What a killed process did is not recorded: its time is missing from the sum.

    Args:
        stage: One of `vlsu.build.folder.records.STAGES`.
    """

    def decorated(
        function: Callable[Concatenate[Build, _P], _R],
    ) -> Callable[Concatenate[Build, _P], _R]:
        @functools.wraps(function)
        def wrapper(build: Build, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
            began, clock = time.time(), time.perf_counter()
            try:
                return function(build, *args, **kwargs)
            finally:
                with build.store() as store:
                    store.add_work(stage, began, time.perf_counter() - clock)

        return wrapper

    return decorated


def stages(store: Reader) -> dict[str, dict[str, Any]]:
    """What each stage has done so far.

    Returns:
        Stage -> ``{tries, open_tries, made, kept, undecided, lost{reason: count}, calls, cost,
        unpriced, starts, seconds}``; `seconds` are those of starts that ended, however they ended.
    """
    found: dict[str, dict[str, Any]] = {}
    for stage, (calls, cost, unpriced) in store.calls_by_stage().items():
        all_tries, open_tries = store.tries(stage), store.tries(stage, open_only=True)
        kept, lost, undecided = store.fates(stage)
        starts, seconds = store.work(stage)
        found[stage] = {
            "tries": len(all_tries) - len(open_tries),
            "open_tries": len(open_tries),
            "made": kept + sum(lost.values()) + undecided,
            "kept": kept,
            "undecided": undecided,
            "lost": lost,
            "calls": calls,
            "cost": cost,
            "unpriced": unpriced,
            "starts": starts,
            "seconds": seconds,
        }
    return found
