"""Taking the reasoning off an answer, where a model marks it and its server leaves it in the text.

The marks are those of the models of 2024 to 2026, after the reasoning parsers of vLLM, SGLang and
llama.cpp and the models' own chat templates: ``<think>`` (DeepSeek, Qwen, GLM, MiniMax, Kimi K2),
``[THINK]`` (Magistral), ``◁think▷`` (Kimi-VL), ``<seed:think>``, ``<longcat_think>``,
``<thought>`` (EXAONE Deep, Gemini's compatible endpoint), ``<|channel>thought`` (Gemma 4),
``<unused94>`` (MedGemma), ``[unused16]`` (openPangu), ``<|im_start|>think`` (s1),
``<|START_THINKING|>`` (Command A), ``<|begin_of_thought|>``
(OpenThinker), ``<|think|>`` (Solar Open), ``[BEGIN FINAL RESPONSE]`` (Apriel), the channels of
gpt-oss (with and without their special tokens), and the tags that prompts ask for
(``<reasoning>``, ``<scratchpad>``, ...).

A draft in reasoning is no answer. So reasoning that never ends leaves nothing; an end whose
beginning the chat template swallowed makes reasoning of all before it; and a mark that is only
mentioned, in a string of a JSON object or between quotation marks, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vlsu.models.output.objects import Found, json_objects, last_part

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
    # Where the answer begins, whatever was before.
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
#: What a mark begins with: looked for first, which is ten times as fast.
_FIRSTS = "<&＜◁[`"
_FIRST = re.compile(f"[{re.escape(_FIRSTS)}]")
_THINK_TAG = re.compile(_THINK, re.IGNORECASE)
#: Groups of `_MARK` that say that reasoning ends here.
_ENDS = ("_end", "_end_2", "answer")
#: Kinds whose ends end nothing else.
_ONLY_OWN = ("details", "fence")
_QUOTES = frozenset("\"'`“”‘’«»„\\")

#: Openings in words, and the words that end what they open.
_IN_WORDS = {
    "here are my reasoning steps:": "[begin final response]",
    "here is my thought process:": "here is my response:",
    "thinking...": "...done thinking.",
}

#: A message of gpt-oss: its channel, what it is meant for and in which form.
_CHANNEL = re.compile(
    r"(?:<\|channel\|>\s?(?P<name>analysis|commentary|final)\b"
    r"|\A\s*(?P<first>analysis|commentary|final)(?=<\|message\|>))"
    r"(?:[^<\n]{0,60}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>)?"
)
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
#: The same where the server took the special tokens out: ``analysisWe must ...assistantfinal...``.
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")
_BARE_FINAL = "assistantfinal"

#: Special tokens and tags around an answer, of which some servers show the last or the first.
_SPECIAL = (
    r"(?:<[|｜][\w▁ ]{1,40}[|｜]>|</?s>|<(?:bos|eos|pad|end_of_turn|start_of_turn)>|\[/?INST\]"
    r"|\[(?:END FINAL RESPONSE|EOS)\]|<turn\|>"
    r"|</?(?:answer|final_answer|response|conclusion|output)>)"
)
_FIRST_TOKEN = re.compile(rf"\s*{_SPECIAL}(?:(?:assistant|model)\b(?=\s|<))?\s*", re.IGNORECASE)
_LAST_TOKEN = re.compile(rf"{_SPECIAL}\Z", re.IGNORECASE)
_LONGEST_TOKEN = 50
_SPACE = re.compile(r"\s*")


class _Mark(NamedTuple):
    """A mark of reasoning: which kind, whether it ends it, and where it stands."""

    kind: str
    ends: bool
    start: int
    end: int


def after_reasoning(text: str) -> str:
    """The text without marked reasoning and special tokens; empty where reasoning never ends.

    Args:
        text: Of more than `LONGEST` characters, the last that many are given back; what is
            reasoning is decided by the whole.
    """
    tail = last_part(text)
    inside = _open_at_end(text[: len(text) - len(tail)]) if len(tail) < len(text) else []
    channels = _final_channel(tail, text)
    if channels is not None:
        return _without_tokens(channels)
    text = _after_words(tail) if not inside else tail
    if not inside and next(_matches(text), None) is None:
        return _without_tokens(text)
    return _without_tokens(_visible(text, inside, json_objects(text)))


def reply_text(text: str) -> str:
    """A reply to a person without the reasoning that it begins with; empty where that never ends.

    A reply may be about marks of reasoning, in code for one. So only a mark that opens it counts,
    or, where no other is before it, one at a line's end that ends what the template began.
    """
    start = 0
    while _MARK.match(text, start) is None and _CHANNEL.match(text, start) is None:
        token = _FIRST_TOKEN.match(text, start) or _SPACE.match(text, start)
        if token is None or token.end() == start:
            in_words = text[start : start + 40].lower().startswith(tuple(_IN_WORDS))
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


def _visible(text: str, inside: Sequence[str], objects: Sequence[Found]) -> str:
    """What stands outside of reasoning, and behind the last end that nothing began."""
    kept: list[str] = []
    open_: list[str] = list(inside)
    position = 0
    for mark in _marks(text, objects):
        if not mark.ends:
            if not open_:
                kept.append(text[position : mark.start])
            if mark.kind not in open_:
                open_.append(mark.kind)
        elif mark.kind in open_:
            del open_[open_.index(mark.kind) :]
            position = mark.end
        elif not open_ and mark.kind not in _ONLY_OWN:
            kept.clear()
            position = mark.end
    return "" if open_ else "".join([*kept, text[position:]])


def _open_at_end(text: str) -> list[str]:
    """The kinds of reasoning that are open where a text ends."""
    open_: list[str] = []
    for mark in _marks(text, ()):
        if mark.kind not in open_ and not mark.ends:
            open_.append(mark.kind)
        elif mark.kind in open_ and mark.ends:
            del open_[open_.index(mark.kind) :]
    return open_


def _marks(text: str, objects: Sequence[Found]) -> Iterator[_Mark]:
    """The marks in a text that are not only mentioned."""
    for match, last_object in _outside(_matches(text), objects):
        start, end = match.span()
        groups = match.groupdict()
        ends = any(value for name, value in groups.items() if name.endswith(_ENDS))
        if _is_quoted(text, start, end) or (
            last_object >= 0 and _is_in_a_sentence(text, last_object, start, end, ends=ends)
        ):
            continue
        kind = "think"
        if (tag := groups["tag"]) and not _THINK_TAG.fullmatch(tag):
            kind = tag.lower()
        kind = next((k for k in _ONLY_OWN if groups[k] or groups[f"{k}_end"]), kind)
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
    matches: Iterable[re.Match[str]], objects: Sequence[Found]
) -> Iterator[tuple[re.Match[str], int]]:
    """Matches that are not within an object, and where the object before each ends, or -1."""
    rest = list(reversed(objects))
    ended = -1
    for match in matches:
        while rest and rest[-1].end <= match.start():
            ended = rest.pop().end
        if not rest or rest[-1].start >= match.start():
            yield match, ended


def _is_quoted(text: str, start: int, end: int) -> bool:
    return text[max(0, start - 1) : start] in _QUOTES and text[end : end + 1] in _QUOTES


def _is_in_a_sentence(text: str, begin: int, start: int, end: int, *, ends: bool) -> bool:
    """Whether words go on around a mark, as in ``the sign says <think> twice`` or ``<think>.``."""
    line = max(begin, text.rfind("\n", begin, start) + 1)
    before, after = text[line:start], text[end : end + 2]
    if not before[-1:].isspace() or not before.strip(" }`"):
        return False
    goes_on = not ends and after[:1] == " " and after[1:].islower()
    return goes_on or after[:1] in {".", ",", ";", ":", "!", "?", ")"}


def _after_words(text: str) -> str:
    """The text without reasoning that is opened in words; empty where that never ends."""
    opening = text.lstrip()[:40].lower()
    for begins, ends in _IN_WORDS.items():
        if opening.startswith(begins):
            at = text.lower().rfind(ends)
            return "" if at < 0 else text[at + len(ends) :]
    return text


def _final_channel(tail: str, text: str) -> str | None:
    """The last message of gpt-oss's final channel, empty if there is none; `None` for no channels.

    Args:
        tail: The part that is read.
        text: The whole, whose beginning tells whether there are channels.
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
    """The text between the special tokens that stand at its ends, without white space."""
    start = 0
    while first := _FIRST_TOKEN.match(text, start):
        start = first.end()
    end = len(text.rstrip())
    while end > start and (last := _LAST_TOKEN.search(text, max(start, end - _LONGEST_TOKEN), end)):
        end = last.start()
        while end > start and text[end - 1].isspace():
            end -= 1
    return text[start:end].strip()
