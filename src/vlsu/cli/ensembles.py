"""Graders as a command names them: one model, or an ensemble of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vlsu.cli.chosen_models import ASKED, open_chosen
from vlsu.cli.options import MODELS_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from vlsu.models.base import Model, Settings
    from vlsu.models.catalogue import NamedModel
    from vlsu.runs import Limits, MemberModels, ModelOptions

__all__ = ["ChosenGrader", "member_models", "open_grader"]


class ChosenGrader(NamedTuple):
    """What a command has grade.

    Attributes:
        model: The model, opened; of an ensemble its SPEC: its members are opened by themselves.
        settings: How it is asked.
        limits: How fast, and at which price.
    """

    model: Model | str
    settings: Settings
    limits: Limits


def open_grader(named: NamedModel, given: ModelOptions, asked: str = ASKED) -> ChosenGrader:
    """Open a model as `open_chosen` does, unless it is an ensemble.

    Raises:
        VlsuError: It cannot be opened, or an option is wrong.
    """
    from vlsu.errors import UsageError
    from vlsu.models.ensemble import is_ensemble

    if not is_ensemble(named.spec):
        return ChosenGrader(*open_chosen(named, given, asked=asked))
    if own := [*named.settings, *named.limits]:
        raise UsageError(
            f"{named.file}: model {named.name}: {own[0]}: an ensemble is not asked itself; say "
            "this in the entries of its members"
        )
    return ChosenGrader(named.spec, given.settings(), _together(named.spec, given))


def _together(spec: str, given: ModelOptions) -> Limits:
    """The bounds of an ensemble's members together, each of which has a price of its own.

    A bound on money is one budget for all members, and needs a price. An ensemble asks nothing, so
    its own is zero: each answer is counted at the price of the member that gave it, by that
    member's limits (`Session.ask`), and a member without a price is refused.

    Raises:
        UsageError: A number is wrong.
    """
    from dataclasses import replace

    from vlsu.runs import Price
    from vlsu.runs.options import UNSET

    if isinstance(given.price, str) and "," in given.price:  # the same of all
        return given.limits(spec)
    bounded = given.max_cost is not UNSET  # theirs are in the file of prices or in their entries
    price = Price(0.0, 0.0, "of its members") if bounded else UNSET
    return replace(given, price=price).limits(spec)


def member_models(file: Path | None, given: ModelOptions, asked: str = ASKED) -> MemberModels:
    """Models by their names in ``models.yaml`` or by SPECs, asked as the command line says.

    Args:
        file: ``models.yaml``; by default the one in the current folder, if there is one.
        given: How they are asked, by the command line: all of them.
        asked: From `vlsu.cli.chosen_models.asked_words`.

    Raises:
        UsageError: The file cannot be read.
    """
    from vlsu.errors import UsageError
    from vlsu.models.catalogue import NamedModel, load_models
    from vlsu.runs import MemberModels

    if file is None and MODELS_FILE.exists():
        file = MODELS_FILE
    known = load_models(file) if file else {}

    def opened(name: str) -> tuple[Model, Settings, Limits]:
        member = known.get(name) or NamedModel(name, name)
        model, settings, limits = open_grader(member, given, asked)
        if isinstance(model, str):
            raise UsageError(f"{name}: is an ensemble itself; run it first and give its folder")
        return model, settings, limits

    return MemberModels(opened, known)
