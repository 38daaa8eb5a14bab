"""``hf/NAME_OR_PATH``: the answerer of open models, and its factory."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlsu.errors import UsageError, VlsuError
from vlsu.models.base import ImageSource, Model, Request, Settings
from vlsu.models.hf.answers import generated_answer, scored_answers
from vlsu.models.hf.batches import Batches
from vlsu.models.hf.chat import Chat, Prompt
from vlsu.models.hf.check import (
    TOLERANCE,
    batch_difference,
    one_by_one,
    prefix_difference,
    probes,
)
from vlsu.models.hf.checkpoint import Checkpoint, read_checkpoint
from vlsu.models.hf.engine import Engine
from vlsu.models.hf.libraries import library, require_extra
from vlsu.models.hf.prefix import Prefixes
from vlsu.models.hf.sampling import SAMPLING, check_sampling
from vlsu.models.hf.weights import (
    check_settings,
    is_out_of_main_memory,
    is_out_of_memory,
    load_weights,
    weights_identity,
)
from vlsu.models.inprocess import InProcessModel

__all__ = ["MAX_BATCH", "OpenModel", "hf_model"]

_log = logging.getLogger(__name__)

#: Requests in a batch, at most, unless the run says otherwise.
MAX_BATCH = 8
#: Batches that are gathered before they are formed: less padding, more decoded images in memory.
GATHERED = 2
#: Share of the next word's probability below which the severities are an afterthought.
LITTLE = 0.05
_VARIABLES = "chat_template_kwargs"


class OpenModel:
    """A checkpoint as an `vlsu.models.inprocess.Answerer`; its weights load at the first request.

    Args:
        checkpoint: The model's files.
        settings: How it is asked.
        load: Loads the weights.

    Raises:
        ModelError: It has no chat template that can be used, or its adapter cannot be found.
    """

    takes_instructions = True

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: Settings,
        load: Callable[[Checkpoint, Settings], Any] = load_weights,
    ) -> None:
        self._checkpoint = checkpoint
        self._settings = settings
        self._load = load
        self._params = {name: settings.params[name] for name in SAMPLING if name in settings.params}
        self._weights = weights_identity(checkpoint, settings)
        self._chat = Chat(checkpoint, _template_variables(settings))
        self._batches = Batches(settings.max_batch or MAX_BATCH, is_out_of_memory, _free)
        self._engine: Engine | None = None
        self._told = False
        #: Of requests that were checked, by their number of images.
        self._prefixes: dict[int, Prefixes | None] = {}
        self.modalities = frozenset({"image", "text", "joint"} if checkpoint.sees else {"text"})

    def identity(self) -> Mapping[str, object]:
        """Weights, template, decoding; neither device nor size of batch, which change no answer.

        A folder is known by what is in it, not by where it is.
        """
        settings = self._settings
        identity: dict[str, object] = {
            **({"spec": "hf"} if self._checkpoint.revision is None else {}),
            **self._weights,
            **self._chat.identity(),
        }
        if settings.score:
            return {**identity, "score": True}
        identity["max_tokens"] = settings.max_tokens
        if self._params.get("temperature"):
            identity |= {**self._params, "seed": settings.seed or 0}
        if settings.logprobs:
            identity["logprobs"] = True
        return identity

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Answer each request, in batches of those with as many images.

        Raises:
            DataError: An image is missing or cannot be read.
            MemoryError: This machine has no memory for one request.
            ModelError: The weights cannot be loaded.
            MachineError: There is no memory for the weights.
            ChatError: The template or the processor refuses a request.
            PromptTooLongError: A request is too long.
        """
        prompts = [Prompt.of(request, images) for request in requests]
        if self._engine is None:
            model = self._load(self._checkpoint, self._settings)
            self._engine = Engine(self._checkpoint, self._chat, model)
        for kind in {prompt.shape[0] for prompt in prompts}:
            self._check(self._engine, kind)
        try:
            return self._batches.run(prompts, lambda prompt: prompt.shape, self._batch)
        except RuntimeError as error:
            if is_out_of_main_memory(error):
                raise MemoryError from None
            raise

    def _batch(self, prompts: list[Prompt]) -> list[Mapping[str, object]]:
        engine, settings = self._engine, self._settings
        assert engine is not None
        engine.prefixes = self._prefixes[prompts[0].shape[0]]
        if settings.score:
            scored = scored_answers(engine, prompts)
            self._tell_of_other_words([float(str(answer["label_mass"])) for answer in scored])
            return scored
        answers = engine.generate(
            prompts,
            settings.max_tokens,
            self._params,
            settings.seed or 0,
            logprobs=bool(settings.logprobs),
        )
        return [generated_answer(engine, answer) for answer in answers]

    def _tell_of_other_words(self, masses: Sequence[float]) -> None:
        """Say once if the model would rather say something else than a severity."""
        if self._told or max(masses) >= LITTLE:
            return
        self._told = True
        _log.warning(
            "%s: the severities have at most %.1g of the next word's probability (label_mass): it "
            "would say something else, and which severity is likelier means little",
            self._checkpoint.spec,
            max(masses),
        )

    def _check(self, engine: Engine, kind: int) -> None:
        """Before the first batch of a kind: what would change answers is not done."""
        if kind in self._prefixes:
            return
        engine.prefixes = None
        prompts, what = probes(kind), "with an image" if kind else "of text alone"
        alone = functools.cache(lambda: one_by_one(engine, prompts))
        if self._batches.limit(kind) > 1 and not self._alike(
            f"requests {what} are asked one by one",
            lambda: batch_difference(engine, prompts, alone()),
        ):
            self._batches.lower(kind, 1)
        from_cache = self._alike(
            f"prompts {what} are computed from their first token on, without a cache",
            lambda: prefix_difference(engine, prompts, alone()),
        )
        self._prefixes[kind] = engine.new_prefixes() if from_cache else None

    def _alike(self, consequence: str, difference: Callable[[], float]) -> bool:
        """Whether distributions differ as rounding explains; the consequence is said if not."""
        spec, engine = self._checkpoint.spec, self._engine
        assert engine is not None
        try:
            found = difference()
        except VlsuError:
            raise
        except Exception as error:
            _log.warning("%s: %s (%s)", spec, consequence, type(error).__name__)
            return False
        dtype = str(engine.model.dtype).removeprefix("torch.")
        if found <= TOLERANCE.get(dtype, TOLERANCE["bfloat16"]):
            return True
        _log.warning("%s: %s: else probabilities are off by %.3f", spec, consequence, found)
        return False


def _free() -> None:
    torch = library("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _template_variables(settings: Settings) -> dict[str, object]:
    """The template's variables among the parameters, with or without their own mapping."""
    given = settings.params.get(_VARIABLES, {})
    if not isinstance(given, Mapping):
        raise UsageError(f"{_VARIABLES}: give a mapping of variables of the chat template")
    variables = {str(name): value for name, value in given.items()}
    if "enable_thinking" in settings.params:
        variables["enable_thinking"] = settings.params["enable_thinking"]
    return variables


def hf_model(name: str, settings: Settings) -> Model:
    """Open models in this process, from the hub or a folder, by transformers.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        UsageError: A setting or parameter means nothing here, or is out of range.
        ModelError: The model cannot be found, or cannot be used.
    """
    spec = f"hf/{name}"
    known = (*SAMPLING, "enable_thinking", _VARIABLES)
    if unknown := sorted(set(settings.params) - set(known)):
        raise UsageError(f"{spec} has no parameter {unknown[0]!r}; {', '.join(known)}")
    if settings.base_url is not None:
        raise UsageError(f"{spec} runs in this process; --base-url is for openai/...")
    if settings.structured == "on":
        raise UsageError(f"{spec} cannot enforce a schema; leave out --structured on")
    check_sampling(settings.params)
    require_extra(spec)
    check_settings(settings)
    answerer = OpenModel(read_checkpoint(spec, name), settings)
    limit = settings.max_batch or MAX_BATCH
    return InProcessModel(spec, answerer, batch_size=GATHERED * limit)
