"""How soon a run that was interrupted asks on.

    python -m benchmarks.resume

Stores a share of a run's responses, starts `vlsu run` as a user would, and takes the time to the
first new request; with `--to-the-end` also that of the whole command, judging included. See
README.md.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import (
    BenchmarkError,
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

TIMEOUT_S = 300.0
INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=20_000, help="shared by the samples")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.5, 0.99])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--to-the-end", action="store_true", help="let each start finish the run")
    parser.add_argument("--folder", type=Path, help="for the dataset; a temporary one by default")
    options = parser.parse_args()
    peers_python()
    load = load_average()
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix="vlsu-resume-") as work,
        MockServer(latency_s=0.02) as server,
    ):
        say(f"writing {options.samples:,} samples ...")
        dataset = Path(work) / "dataset"
        large_dataset(dataset, options.samples, options.images)
        rows = [_share(share, dataset, server, options) for share in options.shares]
    words = (
        f"{options.samples:,} samples over {options.images:,} images, three modalities; medians of "
        f"{options.rounds} starts; load average {load:.1f} at the start.\n"
    )
    head = ["share stored", "responses stored", "first new request s"]
    cells = [
        [f"{row['share']:.0%}", f"{row['stored']:,}", f"{row['first_request_s']:.2f}"]
        for row in rows
    ]
    if options.to_the_end:
        head += ["whole command s", "CPU s", "peak MiB"]
        for cell, row in zip(cells, rows, strict=True):
            cell += [f"{row[name]:,.1f}" for name in ("wall_s", "cpu_s", "peak_rss_mb")]
    data = {"load_average": load, "samples": options.samples, "rows": rows}
    write_results("resume", f"{words}\n{markdown(head, cells)}", data)
    return 0


def _share(
    share: float, dataset: Path, server: MockServer, options: argparse.Namespace
) -> dict[str, float]:
    say(f"storing {share:.0%} ...")
    out = dataset.with_name(f"run-{share:g}")
    stored = store_responses(dataset, out, server.base_url, share)
    starts: list[dict[str, float]] = []
    for number in range(options.rounds):
        # A run of its own for every start: what is missing may be asked before it is stopped.
        start = dataset.with_name(f"{out.name}-{number}")
        shutil.copytree(out, start)
        measured = measure(
            vlsu_run(dataset, start, server, "--concurrency", str(options.in_flight)),
            server,
            timeout_s=TIMEOUT_S,
            terminal=True,
            stop=None if options.to_the_end else lambda _, requests: requests > 0,
        )
        if measured.status not in (0, INTERRUPTED) or measured.first_request_s is None:
            raise BenchmarkError(f"vlsu run: status {measured.status}\n{measured.output[-2000:]}")
        shutil.rmtree(start)
        starts.append(
            {
                "first_request_s": measured.first_request_s,
                "wall_s": measured.wall_s,
                "cpu_s": measured.cpu_s,
                "peak_rss_mb": measured.peak_rss_mb,
            }
        )
        say(f"{share:.0%}: {measured.first_request_s:.2f} s, {measured.wall_s:.1f} s in all")
    medians = {name: statistics.median(each[name] for each in starts) for name in starts[0]}
    return {"share": share, "stored": stored, **medians}


if __name__ == "__main__":
    sys.exit(main())
