"""Who gets in, which role each route needs, and errors that can be read."""

import base64
import json
import time
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from doubles.hooks import MARK
from local.issuer import CLAIMS, SigningKey, sign_token

from .api import DELIVERIES, ENDPOINTS, Api, custom
from .conftest import App, Issuer

ADMIN, READ, PUBLISH = "Point.Admin", "Point.Read", "Point.Publish"
SOME_ID = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
ROUTES = [
    ("POST", ENDPOINTS, ADMIN),
    ("GET", ENDPOINTS, ADMIN),
    ("DELETE", ENDPOINTS, ADMIN),
    ("GET", f"{ENDPOINTS}/{SOME_ID}", ADMIN),
    ("PATCH", f"{ENDPOINTS}/{SOME_ID}", ADMIN),
    ("DELETE", f"{ENDPOINTS}/{SOME_ID}", ADMIN),
    ("POST", f"{ENDPOINTS}/{SOME_ID}/test", ADMIN),
    ("GET", f"{ENDPOINTS}/{SOME_ID}/secret", ADMIN),
    ("GET", "/v1.0/options", ADMIN),
    ("GET", "/v1.0/webhooks/types", READ),
    ("POST", "/v1.0/events", PUBLISH),
    ("GET", "/v1.0/events/some-key", READ),
    ("GET", DELIVERIES, READ),
    ("GET", f"{DELIVERIES}/some-id", READ),
    ("POST", f"{DELIVERIES}/some-id/retry", ADMIN),
]


def status_of(api: Api, method: str, path: str, roles: list[str]) -> int:
    """With an empty body where one is needed: whoever gets in is told what is missing, 400 or 404."""
    token = sign_token(api.key, roles)
    answer = api._session.request(method, api.base + path, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json()["status"] == answer.status_code
    return answer.status_code


@pytest.mark.parametrize(("method", "path", "role"), ROUTES)
def test_roles(api: Api, method: str, path: str, role: str) -> None:
    for allowed in ([role], [ADMIN], ["Other", role]):
        assert status_of(api, method, path, allowed) in (200, 400, 404), allowed
    for refused in ([], ["Other"], [{READ: PUBLISH}.get(role, READ)], [role.lower()], [f"{ADMIN} "]):
        assert status_of(api, method, path, refused) == 403, refused


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES])
def test_without_a_token_nobody_gets_in(api: Api, method: str, path: str) -> None:
    for authorization in (None, "", "Bearer", "Bearer ", "Basic dTpw"):
        reply = api.call(method, path, expect=401, headers={"Authorization": authorization})
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none")


def tokens(issuer: Issuer) -> dict[str, str]:
    """Tokens that must not be taken."""
    now = int(time.time())
    claims = {**CLAIMS, "roles": [ADMIN], "iat": now, "nbf": now, "exp": now + 600}
    stranger = SigningKey(issuer.key.id, generate_private_key(public_exponent=65537, key_size=2048))
    public = json.dumps(issuer.key.public_jwk())
    good = sign_token(issuer.key, [ADMIN])
    header, payload, signature = good.split(".")
    return {
        "expired": sign_token(issuer.key, [ADMIN], -600),
        "not yet": sign_token(issuer.key, [ADMIN], nbf=now + 600),
        "other audience": sign_token(issuer.key, [ADMIN], aud="api://other"),
        "other issuer": sign_token(issuer.key, [ADMIN], iss="urn:other"),
        "other tenant": sign_token(issuer.key, [ADMIN], tid="00000000-0000-4000-8000-00000000000f"),
        "no expiry": jwt.encode(
            {name: value for name, value in claims.items() if name != "exp"},
            issuer.key.private,
            algorithm="RS256",
            headers={"kid": issuer.key.id},
        ),
        "other key": sign_token(stranger, [ADMIN]),
        "unknown key": sign_token(SigningKey("unknown", stranger.private), [ADMIN]),
        "unsigned": unsigned(claims),
        "signature cut off": f"{header}.{payload}.",
        "signed with the public key": jwt.encode(
            claims, base64.b64encode(public.encode()), algorithm="HS256", headers={"kid": issuer.key.id}
        ),
        "other payload": f"{header}.{unsigned({**claims, 'oid': 'x'}).split('.')[1]}.{signature}",
        "no token at all": "x",
        "no JSON": "e30.e30.",
    }


def test_forged_and_stale_tokens_are_refused(api: Api, issuer: Issuer) -> None:
    for name, token in tokens(issuer).items():
        sent = {"Authorization": f"Bearer {token}"}
        reply = api.call("GET", "/v1.0/webhooks/types", expect=401, headers={**sent})
        assert "WWW-Authenticate" in reply.headers, name
        assert token not in reply.text, name
    api.call("GET", "/v1.0/webhooks/types")


def test_roles_must_be_a_list(api: Api, issuer: Issuer) -> None:
    for roles in (ADMIN, None, {ADMIN: True}, [[ADMIN]]):
        now = int(time.time())
        claims = {**CLAIMS, "roles": roles, "iat": now, "nbf": now, "exp": now + 600}
        token = jwt.encode(claims, issuer.key.private, algorithm="RS256", headers={"kid": issuer.key.id})
        api.call("GET", "/v1.0/options", expect=403, headers={"Authorization": f"Bearer {token}"})


def test_what_the_platform_says_of_the_caller_is_not_trusted(api: Api) -> None:
    principal = {"claims": [{"typ": "roles", "val": ADMIN}], "auth_typ": "aad"}
    header = base64.b64encode(json.dumps(principal).encode()).decode()
    headers: dict[str, str | None] = {"X-MS-CLIENT-PRINCIPAL": header, "X-MS-CLIENT-PRINCIPAL-ID": "x"}
    api.call("GET", "/v1.0/options", expect=401, headers={**headers, "Authorization": None})
    api.call("GET", "/v1.0/options", expect=403, roles=[READ], headers=headers)


def test_health_needs_no_token(api: Api) -> None:
    health = api.call("GET", "/health", headers={"Authorization": None}).json
    assert health["storage"]


@pytest.mark.parametrize("path", ["/v1.0", "/v1.0/nothing", "/v2.0/events", f"{ENDPOINTS}/a/b", "/api/v1.0/events"])
def test_unknown_paths_are_404(api: Api, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        api.call(method, path, expect=404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", ENDPOINTS, {"GET", "POST", "DELETE"}),
        ("PATCH", ENDPOINTS, {"GET", "POST", "DELETE"}),
        ("OPTIONS", ENDPOINTS, {"GET", "POST", "DELETE"}),
        ("POST", f"{ENDPOINTS}/{SOME_ID}", {"GET", "PATCH", "DELETE"}),
        ("GET", f"{ENDPOINTS}/{SOME_ID}/test", {"POST"}),
        ("PUT", f"{ENDPOINTS}/{SOME_ID}/secret", {"GET"}),
        ("PUT", "/v1.0/events", {"GET", "POST"}),
        ("POST", "/", {"GET"}),
        ("POST", "/v1.0/events/key", {"GET", "DELETE"}),
        ("DELETE", "/v1.0/options", {"GET"}),
        ("GET", f"{DELIVERIES}/x/retry", {"POST"}),
        ("POST", "/V1.0/Webhooks/Types", {"GET"}),
    ],
)
def test_wrong_methods_are_405_and_name_the_right_ones(api: Api, method: str, path: str, allowed: set[str]) -> None:
    reply = api.call(method, path, expect=405)
    named = {name.strip() for name in reply.headers["Allow"].split(",")}
    assert named - {"HEAD", "OPTIONS"} == allowed


def test_what_a_reader_sees_shows_no_url(app: App) -> None:
    """The host is named, as in the log; the path and the query, which carry secrets, are not."""
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.seen")
    key = app.api.publish(custom("custom.seen"))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    app.api.ended(delivery_id, "delivered")
    for path in (f"{DELIVERIES}/{delivery_id}", f"{DELIVERIES}?endpoint={endpoint['id']}", f"/v1.0/events/{key}"):
        text = app.api.call("GET", path, roles=[READ]).text
        assert endpoint["id"] in text
        assert MARK not in text
        assert urlsplit(hook.url).path not in text
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
