"""Results of benchmarks, as Markdown, on the terminal and under `RESULTS`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def percent(share: float) -> str:
    """A share in percent, to one digit, without the sign."""
    return f"{100 * share:.1f}"


def write_results(name: str, text: str, data: Mapping[str, object] | None = None) -> None:
    """Print a text, and keep it, and its data where there are some, under `RESULTS`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    if data is not None:
        kept = json.dumps(data, indent=2) + "\n"
        (RESULTS / f"{name}.json").write_text(kept, encoding="utf-8")
    print(text)


def write_report(name: str, report: Callable[[], str]) -> None:
    """Make the report of a simulation, write it, and tell how long that took."""
    wall, cpu = time.perf_counter(), time.process_time()
    write_results(name, report())
    print(f"{time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU time")
