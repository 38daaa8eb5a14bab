"""The page of ``vlsu data check``: what is wrong with a dataset, and what to know of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from vlsu._folders import make_folder, require_replaceable
from vlsu.analysis.stats.intervals import Rate
from vlsu.data import Dataset, FullCheck
from vlsu.data.checks.personal import personal_data
from vlsu.report.page.render import THUMBNAIL_ROOM, render
from vlsu.report.table import Table, format_rate
from vlsu.report.thumbnails import Thumbnail, thumbnails
from vlsu.report.written import PAGE
from vlsu.runs.folder import write_atomically

__all__ = ["check_page", "write_check"]

#: Groups of each kind that are shown, and samples of a group.
_GROUPS, _MEMBERS = 40, 6
#: Characters of a text, and of an identifier.
_TEXT, _ID = 300, 80

#: In place of a text that seems to hold personal data.
_HELD_BACK = "(not shown: it seems to hold personal data)"

_KINDS = {
    "near": "nearly the same",
    "equal": "the same but for file or spelling",
    "identical": "used by several samples",
}
_PERSONAL = {
    "email": "e-mail address",
    "iban": "bank account (IBAN)",
    "card": "payment card",
    "ssn": "social security number",
    "ip": "IP address",
    "phone": "telephone number",
    "image_location": "image that says where it was taken",
}
_SECTIONS = (
    ("findings", "Findings"),
    ("conflicts", "Conflicting grades"),
    ("leakage", "Leakage"),
    ("duplicates", "Duplicates"),
    ("told", "Grades told from one modality"),
    ("cells", "Patterns and small cells"),
    ("languages", "Languages"),
    ("personal", "Personal data"),
)


def write_check(check: FullCheck, dataset: Dataset, out: Path) -> None:
    """Write the page.

    Args:
        check: The result.
        dataset: The dataset that was checked, for texts and images.
        out: The file; its folder is made if need be, a page there is replaced.

    Raises:
        VlsuError: It cannot be written.
    """
    require_replaceable(out, "--out", PAGE)
    make_folder(out.parent)
    write_atomically(out, check_page(check, dataset).encode())


def check_page(check: FullCheck, dataset: Dataset) -> str:
    """The page: one file; images are blurred until asked for, texts are escaped."""
    shown = {
        "images": _unlike(check.duplicates["images"]),
        "texts": _unlike(check.duplicates["texts"]),
        "conflicts": check.conflicts[:_GROUPS],
    }
    content = _content(
        dataset, [id_ for groups in shown.values() for each in groups for id_ in each["ids"]]
    )
    images = [
        *(image for group in shown["images"] for image in group["images"][:_MEMBERS]),
        *(content[id_][1] for each in shown["conflicts"] for id_ in each["ids"] if id_ in content),
    ]
    pictures = thumbnails(dataset, [image for image in images if image], THUMBNAIL_ROOM)
    tables = _tables(check)
    sections = [
        (id_, title) for id_, title in _SECTIONS if id_ != "told" or check.text_only is not None
    ]
    return render(
        "data_check.html.jinja",
        {},
        title=f"{dataset.info.name} {dataset.info.version}",
        check=check,
        sections_=sections,
        tables=tables,
        image_groups=[_group(each, content, pictures, each["images"]) for each in shown["images"]],
        text_groups=[_group(each, content, {}) for each in shown["texts"]],
        conflicts=[
            {
                "modality": each["modality"],
                "grades": ", ".join(f"{grade} {n}" for grade, n in each["grades"].items()),
                **_group(each, content, pictures),
            }
            for each in shown["conflicts"]
        ],
    )


def _unlike(groups: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Groups of different files or texts: that samples share one is often meant so."""
    return [group for group in groups if group["kind"] != "identical"][:_GROUPS]


def _content(dataset: Dataset, ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Identifier -> text, cut, and image of samples."""
    wanted = list(dict.fromkeys(ids))
    rows = dataset.frame().filter(pl.col("id").is_in(wanted))
    with dataset.reading():
        found = rows.select("id", "text", "image_sha256").collect()
    return {id_: (_shown(text or ""), image) for id_, text, image in found.iter_rows()}


def _shown(text: str) -> str:
    return _HELD_BACK if personal_data(text) else text[:_TEXT]


def _group(
    group: Mapping[str, Any],
    content: Mapping[str, tuple[str, str | None]],
    pictures: Mapping[str, Thumbnail],
    images: Sequence[str] = (),
) -> dict[str, object]:
    """What the page shows of samples that are alike."""
    ids = group["ids"][:_MEMBERS]
    held = [content.get(id_, ("", None)) for id_ in ids]
    shown = list(images) or [image for _, image in held if image]
    return {
        "kind": _KINDS.get(str(group.get("kind")), ""),
        "samples": group.get("samples", len(group["ids"])),
        "members": [(id_[:_ID], text) for id_, (text, _) in zip(ids, held, strict=True)],
        "pictures": [
            (image[:12], pictures[image])
            for image in dict.fromkeys(shown[:_MEMBERS])
            if image in pictures
        ],
    }


def _tables(check: FullCheck) -> dict[str, Table]:
    """The tables that have rows, by name."""
    personal = check.personal.items()
    tables = (
        _table("findings", "finding count samples fix", _findings(check)),
        _table("leakage", "where by kind samples first", map(_leak, check.leakage)),
        _table("duplicates", "what kind groups", _duplicates(check)),
        _table("told", "from accuracy", _told(check)),
        _table("patterns", "pattern samples", check.patterns["counts"].items()),
        _table("small", "cell samples", check.patterns["small"].items()),
        _table("unlisted", "pattern samples", check.patterns["unlisted"].items()),
        _table("languages", "language samples", check.languages["declared"].items()),
        _table("scripts", "script samples", check.languages["scripts"].items()),
        _table(
            "personal",
            "kind samples ids",
            [
                (_PERSONAL.get(kind, kind), of["samples"], _ids(of["ids"]))
                for kind, of in personal
                if of["samples"]
            ],
        ),
    )
    return {table.name: table for table in tables if table.rows}


def _table(name: str, columns: str, rows: Iterable[Sequence[object]]) -> Table:
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    return Table(name, name, tuple(columns.split()), cells)


def _findings(check: FullCheck) -> list[tuple[object, ...]]:
    files = check.files
    fixes = {finding.kind: finding.fix for finding in files.findings}
    return [(kind.value, n, files.touched[kind], fixes[kind]) for kind, n in files.counts.items()]


def _leak(leak: Mapping[str, Any]) -> tuple[object, ...]:
    where = f"in {leak['into']}" if "into" in leak else " and ".join(leak["between"])
    one, other = leak["examples"][0]
    kind = "the same" if leak["kind"] == "equal" else _KINDS["near"]
    return where[:200], leak["by"], kind, leak["samples"], f"{one[:_ID]} and {other[:_ID]}"


def _duplicates(check: FullCheck) -> list[tuple[object, ...]]:
    return [
        (what, _KINDS[kind], n)
        for what, of in check.duplicates["counts"].items()
        for kind, n in of.items()
        if n
    ]


def _told(check: FullCheck) -> list[tuple[object, ...]]:
    rates = {
        "text": "the text alone",
        "image": "the image alone",
        "apart": "both apart",
        "majority": "nothing: the commonest grade",
    }
    told = check.text_only or {}
    return [
        (what, format_rate(Rate.from_json(told[key])))
        for key, what in rates.items()
        if told.get(key)
    ]


def _ids(ids: Sequence[str]) -> str:
    more = ", …" * (len(ids) > _MEMBERS)
    return ", ".join(id_[:_ID] for id_ in ids[:_MEMBERS]) + more
