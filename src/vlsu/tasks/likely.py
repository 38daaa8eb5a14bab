"""The first pass of ``--policy-detail category``: which categories a content may belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.data import Sample
from vlsu.models.base import ImagePart, Message, Outcome, Part, Request, Response
from vlsu.models.output import json_objects
from vlsu.policy import MODALITIES, Policy
from vlsu.tasks.base import TaskRequest, system_identity
from vlsu.tasks.prompting import LIKELY, MOST_LIKELY, load_prompt

__all__ = ["LikelyCategories"]


class LikelyCategories:
    """Asks of each content for the categories that it may belong to; no grade.

    Args:
        policy: The policy, of whose categories names and meanings are stated.
        modalities: As of the task that is narrowed. Each has a first pass of its own: a pair may
            belong to a category that neither of its parts touches, and an image must not be graded
            by what its text says.
        system: A custom system prompt, put before.
    """

    name = "likely categories"

    def __init__(
        self, policy: Policy, modalities: Sequence[str], system: str | None = None
    ) -> None:
        self._ids = {id_.lower(): id_ for id_ in policy.category_ids}
        self._prompt = load_prompt(LIKELY, policy)
        self._modalities = tuple(m for m in MODALITIES if m in modalities)
        self._custom_system = system
        text = "\n\n".join(part for part in (system, self._prompt.systems["joint"]) if part)
        self._system = Message("system", (text,))
        listed = {"type": "string", "enum": list(policy.category_ids)}
        self._schema = {
            "type": "object",
            "properties": {"categories": {"type": "array", "items": listed}},
            "required": ["categories"],
            "additionalProperties": False,
        }

    def identity(self) -> Mapping[str, object]:
        """Name and prompt with its hash, for the run's record."""
        return {
            "task": self.name,
            "prompt": {"name": self._prompt.name, "hash": self._prompt.hash},
            **system_identity(self._custom_system),
        }

    def requests(self, sample: Sample) -> tuple[TaskRequest, ...]:
        """One of each modality that the sample has; image and joint first, as they share it."""
        requests = []
        for modality in ("image", "joint", "text"):
            lacks_text = modality != "image" and not (sample.text and sample.text.strip())
            lacks_image = modality != "text" and sample.image_sha256 is None
            if modality not in self._modalities or lacks_text or lacks_image:
                continue
            words = self._prompt.user(modality, None if modality == "image" else sample.text)
            parts: list[Part] = [words]
            if modality != "text" and sample.image_sha256:
                parts.insert(0, ImagePart(sample.image_sha256))
            messages = (self._system, Message("user", tuple(parts)))
            requests.append(TaskRequest(modality, Request(messages, self._schema)))
        return tuple(requests)

    def instruction_bytes(self, modality: str) -> int:
        """UTF-8 bytes of every request of a modality, without the sample's text."""
        texts = (str(self._system.parts[0]), self._prompt.user(modality, ""))
        return sum(len(text.encode()) for text in texts)

    def read(self, response: Response) -> tuple[str, ...] | None:
        """The categories that an answer names, `MOST_LIKELY` at most; `None` if it names no list.

        Without an answer that can be read nothing is known, and no category may be left out.
        """
        if response.outcome is not Outcome.OK:
            return None
        listed = [found.fields.get("categories") for found in json_objects(response.text)]
        named = next((each for each in reversed(listed) if isinstance(each, list)), None)
        if named is None:
            return None
        known = [self._ids.get(str(each).strip().lower()) for each in named]
        if named and not any(known):
            return None
        return tuple(dict.fromkeys(each for each in known if each is not None))[:MOST_LIKELY]

    def outcome(self, response: Response) -> Outcome:
        """What a response counts as, for the progress shown."""
        if response.outcome is Outcome.OK and self.read(response) is None:
            return Outcome.UNPARSED
        return response.outcome
