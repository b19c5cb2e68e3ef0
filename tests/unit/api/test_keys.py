"""The issuer's keys: fetched when they are needed, and not more often than that."""

import pytest

from doubles.key_server import OTHER_KEY, KeyServer, status, token
from shared.api.http import auth
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
    monkeypatch.setattr(auth, "_REFRESH_COOLDOWN", 0.0)
    key_server.status = 500
    assert status(f"Bearer {token()}", local) == 503
    key_server.status = 200
    assert status(f"Bearer {token()}", local) == 200


def test_known_keys_serve_on_while_the_key_server_is_down(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(f"Bearer {token()}", local) == 200
    key_server.status = 500
    monkeypatch.setattr(auth, "_REFRESH_COOLDOWN", 0.0)
    monkeypatch.setattr(auth, "_REFRESH_EVERY", 0.0)
    assert status(f"Bearer {token()}", local) == 200
    assert status(f"Bearer {token(kid='key-2')}", local) == 503
    assert key_server.fetches >= 2


def test_a_new_key_is_found_and_an_old_one_forgotten(
    local: Settings, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(f"Bearer {token()}", local) == 200
    key_server.keys = {"key-2": OTHER_KEY}
    monkeypatch.setattr(auth, "_REFRESH_COOLDOWN", 0.0)
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
