"""``vlsu store``: what is in the files of stored responses, and their upkeep."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlsu.runs.store.maintenance import Contents

__all__ = ["app"]

app = typer.Typer(
    help="Look into the files of stored responses, check, merge and prune them.",
    no_args_is_help=True,
)

Stores = Annotated[
    list[Path],
    typer.Argument(metavar="STORE|RUN...", help="Files of responses, or run folders."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("info")
def info(stores: Stores, json: Json = False) -> None:
    """Say how many responses there are, from which models, of how many tokens, and the errors."""
    from vlsu.cli.output import print_json, print_table
    from vlsu.runs.store.maintenance import contents

    found = [contents(path) for path in stores]
    if json:
        print_json({"stores": [each.to_dict() for each in found]})
        return
    print_table(
        "Stored responses",
        ("store", "MB", "responses", "failed attempts"),
        [
            (
                str(each.file),
                f"{each.size / 1e6:.1f}",
                f"{each.responses:,}",
                f"{sum(each.errors.values()):,}",
            )
            for each in found
        ],
    )
    for each in found:
        _show_models(each)


def _show_models(found: Contents) -> None:
    from vlsu.cli.output import print_table, say

    rows = [
        (spec, *(f"{counts[name]:,}" for name in ("responses", "input_tokens", "output_tokens")))
        for spec, counts in found.models.items()
    ]
    columns = ("model", "responses", "input tokens", "output tokens")
    if rows:
        print_table(f"Models: {found.file}", columns, rows)
    if found.errors:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.errors.items())
        say(f"{found.file}: failed attempts: {kinds}")
    if found.without_tokens:
        say(f"{found.file}: the tokens of {found.without_tokens:,} responses are not kept")


@app.command("verify")
def verify(stores: Stores, json: Json = False) -> None:
    """Read every response and compare its checksum; ends with 1 if one is not as it was stored."""
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.runs.store.maintenance import verified

    found = [verified(path) for path in stores]
    if json:
        print_json({"stores": [each.to_dict() for each in found]})
    else:
        rows = [
            (str(each.file), f"{each.sound:,}", f"{each.damaged:,}", "yes" if each.ok else "no")
            for each in found
        ]
        print_table("Checked responses", ("store", "as stored", "damaged", "sound"), rows)
        for each in found:
            for problem in each.problems:
                say(problem if problem.startswith(str(each.file)) else f"{each.file}: {problem}")
    if not all(each.ok for each in found):
        raise typer.Exit(1)


@app.command("merge")
def merge(
    stores: Stores,
    out: Annotated[Path, typer.Option(help="The new file.")],
    json: Json = False,
) -> None:
    """Write several stores into a new one; of several responses to a request the first stays."""
    from vlsu.cli.output import print_json, say
    from vlsu.runs.store.maintenance import merged_into

    count, together = merged_into(out, stores)
    if json:
        print_json({"file": str(out), "responses": count, "read": together})
        return
    say(f"{out}: {count:,} responses, out of {together:,} in {len(stores)} stores")


@app.command("prune")
def prune(
    store: Annotated[
        Path, typer.Argument(metavar="STORE|RUN", help="A file of responses, or a run folder.")
    ],
    run: Annotated[
        list[Path] | None,
        typer.Option(
            help="Keep what the judgments of this finished run rest on, and no other response. "
            "Repeatable; of a run folder its own run counts always.",
        ),
    ] = None,
    errors: Annotated[
        bool,
        typer.Option(
            "--errors", help="Remove failed attempts; without --run nothing else of a file."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove responses that no judgment of the given runs needs, and failed attempts.

    The file is written anew and replaced whole; what is removed would be asked and paid for again.
    """
    from vlsu.cli.output import print_json, say
    from vlsu.errors import UsageError
    from vlsu.runs.needed import needed_by
    from vlsu.runs.store.maintenance import prunable, pruned

    if not store.is_dir() and (store.parent / "run.yaml").exists():
        store = store.parent
    runs = [*(run or ()), *([store] if store.is_dir() else ())]
    if not runs and not errors:
        raise UsageError(f"{store}: say what is to be kept, by --run RUN, or --errors")

    def agreed(responses: int, failed: int) -> bool:
        if yes or not (responses or failed):
            return True
        question = f"{store}: remove {responses:,} responses and {failed:,} failed attempts"
        if not sys.stdin.isatty():
            raise UsageError(f"{question}: give --yes")
        return typer.confirm(f"{question}?", err=True)

    file = prunable(store)  # before a lock is made beside it
    with _kept_from_others(store):
        gone = pruned(file, needed_by(runs) if runs else None, errors=errors, agreed=agreed)
    if gone is None:
        say(f"{store}: nothing was removed")
        raise typer.Exit(1)
    if json:
        size = file.stat().st_size
        print_json(
            {"file": str(file), "responses_removed": gone[0], "errors_removed": gone[1]}
            | {"bytes": size}
        )
        return
    say(f"{store}: removed {gone[0]:,} responses and {gone[1]:,} failed attempts")


@contextmanager
def _kept_from_others(store: Path) -> Iterator[None]:
    """Hold the lock of a run folder, or of a file of its own."""
    from vlsu.runs.writing import locked, locked_file

    with locked(store) if store.is_dir() else locked_file(store):
        yield
