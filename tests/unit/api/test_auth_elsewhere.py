"""A token cannot send the app elsewhere for its keys, and a key server that hangs slows nobody whose key is known."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from doubles.key_server import KEY, LEAST, OTHER_KEY, KeyServer, jwk, status, token
from doubles.receivers import LOOPBACK
from shared.api.http import issuer_keys
from shared.settings import Settings, read_settings


def serving(server: KeyServer) -> Iterator[KeyServer]:
    with server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def issuer() -> Iterator[KeyServer]:
    yield from serving(KeyServer())


@pytest.fixture
def attacker() -> Iterator[KeyServer]:
    """A key server like the issuer's, with the attacker's key under the same name."""
    server = KeyServer()
    server.keys = {"key-1": OTHER_KEY}
    yield from serving(server)


@pytest.fixture
def settings(issuer: KeyServer) -> Settings:
    return read_settings(LEAST | {"DANGEROUS_TRUST_LOCAL_ISSUER": issuer.url})


def forged(**header: Any) -> str:
    """Today's good claims, signed by the attacker, whose header says where the key is."""
    claims = jwt.decode(token(), options={"verify_signature": False})
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": "key-1", **header})


def test_a_token_cannot_bring_its_own_key(settings: Settings, issuer: KeyServer, attacker: KeyServer) -> None:
    elsewhere = f"{attacker.url}/keys"
    headers: list[dict[str, Any]] = [
        {"jku": elsewhere},
        {"x5u": elsewhere},
        {"jwk": jwk("key-1", OTHER_KEY)},
        {"x5c": [base64.b64encode(b"certificate").decode()]},
        {"kid": elsewhere},
        {"kid": "../../keys"},
        {"kid": f"{issuer.url}/keys#key-1"},
        {"kid": "key-1\x00"},
        {"crit": ["jku"], "jku": elsewhere},
    ]
    for header in headers:
        assert status(f"Bearer {forged(**header)}", settings) == 401, header
    assert attacker.fetches == 0
    assert issuer.fetches == 1
    assert status(f"Bearer {token()}", settings) == 200


def test_a_good_token_with_such_headers_counts_by_its_signature(settings: Settings, attacker: KeyServer) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    headers = {"kid": "key-1", "jku": f"{attacker.url}/keys", "x5u": f"{attacker.url}/keys"}
    assert status(f"Bearer {jwt.encode(claims, KEY, algorithm='RS256', headers=headers)}", settings) == 200
    assert attacker.fetches == 0


@pytest.mark.parametrize("kid", [["key-1"], {"key-1": 1}, 1, None])
def test_a_key_name_that_is_no_text_is_401(settings: Settings, kid: object) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    payload = token().split(".")[1]
    assert status(f"Bearer {part({'alg': 'RS256', 'kid': kid})}.{payload}.c2ln", settings) == 401


def test_a_huge_token_is_401_and_quickly(settings: Settings, issuer: KeyServer) -> None:
    began = time.monotonic()
    for huge in ("a" * 2**16, "." * 2**16, "e30." * 2**14, forged(kid="k" * 2**16), forged(x5c=["x" * 2**16])):
        assert status(f"Bearer {huge}", settings) == 401
    assert time.monotonic() - began < 2
    assert issuer.fetches <= 1


def test_a_hung_key_server_slows_nobody_whose_key_is_known(
    settings: Settings, issuer: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour after the last fetch every caller waited, one behind the other, until the key server timed out."""
    assert status(f"Bearer {token()}", settings) == 200
    with socket.create_server((LOOPBACK, 0)) as hung:
        url = f"http://{LOOPBACK}:{hung.getsockname()[1]}/keys"
        monkeypatch.setattr(issuer_keys.keys_at(f"{issuer.url}/keys"), "_url", url)
        monkeypatch.setattr(issuer_keys, "DEADLINE", 1.0)
        monkeypatch.setattr(issuer_keys, "REFRESH_EVERY", 0.0)
        monkeypatch.setattr(issuer_keys, "REFRESH_COOLDOWN", 0.0)

        def seconds(_: int) -> float:
            began = time.monotonic()
            assert status(f"Bearer {token()}", settings) == 200
            return time.monotonic() - began

        with ThreadPoolExecutor(4) as threads:
            assert max(threads.map(seconds, range(8))) < 0.5
