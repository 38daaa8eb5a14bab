"""Gemini's explicit caches: made where the provider's own does not serve, and never left behind."""

import asyncio

import pytest

import vlsu
from tests.conftest import make_dataset
from tests.support.caching_server import CachingServer, PromptCache, caching_server
from vlsu.models import open_model
from vlsu.models.base import Message, Request, Settings
from vlsu.models.formats.google import GenerateContent
from vlsu.models.formats.google_caches import LOOKED_AT, CachingGoogleModel
from vlsu.runs import Limits
from vlsu.runs.asking.images import MemoryImages

POLICY = "A rule of the policy that says little. " * 200
NEVER = 10**9


class Playing(GenerateContent):
    """Google's own server, played on loopback."""

    def __init__(self, base_url):
        self._base_url = base_url

    def url(self, model, settings):
        return f"{self._base_url}/v1beta/models/{model}:generateContent"


def caching(server, least=1024, renew_s=240.0):
    wire, name = Playing(server.base_url), "gemini-2.5-flash"
    identity = {"model": name}
    return CachingGoogleModel(
        f"google/{name}", name, wire, Settings(), "k", identity, caches_from=least, renew_s=renew_s
    )


def server(*, implicit=False, least=1024):
    """Of which nothing is cached unless it is named."""
    cache = PromptCache(least if implicit else NEVER, by_marks=False)
    played = CachingServer(cache, latency_s=0.001, keep_bodies=True, least_named=least)
    return caching_server(played)


def request(words="words", system=POLICY):
    return Request((Message("system", (system,)), Message("user", (words,))))


async def asked(model, number):
    """So many requests, one after another; their responses."""
    found = [
        model.read(await model.send(request(f"text {n}"), MemoryImages({}))) for n in range(number)
    ]
    beside = asyncio.all_tasks() - {asyncio.current_task()}
    if beside:  # caches that are made or renewed
        await asyncio.wait(beside)
    return found


def run(model, work):
    async def whole():
        try:
            return await work()
        finally:
            await model.close()

    return asyncio.run(whole())


def test_a_prompt_that_the_provider_does_not_cache_is_stored_named_and_deleted():
    with server() as played:
        model = caching(played)

        async def work():
            await asked(model, LOOKED_AT + 1)
            assert len(played.caches) == 1
            return await asked(model, 10)

        after = run(model, work)
    assert played.counts["created"] == played.counts["deleted"] == 1
    assert played.caches == {}
    tokens = -(-len(POLICY) // 4)
    assert {response.cached_tokens for response in after} == {tokens}
    assert all(response.text for response in after)
    named = [body for body in played.bodies if "cachedContent" in body]
    assert len(named) == 10
    assert not any("systemInstruction" in body for body in named)


def test_nothing_is_stored_where_the_provider_caches_by_itself():
    with server(implicit=True) as played:
        model = caching(played)

        async def work():
            await asked(model, LOOKED_AT + 5)

        run(model, work)
    assert played.counts["creates"] == 0
    assert played.counts["read"] > 0


def test_a_prompt_that_is_too_short_for_the_model_is_tried_once():
    with server(least=NEVER) as played:
        model = caching(played)

        async def work():
            await asked(model, LOOKED_AT + 1)
            return await asked(model, 20)

        responses = run(model, work)
    assert played.counts["creates"] == 1
    assert played.counts["created"] == 0
    assert all(response.fault is None for response in responses)


def test_a_cache_that_has_expired_costs_one_more_request_and_is_made_again():
    with server() as played:
        model = caching(played)

        async def work():
            await asked(model, LOOKED_AT + 1)
            played.caches.clear()  # as when it expires
            (lost,) = await asked(model, 1)
            assert lost.fault is None
            await asked(model, 1)  # meanwhile another is made
            (found,) = await asked(model, 1)
            return found

        found = run(model, work)
    assert found.cached_tokens
    assert played.counts["created"] == 2
    assert played.counts["expired"] == 1
    assert played.caches == {}


def test_it_is_renewed_while_it_is_used():
    with server() as played:
        model = caching(played, renew_s=0.0)

        async def work():
            await asked(model, LOOKED_AT + 1)
            for _ in range(3):
                await asked(model, 1)

        run(model, work)
    assert played.counts["extended"] >= 3
    assert played.ttls == {600.0}


def test_a_run_gives_the_same_result_and_keys_with_and_without(tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=60, images=10)
    runs = []
    for implicit in (False, True):
        with server(implicit=implicit) as played:
            model = caching(played)
            runs.append(
                vlsu.evaluate(
                    dataset, model=model, out=tmp_path / f"{implicit}", limits=Limits(concurrency=4)
                )
            )
        assert played.caches == {}
    assert played.counts["created"] == 0
    first, second = (each.judgments.sort("request_key", "sample_id") for each in runs)
    assert first["request_key"].equals(second["request_key"])
    assert runs[0].metrics == runs[1].metrics
    assert first["cached_tokens"].sum() > 0


@pytest.mark.parametrize(
    ("name", "base_url", "caches"),
    [
        ("gemini-2.5-flash", None, True),
        ("gemini-3.5-flash", None, True),
        ("gemini-2.0-flash", None, False),
        ("tunedModels/mine", None, False),
        ("gemini-2.5-flash", "http://127.0.0.1:1", False),
    ],
)
def test_whose_prompts_are_stored(name, base_url, caches, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    model = open_model(f"google/{name}", Settings(base_url=base_url))
    assert isinstance(model, CachingGoogleModel) == caches
