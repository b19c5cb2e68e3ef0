"""`/v1.0/webhooks/endpoints`: registering receivers (Syskit Point's contract, seed 000, and the filters of SPScan's
alert rules)."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from shared import logs
from shared.admin.replay import replay
from shared.admin.samples import send_test
from shared.api.endpoint_bodies import (
    AuthChange,
    EndpointChanges,
    Registration,
    SettingsChange,
    auth_given,
    auth_patch,
    completing,
    keep,
    settings_given,
    settings_patch,
)
from shared.api.http.call import Call, Reply, validated
from shared.api.http.problem import Problem, bad_request, conflict, not_found
from shared.api.views import Replayed, RotatedSecret, Secret, attempt_view, endpoint_view
from shared.model import ENDPOINT_ID, Endpoint, Model, endpoint_id, read_time
from shared.outbound.signing import make_secret
from shared.storage.endpoints import MOST_ENDPOINTS, OthersEndpoint, TooManyEndpoints

PATH = "/v1.0/webhooks/endpoints"
SECRET_OVERLAP = timedelta(hours=24)
_NAME_LOOKUP = timedelta(seconds=3)


class UrlOnly(Model):
    endpoint: str


class TestRequest(Model):
    type: str | None = None


class ReplayRequest(Model):
    since: Annotated[str, Field(max_length=40)]
    status: Literal["delivered", "failed", "cancelled"] | None = None
    continuation: str | None = None


def register(call: Call) -> Reply:
    """Registers a URL, or changes its registration: a repeated call is harmless."""
    body = call.model(Registration)
    check_url(call, "endpoint", body.endpoint)
    if body.types is None and call.app.endpoints.read(endpoint_id(body.endpoint)) is None:
        raise bad_request("types: is required")
    if body.auth is not None and not call.caller.is_admin:
        raise Problem(403, "forbidden", "auth: this needs the app role Point.Admin: it may be the app's own identity")
    endpoint = store(call, body.endpoint, body.given(), settings_given(body.settings), auth_given(body.auth))
    headers = {"Location": f"{PATH}/{endpoint.id}"}
    if "return=representation" in (call.header("prefer") or "").replace(" ", "").lower():
        return Reply(
            200, endpoint_view(endpoint).shown(), headers={**headers, "Preference-Applied": "return=representation"}
        )
    return Reply(200, text="null", headers=headers)


def check_url(call: Call, name: str, url: str) -> None:
    """Raises Problem 400 about the member `name` where nothing may be sent to the URL."""
    refused = call.app.outbound.check(url, _NAME_LOOKUP)
    if refused is not None:
        raise bad_request(f"{name}: {refused.reason}")


def store(
    call: Call, url: str, given: dict[str, Any], settings: SettingsChange = keep, auth: AuthChange = keep
) -> Endpoint:
    """Registers a checked URL as the caller's, or changes its registration. Raises Problem 400 or 409."""
    with refusals():
        endpoint, new = call.app.endpoints.register(
            url,
            make_secret(),
            given,
            call.app.now(),
            owner=call.caller.object_id,
            only_own=not call.caller.is_admin,
            complete=completing(call.app, settings, auth),
        )
    audit(call, "endpoint.registered" if new else "endpoint.changed", endpoint.id)
    return endpoint


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns what stands against a registration into Problem 409."""
    try:
        yield
    except OthersEndpoint:
        raise conflict("This URL belongs to another caller: ask an admin, or register a URL of your own") from None
    except TooManyEndpoints:
        raise conflict(f"There are {MOST_ENDPOINTS} endpoints already: delete one first") from None


def list_all(call: Call) -> Reply:
    return Reply(
        200, [endpoint_view(endpoint).shown() for endpoint in call.app.endpoints.read_all() if may_see(call, endpoint)]
    )


def get(call: Call) -> Reply:
    return Reply(200, endpoint_view(_named(call)).shown())


def change(call: Call) -> Reply:
    """A JSON merge patch (RFC 7396): null brings a field back to its default."""
    value, _ = call.json()
    if isinstance(value, dict) and "endpoint" in value:
        raise bad_request("endpoint: a URL is the endpoint's identity; register the new URL and delete this one")
    changes = validated(EndpointChanges, value).given()
    fields = {EndpointChanges.model_fields[name].alias or name: name for name in EndpointChanges.model_fields}
    for alias, given in value.items():
        if given is None and (name := fields.get(alias)) and name not in ("settings", "auth"):
            if name == "types":
                raise bad_request("types: cannot be removed; '*' asks for every type")
            changes[name] = Endpoint.model_fields[name].get_default()
    complete = completing(call.app, settings_patch(value), auth_patch(value))
    endpoint = call.app.endpoints.change(_id(call), changes, call.app.now(), complete)
    if endpoint is None:
        raise _unknown()
    audit(call, "endpoint.changed", endpoint.id)
    return Reply(200, endpoint_view(endpoint).shown())


def delete(call: Call) -> Reply:
    if not call.app.endpoints.delete(_named(call).id):
        raise _unknown()
    audit(call, "endpoint.deleted", _id(call))
    return Reply(204)


def delete_by_url(call: Call) -> Reply:
    """Syskit's way: the URL in the body or the query. A 404 also carries the members that Syskit's errors have."""
    url = call.model(UrlOnly).endpoint if call.has_body else call.query("endpoint")
    if url is None:
        raise bad_request('Name the endpoint: {"endpoint": "https://…"} as the body, or ?endpoint=')
    identity = endpoint_id(url)
    known = call.app.endpoints.read(identity)
    if known is None or not may_see(call, known) or not call.app.endpoints.delete(identity):
        detail = f"This URL is not registered (its id would be {identity}): GET {PATH} lists those that are"
        raise not_found(detail, message=detail, exceptionMessage=detail, exceptionType="EndpointNotFound")
    audit(call, "endpoint.deleted", identity)
    return Reply(204)


def secret(call: Call) -> Reply:
    endpoint = _named(call)
    audit(call, "endpoint.secret_read", endpoint.id)
    return Reply(200, Secret(secret=endpoint.secret).shown())


def rotate_secret(call: Call) -> Reply:
    """A new secret; the old one goes on signing beside it until its time."""
    now = call.app.now()
    endpoint = call.app.endpoints.rotate_secret(_id(call), make_secret(), now, now + SECRET_OVERLAP)
    if endpoint is None:
        raise _unknown()
    audit(call, "endpoint.secret_rotated", endpoint.id)
    return Reply(200, RotatedSecret(secret=endpoint.secret, previous_secret_expires_at=now + SECRET_OVERLAP).shown())


def replay_since(call: Call) -> Reply:
    """Sends what the log holds again; an `Idempotency-Key` header makes a repeated call harmless."""
    endpoint = _named(call)
    if not endpoint.receives:
        raise conflict('The endpoint is disabled: enable it first (PATCH {"enabled": true})')
    body = call.model(ReplayRequest)
    key = call.header("idempotency-key")
    if key is not None and not 1 <= len(key) <= 200:
        raise bad_request("Idempotency-Key: give 1 to 200 characters")
    try:
        since = read_time(body.since)
    except ValueError:
        raise bad_request("since: must be a time such as 2026-11-22T10:00:00Z") from None
    try:
        replayed = replay(call.app, endpoint, since, body.status, body.continuation, key)
    except ValueError:
        raise bad_request("continuation: must be one that an earlier call gave") from None
    logs.audit(call.caller, "endpoint.replayed", endpointId=endpoint.id, deliveries=replayed.count)
    return Reply(202, Replayed(count=replayed.count, continuation=replayed.continuation).shown())


def test(call: Call) -> Reply:
    """Sends a test event now and answers with the attempt, whatever came of it."""
    endpoint = _named(call)
    wanted = call.model(TestRequest).type if call.has_body else None
    attempt = send_test(call.app, endpoint, wanted)
    if isinstance(attempt, str):
        raise bad_request(f"type: {attempt}")
    audit(call, "endpoint.tested", endpoint.id)
    return Reply(200, attempt_view(attempt).shown())


def _id(call: Call) -> str:
    identity = call.path("id").upper()
    if not ENDPOINT_ID.fullmatch(identity):
        raise _unknown()
    return identity


def _named(call: Call) -> Endpoint:
    endpoint = call.app.endpoints.read(_id(call))
    if endpoint is None or not may_see(call, endpoint):
        raise _unknown()
    return endpoint


def may_see(call: Call, endpoint: Endpoint) -> bool:
    """Callers who may only subscribe see what they registered; for them the rest does not exist."""
    return call.caller.is_admin or endpoint.owner == call.caller.object_id


def _unknown() -> Exception:
    return not_found(f"There is no endpoint with this id: GET {PATH} lists them")


def audit(call: Call, action: str, identity: str) -> None:
    logs.audit(call.caller, action, endpointId=identity)
