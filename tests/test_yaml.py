"""One loader for every YAML file: what it reads, what it refuses, and that it says where."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import make_dataset
from vlsu._yaml import MAX_DEPTH, YamlError, read_yaml, write_yaml
from vlsu.data import load
from vlsu.errors import VlsuError
from vlsu.models.catalogue import load_models
from vlsu.policy.policy import default_policy_text, load_policy
from vlsu.runs import load_run
from vlsu.runs.asking.limits import read_price
from vlsu.runs.finished.projection import load_traffic
from vlsu.tasks import load_candidates

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("a: 1\nb: [x, 2.5, true, null]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: 0x1f\nb: 1_000\nc: -7\nd: +7", {"a": 31, "b": 1000, "c": -7, "d": 7}),
        ("a: 9223372036854775807\nb: -9223372036854775808", {"a": 2**63 - 1, "b": -(2**63)}),
        ("a: 1.5e+3\nb: .5", {"a": 1500.0, "b": 0.5}),
        ("a: yes\nb: Off\nc: ~\nd:", {"a": True, "b": False, "c": None, "d": None}),
        ("a: '1'\nb: \"true\"\nc: !!str 5", {"a": "1", "b": "true", "c": "5"}),
        ("a: |\n  two\n  lines\nb: >\n  one\n  line\n", {"a": "two\nlines\n", "b": "one line\n"}),
        # Dates are texts, and names are texts as they are written.
        (
            "a: 2026-01-01\nb: 2026-01-01T12:00:00Z",
            {"a": "2026-01-01", "b": "2026-01-01T12:00:00Z"},
        ),
        ("a: 2026-13-45\nb: =", {"a": "2026-13-45", "b": "="}),
        (
            "007: a\n1.50: b\non: c\n2026-01-01: d",
            {"007": "a", "1.50": "b", "on": "c", "2026-01-01": "d"},
        ),
        ("null: a\n'': b", {"null": "a", "": "b"}),
        ("%YAML 1.1\n---\na: \u00e9\u4e2d\U0001f600\n...\n", {"a": "\u00e9\u4e2d\U0001f600"}),
    ],
)
def test_what_is_read(text, value):
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "line 1: a0: an anchor (&) is not read"),
        ("a: &x 1", "line 1: a: an anchor (&) is not read"),
        ("a: {b: [1, *x]}", "line 1: a.b[1]: an alias (*) is not read"),
        ("a: *a", "line 1: a: an alias (*) is not read"),
        ("a:\n  <<: {b: 1}", "line 2: a: a merge (<<) is not read"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice"),
        ("a: {b: 1, 'b': 2}", "line 1: a: 'b' is given twice"),
        ("- {1: a, '1': b}", "line 1: [0]: '1' is given twice"),
        ("? [a]\n: b", "line 1: a name must be a text"),
        ("? {a: b}\n: c", "line 1: a name must be a text"),
        ("a: !!python/object:os.system x", "line 1: a: the tag 'tag:yaml.org,2002:python/object"),
        ("a: !!binary aGk=", "line 1: a: the tag 'tag:yaml.org,2002:binary' is not read"),
        ("a: !!set {b}", "line 1: a: the tag 'tag:yaml.org,2002:set' is not read"),
        ("a: !mine x", "line 1: a: the tag '!mine' is not read"),
        ("a: .nan", "line 1: a: '.nan' is no finite number"),
        ("a: -.inf", "line 1: a: '-.inf' is no finite number"),
        ("a: 1.0e+999", "line 1: a: '1.0e+999' is no finite number"),
        ("a: " + "1" * 5000, "line 1: a: the number '" + "1" * 40 + "...' does not fit 64 bits"),
        ("a: 9223372036854775808", "line 1: a: the number '9223372036854775808' does not fit"),
        ("a: 0x" + "f" * 30, "line 1: a: the number '0x"),
        ("a: " + "1" * 5000 + ".5", "is no finite number"),
        ("a: !!int x", "line 1: a: the number 'x' does not fit 64 bits"),
        ("a: !!float x", "line 1: a: 'x' is no finite number"),
        ("a: !!bool x", "line 1: a: 'x' is neither true nor false"),
        ("a: 1\n---\nb: 2", "line 2: a second document (---) is not read"),
        (
            "[" * 100_000,
            f"line 1: {'[0]' * 100}: lists and mappings lie more than {MAX_DEPTH} deep",
        ),
        ("- " * 100_000, f"lists and mappings lie more than {MAX_DEPTH} deep"),
        ("{a: " * 100_000, f"lists and mappings lie more than {MAX_DEPTH} deep"),
        ("a: [1", "not valid YAML (did not find expected ',' or ']')"),
        ("a: 'x", "not valid YAML"),
        ("a: b: c", "line 1: not valid YAML"),
        ("a:\n\t- b", "line 2: not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
        ('a: "\\ud800"', "line 1: "),
        ("\x1b[31m\x9b: 1\n", "not valid YAML"),
        ("'\\x1b': 1\n'\\x1b': 1", "line 2: '\\x1b' is given twice"),
        ('"\\e[31m": 1\n"\\e[31m": 1', "line 2: '?[31m' is given twice"),
    ],
)
def test_what_is_refused_and_where(text, said):
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
TREE = st.recursive(
    LEAF, lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXT, each, max_size=4)
)


@given(TREE)
def test_what_is_written_is_read_back(tree):
    assert read_yaml(write_yaml(tree, unicode=False)) == tree


@given(TREE)
def test_another_reader_reads_the_same(tree):
    text = yaml.safe_dump(tree)
    if "&id" not in text:  # where a list stands twice
        assert read_yaml(text) == yaml.safe_load(text)


@given(st.text())
def test_any_text_is_read_or_refused_in_a_line(text):
    said = ""
    try:
        read_yaml(text)
    except YamlError as error:
        said = str(error)
    assert "\n" not in said


def test_what_stands_in_two_places_is_written_out_in_both():
    shared = {"a": [1]}
    text = write_yaml({"one": shared, "two": [shared, shared]})
    assert read_yaml(text) == {"one": shared, "two": [shared, shared]}


def test_a_number_that_is_none_is_written_as_null():
    assert read_yaml(write_yaml({"a": math.nan, "b": [math.inf, 1.5]})) == {
        "a": None,
        "b": [None, 1.5],
    }


def test_a_file_of_a_kilobyte_takes_no_gigabytes():
    """In a process of its own, with a bound on its memory."""
    script = (
        "import resource, sys; from vlsu._yaml import read_yaml\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))\n"
        "try: read_yaml(sys.stdin.read())\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=LAUGHS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("line 1: a0: an anchor (&) is not read"), done.stderr


# Every file that is read by it

HOSTILE = {
    "an alias": ("&x", "an anchor (&) is not read"),
    "not finite": (".nan", "is no finite number"),
    "5,000 digits": ("1" * 5000, "does not fit 64 bits"),
}


def model_file(folder, value):
    path = folder / "models.yaml"
    path.write_text(f"models:\n  a:\n    spec: openai/m\n    max_tokens: {value}\n")
    return path, lambda: load_models(path), "line 4: models.a.max_tokens: "


def policy_file(folder, value):
    path = folder / "policy.yaml"
    path.write_text(default_policy_text() + f"\nextra: [{value}]\n", encoding="utf-8")
    return path, lambda: load_policy(path), "extra[0]: "


def candidates_file(folder, value):
    path = folder / "candidates.yaml"
    path.write_text(f"kind: Be kind.\nodd: {value}\n")
    return path, lambda: load_candidates(path), "line 2: odd: "


def traffic_file(folder, value):
    path = folder / "mix.yaml"
    path.write_text(f"severity:\n  safe: {value}\n")
    return path, lambda: load_traffic(path), "line 2: severity.safe: "


def price_file(folder, value):
    path = folder / "prices.yaml"
    path.write_text(f"prices:\n  openai/m: {{input: 1, output: {value}}}\n")
    return path, lambda: read_price(str(path), "openai/m"), "line 2: prices.openai/m.output: "


def dataset_file(folder, value):
    make_dataset(folder / "d")
    path = folder / "d" / "dataset.yaml"
    path.write_text(path.read_text() + f"extra: {value}\n")
    return path, lambda: load(folder / "d"), "extra: "


def run_file(folder, value):
    path = folder / "run.yaml"
    path.write_text(f"task: understanding\nextra: {value}\n")
    return path, lambda: load_run(folder), "damaged"


@pytest.mark.parametrize("odd", HOSTILE)
@pytest.mark.parametrize(
    "make",
    [
        *(model_file, policy_file, candidates_file, traffic_file, price_file),
        *(dataset_file, run_file),
    ],
)
def test_each_file_is_refused_in_a_line_that_names_file_and_entry(make, odd, tmp_path):
    value, said = HOSTILE[odd]
    path, read, where = make(tmp_path, value)
    with pytest.raises(VlsuError) as caught:
        read()
    line = str(caught.value)
    assert line.startswith(str(path))
    assert where in line
    assert said in line or make is run_file
    assert line.isprintable()
    assert len(line) < len(str(path)) + 200


@pytest.mark.parametrize(
    "make", [model_file, policy_file, candidates_file, traffic_file, price_file]
)
def test_a_date_as_a_value_is_a_text(make, tmp_path):
    path, read, _ = make(tmp_path, "2026-01-01")
    if make in (policy_file, candidates_file):
        assert read()
        return
    with pytest.raises(VlsuError) as caught:
        read()
    assert str(caught.value).startswith(str(path) if make is not traffic_file else path.name)
    assert "\n" not in str(caught.value)


def test_a_policy_with_a_date_has_a_hash(tmp_path):
    path, read, _ = policy_file(tmp_path, "2026-01-01, {1: a, b: c}")
    assert read().hash == load_policy(path).hash


def test_a_run_of_this_package_reads_its_own_record(tmp_path):
    record = {"a": {"b": [1, 2.5, None, True, "2026-01-01", "1e3", "null", "\u00e9\n"]}}
    path = Path(tmp_path) / "run.yaml"
    path.write_text(write_yaml(record), encoding="utf-8")
    assert read_yaml(path.read_text(encoding="utf-8")) == record
