"""A credential that a server repeats, in whatever form, is in none of a run's files."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import completion
from tests.support.fault_server import (
    FaultServer,
    ask_and_judge,
    good,
    reply,
    run_command,
    text_dataset,
)
from vlsu.models.http.redaction import Redaction, secrets_of_url

pytestmark = pytest.mark.slow

KEY = "sk-Proj-0123456789/ab+cDEFGhijklmnopqrstuv=="


def numbered(form: str, text: str = KEY) -> str:
    return "".join(form.format(ord(c)) for c in text)


def in_base64(text: str, encode=base64.b64encode) -> str:
    return encode(text.encode()).decode()


#: Name -> how a server may write the key.
SPELLINGS = {
    "as it is": KEY,
    "a header": f"Authorization: Bearer {KEY}",
    "JSON": json.dumps(KEY)[1:-1],
    "JSON with escaped slashes": KEY.replace("/", r"\/"),
    "JSON, every character by number": numbered("\\u{:04x}"),
    "JSON, some by number in capitals": numbered("\\u{:04X}", KEY[:20]) + KEY[20:],
    "JSON within JSON": json.dumps(json.dumps({"k": numbered("\\u{:04x}")}))[1:-1],
    "percent": quote(KEY, safe=""),
    "percent of a form": quote_plus(KEY),
    "percent, every character": numbered("%{:02X}"),
    "percent, twice": quote(quote(KEY, safe=""), safe=""),
    "HTML": numbered("&#{};"),
    "HTML, hexadecimal": numbered("&#x{:x};"),
    "hexadecimal": KEY.encode().hex(),
    "hexadecimal capitals": KEY.encode().hex().upper(),
    **{f"base64 after {n}": in_base64("x" * n + KEY) for n in range(4)},
    **{f"base64 before {n}": in_base64(KEY + "x" * n) for n in range(4)},
    "base64 of a header": in_base64(f"user:{KEY}"),
    "base64 in JSON": in_base64(f"user:{KEY}").replace("/", r"\/"),
    "base64 in a URL": quote(in_base64(KEY), safe=""),
    "base64 for URLs": in_base64(f"key {KEY} end", base64.urlsafe_b64encode),
}


def holds_key(data: bytes) -> list[str]:
    """The forms in which bytes hold the key, as far as it can be told from them."""
    plain = KEY.encode()
    found = {
        "as it is": plain[:14].lower() in data.lower(),
        "UTF-16": KEY.encode("utf-16-le") in data,
        "hexadecimal": plain.hex().encode() in data.lower(),
        "base64": any(SPELLINGS[f"base64 after {n}"][8:32].encode() in data for n in range(3)),
        "numbers": any(
            numbered(f)[:60].encode() in data for f in ("\\u{:04x}", "%{:02X}", "&#{};")
        ),
        "percent": quote(KEY, safe="").encode() in data,
    }
    return [form for form, there in found.items() if there]


def files_with_key(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and holds_key(p.read_bytes())]


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_key_is_taken_out_in_every_spelling(spelling, answer):
    data = f'{{"said": "{SPELLINGS[spelling]}"}}'.encode()
    redacted = Redaction([KEY]).bytes(data, answer=answer)
    assert b"***" in redacted
    assert holds_key(redacted) == []
    assert len(redacted) < 90


def test_the_key_is_taken_out_of_utf_16():
    data = json.dumps({"k": KEY}).encode("utf-16-le")
    assert Redaction([KEY]).bytes(data).decode("utf-16-le") == '{"k": "***"}'


def test_a_beginning_of_the_key_is_taken_out_of_an_error():
    """As a message holds it that was cut after so many characters."""
    redaction = Redaction([KEY])
    assert redaction.bytes(f"bad header ({KEY[:20]})".encode()) == b"bad header (***)"
    assert redaction.bytes(f"({KEY.lower()}, {KEY[:30].upper()})".encode()) == b"(***, ***)"
    assert redaction.bytes(b"keys begin with sk-Proj-") == b"keys begin with sk-Proj-"


def test_a_word_that_serves_as_a_key_is_left_in_answers():
    for key in ("EMPTY", "borderline", "token", "harmless"):
        body = f'{{"severity": "{key}"}}'.encode()
        assert Redaction([key]).bytes(body, answer=True) == body
        assert key.encode() not in Redaction([key]).bytes(body)
    assert Redaction(["token-abc123"]).bytes(b"token-abc123!", answer=True) == b"***!"
    assert Redaction(["", "k", "abc"]).bytes(b"abc k") == b"abc k"


def test_credentials_in_an_address_are_credentials():
    url = "http://user:hunter-2222@h/v1?api-key=0123456789abcdef&api-version=2024-10-21"
    assert secrets_of_url(url) == ["hunter-2222", "0123456789abcdef"]
    assert secrets_of_url(None) == secrets_of_url("http://[") == []


@given(st.text(min_size=4, max_size=40), st.binary(max_size=50), st.binary(max_size=50))
def test_any_key_is_taken_out_of_any_bytes(key, before, after):
    redacted = Redaction([key]).bytes(before + key.encode("utf-8", "replace") + after)
    assert key.encode("utf-8", "replace") not in redacted or set(key) <= set("*")


@given(st.binary(max_size=300))
def test_bytes_without_the_key_stay_as_they_are(data):
    assert Redaction([KEY]).bytes(data, answer=True) == data


# A whole run


def error_with(spelling: str, status: int = 400):
    return reply(status, f'{{"error": {{"message": "no: {SPELLINGS[spelling]}"}}}}'.encode())


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", len(SPELLINGS) + 8)


def test_a_run_in_which_every_spelling_is_echoed_holds_the_key_nowhere(
    texts, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    names = list(SPELLINGS)

    def respond(asked):
        number = int(asked.words.partition("words ")[2].split()[0])
        if number >= len(names):
            return good(asked)
        if number % 2:
            return error_with(names[number])
        said = json.dumps(completion("SAID")).replace("SAID", f"{SPELLINGS[names[number]]} safe")
        return reply(200, said.encode())

    with FaultServer(respond) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run")
    assert result.judgments.height == len(SPELLINGS) + 8
    assert result.errors["bad-request"] > 5
    assert files_with_key(tmp_path / "run") == []
    assert result.judgments["answer"].drop_nulls().str.contains("***", literal=True).sum() > 5


@pytest.mark.parametrize(
    "spelling", ["as it is", "JSON, every character by number", "base64 of a header"]
)
def test_a_command_that_ends_with_the_servers_words_prints_no_key(spelling, texts, tmp_path):
    with FaultServer(lambda asked: error_with(spelling, 401)) as server:
        environment = {**os.environ, "OPENAI_API_KEY": KEY}
        process = run_command(texts, server.base_url, tmp_path / "run", env=environment)
        out, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "HTTP 401: no: " in said
    assert holds_key((out + said).encode()) == []
    assert files_with_key(tmp_path / "run") == []


async def _headers_and_status_line(writer):
    """The key in the status line and in every header that is looked at, cut as well."""
    lines = [
        f"HTTP/1.1 500 {KEY}",
        f"Retry-After: {KEY}",
        f"X-RateLimit-Reset-Requests: {KEY}",
        f"Location: http://127.0.0.1/{KEY}",
        f"Content-Encoding: {KEY}",
        "Content-Length: 2",
    ]
    writer.write("\r\n".join([*lines, "", "{}"]).encode())


def test_a_key_in_a_status_line_and_in_headers_is_nowhere(client, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def respond(asked):
        return _headers_and_status_line if "words 3 " in asked.words else good(asked)

    with FaultServer(respond) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run")
    assert result.outcomes["error"] == 1
    assert files_with_key(tmp_path / "run") == []


def test_an_answer_put_together_from_parts_does_not_hold_the_key(texts, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    parts = [{"type": "text", "text": KEY[:11]}, {"type": "text", "text": KEY[11:]}]
    body = json.dumps(completion(parts)).encode()
    with FaultServer(lambda asked: reply(200, body)) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run")
    assert set(result.judgments["answer"]) == {"***"}
