"""Signing in at the local issuer: as Microsoft Entra does it, for consoles on this machine and nobody else."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from local import signin
from local.issuer import CLAIMS, make_issuer, read_key
from local.serving import serving
from shared.api.http.auth import Role

CONSOLE = "http://127.0.0.1:7071/console/"
VERIFIER = secrets.token_urlsafe(40)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Browser:
    """Somebody at the issuer whose key is in `key_file`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key_file: Path) -> None:
        self._session, self._url, self._key_file = session, url, key_file

    async def authorize(self, **changes: str) -> aiohttp.ClientResponse:
        asked = {"redirect_uri": CONSOLE, "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        asked |= {"state": "as-it-was", "nonce": "once", "login_hint": "Point.Read", **changes}
        return await self._session.get(f"{self._url}/authorize", params=asked, allow_redirects=False)

    async def code(self, **changes: str) -> str:
        answer = await self.authorize(**changes)
        assert answer.status == 302
        given = parse_qs(urlsplit(answer.headers["Location"]).fragment)
        assert given["state"] == ["as-it-was"]
        return given["code"][0]

    async def token(self, **form: str) -> tuple[int, dict[str, Any], str | None]:
        headers = {"Origin": form.pop("origin", "http://127.0.0.1:7071")}
        answer = await self._session.post(f"{self._url}/token", data=form, headers=headers)
        return answer.status, await answer.json(), answer.headers.get("Access-Control-Allow-Origin")

    async def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any], str | None]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CONSOLE, "code_verifier": VERIFIER}
        return await self.token(**{**form, **changes})

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        key = read_key(self._key_file).private.public_key()
        found: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=audience)
        return found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "issuer.pem"


async def browsing(key_file: Path) -> AsyncIterator[Browser]:
    async with serving(make_issuer(key_file)) as url, aiohttp.ClientSession() as session:
        yield Browser(session, url, key_file)


def run(key_file: Path, story: Any) -> None:
    async def told() -> None:
        async for browser in browsing(key_file):
            await story(browser)

    asyncio.run(told())


def test_a_code_is_redeemed_once_for_tokens_with_the_roles(key_file: Path) -> None:
    async def story(browser: Browser) -> None:
        code = await browser.code(login_hint="Point.Read+Point.Publish")
        status, tokens, allowed = await browser.redeem(code)
        assert (status, allowed) == (200, "http://127.0.0.1:7071")
        access = browser.claims(tokens["access_token"], CLAIMS["aud"])
        assert (access["roles"], access["scp"]) == (["Point.Read", "Point.Publish"], "user_impersonation")
        shown = browser.claims(tokens["id_token"], CLAIMS["azp"])
        assert (shown["nonce"], shown["oid"], shown["name"]) == ("once", access["oid"], "Read and Publish (local)")
        assert (await browser.redeem(code))[0] == 400

    run(key_file, story)


def test_one_can_sign_in_with_every_role_there_is() -> None:
    assert sorted(signin.ROLES) == sorted(Role)


@pytest.mark.parametrize("wrong", [{"code_verifier": "another"}, {"redirect_uri": "http://127.0.0.1:1/console/"}])
def test_a_code_is_of_no_use_to_who_did_not_ask_for_it(key_file: Path, wrong: dict[str, str]) -> None:
    async def story(browser: Browser) -> None:
        status, told, _ = await browser.redeem(await browser.code(), **wrong)
        assert (status, told) == (400, {"error": "invalid_grant"})

    run(key_file, story)


def test_a_code_does_not_last(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(browser: Browser) -> None:
        code = await browser.code()
        later = time.monotonic() + signin.CODE_SECONDS + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert (await browser.redeem(code))[0] == 400

    run(key_file, story)


def test_a_refresh_token_gives_the_same_person_another_token(key_file: Path) -> None:
    async def story(browser: Browser) -> None:
        _, first, _ = await browser.redeem(await browser.code(login_hint="Point.Subscribe;60"))
        assert first["expires_in"] == 60
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        status, second, _ = await browser.token(**form)
        one, other = (browser.claims(each["access_token"], CLAIMS["aud"])["oid"] for each in (first, second))
        assert (status, one) == (200, other)
        assert one not in (signin.ADMIN_OBJECT, CLAIMS["azp"])
        assert (await browser.token(grant_type="refresh_token", refresh_token="made-up"))[0] == 400

    run(key_file, story)


@pytest.mark.parametrize(
    "uri",
    [
        *("https://evil.example/console/", "http://evil.example/console/", "http://127.0.0.1.evil.example/console/"),
        *("http://127.0.0.1:7071/console/../x", "http://127.0.0.1:7071/", "javascript:alert(1)", ""),
    ],
)
def test_nobody_is_sent_anywhere_but_to_a_console_on_this_machine(key_file: Path, uri: str) -> None:
    async def story(browser: Browser) -> None:
        assert (await browser.authorize(redirect_uri=uri)).status == 400

    run(key_file, story)


def test_other_origins_may_not_read_tokens(key_file: Path) -> None:
    async def story(browser: Browser) -> None:
        _, _, allowed = await browser.redeem(await browser.code(), origin="https://evil.example")
        assert allowed is None
        assert (await browser.authorize(code_challenge_method="plain")).status == 400

    run(key_file, story)
