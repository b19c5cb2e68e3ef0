"""The issuer's keys: fetched when they are needed, and not more often than that; nobody waits for long, and few do."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from doubles.key_server import KEY, OTHER_KEY, KeyServer, jwk, status, token
from shared.api.http import issuer_keys
from shared.settings import Settings


def test_keys_are_fetched_once_for_many_tokens(local: Settings, key_server: KeyServer) -> None:
    for _ in range(5):
        assert status(f"Bearer {token()}", local) == 200
    assert key_server.fetches == 1


def test_garbage_makes_no_one_ask_the_key_server(local: Settings, key_server: KeyServer) -> None:
    for bad in ("garbage", token(iss="https://evil.example/")):
        assert status(f"Bearer {bad}", local) == 401
    assert key_server.fetches == 0


def test_a_key_server_that_is_down_is_503_until_it_is_back(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    key_server.status = 500
    assert status(f"Bearer {token()}", local) == 503
    key_server.status = 200
    assert status(f"Bearer {token()}", local) == 200


def test_known_keys_serve_on_while_the_key_server_is_down(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(f"Bearer {token()}", local) == 200
    key_server.status = 500
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    monkeypatch.setattr(issuer_keys, "REFRESH_EVERY", 0.0)
    assert status(f"Bearer {token()}", local) == 200
    assert status(f"Bearer {token(kid='key-2')}", local) == 503
    assert key_server.fetches >= 2


def test_a_new_key_is_found_and_an_old_one_forgotten(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(f"Bearer {token()}", local) == 200
    key_server.keys = {"key-2": OTHER_KEY}
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    assert status(f"Bearer {token(OTHER_KEY, 'key-2')}", local) == 200
    assert status(f"Bearer {token()}", local) == 401


def test_unknown_keys_make_the_key_server_be_asked_once_in_a_while_only(local: Settings, key_server: KeyServer) -> None:
    for number in range(10):
        assert status(f"Bearer {token(kid=f'unknown-{number}')}", local) == 401
    assert key_server.fetches == 1


def test_a_key_server_that_is_down_is_asked_once_in_a_while_only(local: Settings, key_server: KeyServer) -> None:
    key_server.status = 500
    for _ in range(5):
        assert status(f"Bearer {token()}", local) == 503
    assert key_server.fetches == 1


def test_a_key_for_another_algorithm_is_not_used(local: Settings, key_server: KeyServer) -> None:
    key_server.keys = {}
    assert status(f"Bearer {token()}", local) == 503  # an empty set is no answer to rely on


SOON = 0.3


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "DEADLINE", SOON)


def hang(server: KeyServer) -> Iterator[bytes]:
    server.over.wait(60)
    yield from ()


def drip_headers(server: KeyServer) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while not server.over.wait(0.02):
        yield b"X-Drip: x\r\n"


def drip_body(server: KeyServer) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while not server.over.wait(0.02):
        yield b" "


def flood(server: KeyServer) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while not server.over.is_set():
        yield b" " * 65536


SLOW = pytest.mark.parametrize("script", [hang, drip_headers, drip_body, flood], ids=lambda script: script.__name__)


@SLOW
def test_a_key_server_that_is_slow_in_any_way_is_503_in_time(
    script: Callable[[KeyServer], Iterator[bytes]], local: Settings, key_server: KeyServer, hurry: None
) -> None:
    """A server that dripped was waited for without an end, and so was every caller behind the first."""
    key_server.script = script
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: status(f"Bearer {token()}", local), range(8))) == {503}
    assert time.monotonic() - began < SOON + 2
    assert key_server.fetches == 1


@SLOW
def test_a_key_server_that_is_slow_in_any_way_is_asked_again_later(
    script: Callable[[KeyServer], Iterator[bytes]],
    local: Settings,
    key_server: KeyServer,
    hurry: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    key_server.script = script
    assert status(f"Bearer {token()}", local) == 503
    key_server.script = None
    monkeypatch.setattr(issuer_keys, "DEADLINE", 5.0)
    assert status(f"Bearer {token()}", local) == 200


def test_unknown_keys_hold_few_threads_while_others_are_known(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each held a thread of the worker for five seconds, until callers whose keys were known found none."""
    assert status(f"Bearer {token()}", local) == 200
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    key_server.script = hang
    refused: list[float] = []

    def ask(number: int) -> None:
        began = time.monotonic()
        assert status(f"Bearer {token(kid=f'unknown-{number}')}", local) == 503
        refused.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    assert status(f"Bearer {token()}", local) == 200
    key_server.over.set()
    for thread in threads:
        thread.join(30)
    at_once = sorted(refused)[: 20 - issuer_keys.MOST_WAITING]
    assert len(refused) == 20
    assert at_once[-1] < 3  # not at the deadline


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"keys"',
        b"{}",
        b'{"keys": null}',
        b'{"keys": {"kid": "key-1"}}',
        b'{"keys": [null, 5, "x", [], {}]}',
        b'{"keys": [{"kid": ["key-1"], "kty": "RSA"}]}',
        b'{"keys": [{"kid": "key-1", "kty": "RSA", "n": 5, "e": []}]}',
        b'{"keys": [{"kid": "key-1", "kty": "RSA", "n": "AA", "e": "AQAB"}]}',
        b'{"keys": [{"kid": "key-1", "kty": "RSA", "n": "", "e": ""}]}',
        b'{"keys": [{"kid": "key-1", "kty": "oct", "k": "AAAA"}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"<html>sign in</html>",
    ],
    ids=lambda document: str(document[:30]),
)
def test_what_is_no_set_of_keys_is_503(document: bytes, local: Settings, key_server: KeyServer) -> None:
    key_server.body = document
    assert status(f"Bearer {token()}", local) == 503


def test_odd_keys_stand_in_the_way_of_no_other() -> None:
    odd: list[Any] = [None, [], {"kid": "a"}, jwk("b", OTHER_KEY) | {"n": 1}, jwk("c", OTHER_KEY) | {"alg": "PS256"}]
    assert issuer_keys.read_keys({"keys": [*odd, jwk("key-1", KEY)]}).keys() == {"key-1"}
    assert issuer_keys.read_keys({"keys": [jwk("key-1", KEY) | {"alg": "RS256"}, *odd]}).keys() == {"key-1"}


def test_a_set_that_cannot_be_used_takes_no_known_key_away(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(f"Bearer {token()}", local) == 200
    monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)
    key_server.body = b"{}"
    assert status(f"Bearer {token(kid='key-2')}", local) == 503
    assert status(f"Bearer {token()}", local) == 200
