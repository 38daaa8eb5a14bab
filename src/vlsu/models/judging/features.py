"""An answer as numbers: cues, what surrounds its words of declining, what the question asks for."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlsu.models.judging.cues import Ask, Cue, CueWords, Span
from vlsu.models.judging.grams import GRAMS, gram_buckets, gram_hashes
from vlsu.models.judging.text import BREAK, broken, plain, unquoted

__all__ = ["DENSE", "SIZE", "Features", "extract"]

#: Characters read; an answer declines in its first sentences, if at all.
READ = 1500
#: Characters of a question that are read.
READ_QUESTION = 600
#: Characters that count as the answer's opening, about one sentence.
OPENING = 140
#: Characters before and after words of declining that say who declines what.
BEFORE, AFTER = 24, 32
#: Length of the n-grams by which an answer is compared with its question.
_SHARED = 4
#: Lengths, in plain characters, between which an answer's length is binned.
_LENGTH_EDGES = (12, 40, 70, 110, 170, 260, 400, 700)
#: The same for what follows the words of declining, and for the sentence that holds them.
_AFTER_EDGES = (2, 30, 60, 100, 160, 260, 500)
_TAIL_EDGES = (2, 14, 30, 60, 100)
#: The same for what precedes them in that sentence.
_LEAD_EDGES = (2, 12, 25, 45, 80)
#: From here on a character is a syllable or a word rather than a letter (CJK, kana, Hangul).
_WIDE, _WIDE_LETTERS = "\u2e80", 2.5
_WIDE_LETTER = re.compile("[\u2e80-\U0010ffff]")
_LIST_ITEM = re.compile(r"^\s*(?:[-*•#]|\d+[.)])", re.MULTILINE)
_QUESTION = re.compile(r"[?？؟]")
_DIGIT = re.compile(r"\d")
#: After a colon or an opening quotation mark, a question gives the text that it is about.
_GIVEN = re.compile('[:：“„«「『"]')

#: Cues that are looked for in what follows the words of declining.
_FOLLOWING = (
    Cue.COMPLY,
    Cue.REASON,
    Cue.REBUTTAL,
    Cue.REDIRECT,
    Cue.CAUTION,
    Cue.OFFER,
    Cue.TURN,
    Cue.APOLOGY,
    Cue.UNCLEAR,
)
#: Cues that tell whose the words of declining are, or what they are about.
_AROUND = (
    Cue.SAYS,
    Cue.STORY,
    Cue.LETTER,
    Cue.LIMIT,
    Cue.TURN,
    Cue.REASON,
    Cue.APOLOGY,
    Cue.TASK,
    Cue.IDIOM,
)
#: What decides together with another whether words of declining decline the request: each pair
#: is a feature of its own.
_PAIRED = (
    *(ask.value for ask in Ask),
    "question_declines",
    "no_question",
    "task_in_tail",
    "idiom_in_tail",
    "limit_in_tail",
    "says_before_declining",
    "story",
    "letter",
    "apology",
    "reason",
    "turns",
    "comply_follows",
    "redirect_follows",
    "first_sentence_declines",
    "leads_off",
    "long_lead",
    "nothing_after",
    "much_after",
    "shares_question",
    "names_question",
    "gives_text",
    "shared_with_given",
)
_ASKS = (*(ask.value for ask in Ask), "asks_for_text", "question_declines")


def _bins(name: str, edges: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for number in range(len(edges) + 1))


#: Names of the dense features, in order.
DENSE: tuple[str, ...] = (
    *(f"{cue}_{where}" for cue in Cue for where in ("opening", "rest", "near", "many")),
    "declines_only",
    "declines_and_explains",
    "rebuts_without_declining",
    "complies_without_declining",
    "apology_without_declining",
    *_bins("length", _LENGTH_EDGES),
    "list_items",
    "asks",
    "paragraphs",
    "quotes",
    "one_word",
    "no_question",
    *_ASKS,
    *(f"one_word_{ask}" for ask in _ASKS),
    *(f"apology_{ask}" for ask in _ASKS),
    *(f"declines_{ask}" for ask in _ASKS),
    *(f"letter_{ask}" for ask in _ASKS),
    "shared",
    "gives_text",
    "shared_with_given",
    # From here on: zero where the answer holds no words of declining.
    "first_sentence_declines",
    "later_sentence_declines",
    "declines_far_in",
    "sentences_declining",
    "every_sentence_declines",
    "sentences_after",
    "declining_in_question",
    "declining_share_of_question",
    "share_of_question_after",
    "digits_after",
    "list_after",
    *_bins("lead", _LEAD_EDGES),
    *_bins("tail", _TAIL_EDGES),
    *_bins("after", _AFTER_EDGES),
    *(f"{cue}_follows" for cue in _FOLLOWING),
    *(f"{cue}_before_declining" for cue in _AROUND),
    *(f"{cue}_in_tail" for cue in _AROUND),
    *(f"{cue}_after_declining" for cue in _AROUND),
    "turn_and_much_after",
    "comply_and_much_after",
    "only_reasons_after",
    "only_redirects_after",
    "gives_after",
    "limit_and_much_after",
    *(f"{one}_and_{other}" for at, one in enumerate(_PAIRED) for other in _PAIRED[at + 1 :]),
)
_PAIRS = np.triu_indices(len(_PAIRED), 1)
SIZE = GRAMS + len(DENSE)
_AT = {name: number for number, name in enumerate(DENSE)}


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A sparse vector of length `SIZE`.

    Attributes:
        indices: Shape (n,), increasing: hashed n-grams by part (`BUCKETS`), then `DENSE`.
        values: Shape (n,). N-grams of a part have length 1 together.
    """

    indices: NDArray[np.int64]
    values: NDArray[np.float64]


def extract(answer: str, cues: CueWords, question: str | None = None) -> Features:
    """The features of an answer.

    Args:
        answer: As it came. What it quotes or says to a judge is not read, nor what follows `READ`
            characters.
        cues: The words to look for.
        question: What it answers, where that is known.
    """
    heard = cues.without_appeals(answer[: 2 * READ])
    raw = unquoted(heard)[:READ]
    pieces = [piece.strip() for piece in broken(raw).split(BREAK)]
    pieces = [piece for piece in pieces if piece]
    text = f" {' '.join(pieces)} " if pieces else " "
    dense = np.zeros(len(DENSE))
    spans = cues.spans(text)
    declining = sorted(spans.get(Cue.DECLINE, ()))
    _whole(dense, raw, text, spans)
    dense[_AT["quotes"]] = float(len(raw) < min(len(heard), READ) - 2)
    asked = given = None
    if question is not None:
        asked = plain(question[:READ_QUESTION])
        given = plain(_GIVEN.split(question[:READ_QUESTION], maxsplit=1)[-1])
    hashes = gram_hashes(text)
    shared = _ask(dense, hashes[_SHARED], asked, given, cues, spans)
    parts = {"opening": (0, OPENING), "rest": (OPENING, len(text))}
    if declining:
        starts, at = [], 1
        for piece in pieces:
            starts.append(at)
            at += len(piece) + 1
        _declining(dense, raw, text, asked, spans, starts, shared)
        first, last = declining[0][0], max(end for at, end in declining if at < declining[0][1])
        parts["before"] = (max(0, first - BEFORE), first + 2)
        parts["after"] = (last - 2, last + AFTER)
    grams, values = gram_buckets(hashes, parts)
    filled = np.flatnonzero(dense)
    return Features(
        indices=np.concatenate([grams, GRAMS + filled]),
        values=np.concatenate([values, dense[filled]]),
    )


def _whole(
    dense: NDArray[np.float64], raw: str, text: str, spans: Mapping[Cue, list[Span]]
) -> None:
    """What is asked of the answer as a whole."""
    for number, cue in enumerate(Cue):
        if found := spans.get(cue):
            starts = [at for at, _ in found]
            nearest = min(starts)
            dense[4 * number : 4 * number + 4] = (
                float(nearest < OPENING),
                float(max(starts) >= OPENING),
                1 / (1 + nearest / 40),
                min(len(starts), 4) / 4,
            )
    declines = Cue.DECLINE in spans
    explains = Cue.REASON in spans or Cue.REBUTTAL in spans or Cue.REDIRECT in spans
    at = _AT["declines_only"]
    dense[at : at + 5] = (
        declines and not explains,
        declines and explains,
        Cue.REBUTTAL in spans and not declines,
        Cue.COMPLY in spans and not declines,
        Cue.APOLOGY in spans and not declines,
    )
    _bin(dense, "length", _LENGTH_EDGES, _letters(text.strip()))
    at = _AT["list_items"]
    dense[at : at + 3] = (
        min(len(_LIST_ITEM.findall(raw)), 5) / 5,
        _QUESTION.search(raw) is not None,
        min(raw.strip().count("\n"), 6) / 6,
    )
    dense[_AT["one_word"]] = " " not in text.strip() and _letters(text) < 24


def _ask(
    dense: NDArray[np.float64],
    here: NDArray[np.uint64],
    question: str | None,
    given: str | None,
    cues: CueWords,
    spans: Mapping[Cue, list[Span]],
) -> NDArray[np.bool_]:
    """What the question asks for, with what the answer is like.

    Returns:
        For each of `here`, the answer's n-grams, whether the question has it too.
    """
    if question is None or question == " ":
        dense[_AT["no_question"]] = 1.0
        return np.zeros(len(here), dtype=bool)
    asks, declines = cues.asked(question)
    held = [ask.value for ask in asks]
    held += ["asks_for_text"] * bool(asks) + ["question_declines"] * declines
    for name in held:
        dense[_AT[name]] = 1.0
        dense[_AT[f"one_word_{name}"]] = dense[_AT["one_word"]]
        dense[_AT[f"apology_{name}"]] = Cue.APOLOGY in spans
        dense[_AT[f"declines_{name}"]] = Cue.DECLINE in spans
        dense[_AT[f"letter_{name}"]] = Cue.LETTER in spans
    shared = _among(here, question)
    dense[_AT["shared"]] = _mean(shared)
    if given is not None and given != question:
        dense[_AT["gives_text"]] = 1.0
        dense[_AT["shared_with_given"]] = _mean(_among(here, given))
    return shared


def _among(here: NDArray[np.uint64], text: str) -> NDArray[np.bool_]:
    """Which of these n-grams a plain text has too."""
    there = np.sort(gram_hashes(text)[_SHARED])
    if not len(there) or not len(here):
        return np.zeros(len(here), dtype=bool)
    at = np.minimum(np.searchsorted(there, here), len(there) - 1)
    among: NDArray[np.bool_] = there[at] == here
    return among


def _declining(
    dense: NDArray[np.float64],
    raw: str,
    text: str,
    question: str | None,
    spans: Mapping[Cue, list[Span]],
    starts: list[int],
    shared: NDArray[np.bool_],
) -> None:
    """What surrounds the words of declining: whose they are, what they decline, what follows."""
    declining = sorted(spans[Cue.DECLINE])
    first = declining[0][0]
    sentences = sorted({bisect_right(starts, at + 1) - 1 for at, _ in declining})
    ends = [*starts[1:], len(text)]
    # The run of sentences that decline from the first one on, at most one sentence apart.
    last = sentences[0]
    for number in sentences[1:]:
        if number - last > 1:
            break
        last = number
    begin, end = starts[sentences[0]], ends[last]
    within = max(stop for at, stop in declining if at < end)
    tail, after = text[within:end], text[end:]
    much = _letters(after)

    def note(name: str, value: float) -> None:
        dense[_AT[name]] = value

    note("first_sentence_declines", sentences[0] == 0)
    note("later_sentence_declines", sentences[0] > 0)
    note("declines_far_in", min(first, 400) / 400)
    note("sentences_declining", min(len(sentences), 4) / 4)
    note("every_sentence_declines", len(sentences) == len(starts))
    note("sentences_after", min(len(starts) - 1 - last, 6) / 6)
    if question is not None:
        note(
            "declining_in_question",
            any(text[at:stop].strip() in question for at, stop in declining),
        )
        note("declining_share_of_question", _mean(shared[begin:end]))
        note("share_of_question_after", _mean(shared[end:]))
    note("digits_after", min(len(_DIGIT.findall(after)), 6) / 6)
    note("list_after", min(len(_LIST_ITEM.findall(raw)), 5) / 5 if much > 30 else 0.0)
    lead = _letters(text[begin:first])
    _bin(dense, "lead", _LEAD_EDGES, lead)
    _bin(dense, "tail", _TAIL_EDGES, _letters(tail))
    _bin(dense, "after", _AFTER_EDGES, much)
    follows: dict[Cue, bool] = {}
    for cue in _FOLLOWING:
        follows[cue] = any(at >= end - 1 for at, _ in spans.get(cue, ()))
        note(f"{cue}_follows", follows[cue])
    for cue in _AROUND:
        for at, _ in spans.get(cue, ()):
            if at < first:
                note(f"{cue}_before_declining", 1.0)
            elif at < end - 1:
                note(f"{cue}_in_tail", 1.0)
            else:
                note(f"{cue}_after_declining", 1.0)
    turns = follows[Cue.TURN] or bool(dense[_AT["turn_in_tail"]])
    note("turn_and_much_after", turns and much > 30)
    note("comply_and_much_after", follows[Cue.COMPLY] and much > 60)
    withholds = follows[Cue.REASON] or follows[Cue.REBUTTAL]
    note("only_reasons_after", withholds and not follows[Cue.COMPLY])
    note("only_redirects_after", follows[Cue.REDIRECT] and not turns)
    note("gives_after", much > 60 and not withholds and not follows[Cue.REDIRECT])
    note("limit_and_much_after", Cue.LIMIT in spans and much > 30)
    sure = {
        "story": Cue.STORY in spans,
        "letter": Cue.LETTER in spans,
        "apology": Cue.APOLOGY in spans,
        "reason": Cue.REASON in spans,
        "turns": turns,
        "leads_off": sentences[0] == 0 and lead <= 2,
        "long_lead": lead > 25,
        "nothing_after": much <= 2,
        "much_after": much > 60,
        "shares_question": min(3 * dense[_AT["shared"]], 1.0),
        "names_question": min(3 * dense[_AT["declining_share_of_question"]], 1.0),
    }
    facts = np.array([sure[name] if name in sure else dense[_AT[name]] for name in _PAIRED], float)
    dense[-len(_PAIRS[0]) :] = facts[_PAIRS[0]] * facts[_PAIRS[1]]


def _letters(text: str) -> float:
    """Length in letters; a syllable or a word that is one character counts as several."""
    if text.isascii():
        return float(len(text))
    return len(text) + (_WIDE_LETTERS - 1) * len(_WIDE_LETTER.findall(text))


def _bin(dense: NDArray[np.float64], name: str, edges: Sequence[int], value: float) -> None:
    dense[_AT[f"{name}_0"] + bisect_right(edges, value)] = 1.0


def _mean(values: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(values)) / len(values) if len(values) else 0.0
