"""Datasets made of others: parts without leakage, filters, merges, differences."""

import json
import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commands import vlsu
from tests.support.exported import make, picture
from vlsu.data import (
    Dataset,
    ImageStore,
    Sample,
    diff_datasets,
    filter_dataset,
    merge_datasets,
    sample_dataset,
    split_dataset,
    write_dataset,
)
from vlsu.data.deriving.splitting import placed
from vlsu.data.links import KEYS, components
from vlsu.data.rows import COLUMNS, to_frame, to_row, to_sample, valid_frame
from vlsu.errors import DataError, UsageError
from vlsu.policy import PATTERNS, Severity, default_policy_text, parse_policy

ABOUT: Any = {"version": "1", "licence": "CC-BY-4.0", "citation": "", "source": "a test"}


def write(folder: Path, rows: list[Sample], name: str = "n", **more: Any) -> Dataset:
    return write_dataset(folder, rows, **{**ABOUT, "name": name, **more})


def graded(number: int, **more: Any) -> Sample:
    """A sample of the pattern of that number, with a text of its own."""
    pattern = PATTERNS[number % len(PATTERNS)]
    grades = (pattern.image, pattern.text, pattern.joint)
    about = {"text": f"text {number}", **more}
    return Sample(f"s{number:04}", image_grade=grades[0], text_grade=grades[1],
                  joint_grade=grades[2], **about)  # fmt: skip


# --- Dependent samples


def connected(rows: list[dict[str, str | None]]) -> list[int]:
    """For each row the first it depends on: by following every shared value, without an index."""
    first = list(range(len(rows)))
    for _ in rows:
        for a, b in combinations(range(len(rows)), 2):
            if any(rows[a][k] is not None and rows[a][k] == rows[b][k] for k in KEYS):
                first[a] = first[b] = min(first[a], first[b])
    return first


values = st.none() | st.sampled_from("abcdef")


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(KEYS, values)), max_size=12))
def test_dependent_rows_are_those_that_a_plain_search_finds(
    rows: list[dict[str, str | None]],
) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(KEYS, pl.String))
    assert components(frame).tolist() == connected(rows)


def test_a_long_chain_is_one_group() -> None:
    # Row n shares its image with n - 1 and its text with n + 1.
    rows = [{"image_sha256": str((n + 1) // 2), "text": str(n // 2)} for n in range(2000)]
    frame = pl.DataFrame(rows).with_columns(group=pl.lit(None), image_url=pl.lit(None))
    assert set(components(frame).tolist()) == {0}


# --- Splitting


def test_parts_share_no_group_image_or_text_and_keep_every_sample(tmp_path: Path) -> None:
    rows = [
        graded(n, text=f"text {n // 2}" if n % 5 == 0 else f"own {n}", group=f"g{n % 40}"
               if n % 3 == 0 else None)
        for n in range(340)
    ]  # fmt: skip
    dataset = write(tmp_path / "D", rows)
    parts = split_dataset(dataset, tmp_path / "P", parts={"train": 0.7, "test": 0.3})
    samples = [list(part.dataset) for part in parts]
    assert sorted(s.id for part in samples for s in part) == [s.id for s in rows]
    for field in ("group", "text"):
        train, test = ({getattr(s, field) for s in part} - {None} for part in samples)
        assert not train & test
    assert [len(part.dataset) for part in parts] == [238, 102]


def test_a_group_that_is_too_large_stays_whole_and_is_told(tmp_path: Path) -> None:
    rows = [graded(n, group="g" if n < 30 else None) for n in range(40)]
    parts = split_dataset(write(tmp_path / "D", rows), tmp_path / "P", parts={"a": 1, "b": 1})
    assert sorted((len(part.dataset), part.largest) for part in parts) == [(10, 1), (30, 30)]


def test_a_part_that_would_be_empty_is_refused(tmp_path: Path) -> None:
    dataset = write(tmp_path / "D", [graded(n, group="g") for n in range(9)])
    with pytest.raises(UsageError, match="b: would be empty; of 9 samples 9 depend on each other"):
        split_dataset(dataset, tmp_path / "P", parts={"a": 0.5, "b": 0.5})
    assert not (tmp_path / "P").exists()


def test_single_samples_are_stratified_exactly(tmp_path: Path) -> None:
    dataset = write(tmp_path / "D", [graded(n) for n in range(17 * 20)])
    parts = split_dataset(dataset, tmp_path / "P", parts={"a": 3, "b": 1, "c": 1})
    for part, share in zip(parts, (12, 4, 4), strict=True):
        assert set(Counter(str(s.pattern) for s in part.dataset).values()) == {share}
        assert part.furthest == 0
        assert part.wanted == pytest.approx(share / 20)


@given(st.lists(st.integers(0, 16), min_size=20, max_size=60), st.floats(0.2, 0.8))
def test_rounding_favours_no_part(numbers: list[int], share: float) -> None:
    # Many patterns of few samples: each is off by less than one sample, and so is the whole.
    strata = np.array(numbers)
    group, rank = np.arange(len(strata)), np.arange(len(strata))
    place = placed(group, strata, rank, np.array([share, 1 - share]))
    assert abs((place == 0).sum() - share * len(strata)) <= 1
    for number in set(numbers):
        here = place[strata == number]
        assert abs((here == 0).sum() - share * len(here)) < 1


def test_a_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    dataset = write(tmp_path / "D", [graded(n, group=f"g{n // 3}") for n in range(60)])
    hashes = [
        [
            part.dataset.info.content_hash
            for part in split_dataset(dataset, tmp_path / str(n), parts={"a": 1, "b": 1}, seed=seed)
        ]
        for n, seed in enumerate((0, 0, 1))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a": 1.0}, "give two at least"),
        ({"a": 0.5, "b": 0.0}, "must be above 0"),
        ({"a": 0.5, "b": float("nan")}, "must be above 0"),
        ({"a": 0.5, "../b": 0.5}, "plain folder name"),
    ],
)
def test_parts_that_make_no_sense_are_one_line(
    tmp_path: Path, parts: dict[str, float], message: str
) -> None:
    dataset = write(tmp_path / "D", [graded(n) for n in range(4)])
    with pytest.raises(UsageError, match=message):
        split_dataset(dataset, tmp_path / "P", parts=parts)


def test_no_part_is_written_where_another_cannot_be(tmp_path: Path) -> None:
    dataset = write(tmp_path / "D", [graded(n) for n in range(8)])
    mine = tmp_path / "P" / "test" / "README.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        split_dataset(dataset, tmp_path / "P", parts={"train": 0.5, "test": 0.5})
    assert [path.name for path in (tmp_path / "P").iterdir()] == ["test"]
    assert mine.read_text() == "mine"


# --- Filtering


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (["joint_grade=unsafe"], ["b"]),
        (["joint_grade=unsafe|borderline"], ["b", "e"]),
        (["joint_grade!=unsafe"], ["a.1/x", "c", "d", "e"]),
        (["joint_grade="], ["c", "d"]),
        (["joint_grade!="], ["a.1/x", "b", "e"]),
        (["language=en|"], ["a.1/x", "c", "d", "e"]),
        (["image=no"], ["c"]),
        (["image=yes", "language=fr"], ["b"]),
        (["pattern=S-S-U|S-B-B"], ["b", "e"]),
        (["pattern=S-S-U|"], ["b", "c", "d"]),
        (["family=escalating"], ["b"]),
        (["family=escalating|"], ["b", "c", "d"]),
        (["family="], ["c", "d"]),
        (["family=late-fusion"], ["a.1/x", "e"]),
        (["category=C3"], ["c", "e"]),
        (["text_category!=C3"], ["a.1/x", "b", "d"]),
        (["metadata.n=5"], ["b"]),
        (["id=d|c"], ["c", "d"]),
    ],
)
def test_conditions(tmp_path: Path, where: list[str], ids: list[str]) -> None:
    kept = filter_dataset(make(tmp_path / "D"), tmp_path / "F", where=where)
    assert [sample.id for sample in kept] == ids
    assert where[0] in kept.info.description
    assert all(kept.image_path(s.image_sha256) for s in kept if s.image_sha256)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("joint_grade=bad", "no such value"),
        ("pattern=S-S", "no such pattern"),
        ("category=C99", "no such value"),
        ("image=maybe", "no such value"),
        ("colour=red", "no such field"),
        ("Joint_Grade=unsafe", "no such field; did you mean 'joint_grade'"),
        ("joint_grade", "write FIELD=VALUE"),
        ("language=tlh", "no sample of"),
    ],
)
def test_a_condition_that_cannot_be_met_is_one_line(
    tmp_path: Path, where: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        filter_dataset(make(tmp_path / "D"), tmp_path / "F", where=[where])
    assert not (tmp_path / "F").exists()


@pytest.mark.parametrize("key", ["a'b", "a']['b", 'say "so"', "back\\slash", "größe", "a.b", "*"])
def test_a_key_of_the_metadata_is_taken_as_it_is(tmp_path: Path, key: str) -> None:
    values = {"a": "x", "b": 1.5, "c": True, "d": None, "e": ["x"]}
    dataset = write(
        tmp_path / "D", [Sample(id_, "t", metadata={key: value}) for id_, value in values.items()]
    )
    said = {"a": "x", "b": "1.5", "c": "true", "d": "", "e": '["x"]'}
    for id_, value in said.items():
        where = [f"metadata.{key}={value}"]
        kept = filter_dataset(dataset, tmp_path / "F", where=where, overwrite=True)
        assert [sample.id for sample in kept] == [id_]


# --- Merging


def test_samples_of_both_with_their_images_and_one_licence(tmp_path: Path) -> None:
    first = make(tmp_path / "1", citation="one")
    store = ImageStore(tmp_path / "2")
    blue = store.add(picture("PNG", "blue"))
    second = write(tmp_path / "2", [Sample("z", "z", image_sha256=blue)], licence="CC-BY-NC-4.0")
    merged = merge_datasets([first, second], tmp_path / "M")
    assert [s.id for s in merged] == [*(s.id for s in first), "z"]
    assert merged.read_image(blue) == picture("PNG", "blue")
    assert merged.info.licence == "CC-BY-4.0 AND CC-BY-NC-4.0"
    assert merged.info.content_hash != first.info.content_hash
    assert first.info.content_hash in merged.info.description


def test_a_repeated_identifier_is_refused_or_prefixed(tmp_path: Path) -> None:
    first = write(tmp_path / "1", [Sample("a", "x"), Sample("b", "y")], name="one")
    second = write(tmp_path / "2", [Sample("a", "z"), Sample("c", "w")], name="two")
    with pytest.raises(UsageError, match=r"1 identifiers .* such as 'a'; give --prefix"):
        merge_datasets([first, second], tmp_path / "M")
    assert not (tmp_path / "M").exists()
    merged = merge_datasets([first, second], tmp_path / "M", prefix=True)
    assert [s.id for s in merged] == ["one/a", "b", "two/a", "c"]


def test_the_name_that_two_datasets_share_is_told(tmp_path: Path) -> None:
    made = [
        write(tmp_path / str(n), [Sample("a", str(n))], name=name)
        for n, name in enumerate(("one", "two", "two"))
    ]
    with pytest.raises(UsageError, match="two datasets are called 'two'"):
        merge_datasets(made, tmp_path / "M", prefix=True)


def test_groups_of_two_datasets_stay_apart(tmp_path: Path) -> None:
    first = write(tmp_path / "1", [Sample("a", "x", group="g"), Sample("b", "y", group="g")])
    second = write(
        tmp_path / "2",
        [
            *(Sample("c", "x"), Sample("d", "v", group="g"), Sample("e", "u", group="g")),
            Sample("f", "alone"),
        ],
    )
    merged = merge_datasets([first, second], tmp_path / "M")
    assert {s.id: s.group for s in merged} == {
        "a": "g",
        "b": "g",
        "c": None,  # shares its text with a, which the texts themselves say
        "d": "g#2",
        "e": "g#2",
        "f": None,
    }


def test_grades_by_different_policies_are_not_merged(tmp_path: Path) -> None:
    own = parse_policy(default_policy_text().replace("name: ", "name: my-", 1))
    first = write(tmp_path / "1", [Sample("a", "x")])
    second = write(tmp_path / "2", [Sample("b", "y")], policy=own)
    with pytest.raises(UsageError, match="different policies cannot be merged"):
        merge_datasets([first, second], tmp_path / "M")


def test_the_parts_of_a_split_merge_to_the_whole(tmp_path: Path) -> None:
    whole = write(tmp_path / "D", [graded(n, group=f"g{n // 2}") for n in range(34)])
    parts = split_dataset(whole, tmp_path / "P", parts={"a": 1, "b": 1})
    merged = merge_datasets([part.dataset for part in parts], tmp_path / "M")
    found = diff_datasets(whole, merged)
    assert (found.unchanged, found.added, found.removed) == (34, (), ())


# --- Differences


def test_what_was_added_removed_and_changed(tmp_path: Path) -> None:
    safe, _, unsafe = Severity
    first = write(
        tmp_path / "1",
        [Sample("a", "secret text", joint_grade=safe), Sample("b", "y"), Sample("c", "z")],
    )
    second = write(
        tmp_path / "2",
        [
            *(Sample("c", "z"), Sample("d", "w")),
            Sample("a", "other text", joint_grade=unsafe, text_grade=safe),
        ],
        licence="MIT",
    )
    found = diff_datasets(first, second).to_dict()
    assert found["same"] is False
    assert found["unchanged"] == 1
    assert found["added"] == {"count": 1, "ids": ["d"]}
    assert found["removed"] == {"count": 1, "ids": ["b"]}
    assert found["changed"] == {
        "count": 1,
        "ids": {"a": ["text", "text_grade", "joint_grade"]},
    }
    assert found["columns"] == {"text": 1, "text_grade": 1, "joint_grade": 1}
    assert found["grades"] == {"text": {"none -> safe": 1}, "joint": {"safe -> unsafe": 1}}
    assert found["reordered"] is True
    assert found["info"] == {"licence": ["CC-BY-4.0", "MIT"]}
    done = vlsu("data", "diff", tmp_path / "1", tmp_path / "2")
    assert "secret" not in done.stdout + done.stderr
    assert (
        json.loads(vlsu("data", "diff", tmp_path / "1", tmp_path / "2", "--json").stdout) == found
    )


def test_a_dataset_does_not_differ_from_itself(tmp_path: Path) -> None:
    dataset = make(tmp_path / "D")
    found = diff_datasets(dataset, dataset)
    assert found.same
    assert (found.unchanged, found.changed, found.reordered, found.info) == (5, {}, False, {})


# --- Commands


def test_the_commands(tmp_path: Path) -> None:
    make(tmp_path / "D")
    done = vlsu("data", "split", tmp_path / "D", "--parts", "a=0.5,b=0.5", "--out", tmp_path / "P",
                "--json")  # fmt: skip
    report = json.loads(done.stdout)
    assert [part["name"] for part in report["parts"]] == ["a", "b"]
    assert sum(part["samples"] for part in report["parts"]) == 5
    vlsu("data", "merge", tmp_path / "P" / "a", tmp_path / "P" / "b", "--out", tmp_path / "M")
    assert "5 " in vlsu("data", "diff", tmp_path / "D", tmp_path / "M").stdout
    vlsu("data", "filter", tmp_path / "M", "--where", "image=yes", "--out", tmp_path / "F")
    for parts in ("a", "a=x,b=1", "a=1,a=1", "a=1,b=1, a=1"):
        said = vlsu("data", "split", tmp_path / "D", "--parts", parts, "--out", tmp_path / "Q",
                    expect=2).stderr  # fmt: skip
        assert "write name=share" in said


# --- Draws


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_draw_is_the_first_of_each_pattern_by_a_hash_of_seed_and_id(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("draw")
    kinds = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
    rows = [
        graded(n) if kind == 3 else replace(graded(kind), id=f"s{n:04}")
        for n, kind in enumerate(kinds)
    ]
    seed, number = data.draw(st.integers(0, 9)), data.draw(st.integers(1, len(rows)))
    drawn = {s.id for s in sample_dataset(write(folder / "d", rows), folder / "o", n=number,
                                          seed=seed)}  # fmt: skip
    assert len(drawn) == number
    members: dict[object, list[str]] = {}
    for row in rows:
        members.setdefault(row.pattern, []).append(row.id)
    for ids in members.values():
        ranked = sorted(ids, key=lambda id_: sha256(f"{seed}\0{id_}".encode()).digest())
        taken = len(drawn & {*ids})
        assert drawn & {*ids} == {*ranked[:taken]}
        assert abs(taken - len(ids) * number / len(rows)) < 1


ODD = [
    Sample("a", metadata={"b": 1, "a": 2}),
    Sample("b", "x\r\n", image_grade=Severity.SAFE),
    Sample("c", None, image_sha256="ab" * 32),
]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("metadata", '{"b":1,"a":2}'),
        ("metadata", '{"a": 1}'),
        ("metadata", "[]"),
        ("metadata", "{"),
        ("metadata", None),
        ("id", ""),
        ("id", None),
        ("joint_grade", "harmful"),
        ("joint_grade", "unsafe"),
        ("image_sha256", "AB" * 32),
        ("text", "caf\u00e9"),
    ],
)
def test_a_frame_of_rows_is_read_as_its_rows_are(column: str, value: str | None) -> None:
    rows = [to_row(sample) for sample in ODD]
    odd = list(rows[1])
    odd[COLUMNS.index(column)] = value
    frame = to_frame([rows[0], tuple(odd), rows[2]])
    assert valid_frame(to_frame(rows)).rows() == rows
    try:
        single = [to_row(to_sample(row)) for row in frame.iter_rows()]
    except DataError as error:
        with pytest.raises(DataError, match=re.escape(str(error))):
            valid_frame(frame)
    else:
        assert valid_frame(frame).rows() == single
