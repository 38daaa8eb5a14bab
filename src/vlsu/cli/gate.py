"""``vlsu gate``: is a run good enough to release on?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.options import MinAnswered, Primary


def gate(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY OPERATOR NUMBER, such as 'joint.f1_macro >= 0.6' or '>= 60%'. KEY is any "
            "number of metrics.json, with * for every part of a name, as in "
            "'categories.*.unsafe_recall >= 0.7', or cost.per_1000, the money for 1,000 samples; "
            "operators: >=, >, <=, <, and == for counts. "
            "Repeatable: all must be met."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A base run's folder: RUN must not be worse than it by --margin."),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(help="The loss that must be excluded, such as 0.02 or 2%; with --against."),
    ] = None,
    primary: Primary = None,
    confidence: Annotated[
        float,
        typer.Option(help="Of the intervals. Another than 0.95 is computed from the judgments."),
    ] = 0.95,
    junit: Annotated[
        Path | None, typer.Option(help="Also write JUnit XML, a test case a requirement.")
    ] = None,
    min_answered: MinAnswered = "95%",
    min_samples: Annotated[
        int,
        typer.Option(
            min=1, help="Samples below which a part that a * stands for cannot be told, and fails."
        ),
    ] = 20,
    dataset: Annotated[
        Path | None,
        typer.Option(help="The dataset's folder, if it was moved; for another --confidence."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a run against requirements: exit 0 if all are met, 1 if one is not.

    Of a rate, the bound of its interval that is against the requirement is compared, not the value:
    'joint.f1_macro >= 0.6' is met if the low bound is at least 0.6, 'over_sensitivity.borderline <=
    0.2' if the high bound is at most 0.2. What was not measured fails. A name that is not in
    metrics.json is an error (exit 2) that lists similar ones. If a run answered less than
    --min-answered, a warning is printed, and requirements that missing answers may help to meet
    fail, such as upper bounds on errors; answers may be required too: 'joint.answered >= 95%'.
    With --against BASE --margin 0.02 the run must also not be worse than another by 2 points or
    more, on --primary, else on the metrics required that runs are compared by, else on the task's
    own: the 90% interval of the paired difference must exclude that loss, whatever the missing
    answers are. 'worse' and 'cannot be told' fail. All that is required must be met, so that more
    requirements never make passing by chance likelier.
    """
    from vlsu._folders import require_folder_of, require_replaceable
    from vlsu.analysis.table.answered import parse_share
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.cli.run_errors import naming_runs
    from vlsu.report.export.junit import JUNIT
    from vlsu.report.export.junit import junit as junit_xml
    from vlsu.report.run_notes import clusters_note, sampling_note
    from vlsu.report.tasks import notice, report_of
    from vlsu.runs import load_run
    from vlsu.runs.finished.gating import gate as hold
    from vlsu.runs.folder import write_atomically

    if junit is not None:
        require_folder_of(junit, "--junit")
        require_replaceable(junit, "--junit", JUNIT)
    enough = parse_share(min_answered, "--min-answered")
    loss = None if margin is None else parse_share(margin, "--margin")
    with naming_runs([run, *([] if against is None else [against])]):
        held = load_run(run)
        found = hold(
            held,
            require or [],
            against=None if against is None else load_run(against),
            margin=loss,
            primary=primary or [],
            confidence=confidence,
            enough=enough,
            fewest=min_samples,
            dataset=dataset,
        )
        warning = notice(held, enough)
        shares = report_of(held).answered_caption(held.metrics) or "all was answered"
        sampled = " ".join(filter(None, (sampling_note(held), clusters_note(held))))
    if junit is not None:
        write_atomically(junit, junit_xml(found).encode())
    if json:
        print_json(found.to_dict())
    else:
        rows = [
            ("met" if check.met else "not met", str(check.requirement), check.why)
            for check in found.all_checks
        ]
        title = f"Gate of {run} at a confidence of {confidence:g}"
        note = " ".join(filter(None, (f"{shares[0].upper()}{shares[1:]}.", sampled)))
        print_table(title, ("", "requirement", "found"), rows, note)
    if warning is not None:
        say(f"{warning.what} To require it: --require '{warning.requirement}'")
    checks = found.all_checks
    unmet = sum(not check.met for check in checks)
    say("gate: passed" if found.passed else f"gate: failed, {unmet} of {len(checks)} not met")
    if not found.passed:
        raise typer.Exit(1)
