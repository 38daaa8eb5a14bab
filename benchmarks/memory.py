"""Memory and start-up against the size of the plan.

    python -m benchmarks.memory

Starts `vlsu run` as a user would on datasets of growing size and stops it after a while; then
judges a complete run of the largest, and starts it once more to see how soon it is recognised as
finished. See README.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import (
    BenchmarkError,
    Measured,
    MockServer,
    load_average,
    measure,
    peers_python,
    say,
    vlsu_run,
)
from benchmarks.payload import large_dataset
from benchmarks.stored import store_responses
from benchmarks.writing import markdown, write_results

HEAD = ["samples", "what", "first request s", "requests", "whole command s", "peak MiB"]
#: Beyond the time given, for a run to end after SIGINT, and for judging, in seconds.
STOP_S = 120.0
JUDGE_S = 1800.0
INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--images", type=int, default=50_000, help="shared by the samples")
    parser.add_argument("--seconds", type=float, default=60.0, help="until a run is stopped")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--folder", type=Path, help="for the datasets; a temporary one by default")
    options = parser.parse_args()
    peers_python()
    results: list[tuple[int, str, Measured]] = []
    load = load_average()
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-memory-") as work,
        MockServer(latency_s=0.0) as server,
    ):
        for samples in sorted(options.samples):
            dataset = Path(work) / "dataset"
            shutil.rmtree(dataset, ignore_errors=True)
            say(f"writing {samples:,} samples ...")
            large_dataset(dataset, samples, min(options.images, samples))
            say("asking ...")
            measured = _ask(dataset, server, options)
            results.append((samples, "asking", measured))
        say("storing every response ...")
        out = Path(work) / "complete"
        stored = store_responses(dataset, out, server.base_url, 1.0)
        for what in ("judging a complete run", "recognising a finished run"):
            say(f"{what} ...")
            command = vlsu_run(dataset, out, server, "--concurrency", str(options.in_flight))
            measured = measure(command, server, timeout_s=JUDGE_S, terminal=True)
            if measured.status or measured.requests:
                raise BenchmarkError(
                    f"{what}: status {measured.status}, {measured.requests} requests\n"
                    f"{measured.output[-2000:]}"
                )
            results.append((samples, what, measured))
    words = (
        f"Texts of about 100 characters, each sample its own, over {options.images:,} images; "
        f"runs stopped after {options.seconds:g} s; {options.in_flight} in flight; the complete "
        f"run holds {stored:,} different responses; load average {load:.1f} at the start.\n"
    )
    table = markdown(HEAD, [_cells(*result) for result in results])
    rows = [
        {
            "samples": samples,
            "what": what,
            "first_request_s": measured.first_request_s,
            "requests": measured.requests,
            "wall_s": measured.wall_s,
            "cpu_s": measured.cpu_s,
            "peak_rss_mb": measured.peak_rss_mb,
        }
        for samples, what, measured in results
    ]
    data = {"load_average": load, "images": options.images, "stored": stored, "rows": rows}
    write_results("memory", f"{words}\n{table}", data)
    return 0


def _ask(dataset: Path, server: MockServer, options: argparse.Namespace) -> Measured:
    out = dataset.with_name("run")
    shutil.rmtree(out, ignore_errors=True)
    command = vlsu_run(dataset, out, server, "--concurrency", str(options.in_flight))
    measured = measure(
        command,
        server,
        timeout_s=options.seconds + STOP_S,
        terminal=True,
        stop=lambda seconds, requests: seconds > options.seconds,
    )
    if measured.status not in (0, INTERRUPTED) or not measured.requests:
        raise BenchmarkError(f"vlsu run: status {measured.status}\n{measured.output[-2000:]}")
    return measured


def _cells(samples: int, what: str, measured: Measured) -> list[str]:
    first = measured.first_request_s
    return [
        f"{samples:,}",
        what,
        "" if first is None else f"{first:.1f}",
        f"{measured.requests:,}",
        f"{measured.wall_s:.1f}",
        f"{measured.peak_rss_mb:,.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
