"""A model asked about each image before it is stored: what it shows, or how a guard grades it.

A model that takes instructions is asked which of the rails' kinds an image shows; its word goes
before that of the concept the image was looked for by. A guard is shown the image alone and asked
what it always is. Whoever gives no answer that can be read lets nothing pass.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vlsu.build.asking.answers import declared_kinds, kinds_schema
from vlsu.build.asking.asking import Writer, ask
from vlsu.build.asking.prompts import StagePrompt
from vlsu.build.folder.build import Build
from vlsu.build.folder.records import STAGES
from vlsu.build.folder.store import Store, prompt_hash
from vlsu.build.images.filters import Refused, Seen
from vlsu.build.plan.cells import Place
from vlsu.build.rails.rules import Rails
from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models import as_grader
from vlsu.models.base import ImageFile, ImagePart, Message, Outcome, Request, Response
from vlsu.policy import Policy, Severity
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.limits import Budget
from vlsu.runs.stop import Stop
from vlsu.tasks import BARE, Understanding, load_prompt, read_answer
from vlsu.tasks.answers.json_objects import read_object

__all__ = ["PROMPT", "PreFilter", "Verdict", "kinds_request", "read_kinds"]

IMAGES = STAGES[1]
PROMPT = StagePrompt("image-kinds", Path(__file__).with_name("kinds.jinja"))
#: Categories of the default policy whose unsafe images a guard may name and no build ever keeps.
_NEVER = {"C6": "pre-filter: explicit", "C15": "pre-filter: exploitation"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model says of an image.

    Attributes:
        outcome: `OK` if and only if it can be read.
        kinds: Those that hold; `None` of a guard, which is not asked for them.
        severity: Of a guard.
        category: Of the policy, if a guard names one.
    """

    outcome: Outcome
    kinds: frozenset[str] | None = None
    severity: Severity | None = None
    category: str | None = None

    def refused(self, rails: Rails, place: Place) -> Refused | None:
        """Why an image is refused by it, the rails on `kinds` aside."""
        if self.outcome is not Outcome.OK:
            return Refused(f"pre-filter: {self.outcome.value}", everywhere=False)
        if self.severity is not Severity.UNSAFE:
            return None
        for each in sorted(rails.counterparts.get(self.category or "", ())):
            if each in _NEVER:
                return Refused(_NEVER[each])
        if place.severity is Severity.SAFE:
            return Refused("pre-filter: unsafe, and not wanted so", everywhere=False)
        return None

    @property
    def findings(self) -> dict[str, object]:
        """For provenance, JSON-ready."""
        if self.kinds is not None:
            return {"kinds": sorted(self.kinds)}
        severity = None if self.severity is None else self.severity.label
        return {"severity": severity, "category": self.category}


@dataclass(slots=True)
class PreFilter:
    """A model that is asked about images before they are stored.

    Attributes:
        writer: The model, and how it may be asked.
        budget: What this start may spend.
        stopped: Why asking ended before all was asked, if it did.
    """

    writer: Writer
    budget: Budget
    stopped: Stop | None = field(default=None, init=False)

    @property
    def prompted(self) -> bool:
        """Whether it is asked for kinds."""
        return self.writer.model.takes_instructions

    def for_policy(self, policy: Policy) -> PreFilter:
        """The same, a guard as a grader of images by that policy.

        Raises:
            UsageError: It judges no images.
            ModelError: It needs a server and has none.
        """
        model = self.writer.model
        if not self.prompted:
            model = as_grader(model, policy)
            if "image" not in model.modalities:
                raise UsageError(
                    f"--pre-filter {model.spec}: judges no image by itself; name another model"
                )
        return PreFilter(Writer(model, self.writer.limits), self.budget)

    @property
    def identity(self) -> dict[str, object]:
        """Its SPEC and the hash of its prompt, if it has one of ours."""
        named: dict[str, object] = {"model": self.writer.model.spec}
        return named | ({"prompt": prompt_hash(PROMPT.text)} if self.prompted else {})

    def ask(self, build: Build, store: Store, images: Sequence[Seen]) -> dict[str, Verdict]:
        """What it says of images, by SHA-256; without those that it gave no answer for.

        What is stored is not asked again.

        Raises:
            ModelError: The server is down or refuses every request.
        """
        model = self.writer.model
        distinct = {each.sha256: each for each in images}
        requests = [self._request(build, sha256) for sha256 in distinct]
        files_ = {each.sha256: ImageFile(each.data, each.media_type) for each in images}
        asked = ask(
            build,
            store,
            IMAGES,
            self.writer,
            requests,
            budget=self.budget,
            images=MemoryImages(files_, model.image_limits),
        )
        self.stopped = asked.stopped
        return {
            sha256: self._read(build, answer.response)
            for sha256, answer in zip(distinct, asked.answers, strict=True)
            if answer.response is not None
        }

    def _request(self, build: Build, sha256: str) -> Request:
        if self.prompted:
            return kinds_request(build.rails, sha256)
        sample = Sample(sha256, image_sha256=sha256)
        (request,) = _guarding(build.policy).requests(sample)
        return request.request

    def _read(self, build: Build, response: Response) -> Verdict:
        if self.prompted:
            return read_kinds(response, build.rails.kinds)
        answer = read_answer(response, build.policy)
        return Verdict(answer.outcome, None, answer.severity, answer.category)


def kinds_request(rails: Rails, sha256: str) -> Request:
    """The question which kinds an image shows."""
    system = Message("system", (PROMPT.render(part="system"),))
    question = PROMPT.render(part="user", kinds=rails.kinds)
    return Request(
        (system, Message("user", (ImagePart(sha256), question))), kinds_schema(rails.kinds)
    )


def read_kinds(response: Response, kinds: Collection[str]) -> Verdict:
    """The kinds that an answer says hold, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object with a truth value for
    each kind and nothing else; anything else is `UNPARSED`.
    """
    outcome, found = read_object(response, lambda tree: declared_kinds(tree, kinds))
    if found is None:
        return Verdict(outcome)
    return Verdict(Outcome.OK, frozenset(kind for kind, holds in found.items() if holds))


@cache
def _guarding(policy: Policy) -> Understanding:
    return Understanding(policy, load_prompt(BARE, policy), ("image",))
