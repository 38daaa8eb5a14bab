"""Named models, prices, estimates, budgets: what a run is told beside the model."""

import inspect
import json
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

import vlsu
from tests.conftest import grade, make_dataset
from tests.support.commands import vlsu as command
from vlsu.cli import framings, run, run_alignment
from vlsu.errors import UsageError
from vlsu.models import Settings
from vlsu.models.catalogue import NamedModel, load_models
from vlsu.runs import (
    UNSET,
    AlignmentOptions,
    Limits,
    ModelOptions,
    Price,
    TuningOptions,
    UnderstandingOptions,
    prepare,
)
from vlsu.runs.asking.limits import read_price
from vlsu.runs.options import merged

FILE = """
models:
  quick:
    spec: openai/mock
    base_url: {base_url}
    max_tokens: 64
    concurrency: 3
    params: {{top_p: 0.5}}
  plain:
    spec: baseline/majority
    price: {{input: 1, output: 2}}
"""


def test_named_models_each_get_a_folder(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    (tmp_path / "models.yaml").write_text(FILE.format(base_url=server.base_url))
    done = command(
        *("run", "understanding", dataset.path, "--model", "quick", "--model", "plain"),
        *("--out", "runs", "--json"),
        cwd=tmp_path,
    )
    assert set(json.loads(done.stdout)) == {"quick", "plain"}
    assert (server.requests[0]["max_tokens"], server.requests[0]["top_p"]) == (64, 0.5)
    assert server.most_in_flight <= 3
    for name in ("quick", "plain"):
        assert vlsu.load_run(tmp_path / "runs" / name).finished


def entry(**values):
    """An entry of models.yaml, as read."""
    limits = {name: values.pop(name) for name in LIMITS if name in values}
    return ModelOptions.of_entry(NamedModel("mine", "openai/m", values, limits))


#: Every option of how a model is asked: its default, a value of an entry of models.yaml, and one of
#: the command line.
OPTIONS: dict[str, Any] = {
    "base_url": (None, "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"),
    "system": (None, "Be brief.", "Be long."),
    "max_tokens": (1024, 512, 256),
    "seed": (None, 3, 0),
    "timeout_s": (120.0, 7.5, 9.0),
    "params": ({}, {"top_p": 0.5}, {"top_p": 1}),
    "structured": ("auto", "off", "on"),
    "logprobs": (None, True, False),
    "score": (False, True, False),
    "guard_policy": ("own", "ours", "own"),
    "device": (None, "cpu", "cuda:1"),
    "dtype": (None, "float32", "bfloat16"),
    "max_batch": (None, 4, 8),
    "quantize": (None, "8bit", "4bit"),
    "adapter": (None, "one", "two"),
    "insecure_http": (False, None, True),  # not for a file to say
    "concurrency": (None, 4, 8),
    "requests_per_minute": (None, 60, 90.0),
    "tokens_per_minute": (None, 1000, 2000.0),
    "max_requests": (None, None, 10),  # of one start, not of a model
    "max_cost": (None, None, 0.5),
    "price": (None, {"input": 1, "output": 2}, "3,4"),
    "max_memory": (None, None, "2GB"),  # of the machine, not of a model
}
LIMITS = tuple(field.name for field in fields(Limits))


def asked(name, *sources):
    """What an option comes to."""
    options = merged(*sources)
    if name == "max_cost":  # which needs a price
        options = merged(options, ModelOptions(price="1,2"))
    found = options.limits("openai/m") if name in LIMITS else options.settings()
    return getattr(found, name)


def test_every_option_of_how_a_model_is_asked_is_in_the_table():
    names = {field.name for field in fields(ModelOptions)}
    assert set(OPTIONS) == names == {each.name for each in (*fields(Settings), *fields(Limits))}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_command_line_goes_before_the_file_and_both_before_the_default(name):
    default, of_file, of_line = OPTIONS[name]
    line, nothing = ModelOptions(**{name: of_line}), ModelOptions()
    file = nothing if of_file is None else entry(**{name: of_file})
    values = {"price": Price(1.0, 2.0)} if name == "price" else {name: of_file}
    expected = read_price(of_line, "openai/m") if name == "price" else of_line
    assert asked(name, nothing, nothing) == default
    assert asked(name, nothing, file) == (default if of_file is None else values[name])
    assert asked(name, line, file) == expected
    assert asked(name, line, nothing) == expected


#: Those of them that a file may give; parameters are merged, see below.
OF_FILE = [name for name, (_, of_file, _) in OPTIONS.items() if of_file and name != "params"]


@pytest.mark.parametrize("name", OF_FILE)
def test_a_value_that_is_the_default_is_given_all_the_same(name):
    default, of_file, _ = OPTIONS[name]
    file = entry(**{name: of_file})
    assert asked(name, ModelOptions(**{name: default}), file) == default
    assert asked(name, ModelOptions(**{name: UNSET}), file) != default
    assert ModelOptions.given(**{name: None}) == ModelOptions()


def test_parameters_of_both_are_passed_on():
    both = merged(ModelOptions(params={"top_p": 0.9}), entry(params={"top_p": 0.5, "top_k": 4}))
    assert both.settings().params == {"top_p": 0.9, "top_k": 4}


def test_an_empty_system_prompt_is_none():
    assert merged(ModelOptions(system=""), entry(system="Be brief.")).settings().system is None


def test_settings_and_limits_give_every_option():
    settings, limits = Settings(max_tokens=9, seed=4), Limits(concurrency=2)
    whole = merged(ModelOptions(seed=5), ModelOptions.of(settings, limits))
    assert whole.settings() == replace(settings, seed=5)
    assert whole.limits("openai/m") == limits
    assert UNSET not in [getattr(whole, field.name) for field in fields(whole)]


#: Option of a command -> the options object it is for, and the field; where they differ in name.
COMMAND_OPTIONS = {
    "understanding": (run.understanding, UnderstandingOptions, {}),
    "alignment": (run_alignment.alignment, AlignmentOptions, {"samples": "draws"}),
    "tune": (framings.tune, TuningOptions, {}),
}


@pytest.mark.parametrize("name", COMMAND_OPTIONS)
def test_the_defaults_of_the_command_line_are_those_of_the_options(name):
    command, options, names = COMMAND_OPTIONS[name]
    defaults = {field.name: field.default for field in fields(options)}
    compared = []
    for option, parameter in inspect.signature(command).parameters.items():
        field = names.get(option, option)
        # What the command line leaves out is `None` there.
        if field not in defaults or parameter.default in (None, inspect.Parameter.empty):
            continue
        default = defaults[field]
        given = parameter.default.split(",") if isinstance(default, tuple) else parameter.default
        assert given == (list(default) if isinstance(default, tuple) else default), option
        compared.append(option)
    assert len(compared) >= 1, "nothing was compared"


#: Every setting: its default, another value, and the option that gives the default.
DEFAULTS = {
    "max_tokens": (1024, 512, ("--max-tokens", "1024")),
    "timeout_s": (120.0, 7.5, ("--timeout", "120")),
    "structured": ("auto", "off", ("--structured", "auto")),
    "logprobs": (None, True, ("--no-logprobs",)),
    "seed": (None, 3, ("--seed", "0")),
    "system": (None, "Be brief.", ("--system", "")),
    "params": ({}, {"top_p": 0.5}, ("--param", "top_p=1")),
    "base_url": (None, "http://127.0.0.1:1/v1", ("--base-url", "http://127.0.0.1:2/v1")),
    "insecure_http": (False, True, ()),
    # Of other providers than the one that the command below asks.
    "score": (False, True, ()),
    "guard_policy": ("own", "ours", ()),
    "device": (None, "cpu", ()),
    "dtype": (None, "float32", ()),
    "max_batch": (None, 4, ()),
    "quantize": (None, "8bit", ()),
    "adapter": (None, "one", ()),
}


def test_every_setting_has_an_option():
    assert set(DEFAULTS) == {field.name for field in fields(Settings)}


def test_the_command_line_wins_with_the_default_too(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    (tmp_path / "models.yaml").write_text(
        f"models: {{mine: {{spec: openai/mock, base_url: '{server.base_url}', max_tokens: 512, "
        "seed: 3, structured: 'on', system: Be brief., params: {top_p: 0.5}}}"
    )
    asked: tuple[object, ...] = (
        "run",
        "understanding",
        dataset.path,
        "--model",
        "mine",
        "--modalities",
        "text",
    )
    command(*asked, "--out", "file", cwd=tmp_path)
    of_file = server.requests[-1]
    assert (of_file["max_tokens"], of_file["seed"], of_file["top_p"]) == (512, 3, 0.5)
    assert "response_format" in of_file
    assert of_file["messages"][0]["content"].startswith("Be brief.")
    given = [part for _, _, option in DEFAULTS.values() for part in option if "http" not in part]
    given.remove("--base-url")
    given.remove("--no-logprobs")
    command(*asked, *given, "--out", "line", cwd=tmp_path)
    of_line = server.requests[-1]
    assert (of_line["max_tokens"], of_line["seed"], of_line["top_p"]) == (1024, 0, 1)
    assert "response_format" not in of_line
    assert not of_line["messages"][0]["content"].startswith("Be brief.")


def test_a_system_prompt_may_be_a_files_text(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    (tmp_path / "system.txt").write_text("\ufeffBe brief.\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n")
    asked: tuple[object, ...] = (
        "run",
        "understanding",
        dataset.path,
        "--model",
        "openai/mock",
        "--limit",
        "1",
    )
    asked += ("--modalities", "text", "--base-url", server.base_url)

    def system(given, out):
        done = command(*asked, "--system", given, "--out", out, cwd=tmp_path)
        return server.requests[-1]["messages"][0]["content"].partition("\n")[0], done.stderr

    assert system("@system.txt", "a")[0] == "Be brief."
    assert system("@@home", "b")[0] == "@home"
    text, said = system("system.txt", "c")
    assert text == "system.txt"
    assert "--system system.txt: sent as it is; write @system.txt" in said
    for wrong, why in (
        ("@absent.txt", "absent.txt cannot be read (No such file or directory)"),
        ("@empty.txt", "empty.txt is empty"),
        ("@/dev/zero", "is a device, not a file"),
        ("@.", "is a folder, not a file"),
    ):
        done = command(*asked, "--system", wrong, "--out", "d", cwd=tmp_path, expect=2)
        assert f"error: --system {wrong}: " in done.stderr
        assert why in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: {a: {spec: x/y, max_token: 3}}", "unknown field 'max_token'; did you mean"),
        ("models: {a: {spec: x/y, max_tokens: many}}", "max_tokens: expected int, found 'many'"),
        ("models: {a: {max_tokens: 3}}", "model a: spec: expected provider/name"),
        ("models: []", "expected a mapping 'models'"),
        ("models: [", "not valid YAML"),
    ],
)
def test_a_wrong_models_file_is_named_by_entry_and_field(tmp_path, text, message):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_models(path)


def test_prices_as_people_write_them(tmp_path):
    assert read_price("2.5,10", "x/y") == Price(2.5, 10.0)
    assert read_price({"input": 1, "output": 2}, "x/y") == Price(1.0, 2.0)
    assert read_price("2.5,10,0.25", "x/y") == Price(2.5, 10.0, cached=0.25)
    assert read_price("3,15,0.3,3.75", "x/y") == Price(3.0, 15.0, cached=0.3, cache_write=3.75)
    path = tmp_path / "prices.yaml"
    path.write_text("date: 2026-11-01\nprices: {openai/m: {input: 0.1, output: 0.4}}\n")
    assert read_price(path, "openai/m") == Price(0.1, 0.4)
    with pytest.raises(UsageError, match="no price for 'openai/n'; did you mean 'openai/m'"):
        read_price(path, "openai/n")
    for bad in ("2.5", "a,b", "-1,2", "1,2,nan", "1,2,3,4,5", {"input": 1}):
        with pytest.raises(UsageError):
            read_price(bad, "x/y")


def test_a_dry_run_counts_what_the_run_then_sends(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    settings = Settings(base_url=server.base_url)
    evaluation = prepare(
        dataset,
        UnderstandingOptions(
            model="openai/mock", settings=settings, limits=Limits(price=Price(1.0, 1.0))
        ),
    )
    guess = evaluation.estimate()
    assert server.requests == []
    evaluation.run(tmp_path / "run")
    assert sum(guess.requests.values()) == len(server.requests) == 20
    assert (guess.samples, guess.images_sent, guess.images_distinct) == (12, 16, 4)
    assert guess.cost == pytest.approx((guess.input_tokens + guess.output_tokens) / 1e6)


def test_a_spent_budget_stops_cleanly_and_the_run_can_be_continued(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    options = {"model": "openai/mock", "base_url": server.base_url, "out": tmp_path / "run"}
    limits = Limits(concurrency=2, max_requests=7)
    first = vlsu.evaluate(dataset, **options, limits=limits)
    assert not first.finished
    assert first.record["stopped"] == "--max-requests 7 reached"
    assert len(server.requests) == 7
    costly = Limits(concurrency=1, max_cost=0.0001, price=Price(input=10.0, output=0.0))
    second = vlsu.evaluate(dataset, **options, limits=costly)
    assert second.record["stopped"] == "--max-cost 0.0001 reached"
    assert len(server.requests) == 8  # 11 tokens at 10 a million are 0.00011
    assert second.record["cost"]["of_start"] == pytest.approx(0.00011)
    assert second.record["cost"]["total"] == pytest.approx(8 * 0.00011)  # of all starts
    assert second.record["stop_reason"] == "budget"
    assert vlsu.evaluate(dataset, **options).finished
    assert len(server.requests) == 20


@pytest.mark.parametrize("concurrency", [None, 100])
def test_requests_in_flight_cost_no_more_than_is_bounded(chat_server, tmp_path, concurrency):
    """More and more are in flight, each at the same price: the last of them reaches the bound."""
    data = make_dataset(tmp_path / "dataset", 120)
    server = chat_server(lambda body, n: grade("safe"), delay=0.02)
    price = Price(input=1e6 / 11, output=0.0)  # one for each request
    options = {"model": "openai/mock", "base_url": server.base_url, "out": tmp_path / "run"}
    for start in (1, 2):
        limits = Limits(concurrency=concurrency, max_cost=39.5, price=price)
        run = vlsu.evaluate(data, **options, limits=limits)
        assert run.record["stop_bound"] == "max_cost"
        assert run.record.cost.total == len(server.requests) == 40 * start
    run = vlsu.evaluate(data, **options)
    assert run.finished
    assert len(server.requests) == run.record["requests"]["needed"] > 120


def test_requests_a_minute_are_kept_to(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    began = time.monotonic()
    run = vlsu.evaluate(
        dataset,
        model="openai/mock",
        base_url=server.base_url,
        out=tmp_path / "run",
        modalities=["image"],
        limits=Limits(requests_per_minute=100),
    )
    assert run.finished
    assert server.arrivals[-1] - began >= 3 * 0.6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": "ten"}, "limit 'ten': give a whole number"),
        ({"limit": 2.5}, "limit 2.5: give a whole number"),
        ({"limit": True}, "limit True: give a whole number"),
        ({"concurrency": "4"}, "concurrency '4': give a whole number"),
        ({"seed": 1.5}, "seed 1.5: give a whole number"),
        ({"params": "top_p=1"}, r"params 'top_p=1': give a mapping, such as \{'temperature': 0\}"),
        ({"params": {"stop": {1}}}, "params 'stop': not a name with a JSON value"),
        ({"base_url": 5}, "base_url 5: give a text"),
        ({"out": None}, "out None: give a path"),
        ({"out": ""}, "out '': give a path"),
        ({"out": "a\0b"}, r"out 'a\\x00b': give a path"),
        ({"prompt": 5}, "prompt 5: give a text"),
        ({"policy": 5}, "policy 5: give a Policy object or a path"),
        ({"settings": 5}, r"settings 5: give a vlsu.Settings\(...\)"),
        ({"limits": 5}, r"limits 5: give a vlsu.Limits\(...\)"),
        ({"modalities": "joint"}, r"modalities 'joint': give a list, such as \['joint'\]"),
        ({"modalities": 5}, "modalities 5: give a list$"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_in_one_line(tmp_path, wrong, message):
    arguments = {"model": "baseline/majority", "out": tmp_path / "run", **wrong}
    with pytest.raises(UsageError, match=message) as refused:
        vlsu.evaluate("vlsu-mini", **arguments)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"settings": 5}, "settings 5: give a Settings object"),
        ({"limits": {"max_requests": 5}}, "limits {'max_requests': 5}: give a Limits object"),
        ({"judge_limits": [5]}, "judge_limits 5: give a Limits object for each judge"),
        ({"calibration": "c.json"}, "calibration 'c.json': give a Calibration object"),
        ({"framings": [5]}, "framing 5: give a path"),
        ({"draws": "two"}, "draws 'two': give a whole number"),
        ({"out": 5}, "out 5: give a path"),
    ],
)
def test_so_is_one_of_an_alignment_run(dataset, chat_server, tmp_path, wrong, message):
    server = chat_server(lambda body, n: grade("safe"))
    settings = Settings(base_url=server.base_url)
    arguments = {"out": tmp_path / "run", "settings": settings, **wrong}
    with pytest.raises(UsageError, match=message):
        vlsu.align(dataset, model="openai/m", **arguments)
    assert server.requests == []


@pytest.mark.parametrize("dataset", [5, None, ""])
def test_what_is_no_dataset_is_refused_in_one_line(dataset, tmp_path):
    with pytest.raises(UsageError, match=f"dataset {dataset!r}: give a path"):
        vlsu.evaluate(dataset, model="baseline/majority", out=tmp_path / "run")


def test_limits_are_finite_numbers():
    for value in (float("nan"), float("inf"), -1.0):
        with pytest.raises(UsageError, match=f"requests-per-minute {value:g}: give more than 0"):
            Limits(requests_per_minute=value)
    with pytest.raises(UsageError, match="price '1,2': give a Price object"):
        Limits(price="1,2")  # type: ignore[arg-type]


def test_a_prompt_that_the_model_is_not_sent_is_named(tmp_path, caplog):
    """A classifier is sent the image and the text alone."""

    def run(prompt):
        out = tmp_path / "run"
        return vlsu.evaluate(
            "vlsu-mini", model="baseline/majority", out=out, limit=3, prompt=prompt
        )

    assert run("zero-shot").record.prompt.name == "bare"
    said = "prompt zero-shot: not used, since baseline/majority takes no instructions"
    assert caplog.messages == [said]
    caplog.clear()
    assert run(None).finished
    assert caplog.messages == []
    with pytest.raises(UsageError, match="called 'zero-sot'; did you mean 'zero-shot'"):
        run("zero-sot")


def test_one_text_is_no_list_of_judges_or_framings():
    with pytest.raises(UsageError, match=r"judges 'one': give a list, such as \['one'\]"):
        AlignmentOptions(model="openai/m", judges="one")
    with pytest.raises(UsageError, match=r"framings 'one': give a list, such as \['one'\]"):
        AlignmentOptions(model="openai/m", framings="one")


def test_what_a_notebook_writes_may_be_named_by_a_text(tmp_path):
    run = vlsu.evaluate("vlsu-mini", model="baseline/majority", out=str(tmp_path / "run"), limit=3)
    page = tmp_path / "report.md"
    assert vlsu.write_report([run], str(page)) == page
    assert page.is_file()
    tables = vlsu.report.publish_tables([run], str(tmp_path / "tables"))
    assert all(table.is_file() for table in tables)


def test_a_runs_folder_stands_for_the_run(tmp_path):
    folders = [str(tmp_path / name) for name in ("first", "second")]
    runs = [
        vlsu.evaluate("vlsu-mini", model=f"baseline/{name}", out=folder, limit=3)
        for name, folder in zip(("majority", "random"), folders, strict=True)
    ]
    assert vlsu.compare(folders) == vlsu.compare(runs)
    assert vlsu.gate(folders[0], ["n == 3"]).run == runs[0]
    pages = [
        vlsu.write_report(each, tmp_path / "report.md").read_bytes() for each in (runs, folders)
    ]
    assert pages[0] == pages[1]
    assert vlsu.write_report(folders[0], tmp_path / "one.md").is_file()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (5, UsageError, "run 5: give a run's folder or a vlsu.Run"),
        (None, UsageError, "run None: give a run's folder or a vlsu.Run"),
        ("vlsu-mini", vlsu.VlsuError, "vlsu-mini: not a run"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path, given, error, message):
    calls: list[Callable[[], Any]] = [
        lambda: vlsu.gate(given, ["n == 3"]),
        lambda: vlsu.compare([given, given]),
        lambda: vlsu.write_report([given], tmp_path / "report.md"),
        lambda: vlsu.report.publish_tables([given], tmp_path / "tables"),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()
    with pytest.raises(UsageError, match="runs 5: give a list"):
        vlsu.compare(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("gate", {"requirements": [5]}, "requirement 5: give a text"),
        ("gate", {"requirements": ["n == 3"], "confidence": "high"}, "'high': give a number"),
        ("gate", {"requirements": ["n == 3"], "fewest": 2.5}, "fewest 2.5: give a whole number"),
        ("compare", {"enough": "all"}, "enough 'all': give a number"),
        ("compare", {"seed": "one"}, "seed 'one': give a whole number"),
        ("compare", {"margin": "wide"}, "margin 'wide': give a number"),
        ("compare", {"primary": "joint.accuracy"}, "primary 'joint.accuracy': give a list"),
        ("compare", {"secondary": [3]}, "secondary 3: give a text"),
        ("compare", {"seed": -1}, "seed -1: give 0 or more"),
        ("write_report", {"out": 5}, "out 5: give a path"),
        ("write_report", {"out": "r.html", "oracle": 5}, "oracle 5: give an Oracle object"),
        ("load_runs", {"paths": "R"}, r"paths 'R': give a list, such as \['R'\]"),
        ("open_model", {"spec": None}, "model None: give a text"),
        ("open_model", {"spec": "openai/m", "settings": 5}, "settings 5: give a Settings object"),
        ("import_dataset", {"format": "csv", "src": 5, "out": "D"}, "src 5: give a path"),
        ("check_dataset", {"dataset": 5}, "dataset 5: give a path"),
    ],
)
def test_what_is_done_with_runs_and_datasets_refuses_wrong_arguments_alike(
    finished, name, wrong, message
):
    run = {"gate": {"run": finished}}
    runs = {each: {"runs": [finished, finished]} for each in ("compare", "write_report")}
    with pytest.raises(UsageError, match=message):
        getattr(vlsu, name)(**(run | runs).get(name, {}), **wrong)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    return vlsu.evaluate("vlsu-mini", model="baseline/majority", out=out, limit=3)


def test_a_dataset_may_be_checked_by_its_name():
    assert vlsu.check_dataset("vlsu-mini").ok


def test_requirements_are_a_list(tmp_path):
    run = vlsu.evaluate("vlsu-mini", model="baseline/majority", out=tmp_path / "run", limit=3)
    with pytest.raises(UsageError, match=r"requirements 'joint\.n == 3': give a list"):
        vlsu.gate(run, "joint.n == 3")
