"""The token issuer: tokens that verify with the keys it serves, and only with those."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from local import run
from local.issuer import CLAIMS, make_issuer, new_key_pem, read_key, sign_token
from local.serving import serving


async def fetch_keys(base: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(base + "/keys") as answer:
        assert answer.status == 200
        keys = await answer.json()
        assert isinstance(keys, dict)
        return keys


def verify(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """As the app does: the key by its id, then everything that the token claims."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWKSet.from_dict(keys)[kid]
    return jwt.decode(token, key, algorithms=["RS256"], audience=CLAIMS["aud"], issuer=CLAIMS["iss"])


def test_a_token_verifies_with_the_served_keys(tmp_path: Path) -> None:
    async def serve_and_verify() -> dict[str, Any]:
        async with serving(make_issuer(tmp_path / "issuer.pem")) as base:
            token = sign_token(read_key(tmp_path / "issuer.pem"), ["Point.Read"], 60)
            return verify(token, await fetch_keys(base))

    claims = asyncio.run(serve_and_verify())
    assert claims["roles"] == ["Point.Read"]
    assert {name: claims[name] for name in CLAIMS} == CLAIMS
    assert 50 < claims["exp"] - time.time() <= 60


def test_only_the_public_half_is_served(tmp_path: Path) -> None:
    async def serve() -> dict[str, Any]:
        async with serving(make_issuer(tmp_path / "issuer.pem")) as base:
            return await fetch_keys(base)

    (key,) = asyncio.run(serve())["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg", "key_ops"}


def test_an_exchanged_key_is_served_at_once(tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"

    async def roll_over() -> None:
        async with serving(make_issuer(path)) as base:
            before = sign_token(read_key(path), ["Point.Admin"])
            path.write_bytes(new_key_pem())
            keys = await fetch_keys(base)
            assert verify(sign_token(read_key(path), ["Point.Admin"]), keys)["roles"] == ["Point.Admin"]
            with pytest.raises(KeyError):
                verify(before, keys)

    asyncio.run(roll_over())


def test_the_key_stays_the_same_from_start_to_start(tmp_path: Path) -> None:
    make_issuer(tmp_path / "issuer.pem")
    first = read_key(tmp_path / "issuer.pem").id
    make_issuer(tmp_path / "issuer.pem")
    assert read_key(tmp_path / "issuer.pem").id == first


def test_a_token_may_be_spent_from_the_start(tmp_path: Path) -> None:
    make_issuer(tmp_path / "issuer.pem")
    claims = jwt.decode(
        sign_token(read_key(tmp_path / "issuer.pem"), [], -60, oid="somebody"), options={"verify_signature": False}
    )
    assert claims["exp"] < time.time() - 50
    assert claims["nbf"] <= claims["exp"]
    assert (claims["roles"], claims["oid"]) == ([], "somebody")


def test_the_command_gives_the_roles_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STATE", tmp_path)
    make_issuer(tmp_path / "issuer.pem")
    claims = jwt.decode(run.make_token("Point.Read, Point.Publish", 60), options={"verify_signature": False})
    assert claims["roles"] == ["Point.Read", "Point.Publish"]
