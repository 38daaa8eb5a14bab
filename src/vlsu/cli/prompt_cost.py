"""``vlsu prompts cost``: the tokens of each part of the prompts, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vlsu.tasks import Detail

__all__ = ["show_prompt_costs"]


def show_prompt_costs(
    dataset: str,
    *,
    model: str | None,
    models: Path | None,
    prompt: str | None,
    policy: str | None,
    detail: str,
    json: bool,
) -> None:
    """Print the tokens of each part of the prompts for a dataset; nothing is sent.

    Raises:
        VlsuError: A dataset, prompt, policy or price that cannot be read.
    """
    from vlsu.cli.options import choose_models
    from vlsu.cli.output import print_json, print_table
    from vlsu.data import load
    from vlsu.policy import load_policy
    from vlsu.report.cost import money
    from vlsu.report.table import ABSENT
    from vlsu.runs.options import ModelOptions
    from vlsu.runs.prompt_cost import prompt_costs
    from vlsu.tasks import PROMPTS, load_prompt

    price = None
    if model is not None:
        (named,) = choose_models([model], models)
        price = ModelOptions.of_entry(named).limits(named.spec, list_price=True).price
    data = load(dataset)
    chosen = load_policy(policy) if policy else data.policy
    loaded = load_prompt(prompt or PROMPTS[0], chosen, cast("Detail", detail))
    found = prompt_costs(data, chosen, loaded, price)
    currency = None if price is None else price.currency
    passes = {"modalities": [each for each in found if not each.first_pass]}
    if loaded.lines:
        passes["first_pass"] = [each for each in found if each.first_pass]
    if json:
        print_json(
            {
                "dataset": data.info.name,
                "prompt": loaded.name,
                "policy": chosen.name,
                "policy_detail": loaded.detail,
                "model": model,
                "currency": currency,
                "prices": None if price is None else price.source,
                **{name: {e.modality: e.to_dict() for e in each} for name, each in passes.items()},
            }
        )
        return
    rows = [
        (
            f"{each.modality}, first request" if each.first_pass else each.modality,
            each.requests,
            *(each.policy, each.task, each.image or ABSENT, each.text or ABSENT, each.input),
            each.answer,
            *(money(cost) for cost in (each.cost, each.cost_cached, each.cost_batch)),
        )
        for each in found
    ]
    columns = (
        *("modality", "requests", "policy", "task", "image", "text", "input", "answer"),
        *("cost", "if cached", "in a batch"),
    )
    note = (
        "Tokens of one request, estimated at four bytes each and 1,000 an image; costs are of all "
        "requests of the dataset. If cached: the provider reads policy and task from its cache."
    )
    if loaded.lines:
        note += " With the lines of the longest categories, of as many as may be likely."
    if price is not None:
        note += f" Prices: {price.source}."
    print_table(f"Prompt {loaded.title} with the policy {chosen.name}", columns, rows, note)
