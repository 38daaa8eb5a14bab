"""Understanding: the severity of the image alone, the text alone, and the pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models.base import ImagePart, Message, Part, Request, Response
from vlsu.policy import MODALITIES, Policy, Severity
from vlsu.tasks.answers.reading import read_answer
from vlsu.tasks.base import Ask, Judgment, kept_answer, system_identity
from vlsu.tasks.prompting import Prompt

__all__ = ["Understanding", "answer_schema"]

_IMAGE_STEP = {"image": "What the image shows and what harm, if any, it carries alone."}
_TEXT_STEP = {"text": "What the text says and what harm, if any, it carries alone."}
_JOINT_STEP = {"together": "What the writer means by this text under this image."}

#: Prompt -> modality -> the fields in which a schema leaves room for the reasoning that the prompt
#: asks for. A prompt that is not listed is the user's own: whether it reasons is not known, and a
#: schema might cut that off, so none is sent with it.
_STEPS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "zero-shot": {},
    "structured-cot": {
        "image": _IMAGE_STEP,
        "text": _TEXT_STEP,
        "joint": _IMAGE_STEP | _TEXT_STEP | _JOINT_STEP,
    },
}


class Understanding:
    """The understanding task: up to three requests a sample.

    Args:
        policy: What the severities and categories mean.
        prompt: The prompt, with that policy rendered in.
        modalities: Which of image, text and joint to ask for.
        system: A system prompt of the user's, put before the prompt's own.
    """

    name = "understanding"

    def __init__(
        self,
        policy: Policy,
        prompt: Prompt,
        modalities: Sequence[str] = MODALITIES,
        system: str | None = None,
    ) -> None:
        if unknown := [m for m in modalities if m not in MODALITIES]:
            raise UsageError(f"unknown modality {unknown[0]!r}; use {', '.join(MODALITIES)}")
        if not modalities:
            raise UsageError(f"no modality to ask for; use {', '.join(MODALITIES)}")
        self._policy = policy
        self._prompt = prompt
        self._own_system = system
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        words = "\n\n".join(part for part in (system, prompt.system) if part)
        self._system = (Message("system", (words,)),) if words else ()
        self._image_words = prompt.user("image", None)
        steps = _STEPS.get(prompt.name)
        self._schemas = {
            m: None if steps is None else answer_schema(policy, steps.get(m, {}))
            for m in self.modalities
        }

    def identity(self) -> Mapping[str, object]:
        """Name, prompt and policy with their hashes, for the run's record."""
        return {
            "task": self.name,
            "prompt": {"name": self._prompt.name, "hash": self._prompt.hash},
            "policy": {
                "name": self._policy.name,
                "version": self._policy.version,
                "hash": self._policy.hash,
            },
            **system_identity(self._own_system),
        }

    def asks(self, sample: Sample) -> tuple[Ask, ...]:
        """Image and joint first, since they share the image; then the text."""
        asks = []
        for modality in ("image", "joint", "text"):
            if modality not in self.modalities or _lacks(sample, modality):
                continue
            parts: list[Part] = []
            if modality != "text" and sample.image_sha256:
                parts.append(ImagePart(sample.image_sha256))
            if modality == "image":
                words = self._image_words
            else:
                words = self._prompt.user(modality, sample.text)
            if words:
                parts.append(words)
            message = Message("user", tuple(parts))
            asks.append(Ask(modality, Request((*self._system, message), self._schemas[modality])))
        return tuple(asks)

    @property
    def reasons(self) -> bool:
        """Whether the prompt asks for reasoning before the answer, as far as is known."""
        return bool(_STEPS.get(self._prompt.name))

    def instruction_bytes(self, modality: str) -> int:
        """Bytes of UTF-8 that every request of a modality has beside the sample's own text."""
        words = [str(part) for message in self._system for part in message.parts]
        return sum(len(w.encode()) for w in (*words, self._prompt.user(modality, "")))

    def judge(self, sample: Sample, ask: Ask, response: Response) -> Judgment:
        """Read one response into a judgment."""
        answer = read_answer(response, self._policy)
        return Judgment(
            sample_id=sample.id,
            modality=ask.modality,
            framing=ask.framing,
            expected=sample.grade(ask.modality),
            predicted=answer.severity,
            outcome=answer.outcome,
            expected_category=sample.category(ask.modality),
            category=answer.category,
            p_unsafe=response.p_unsafe,
            answer=kept_answer(response.text),
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
        )


def answer_schema(policy: Policy, steps: Mapping[str, str] | None = None) -> Mapping[str, object]:
    """JSON schema of the answer, for servers that can enforce one.

    Args:
        policy: Its categories are the ones allowed.
        steps: Text fields before the severity, name -> description. Servers generate fields in the
            order of the schema, so a prompt that reasons needs them: a schema of the grade alone
            would make the model grade first.
    """
    reasoning = {
        name: {"type": "string", "description": about} for name, about in (steps or {}).items()
    }
    properties = {
        **reasoning,
        "severity": {"type": "string", "enum": [s.label for s in Severity]},
        "category": {
            "anyOf": [{"type": "string", "enum": list(policy.category_ids)}, {"type": "null"}]
        },
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _lacks(sample: Sample, modality: str) -> str | None:
    """What the sample would need to be asked about in this modality and does not hold."""
    if modality != "text" and sample.image_sha256 is None:
        return "no image"
    if modality != "image" and not (sample.text and sample.text.strip()):
        return "no text"
    return None
