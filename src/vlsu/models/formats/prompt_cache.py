"""What providers cache of prompts: from how many tokens on, and what has to be marked.

The least tokens are those of the tables in the providers' guides, read in November 2026: "Prompt
caching" of platform.claude.com (as LiteLLM and others repeat it; of Claude Sonnet 4.6 the guide
says 1,024, where users measured 2,048), "Prompt caching" of developers.openai.com, "Context
caching" of ai.google.dev (which says 2,048 of Gemini 2.5 Flash, where the API accepts 1,024). A
prompt that is shorter is not cached, and no error says so.
"""

from __future__ import annotations

import re

__all__ = ["CHARACTERS_PER_TOKEN", "anthropic_least", "google_least", "is_cacheable"]

#: Fewer than English has, so that a prompt in any language that may be long enough counts as such.
CHARACTERS_PER_TOKEN = 3

#: Tokens of an image, about: those of a megapixel.
IMAGE_TOKENS = 1000

#: Of models that are not listed.
LEAST = 1024
#: Of OpenAI's models.
OPENAI_LEAST = 1024
_ANTHROPIC: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern), least)
    for pattern, least in (
        (r"(opus|fable|mythos)-[5-9]", 512),
        (r"opus-4-7", 2048),
        (r"(opus|haiku)-4-[56]", 4096),
        (r"3-(5-)?haiku|haiku-3", 2048),
    )
)
_GOOGLE: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern), least)
    for pattern, least in (
        (r"gemini-(2\.5-flash(?!-lite)|3-flash)", 1024),
        (r"gemini-2\.5", 2048),
        (r"gemini-", 4096),
    )
)


def anthropic_least(model: str) -> int:
    """Tokens from which on a Claude model caches a prompt.

    >>> [anthropic_least(f"claude-{name}") for name in ("opus-5-5", "sonnet-5", "haiku-4-5-2025")]
    [512, 1024, 4096]
    """
    return next((least for pattern, least in _ANTHROPIC if pattern.search(model)), LEAST)


def google_least(model: str) -> int:
    """Tokens from which on a Gemini model caches a prompt.

    >>> [google_least(f"gemini-{name}") for name in ("2.5-flash", "2.5-pro", "3.5-flash")]
    [1024, 2048, 4096]
    """
    return next((least for pattern, least in _GOOGLE if pattern.search(model)), LEAST)


def is_cacheable(characters: int, least: int, *, with_image: bool = False) -> bool:
    """Whether a prompt that begins with so many characters may be long enough to be cached.

    Args:
        characters: Of the system prompt.
        least: Tokens from which on the model caches.
        with_image: Whether an image follows, and is part of the beginning.
    """
    return characters + with_image * IMAGE_TOKENS * CHARACTERS_PER_TOKEN >= (
        least * CHARACTERS_PER_TOKEN
    )
