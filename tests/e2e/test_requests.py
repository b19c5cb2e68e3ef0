"""Requests that are nearly right: told apart from those that are, in the same words by every host."""

import gzip
import json

import pytest

from .api import DELIVERIES, ENDPOINTS, Api, custom

SUBSCRIPTIONS = "/v1.0/webhooks/subscriptions"


@pytest.mark.parametrize("path", ["/health", "/openapi.json", ENDPOINTS, f"{DELIVERIES}?status=failed"])
def test_head_is_answered_wherever_get_is_and_without_a_body(api: Api, path: str) -> None:
    asked = api.call("HEAD", path)
    assert (asked.status, asked.text) == (200, "")
    assert (
        asked.headers["Content-Type"]
        == api._session.get(f"{api.base}{path}", headers={"Authorization": f"Bearer {api._token}"}, timeout=60).headers[
            "Content-Type"
        ]
    )


def test_head_asks_for_a_token_as_get_does(api: Api) -> None:
    reply = api._session.head(f"{api.base}{ENDPOINTS}", timeout=60)
    assert (reply.status_code, reply.text) == (401, "")


@pytest.mark.parametrize("path", ["//v1.0/events", "/v1.0//events"])
def test_a_slash_too_many_is_another_path(api: Api, path: str) -> None:
    reply = api.call("POST", path, custom(), expect=404)
    assert reply.json["detail"] == "There is nothing at this path: GET /openapi.json lists those there are"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_415_and_says_so(api: Api, coding: str) -> None:
    """Azure's host hands it over as it is; others take it out of its wrapping before the app sees it."""
    headers: dict[str, str | None] = {"Content-Encoding": coding, "Content-Type": "application/json"}
    body = gzip.compress(json.dumps(custom()).encode())
    sent = body if coding.lower() == "gzip" else json.dumps(custom())
    reply = api.call("POST", "/v1.0/events", data=sent, expect=415, headers=headers)
    assert "without compression" in reply.json["detail"]


def test_identity_is_no_compression(api: Api) -> None:
    headers: dict[str, str | None] = {"Content-Encoding": "identity"}
    api.call("POST", "/v1.0/events", custom(), expect=202, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{SUBSCRIPTIONS}?eventType="),
        ("POST", f"{SUBSCRIPTIONS}?types="),
        ("PUT", f"{SUBSCRIPTIONS}/mine?types="),
        ("PUT", f"{SUBSCRIPTIONS}/mine?Types=custom.x"),
        ("PUT", f"{SUBSCRIPTIONS}/mine?type=custom.x"),
    ],
)
def test_a_subscription_is_not_widened_by_a_slip(api: Api, method: str, path: str) -> None:
    before = api.call("GET", ENDPOINTS).json
    reply = api.call(method, path, {"callbackUrl": "http://127.0.0.1:9/hook"}, expect=400)
    assert reply.json["detail"].startswith("?")
    assert api.call("GET", ENDPOINTS).json == before
