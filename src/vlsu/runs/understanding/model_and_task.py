"""The model and the task of an understanding run, made from its options and a policy."""

from __future__ import annotations

import logging
from typing import cast

from vlsu.errors import UsageError
from vlsu.models import as_grader, as_model
from vlsu.models.base import Model
from vlsu.policy import Policy
from vlsu.runs.batching.options import require_batches
from vlsu.runs.understanding.modalities import judged_modalities
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.prompt_names import is_scored, prompt_name
from vlsu.tasks import BARE, CONTROLS, PROMPTS, Detail, Understanding, load_prompt

__all__ = ["model_and_task"]

_log = logging.getLogger(__name__)


def model_and_task(options: UnderstandingOptions, policy: Policy) -> tuple[Model, Understanding]:
    """Open the model and load the prompt.

    Args:
        options: What the run was asked for.
        policy: The one it grades by.

    Raises:
        VlsuError: Wrong options, or a prompt or model that cannot be opened.
    """
    settings = options.settings
    model = as_grader(as_model(options.model, settings), policy)
    require_batches(model, options.batch)
    modalities = judged_modalities(model, options.modalities, options.probe)
    name = prompt_name(options.prompt, settings, model)
    if not model.takes_instructions:
        if options.prompt not in (None, BARE):
            load_prompt(name, policy)  # which refuses one that does not exist
            _log.warning("prompt %s: not used, since %s takes no instructions", name, model.spec)
        if options.policy_detail != "full":
            raise UsageError(
                f"--policy-detail {options.policy_detail}: {model.spec} takes no instructions, so "
                "no policy is stated; leave it out"
            )
        name = BARE
    if settings.structured == "on" and name not in (*PROMPTS, *CONTROLS, BARE):
        raise UsageError(
            f"--structured on: {name} may reason before it answers, which a schema would cut off; "
            "leave it at auto with a prompt of your own"
        )
    prompt = load_prompt(name, policy, cast("Detail", options.policy_detail))
    scored = is_scored(model, settings)
    return model, Understanding(policy, prompt, modalities, settings.system, scored=scored)
