"""The model that a command asks, opened; what is said of where it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vlsu.models import Model, Settings
    from vlsu.models.catalogue import NamedModel
    from vlsu.runs import Limits
    from vlsu.runs.batching.options import Batching
    from vlsu.runs.options import ModelOptions

__all__ = ["ASKED", "ChosenModel", "asked_words", "open_chosen", "warn_where_judged"]

#: Stands before where a model is asked.
ASKED = "asked at"


class ChosenModel(NamedTuple):
    """A model that a command asks.

    Attributes:
        model: The model, opened.
        settings: How it is asked.
        limits: How fast, and at which price.
    """

    model: Model
    settings: Settings
    limits: Limits


def asked_words(batching: Batching | None = None, *, dry_run: bool, replay: bool = False) -> str:
    """How a command asks its model, as `open_chosen` says it; empty where it sends it nothing.

    Args:
        batching: How a batch interface is used, if it is.
        dry_run: Whether it is only estimated what would be asked.
        replay: Whether stored answers are judged again.
    """
    if replay or (batching is not None and batching.by_files):
        return ""
    return "would be asked at" if dry_run else ASKED


def open_chosen(
    named: NamedModel, given: ModelOptions, *defaults: ModelOptions, asked: str = ASKED
) -> ChosenModel:
    """Open a model; print which file named it, where it is asked, and whether a key goes there.

    What the command line does not give is as the model's entry says; a price that neither gives is
    the provider's list price, if the provider's own server is asked.

    Args:
        named: The model.
        given: How it is asked, by the command line.
        defaults: What goes before the defaults of all models.
        asked: From `asked_words`.

    Raises:
        VlsuError: It cannot be opened, or an option is wrong.
    """
    from vlsu.cli.output import say
    from vlsu.models import open_model
    from vlsu.runs.options import ModelOptions, merged

    options = merged(given, ModelOptions.of_entry(named), *defaults)
    settings = options.settings()
    model = open_model(named.spec, settings)
    line = f"{named.name} ({named.file}): {named.spec}" if named.file else named.spec
    if asked and (destination := getattr(model, "destination", None)):
        say(f"{line}, {asked} {destination}")
    elif named.file:
        say(line)
    is_served = getattr(model, "destination", None) is not None
    limits = options.limits(named.spec, list_price=True, is_served=is_served)
    return ChosenModel(model, settings, limits)


def warn_where_judged(
    judges: list[NamedModel], base_url: str | None, judge_base_url: str | None
) -> None:
    """Warn of judges asked at OpenAI's own server while the model has another one.

    ``--base-url`` is the model's alone: a server that ignores the model's name would judge by the
    very model under test. Whoever meant it for both learns here why the judge is not found.
    """
    from vlsu.cli.output import say

    if base_url is None or judge_base_url is not None:
        return
    for judge in judges:
        if judge.spec.startswith("openai/") and not judge.settings.get("base_url"):
            say(f"{judge.spec} is asked at OpenAI; --judge-base-url names another server")
