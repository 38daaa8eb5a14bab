"""``vlsu data``: make, check and look at datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu._text import one_line
from vlsu.cli.fetch import AllowPrivate, fetch, fetch_into, print_fetched
from vlsu.cli.table_options import Encoding, Missing

if TYPE_CHECKING:
    from vlsu.data import ImportReport

app = typer.Typer(help="Make, check and look at datasets.", no_args_is_help=True)
app.command("fetch")(fetch)

#: Rows of one table on the screen.
_MOST_ROWS = 40

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")]
Out = Annotated[Path, typer.Option(help="The dataset folder to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a dataset in --out.")]


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="vlsu, csv, or another importer's name.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The file to import.")],
    out: Out,
    images: Annotated[
        Path | None, typer.Option(help="Folder with the images, by id or by file name.")
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Fetch the images from their addresses, as vlsu data fetch."),
    ] = False,
    allow_private: AllowPrivate = False,
    map: Annotated[
        list[str] | None,
        typer.Option(help="column=field for the csv importer. Repeatable, or comma-separated."),
    ] = None,
    grades: Annotated[
        list[str] | None,
        typer.Option(
            help="word=grade: what a word of the file stands for: safe, borderline, unsafe or "
            "not_sure. Repeatable, or comma-separated."
        ),
    ] = None,
    missing: Missing = None,
    encoding: Encoding = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Any rejected or doubtful row is an error.")
    ] = False,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file the categories belong to.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset.")] = None,
    version: Annotated[str, typer.Option(help="Version of the dataset.")] = "1",
    licence: Annotated[str | None, typer.Option(help="Licence of the data.")] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite it.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Make a dataset folder of your copy of a benchmark; every row is imported or accounted for."""
    from vlsu.cli.output import counter, print_json
    from vlsu.data import import_dataset

    with counter("rows") as progress:
        report = import_dataset(
            format,
            source,
            out,
            images=images,
            map=read_map(map or []),
            grades=read_grades(grades or []),
            missing=missing,
            encoding=encoding,
            strict=strict,
            policy=policy,
            name=name,
            version=version,
            licence=licence,
            citation=citation,
            overwrite=overwrite,
            progress=progress,
        )
    fetched = fetch_into(out, allow_private=allow_private) if fetch else None
    if json:
        print_json(report.to_dict() | ({} if fetched is None else {"fetch": fetched.to_dict()}))
    else:
        _print_import(report)
    if fetched is not None:
        print_fetched(fetched, as_json=json)
        if strict and fetched.failed:
            raise typer.Exit(1)


def _print_import(report: ImportReport) -> None:
    from vlsu.cli.output import print_table, say

    examples: dict[str, str] = {}
    for example in report.examples:
        at = f"line {example.line}" if example.line else "file"
        examples.setdefault(example.kind, f"{at} {example.value}".strip())
    rows = [
        ("rows read", report.rows_read, ""),
        ("imported", report.imported, ""),
        *((f"rejected: {k}", n, examples.get(k, "")) for k, n in report.rejected.items()),
        *((f"note: {k}", n, examples.get(k, "")) for k, n in report.notes.items()),
    ]
    print_table(f"Import of {report.source}", ("what", "count", "first"), rows)
    say(f"dataset: {report.dataset.path} ({report.dataset.info.content_hash})")


@app.command("check")
def check(dataset: Folder, json: AsJson = False) -> None:
    """Decode every image and look at every row; exit 1 if anything is wrong."""
    from vlsu.cli.output import counter, print_json, print_table, say
    from vlsu.data import check_dataset, load

    with counter("images") as progress:
        report = check_dataset(load(dataset), progress=progress)
    if json:
        print_json(report.to_dict())
    elif not report.ok:
        first = {finding.kind: finding for finding in reversed(report.findings)}
        rows = [
            (kind.value, count, report.touched[kind], _where(first[kind]), first[kind].fix)
            for kind, count in report.counts.items()
        ]
        print_table(
            f"Findings in {dataset}", ("finding", "count", "samples", "first", "what to do"), rows
        )
    say(
        f"{report.samples} samples, {report.images} images: {'sound' if report.ok else 'not sound'}"
    )
    if not report.ok:
        raise typer.Exit(1)


def _where(finding: object) -> str:
    parts = (getattr(finding, name) for name in ("sample", "file", "detail"))
    return " ".join(str(part) for part in parts if part)


@app.command("info")
def info(dataset: Folder, json: AsJson = False) -> None:
    """Count what is in a dataset: patterns, families, categories, severities, missing images."""
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.data import dataset_info, load

    about = dataset_info(load(dataset))
    if json:
        print_json(about)
        return
    heads = (
        "name",
        "version",
        "licence",
        "source",
        "samples",
        "images",
        "missing_images",
        "without_text",
        "without_grade",
        "content_hash",
    )
    title = f"{one_line(about['name'])} {one_line(about['version'])}"
    print_table(title, ("", ""), [(h.replace("_", " "), one_line(about[h], 200)) for h in heads])
    for part in ("patterns", "families", "languages"):
        print_table(part.capitalize(), (part, "samples"), _items(about[part]))
    for part in ("severities", "categories"):
        by_modality = about[part]
        if isinstance(by_modality, Mapping):
            names = list(dict.fromkeys(n for counts in by_modality.values() for n in counts))
            rows = [
                (one_line(n), *(counts.get(n, 0) for counts in by_modality.values())) for n in names
            ]
            print_table(part.capitalize(), (part, *by_modality), _first(rows))
    if about["description"]:
        say(one_line(about["description"], 1000))


def _items(counts: object) -> list[tuple[object, ...]]:
    rows = counts.items() if isinstance(counts, Mapping) else ()
    return _first([(one_line(name), count) for name, count in rows])


def _first(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The first rows of a table that may be of any length; --json has them all."""
    if len(rows) <= _MOST_ROWS:
        return rows
    more = (f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(rows[0]) - 1))
    return [*rows[:_MOST_ROWS], more]


@app.command("sample")
def sample(
    dataset: Folder,
    n: Annotated[int, typer.Option(help="Samples to draw.")],
    out: Out,
    seed: Annotated[int, typer.Option(help="Another seed, another draw.")] = 0,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Equally many of each joint severity.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw a random sample, stratified by pattern, into a dataset of its own."""
    from vlsu.cli.output import say
    from vlsu.data import load, sample_dataset

    drawn = sample_dataset(
        load(dataset), out, n=n, seed=seed, balanced=balanced, overwrite=overwrite
    )
    say(f"dataset: {drawn.path} ({len(drawn)} samples)")


@app.command("export")
def export(
    dataset: Folder,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[
        str | None, typer.Option(help="csv, jsonl or parquet; by default --out's ending.")
    ] = None,
) -> None:
    """Write the samples, without images, into one file."""
    from vlsu.cli.output import say
    from vlsu.data import export_dataset, load

    written = export_dataset(load(dataset), format or out.suffix.lstrip("."), out)
    say(f"file: {written}")


def read_map(pairs: list[str]) -> dict[str, str]:
    """``column=field`` pairs, of which a column's name may hold ``,`` and ``=``.

    Raises:
        UsageError: A pair without ``=``, or a column given twice.
    """
    from vlsu.cli.table_options import read_pairs
    from vlsu.data.importers.record import FIELDS

    return read_pairs("--map", pairs, "column=field", FIELDS)


def read_grades(pairs: list[str]) -> dict[str, str]:
    """``word=grade`` pairs, of which a word may hold ``,`` and ``=``.

    Raises:
        UsageError: A pair without ``=``, or a word given twice.
    """
    from vlsu.cli.table_options import read_pairs
    from vlsu.policy import NOT_SURE, Severity

    names = [name for severity in Severity for name in (severity.label, severity.letter)]
    return read_pairs("--grades", pairs, "word=grade", [*names, NOT_SURE])
