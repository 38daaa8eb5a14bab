"""``vlsu build assemble``: a build as a dataset, for graders and with their grades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.build import Folder, Json, app

if TYPE_CHECKING:
    from vlsu.build.assembly.assemble import Assembled


@app.command("assemble")
def assemble(
    build: Folder,
    out: Annotated[Path, typer.Option(help="Folder of the dataset: new, or empty.")],
    grades: Annotated[
        Path | None,
        typer.Option(
            help="What people said: the folder that vlsu annotate export wrote, or a table with "
            "the columns id, image_grade, text_grade and joint_grade."
        ),
    ] = None,
    proof: Annotated[
        bool,
        typer.Option(
            "--proof",
            help="Write the texts of escalating samples under a neutral picture instead, to be "
            "graded.",
        ),
    ] = False,
    proof_grades: Annotated[
        Path | None,
        typer.Option(
            help="Their grades: a text that is as bad without its image is filed as such."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Parts without leakage, such as test=0.8,dev=0.2."),
    ] = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="No more of a cell than is wanted of it.")
    ] = False,
    faces: Annotated[
        str,
        typer.Option(
            help="blur (where a pair is harmful), blur-all, keep, or consented (beside harm only "
            "with consent)."
        ),
    ] = "blur",
    consents: Annotated[
        Path | None,
        typer.Option(
            help="With --faces consented: a SHA-256, page or id of an image in each line."
        ),
    ] = None,
    release: Annotated[
        str,
        typer.Option(
            help="gated: all of it for those who agree to its terms. open: only the critical tier, "
            "in OUT-gated."
        ),
    ] = "gated",
    name: Annotated[str, typer.Option(help="Name of the dataset.")] = "",
    version: Annotated[
        str, typer.Option(help="Version of the dataset, as semver.org numbers it.")
    ] = "1.0.0",
    licence: Annotated[str, typer.Option(help="Licence of texts and grades.")] = "",
    citation: Annotated[str, typer.Option(help="How to cite it.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a dataset that is there.")
    ] = False,
    json: Json = False,
) -> None:
    """Assemble a dataset for vlsu annotate; with --grades, the benchmark.

    Every sample says where it is from. Beside the samples lie README, NOTICE, datasheet and
    Croissant description, and what vlsu data check finds is named in them.
    """
    from vlsu.build.assembly.assemble import assemble as make
    from vlsu.build.assembly.proving import assemble_proof
    from vlsu.build.assembly.selecting import parse_shares
    from vlsu.build.assembly.shown import FACES, read_consents
    from vlsu.build.assembly.writing import RELEASES, Options
    from vlsu.cli.build_stages import opened
    from vlsu.cli.output import counter, print_json, say
    from vlsu.errors import UsageError

    if faces not in FACES:
        raise UsageError(f"--faces {faces[:40]!r}: give {', '.join(FACES)}")
    if release not in RELEASES:
        raise UsageError(f"--release {release[:40]!r}: give {', '.join(RELEASES)}")
    if consents is not None and faces != "consented":
        raise UsageError("--consents: is for --faces consented")
    options = Options(
        grades=grades,
        proof=proof_grades,
        shares={} if split is None else parse_shares(split),
        balance=balance,
        faces=faces,
        consents=frozenset() if consents is None else read_consents(consents),
        release=release,
        name=name,
        version=version,
        licence=licence,
        citation=citation,
        overwrite=overwrite,
    )
    with opened(build) as built:
        if proof:
            dataset = assemble_proof(built, out, options)
            if json:
                print_json({"out": str(dataset.path), "samples": len(dataset)})
            say(f"dataset: {dataset.path} ({len(dataset)} texts under a neutral picture)")
            say(
                f"next: vlsu annotate init P --dataset {dataset.path}, for people who have graded "
                "none of these samples"
            )
            return
        with counter("images searched for faces") as progress:
            done = make(built, out, options, progress=lambda _, n, of: progress(n, of))
    if json:
        print_json(done.as_dict())
    else:
        _print(done)


def _print(done: Assembled) -> None:
    from vlsu.build.assembly.effect import sentences
    from vlsu.cli.output import print_table, print_text, say
    from vlsu.policy import Pattern

    found = done.as_dict()
    cells = found["cells"]
    assert isinstance(cells, dict)
    names = {name for of_pattern in cells.values() for name in of_pattern}
    categories = sorted(names, key=lambda name: (name != "none", len(name), name))
    rows = sorted(cells.items(), key=lambda each: Pattern.parse(each[0]).order)
    print_table(
        "Samples" if done.graded else "Samples, by what they were made for",
        ("pattern", *categories),
        [(pattern, *(row.get(name, 0) for name in categories)) for pattern, row in rows],
    )
    if done.left_out:
        lost = sorted(done.left_out.items(), key=lambda each: -each[1])
        print_table("Left out", ("reason", "samples"), lost)
    if done.graded:
        print_text(
            f"{done.refiled} samples count for another cell than the one they were made for; "
            f"{done.contested} are contested"
        )
        if done.unknown:
            print_text(f"grades of {done.unknown} samples are not used: the build has none of them")
        for sentence in sentences(done.selection):
            print_text(sentence)
    if done.proof is not None:
        print_text(
            f"escalation proof: {done.proof['proven']} of {done.proof['escalating']} texts graded "
            f"under a neutral picture, {done.proof['refiled']} refiled"
        )
    if missing := sum(int(str(each["missing"])) for each in done.short):
        print_text(f"{missing} samples are missing in {len(done.short)} cells (--json lists them)")
    faces = done.faces
    if faces["mode"] != "keep":
        print_text(
            f"faces: found in {faces['found']} of {faces['searched']} images searched, blurred in "
            f"{faces['blurred']}"
        )
    for part in done.parts:
        for finding in part.findings:
            print_text(f"{part.dataset.path.name}: {finding}")
    for part in done.parts:
        gated = "gated" if part.gated else "open"
        say(f"dataset: {part.dataset.path} ({len(part.dataset)} samples, {gated})")
    if not done.graded:
        say(f"next: vlsu annotate init P --dataset {done.parts[0].dataset.path}")
