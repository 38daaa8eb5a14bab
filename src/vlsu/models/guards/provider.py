"""``guard/...`` as a model: a judge of answers, or a grader of content, as the task has it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from vlsu.errors import ModelError, UsageError
from vlsu.models.base import GuardPolicy, ImageLimits, ImageSource, Raw, Request, Response, Settings
from vlsu.models.formats.openai import ChatCompletions, Completions, key_of_server, sampling
from vlsu.models.guards.families import FAMILIES, GuardFamily
from vlsu.models.guards.grading.base import ContentFamily
from vlsu.models.guards.grading.custom import load_guard
from vlsu.models.guards.grading.families import FAMILY_NAMES, GRADERS
from vlsu.models.guards.grading.model import ContentGuard
from vlsu.models.guards.grading.transports import (
    asked_settings,
    is_remote,
    open_transport,
    require_openable,
)
from vlsu.models.guards.names import match_family
from vlsu.models.http.address import address_hint
from vlsu.models.http.model import HttpModel
from vlsu.policy import Policy

__all__ = ["GuardModel", "guard_model"]

_log = logging.getLogger(__name__)


class GuardModel:
    """A guard model before its task is known.

    As a model it judges whether an answer refuses or is safe; `grading` makes the grader of images,
    texts and pairs. Which of the two it can do is its family's.

    Args:
        name: Its name on the server, or for a grader in this process on the hub, or a folder.
        settings: How it is asked.
        judge: Its format as a judge of answers, if it has one.
        grader: Its format as a grader of content, if it has one.

    Raises:
        ModelError: The server needs a key, and none is set.
        UsageError: As `HttpModel`.
    """

    takes_instructions = False
    #: As a judge it judges answers, not images, texts or pairs.
    modalities: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        settings: Settings,
        judge: GuardFamily | None,
        grader: ContentFamily | None,
    ) -> None:
        chosen = judge or grader
        self.spec = f"guard/{chosen.name}:{name}" if chosen else f"guard/{name}"
        self.grader = grader
        self._name = name
        self._settings = settings
        self._judge = judge
        self._model: HttpModel | None = None
        if judge is not None and settings.base_url is not None:
            self._model = _judging(name, settings, judge)

    @property
    def family(self) -> GuardFamily:
        """Its prompt format and parser as a judge.

        Raises:
            ModelError: It judges no answers, or no server is given.
        """
        if self._judge is None:
            raise ModelError(f"{self.spec}: grades images and texts, and judges no answers")
        self._judging_model()
        return self._judge

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages it was trained for; `None` if unknown."""
        family = self._judge or self.grader
        return None if family is None else family.languages

    @property
    def destination(self) -> str | None:
        """Where requests go, and whether with a key; `None` for a model in this process."""
        if self._model is not None:
            return self._model.destination
        if self.grader is None or not is_remote(self.grader, self._settings):
            return None
        asked = asked_settings(self.grader, self._settings)
        found: str | None = getattr(
            open_transport(self.spec, self._name, self.grader, asked), "destination", None
        )
        return found

    @property
    def grading_spec(self) -> str:
        """Its SPEC as a grader of content, whose family may have another name than the judge's."""
        return self.spec if self.grader is None else f"guard/{self.grader.name}:{self._name}"

    @property
    def base_url(self) -> str | None:
        """Where it is asked, which a file of the user's may say; `None` for this process."""
        return self._settings.base_url

    def grading(self, policy: Policy, guard_policy: GuardPolicy | None = None) -> ContentGuard:
        """The guard as a grader of content.

        Args:
            policy: The run's policy.
            guard_policy: As in its settings, if not given; see `grading_family`.

        Raises:
            UsageError: As `grading_family`.
            ModelError: It needs a server and has none, or cannot run in this process.
        """
        guard_policy = guard_policy or self._settings.guard_policy
        family = self.grading_family(policy, guard_policy)
        if family.reading:  # of a file, where an identifier may be misspelt
            unknown = sorted(set(family.categories.values()) - set(policy.category_ids))
            if unknown:
                _log.warning(
                    "%s: categories: the policy %s has no %s; what is mapped there has no category",
                    self.grading_spec,
                    policy.name,
                    ", ".join(unknown),
                )
        return ContentGuard(self._name, family, policy, self._settings, guard_policy)

    def require_grading(self, policy: Policy) -> None:
        """See that `grading` would open it, without opening anything.

        Raises:
            UsageError: As `grading_family`.
            ModelError: As `grading`.
        """
        family = self.grading_family(policy, self._settings.guard_policy)
        require_openable(self.grading_spec, family, asked_settings(family, self._settings))

    def grading_family(self, policy: Policy, guard_policy: GuardPolicy) -> ContentFamily:
        """What it is asked as a grader of content, and how it is read.

        Args:
            policy: The run's policy.
            guard_policy: ``own``: its publisher's question. ``ours``: two questions with the run's
                policy.

        Raises:
            UsageError: It grades no content, takes no policy, or has no question of its own.
        """
        family = self.grader
        if family is None:
            raise UsageError(
                f"{self.spec}: judges answers, and is not known to grade images or texts; write "
                f"guard/FAMILY:{self._name} with one of {', '.join(f.name for f in GRADERS)}"
            )
        spec = self.grading_spec
        if self._settings.system:
            raise UsageError(f"{spec}: a guard takes no system prompt; leave out --system")
        if self._settings.structured == "on":
            raise UsageError(
                f"{spec}: a guard prints its own format, and no JSON of the task; leave out "
                "--structured on"
            )
        if guard_policy == "ours":
            if family.ours is None:
                able = ", ".join(each.name for each in GRADERS if each.ours is not None) or "none"
                raise UsageError(
                    f"{spec}: --guard-policy ours: takes no policy at run time; leave it out "
                    f"(those that do: {able})"
                )
            family = family.ours(policy)
        elif family.ask is None:
            raise UsageError(
                f"{spec}: has no policy of its own; add --guard-policy ours, which asks by "
                "the run's policy"
            )
        if family.needs_logprobs and self._settings.logprobs is False:
            raise UsageError(
                f"{spec}: its verdict is read from token probabilities; leave out --no-logprobs"
            )
        return family

    def _judging_model(self) -> HttpModel:
        if self._model is None:
            raise ModelError(
                f"{self.spec}: name the server it runs on, with --judge-base-url "
                "(--base-url of vlsu judge validate)"
            )
        return self._model

    @property
    def image_limits(self) -> ImageLimits | None:
        """The images it accepts as a judge."""
        return None if self._model is None else self._model.image_limits

    def identity(self) -> Mapping[str, object]:
        """The spec and every setting that could change a verdict on an answer."""
        return {"spec": self.spec} if self._model is None else self._model.identity()

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Ask it about an answer."""
        return await self._judging_model().send(request, images)

    def read(self, raw: Raw) -> Response:
        """What it printed about an answer."""
        return self._judging_model().read(raw)

    async def close(self) -> None:
        """Close the connections."""
        if self._model is not None:
            await self._model.close()


def is_guard_file(name: str) -> bool:
    """Whether a SPEC names a file that describes a guard."""
    return name.endswith((".yaml", ".yml"))


def _judging(name: str, settings: Settings, family: GuardFamily) -> HttpModel:
    settings = replace(settings, params={**family.params, **settings.params})
    wire = Completions() if family.completion else ChatCompletions()
    identity: dict[str, object] = {
        "format": "completions" if family.completion else "chat-completions",
        "model": name,
        "family": family.name,
        "sees_images": family.sees_images,
        "sampling": sampling(name, settings),
        "params": dict(settings.params),
    }
    if family.sees_images:
        identity["images"] = wire.image_limits(settings).identity()
    spec, hint = f"guard/{family.name}:{name}", address_hint(settings.base_url)
    key = key_of_server(spec, settings.base_url)
    return HttpModel(spec, name, wire, settings, key, identity, not_found_hint=hint)


def guard_model(name: str, settings: Settings) -> GuardModel:
    """Guards that judge answers or grade content (vLLM, ...): guard/FAMILY:MODEL, or a known name.

    A ``guard.yaml`` describes one of the user's own (`vlsu.models.guards.grading.custom`). The
    server is given by ``--base-url``, of a judge by ``--judge-base-url``; its key is that of
    ``openai/...``. Without one, a grader of content runs in this process.

    Raises:
        UsageError: The family is neither given nor identified by the model's name, or a file is
            wrong.
        ModelError: The key that the server needs is not set.
    """
    if is_guard_file(name):
        guard = load_guard(name)
        settings = replace(settings, base_url=settings.base_url or guard.base_url)
        return GuardModel(guard.model, settings, None, guard.family)
    judge, model = match_family(name, FAMILIES, FAMILY_NAMES)
    grader, _ = match_family(name, GRADERS, FAMILY_NAMES)
    if judge is None and grader is None:
        raise UsageError(
            f"guard/{name}: the name identifies no known family; write guard/FAMILY:{name} with "
            f"one of {', '.join(FAMILY_NAMES)}"
        )
    if grader is not None and grader.model and model == grader.name:
        model = grader.model
    return GuardModel(model, settings, judge, grader)
