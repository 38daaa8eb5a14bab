"""What a model costs: list prices that come with the package, and prices people give instead."""

import datetime
import json
import os
from importlib.resources import files

import pytest
import yaml

import vlsu
from tests.conftest import grade
from tests.support.commands import vlsu as command
from tests.support.values import present
from vlsu.errors import UsageError
from vlsu.models.catalogue import NamedModel
from vlsu.runs import BatchPrice, Price
from vlsu.runs.asking.limits import known_price, read_price
from vlsu.runs.options import ModelOptions, merged

pytestmark = pytest.mark.slow

BUNDLED = yaml.safe_load(files("vlsu.runs").joinpath("prices.yaml").read_text("utf-8"))
LISTED = f"list prices of {BUNDLED['date']} in USD"
WITH_KEY = {**os.environ, "OPENAI_API_KEY": "none-is-sent"}


def test_the_list_is_dated_and_every_price_in_it_can_be_read():
    assert isinstance(BUNDLED["date"], datetime.date)
    providers = {spec.partition("/")[0] for spec in BUNDLED["prices"]}
    assert providers == {"openai", "anthropic", "google"}
    for spec, price in BUNDLED["prices"].items():
        known = present(known_price(spec))
        assert (known.input, known.output) == (price["input"], price["output"])
        assert known.source == LISTED
        assert 0 < known.input < known.output, spec


@pytest.mark.parametrize(
    ("spec", "same_as"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("anthropic/claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
    ],
)
def test_a_dated_snapshot_costs_what_its_model_costs(spec, same_as):
    assert spec not in BUNDLED["prices"]
    assert known_price(spec) == known_price(same_as) is not None


def test_a_snapshot_with_a_price_of_its_own_keeps_it():
    assert known_price("openai/gpt-4o-2024-05-13") == Price(5.0, 15.0, batch=BatchPrice(2.5, 7.5))


@pytest.mark.parametrize(
    "spec",
    [
        "openai/gpt-4o-audio",
        "openai/gpt-4o-2024-08",
        "openai/GPT-4o",
        "gpt-4o",
        "google/gpt-4o",
        "google/gemini-2.5-flash-preview-09-2025",
        "baseline/majority",
    ],
)
def test_no_price_is_guessed(spec):
    assert known_price(spec) is None


def test_the_bundled_file_is_one_that_a_user_could_give():
    path = files("vlsu.runs").joinpath("prices.yaml")
    assert read_price(str(path), "openai/gpt-4o") == known_price("openai/gpt-4o")


def test_a_price_says_where_it_comes_from(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text("date: 2026-11-01\nprices: {openai/m: {input: 0.1, output: 0.4}}\n")
    assert present(read_price(path, "openai/m")).source == "ours.yaml of 2026-11-01"
    path.write_text("prices: {openai/m: {input: 0.1, output: 0.4}}\n")
    assert present(read_price(path, "openai/m")).source == "ours.yaml"
    assert present(read_price("0.1,0.4", "openai/m")).source == "given"


def test_a_mapping_may_have_a_currency_of_its_own(tmp_path):
    entry = {"input": 1, "output": 5, "batch": 0.5, "currency": "EUR"}
    price = present(read_price(entry, "openai/m"))
    assert (price.source, price.currency) == ("given", "EUR")
    path = tmp_path / "ours.yaml"
    path.write_text(
        "date: 2026-11-01\ncurrency: USD\nprices:\n  openai/m: {input: 1, output: 5}\n"
        "  openai/n: {input: 1, output: 5, currency: EUR}\n"
    )
    found = [present(read_price(path, f"openai/{name}")) for name in "mn"]
    assert [each.currency for each in found] == ["USD", "EUR"]
    assert {each.source for each in found} == {"ours.yaml of 2026-11-01"}


def limits(named, base_url=None, max_cost=None, price=None):
    given = ModelOptions.given(base_url=base_url, max_cost=max_cost, price=price)
    asked = merged(given, ModelOptions.of_entry(named))
    return asked.limits(named.spec, list_price=True)


def test_the_list_price_is_the_last_resort_and_only_of_the_providers_own_server():
    spec = "openai/gpt-4o"
    plain = NamedModel(spec, spec)
    assert limits(plain, max_cost=1.0).price == known_price(spec)
    assert limits(plain, price="1,2").price == Price(1.0, 2.0)
    entry = {"price": {"input": 3, "output": 4}}
    assert limits(NamedModel("mine", spec, limits=entry)).price == Price(3.0, 4.0)
    assert limits(plain, base_url="http://127.0.0.1:8000/v1").price is None
    elsewhere = NamedModel("mine", spec, settings={"base_url": "http://127.0.0.1:8000/v1"})
    assert limits(elsewhere).price is None
    with pytest.raises(UsageError, match="needs a price"):
        limits(elsewhere, max_cost=1.0)


def test_a_dry_run_names_the_date_of_its_prices(dataset, tmp_path):
    asked: tuple[object, ...] = (
        "run",
        "understanding",
        dataset.path,
        "--model",
        "openai/gpt-4o",
        "--out",
        "run",
    )
    options = {"cwd": tmp_path, "env": WITH_KEY}
    note = " ".join(command(*asked, "--dry-run", **options).stdout.split())
    assert f"Prices: {LISTED}." in note
    estimates = json.loads(command(*asked, "--dry-run", "--json", **options).stdout)
    estimate = estimates["openai/gpt-4o"]
    assert estimate["cost_source"] == LISTED
    tokens = estimate["input_tokens"], estimate["output_tokens"]
    assert estimate["cost"] == pytest.approx((2.5 * tokens[0] + 10 * tokens[1]) / 1e6)


def test_a_run_records_and_says_what_its_cost_was_reckoned_by(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))
    asked: tuple[object, ...] = ("run", "understanding", dataset.path, "--model", "openai/gpt-4o")
    asked += ("--base-url", server.base_url, "--out")
    done = command(*asked, "priced", "--price", "1,2", cwd=tmp_path)
    assert "(prices: given)" in done.stderr
    record = vlsu.load_run(tmp_path / "priced").record
    assert record["cost"]["total"] > 0
    assert record["cost"]["source"] == "given"
    assert "cost" not in command(*asked, "unpriced", cwd=tmp_path).stderr
    assert "cost" not in vlsu.load_run(tmp_path / "unpriced").record
