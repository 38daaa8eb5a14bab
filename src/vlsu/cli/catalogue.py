"""``vlsu models``, ``vlsu prompts``, ``vlsu policy``: what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

#: How a policy is named: a file, or one that comes with this package. A text, not a path, so that
#: ``./binary`` stays a file.
POLICY = "FILE|NAME"

if TYPE_CHECKING:
    from vlsu.models.guards import ContentFamily
    from vlsu.models.readiness import Readiness

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_models(
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Say of each model whether it would work now: key set, extra installed. Nothing "
            "is sent, and no key is shown.",
        ),
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(help="With --check, a file of named models too; models.yaml if there is one."),
    ] = None,
    json: AsJson = False,
) -> None:
    """List the providers a model's SPEC may begin with, and the families of guards."""
    if check:
        _check_models(models, json=json)
        return
    if models is not None:
        from vlsu.errors import UsageError

        raise UsageError("--models: only with --check, which says whether each model opens")
    from vlsu.cli.output import print_json, print_table
    from vlsu.models import provider_descriptions
    from vlsu.models.guards import FAMILIES, GRADERS
    from vlsu.policy import MODALITIES

    about = provider_descriptions()
    if json:
        guards = [
            {
                "family": family.name,
                "about": family.about,
                "gives": sorted(family.gives),
                "sees_images": family.sees_images,
            }
            for family in FAMILIES
        ]
        graders = [
            {
                "family": family.name,
                "about": family.about,
                "modalities": [each for each in MODALITIES if each in family.modalities],
                "levels": [level.label for level in family.levels],
                "takes_policy": family.ours is not None,
                "source": family.source,
            }
            for family in GRADERS
        ]
        print_json(
            [
                {
                    "provider": name,
                    "about": text,
                    **({"families": guards, "graders": graders} if name == "guard" else {}),
                }
                for name, text in about.items()
            ]
        )
        return
    print_table("Models", ("provider", "about"), list(about.items()))
    print_table(
        "Guards that grade content: guard/FAMILY:MODEL for vlsu run understanding",
        ("family", "grades", "severities", "--guard-policy", "about"),
        [
            (
                family.name,
                ", ".join(each for each in MODALITIES if each in family.modalities),
                ", ".join(level.label for level in family.levels),
                ", ".join(_policies(family)),
                family.about,
            )
            for family in GRADERS
        ],
    )
    print_table(
        "Guards that judge answers: guard/FAMILY:MODEL for vlsu run alignment --judge",
        ("family", "judges", "sees the image", "about"),
        [
            (
                family.name,
                ", ".join(sorted(family.gives - {"controversial"})),
                "yes" if family.sees_images else "no",
                family.about,
            )
            for family in FAMILIES
        ],
    )


def _check_models(file: Path | None, *, json: bool) -> None:
    """Print which models would work now.

    Raises:
        typer.Exit: With code 1, if a named model would not open.
    """
    import os

    from vlsu.cli.options import MODELS_FILE
    from vlsu.cli.output import print_json, print_table
    from vlsu.models.catalogue import load_models
    from vlsu.models.readiness import named_readiness, readiness
    from vlsu.runs.options import ModelOptions

    if file is None and MODELS_FILE.exists():
        file = MODELS_FILE
    entries = load_models(file) if file is not None else {}
    named = [
        named_readiness(each, ModelOptions.of_entry(each).settings()) for each in entries.values()
    ]
    every = [*readiness(os.environ), *named]
    if json:
        print_json([each.to_dict() for each in every])
    else:
        for title, kinds, note in _SECTIONS:
            rows = [_ready_row(each) for each in every if each.kind in kinds]
            if rows:
                print_table(title, ("model", "grades", "needs", "works", "what to do"), rows, note)
    if not all(each.works for each in named):
        raise typer.Exit(1)


#: Title, kinds and note of each table of ``vlsu models --check``.
_SECTIONS = (
    (
        "Models",
        ("provider", "baseline", "local", "ensemble", "plug-in"),
        "Of hf and vllm, files are looked up when a run starts; of ensembles, members.",
    ),
    (
        "Guards that grade content",
        ("grader",),
        "In this process, or on a server with --base-url. FAMILY:NAME, or a known name alone.",
    ),
    ("Judges of answers", ("judge",), ""),
    (
        "Named models",
        ("named",),
        "Opened without sending anything. Names on the hub are looked up when a run starts.",
    ),
)


def _ready_row(model: Readiness) -> tuple[str, ...]:
    needs = [
        f"{what} ({'there' if state else 'missing'})"
        for what, state in ((model.extra, model.installed), (model.key, model.key_set))
        if what is not None
    ]
    if model.server == "needed":
        needs.append("a server")
    grades = ", ".join(model.modalities) or ("answers" if model.kind == "judge" else "")
    return model.spec, grades, ", ".join(needs), "yes" if model.works else "no", model.remedy


def _policies(family: ContentFamily) -> list[str]:
    """Whose question a guard can be asked."""
    able = (("own", family.ask), ("ours", family.ours))
    return [name for name, question in able if question is not None]


def show_prompts(
    name: Annotated[
        str | None,
        typer.Argument(help="Print this prompt's template; or cost: the tokens of its parts."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Argument(help="With cost, the dataset that is to be asked about.")
    ] = None,
    rendered: Annotated[
        bool, typer.Option("--rendered", help="With the policy rendered in.")
    ] = False,
    policy: Annotated[
        str | None, typer.Option(metavar=POLICY, help="A policy file, or default or binary.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="With cost, which prompt; zero-shot if not given.")
    ] = None,
    policy_detail: Annotated[
        str | None,
        typer.Option(
            help="With cost, how much of the policy the prompt states: full, brief or category."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="With cost, whose prices: provider/name, or a name from --models."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="With cost, the file of named models; models.yaml if there is one."),
    ] = None,
    json: AsJson = False,
) -> None:
    """List the prompts, or print one, to start a prompt of one's own from.

    vlsu prompts cost DATASET --model SPEC says how many tokens the policy, the task, the image and
    the text of a request have, and what all requests come to. Nothing is sent.
    """
    if name == "cost":
        from vlsu.cli.prompt_cost import show_prompt_costs
        from vlsu.errors import UsageError

        if dataset is None:
            raise UsageError(
                "prompts cost: give a dataset too (a prompt's file of that name: ./cost)"
            )
        show_prompt_costs(
            dataset,
            model=model,
            models=models,
            prompt=prompt,
            policy=policy,
            detail=policy_detail or "full",
            json=json,
        )
        return
    if any(each is not None for each in (dataset, prompt, policy_detail, model, models)):
        from vlsu.errors import UsageError

        raise UsageError(
            "a dataset, --prompt, --policy-detail, --model, --models: only with vlsu prompts cost"
        )
    from vlsu.cli.output import print_json, print_table, print_text
    from vlsu.policy import MODALITIES, default_policy, load_policy
    from vlsu.tasks import CHOICE, CONTROLS, ONE_WORD, PROMPTS, load_prompt, prompt_source

    chosen = load_policy(policy) if policy else default_policy()
    if name is None:
        uses = {**dict.fromkeys(CONTROLS, "control"), ONE_WORD: "--score", CHOICE: "systemone/..."}
        prompts = [load_prompt(each, chosen) for each in (*PROMPTS, ONE_WORD, CHOICE, *CONTROLS)]
        rows = [
            (
                p.name,
                uses.get(p.name, ""),
                p.hash[:12],
                *(f"{len(p.systems[m]):,}" for m in MODALITIES),
            )
            for p in prompts
        ]
        if json:
            print_json([{"name": p.name, "hash": p.hash} for p in prompts])
        else:
            print_table(
                "Prompts",
                ("name", "what for", "hash", *MODALITIES),
                rows,
                "Characters of the system part by what is graded.",
            )
        return
    loaded = load_prompt(name, chosen)
    if json:
        parts = {part: loaded.user(part, "{text}") for part in MODALITIES}
        systems = {"system": loaded.systems["joint"], "systems": loaded.systems}
        print_json({"name": loaded.name, "hash": loaded.hash, **systems, **parts})
    elif rendered:
        for part, words in [
            *((f"system, {m}", loaded.systems[m]) for m in MODALITIES),
            *((m, loaded.user(m, "{text}")) for m in MODALITIES),
        ]:
            print_text(f"--- {part} ---\n{words}\n")
    else:
        print_text(prompt_source(name))


def show_policy(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{POLICY}]",
            help="Show this one instead: binary, which has two severities, or a file to check.",
        ),
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Show one category in full, such as C9.")
    ] = None,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the policy's file, to start one's own from.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show a policy: the default one, binary, or a file; a file that is no policy is refused."""
    from vlsu.cli.output import print_json, print_table, print_text, say
    from vlsu.policy import POLICIES, default_policy, load_policy

    policy = load_policy(file) if file else default_policy()
    if yaml:
        print_text(policy.text, end="")
        return
    if json:
        print_json(policy.to_dict())
        return
    if category:
        chosen = policy.category(category)
        rows = [
            (severity.label, modality, getattr(seen, modality))
            for severity, seen in chosen.severities.items()
            for modality in ("image", "text")
        ]
        print_table(chosen.title, ("severity", "of", "what it is"), rows, chosen.description)
        return
    systems = sorted({system for c in policy.categories for system in c.codes})
    print_table(
        f"{policy.name} {policy.version} ({policy.language})",
        ("id", "category", *systems),
        [
            (c.id, c.name, *(", ".join(c.codes.get(system, ())) for system in systems))
            for c in policy.categories
        ],
        policy.description,
    )
    print_table(
        "Severities",
        ("severity", "meaning", "expected response"),
        [(s.label, policy.severities[s], policy.responses[s]) for s in policy.severities],
    )
    if policy.critical:
        print_table(
            "Harms for which one miss is one too many",
            ("category", "harm"),
            [(each.category, each.harm) for each in policy.critical],
        )
    if policy.not_covered:
        codes = sorted({system for each in policy.not_covered for system in each.codes})
        print_table(
            "Not covered: a score under this policy says nothing of it",
            ("harm", *codes),
            [
                (each.harm, *(", ".join(each.codes.get(system, ())) for system in codes))
                for each in policy.not_covered
            ],
        )
    say(f"policy: valid, {len(policy.categories)} categories, hash {policy.hash[:12]}")
    if file is None:
        say(f"policies of this package: {', '.join(POLICIES)}")
