"""The API as its callers use it; what holds for every answer is checked at every answer."""

import json
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from doubles.hooks import MARK
from local.issuer import SigningKey, sign_token

ENDPOINTS = "/v1.0/webhooks/endpoints"
DELIVERIES = "/v1.0/webhooks/deliveries"
T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """A caller with an administrator's token, unless told otherwise."""

    def __init__(self, base: str, key: SigningKey) -> None:
        self.base = base
        self.key = key
        self._token = sign_token(key, ["Point.Admin"])
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = 200,
        data: bytes | str | None = None,
        roles: Sequence[str] | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> Reply:
        """One request with `body` as JSON, or `data` as it is; a header given as None is not sent."""
        token = self._token if roles is None else sign_token(self.key, roles)
        sent: dict[str, Any] = {"Authorization": f"Bearer {token}"}
        if body is not None or data is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        payload = json.dumps(body) if body is not None else data
        payload = payload.encode() if isinstance(payload, str) else payload
        answer = self._session.request(
            method, self.base + path, data=payload, headers=sent, timeout=60, allow_redirects=False
        )
        reply = Reply(answer.status_code, answer.headers, answer.content.decode())
        assert reply.status == expect, f"{method} {path} answered {reply.status}: {reply.text[:2000]}"
        _check(reply)
        return reply

    def register(self, url: str, *types: str, **more: Any) -> Json:
        """The endpoint, as the API answers it."""
        body = {"endpoint": url, "types": list(types) or ["*"], **more}
        endpoint: Json = self.call("POST", ENDPOINTS, body, headers={"Prefer": "return=representation"}).json
        return endpoint

    def publish(self, event: Any, *, expect: int = 202, **headers: str) -> Any:
        return self.call("POST", "/v1.0/events", event, expect=expect, headers={**headers}).json

    def event(self, key: str) -> Json:
        event: Json = self.call("GET", f"/v1.0/events/{key}").json
        return event

    def delivery_id(self, key: str, endpoint: Json) -> str:
        """Of the event with this key to this endpoint."""
        found = [each["id"] for each in self.event(key)["deliveries"] if each["endpointId"] == endpoint["id"]]
        assert len(found) == 1, found
        return str(found[0])

    def delivery(self, delivery_id: str) -> Json:
        delivery: Json = self.call("GET", f"{DELIVERIES}/{delivery_id}").json
        return delivery

    def ended(self, delivery_id: str, status: str, within: float = 15) -> Json:
        """The delivery, once it has this status."""
        return eventually(lambda: self.delivery(delivery_id), lambda it: it["status"] == status, within)

    def pages(self, query: str, top: int = 500) -> list[list[Json]]:
        """All pages of a list of deliveries."""
        found, continuation = [], ""
        while True:
            page = self.call("GET", f"{DELIVERIES}?{query}&top={top}{continuation}").json
            found.append(page["value"])
            if "continuation" not in page:
                return found
            continuation = f"&continuation={quote(page['continuation'])}"

    def alerts(self) -> list[Json]:
        """The whole alert log."""
        return [line for page in self.pages("status=failed") for line in page]


def eventually(ask: Callable[[], T], is_it: Callable[[T], bool], within: float = 15) -> T:
    """The first answer that is right. Only for what nothing announces: a row in storage, seen through the API."""
    pause, spent = threading.Event(), 0.0
    while True:
        answer = ask()
        if is_it(answer):
            return answer
        assert spent < within, f"not within {within} s; the last answer: {answer}"
        pause.wait(0.05)
        spent += 0.05


def custom(name: str = "custom.thing", key: str | None = None, **content: Any) -> Json:
    """An event of the publisher's own type, with a key of its own."""
    return {"type": name, "content": content or {"n": 1}, "meta": {"idempotencyKey": key or str(uuid.uuid4())}}


def _check(reply: Reply) -> None:
    """Errors are problem details that leak nothing; nothing is null but the answer to a registration."""
    if reply.status >= 400:
        assert reply.headers["Content-Type"].partition(";")[0] == "application/problem+json", reply
        problem = reply.json
        assert problem["status"] == reply.status
        assert {"type", "title", "detail"} <= problem.keys()
        assert MARK not in reply.text, "an error shows a secret"
        assert "whsec_" not in reply.text
    if reply.status == 202:
        assert "Location" not in reply.headers
    if reply.text and reply.text != "null":
        assert not holds_null(reply.json), reply.text[:2000]


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        # What a publisher put into an event's content is the publisher's; test_publishing looks into schemas.
        return any(holds_null(item) for name, item in value.items() if name not in ("content", "schema"))
    return any(map(holds_null, value)) if isinstance(value, list) else value is None
