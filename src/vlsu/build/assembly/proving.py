"""Writing what the escalation proof asks graders, as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlsu._text import one_line
from vlsu.build.assembly.canary import canary_line, canary_of
from vlsu.build.assembly.grades import merge, read_grades
from vlsu.build.assembly.items import Item, read_items
from vlsu.build.assembly.proof import escalating, neutral_picture, proof_samples
from vlsu.build.assembly.writing import Options, dataset_name, require_free
from vlsu.build.folder.build import Build
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import prepare_folder, write_dataset
from vlsu.data.images.store import ImageStore
from vlsu.errors import BuildError

__all__ = ["assemble_proof"]


def assemble_proof(build: Build, out: Path, options: Options) -> Dataset:
    """Write the texts of escalating samples under a neutral picture, to be graded.

    Args:
        build: Opened.
        out: New or empty, or a dataset if `options.overwrite`.
        options: Of these, `grades` (then patterns are those by people), `name` and `overwrite`.

    Raises:
        VlsuError: No sample escalates, or the folder cannot be written.
    """
    require_free(out, replace(options, release="gated"))
    with build.store(read_only=True) as store:
        items: Sequence[Item] = read_items(store)
    if options.grades is not None:
        items = merge(items, read_grades(options.grades, build.policy)).items
    if not escalating(items):
        raise BuildError(
            f"{build.folder}: no pair is worse than its parts; there is no proof to do"
        )
    line = canary_line(canary_of(build))
    prepare_folder(out, overwrite=options.overwrite)
    samples = proof_samples(items, ImageStore(out).add(neutral_picture()), line)
    return write_dataset(
        out,
        samples,
        name=f"{dataset_name(out, options)}-proof",
        version=options.version,
        licence=options.licence or "not stated",
        citation=options.citation,
        source=f"vlsu build {one_line(build.folder.name)}",
        policy=build.policy,
        description=f"Texts of a benchmark under a neutral picture, to be graded. {line}",
        overwrite=options.overwrite,
    )
