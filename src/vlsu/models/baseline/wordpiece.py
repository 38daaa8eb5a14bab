"""WordPiece tokens of the uncased BERT vocabulary (Devlin et al. 2019), as MiniLM was trained on.

Written out here because the ready-made tokenizer packages bring a network client along.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from vlsu._text import normal_form

__all__ = ["WordPiece"]

_MAX_WORD = 100  # characters; a longer "word" is one unknown token, as in the reference tokenizer
_PUNCTUATION_ASCII = r"!-/:-@\[-`{-~"
# Ideographs have no spaces between words: each is a word of its own.
_IDEOGRAPHS = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f"
)
_ALONE = re.compile(f"[{_PUNCTUATION_ASCII}{_IDEOGRAPHS}]")


class WordPiece:
    """Text to token ids.

    Args:
        vocabulary: File with one token a line; the line number is the id.
    """

    def __init__(self, vocabulary: Path) -> None:
        tokens = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {token: index for index, token in enumerate(tokens)}
        self._unknown = self._ids["[UNK]"]

    def id_of(self, token: str) -> int:
        """The id of a token of the vocabulary."""
        return self._ids[token]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, without the start and end marks."""
        ids: list[int] = []
        for word in _words(text):
            ids += self._pieces(word)
        return ids

    def _pieces(self, word: str) -> list[int]:
        """Longest piece first, from the left; a word with a piece unknown is unknown as a whole."""
        if len(word) > _MAX_WORD:
            return [self._unknown]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._ids.get(prefix + word[start:end])
                if piece is not None:
                    break
            else:
                return [self._unknown]
            pieces.append(piece)
            start = end
        return pieces


def _words(text: str) -> list[str]:
    """Lower-case words without accents and control characters, punctuation marks apart."""
    kept = "".join(char for char in map(_clean, text) if char)
    plain = normal_form("NFD", kept.lower())
    spaced = "".join(
        f" {char} " if _stands_alone(char) else char
        for char in plain
        if unicodedata.category(char) != "Mn"
    )
    return spaced.split()


def _clean(char: str) -> str:
    if char in "\t\n\r":
        return " "
    category = unicodedata.category(char)
    if char in "\0\ufffd" or category in {"Cc", "Cf", "Co"}:
        return ""
    return " " if category == "Zs" else char


def _stands_alone(char: str) -> bool:
    return _ALONE.match(char) is not None or unicodedata.category(char).startswith("P")
