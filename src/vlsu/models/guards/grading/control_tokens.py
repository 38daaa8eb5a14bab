"""Control tokens in a sample's text stay text: a guard's prompt cannot be forged from within it.

A server's chat template copies a text into the prompt, and its tokenizer then takes ``<|im_end|>``
or ``[INST]`` in it for the real token: a text could close its turn, open one of the guard's own,
and write the verdict there. So every such token gets a space after its first character. The guard
sees ``< |im_end|>``: another text, by one space, in the rare sample that contains one.

The tokens are those of the chat templates of Llama 2 to 4, Qwen, Mistral and its Tekken tokenizer,
Gemma 2 to 4, Granite, Nemotron, gpt-oss (harmony), Phi, DeepSeek, Kimi, EXAONE, Ling, LLaVA,
InternVL, Idefics3 and SmolVLM, as their ``tokenizer_config.json`` list them, the tags of reasoning,
and the markers that llama.cpp's server puts where an image goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["without_control_tokens"]

#: Tokens in square brackets, of Llama 2 and Mistral.
_SQUARE = (
    r"INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|CALL_ID|ARGS|IMG|gMASK"
    r"|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|THINK|MODEL_SETTINGS|CONTROL_\d+"
    r"|unused\d+|BOS|EOS|EOT|PAD|UNK|CLS|SEP|s?MASK|multimodal"
)
#: Tokens in angle brackets without bars.
_ANGLE = (
    r"s|bos|eos|pad|unk|mask|cls|sep|start_of_turn|end_of_turn|start_of_image|end_of_image"
    r"|image_soft_token|image|img|img_context|video|audio|quad|ref|box|point"
    r"|fake_token_around_image|global-img|row_\d+_col_\d+|end_of_utterance|im_patch|im_start|im_end"
    r"|unused\d+|extra_id_\d+|image_placeholder|image_id|slice|unit|sop|eop|tool_call|tool_response|tools|think|thinking|result"
    r"|answer|score|guardian|no-think|role|special_\d+|reserved_\d+|(?:bos|eos)_token|seed:\w{1,40}"
    r"|__media__|__image__"
)
#: Characters besides a line feed that some readers take for a line's end. None is part of a line's
#: indentation, which would be scanned once for each of them.
_ENDS = r"\r\x0b\x0c\x85\u2028\u2029"
_TOKENS = re.compile(
    # <|im_end|>, <|start_header_id|>, <|turn>; and with the bars of DeepSeek
    r"<(?=[|｜])"
    # the end of <turn|>, which may stand alone
    r"|[|｜](?=>)"
    # [|user|] of EXAONE
    r"|\[(?=\|)"
    rf"|\[(?=/?(?:{_SQUARE})\])"
    rf"|<(?=/?(?:{_ANGLE})\s?/?>)|<(?=</?SYS>>)"
    # <BEGIN CONVERSATION>, <END UNSAFE CONTENT CATEGORIES> of Llama Guard and its successors
    r"|<(?=(?:BEGIN|END)\s[A-Z][A-Z ]{1,60}>)"
    r"|◁(?=/?\w{1,20}▷)",
    re.IGNORECASE,
)


def without_control_tokens(text: str, markers: Sequence[str] = ()) -> str:
    """The text with a space after the first character of every control token and marker.

    Args:
        text: A sample's text.
        markers: Further strings that open or close a section of the prompt, in any letter case;
            one that begins with a letter counts at the start of a line only.
    """
    text = _TOKENS.sub(r"\g<0> ", text)
    return _pattern(tuple(markers)).sub(r"\g<0> ", text) if markers else text


@lru_cache(maxsize=64)
def _pattern(markers: tuple[str, ...]) -> re.Pattern[str]:
    """Matches the first character of each marker, with any white space between its words."""
    found = []
    for marker in markers:
        first, rest = marker[0], marker[1:]
        inside = r"\s+".join(map(re.escape, rest.split()))
        if first.isalnum():
            found.append(rf"(?:^|(?<=[{_ENDS}]))[^\S\n{_ENDS}]*{first}(?={inside})")
        else:
            found.append(rf"{re.escape(first)}(?={inside})")
    return re.compile("|".join(found), re.IGNORECASE | re.MULTILINE)
