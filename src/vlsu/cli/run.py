"""``vlsu run``: evaluate a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.batch_options import BatchArguments, waiting
from vlsu.cli.catalogue import POLICY
from vlsu.cli.chosen_models import asked_words
from vlsu.cli.cost_options import CostArguments
from vlsu.cli.engine_options import TraceFile, check_trace
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import (
    BudgetOption,
    DatasetPath,
    Draws,
    DryRun,
    Limit,
    ModelArguments,
    Out,
    PilotOption,
    StructuredOutput,
    Until,
    WithoutImages,
    choose_models,
    read_names,
)
from vlsu.cli.prompt_options import PolicyDetail
from vlsu.cli.rates import rate_text
from vlsu.cli.run_output import exit_if_stopped, show_estimates, show_run, still_waiting
from vlsu.cli.store_options import StoreArguments

if TYPE_CHECKING:
    from vlsu.runs import Controls, Run
    from vlsu.runs.asking.limits import Budget

app = typer.Typer(help="Evaluate a model on a dataset.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("understanding")
@with_option_groups
def understanding(
    dataset: DatasetPath,
    model: Annotated[
        list[str],
        typer.Option(
            help="provider/name, such as openai/gpt-4o, or a name from --models; or "
            "ensemble/max|vote|stack:A+B of such models and folders of finished runs. Repeatable: "
            "then each has its own folder in --out."
        ),
    ],
    out: Out,
    asked: ModelArguments,
    batched: BatchArguments,
    stores: StoreArguments,
    costs: CostArguments,
    modalities: Annotated[
        str | None,
        typer.Option(
            help="Which of image, text and joint to ask for, such as text,joint; all that the "
            "model can judge, if not given."
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="zero-shot, structured-cot, one-word (with --score the default), a control, or a "
            "template file."
        ),
    ] = None,
    policy_detail: PolicyDetail = "full",
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Ask 200 of the samples under the control prompts too, and report the spread.",
        ),
    ] = False,
    probe: Annotated[
        str | None,
        typer.Option(
            help="swap: ask two more pairs a sample, one with its image and one with its text "
            "exchanged for one of another gold grade, for how far each moves the answer."
        ),
    ] = None,
    draws: Draws = 1,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar=POLICY,
            help="A policy file instead of the dataset's own policy, or default or binary.",
        ),
    ] = None,
    limit: Limit = None,
    budget: BudgetOption = None,
    until: Until = None,
    pilot: PilotOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of what errors on pairs cost, by severity and category, for "
            "weighted_harm in metrics.json."
        ),
    ] = None,
    without_images: WithoutImages = False,
    structured: StructuredOutput = None,
    logprobs: Annotated[
        bool | None,
        typer.Option(
            help="Ask for log probabilities, for p_unsafe; a guard is asked for them by default."
        ),
    ] = None,
    score: Annotated[
        bool | None,
        typer.Option(
            "--score",
            help="Take the most probable severity in place of a generated answer; needs token "
            "probabilities, and gives p_unsafe.",
        ),
    ] = None,
    guard_policy: Annotated[
        str | None,
        typer.Option(
            help="Of a guard that takes a policy: own (its publisher's question, if not given) or "
            "ours (the run's policy, in two questions)."
        ),
    ] = None,
    trace: TraceFile = None,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask for the severity of image, text and pair, and grade the answers."""
    from vlsu.cli.ensembles import member_models, open_grader
    from vlsu.cli.output import RunProgress, print_json, say
    from vlsu.models.catalogue import folder_name
    from vlsu.models.ensemble import is_ensemble
    from vlsu.runs import UnderstandingOptions, prepare

    costs.check(json=json)
    given = asked.given(
        structured=structured, logprobs=logprobs, score=score, guard_policy=guard_policy
    )
    batching = batched.given(dry_run=dry_run, models=len(model))
    check_trace(trace, models=len(model))
    stores.check(dry_run=dry_run, controls=controls, models=len(model))
    words = asked_words(batching, dry_run=dry_run, replay=stores.replay is not None)
    evaluations, controlled = {}, {}
    for named in choose_models(model, asked.models):
        chosen = open_grader(named, given, words)
        options = UnderstandingOptions(
            model=chosen.model,
            settings=chosen.settings,
            limits=chosen.limits,
            modalities=None if modalities is None else read_names(modalities),
            prompt=prompt,
            policy_detail=policy_detail,
            policy=policy,
            limit=limit,
            budget=budget,
            until=until,
            pilot=pilot,
            weights=weights,
            probe=probe,
            draws=draws,
            without_images=without_images,
            batch=batching,
            store=stores.store,
            replay=stores.replay,
            trace=trace,
        )
        members = member_models(asked.models, given, words) if is_ensemble(named.spec) else None
        evaluations[named.name] = prepare(dataset, options, members)
        if controls:
            from vlsu.runs import prepare_controls

            controlled[named.name] = prepare_controls(dataset, options)
    several = len(evaluations) > 1
    folders = {name: out / folder_name(name) if several else out for name in evaluations}
    if dry_run:
        estimates = {name: each.estimate(folders[name]) for name, each in evaluations.items()}
        for name, each in controlled.items():
            found = each.estimate(folders[name])
            estimates |= {f"{name}, {control}": value for control, value in found.items()}
        show_estimates(estimates, as_json=json)
        return
    if several:
        for name, evaluation in evaluations.items():
            evaluation.check(folders[name])
    begun = time.monotonic()
    budgets = {name: each.options.limits.budget() for name, each in evaluations.items()}
    if (
        several and batching is not None and not batching.cancel
    ):  # all are handed in before one is waited for
        for name, evaluation in evaluations.items():
            say(f"model: {name}")
            with (progress := RunProgress()).shown():
                handed_in = waiting(evaluation, None).run(folders[name], progress, budgets[name])
            if handed_in.record.get("stop_reason") == "interrupted":
                exit_if_stopped(handed_in)
    runs = []
    for name, evaluation in evaluations.items():
        if several:
            say(f"model: {name}")
        progress, left = RunProgress(), budgets[name]
        with progress.shown():
            run = waiting(evaluation, time.monotonic() - begun).run(folders[name], progress, left)
        if several and still_waiting(run):
            continue
        runs.append(run)
        if not (json and several):
            show_run(run, as_json=json)
        if name in controlled and run.finished:
            run_controls(controlled[name], run, left, as_json=json)
    costs.show(runs)
    if len(runs) < len(evaluations):
        raise typer.Exit(0)
    if json and several:
        print_json({name: run.metrics for name, run in zip(evaluations, runs, strict=True)})
    stores.exit_if_missing(runs)


def run_controls(controls: Controls, run: Run, budget: Budget, *, as_json: bool) -> None:
    """Run the controls of a run, and print how far the result depends on the prompt.

    Raises:
        typer.Exit: They were interrupted.
    """
    from vlsu.cli.cost import tell_controls
    from vlsu.cli.output import RunProgress, print_table, say

    say(f"controls: {', '.join(controls.evaluations)}")
    progress = RunProgress()
    with progress.shown():
        found = controls.run(run, progress, budget)
    if "cost" in run.record:
        tell_controls(run)
    if found is None:
        control = controls.stopped(run)
        why = "interrupted" if control is None else control.record["stopped"]
        if control is None or not still_waiting(control):
            say(f"controls: {why}; run the same command again to continue")
        if control is not None and control.record["stop_reason"] == "interrupted":
            raise typer.Exit(130)
        return
    say(f"controls: {run.path / 'controls.json'}")
    if as_json:
        return
    rows = [
        (
            metric,
            *(rate_text(value) for value in part["values"].values()),
            "" if part["spread"] is None else f"{100 * part['spread']:.0f} points",
        )
        for metric, part in found["metrics"].items()
    ]
    print_table(
        "What the result owes to the prompt",
        ("metric", *next(iter(found["metrics"].values()))["values"], "spread"),
        rows,
        f"On the same {found['samples']} samples, each with its 95% interval. spread: the largest "
        "value less the smallest.",
    )
