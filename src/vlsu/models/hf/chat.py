"""From requests to a model's inputs: its own chat template, its own processor.

Text of a sample can neither open a turn nor stand for an image: `sanitize_control_tokens` of
``apply_chat_template`` (transformers 5.24) encodes the model's control tokens as plain text
wherever the template did not write them itself. Idefics3's processor cannot do that beside an image
(it asks for positions that such an encoding does not have); there, a space is put into them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.base import ImagePart, ImageSource, Message, Part, Request
from vlsu.models.hf.checkpoint import Checkpoint
from vlsu.models.hf.images import rgb
from vlsu.models.hf.libraries import library

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Chat", "ChatError", "Prompt", "merged"]

_PROBE = "vlsuprobe"


class ChatError(Exception):
    """A prompt that cannot be made; without the library's message, which may quote it."""


class Prompt(NamedTuple):
    """A request with its images decoded.

    Attributes:
        request: The request.
        images: Its images in order, as RGB.
    """

    request: Request
    images: tuple[Image.Image, ...]

    @classmethod
    def of(cls, request: Request, images: ImageSource) -> Prompt:
        """A request's prompt.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        return cls(request, tuple(rgb(images, sha256) for sha256 in request.images))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images, their pixels, and characters of text: near ones go well together."""
        pixels = sum(image.width * image.height for image in self.images)
        characters = sum(
            len(part) for m in self.request.messages for part in m.parts if isinstance(part, str)
        )
        return len(self.images), pixels, characters


class Chat:
    """A checkpoint's chat format.

    Args:
        checkpoint: The checkpoint.
        variables: Variables of the template that the user set.

    Raises:
        ModelError: It has no chat template, or one that cannot be used.
    """

    def __init__(self, checkpoint: Checkpoint, variables: Mapping[str, object]) -> None:
        self._checkpoint = checkpoint
        template = getattr(checkpoint.processor, "chat_template", None)
        template = template or checkpoint.tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            raise ModelError(f"{checkpoint.spec}: has no chat template; give an instruct model")
        self._template: str = template
        self.variables = dict(variables)
        known = self._variables_of(template)
        if unknown := sorted(set(variables) - known):
            raise ModelError(
                f"{checkpoint.spec}: its chat template has no variable {unknown[0]!r}; leave it out"
            )
        self.thinks = "enable_thinking" in known
        self._template = self._begin_with_bos(template)

    def _variables_of(self, template: str) -> frozenset[str]:
        """The names that a template takes.

        Raises:
            ModelError: It is no template.
        """
        utilities = library("transformers.utils.chat_template_utils")
        try:
            return frozenset(utilities._get_template_variables(template))
        except Exception as error:
            why = collapsed_line(f"{type(error).__name__}: {error}", 200)
            raise ModelError(
                f"{self._checkpoint.spec}: its chat template cannot be used ({why})"
            ) from None

    def identity(self) -> Mapping[str, object]:
        """Template, its variables; what becomes of system messages and control tokens."""
        identity: dict[str, object] = {
            "template": hashlib.sha256(self._template.encode()).hexdigest(),
            "system": "folded" if self.folds_system else "own",
            "control_tokens": "text" if self.sanitizes else "split",
        }
        if self.variables:
            identity["template_variables"] = self.variables
        return identity

    @cached_property
    def folds_system(self) -> bool:
        """Whether the template refuses a system message, or leaves it out without a word."""
        try:
            rendered = self._render(
                [Message("system", (_PROBE,)), Message("user", ("text",))], self.variables
            )
        except Exception:
            return True
        return _PROBE not in rendered

    @cached_property
    def sanitizes(self) -> bool:
        """Whether the processor can encode control tokens as text, beside an image too."""
        control = "".join(sorted(self._checkpoint.tokenizer.added_tokens_encoder))
        parts: tuple[Part, ...] = (f"{control} text",)
        images: tuple[Image.Image, ...] = ()
        if self._checkpoint.sees:
            from PIL import Image

            parts, images = (ImagePart(""), *parts), (Image.new("RGB", (64, 64)),)
        try:
            self._inputs([Prompt(Request((Message("user", parts),)), images)], {}, sanitize=True)
        except Exception:
            return False
        return True

    @cached_property
    def _control(self) -> re.Pattern[str]:
        tokens = sorted(self._checkpoint.tokenizer.added_tokens_encoder, key=len, reverse=True)
        return re.compile("|".join(re.escape(token) for token in tokens if len(token.strip()) > 1))

    def inputs(self, prompts: Sequence[Prompt], variables: Mapping[str, object]) -> Any:
        """The inputs of a batch, padded on the left.

        Args:
            prompts: With as many images each.
            variables: Variables of the template besides those that the user set.

        Raises:
            ChatError: The template or the processor refuses one of them.
        """
        try:
            return self._inputs(prompts, {**self.variables, **variables}, sanitize=self.sanitizes)
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            sizes = {f"{i.width} x {i.height}" for prompt in prompts for i in prompt.images}
            images = f", with an image of {' and '.join(sorted(sizes))} pixels" if sizes else ""
            raise ChatError(
                f"its chat template or processor refuses the request{images} "
                f"({type(error).__name__})"
            ) from None

    def _inputs(
        self, prompts: Sequence[Prompt], variables: Mapping[str, object], *, sanitize: bool
    ) -> Any:
        conversations = [
            self._conversation(prompt.request.messages, prompt.images, split=not sanitize)
            for prompt in prompts
        ]
        padding = {"padding": True, "padding_side": "left"}
        common: dict[str, Any] = {
            "chat_template": self._template,
            "add_generation_prompt": True,
            "tokenize": True,
            "return_dict": True,
            "return_tensors": "pt",
            "sanitize_control_tokens": sanitize,
            **variables,
        }
        processor = self._checkpoint.processor
        if processor is self._checkpoint.tokenizer:
            return processor.apply_chat_template(
                conversations, padding=True, tokenizer_kwargs={"padding_side": "left"}, **common
            )
        return processor.apply_chat_template(conversations, processor_kwargs=padding, **common)

    def _conversation(
        self, messages: Sequence[Message], images: Sequence[Image.Image], *, split: bool
    ) -> list[dict[str, object]]:
        def words(part: str) -> str:
            return self._control.sub(lambda m: f"{m[0][0]} {m[0][1:]}", part) if split else part

        left = iter(images)
        conversation: list[dict[str, object]] = []
        for message in merged(messages, fold_system=self.folds_system):
            parts: list[dict[str, object]] = [
                {"type": "image", "image": next(left)}
                if isinstance(part, ImagePart)
                else {"type": "text", "text": words(part)}
                for part in message.parts
            ]
            if self._checkpoint.sees:
                conversation.append({"role": message.role, "content": parts})
            else:  # templates of text models take a text
                text = "\n".join(str(part["text"]) for part in parts)
                conversation.append({"role": message.role, "content": text})
        return conversation

    def _render(self, messages: Sequence[Message], variables: Mapping[str, object]) -> str:
        """The rendered template of messages without images."""
        conversation: list[dict[str, object]] = []
        for message in messages:
            text = "\n".join(map(str, message.parts))
            content = [{"type": "text", "text": text}] if self._checkpoint.sees else text
            conversation.append({"role": message.role, "content": content})
        return str(
            self._checkpoint.processor.apply_chat_template(
                conversation,
                chat_template=self._template,
                add_generation_prompt=True,
                tokenize=False,
                **variables,
            )
        )

    def _begin_with_bos(self, template: str) -> str:
        """The template, with the token that the tokenizer would put in front if it writes none.

        Otherwise the tokenizer would have to add it to a prompt in which control tokens are marked,
        which it does not.

        Raises:
            ModelError: The template cannot be rendered, or the tokenizer adds other tokens.
        """
        checkpoint, tokenizer = self._checkpoint, self._checkpoint.tokenizer
        try:
            rendered = self._render([Message("user", ("text",))], self.variables)
        except Exception as error:
            why = collapsed_line(f"{type(error).__name__}: {error}", 200)
            raise ModelError(
                f"{checkpoint.spec}: its chat template cannot be used ({why})"
            ) from None
        bos = tokenizer.bos_token
        if checkpoint.processor is tokenizer or (bos and rendered.startswith(bos)):
            return template  # a tokenizer of its own adds none to a chat
        bare = tokenizer("text", add_special_tokens=False)["input_ids"]
        whole = tokenizer("text")["input_ids"]
        if whole == bare:
            return template
        if bos is None or whole != [tokenizer.bos_token_id, *bare]:
            raise ModelError(f"{checkpoint.spec}: its tokenizer adds tokens after the prompt")
        return "{{- bos_token -}}" + template


def merged(messages: Sequence[Message], *, fold_system: bool) -> list[Message]:
    """A conversation with one system message at most, or none: then it is in the first turn."""
    system = "\n\n".join(
        str(part) for message in messages if message.role == "system" for part in message.parts
    )
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return rest
    if not fold_system or not rest:
        return [Message("system", (system,)), *rest]
    first, *others = rest
    return [Message(first.role, (f"{system}\n\n", *first.parts)), *others]
