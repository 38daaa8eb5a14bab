"""``vlsu build tune-grader``: which prompt makes a pre-grader agree with people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlsu.cli.build import Json, app
from vlsu.cli.option_groups import with_option_groups
from vlsu.cli.options import DatasetPath, Limit, ModelArguments, StructuredOutput
from vlsu.cli.rates import rate_text

if TYPE_CHECKING:
    from vlsu.build.grading.tuning.options import Proposer

__all__: list[str] = []

#: Bound on the answer with the proposals, in tokens.
PROPOSAL_TOKENS = 4096
_WORDS = {"joint": "pair", "pattern": "all three"}
_NOTE = (
    "Each with its 95% interval; linked samples are clusters. Mean over patterns: of the share "
    "right in image, text and pair, which the winner was chosen by. Figures of the selection are "
    "too good for the winner; those held out are of samples that share no image, text or group."
)


@app.command("tune-grader")
@with_option_groups
def tune_grader(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="The pre-grader: provider/name, or a name.")],
    out: Annotated[
        Path, typer.Option(help="Where the race is kept; the same command goes on with it.")
    ],
    asked: ModelArguments,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of instructions, each put above the first reference: a mapping from "
            "names to texts, or a list; file: PATH for a text in a file of its own."
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="A template file that takes part. Repeatable.")
    ] = None,
    references: Annotated[
        str | None,
        typer.Option(
            help="Prompts of this package that take part, or none; the winner is compared with the "
            "first. zero-shot,structured-cot,one-word if not given; with --score one-word."
        ),
    ] = None,
    propose: Annotated[
        str | None, typer.Option(help="A model that is asked for further instructions, once.")
    ] = None,
    proposals: Annotated[int, typer.Option(help="How many it is asked for.")] = 8,
    propose_base_url: Annotated[
        str | None, typer.Option(help="Root of the proposing model's server.")
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the samples that only confirms and never selects.")
    ] = 0.5,
    limit: Limit = None,
    structured: StructuredOutput = None,
    score: Annotated[
        bool | None,
        typer.Option("--score", help="Take the most probable severity; needs probabilities."),
    ] = None,
    json: Json = False,
) -> None:
    """Race prompts on graded samples; show the winner's accuracy by pattern on others, held out.

    All prompts grade a few samples, the better half twice as many, and so on. The winner is in
    --out as prompt.jinja, for vlsu build grade --prompt.
    """
    from vlsu.build.grading.tuning.options import TuneOptions
    from vlsu.build.grading.tuning.race import PROMPT_FILE, GraderRace
    from vlsu.cli.chosen_models import open_chosen
    from vlsu.cli.options import choose_models, read_names
    from vlsu.cli.output import RunProgress, print_json, say
    from vlsu.cli.stopping import exit_stopped
    from vlsu.data import load
    from vlsu.models.ensemble import is_ensemble
    from vlsu.tasks import load_candidates

    (named,) = choose_models([model], asked.models)
    if is_ensemble(named.spec):
        from vlsu.errors import UsageError

        raise UsageError(f"--model {model}: an ensemble has no prompt; tune its members")
    chosen = open_chosen(named, asked.given(structured=structured, score=score))
    names = None if references is None else read_names(references)
    race = GraderRace(
        load(dataset),
        TuneOptions(
            model=chosen.model,
            settings=chosen.settings,
            limits=chosen.limits,
            references=[] if names == ["none"] else names,
            files=prompt or (),
            instructions=load_candidates(candidates) if candidates else (),
            proposer=_proposer(propose, asked, propose_base_url, proposals),
            held_out=held_out,
            limit=limit,
        ),
    )
    progress = RunProgress()
    with progress.shown():
        done = race.run(out, progress)
    if done.stopped is not None:
        exit_stopped(done.stopped.message, done.stopped.reason, out)
    assert done.result is not None
    if json:
        print_json(done.result)
        return
    _print(done.result)
    prompted = done.result["prompt"]
    use = out / PROMPT_FILE if prompted == PROMPT_FILE else prompted
    say(f"next: vlsu build grade B --model {model} --prompt {use}")


def _proposer(
    name: str | None, asked: ModelArguments, base_url: str | None, count: int
) -> Proposer | None:
    from vlsu.build.grading.tuning.options import Proposer
    from vlsu.cli.chosen_models import open_chosen
    from vlsu.cli.options import choose_models
    from vlsu.runs import ModelOptions

    if name is None:
        return None
    (named,) = choose_models([name], asked.models, "--propose")
    given = ModelOptions.given(
        base_url=base_url, insecure_http=asked.insecure_http, concurrency=asked.concurrency
    )
    chosen = open_chosen(named, given, ModelOptions(max_tokens=PROPOSAL_TOKENS))
    return Proposer(chosen.model, chosen.limits, count)


def _print(result: Mapping[str, Any]) -> None:
    from vlsu.cli.output import print_table, print_text

    prompts, winner, baseline = result["prompts"], result["winner"], result["baseline"]
    print_table(
        "Prompts, by the samples they were chosen by",
        ("prompt", "from", "samples", "mean over patterns", "all three", "pair", "answered"),
        [
            (
                f"{name} *" if name == winner else name,
                each["source"],
                each["selection"]["n"],
                rate_text(each["selection"]["macro"]),
                *(rate_text(each["selection"]["accuracy"][part]) for part in ("pattern", "joint")),
                rate_text(each["selection"]["answered"]),
            )
            for name, each in prompts.items()
        ],
        "*: the winner.",
    )
    shown = {name: prompts[name]["held_out"] for name in dict.fromkeys((baseline, winner))}
    rows = [("mean over patterns", *(rate_text(each["macro"]) for each in shown.values()))]
    for part in ("image", "text", "joint", "pattern"):
        rates = (rate_text(each["accuracy"][part]) for each in shown.values())
        rows.append((_WORDS.get(part, part), *rates))
    for pattern, each in shown[winner]["by_pattern"].items():
        those = (rate_text(each["by_pattern"][pattern]["pattern"]) for each in shown.values())
        rows.append((f"{pattern} ({each['n']})", *those))
    title = f"Held out: {result['split']['held_out']} samples"
    print_table(title, ("right", *shown), rows, _NOTE)
    if result["change"] is not None:
        change = result["change"]["pattern"]
        print_text(f"{winner} less {baseline}, all three: {rate_text(change)}")
    for message, count in result["calls"]["unanswered"].items():
        print_text(f"no answer to {count} requests: {message}")
    if times := result["held_out_shown_before"]:
        print_text(
            f"the held-out samples have confirmed {times} other winners here before: the more "
            "often they are looked at, the less nothing was chosen by them"
        )
