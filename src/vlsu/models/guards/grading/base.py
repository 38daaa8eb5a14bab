"""The nouns of grading content with a guard: content, question, answer, verdict, family."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, overload

from vlsu.models.base import Message
from vlsu.policy import Policy, Severity

__all__ = [
    "Answer",
    "Content",
    "ContentFamily",
    "ContentVerdict",
    "Question",
    "TokenStep",
    "TokenSteps",
    "Wire",
]

#: How the questions of a family are sent: with the server's chat template, as a finished prompt, to
#: OpenAI's moderation endpoint, or to a classifier that only runs in this process.
Wire = Literal["chat", "completions", "moderations", "in-process"]


class Content(NamedTuple):
    """What is graded: an image, a text, or both.

    Attributes:
        image_sha256: The image, by the SHA-256 of its bytes.
        text: The text.
    """

    image_sha256: str | None
    text: str | None

    @property
    def modality(self) -> str:
        """``image``, ``text`` or ``joint``."""
        if self.text is None:
            return "image"
        return "text" if self.image_sha256 is None else "joint"


class Question(NamedTuple):
    """One call of a guard.

    Attributes:
        messages: The conversation.
        params: Fields of the request body besides sampling, such as ``chat_template_kwargs``.
    """

    messages: tuple[Message, ...]
    params: Mapping[str, object] = {}


class TokenStep(NamedTuple):
    """One token of an answer, and what might have been in its place.

    Attributes:
        token: Its bytes.
        alternatives: Tokens with the natural logarithms of their probabilities, itself included.
    """

    token: bytes
    alternatives: tuple[tuple[bytes, float], ...]


class TokenSteps(Sequence[TokenStep]):
    """The tokens of an answer, whose alternatives are read when one is looked at.

    Args:
        spelled: The bytes of each token.
        alternatives: Those of the token at an index.
    """

    def __init__(
        self,
        spelled: Sequence[bytes],
        alternatives: Callable[[int], tuple[tuple[bytes, float], ...]],
    ) -> None:
        self.spelled = spelled
        self._alternatives = alternatives

    def __len__(self) -> int:
        return len(self.spelled)

    @overload
    def __getitem__(self, index: int) -> TokenStep: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TokenStep]: ...
    def __getitem__(self, index: int | slice) -> TokenStep | Sequence[TokenStep]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return TokenStep(self.spelled[place], self._alternatives(place))


class Answer(NamedTuple):
    """What a guard printed in answer to one question, after a normal end.

    Attributes:
        text: The output, without reasoning that the server set apart; reasoning that it left in
            the text is there, for `vlsu.models.output.after_reasoning` to remove.
        tokens: Its tokens, where the server gives log probabilities; of in-process classifiers and
            endpoints with scores, nothing.
        scores: Named probabilities, of those that print scores in place of a text.
    """

    text: str
    tokens: Sequence[TokenStep] = ()
    scores: Mapping[str, float] = {}


class ContentVerdict(NamedTuple):
    """A guard's verdict on content.

    Attributes:
        severity: One of the family's `levels`.
        categories: The guard's own names or codes of the violated categories, in its order.
        p_unsafe: Probability in [0, 1] that the content is unsafe, where the output tells.
    """

    severity: Severity
    categories: tuple[str, ...] = ()
    p_unsafe: float | None = None


@dataclass(frozen=True, slots=True)
class ContentFamily:
    """Guard models that share a format.

    Attributes:
        name: Its name in a SPEC.
        about: Its models, for listings.
        source: The card or repository that template, output and order of labels were read from.
        names: Matches the lower-cased names of its models.
        modalities: What its publisher says that it judges, of ``image``, ``text`` and ``joint``.
        levels: The severities that its verdicts can have.
        ask: The questions about content: one, or several whose answers make one verdict. Control
            tokens and `markers` in the content's text are broken up before. `None` for a guard
            that has no question of its own and always needs a policy.
        read: The verdict of the answers to these, in their order; `None` where there is none.
        categories: Its names or codes of categories -> identifier of the default policy's category
            (``C9``) that comes nearest; those without one are left out.
        system: The system of category codes (as in a policy's ``codes``) that its codes are of,
            such as ``llama-guard-4``; a policy that has that system decides over `categories`.
        ours: The questions about content under a policy of the user's, and the reading of their
            answers; `None` for a guard that takes no policy at run time.
        wire: How its questions are sent.
        logprobs: Whether token probabilities decide or accompany its verdict.
        needs_logprobs: Whether there is no verdict without them.
        max_tokens: Bound on its output. With 1 the output is that one token, and ending there is
            its normal end.
        languages: The languages it was trained for; `None` if there are too many to list.
        markers: What opens or closes a section of its prompt, besides the control tokens of chat
            templates. One that begins with a letter counts at the start of a line only.
        p_not_safe: Of a family with a borderline level, the probability that the content is not
            safe: under a policy without that level, what the guard calls borderline is unsafe.
        model: The name of its one model at its publisher, for a SPEC that names the family alone.
        reading: Of a family that a file describes, what decides how outputs are read and no part of
            the questions: a finished run whose file changed there is read again.
    """

    name: str
    about: str
    source: str
    names: re.Pattern[str]
    modalities: frozenset[str]
    levels: tuple[Severity, ...]
    ask: Callable[[Content], tuple[Question, ...]] | None
    read: Callable[[Sequence[Answer]], ContentVerdict | None]
    categories: Mapping[str, str] = field(default_factory=dict)
    ours: Callable[[Policy], ContentFamily] | None = None
    wire: Wire = "chat"
    logprobs: bool = False
    needs_logprobs: bool = False
    max_tokens: int = 128
    languages: frozenset[str] | None = None
    system: str = ""
    markers: tuple[str, ...] = ()
    p_not_safe: Callable[[Sequence[Answer]], float | None] | None = None
    model: str = ""
    reading: Mapping[str, object] = field(default_factory=dict)
