"""``vlsu data``: make, check and look at datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu._text import one_line
from vlsu.cli.catalogue import POLICY
from vlsu.cli.fetch import AllowPrivate, Proxy, fetch, fetch_into, print_fetched
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
    format: Annotated[
        str,
        typer.Argument(
            help="A benchmark: vlsu, siuo, msts, figstep, mm-safetybench, vlsbench, mssbench, "
            "holisafe, vlguard, beavertails-v, mossbench, hateful-memes; or a table: csv, jsonl, "
            "parquet, xlsx, hf, webdataset, dataset."
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="The file, or the folder, to import.")
    ],
    out: Out,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the images, by id or by file name; by default SRC, if a folder."
        ),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Fetch the images from their addresses, as vlsu data fetch."),
    ] = False,
    allow_private: AllowPrivate = False,
    proxy: Proxy = None,
    map: Annotated[
        list[str] | None,
        typer.Option(help="column=field, for a table of any kind. Repeatable, or comma-separated."),
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
        bool,
        typer.Option(
            "--strict",
            help="Any rejected or doubtful row, or image that is not found, is an error.",
        ),
    ] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar=POLICY,
            help="Policy of the grades and categories: default, binary (safe and unsafe alone), "
            "or a file; by default that of the source, and binary for benchmarks graded so.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the dataset; 1 by default.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the data; by default that of the source.")
    ] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite it.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Make a dataset folder of your copy of a benchmark; every row is imported or accounted for."""
    from dataclasses import replace

    from vlsu.cli.output import counter, print_json, say
    from vlsu.data import import_dataset

    if fetch and proxy is not None:
        from vlsu.data.fetching.proxies import routing

        routing(proxy)  # what is wrong with it is said before the import
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
    if report.restrictions:
        kinds = " and ".join(report.restrictions)
        say(f"licence of the data: {one_line(report.dataset.info.licence)} ({kinds})")
    fetched = fetch_into(out, allow_private=allow_private, proxy=proxy) if fetch else None
    if json and fetched is not None:
        # The dataset as it is now, with the images that were fetched.
        now = replace(report, dataset=fetched.dataset)
        print_json(now.to_dict() | {"fetch": fetched.to_dict()})
    elif json:
        print_json(report.to_dict())
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
    if report.rejected:
        say(f"all rejected rows: {report.dataset.path / 'import.json'}")
    say(f"dataset: {report.dataset.path} ({report.dataset.info.content_hash})")


@app.command("check")
def check(
    dataset: Folder,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another dataset that should hold nothing of this one. Repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A page of what was found: a file ending in .html.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Decode every image and look at every row and text; exit 1 if anything is wrong.

    Wrong are damaged or missing files, labels that do not fit or conflict, and what leaks between
    splits or into a dataset given by --against. Duplicates, small cells, odd languages and personal
    data are noted, and how well simple classifiers tell the joint grade from the text alone, the
    image alone, and both apart, and by which shortcuts: these are for you to judge.
    """
    from dataclasses import replace

    from vlsu._folders import require_replaceable
    from vlsu.cli.data_audit import audit, shortcut_lines
    from vlsu.cli.output import counter, print_json, print_table, say
    from vlsu.data import full_check, load
    from vlsu.report.written import PAGE, require_html

    if out is not None:
        require_html(out, "check.html")
        require_replaceable(out, "--out", PAGE)
    opened = load(dataset)
    others = [load(other) for other in against or []]
    with counter("images") as progress:
        report = full_check(opened, against=others, progress=progress)
    audited = audit(opened)
    report = replace(report, **audited)
    files = report.files
    if out is not None:
        from vlsu.report.data_check import write_check

        write_check(report, opened, out)
    if json:
        print_json(report.to_dict())
    elif not files.ok:
        first = {finding.kind: finding for finding in reversed(files.findings)}
        rows = [
            (kind.value, count, files.touched[kind], _where(first[kind]), first[kind].fix)
            for kind, count in files.counts.items()
        ]
        print_table(
            f"Findings in {dataset}", ("finding", "count", "samples", "first", "what to do"), rows
        )
    for note in [] if json else [*report.notes(), *shortcut_lines(audited)]:
        say(note)
    if out is not None:
        say(f"page: {out}")
    say(f"{files.samples} samples, {files.images} images: {'sound' if report.ok else 'not sound'}")
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
    shared = about["shared"]
    if isinstance(shared, Mapping) and any(found["count"] for found in shared.values()):
        print_table(
            "Shared by several samples",
            ("", "different", "samples", "most", "all samples are worth"),
            [(what, *found.values()) for what, found in shared.items() if found["count"]],
            "worth: independent samples, if those that share it are copies of each other",
        )
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
