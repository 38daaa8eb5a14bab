"""How many tokens of a prompt were an image's, where a server says so.

Gemini does (``usageMetadata.promptTokensDetails``, a list of modalities with their ``tokenCount``),
and servers of chat completions that have ``image_tokens`` in ``usage.prompt_tokens_details``, such
as xAI's; OpenAI's chat completions and Anthropic's Messages do not.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

__all__ = ["image_tokens"]

_NAMED = (b'"promptTokensDetails"', b'"image_tokens"')
#: More of one response is a mistake, as of all counts.
_MOST = 2**32


def image_tokens(body: bytes) -> int | None:
    """Tokens of the images of a prompt, by the body of its response; `None` if it does not say.

    >>> image_tokens(b'{"usage": {"prompt_tokens_details": {"image_tokens": 258}}}')
    258
    """
    if not any(name in body for name in _NAMED):
        return None
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    details = _at(tree, "usageMetadata", "promptTokensDetails")
    if isinstance(details, list):
        counts = [_at(each, "tokenCount") for each in details if _at(each, "modality") == "IMAGE"]
    else:
        counts = [_at(tree, "usage", "prompt_tokens_details", "image_tokens")]
    known = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < _MOST]
    return sum(known) if known or isinstance(details, list) else None


def _at(tree: object, *path: str) -> object:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
