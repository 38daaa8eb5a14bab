"""Near-duplicate texts: what is put aside, what counts as alike, and what the index misses."""

import random
from itertools import combinations

import pytest

from vlsu.data.checks.minhash import ALIKE, Signatures, normalised, resemblance


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I fold this?", "how do  i fold this"),
        ("Straße", "STRASSE"),
        ("ﬁle", "file"),
        ("naïve", "naïve"),
        ("a_b-c", "a b c"),
    ],
)
def test_case_punctuation_and_unicode_form_are_put_aside(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_scripts_keep_their_letters() -> None:
    assert normalised("這是什麼？") == "這是什麼"
    assert normalised("?!… — ") == ""


def test_resemblance_is_the_share_of_common_runs() -> None:
    # abcde bcdef cdefg; bcdef cdefg defgh: two of four.
    assert resemblance("abcdefg", "bcdefgh") == 2 / 4
    assert resemblance("ab", "ab") == 1
    assert resemblance("ab", "abc") == 0


def texts() -> list[str]:
    chance = random.Random(4)
    words = [chance.choice("bcdfgklmnprst") + f"o{n}a" for n in range(500)]
    made = [" ".join(chance.choices(words, k=chance.randint(1, 25))) for _ in range(300)]
    for text in made[:150]:
        changed = text.split()
        for _ in range(chance.randint(0, 2)):
            changed[chance.randrange(len(changed))] = chance.choice(words)
        made.append(" ".join(changed))
    return sorted({normalised(text) for text in made})


def test_pairs_that_are_alike_are_candidates() -> None:
    held = texts()
    signatures = Signatures()
    signatures.add(held[:7])
    signatures.add(held[7:])
    candidates = set(signatures.candidates())
    pairs = list(combinations(range(len(held)), 2))
    alike = {(a, b) for a, b in pairs if resemblance(held[a], held[b]) >= ALIKE}
    assert len(alike) > 30
    assert alike <= candidates
    assert len(candidates) < len(pairs) / 20


def test_no_texts_have_no_candidates() -> None:
    assert not list(Signatures().candidates())
