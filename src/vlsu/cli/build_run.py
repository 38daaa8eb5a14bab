"""``vlsu build run``: all stages, round after round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.build import Folder, Json, app
from vlsu.cli.build_images import ImageArguments, SourceArguments
from vlsu.cli.build_queries import QueryArguments
from vlsu.cli.build_stages import opened, require_approval
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import ModelArguments

if TYPE_CHECKING:
    from vlsu.build.folder.build import Build
    from vlsu.build.folder.stage_report import StageReport
    from vlsu.build.grading.stage import Grader
    from vlsu.build.running.loop import Ran
    from vlsu.runs.asking.progress import Progress
    from vlsu.runs.options import ModelOptions

__all__ = ["GraderArguments", "run"]


@dataclass(frozen=True, kw_only=True)
class GraderArguments:
    """How the pre-grader is asked, where the writer has options of its own."""

    grader_base_url: Annotated[
        str | None, typer.Option(help="Root of the grader's OpenAI-compatible server.")
    ] = None
    grader_price: Annotated[
        str | None, typer.Option(help="The grader's price, as --price; needed for --max-cost.")
    ] = None
    grader_prompt: Annotated[
        str | None,
        typer.Option(help="zero-shot, structured-cot, one-word, or a template file."),
    ] = None
    unfiltered: Annotated[
        float,
        typer.Option(
            help="Share of the images of which one candidate is kept whatever its grades, for what "
            "the grader throws away by mistake."
        ),
    ] = 0.05

    def given(self, writer: ModelArguments) -> ModelOptions:
        """The options of the grader that are given, some of them with the writer's."""
        from vlsu.runs.options import ModelOptions

        return ModelOptions.given(
            base_url=self.grader_base_url,
            insecure_http=writer.insecure_http,
            concurrency=writer.concurrency,
            price=self.grader_price,
        )

    def grader(self, spec: str, asked: ModelArguments) -> Grader:
        """The grader of a SPEC, opened.

        Raises:
            UsageError: There is none, an option is wrong, or its price is needed and not known.
        """
        from vlsu.build.grading.stage import Grader
        from vlsu.cli.ensembles import member_models, open_grader
        from vlsu.cli.options import choose_models
        from vlsu.errors import UsageError

        (named,) = choose_models([spec], asked.models, "--grader")
        given = self.given(asked)
        chosen = open_grader(named, given)
        is_asked = getattr(chosen.model, "destination", None) is not None
        if asked.max_cost is not None and is_asked and chosen.limits.price is None:
            raise UsageError("--max-cost needs the grader's price too; give --grader-price")
        return Grader(
            model=chosen.model,
            settings=chosen.settings,
            limits=chosen.limits,
            members=member_models(asked.models, given),
            prompt=self.grader_prompt,
            unfiltered=self.unfiltered,
        )


@dataclass(frozen=True, kw_only=True)
class BoundArguments:
    """When it ends, if cells are not full before."""

    max_rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds of all four stages, in this start.")
    ] = None
    max_tries: Annotated[
        int | None,
        typer.Option(min=1, help="Tries of all stages in this start: concepts, images, texts…"),
    ] = None
    round_size: Annotated[int, typer.Option(min=1, help="Samples that one round is for.")] = 100
    patience: Annotated[
        int,
        typer.Option(
            min=1,
            help="Tries that one concept, image or sample may take; a cell that takes more is left "
            "alone.",
        ),
    ] = 20
    refills: Annotated[
        int,
        typer.Option(
            min=0,
            help="How often samples that a shortcut tells are given up and replaced, when all "
            "cells are full.",
        ),
    ] = 1


@app.command("run")
@with_option_groups
def run(
    build: Folder,
    model: Annotated[str, typer.Option(help="Who writes concepts and queries.")],
    grader: Annotated[
        str, typer.Option(help="Who pre-grades image, text and pair: a model, guard or ensemble.")
    ],
    bounded: BoundArguments,
    grading: GraderArguments,
    writing: QueryArguments,
    taken: ImageArguments,
    where: SourceArguments,
    asked: ModelArguments,
    queries: Annotated[
        int, typer.Option(min=1, help="Queries asked for at once, for an image.")
    ] = 3,
    json: Json = False,
) -> None:
    """Run all stages, round after round, until cells are full or a bound is reached.

    What was stored before is not asked again: killed at any moment, the same command goes on.
    Options without a name in front, such as --base-url, are the writer's.
    """
    from vlsu.build.running.loop import Bounds, run_stages
    from vlsu.build.running.refilling import refilled
    from vlsu.build.running.stages import Parts, stages_of

    bounds = Bounds(
        max_rounds=bounded.max_rounds,
        max_tries=bounded.max_tries,
        round_size=bounded.round_size,
        patience=bounded.patience,
        refills=bounded.refills,
    )
    require_approval(writing.also, writing.approve)
    with opened(build) as found:
        writers, budget = writing.writers(model, asked)
        judging = grading.grader(grader, asked)
        images = taken.options(asked)
        written = writing.options(found, candidates=queries, reuse=taken.reuse)
        with where.opened(found) as (sources, index):
            parts = Parts(
                writers=writers,
                grader=judging,
                sources=sources,
                index=index,
                images=images,
                queries=written,
                budget=budget,
            )
            stages = stages_of(parts, _progress)
            ran = run_stages(found, stages, bounds, reuse=taken.reuse, refill=refilled, told=_tell)
        _show(found, ran, json)


@contextmanager
def _progress() -> Iterator[Progress]:
    from vlsu.cli.output import RunProgress

    progress = RunProgress()
    with progress.shown():
        yield progress


def _tell(number: int, stage: str, report: StageReport | None) -> None:
    from vlsu.cli.output import say

    if report is None:
        say(f"round {number}, {stage}")
        return
    say(f"  {report.tries} tries, {report.made} made, {report.kept} kept")
    for line in report.lacking:
        say(f"  lacking: {line}")


def _show(build: Build, ran: Ran, json: bool) -> None:
    from vlsu.cli.build import print_status, whole_status
    from vlsu.cli.output import print_json, print_text, say
    from vlsu.cli.stopping import exit_stopped

    found = whole_status(build)
    if json:
        print_json({**ran.as_dict(), "status": found})
    else:
        print_status(build.folder, found)
        if ran.refilled:
            print_text(f"{ran.refilled} samples that a shortcut told were given up and replaced")
        print_text(f"{ran.rounds} rounds; ended: {ran.ended}")
    if ran.stopped is not None:
        exit_stopped(ran.stopped.message, ran.stopped.reason, build.folder)
    if not json:
        missing = found["forecast"]["missing"]
        again = "the same command again for what is missing, or " if missing else ""
        say(f"next: {again}vlsu build assemble {build.folder} --out D")
