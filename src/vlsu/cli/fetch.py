"""``vlsu data fetch``: the images of a dataset from their addresses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vlsu.data.fetching.fetch import FetchReport
    from vlsu.data.fetching.politeness import Pace

AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Fetch from this machine and private networks too: for addresses you trust.",
    ),
]

Proxy = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        metavar="URL|env",
        help="Ask through an HTTP proxy, http://HOST:PORT, or those of the environment. Addresses "
        "and redirects are judged as ever; what the proxy makes of a name that this machine does "
        "not resolve is for the proxy to guard.",
    ),
]

#: Hosts of the table on the screen.
_MOST_HOSTS = 15


def fetch(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    concurrency: Annotated[int, typer.Option(help="Requests at a time.")] = 64,
    per_host: Annotated[int, typer.Option(help="Of these, to one host.")] = 6,
    timeout: Annotated[
        float, typer.Option(help="Seconds for one attempt, redirects included.")
    ] = 30.0,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="Ask here for what fails at its own address: an address with {url}, {quoted}, "
            "{host}, {path}, {name} or {id}.",
        ),
    ] = None,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Ask again what failed for good, and what was fetched, if it has changed since.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if one image could not be fetched.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch the images that samples have an address of; the same command goes on where it stopped.

    Images of this machine, of private networks and of metadata services are refused.
    """
    from vlsu.data.fetching.politeness import Pace

    report = fetch_into(
        dataset,
        Pace(concurrency=concurrency, per_host=per_host),
        timeout_s=timeout,
        mirror=mirror,
        allow_private=allow_private,
        proxy=proxy,
        again=again,
    )
    if json:
        from vlsu.cli.output import print_json

        print_json(report.to_dict())
    print_fetched(report, as_json=json)
    if strict and report.failed:
        raise typer.Exit(1)


def fetch_into(
    folder: Path,
    pace: Pace | None = None,
    *,
    timeout_s: float | None = None,
    mirror: str | None = None,
    allow_private: bool = False,
    proxy: str | None = None,
    again: bool = False,
) -> FetchReport:
    """Fetch into a dataset folder, with a bar; an interrupt says how to go on."""
    from vlsu.cli.output import counter
    from vlsu.data.fetching.fetch import TIMEOUT_S, fetch_images

    try:
        with counter("images") as progress:
            return fetch_images(
                folder,
                pace=pace,
                timeout_s=TIMEOUT_S if timeout_s is None else timeout_s,
                mirror=mirror,
                allow_private=allow_private,
                proxy=proxy,
                again=again,
                progress=progress,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with vlsu data fetch {folder}") from None


def print_fetched(report: FetchReport, *, as_json: bool) -> None:
    """Print what was fetched and what was not; with JSON, only where the list of failures is."""
    from vlsu._text import one_line
    from vlsu.cli.output import print_table, say

    failed = sum(report.failed.values())
    if not as_json:
        rows = [
            ("addresses", report.wanted),
            ("had", report.had),
            ("fetched", report.fetched),
            *((f"failed: {reason}", n) for reason, n in report.failed.items()),
        ]
        print_table(f"Images of {report.dataset.path}", ("what", "count"), rows)
        hosts = [
            (one_line(host), *(counts[name] for name in ("wanted", "had", "fetched", "failed")))
            for host, counts in report.hosts.items()
        ]
        note = f"and {len(hosts) - _MOST_HOSTS} more" if len(hosts) > _MOST_HOSTS else ""
        columns = ("host", "wanted", "had", "fetched", "failed")
        print_table("Hosts", columns, hosts[:_MOST_HOSTS], note)
        say(f"dataset: {report.dataset.path} ({report.dataset.info.content_hash})")
    if report.failed_file is not None:
        say(
            f"{failed} of {report.wanted} images have not been fetched: listed in "
            f"{report.failed_file}; --again asks once more, --mirror elsewhere"
        )
