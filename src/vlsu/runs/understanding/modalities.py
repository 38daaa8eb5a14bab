"""Which modalities a run asks for: those given, or those that its model can judge."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vlsu.errors import UsageError
from vlsu.models.base import Model
from vlsu.policy import MODALITIES

__all__ = ["judged_modalities"]

_log = logging.getLogger(__name__)


def judged_modalities(
    model: Model, asked: Sequence[str] | None, probe: str | None = None
) -> Sequence[str]:
    """The modalities to ask for; of those that are not given, the ones that the model can judge.

    Args:
        model: As a grader of content.
        asked: Those given; `None` for all that it can judge.
        probe: What is asked besides, which takes pairs.

    Raises:
        UsageError: The model cannot judge one that is given, or judges none at all.
    """
    able = tuple(each for each in MODALITIES if each in model.modalities)
    if not able:
        raise UsageError(f"{model.spec} judges neither images nor texts; choose another model")
    source: str = getattr(model, "modalities_source", "")
    name = f"{model.spec} (by {source})" if source else model.spec
    if probe is not None and "joint" not in able:
        raise UsageError(f"--probe {probe}: {model.spec} cannot judge pairs; leave it out")
    if asked is None:
        if left_out := [each for each in MODALITIES if each not in able]:
            _log.warning(
                "%s cannot judge %s: not asked, and not in the metrics; it is asked for %s",
                name,
                " and ".join(left_out),
                " and ".join(able),
            )
        return able
    if unable := [each for each in asked if each in MODALITIES and each not in able]:
        rest = [each for each in asked if each not in unable] or able
        raise UsageError(
            f"{name} cannot judge {' and '.join(dict.fromkeys(unable))}; "
            f"give --modalities {','.join(rest)}"
        )
    return asked
