"""The receiver: its answers by path, and that it tells what it could verify."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from signed_delivery import BODY, KEY, KEYS, signed
from yarl import URL

from local.client import Api
from local.issuer import make_issuer
from local.receiver import MOST_KEPT, Received, Receiver
from local.serving import serving
from local.verification import Keys, Verifier


@dataclass
class App:
    """Stands in for the app: it gives out the keys of the endpoints registered with it."""

    keys: Keys = KEYS
    endpoints: list[str] = field(default_factory=list)
    asked: int = 0

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1.0/webhooks/endpoints", self._answer(self._list))
        app.router.add_get("/v1.0/webhooks/endpoints/{id}/secret", self._answer(lambda: {"secret": self.keys.secret}))
        app.router.add_get(
            "/v1.0/options", self._answer(lambda: {"webhooksSignatureAuthenticationKey": self.keys.signature_key})
        )
        return app

    def _list(self) -> list[dict[str, str]]:
        self.asked += 1
        return [{"id": str(number), "endpoint": url, "format": "point"} for number, url in enumerate(self.endpoints)]

    def _answer(self, value: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            assert request.headers["Authorization"].startswith("Bearer ")
            return web.json_response(value())

        return answer


@dataclass
class Scene:
    """A receiver and the app that it asks."""

    app: App
    receiver: Receiver
    base: str
    received: list[Received]

    async def post(self, path: str, body: bytes = BODY, headers: dict[str, str] | None = None) -> int:
        sent = headers or signed(body)
        async with (
            aiohttp.ClientSession() as session,
            session.post(URL(self.base + path, encoded=True), data=body, headers=sent) as answer,
        ):
            return answer.status


def play(scene: Callable[[Scene], Awaitable[None]], tmp_path: Path) -> None:
    """Run `scene` with everything set up."""

    async def run() -> None:
        make_issuer(tmp_path / "issuer.pem")
        app, received = App(), list[Received]()
        async with serving(app.application()) as app_url, Api(app_url, tmp_path / "issuer.pem") as api:
            receiver = Receiver(Verifier(api), received.append)
            async with serving(receiver.application()) as base:
                await scene(Scene(app, receiver, base, received))

    asyncio.run(run())


def test_answers_as_its_path_says(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        expected = {"/ok": 200, "/fail": 500, "/gone": 410, "/status/429": 429, "/status/99": 404, "/other": 404}
        assert {path: await at.post(path) for path in expected} == expected
        assert await at.post("/slow?seconds=0") == 200

    play(scene, tmp_path)


def test_flaky_fails_so_many_times_for_each_key(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        other = {**signed(BODY), "webhook-id": "another"}
        assert [await at.post("/flaky?times=2") for _ in range(3)] == [500, 500, 200]
        assert [await at.post("/flaky?times=2", headers=other) for _ in range(3)] == [500, 500, 200]
        assert [(it.key, it.attempt) for it in at.received[2:4]] == [(KEY, 3), ("another", 1)]

    play(scene, tmp_path)


def test_a_path_can_be_made_well(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        assert await at.post("/fail") == 500
        at.receiver.well.add("/fail")
        assert await at.post("/fail") == 200

    play(scene, tmp_path)


def test_says_that_a_delivery_verifies(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        at.app.endpoints.append(at.base + "/status/202?code=a%2Fb&sig=%7e")
        await at.post("/status/202?code=a%2Fb&sig=%7e")
        (received,) = at.received
        assert received.faults == ()
        assert received.body == BODY
        assert received.line() == (
            f"receiver: ✓ verified · ProvisioningStarted · key {KEY} · attempt 1 · /status/202 → 202"
        )

    play(scene, tmp_path)


def test_says_what_is_wrong_with_a_forged_one(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        at.app.endpoints.append(at.base + "/ok")
        await at.post("/ok", headers={**signed(BODY), "Signature": base64.b64encode(bytes(32)).decode()})
        assert at.received[0].faults == ("Signature does not match the body",)
        assert "✗ Signature does not match the body" in at.received[0].line()

    play(scene, tmp_path)


def test_a_delivery_to_nobody_known_is_not_verified(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        await at.post("/ok")
        assert "no endpoint is registered as" in at.received[0].faults[0]

    play(scene, tmp_path)


def test_shows_the_newest_that_it_got(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        at.app.endpoints.append(at.base + "/ok")
        for _ in range(MOST_KEPT + 1):
            await at.post("/ok")
        await at.post("/status/503", b"plain")
        async with aiohttp.ClientSession() as session, session.get(at.base + "/received") as answer:
            text = await answer.text()
        shown = json.loads(text)["value"]
        assert len(shown) == MOST_KEPT
        assert (shown[0]["path"], shown[0]["answered"], shown[0]["body"]) == ("/status/503", 503, "plain")
        assert not shown[0]["verified"]
        assert [each["attempt"] for each in shown[1:3]] == [MOST_KEPT + 1, MOST_KEPT], "the newest first"
        assert shown[1]["headers"]["webhook-id"] == KEY
        assert shown[1]["body"] == json.loads(BODY)
        assert '\n      "path": ' in text, "to be read by people"

    play(scene, tmp_path)


def test_rotated_keys_are_asked_for_again(tmp_path: Path) -> None:
    async def scene(at: Scene) -> None:
        at.app.endpoints.append(at.base + "/ok")
        await at.post("/ok")
        await at.post("/ok")
        assert at.app.asked == 1
        at.app.keys = Keys("11111111-0000-4000-8000-000000000000", KEYS.secret)
        await at.post("/ok", headers=signed(BODY, at.app.keys))
        assert [it.faults for it in at.received] == [(), (), ()]
        assert at.app.asked == 2

    play(scene, tmp_path)
