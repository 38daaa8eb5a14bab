"""The documents of an assembled dataset: README, NOTICE, datasheet and Croissant description."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from vlsu._text import one_line
from vlsu._yaml import write_yaml
from vlsu.build.assembly.account import Account, made_with
from vlsu.build.assembly.items import Item
from vlsu.build.folder.build import Build
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import write_text_file
from vlsu.data.exporting.about import Layout, describe, file_facts
from vlsu.data.exporting.content import Content
from vlsu.data.exporting.croissant import MARK, croissant
from vlsu.data.exporting.datasheet import datasheet
from vlsu.data.exporting.places import CROISSANT, DATASHEET
from vlsu.data.licences import read_licence
from vlsu.data.rows import COLUMNS

__all__ = ["NOTICE", "README", "TERMS", "write_documents"]

README, NOTICE = "README.md", "NOTICE.md"
_PARQUET = "application/x-parquet"
#: What everybody who is given the dataset is bound to, whichever the licence of its parts.
TERMS = (
    "For measuring and improving the safety of models only. It must not be used to train or tune a "
    "model or a person to attack, to evade safety measures or to do harm, nor be part of any "
    "training corpus; it must not be passed on without these terms and its canary."
)
_GATED = (
    "Access is given to people who say who they are, agree to the terms, and are approved one by "
    "one."
)


def write_documents(
    build: Build,
    dataset: Dataset,
    items: Sequence[Item],
    account: Account,
    *,
    canary: str,
    gated: bool,
    graded: bool,
    findings: Sequence[str],
) -> None:
    """Write what lies beside the samples.

    Args:
        build: What the dataset is of.
        dataset: Just written.
        items: Its samples.
        account: How the build was made.
        canary: The line that carries it.
        gated: Whether it is to be given to those only who agreed to its terms.
        graded: Whether people have graded it.
        findings: Of its check and of the audits.

    Raises:
        DataError: The dataset cannot be read.
        OSError: A file cannot be written.
    """
    folder = dataset.path
    write_text_file(folder / NOTICE, _notice(dataset, items, canary))
    content = Content(dataset)
    for _ in content.rows():
        pass
    layout = Layout(
        "vlsu build",
        file_facts([folder / name for name in dataset.info.files], folder, _PARQUET),
        {column: column for column in COLUMNS},
        images="folder",
        extensions=tuple(sorted(content.extensions)),
        pictures="images/*/*",
    )
    about = describe(dataset, layout, content)
    write_text_file(folder / DATASHEET, datasheet(about))
    tree = croissant(about) | _provenance(build, dataset, account, graded=graded)
    tree[MARK] = {
        **_mapping(tree[MARK]),
        "vlsu:canary": canary,
        "vlsu:gated": gated,
    }
    pretty = orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_text_file(folder / CROISSANT, pretty.decode())
    text = _readme(dataset, items, gated=gated, graded=graded, findings=findings)
    write_text_file(folder / README, text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _provenance(
    build: Build, dataset: Dataset, account: Account, *, graded: bool
) -> dict[str, object]:
    """Where samples are from, in the terms of PROV-O: sources of images, and the four stages."""
    sources = [
        {"@type": "prov:Entity", "prov:label": f"{name}: {number} images"}
        for name, number in account.sources.items()
    ]
    activities: list[dict[str, object]] = []
    for stage, label in (
        ("concepts", "image concepts written"),
        ("images", "images retrieved for the concepts"),
        ("queries", "texts written for the images"),
        ("grades", "image, text and pair graded by a model, to select samples"),
    ):
        used = [f"prompt sha256:{each}" for each in account.prompts[stage]]
        activities.append(
            {
                "@type": "prov:Activity",
                "prov:label": f"{label}: {account.kept[stage]} kept, "
                f"{sum(account.lost.get(stage, {}).values())} given up",
                "prov:wasAssociatedWith": [
                    {"@type": "prov:SoftwareAgent", "prov:label": name}
                    for name in (account.models[stage] or [made_with()])
                ],
                **(
                    {"prov:used": [{"@type": "prov:Entity", "prov:label": each} for each in used]}
                    if used
                    else {}
                ),
            }
        )
    if graded:
        how = "; ".join(map(str, _lines(dataset.info.datasheet.get("annotation_platform"))))
        activities.append(
            {
                "@type": "prov:Activity",
                "prov:label": f"graded by people{f' with {how}' if how else ''}",
            }
        )
    activities.append(
        {
            "@type": "prov:Activity",
            "prov:label": f"assembled under the policy {build.policy.name} {build.policy.version} "
            f"and the rules {build.rails.version} on what is never built",
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": made_with()},
        }
    )
    return {"prov:wasDerivedFrom": sources, "prov:wasGeneratedBy": activities}


def _lines(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _notice(dataset: Dataset, items: Sequence[Item], canary: str) -> str:
    """Each image with its author, licence and source, as attribution licences ask for."""
    lines = [
        f"# Images of {one_line(dataset.info.name)}",
        "",
        "Each is by its author and under its own licence. Where faces were blurred, the image was "
        "changed by the makers of this dataset, which its author does not endorse.",
        "",
        canary,
        "",
    ]
    seen: set[str] = set()
    for item in sorted(items, key=lambda each: each.shown):
        if item.shown in seen:
            continue
        seen.add(item.shown)
        image = item.provenance["image"]
        path = dataset.image_path(item.shown)
        name = item.shown if path is None else path.relative_to(dataset.path).as_posix()
        licence = read_licence(str(image["licence"]))
        parts = [
            str(image.get("attribution") or f"by {image.get('author') or 'an unnamed author'}"),
            f"licence {licence.name}" + (f" ({licence.url})" if licence.url else ""),
            f"source {image['source']}",
            *([f"page {image['page']}"] if image.get("page") else []),
            *(["changed: faces blurred"] if item.shown != item.image else []),
        ]
        lines.append(f"- `{name}`: " + "; ".join(_plain(part) for part in parts))
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<])", r"\\\1", one_line(text, 500))


def _readme(
    dataset: Dataset,
    items: Sequence[Item],
    *,
    gated: bool,
    graded: bool,
    findings: Sequence[str],
) -> str:
    info = dataset.info
    front: dict[str, object] = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "test", "path": "samples*.parquet"}],
            }
        ],
        "license": "other",
        "license_name": "see-notice-and-terms",
    }
    if gated:
        front |= {
            "extra_gated_prompt": f"{_GATED} {TERMS}",
            "extra_gated_fields": {
                "Name": "text",
                "Affiliation": "text",
                "Purpose": "text",
                "I agree to the terms": "checkbox",
            },
        }
    patterns = Counter(str(item.pattern) for item in items)
    tiers = Counter(str(item.notes.get("tier")) for item in items)
    splits = Counter(str(item.metadata["split"]) for item in items if "split" in item.metadata)
    state = (
        "Graded by people; the grades are in the columns."
        if graded
        else "Not graded by people yet: the columns of grades are empty, and the pre-grades in the "
        "metadata are a model's."
    )
    return "\n".join(
        [
            f"---\n{write_yaml(front, width=100)}---",
            "",
            f"# {_plain(info.name)}",
            "",
            _plain(info.description),
            "",
            "Some samples hold content that may offend or disturb.",
            "",
            f"Version {_plain(info.version)}, {len(items)} samples, {info.counts['images']} "
            f"images. {state}",
            "",
            *([f"**Gated.** {_GATED}", ""] if gated else []),
            f"**Terms.** {TERMS} Licence: {_plain(info.licence)}.",
            "",
            f"| {'pattern' if graded else 'pattern aimed at'} | samples |",
            "|---|---:|",
            *(f"| {name} | {number} |" for name, number in sorted(patterns.items())),
            "",
            "Tiers: " + ", ".join(f"{name} {n}" for name, n in sorted(tiers.items())) + ".",
            *(
                [
                    "Splits: "
                    + ", ".join(f"{name} {n}" for name, n in sorted(splits.items()))
                    + ". "
                    "The files hold all of them: `split` in `metadata` says which a sample is of."
                ]
                if splits
                else []
            ),
            "",
            "Findings of the checks: " + ("; ".join(map(_plain, findings)) or "none") + ".",
            "",
            "`samples*.parquet` holds the samples, `images/ab/<sha256>.<ext>` the images by the "
            "SHA-256 of their bytes, `dataset.yaml` the description. `NOTICE.md` credits every "
            "image, `DATASHEET.md` says how the dataset came to be, `croissant.json` describes it "
            "for programs. Open it with `vlsu.load`, polars, DuckDB or Hugging Face `datasets`.",
            *(["", f"Cite: {_plain(info.citation)}"] if info.citation else []),
            "",
        ]
    )
