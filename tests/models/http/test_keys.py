"""Where a key goes: named on the screen, never in the clear, never where a file alone sends it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.models.http.test_http_clients import BODY, Server, in_loop, says, whole
from tests.support.fault_server import FaultServer, good, text_dataset
from tests.support.values import present
from vlsu.errors import ModelError, UsageError
from vlsu.models import Settings, open_model
from vlsu.models.catalogue import load_models
from vlsu.models.http.client import HttpClient, is_usable
from vlsu.models.http.exposure import exposure, is_local

pytestmark = pytest.mark.slow

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# Plain HTTP

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.7"),
    *(
        "169.254.1.1",
        "0.0.0.0",
        "::1",
        "::",
        "fd00::7",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
    ),
]
PUBLIC = [
    *("8.8.8.8", "172.32.0.1", "172.15.0.1", "192.169.0.1", "11.0.0.1", "128.0.0.1", "100.64.0.1"),
    *("192.0.2.1", "203.0.113.9", "198.18.0.1", "2001:db8::1", "2606:4700::1", "::ffff:8.8.8.8"),
    *("ff02::1", "224.0.0.1", "255.255.255.255", "gpu1", "", "127.0.0.1.example.com"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_this_machine_and_of_private_networks(address):
    assert is_local(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_all_others_are_not(address):
    assert not is_local(address)


def opened(url, **settings):
    return open_model("openai/m", Settings(base_url=url, **settings))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8000", "localhost:8000", "gpu.localhost", "[::1]:8000", "192.168.1.7:8000"),
        *("[fd00::7]:8000", "2130706433:8000", "127.1:8000"),
    ],
)
def test_a_key_may_go_over_plain_http_to_private_hosts(host):
    opened(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "203.0.113.9:8000", "[2606:4700::1]", "134744072", "0x08080808"),
        *(
            "127.0.0.1@8.8.8.8",
            "localhost:1@8.8.8.8:80",
            "8.8.8.8#@127.0.0.1",
            "8.8.8.8?@127.0.0.1",
        ),
        *("b\u00fccher.example", "\uff11\uff12\uff17.0.0.1"),
    ],
)
def test_a_key_goes_over_plain_http_nowhere_else(host, monkeypatch):
    with pytest.raises(UsageError, match="the key would go over plain HTTP") as caught:
        opened(f"http://{host}/v1")
    line = str(caught.value)
    assert line.startswith("openai/m: ")
    assert line.endswith("use an https address, or --insecure-http")
    assert "\n" not in line
    opened(f"http://{host}/v1", insecure_http=True)
    opened(f"https://{host}/v1")
    if "@" not in host.partition("#")[0].partition("?")[0]:
        monkeypatch.delenv("OPENAI_API_KEY")
        opened(f"http://{host}/v1")  # no key, no danger


def test_a_password_in_the_address_is_a_key_too_and_is_not_shown(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UsageError, match=r"8\.8\.8\.8 is no private or loopback") as caught:
        opened("http://user:pa55word@8.8.8.8/v1")
    assert "pa55word" not in str(caught.value)
    assert "pa55word" not in opened("https://user:pa55word@8.8.8.8/v1").destination


@pytest.fixture
def hosts(monkeypatch):
    """Names that resolve as a test says; every other cannot be resolved."""
    known: dict[Any, Any] = {}

    def resolve(host, port, *args, **kwargs):
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
            addresses = [host]
        except OSError:
            addresses = known.get(host, [])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def test_a_name_counts_as_what_it_resolves_to(hosts):
    hosts["gpu1"] = ["10.0.0.5"]
    hosts["gpu.example.com"] = ["192.168.0.3", "10.0.0.6"]
    hosts["api.example.com"] = ["203.0.113.9"]
    hosts["both.example.com"] = ["10.0.0.5", "203.0.113.9"]
    opened("http://gpu1:8000/v1")
    opened("http://gpu.example.com:8000/v1")
    for host in ("api", "both"):
        with pytest.raises(
            UsageError, match=rf"{host}\.example\.com \(203\.0\.113\.9\) is no private"
        ):
            opened(f"http://{host}.example.com/v1")


def test_a_name_that_cannot_be_resolved_is_let_pass_only_where_it_is_looked_at_again(
    hosts, monkeypatch
):
    """As of a machine that is off: a dry run needs no network."""
    url = "http://gpu1:8000/v1"
    opened(url)
    assert exposure(url, guarded=True) is None
    assert "cannot be resolved" in present(exposure(url, guarded=False))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")  # who resolves it, and differently
    with pytest.raises(UsageError, match="gpu1 cannot be resolved"):
        opened(url)


def test_a_proxy_may_read_what_goes_through_it_over_plain_http(hosts, monkeypatch):
    hosts["proxy.lan"] = ["10.0.0.1"]
    hosts["proxy.example.com"] = ["203.0.113.1"]
    monkeypatch.setenv("http_proxy", "http://proxy.lan:3128")
    opened("http://10.0.0.5:8000/v1")
    monkeypatch.setenv("http_proxy", "http://u:pa55word@proxy.example.com:3128")
    with pytest.raises(
        UsageError, match=r"the proxy proxy\.example\.com \(203\.0\.113\.1\) is"
    ) as caught:
        opened("http://10.0.0.5:8000/v1")
    assert "pa55word" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    opened("http://10.0.0.5:8000/v1")
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "https://proxy.example.com:3128")
    opened("http://10.0.0.5:8000/v1")


def test_a_name_that_means_another_host_by_the_time_of_connecting_gets_no_key():
    """The address is looked at once more when there is a connection, before anything is sent."""
    asked = []

    async def run():
        async with Server(says(whole(BODY))) as server:
            http = HttpClient(server.url, {"Authorization": KEY}, 5, only_local=True)
            http_to_public = HttpClient(server.url, {"Authorization": KEY}, 5, only_local=True)
            ok, _ = await http.post(lambda: [b"{}"])
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "vlsu.models.http.direct.is_local", lambda address: asked.append(address)
                )
                refused, _ = await http_to_public.post(lambda: [b"{}"])
            await http.close()
            await http_to_public.close()
        return ok, refused, server.visits

    ok, refused, visits = in_loop(run())
    assert ok.status == 200
    assert asked == ["127.0.0.1"]
    assert refused.body.startswith(b"address: 127.0.0.1:")
    assert b"(127.0.0.1) is no private or loopback address" in refused.body
    assert len(visits) == 1


@pytest.mark.parametrize(
    "url",
    [
        *("http://evil.example\\@127.0.0.1/v1", "http:evil.example", "http:///evil.example/v1"),
        *(
            "http:\\\\evil.example/v1",
            "http://evil.example\\.127.0.0.1/",
            "http://a b/",
            "http://a\x00b/",
        ),
        *(
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "127.0.0.1:8000/v1",
            "http://[::1",
            "http://h:0/",
        ),
        *("http://h:99999/", "http://", "https://", 'http://h"x/', "http://h<x>/"),
    ],
)
def test_an_address_that_two_readers_could_take_for_two_hosts_is_never_asked(url):
    assert not is_usable(url)

    async def run():
        http = HttpClient(url, {"Authorization": KEY}, 5)
        raw, _ = await http.post(lambda: [b"{}"])
        await http.close()
        return raw

    assert in_loop(run()).body.startswith(b"address: not a usable address")


@pytest.mark.parametrize(
    "bad", ["k\n", "k\r\nX-Evil: 1", "k\x00", "k\x7f", "kl\u00fcssel", "k\u2028"]
)
def test_a_key_that_no_header_can_carry_is_refused_unseen(bad, monkeypatch):
    if "\x00" in bad:
        monkeypatch.setattr(os, "environ", {**os.environ, "OPENAI_API_KEY": bad})
    else:
        monkeypatch.setenv("OPENAI_API_KEY", bad)
    with pytest.raises(ModelError, match="another character that no header can carry") as caught:
        opened("http://127.0.0.1:9/v1")
    assert bad not in str(caught.value)


# models.yaml


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai/gpt-4o", "must not look like provider/model"),
        ("my/model", "must not look like provider/model"),
        ("../../up", "must not look like provider/model"),
        ("/tmp/out", "must not look like provider/model"),
        ("a\\b", "must not look like provider/model"),
        ("..", "not usable as the name of a folder"),
        (".", "not usable as the name of a folder"),
        ("", "not usable as the name of a folder"),
        (" a", "not usable as the name of a folder"),
        ("a.", "not usable as the name of a folder"),
        (".hidden", "not usable as the name of a folder"),
        ("a\tb", "not usable as the name of a folder"),
        ("a\x1b[31mb", "not usable as the name of a folder"),
        ("a\u202eb", "not usable as the name of a folder"),
        ("x" * 101, "not usable as the name of a folder"),
        ("con", "not usable as the name of a folder"),
        ("LPT1.txt", "not usable as the name of a folder"),
    ],
)
def test_a_name_stands_in_for_no_spec_and_leaves_no_folder(name, said, tmp_path):
    import json

    path = tmp_path / "models.yaml"
    path.write_text(f"models: {{{json.dumps(name)}: {{spec: openai/m}}}}", encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        load_models(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: model {name[:100]!r}: ")
    assert line.isprintable()


def test_two_names_of_one_folder_are_refused(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models: {a b: {spec: openai/m}, A-b: {spec: openai/n}}")
    with pytest.raises(UsageError, match=r"models a b and A-b: both would run in the folder A-b"):
        load_models(path)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("insecure_http: true", "insecure_http: no file can say this; give --insecure-http"),
        ("concurrency: many", "concurrency: expected int, found 'many'"),
        ("requests_per_minute: [3]", "requests_per_minute: expected int or float, found"),
        ("price: 3", "price: expected str or dict, found 3"),
        ("timeout_s: -1", "model a: timeout -1"),
        ("structured: maybe", "model a: structured 'maybe'"),
        ("max_tokens: 1.5", "max_tokens: expected int, found 1.5"),
        ("max_tokens: true", "max_tokens: expected int, found True"),
        ("seed: 2026-01-01", "seed: expected int"),
    ],
)
def test_a_value_that_cannot_be_is_named_by_file_entry_and_field(entry, said, tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text(f"models: {{a: {{spec: openai/m, {entry}}}}}")
    with pytest.raises(UsageError) as caught:
        load_models(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: model a: ")


def test_on_and_off_mean_what_they_say(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models: {a: {spec: openai/m, structured: on}, off: {spec: openai/n}}")
    models = load_models(path)
    assert models["a"].settings["structured"] == "on"
    assert models["off"].spec == "openai/n"


# The command


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 4)


def vlsu(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "vlsu", *map(str, words)],
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_words(texts, model, *more):
    return ("run", "understanding", texts.path, "--modalities", "text", "--model", model, *more)


def test_a_file_in_the_working_directory_cannot_send_the_key_elsewhere(texts, tmp_path):
    with FaultServer(good) as server:
        entry = f"{{spec: openai/gpt-4o, base_url: '{server.base_url}'}}"
        (tmp_path / "models.yaml").write_text(f"models: {{openai/gpt-4o: {entry}}}")
        for more in (("--dry-run",), ()):
            done = vlsu(tmp_path, *run_words(texts, "openai/gpt-4o", "--out", "run", *more))
            assert done.returncode == 2
            [line] = done.stderr.splitlines()
            assert line.startswith(
                "error: models.yaml: model 'openai/gpt-4o': a name must not look"
            )
        assert server.heads == []


@pytest.mark.parametrize("more", [("--dry-run", "--json"), ("--json",)])
def test_the_file_and_the_host_that_the_key_goes_to_are_named(more, texts, tmp_path):
    with FaultServer(good) as server:
        address = server.base_url.split("/")[2]
        url = f"http://user:pa55word@{address}/v1"
        (tmp_path / "models.yaml").write_text(
            f"models: {{mine: {{spec: openai/m, base_url: '{url}'}}}}"
        )
        done = vlsu(tmp_path, *run_words(texts, "mine", "--out", "run", *more))
    assert done.returncode == 0, done.stderr
    asked = "would be asked at" if "--dry-run" in more else "asked at"
    assert (
        f"mine (models.yaml): openai/m, {asked} http://{address}, with the API key\n" in done.stderr
    )
    files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "models.yaml"]
    for text in (done.stdout, done.stderr, *(each.decode(errors="replace") for each in files)):
        assert "pa55word" not in text
        assert KEY not in text


@pytest.mark.parametrize("more", [("--dry-run",), ()])
def test_a_key_in_the_clear_is_refused_before_anything_is_asked(more, texts, tmp_path):
    words = run_words(texts, "openai/m", "--base-url", "http://203.0.113.9/v1", "--out", "run")
    done = vlsu(tmp_path, *words, *more)
    assert done.returncode == 2
    assert done.stderr == (
        "error: openai/m: the key would go over plain HTTP, readable on the way: 203.0.113.9 is no "
        "private or loopback address; use an https address, or --insecure-http\n"
    )
    assert not (tmp_path / "run").exists()
    allowed = vlsu(tmp_path, *words, "--insecure-http", "--dry-run")
    assert allowed.returncode == 0, allowed.stderr
    assert "asked at http://203.0.113.9, with the API key" in allowed.stderr
