"""Duplicates, balance, and splits in which nothing alike is in two parts."""

import contextlib
import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from vlsu.build.assembly.items import Item, sample_id
from vlsu.build.assembly.selecting import (
    Likeness,
    balanced,
    likeness,
    parse_shares,
    split,
    without_duplicates,
)
from vlsu.build.plan.cells import Cell
from vlsu.data.images.store import ImageStore
from vlsu.errors import UsageError
from vlsu.policy import Pattern, Severity

CELL = Cell(Pattern.parse("S-S-U"), "C9", "en")


def item(number, *, text=None, image=None, cell=CELL, group=None, on_target=True):
    """A sample of a build, as far as selecting looks at it."""
    sha256 = image or f"{number:064x}"
    return Item(
        id=f"s{number:015}",
        cell=cell,
        text=text or f"text number {number}",
        image=sha256,
        shown=sha256,
        url=None,
        provenance={"image": {"sha256": sha256, "licence": "CC0-1.0", "source": "folder:x"}},
        selection={"unfiltered": not on_target, "probability": 0.05, "on_target": on_target},
        pre_graded={"joint": cell.pattern.joint},
        group=group,
    )


def unlike(items):
    """Nothing is alike but what is equal."""
    texts = {each.text: n for n, each in enumerate(items)}
    return Likeness(images={}, texts=dict(texts))


def picture(store, seed, noise=0):
    """A picture of coarse random blocks, with a little noise on it."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    large = np.kron(blocks, np.ones((32, 32, 1), dtype=np.uint8)).astype(int)
    noisy = large + np.random.default_rng(noise).integers(-noise - 1, noise + 1, large.shape)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return store.add(file.getvalue())


def test_the_same_question_about_the_same_looking_picture_is_asked_once(tmp_path):
    store = ImageStore(tmp_path)
    one, like_it, other = picture(store, 1), picture(store, 1, noise=3), picture(store, 2)
    assert one != like_it
    text = "Would you take this along to a crowded place on Sunday?"
    items = [
        item(1, text=text, image=one, on_target=False),
        item(2, text=text.upper().replace("?", "!"), image=like_it),
        item(3, text=text, image=other),  # another picture
        item(4, text="How heavy is it, and who makes such things?", image=one),  # another question
    ]
    found = without_duplicates(items, likeness(items, store))
    # Of the two, the one on target.
    assert [each.id for each in found] == [items[n].id for n in (1, 2, 3)]


def test_minimal_pairs_are_no_duplicates(tmp_path):
    store = ImageStore(tmp_path)
    image = picture(store, 1)
    text = "Would you take this along to a crowded place on Sunday?"
    items = [item(n, text=text, image=image, group="pair-s1") for n in (1, 2)]
    assert without_duplicates(items, likeness(items, store)) == items


def test_no_more_of_a_cell_than_is_wanted():
    graded = {"image": Severity.SAFE, "text": Severity.SAFE, "joint": Severity.SAFE}
    items = [item(n) for n in range(6)]
    items.append(item(6, group="pair-x"))
    items.append(replace(item(7), grades=graded))  # counts for S-S-S, of which nothing is wanted
    found = balanced(items, {CELL: 3}, seed=0)
    assert len(found) == 3
    assert items[6] in found  # minimal pairs are kept first
    assert items[7] not in found
    assert found == balanced(items, {CELL: 3}, seed=0)
    draws = {tuple(e.id for e in balanced(items, {CELL: 3}, seed=n)) for n in range(20)}
    assert len(draws) > 5


def test_what_was_made_for_a_cell_comes_before_what_came_to_it():
    grades = dict(zip(("image", "text", "joint"), (Severity.SAFE, Severity.SAFE, Severity.UNSAFE),
                      strict=True))  # fmt: skip
    elsewhere = Cell(Pattern.parse("S-S-B"), "C9", "en")
    came = [
        replace(item(n, cell=elsewhere), grades=grades, categories={"joint": "C9"})
        for n in range(5)
    ]
    made = [replace(item(n), grades=grades, categories={"joint": "C9"}) for n in range(5, 8)]
    assert {each.now for each in came} == {CELL}
    assert balanced([*came, *made], {CELL: 3}, seed=0) == made


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60),  # image
            st.integers(0, 60),  # text
            st.none() | st.integers(0, 9),  # group
            st.sampled_from(["S-S-U", "S-S-S", "B-S-B"]),
        ),
        min_size=20,
        max_size=60,
    ),
    st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_nothing_alike_is_in_two_parts(rows, seed):
    items = [
        item(
            n,
            text=f"text {text}",
            image=f"{image:064x}",
            cell=Cell(Pattern.parse(pattern), "C9", "en"),
            group=None if group is None else f"g{group}",
        )
        for n, (image, text, group, pattern) in enumerate(rows)
    ]
    # Every second image looks like the one before it.
    looks = {f"{n:064x}": f"{n - 1:064x}" for n in range(1, 61, 2)}
    like = Likeness(images=looks, texts={each.text: hash(each.text) for each in items})
    parts = {}
    with contextlib.suppress(UsageError):  # all depends on all, and a part would be empty
        parts = split(items, like, {"test": 0.7, "dev": 0.3}, seed)
    assume(parts)
    for key in (lambda e: like.image(e.image), lambda e: e.text, lambda e: e.group or e.id):
        seen: dict[str, set[str]] = {}
        for each in items:
            seen.setdefault(key(each), set()).add(parts[each.id])
        assert all(len(of) == 1 for of in seen.values())


def test_parts_have_their_share_of_every_pattern():
    patterns = ["S-S-U"] * 100 + ["S-S-S"] * 50 + ["B-S-B"] * 10
    items = [item(n, cell=Cell(Pattern.parse(p), "C9", "en")) for n, p in enumerate(patterns)]
    parts = split(items, unlike(items), parse_shares("test=4,dev=1"), seed=3)
    counts = Counter((str(each.pattern), parts[each.id]) for each in items)
    assert counts == {
        ("S-S-U", "test"): 80,
        ("S-S-U", "dev"): 20,
        ("S-S-S", "test"): 40,
        ("S-S-S", "dev"): 10,
        ("B-S-B", "test"): 8,
        ("B-S-B", "dev"): 2,
    }


@pytest.mark.parametrize(
    "wrong",
    ["", "test", "test=1", "a=1,a=2", "a=0,b=1", "a=x,b=1", "=1,b=1", "../a=1,b=1", "a/c=1,b=1"],
)
def test_shares_that_are_none_are_refused(wrong):
    with pytest.raises(UsageError, match="--split"):
        parse_shares(wrong)


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=40, unique=True))
def test_identifiers_are_short_and_differ_in_digits_alone(keys):
    names: set[str] = set()
    for key in keys:
        found = sample_id(key.hex(), names)
        assert found not in names
        assert found[0] == "s"
        assert len(found) == 16
        assert found[1:].isdigit()
        names.add(found)
    # One that is taken is not given again.
    assert sample_id(keys[0].hex(), {sample_id(keys[0].hex())}) != sample_id(keys[0].hex())
