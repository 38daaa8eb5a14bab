"""What a query says of its image, of grades and policies, and in which language: by words alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache

from vlsu.data.checks.minhash import normalised
from vlsu.data.checks.scripts import fits, script_of
from vlsu.policy import Policy

__all__ = [
    "content_words",
    "describes",
    "in_language",
    "names_grade",
    "word_count",
    "words_of",
]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

#: The commonest function words of languages, those that two of them share left out.
_FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the and is are was were of to for with that this these it you your my what how why "
        "where when who would could should can will do does did not have has be been from they we "
        "he she his her if there here at by just some which about out up any",
        "de": "der die das und ist sind war waren von zu für mit dass dieser diese dieses es ihr "
        "mein meine was wie warum wo wann wer würde könnte sollte kann wird nicht hat sein ich wir "
        "sie er wenn hier dort bei auf ein eine einen einem einer dem den im am auch noch nur mir "
        "dich mich sich uns oder aber",
        "fr": "le la les et est sont était de du des pour avec que ce cette ces il vous votre mon "
        "ma quoi comment pourquoi où quand qui serait peut pas ai je nous elle si ici à dans un "
        "une au aux sur mes ton ta tes leur plus moi toi cela ça",
        "es": "el la los las y es son era de del para con que esto este esta estos estas usted su "
        "mi qué cómo por dónde cuándo quién sería puede no ha he yo nosotros ella si aquí en un "
        "una al lo se me te le más pero muy como",
    }.items()
}
#: How far another language has to be ahead.
_AHEAD = 2

#: Words with which a text speaks of its own grade, of a policy, or of being a test.
_GRADE_WORDS = re.compile(
    r"\bborderline\b|\bgrenzwertig\w*|\bcas limite\b|\bcaso límite\b"
    r"|\b(?:un)?safe (?:image|text|pair|query|message|prompt|content|picture|photo)s?\b"
    r"|\b(?:image|text|pair|query|message|prompt|content|together|jointly|combined)"
    r"(?: unsafe| (?:is|are|as|becomes?) (?:\w+ )?(?:un)?safe)\b"
    r"|\bnsfw\b|\bsfw\b|\bseverit(?:y|ies)\b|\bschweregrad\w*|\bgravité du contenu\b"
    r"|\b(?:content|safety|usage|moderation|harm) polic(?:y|ies)\b"
    r"|\bpolicy (?:violation|category)\b"
    r"|\bagainst (?:the |your )?(?:polic(?:y|ies)|guidelines)\b"
    r"|\bharm(?:ful)? categor(?:y|ies)\b|\bred[- ]team\w*|\bbenchmarks?\b"
    r"|\btest (?:prompt|query|case)s?\b|\b[sbu]-[sbu]-[sbu]\b"
    r"|\brichtlinienverst\w+|\bpolitique de contenu\b|\bpolítica de contenido\b",
    re.IGNORECASE,
)

#: Words of this many letters and more carry content, near enough in the languages at hand.
_CONTENT_LETTERS = 4
#: Letters by which two words are the same, whatever their ending.
_STEM = 5
#: Share of a text's content words that are of the description, and how many, from which it
#: describes the image.
_SHARE, _FEWEST = 0.5, 2
#: Consecutive words that both have, from which it repeats the description.
_RUN = 4


def word_count(text: str) -> int:
    """Number of words."""
    return len(_WORD.findall(text))


def words_of(text: str) -> list[str]:
    """The words of a text in their order, letter case put aside."""
    return [word.casefold() for word in _WORD.findall(text)]


def content_words(text: str) -> frozenset[str]:
    """The beginnings of those words of a text that carry content."""
    return frozenset(word[:_STEM] for word in normalised(text).split() if _is_content(word))


def describes(text: str, descriptions: Collection[str]) -> bool:
    """Whether a text says what its image shows, by the words that it shares with descriptions.

    Half of its words of content, and two at least, are of one description; or it repeats four words
    on end. A description in another language shares none: then nothing is found.

    Example:
        >>> describes("A red bridge over a river", ["an old red bridge across the river"])
        True
        >>> describes("How high is it?", ["an old red bridge across the river"])
        False
    """
    words = normalised(text).split()
    content = content_words(text)
    for description in descriptions:
        theirs = normalised(description).split()
        shared = content & content_words(description)
        if len(shared) >= _FEWEST and len(shared) >= _SHARE * len(content):
            return True
        if _runs(words) & _runs(theirs):
            return True
    return False


def _is_content(word: str) -> bool:
    if len(word) < _CONTENT_LETTERS or word.isdigit():
        return False
    return not any(word in words for words in _FUNCTION_WORDS.values())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}


def names_grade(text: str, policy: Policy) -> bool:
    """Whether a text names a grade, a category of the policy, or that it is a test.

    "Safe" by itself is an everyday word ("is it safe to go?"); of a message, an image or a pair it
    is not.
    """
    return _GRADE_WORDS.search(text) is not None or _categories(policy).search(text) is not None


@cache
def _categories(policy: Policy) -> re.Pattern[str]:
    """Identifiers as they are written, and names of several words in any letter case."""
    identifiers = "|".join(re.escape(each) for each in policy.category_ids)
    names = [re.escape(each.name) for each in policy.categories if len(each.name.split()) > 1]
    names = [f"(?i:{each})" for each in names]
    return re.compile(rf"(?<!\w)(?:{'|'.join([f'(?:{identifiers})', *names])})(?!\w)")


def in_language(text: str, language: str) -> bool:
    """Whether a text may be in a language, by its script and its function words.

    A text with too few of these to tell is taken to be.

    Example:
        >>> in_language("Was ist das hier?", "en"), in_language("OK?", "de")
        (False, True)
    """
    script = script_of(text)
    if script is not None and not fits(language, script):
        return False
    primary = language.lower().partition("-")[0]
    if primary not in _FUNCTION_WORDS:
        return True
    words = words_of(text)
    counts = {each: sum(word in known for word in words) for each, known in _FUNCTION_WORDS.items()}
    mine = counts.pop(primary)
    return max(counts.values()) < mine + _AHEAD
