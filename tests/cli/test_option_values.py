"""Every option and argument of every command, given nonsense: a line and exit 2, or its work.

The commands and their options are found by walking the command line, so that new ones are tried
too. A command that is not in `WHOLE` is tried with its required parts made up.
"""

import os
import random
import zlib
from pathlib import Path

import pytest

from tests.cli.test_command_line import COMMANDS
from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run
from tests.support.builds import finished_build
from tests.support.commands import vlsu
from tests.support.hostile_runs import outcome
from tests.support.report_runs import scripted_run

pytestmark = pytest.mark.slow

#: Values of each option that are tried; `VLSU_EVERY_VALUE=1` tries all.
TRIED = 4

#: A whole command line for each command; what is tried is put after it, or in an argument's place.
WHOLE = {
    "demo": None,  # runs two models over a dataset; its one option is tried below
    "agreement": "grades.csv",
    "report": "run --out out/r.html",
    "compare": "run part",
    "cost": "run part",
    "gate": "run --require n>=1",
    "guards": "run",
    "power": "--margin 0.05",
    "project": "run --traffic traffic.yaml",
    "view": None,  # serves until it is ended; what it refuses is tried below
    "models": "",
    "prompts": "",
    "store info": "run",
    "store verify": "run",
    "store merge": "run part --out out/merged.sqlite",
    "store prune": "run --yes",
    "policy": "",
    "data import": "csv pairs.csv --out out/d",
    "data check": "dataset",
    "data info": "dataset",
    "data sample": "dataset --n 5 --out out/d",
    "data export": "dataset --out out/x.csv",
    "data fetch": "dataset",
    "data datasheet": "dataset",
    "data split": "dataset --parts a=1,b=1 --out out/d",
    "data filter": "dataset --where image=yes --out out/d",
    "data merge": "dataset vlsu-mini --out out/d",
    "data diff": "dataset vlsu-mini",
    "run understanding": "dataset --model baseline/majority --out out/r",
    "run alignment": "dataset --model openai/x --base-url http://127.0.0.1:9/v1 --out out/r "
    "--dry-run",
    "judge validate": "labels.csv --judge judge/offline --out out/c.json",
    "judge sample": "answers --out out/l.csv",
    "framings tune": "dataset --model openai/x --base-url http://127.0.0.1:9/v1 --out out/r "
    "--candidates candidates.yaml --dry-run",
    "build init": "out/b --target all=2",
    "build assemble": "finished --out out/d --faces keep",
    "build grade": "build --model baseline/late-fusion",
    "build search": "build lamp --source folder:images --embedding none",
    "build selection": "build",
    "build tune-grader": "dataset --model openai/x --references zero-shot --out out/t",
    "build status": "build",
    "build audit": "build",
    "build pairs": "build --model openai/x --base-url http://127.0.0.1:9/v1",
    "build concepts": "build --model openai/x --base-url http://127.0.0.1:9/v1 --max-requests 1",
    "build run": "build --model openai/x --base-url http://127.0.0.1:9/v1 "
    "--grader baseline/late-fusion --source folder:gallery --max-requests 1",
    "build sources": "dataset:vlsu-mini",
    "build images": "build --source dataset:dataset --embedding none",
    "build take-down": "build --sha256 0",
    "build queries": "build --model openai/x --base-url http://127.0.0.1:9/v1",
    "annotate import": "project long.csv --as Ann",
    "annotate init": "out/p --dataset dataset",
    "annotate export": "project --out out/x --long out/g.csv --label-studio out/l.json",
    "annotate invite": "project --role grader --name Ann",
    "annotate status": "project",
    "annotate serve": None,  # as view; see tests/annotate/web/test_serving.py
    "annotate demo": None,  # serves until it is ended; tried in tests/annotate/test_demo.py
    "annotate forget": "project",
    "annotate quality": "project",
    "annotate backup": "project out/p.tar.gz",
    "annotate restore": "backup.tar.gz out/p",
}

ODD_TEXTS = (
    *("", " ", "ten", "-1", "0", "nan", "x" * 50_000, "\x1b[31m[bold]", "Größe 🙂\u202e"),
    *("/dev/zero", "{", "[", "a=b", "=", ",", ",,a", "../..", "@", "@/dev/zero", "a\nb", "%s{0}"),
    *("http://", "http://[", "file:///etc/passwd", "not a url", "joint.f1_macro >=", "n >= 40%"),
)
ODD_NUMBERS = (
    *("", " ", "ten", "nan", "inf", "-inf", "1e400", "1_0", "0x10", "٣", "1,5", "40%", "--"),
    *("-1", "0", "-0.0", "0.5", "1e-300", "9" * 18, "-" + "9" * 18, "9" * 30, "9" * 5000),
)
#: Of those, what no number option takes.
NO_NUMBERS = {"", " ", "ten", "nan", "inf", "-inf", "1e400", "0x10", "1,5", "40%", "9" * 5000}
#: None outside the folder worked in, but devices: whoever runs the tests may be allowed to write.
ODD_PATHS = (
    *("", " ", ".", "folder", "empty", "binary", "absent/absent", "looped", "pipe", "k[1]"),
    *("/dev/null", "/dev/zero", "/dev/full", "/proc/self/mem", "x" * 300, "a/" * 3000, "a\nb"),
    *("\udcff", "deep.yaml", "many.yaml", "wide.csv", "run", "dataset", "~", "-"),
)
#: Of those, what no path option takes.
NO_PATHS = {"", " ", "x" * 300, "a/" * 3000, "\udcff"}


def lay_out_odd_files(place):
    """What the odd paths name."""
    texts = {
        "empty": "",
        "deep.yaml": "[" * 50_000,
        "many.yaml": "a: &a [x, x]\n" + "".join(f"k{n}: [*a, *a]\n" for n in range(50)),
        "wide.csv": ",".join(map(str, range(20_000))) + "\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    (place / "binary").write_bytes(bytes(range(256)) * 40)
    (place / "folder").mkdir()
    (place / "looped").symlink_to("looped")
    os.mkfifo(place / "pipe")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what commands read, sound and odd."""
    place = tmp_path_factory.mktemp("values")
    dataset = make_dataset(place / "dataset", samples=30, images=5)
    scripted_run(dataset, place / "run")
    scripted_run(dataset, place / "part", limit=20)
    alignment_run(dataset, place / "answers")
    texts = {
        "grades.csv": "item,a,b\n1,safe,safe\n2,unsafe,safe\n3,borderline,safe\n",
        "long.csv": "item,grade\ns1,safe\ns2,safe\n",
        "pairs.csv": "text,joint_grade\nhello,safe\nworld,unsafe\n",
        "labels.csv": "response,label\nNo.,refusal\nHere you are.,no_refusal\n",
        "traffic.yaml": "harm_prevalence: 0.01",
        "candidates.yaml": "{careful: Be careful., kind: Be kind.}",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    lay_out_odd_files(place)
    vlsu("annotate", "init", place / "project", "--dataset", dataset.path)
    vlsu("build", "init", place / "build", "--target", "all=2")
    finished_build(place / "finished", 4, unfiltered=0)
    vlsu("annotate", "backup", place / "project", place / "backup.tar.gz")
    return place


@pytest.fixture
def here(place, monkeypatch, tmp_path):
    """That folder, to work in; what is written goes elsewhere."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key-at-all")
    out = place / "out"
    out.unlink(missing_ok=True)
    out.symlink_to(tmp_path)
    return place


def kind_of(parameter):
    """`int`, `float`, `str`, `Path` or `None`, of a flag; whatever the library calls it."""
    library = getattr(parameter, "type_descriptor", None)
    annotation = parameter.type if library is None else library.annotation
    described = str(annotation).lower()
    kinds = {"int": int, "float": float, "path": Path, "str": str}
    if getattr(parameter, "is_flag", False) or parameter.name == "help":
        return None
    return next((kind for name, kind in kinds.items() if name in described), str)


VALUES = {int: ODD_NUMBERS, float: ODD_NUMBERS, str: ODD_TEXTS, Path: ODD_PATHS}


def whole(path):
    """A command line that does its work, but for what is then put into it."""
    name = " ".join(path)
    if name in WHOLE:
        value = WHOLE[name]
        return None if value is None else value.split()
    made_up = {int: "1", float: "0.5", str: "x", Path: "empty"}
    return [
        part
        for parameter in COMMANDS[path].params
        if parameter.required
        for part in (
            [made_up[kind_of(parameter)]]
            if parameter.param_type_name == "argument"
            else [parameter.opts[0], made_up[kind_of(parameter)]]
        )
    ]


def with_value(path, parameter, value):
    """The command line with that value in the place of a parameter's."""
    parts = whole(path)
    if parameter.param_type_name == "option":
        values = [value] * max(1, parameter.nargs)
        return [*path, *parts, parameter.opts[0], *values]
    arguments = [each for each in COMMANDS[path].params if each.param_type_name == "argument"]
    place = arguments.index(parameter)
    before, after = parts[:place], parts[place:]
    if after and not after[0].startswith("--"):
        after = after[1:]
    if value.startswith("-"):
        return [*path, *before, *after, "--", value]
    return [*path, *before, value, *after]


CASES = [
    pytest.param(path, parameter, id=f"{' '.join(path)} {parameter.opts[0]}")
    for path, command in COMMANDS.items()
    for parameter in command.params
    if whole(path) is not None and kind_of(parameter) is not None
]


def chosen(path, parameter):
    """Some of the values, other ones for every parameter."""
    values = VALUES[kind_of(parameter)]
    if os.environ.get("VLSU_EVERY_VALUE"):
        return values
    seed = zlib.crc32(f"{path} {parameter.name}".encode())
    return random.Random(seed).sample(values, TRIED)


#: What was wrong once, beside what the draw finds.
KNOWN = [
    ("power", "margin", "1e-300"),
    ("power", "alpha", "1e-300"),
    ("power", "tests", "9" * 18),
    ("agreement", "replicates", "9" * 18),
    ("report", "oracle", "deep.yaml"),
    ("run alignment", "base_url", "http://["),
    ("framings tune", "base_url", "http://["),
    ("run alignment", "param", "a=" + "[" * 50_000),
    ("run alignment", "param", "a=" + "9" * 5000),
    ("run alignment", "param", "a=NaN"),
    ("run alignment", "param", "a=\udcff"),
    *((f"data {name}", "dataset", "x" * 300) for name in ("info", "check", "sample", "export")),
    *((f"run {name}", "dataset", "x" * 300) for name in ("understanding", "alignment")),
]


@pytest.mark.parametrize(("name", "option", "value"), KNOWN, ids=lambda each: each[:20])
def test_what_was_wrong_once(name, option, value, here):
    path = tuple(name.split())
    (parameter,) = (each for each in COMMANDS[path].params if each.name == option)
    code, said = outcome(with_value(path, parameter, value), seconds=30)
    assert code in ((0, 2) if option in ("param", "base_url") else (2,)), said
    assert code == 0 or "\n" not in said.strip()
    assert "Traceback" not in said
    assert "defect" not in said


@pytest.mark.parametrize(("path", "parameter"), CASES)
def test_nonsense_is_a_line_or_does_no_harm(path, parameter, here):
    for value in chosen(path, parameter):
        code, said = outcome(with_value(path, parameter, value), seconds=30)
        about = (path, parameter.name, value[:50], said[-500:])
        assert code in (0, 1, 2), about
        assert "Traceback" not in said, about
        assert "defect" not in said, about
        kind = kind_of(parameter)
        if (kind in (int, float) and value in NO_NUMBERS) or (kind is Path and value in NO_PATHS):
            assert code == 2, about


@pytest.mark.parametrize("value", ODD_PATHS)
def test_a_run_that_cannot_be_served_is_a_line(value, tmp_path, monkeypatch):
    lay_out_odd_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, said = outcome(["view", "--port", "0", "--", value])
    assert code == 2, said
    assert "\n" not in said.replace(value, "").strip()


@pytest.mark.parametrize("value", [*sorted(NO_NUMBERS), "-1", "65536", "9" * 18])
def test_a_port_that_is_none_is_a_line(value, here):
    code, said = outcome(["view", "run", "--port", value])
    assert code == 2, said


@pytest.mark.parametrize("value", ["", "empty", "pipe", "looped", "/dev/null", "x" * 300, "\udcff"])
def test_the_demo_says_where_it_cannot_write(value, here):
    code, said = outcome(["demo", "--out", value])
    assert code == 2, said


def test_the_walk_finds_what_there_is():
    assert {" ".join(path) for path in COMMANDS} == set(WHOLE), "add the new command to WHOLE"
    assert len(CASES) > 120
