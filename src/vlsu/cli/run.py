"""``vlsu run``: evaluate a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.catalogue import POLICY
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import (
    BudgetOption,
    Captions,
    DatasetPath,
    Draws,
    DryRun,
    JudgeArguments,
    Limit,
    ModelArguments,
    Out,
    PilotOption,
    StructuredOutput,
    Until,
    WithoutImages,
    choose_models,
    open_chosen,
    read_names,
    warn_where_judged,
)
from vlsu.cli.rates import rate_text

if TYPE_CHECKING:
    from vlsu.runs import Controls, Estimate, Run
    from vlsu.runs.asking.limits import Budget

app = typer.Typer(help="Evaluate a model on a dataset.", no_args_is_help=True)

#: Tables printed after a run; the report has them all.
SHOWN = (
    *("headline", "weighted_harm", "answered", "response_safety", "corrected"),
    *("families", "reruns", "outcomes", "judge_outcomes"),
)
#: Of these, those shown only where the judge of an alignment run detects refusals.
REFUSAL_TABLES = ("headline", "families")


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
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask for the severity of image, text and pair, and grade the answers."""
    from vlsu.cli.ensembles import member_models, open_grader
    from vlsu.cli.output import RunProgress, print_json, say
    from vlsu.models.catalogue import folder_name
    from vlsu.runs import UnderstandingOptions, prepare, prepare_controls

    given = asked.given(
        structured=structured, logprobs=logprobs, score=score, guard_policy=guard_policy
    )
    evaluations, controlled = {}, {}
    for named in choose_models(model, asked.models):
        chosen = open_grader(named, given)
        options = UnderstandingOptions(
            model=chosen.model,
            settings=chosen.settings,
            limits=chosen.limits,
            modalities=None if modalities is None else read_names(modalities),
            prompt=prompt,
            policy=policy,
            limit=limit,
            budget=budget,
            until=until,
            pilot=pilot,
            weights=weights,
            probe=probe,
            draws=draws,
            without_images=without_images,
        )
        members = member_models(asked.models, given)
        evaluations[named.name] = prepare(dataset, options, members)
        if controls:
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
    runs = []
    for name, evaluation in evaluations.items():
        if several:
            say(f"model: {name}")
        progress, left = RunProgress(), evaluation.options.limits.budget()
        with progress.shown():
            run = evaluation.run(folders[name], progress, left)
        runs.append(run)
        if not (json and several):
            show_run(run, as_json=json)
        if name in controlled and run.finished:
            run_controls(controlled[name], run, left, as_json=json)
    if json and several:
        print_json({name: run.metrics for name, run in zip(evaluations, runs, strict=True)})


@app.command("alignment")
@with_option_groups
def alignment(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="provider/name, or a name from --models.")],
    out: Out,
    asked: ModelArguments,
    judged: JudgeArguments,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="judge/offline (default), guard/FAMILY:MODEL (vlsu models lists the families), a "
            "model's SPEC, or a name from --models. Repeatable."
        ),
    ] = None,
    framings: Annotated[
        str,
        typer.Option(
            help="Which to ask under: default, harmless, helpful, harmless-strict, helpful-strict."
        ),
    ] = "default,harmless,helpful",
    framing: Annotated[
        list[Path] | None, typer.Option(help="File with an instruction of your own. Repeatable.")
    ] = None,
    captions: Captions = False,
    samples: Annotated[
        int, typer.Option(help="Answers to each question; needs --param temperature=...")
    ] = 1,
    judge_repeats: Annotated[int, typer.Option(help="Verdicts of each judge on an answer.")] = 1,
    calibration: Annotated[
        Path | None, typer.Option(help="From vlsu judge validate: corrects the judged rates.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV of human labels of this run's answers (sample_id, framing, label, perhaps "
            "draw), as vlsu judge sample draws them: correct the judged rates before --calibration."
        ),
    ] = None,
    limit: Limit = None,
    without_images: WithoutImages = False,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Ask each pair under several instructions and judge whether the answers refuse and help."""
    from vlsu.cli.output import RunProgress
    from vlsu.runs import AlignmentOptions, prepare_alignment
    from vlsu.runs.alignment.validation import load_calibration

    (named,) = choose_models([model], asked.models)
    judges = choose_models(judge or ["judge/offline"], asked.models, "--judge")
    chosen = open_chosen(named, asked.given())
    panel = [open_chosen(each, judged.given(asked)) for each in judges]
    options = AlignmentOptions(
        model=chosen.model,
        settings=chosen.settings,
        limits=chosen.limits,
        judges=[each.model for each in panel],
        judge_limits=[each.limits for each in panel],
        framings=[*read_names(framings), *map(str, framing or [])],
        captions=captions,
        draws=samples,
        judge_repeats=judge_repeats,
        calibration=load_calibration(calibration) if calibration else None,
        labels=labels,
        limit=limit,
        without_images=without_images,
    )
    run = prepare_alignment(dataset, options)
    warn_where_judged(judges, asked.base_url, judged.judge_base_url)
    if dry_run:
        show_estimates({named.name: run.estimate(out)}, as_json=json)
        return
    progress = RunProgress()
    with progress.shown():
        done = run.run(out, progress)
    show_run(done, as_json=json)


def run_controls(controls: Controls, run: Run, budget: Budget, *, as_json: bool) -> None:
    """Run the controls of a run, and print how far the result depends on the prompt."""
    from vlsu.cli.output import RunProgress, print_table, say

    say(f"controls: {', '.join(controls.evaluations)}")
    progress = RunProgress()
    with progress.shown():
        found = controls.run(run, progress, budget)
    if found is None:
        why = stop.message if (stop := budget.exhausted()) else "interrupted"
        say(f"controls: {why}; run the same command again to continue")
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


def show_estimates(estimates: dict[str, Estimate], *, as_json: bool) -> None:
    """Print the estimates of a dry run."""
    from vlsu.cli.output import print_json, print_table, say

    if as_json:
        print_json({name: each.to_dict() for name, each in estimates.items()})
        return
    rows = [
        (
            name,
            each.samples,
            sum(each.requests.values()),
            f"{each.images_sent} ({each.images_distinct} different)",
            each.input_tokens,
            each.output_tokens,
            "no price" if each.cost is None else f"{each.cost:.2f}",
        )
        for name, each in estimates.items()
    ]
    columns = ("model", "samples", "requests", "images", "input tokens", "output tokens", "cost")
    note = "Requests and images are counted, tokens and cost estimated. Nothing was sent."
    if stored := sum(each.stored for each in estimates.values()):
        note += f" {stored} more are stored and not asked again."
    for name, each in estimates.items():
        if each.calls is not None:
            note += f" {name} asks several questions of a request, {each.calls} in all."
    if sources := sorted({each.cost_source for each in estimates.values() if each.cost_source}):
        note += f" Prices: {', '.join(sources)}."
    print_table("Dry run", columns, rows, note)
    for line in dict.fromkeys(line for each in estimates.values() for line in each.lacking):
        say(line)


def show_run(run: Run, *, as_json: bool) -> None:
    """Print a run's results, or how to continue it.

    Raises:
        typer.Exit: The run was stopped: with 130 by an interrupt, with 0 by a budget, else with 1.
    """
    from vlsu.cli.output import print_json, print_table, say

    exit_if_stopped(run)
    if as_json:
        print_json(run.metrics)
        return
    from vlsu.report.tasks import metric_tables, notes, notice

    detects_refusal = "refusal" in run.metrics.get("gives", ("refusal",))
    for table in metric_tables(run):
        if table.name in SHOWN and (detects_refusal or table.name not in REFUSAL_TABLES):
            print_table(table.title, table.columns, table.rows, table.note)
    if warning := notice(run):
        say(warning.text)
    for note in notes(run):
        say(note)
    for modality, reasons in run.record.get("not_asked", {}).items():
        for why, count in reasons.items():
            say(f"not asked: {modality} of {count} samples ({why})")
    for change, count in run.record.get("images", {}).items():
        say(f"images {change} to what the model takes: {count}")
    print_requests(run)
    say(f"run: {run.path}")


def exit_if_stopped(run: Run) -> None:
    """Say how to continue a run that was stopped.

    Raises:
        typer.Exit: It was: with 130 by an interrupt, with 0 by a budget, else with 1.
    """
    from vlsu.cli.stopping import exit_stopped
    from vlsu.runs.stop import StopReason

    if not run.finished:
        exit_stopped(run.record["stopped"], StopReason(run.record["stop_reason"]), run.path)


def print_requests(run: Run) -> None:
    """Print what was asked, what has no answer, and the cost."""
    from vlsu.cli.output import say
    from vlsu.runs.task_records import TASK_RECORDS

    requests = run.record.get("requests", {})
    if unanswered := requests.get("unanswered", {}):
        for message, count in unanswered.items():
            say(f"no answer to {count} requests: {message}")
        say("run the same command again to ask for the missing answers")
    asked, reused = requests.get("asked", 0), requests.get("reused", 0)
    say(f"requests: {asked} asked, {reused} stored before")
    if shared := requests.get("shared", 0):
        what = TASK_RECORDS[run.record.task].results
        say(
            f"{asked + reused + shared} {what} from {asked + reused} requests: {shared} needed the "
            "same request as another and were not asked again"
        )
    if "cost" in run.record:
        cost = run.record["cost"]
        currency = f" {cost['currency']}" if cost.get("currency") else ""
        saved = cost.get("saved", {}).get("cache", 0.0)
        say(
            f"cost: {cost['total']:.4f}{currency}, {cost.get('of_start', 0):.4f} of it in this "
            f"start (prices: {cost.get('source')})"
            + (f"; {saved:.4f} less than without the provider's cache" if saved else "")
        )
        for spec, part in cost.get("of", {}).items():
            if part != cost["total"]:
                say(f"  {spec}: {part:.4f}")
