"""``vlsu build images`` and ``vlsu build take-down``: real images, found and taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.build_search import Embedding
from vlsu.cli.build_stages import opened, opened_sources, show_stage, writer
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments

if TYPE_CHECKING:
    from vlsu.build.folder.build import Build
    from vlsu.build.images.options import Options
    from vlsu.build.images.stage import ImagesReport
    from vlsu.build.search.index import Index
    from vlsu.build.sources.base import Source

__all__ = ["ImageArguments", "SourceArguments", "images", "take_down"]


@dataclass(frozen=True, kw_only=True)
class SourceArguments:
    """Where images are looked for, beside what the build says."""

    source: Annotated[
        list[str] | None,
        typer.Option(help="Look here too, beside the build's own sources. Repeatable."),
    ] = None
    contact: Annotated[
        str,
        typer.Option(
            help="An e-mail address or page by which services reach you; VLSU_CONTACT if not given."
        ),
    ] = ""
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Services of this machine and of the local network may be asked.",
        ),
    ] = False
    embedding: Embedding = "auto"

    @contextmanager
    def opened(self, build: Build) -> Iterator[tuple[list[Source], Index | None]]:
        """The sources, and the index over those without a search of their own.

        Raises:
            UsageError: There is none, or one cannot be what it says.
            DataError: One cannot be read.
        """
        from vlsu.build.sources.base import Access
        from vlsu.errors import UsageError

        specs = dict.fromkeys((*build.settings.sources, *(self.source or ())))
        if not specs:
            raise UsageError(
                f"{build.folder}: names no source of images; give --source, such as folder:PATH"
            )
        access = Access(contact=self.contact, allow_private=self.allow_private)
        with opened_sources(build, specs, access, self.embedding) as found:
            yield found


@dataclass(frozen=True, kw_only=True)
class ImageArguments:
    """What images may be taken."""

    licences: Annotated[
        str,
        typer.Option(
            help="That are accepted: open (known ones that forbid neither commercial use, nor "
            "changes, nor passing on), unstated, any, or names such as cc0,pdm,by,by-sa."
        ),
    ] = "open"
    min_side: Annotated[int, typer.Option(min=1, help="Pixels of the shorter side, at least.")] = (
        200
    )
    aspect: Annotated[
        float, typer.Option(min=1, help="The longer side over the shorter one, at most.")
    ] = 3.0
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="A dataset none of whose images, nor any that looks like one, may come in. "
            "Repeatable."
        ),
    ] = None
    pre_filter: Annotated[
        str | None,
        typer.Option(
            help="A model that looks at each image before it is stored: a guard/…, or one that is "
            "asked what an image shows; beside the embedded pre-filter."
        ),
    ] = None
    hash_list: Annotated[
        list[str] | None,
        typer.Option(
            help="Hashes of images that must never be stored: pdq:FILE with hash,label on each "
            "line, or threatexchange:FILE. Repeatable."
        ),
    ] = None
    reuse: Annotated[int, typer.Option(min=1, help="Samples that one image may be part of.")] = 1
    candidates: Annotated[
        int, typer.Option(min=1, help="Images of each source that are looked at for a concept.")
    ] = 20

    def options(self, asked: ModelArguments) -> Options:
        """These options, with the model and the lists opened.

        Raises:
            VlsuError: One is wrong, or names nothing.
        """
        from vlsu.build.images.filters import Shape
        from vlsu.build.images.hash_lists import open_hash_list
        from vlsu.build.images.licensing import Licences
        from vlsu.build.images.options import Options
        from vlsu.build.images.pre_filter import PreFilter
        from vlsu.cli.options import read_names
        from vlsu.data import load

        for each in self.against or ():
            load(each)  # before an index is made
        model = None
        if self.pre_filter is not None:
            model = PreFilter(*writer(self.pre_filter, asked, "--pre-filter"))
        return Options(
            licences=Licences.parse(read_names(self.licences)),
            shape=Shape(self.min_side, self.aspect),
            looked_at=self.candidates,
            reuse=self.reuse,
            against=tuple(self.against or ()),
            hash_lists=tuple(open_hash_list(each) for each in self.hash_list or ()),
            model=model,
        )


@app.command("images")
@with_option_groups
def images(
    build: Folder,
    taken: ImageArguments,
    where: SourceArguments,
    asked: ModelArguments,
    json: Json = False,
) -> None:
    """Find real images for the concepts that lack one.

    Each is filtered before anything is stored: by the rules on its words, licence, size, hash
    lists, a score of how sexual it is, what the build and other benchmarks have, and --pre-filter.
    What is refused leaves no bytes behind, and its words and address at most in the index of a
    local source. Run again, it goes on.
    """
    from vlsu.build.images.stage import find_images
    from vlsu.cli.output import RunProgress

    options = taken.options(asked)
    with opened(build) as found, where.opened(found) as (sources, index):
        progress = RunProgress()
        with progress.shown():
            report = find_images(found, sources, index, options, progress=progress)
    if not json:
        _show_refused(report, {rule.id: rule.reason for rule in found.rails.rules})
    show_stage(build, report, json=json, following=f"vlsu build queries {build}")


def _show_refused(report: ImagesReport, rules: Mapping[str, str]) -> None:
    from vlsu.cli.output import print_table, print_text, say

    if report.refused:
        rows = sorted(report.refused.items(), key=lambda each: -each[1])
        print_table("Refused offers", ("reason", "images"), rows)
    for rule, reason in rules.items():
        if f"rails: {rule}" in report.refused:
            print_text(f"{rule}: {reason}")
    if report.listed:
        say(
            f"{report.listed} images are on a hash list: nothing of them was stored. Take them out "
            "of their source, and follow what the list's provider asks for"
        )


@app.command("take-down")
def take_down(
    build: Folder,
    sha256: Annotated[
        list[str] | None, typer.Option("--sha256", help="Of an image. Repeatable.")
    ] = None,
    id_: Annotated[
        list[str] | None, typer.Option("--id", help="Of an image in its source. Repeatable.")
    ] = None,
    page: Annotated[
        list[str] | None,
        typer.Option("--page", help="Address of an image's page, or of the image. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Take images out, for good: their bytes, and all that was made of them.

    Neither they nor what looks like them is taken again. Datasets that were assembled before are
    not changed: assemble them again.
    """
    from vlsu.build.images.take_down import take_down as take
    from vlsu.cli.output import print_json, print_text, say

    with opened(build) as found:
        done = take(found, sha256=sha256 or (), ids=id_ or (), pages=page or ())
    if json:
        print_json(done.as_dict())
        return
    lost = ", ".join(f"{number} {stage}" for stage, number in done.given_up.items()) or "nothing"
    print_text(f"taken down: {len(done.images)}; files deleted: {done.files}; given up: {lost}")
    say("datasets that were assembled before still have them: assemble them again")
