"""``vlsu build queries``: texts written to the images, by a model that looks at them."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments, WriterCaptions

if TYPE_CHECKING:
    from vlsu.build.asking.asking import Writer
    from vlsu.build.folder.build import Build
    from vlsu.build.queries.stage import QueryOptions
    from vlsu.runs.asking.limits import Budget

__all__ = ["QueryArguments", "queries"]


@dataclass(frozen=True, kw_only=True)
class QueryArguments:
    """How queries are written, whoever asks for them."""

    styles: Annotated[
        str,
        typer.Option(
            help="Of question, request, remark, account, post, chat; all if not given. Each is "
            "drawn as often as the others."
        ),
    ] = ""
    lengths: Annotated[
        str, typer.Option(help="Of short, medium, long; all if not given, each as often.")
    ] = ""
    few_shot: Annotated[
        Path | None,
        typer.Option(
            help="YAML list of examples with pattern, image (in words), text, and if need be "
            "category and language."
        ),
    ] = None
    captions: WriterCaptions = False
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="A model that is asked for what the one before it refused, in the categories of "
            "--approve. Repeatable."
        ),
    ] = None
    approve: Annotated[
        str,
        typer.Option(
            help="Categories, such as C1,C3, in which you approve that; none for what belongs to "
            "none. Never those with a critical harm."
        ),
    ] = ""
    also_base_url: Annotated[
        str | None, typer.Option(help="Root of the OpenAI-compatible server of --also.")
    ] = None
    also_price: Annotated[
        str | None, typer.Option(help="The price of --also, as --price; needed for --max-cost.")
    ] = None

    def options(self, build: Build, *, candidates: int, reuse: int) -> QueryOptions:
        """These options, for a build.

        Args:
            build: Whose policy and rails hold.
            candidates: Queries asked for at once, for an image.
            reuse: Samples that one image may be part of.

        Raises:
            UsageError: One is wrong.
        """
        from vlsu.build.queries.few_shot import FewShot, read_few_shot
        from vlsu.build.queries.handing_over import read_approved
        from vlsu.build.queries.manners import read_manners
        from vlsu.build.queries.stage import QueryOptions
        from vlsu.cli.options import read_names

        examples = FewShot()
        if self.few_shot is not None:
            examples = read_few_shot(self.few_shot, build.policy, build.rails)
        return QueryOptions(
            candidates=candidates,
            manners=read_manners(
                read_names(self.styles), read_names(self.lengths), build.settings.seed
            ),
            few_shot=examples,
            approved=read_approved(read_names(self.approve), build.policy, build.rails),
            captions=self.captions,
            reuse=reuse,
        )

    def writers(self, model: str, asked: ModelArguments) -> tuple[list[Writer], Budget]:
        """The model that writes, whom else what it refuses is asked of, and what may be spent.

        Raises:
            UsageError: As `vlsu.cli.build_stages.writer`.
        """
        from vlsu.cli.build_stages import writer

        first, budget = writer(model, asked)
        others = replace(asked, base_url=self.also_base_url, price=self.also_price)
        return [first, *(writer(each, others, "--also")[0] for each in self.also or ())], budget


@app.command("queries")
@with_option_groups
def queries(
    build: Folder,
    model: Annotated[str, typer.Option(help="The model that writes: provider/name, or a name.")],
    asked: ModelArguments,
    written: QueryArguments,
    candidates: Annotated[int, typer.Option(help="Queries asked for at once.")] = 3,
    reuse: Annotated[int, typer.Option(help="Samples that one image may be part of.")] = 1,
    json: Json = False,
) -> None:
    """Have queries written to the images that were found, for the cells that are short.

    Each is checked, and kept or given up with a reason. Run again, it goes on.
    """
    from vlsu.build.queries.refusals import refusals
    from vlsu.build.queries.stage import write_queries
    from vlsu.cli.build_stages import opened, require_approval, show_stage
    from vlsu.cli.output import RunProgress, print_table

    require_approval(written.also, written.approve)
    with opened(build) as found:
        options = written.options(found, candidates=candidates, reuse=reuse)
        writers, budget = written.writers(model, asked)
        progress = RunProgress()
        with progress.shown():
            report = write_queries(found, writers, options, budget=budget, progress=progress)
        with found.store(read_only=True) as store:
            refused = refusals(store)
    if not json and (rows := [astuple(each) for each in refused if each.refused]):
        print_table("Refused, in all starts", ("model", "category", "asked", "refused"), rows)
    show_stage(
        build,
        report,
        json=json,
        following=f"vlsu build grade {build} --model SPEC",
        more={"refusals": [each.as_dict() for each in refused]},
    )
