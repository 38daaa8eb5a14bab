"""A provider's prompt cache: of requests that begin alike, one goes ahead of the others."""

import pytest

import vlsu
from tests.conftest import png
from tests.support.caching_server import CachingServer, PromptCache, caching_server
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.models import open_model
from vlsu.models.base import ImagePart, Message, Request, Settings
from vlsu.models.formats.openai import ChatCompletions
from vlsu.models.http.model import HttpModel
from vlsu.policy import default_policy
from vlsu.runs import Limits, Price
from vlsu.runs.asking.backlog import PendingRequest
from vlsu.runs.asking.warming import Warming

SONNET = "anthropic/claude-sonnet-4-5"
LONG = "A rule of the policy. " * 400


def make_dataset(folder, samples, images):
    """Samples with a text each, that share so many images."""
    store = ImageStore(folder)
    hashes = [store.add(png((n, 0, 0))) for n in range(images)]
    rows = [
        Sample(id=f"s{n}", text=f"text {n}", image_sha256=hashes[n % images])
        for n in range(samples)
    ]
    return write_dataset(
        folder,
        rows,
        name="tiny",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )


def no_image(sha256):
    raise AssertionError(sha256)


@pytest.fixture
def server():
    with caching_server(CachingServer(PromptCache(least=1024))) as server:
        yield server


def evaluate(server, dataset, out, model=SONNET, **limits):
    return vlsu.evaluate(
        dataset,
        model=model,
        out=out,
        settings=Settings(base_url=server.base_url),
        limits=Limits(**limits),
    )


def test_each_prompt_is_written_to_the_cache_once_and_read_by_all_others(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=40, images=40)
    price = Price(3.0, 15.0, cached=0.3, cache_write=3.75)
    run = evaluate(server, dataset, tmp_path / "run", price=price, concurrency=64)
    assert run.finished
    asked = run.record["requests"]["asked"]
    counts = server.counts
    assert counts["requests"] == asked > 64
    prompts = len(server.cache.entries)
    assert prompts == 3  # one of each modality
    assert server.most_before_first <= prompts
    systems = {body["system"][0]["text"] for body in bodies(server, dataset, tmp_path)}
    assert counts["written"] == sum(-(-len(text) // 4) for text in systems)
    # by hand: what the server counted, a million of each as priced
    new = counts["input"] - counts["read"] - counts["written"]
    total = new * 3.0 + counts["read"] * 0.3 + counts["written"] * 3.75 + counts["output"] * 15.0
    cost = run.record["cost"]
    assert cost["total"] == pytest.approx(total / 1e6, abs=1e-6)
    assert cost["saved"]["cache"] == pytest.approx(
        (counts["read"] * 2.7 - counts["written"] * 0.75) / 1e6, abs=1e-6
    )
    judgments = run.judgments.unique("request_key")
    assert judgments["cached_tokens"].sum() == counts["read"]
    assert judgments["cache_write_tokens"].sum() == counts["written"]


def bodies(server, dataset, tmp_path):
    """The bodies of one small run, by another server of the same kind."""
    with caching_server(CachingServer(PromptCache(least=1024), keep_bodies=True)) as other:
        evaluate(other, dataset, tmp_path / "again", concurrency=8)
    return other.bodies


def test_a_start_with_little_to_ask_waits_for_nothing(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=5, images=5)
    server.ready = lambda read: server.most_in_flight == 15
    assert evaluate(server, dataset, tmp_path / "run", concurrency=15).finished
    assert server.most_before_first == 15


def test_of_pairs_with_one_image_the_first_writes_it_to_the_cache_and_the_others_read_it(
    server, tmp_path
):
    dataset = make_dataset(tmp_path / "data", samples=48, images=12)
    run = vlsu.evaluate(
        dataset,
        model=SONNET,
        out=tmp_path / "run",
        modalities=["joint"],
        settings=Settings(base_url=server.base_url),
        limits=Limits(concurrency=48),
    )
    assert run.finished
    assert server.counts["requests"] == 48
    system = server.counts["written"] - 12 * server.image_tokens
    assert 1024 < system < 6000  # the system prompt, once
    # 12 pairs read the system prompt (the very first writes it), 36 the image too
    assert server.counts["read"] == 11 * system + 36 * (system + server.image_tokens)


def test_requests_of_other_images_go_out_while_followers_wait(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=96, images=48)
    # Those that go ahead with a prompt read nothing; all others stay until so many are out.
    server.ready = lambda read: not read or server.most_in_flight >= 64
    assert evaluate(server, dataset, tmp_path / "run", concurrency=64).finished
    assert server.most_in_flight == 64


def test_images_that_no_other_request_begins_with_are_not_marked(tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=6, images=6)
    with caching_server(CachingServer(PromptCache(least=1024), keep_bodies=True)) as server:
        evaluate(server, dataset, tmp_path / "run", concurrency=8)
    blocks = [b for body in server.bodies for m in body["messages"] for b in m["content"]]
    assert len(blocks) > 6
    assert not any("cache_control" in block for block in blocks)


@pytest.mark.parametrize(
    ("name", "alone", "with_image"),
    [
        ("claude-opus-5-5", True, True),  # from 512 tokens on
        ("claude-sonnet-4-5", True, True),  # 1,024
        ("claude-haiku-4-5", False, False),  # 4,096
    ],
)
def test_marks_stand_where_a_model_caches_at_all(name, alone, with_image, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=12, images=3)
    with caching_server(CachingServer(PromptCache(least=1024), keep_bodies=True)) as server:
        vlsu.evaluate(
            dataset,
            model=f"anthropic/{name}",
            out=tmp_path / "run",
            modalities=["image", "joint"],
            prompt=write(tmp_path / "short.jinja"),
            settings=Settings(base_url=server.base_url),
        )
    joint = [b for b in server.bodies if b["messages"][0]["content"][-1]["text"] != "Grade it."]
    assert len(joint) == 12
    assert all(isinstance(body["system"], list) == alone for body in server.bodies)
    marked = ["cache_control" in body["messages"][0]["content"][0] for body in joint]
    assert all(marked) == any(marked) == with_image


def write(path):
    """A prompt of some 1,500 tokens, the same for all modalities."""
    rules = "A rule of the policy that says little. " * 150
    path.write_text(
        f"{{% if part == 'system' %}}{rules}{{% elif part == 'image' %}}Grade it."
        "{% else %}Grade it: {{ text }}{% endif %}"
    )
    return str(path)


def test_image_and_pair_share_the_image_where_a_prompt_is_the_same_for_both(server, tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=20, images=20)
    run = vlsu.evaluate(
        dataset,
        model=SONNET,
        out=tmp_path / "run",
        modalities=["image", "joint"],
        prompt=write(tmp_path / "short.jinja"),
        settings=Settings(base_url=server.base_url),
    )
    assert run.finished
    assert server.counts["requests"] == 40
    system = server.counts["written"] - 20 * server.image_tokens
    assert server.counts["read"] == 19 * system + 20 * (system + server.image_tokens)


def pending(key, image, words="words", system=LONG):
    parts = (ImagePart(image), words)
    return PendingRequest(key, Request((Message("system", (system,)), Message("user", parts))))


def warming(name):
    return Warming(open_model(name, Settings(base_url="http://127.0.0.1:1")))


def test_followers_come_after_their_leader_whether_it_was_answered_or_failed():
    waits = warming(SONNET)
    sent = waits.ordered([pending("a", "i"), pending("b", "i"), pending("c", "j")])
    assert [each.key for each in sent] == ["a", "c"]
    assert [each.request.shared_prefix for each in sent] == [True, False]
    # further ones of a later chunk join those that wait
    assert waits.ordered([pending("d", "i", "other words")]) == []
    assert [each.key for each in waits.came_back("a")] == ["b", "d"]
    assert waits.came_back("a") == []
    # and once the image is in the cache nothing waits
    (late,) = waits.ordered([pending("e", "i")])
    assert late.request.shared_prefix


def test_no_request_waits_where_a_prompt_is_too_short_or_nothing_is_known_to_be_cached():
    ready = [pending("a", "i"), pending("b", "i")]
    assert warming("openai/local").ordered(ready) == ready
    assert warming("anthropic/claude-haiku-4-5").ordered(ready) == ready
    assert not any(each.request.shared_prefix for each in ready)


class Playing(ChatCompletions):
    """OpenAI's own server, played on loopback."""

    def __init__(self, base_url):
        super().__init__()
        self._base_url = base_url

    def url(self, model, settings):
        return f"{self._base_url}/v1/chat/completions"


def openai(server, name):
    wire, settings = Playing(server.base_url), Settings()
    identity = {"model": name}
    return HttpModel(f"openai/{name}", name, wire, settings, "k", identity, caches_from=1024)


def test_newer_gpt_models_cache_up_to_marks_and_are_not_billed_for_writing_the_rest(tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=40, images=20)
    with caching_server(CachingServer(PromptCache(least=1024), keep_bodies=True)) as server:
        run = vlsu.evaluate(dataset, model=openai(server, "gpt-5.6-luna"), out=tmp_path / "run")
    assert run.finished
    assert all(b["prompt_cache_options"] == {"mode": "explicit"} for b in server.bodies)
    keys = {b["messages"][0]["content"][0]["text"]: b["prompt_cache_key"] for b in server.bodies}
    assert len(keys) == len(set(keys.values())) == 3
    systems = sum(-(-len(text) // 4) for text in keys)
    # each system prompt once, and of the pairs each image once; 20 images are asked about once
    assert server.counts["written"] == systems + 20 * server.image_tokens
    assert (
        run.judgments.unique("request_key")["cache_write_tokens"].sum()
        == (server.counts["written"])
    )


def test_older_gpt_models_get_the_key_and_no_marks(tmp_path):
    dataset = make_dataset(tmp_path / "data", samples=12, images=6)
    cache = PromptCache(least=1024, by_marks=False, step=128)
    with caching_server(CachingServer(cache, keep_bodies=True)) as server:
        run = vlsu.evaluate(dataset, model=openai(server, "gpt-4.1-mini"), out=tmp_path / "run")
    assert run.finished
    assert len({body["prompt_cache_key"] for body in server.bodies}) == 3
    assert not any("prompt_cache_options" in body for body in server.bodies)
    assert not any("breakpoint" in str(body) for body in server.bodies)
    assert server.counts["read"] > 0 == server.counts["written"]


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/v1", "https://x.openai.azure.com/v1"])
def test_no_other_server_is_sent_fields_that_it_may_not_know(base_url):
    request = pending("a", "i").request._replace(shared_prefix=True)
    text = Request((request.messages[0], Message("user", ("hi",))), shared_prefix=True)
    (body,) = ChatCompletions().encode("gpt-5.6", text, Settings(base_url=base_url), no_image)
    assert b"cache" not in body


def test_what_the_user_sets_goes_before_the_marks():
    params = {"prompt_cache_options": {"mode": "implicit"}, "prompt_cache_key": "mine"}
    text = Request((Message("system", (LONG,)), Message("user", ("hi",))))
    (body,) = ChatCompletions().encode("gpt-5.6", text, Settings(params=params), no_image)
    assert b'"prompt_cache_options":{"mode":"implicit"}' in body
    assert b'"prompt_cache_key":"mine"' in body
