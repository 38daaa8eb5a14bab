"""``vlsu agreement``: how far graders agree, and what a single one of them is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vlsu.cli.table_options import Encoding, Missing

_ITEM = typer.Option(help="Column of the item; without one, every row of a wide file is an item.")
#: Pairs of graders, labels and categories shown in a table; the JSON has all.
_SHOWN = 20


def agreement(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or TSV. Long: columns item, grader, grade. Wide: one column a grader. Both: "
            "perhaps category and modality (image, text, joint)."
        ),
    ],
    item: Annotated[str | None, _ITEM] = None,
    grader: Annotated[str | None, typer.Option(help="Column of the grader (long).")] = None,
    grade: Annotated[str | None, typer.Option(help="Column of the grade (long).")] = None,
    graders: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of the graders (wide), as A,B,C, or repeat it. By default those that "
            "hold severities, else those named like grader1, annot1_label, rater_2, else those "
            "that share labels."
        ),
    ] = None,
    category: Annotated[str | None, typer.Option(help="Column of the category.")] = None,
    modality: Annotated[str | None, typer.Option(help="Column of the modality.")] = None,
    of: Annotated[
        str, typer.Option(help="What was graded, if no column gives it: image, text or joint.")
    ] = "joint",
    order: Annotated[
        list[str] | None,
        typer.Option(
            help="Labels of your own, mildest first: safe,controversial,unsafe. Repeat it, a label "
            "each, where a label holds a comma."
        ),
    ] = None,
    nominal: Annotated[bool, typer.Option("--nominal", help="Labels have no order.")] = False,
    relabel: Annotated[
        list[str] | None,
        typer.Option("--map", help="Read answers as another label: '1*=safe'. Repeat it."),
    ] = None,
    missing: Missing = None,
    encoding: Encoding = None,
    consensus: Annotated[
        str,
        typer.Option(
            help="Human oracle: a grader against the majority of the others, or of all (as in the "
            "paper; flatters, as their own grade is in it)."
        ),
    ] = "others",
    ties: Annotated[
        str, typer.Option(help="A tied majority: random (a seeded draw), worse, or drop.")
    ] = "random",
    over: Annotated[
        str,
        typer.Option(
            help="What intervals are over: items (other items, the same graders), or graders,items "
            "(other graders too; three or more)."
        ),
    ] = "items",
    split: Annotated[int, typer.Option(min=0, help="Most divided items to name.")] = 10,
    replicates: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Bootstrap replicates.")
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of ties.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Agreement between graders, and the human oracle: a single grader as if they were a model.

    Grades are safe, borderline, unsafe or not_sure, in any letter case; an empty cell is no answer.
    Other labels are taken as they are, in no order unless --order gives one.
    """
    from vlsu.analysis.agreement.agreement import OVER, grader_agreement
    from vlsu.analysis.agreement.grades import grades_from_frame
    from vlsu.analysis.agreement.oracle import CONSENSUS, TIES
    from vlsu.cli.output import print_json
    from vlsu.data.grades import GradeColumns, read_grades
    from vlsu.errors import UsageError

    if (held := next((c for c in CONSENSUS if c == consensus), None)) is None:
        raise UsageError(f"--consensus {consensus!r}: use {' or '.join(CONSENSUS)}")
    if (rule := next((t for t in TIES if t == ties), None)) is None:
        raise UsageError(f"--ties {ties!r}: use {', '.join(TIES)}")
    words = {word.strip() for word in over.split(",")}
    if (drawn := next((o for o in OVER if set(o.split(",")) == words), None)) is None:
        raise UsageError(f"--over {over!r}: use {' or '.join(OVER)}")
    stated = order or []
    labels = stated[0].split(",") if len(stated) == 1 else stated
    read = read_grades(
        file,
        GradeColumns(
            item=item,
            grader=grader,
            grade=grade,
            graders=tuple(graders or ()),
            category=category,
            modality=modality,
        ),
        relabel=relabel or (),
        labels=labels,
        missing=missing,
        encoding=encoding,
    )
    tree: dict[str, Any] = {"file": file.name, "layout": read.layout, "columns": read.columns}
    notes, frames = read.notes, [read.grades]
    del read
    # Handed over, so that its texts are freed once they are numbers: of a million items, the most
    # of the memory.
    grades = grades_from_frame(frames.pop(), order=labels, nominal=nominal, source=str(file))
    found = grader_agreement(
        grades,
        order=labels,
        nominal=nominal,
        modality=of,
        consensus=held,
        ties=rule,
        split=split,
        over=drawn,
        seed=seed,
        replicates=replicates,
        source=str(file),
        references=json,
    )
    tree |= found
    tree["notes"] = [*notes, *tree["notes"]]
    if json:
        print_json(tree)
    else:
        _print(tree)


def _print(tree: dict[str, Any]) -> None:
    from vlsu.cli.output import print_table, print_text
    from vlsu.data.tables import columns_found

    counts, overall = tree["counts"], tree["overall"]
    scopes = {"overall": overall, **tree.get("modalities", {})}
    measures = [key for key, value in overall.items() if isinstance(value, dict)]
    print_table(
        f"{tree['file']} ({tree['layout']}): {counts['graders']} graders, {counts['items']} items, "
        f"{counts['answers']} answers",
        ("", *scopes),
        [
            ("graded by two or more", *(scope["paired"] for scope in scopes.values())),
            *((_title(m), *(_rate(s[m]) for s in scopes.values())) for m in measures),
        ],
        "95% intervals, with other items"
        + (" and other graders." if "graders" in tree["intervals"]["resampled"] else "."),
    )
    if categories := tree.get("categories"):
        keys = [key for key in _CATEGORY if key in overall]
        print_table(
            "By category",
            ("category", "graded by two or more", *map(_title, keys)),
            [(name, c["paired"], *(_rate(c[k]) for k in keys)) for name, c in categories.items()],
        )
    if tree["pairs"]:
        keys = [key for key, value in tree["pairs"][0].items() if key in _PAIR]
        print_table(
            "Pairs of graders, the least agreeing first" + _cut(tree["pairs"]),
            ("graders", "units", *map(_title, keys)),
            [
                (f"{p['first']} / {p['second']}", p["n"], *(_rate(p[k]) for k in keys if k in p))
                for p in tree["pairs"][:_SHOWN]
                if p["n"]
            ],
        )
    biased = all("bias" in grader for grader in tree["graders"].values())
    print_table(
        "Graders",
        (
            "grader",
            "answers",
            "not sure",
            "agrees with the majority",
            *(("harsher", "milder", "bias") if biased else ()),
        ),
        [
            (
                name,
                grader["answers"],
                _rate(grader["not_sure"]["share"]),
                _rate(grader["consensus"]["accuracy"]),
                *(_rate(grader[k]) for k in ("harsher", "milder", "bias") if biased),
            )
            for name, grader in tree["graders"].items()
        ],
        "harsher, milder: share of the others' grades below, above the grader's." if biased else "",
    )
    if tree["confused"]:
        print_table(
            "On what they disagree" + _cut(tree["confused"]),
            ("labels", "pairs of graders", "share"),
            [
                (" / ".join(c["labels"]), c["pairs"], f"{c['share']:.2f}")
                for c in tree["confused"][:_SHOWN]
            ],
        )
    if tree["split"]:
        print_table(
            "Most divided",
            ("item", "modality", "category", "votes"),
            [
                (
                    s["item"],
                    s["modality"],
                    s["category"],
                    ", ".join(f"{label}: {n}" for label, n in s["votes"].items()),
                )
                for s in tree["split"]
            ],
        )
    oracle = tree["oracle"]
    sections = [(m, oracle[m]) for m in ("image", "text", "joint") if m in oracle]
    keys = [key for key in _ORACLE if key in sections[0][1]]
    print_table(
        f"Human oracle: one grader against the majority of {oracle['consensus']}",
        ("modality", "answers", "items", *map(_title, keys), "ties"),
        [(m, s["n"], s["items"], *(_rate(s[k]) for k in keys), s["ties"]) for m, s in sections],
    )
    for note in tree["notes"]:
        print_text(f"- {note}")
    if other := tree["columns"].get("other"):
        print_text(f"- Columns that were not read: {columns_found(other)}.")


_CATEGORY = (
    "percent_agreement",
    "krippendorff_alpha_nominal",
    "krippendorff_alpha_ordinal",
    "gwet_ac1",
    "gwet_ac2",
)
_PAIR = ("percent_agreement", "cohen_kappa", "cohen_kappa_quadratic", "gwet_ac1", "gwet_ac2")
_ORACLE = ("accuracy", "f1_macro", "f1_weighted", "f1_binary", "f1_binary_strict")


def _title(key: str) -> str:
    words = key.replace("krippendorff_", "").replace("percent_", "").split("_")
    return " ".join(w.upper() if w in ("ac1", "ac2", "f1") else w for w in words)


def _cut(rows: list[Any]) -> str:
    return f" (first {_SHOWN} of {len(rows)})" if len(rows) > _SHOWN else ""


def _rate(rate: dict[str, Any]) -> str:
    if rate["value"] is None:
        return "-"
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
