"""Removing reasoning from an answer, where the model marks it and the server leaves it in the text.

The markers are those of models of 2024 to 2026, after the reasoning parsers of vLLM, SGLang and
llama.cpp and the models' own chat templates: ``<think>`` (DeepSeek, Qwen, GLM, MiniMax, Kimi K2),
``[THINK]`` (Magistral), ``◁think▷`` (Kimi-VL), ``<seed:think>``, ``<longcat_think>``,
``<thought>`` (EXAONE Deep, Gemini's compatible endpoint), ``<|channel>thought`` (Gemma 4),
``<unused94>`` (MedGemma), ``[unused16]`` (openPangu), ``<|im_start|>think`` (s1),
``<|START_THINKING|>`` (Command A), ``<|begin_of_thought|>``
(OpenThinker), ``<|think|>`` (Solar Open), ``[BEGIN FINAL RESPONSE]`` (Apriel), the channels of
gpt-oss (with and without their special tokens), and the tags that prompts request
(``<reasoning>``, ``<scratchpad>``, ...).

A draft in reasoning is not an answer. So unterminated reasoning leaves an empty text; after an end
marker whose start marker was part of the chat template, everything before it is reasoning; and a
marker that is only mentioned, in a JSON string or in quotation marks, does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vlsu.models.output.objects import JsonObject, answer_tail, json_objects

__all__ = ["after_reasoning", "reply_text"]

_THINK = r"think(?:ing)?|thoughts?|reason(?:ing)?|思考(?:过程)?"
_TAGS = (
    rf"{_THINK}|reflect(?:ion)?|scratch_?pad|rationale|analysis|deliberation|brainstorm(?:ing)?|cot"
    r"|ponder(?:ing)?|monologue|plan(?:ning)?|draft|critique"
)
_MARK = re.compile(
    # <think>, </think>, <seed:think>, <longcat_think>, <antThinking>, <think effort="high">
    rf"(?:<|&lt;|＜)\s?(?P<tag_end>/|end_(?:of_)?)?\s?(?!no[_-])(?:ant|my|(?:[a-z]\w{{0,20}}[:_.-]){{1,2}})?"
    rf"(?P<tag>{_TAGS})(?:[_-](?:content|process|block|steps?|trace|text)"
    r"|_(?:fast|slow|deep|faster|never_used_\w{1,40}))?"
    r"(?P<tag_end_2>_end)?(?:_start|:\w{1,20})?(?:\s[^<>\n]{0,80})?\s?(?:>|&gt;|＞)"
    # <|think|>, <|/think|>, <|begin_of_thought|>, <|END_THINKING|>, <|thought_start|>
    rf"|<[|｜](?P<token_end>/|end[_▁ ]?(?:of[_▁ ])?)?(?:(?:begin|start)[_▁ ]?(?:of[_▁ ])?)?"
    rf"(?:assistant[_▁ ])?(?:{_TAGS})(?P<token_end_2>[_▁ ]end)?(?:[_▁ ](?:begin|start))?[|｜]>"
    # ◁think▷, [THINK]
    rf"|◁(?P<kimi_end>/?)(?:{_THINK})▷|\[(?P<square_end>/?)(?:{_THINK})\]"
    # Start of the answer.
    r"|(?P<answer><unused95>|\[unused17\]|<\|?channel>final\b|<channel\|>|\[BEGIN FINAL RESPONSE\]"
    r"|<\|im_start\|>\s?(?:answer|final)\b"
    r"|<\|(?:START_RESPONSE|START_TEXT|begin_of_solution|begin_of_box|content)\|>)"
    r"|<unused94>|\[unused16\]|<\|channel>(?:thought|analysis|thinking|commentary)\b"
    r"|<\|im_start\|>\s?(?:think(?:ing)?|thought|reasoning)\b"
    r"|(?P<details><details type=\"?reasoning[^<>\n]{0,200}>"
    rf"|<details>\s{{0,3}}<summary>\s?(?:{_THINK})\b)|(?P<details_end></details>)"
    r"|(?P<fence>```(?:think(?:ing)?|thoughts?|reasoning)\b)|(?P<fence_end>```)",
    re.IGNORECASE,
)
#: First characters of markers, searched for first, which is ten times as fast.
_FIRSTS = "<&＜◁[`"
_FIRST = re.compile(f"[{re.escape(_FIRSTS)}]")
_THINK_TAG = re.compile(_THINK, re.IGNORECASE)
#: Groups of `_MARK` that mean that reasoning ends here.
_ENDS = ("_end", "_end_2", "answer")
#: Kinds whose end markers end no other kind.
_SELF_CLOSED = ("details", "fence")
_QUOTES = frozenset("\"'`“”‘’«»„\\")

#: Phrases that open reasoning, and the phrases that end it.
_VERBAL = {
    "here are my reasoning steps:": "[begin final response]",
    "here is my thought process:": "here is my response:",
    "thinking...": "...done thinking.",
}

#: A message header of gpt-oss: channel, recipient and content type.
_CHANNEL = re.compile(
    r"(?:<\|channel\|>\s?(?P<name>analysis|commentary|final)\b"
    r"|\A\s*(?P<first>analysis|commentary|final)(?=<\|message\|>))"
    r"(?:[^<\n]{0,60}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>)?"
)
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
#: The same where the server stripped the special tokens: ``analysisWe must ...assistantfinal...``.
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")
_BARE_FINAL = "assistantfinal"

#: Special tokens and tags around an answer, of which some servers leave the first or last.
_SPECIAL = (
    r"(?:<[|｜][\w▁ ]{1,40}[|｜]>|</?s>|<(?:bos|eos|pad|end_of_turn|start_of_turn)>|\[/?INST\]"
    r"|\[(?:END FINAL RESPONSE|EOS)\]|<turn\|>"
    r"|</?(?:answer|final_answer|response|conclusion|output)>)"
)
_FIRST_TOKEN = re.compile(rf"\s*{_SPECIAL}(?:(?:assistant|model)\b(?=\s|<))?\s*", re.IGNORECASE)
_LAST_TOKEN = re.compile(rf"{_SPECIAL}\Z", re.IGNORECASE)
_MAX_TOKEN_LENGTH = 50
_SPACE = re.compile(r"\s*")


class _Mark(NamedTuple):
    """A marker of reasoning: its kind, whether it ends reasoning, and its position."""

    kind: str
    ends: bool
    start: int
    end: int


def after_reasoning(text: str) -> str:
    """The text without marked reasoning and special tokens; empty if reasoning is unterminated.

    Args:
        text: Only its last `MAX_CHARACTERS` are returned; markers count in the whole text.
    """
    tail = answer_tail(text)
    inside = _open_at_end(text[: len(text) - len(tail)]) if len(tail) < len(text) else []
    channels = _final_channel(tail, text)
    if channels is not None:
        return _without_tokens(channels)
    text = _after_verbal_reasoning(tail) if not inside else tail
    if not inside and next(_matches(text), None) is None:
        return _without_tokens(text)
    return _without_tokens(_visible(text, inside, json_objects(text)))


def reply_text(text: str) -> str:
    """A chat reply without its leading reasoning; empty if that is unterminated.

    A reply may be about such markers, for example in code. So only a marker at its start counts,
    or, as the first marker, an end marker at the end of a line.
    """
    start = 0
    while _MARK.match(text, start) is None and _CHANNEL.match(text, start) is None:
        token = _FIRST_TOKEN.match(text, start) or _SPACE.match(text, start)
        if token is None or token.end() == start:
            in_words = text[start : start + 40].lower().startswith(tuple(_VERBAL))
            mark = next(_marks(text, ()), None)
            ends = mark is not None and mark.kind == "think" and mark.ends
            if (
                in_words
                or _BARE_ANALYSIS.match(text)
                or (mark is not None and ends and text[mark.end : mark.end + 1] in {"", "\n"})
            ):
                return after_reasoning(text)
            return text
        start = token.end()
    return after_reasoning(text)


def _visible(text: str, inside: Sequence[str], objects: Sequence[JsonObject]) -> str:
    """The text outside of reasoning, after the last end marker without a start marker."""
    kept: list[str] = []
    open_kinds: list[str] = list(inside)
    position = 0
    for mark in _marks(text, objects):
        if not mark.ends:
            if not open_kinds:
                kept.append(text[position : mark.start])
            if mark.kind not in open_kinds:
                open_kinds.append(mark.kind)
        elif mark.kind in open_kinds:
            del open_kinds[open_kinds.index(mark.kind) :]
            position = mark.end
        elif not open_kinds and mark.kind not in _SELF_CLOSED:
            kept.clear()
            position = mark.end
    return "" if open_kinds else "".join([*kept, text[position:]])


def _open_at_end(text: str) -> list[str]:
    """The kinds of reasoning that are open at the end of a text."""
    open_kinds: list[str] = []
    for mark in _marks(text, ()):
        if mark.kind not in open_kinds and not mark.ends:
            open_kinds.append(mark.kind)
        elif mark.kind in open_kinds and mark.ends:
            del open_kinds[open_kinds.index(mark.kind) :]
    return open_kinds


def _marks(text: str, objects: Sequence[JsonObject]) -> Iterator[_Mark]:
    """The markers in a text, without those that are only mentioned."""
    for match, last_object in _outside(_matches(text), objects):
        start, end = match.span()
        groups = match.groupdict()
        ends = any(value for name, value in groups.items() if name.endswith(_ENDS))
        if _is_quoted(text, start, end) or (
            last_object >= 0 and _is_in_sentence(text, last_object, start, end, ends=ends)
        ):
            continue
        kind = "think"
        if (tag := groups["tag"]) and not _THINK_TAG.fullmatch(tag):
            kind = tag.lower()
        kind = next((k for k in _SELF_CLOSED if groups[k] or groups[f"{k}_end"]), kind)
        yield _Mark(kind, ends, start, end)


def _matches(text: str) -> Iterator[re.Match[str]]:
    """Where `_MARK` matches."""
    if not any(first in text for first in _FIRSTS):
        return
    end = 0
    for first in _FIRST.finditer(text):
        if first.start() >= end and (match := _MARK.match(text, first.start())):
            end = match.end()
            yield match


def _outside(
    matches: Iterable[re.Match[str]], objects: Sequence[JsonObject]
) -> Iterator[tuple[re.Match[str], int]]:
    """Matches outside of objects, each with the end of the object before it, or -1."""
    rest = list(reversed(objects))
    ended = -1
    for match in matches:
        while rest and rest[-1].end <= match.start():
            ended = rest.pop().end
        if not rest or rest[-1].start >= match.start():
            yield match, ended


def _is_quoted(text: str, start: int, end: int) -> bool:
    return text[max(0, start - 1) : start] in _QUOTES and text[end : end + 1] in _QUOTES


def _is_in_sentence(text: str, begin: int, start: int, end: int, *, ends: bool) -> bool:
    """Whether a marker is part of a sentence, as in ``the sign says <think> twice``."""
    line = max(begin, text.rfind("\n", begin, start) + 1)
    before, after = text[line:start], text[end : end + 2]
    if not before[-1:].isspace() or not before.strip(" }`"):
        return False
    goes_on = not ends and after[:1] == " " and after[1:].islower()
    return goes_on or after[:1] in {".", ",", ";", ":", "!", "?", ")"}


def _after_verbal_reasoning(text: str) -> str:
    """The text without reasoning that a phrase opens; empty if that is unterminated."""
    opening = text.lstrip()[:40].lower()
    for begins, ends in _VERBAL.items():
        if opening.startswith(begins):
            at = text.lower().rfind(ends)
            return "" if at < 0 else text[at + len(ends) :]
    return text


def _final_channel(tail: str, text: str) -> str | None:
    """The last message of gpt-oss's final channel, empty if there is none; `None` without channels.

    Args:
        tail: The end of the text, which is parsed.
        text: The whole text, whose start shows whether there are channels.
    """
    if _BARE_ANALYSIS.match(text) or tail.startswith(_BARE_FINAL):
        at = tail.rfind(_BARE_FINAL)
        return "" if at < 0 else tail[at + len(_BARE_FINAL) :]
    if "<|channel|>" not in tail and "<|message|>" not in tail:
        return None
    begins = list(_CHANNEL.finditer(tail))
    if begins:
        begins = [begin for begin, _ in _outside(begins, json_objects(tail))]
    if not begins:
        return None
    finals = [begin.end() for begin in begins if "final" in (begin["name"], begin["first"])]
    if not finals:
        return ""
    end = _MESSAGE_END.search(tail, finals[-1])
    return tail[finals[-1] : end.start() if end else len(tail)]


def _without_tokens(text: str) -> str:
    """The text without special tokens and white space at both ends."""
    start = 0
    while first := _FIRST_TOKEN.match(text, start):
        start = first.end()
    end = len(text.rstrip())
    while end > start and (
        last := _LAST_TOKEN.search(text, max(start, end - _MAX_TOKEN_LENGTH), end)
    ):
        end = last.start()
        while end > start and text[end - 1].isspace():
            end -= 1
    return text[start:end].strip()
