"""The endpoint's side of a conversation: busy, slow, long, wrong, or right."""

import time
from contextlib import ExitStack

import pytest
from support.endpoints import completion, played

from windowshop.errors import ConfigError, DataError
from windowshop.evaluation.judge import endpoint
from windowshop.evaluation.judge.endpoint import Chat, check_endpoint

KEY = "sk-not-for-any-file"


@pytest.mark.parametrize(
    ("url", "model", "told"),
    [
        ("ftp://x", "m", "no address"),
        ("https://", "m", "no address"),
        ("http://models.example", "m", "neither HTTPS nor on this machine"),
        ("http://127.0.0.1.example", "m", "neither HTTPS"),
        ("http://10.0.0.1/v1", "m", "neither HTTPS"),
        ("https://models.example", "", "--model NAME"),
        ("https://[::1", "m", "no address"),
        ("https://a.example:x", "m", "no address"),
        (f"https://me:{KEY}@a.example/v1", "m", "with a user"),
        (f"https://{KEY}@a.example/v1", "m", "with a user"),
        (f"https://a.example/v1?key={KEY}", "m", r"a \?"),
    ],
)
def test_what_is_no_safe_address_is_refused(url, model, told):
    with pytest.raises(ConfigError, match=told) as raised:
        check_endpoint(url, model)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://[::1]:1", "https://a.example"])
def test_https_and_this_machine_are_addresses(url):
    check_endpoint(url, "m")


@pytest.mark.parametrize("url", ["https://256.0.0.1", "https://a.example/\n"])
def test_an_address_that_the_client_cannot_read_is_named(url):
    with pytest.raises(ConfigError, match="is no address"):
        Chat(url, "m")


@pytest.fixture
def chat_of():
    """Opens a conversation with an endpoint that replies so; waits are noted and not waited."""
    with ExitStack() as stack:

        def open_chat(reply):
            url, seen = stack.enter_context(played(reply))
            waits = []
            return stack.enter_context(Chat(url, "small", waits.append)), seen, waits

        yield open_chat


def always(status, content=b"", **headers):
    return lambda asked, place: (status, content, headers)


def test_an_answer_is_its_text(chat_of, monkeypatch):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, KEY)
    chat, seen, _ = chat_of(always(200, completion("yes")))
    assert chat.ask("be brief", "well?", temperature=0) == "yes"
    path, key, body = seen[0]
    assert (path, key) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body["temperature"] == 0
    assert [m["role"] for m in body["messages"]] == ["system", "user"]


def test_a_busy_endpoint_is_asked_again_when_it_says(chat_of):
    after = [(429, b"", {"Retry-After": "7"}), (503, b"", {}), (429, b"", {"Retry-After": "999"})]

    def reply(asked, place):
        return after[place] if place < 3 else (200, completion("yes"), {})

    chat, seen, waits = chat_of(reply)
    assert chat.ask("well?") == "yes"
    assert waits == [7, 2, endpoint.MAX_WAIT_S]
    assert len(seen) == 4


def test_an_endpoint_that_stays_busy_is_given_up(chat_of):
    chat, seen, waits = chat_of(always(429))
    with pytest.raises(DataError, match="status 429"):
        chat.ask("well?")
    assert len(seen) == endpoint.TRIES
    assert waits == [1, 2, 4]


def test_a_refusal_is_not_asked_again_and_the_key_is_not_told(chat_of, monkeypatch):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, KEY)
    chat, seen, _ = chat_of(always(401, b"no"))
    with pytest.raises(DataError, match="status 401") as raised:
        chat.ask("well?")
    assert len(seen) == 1
    assert KEY not in str(raised.value)


def test_the_end_of_a_line_is_no_part_of_the_key(chat_of, monkeypatch):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, f" {KEY}\r\n")
    chat, seen, _ = chat_of(always(200, completion("yes")))
    assert chat.ask("well?") == "yes"
    assert seen[0][1] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [f"{KEY}\r\nX: y", f"{KEY}\u00e9"])
def test_a_key_that_no_header_can_hold_is_not_told(monkeypatch, key):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, key)
    with pytest.raises(ConfigError, match=endpoint.KEY_VARIABLE) as raised:
        Chat("https://models.example", "m")
    assert KEY not in str(raised.value)


def test_a_redirect_does_not_get_the_key(chat_of, monkeypatch):
    monkeypatch.setenv(endpoint.KEY_VARIABLE, KEY)
    with played(always(200, completion("yes"))) as (other, elsewhere):
        chat, _, _ = chat_of(always(307, Location=f"{other}/chat/completions"))
        with pytest.raises(DataError, match="status 307"):
            chat.ask("well?")
    assert elsewhere == []


def test_a_slow_endpoint_is_given_up(chat_of, monkeypatch):
    monkeypatch.setattr(endpoint, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(endpoint, "TRIES", 2)

    def reply(asked, place):
        time.sleep(0.3)
        return 200, completion("yes"), {}

    chat, seen, _ = chat_of(reply)
    with pytest.raises(DataError, match="no usable answer"):
        chat.ask("well?")
    assert len(seen) == 2


def test_a_long_answer_is_not_read(chat_of, monkeypatch):
    monkeypatch.setattr(endpoint, "MAX_ANSWER", 1000)
    chat, _, _ = chat_of(always(200, completion("x" * 2000)))
    with pytest.raises(DataError, match="over 1,000 bytes"):
        chat.ask("well?")


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"choices": []}', b"[1]"])
def test_an_answer_of_another_form_is_named(chat_of, body):
    chat, _, _ = chat_of(always(200, body))
    with pytest.raises(DataError, match="not that of a chat completion"):
        chat.ask("well?")


def test_a_host_that_no_server_can_have_is_named():
    says = r"https://a\.\.example: no usable answer"
    with (
        Chat("https://a..example", "m", lambda s: None) as chat,
        pytest.raises(DataError, match=says),
    ):
        chat.ask("well?")


def test_an_answer_that_cannot_be_unpacked_is_named(chat_of):
    chat, _, waits = chat_of(always(200, b"no gzip", **{"Content-Encoding": "gzip"}))
    with pytest.raises(DataError, match=r"no usable answer \(.*incorrect header check"):
        chat.ask("well?")
    assert len(waits) == endpoint.TRIES - 1


def test_nobody_there_is_named():
    with played(always(200)) as (url, _):
        pass
    with Chat(url, "m", lambda seconds: None) as chat, pytest.raises(DataError, match=url):
        chat.ask("well?")
