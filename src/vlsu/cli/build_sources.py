"""``vlsu build sources``: where images can come from, and what a source holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlsu.cli.build import Json, app


@app.command("sources")
def sources(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC]...",
            help="Sources to look into, such as folder:photos. Services are not asked.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the kinds of sources of images, or say what some sources hold.

    Of a folder or dataset: its images, how many are described, and their licences. No image is
    read, and no caption is shown.
    """
    if specs:
        _look_into(specs, json=json)
        return
    from vlsu.build.sources.base import SOURCES
    from vlsu.cli.output import print_json, print_table

    kinds = [(name, SOURCES.get(name)) for name in SOURCES.names()]
    if json:
        found = [
            {
                "name": name,
                "form": kind.form,
                "about": kind.about,
                "remote": kind.remote,
                "needs_contact": kind.needs_contact,
            }
            for name, kind in kinds
        ]
        print_json({"kinds": found})
        return
    print_table(
        "Sources of images",
        ("SPEC", "finds", "searches leave this machine"),
        [(kind.form, kind.about, "yes" if kind.remote else "no") for _, kind in kinds],
        "Named by vlsu build init B --source SPEC; other packages add theirs by the entry-point "
        "group vlsu.sources.",
    )


def _look_into(specs: list[str], *, json: bool) -> None:
    from vlsu.build.sources.base import LocalSource, check_source, is_remote, open_source
    from vlsu.build.sources.contents import contents
    from vlsu.cli.output import print_json, print_table, print_text

    found: list[dict[str, Any]] = []
    for spec in specs:
        if is_remote(spec):
            check_source(spec)
            found.append({"spec": spec, "remote": True})
            continue
        source = open_source(spec)
        try:
            held = contents(source).as_dict() if isinstance(source, LocalSource) else {}
        finally:
            source.close()
        found.append({"spec": spec, "remote": False, **held})
    if json:
        print_json({"sources": found})
        return
    local = [each for each in found if not each["remote"]]
    if local:
        print_table(
            "Sources of images",
            ("SPEC", "images", "described", "by file name", "without licence", "left out"),
            [
                (
                    each["spec"],
                    each["images"],
                    each["described"],
                    each["named"],
                    each["licences"].get("none", 0),
                    sum(each["left_out"].values()),
                )
                for each in local
            ],
        )
    for each in local:
        licences = ", ".join(f"{name} ({count})" for name, count in each["licences"].items())
        print_text(f"{each['spec']}: licences: {licences or 'none'}")
        if each["licence_of_dataset"]:
            print_text(
                f"{each['spec']}: {each['licence_of_dataset']} of these are that of the whole "
                "dataset; see whether it covers the images"
            )
    for each in found:
        if each["remote"]:
            print_text(f"{each['spec']}: a service; it is asked when images are looked for")
