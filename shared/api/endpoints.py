"""`/v1.0/webhooks/endpoints`: registering receivers (Syskit Point's contract, and the filters of SPScan's
alert rules)."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared import logs
from shared.admin.changes import Invalid, Unfit
from shared.admin.registration import (
    MOST_ENDPOINTS,
    OthersEndpoint,
    Refusal,
    Registered,
    Registration,
    TooManyEndpoints,
    change_endpoint,
)
from shared.admin.registration import register as register_endpoint
from shared.admin.registration import rotate_secret as rotate_endpoint_secret
from shared.admin.replay import replay
from shared.admin.samples import send_test
from shared.api.endpoint_bodies import EndpointChanges
from shared.api.endpoint_bodies import Registration as RegistrationBody
from shared.api.http.call import Request, Response, invalid, validated
from shared.api.http.problem import Problem, bad_request, conflict, not_found
from shared.api.views import Replayed, RotatedSecret, Secret, attempt_view, endpoint_view
from shared.model import ENDPOINT_ID, Endpoint, Model, endpoint_id, read_time
from shared.storage.rows import Rejected

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


def register(request: Request) -> Response:
    """Registers a URL, or changes its registration: a repeated call is harmless."""
    body = request.model(RegistrationBody)
    check_url(request, "endpoint", body.endpoint)
    if body.auth is not None and not request.caller.is_admin:
        raise Problem(403, "forbidden", "auth: this needs the app role Point.Admin: it may be the app's own identity")
    endpoint = store(request, Registration(body.endpoint, body.changes()))
    headers = {"Location": f"{PATH}/{endpoint.id}"}
    if "return=representation" in (request.header("prefer") or "").replace(" ", "").lower():
        return Response(
            200, endpoint_view(endpoint).shown(), headers={**headers, "Preference-Applied": "return=representation"}
        )
    return Response(200, text="null", headers=headers)


def check_url(request: Request, name: str, url: str) -> None:
    """Raises Problem 400 about the member `name` where nothing may be sent to the URL."""
    refused = request.app.client.check(url, _NAME_LOOKUP)
    if refused is not None:
        raise bad_request(f"{name}: {refused.reason}")


def store(request: Request, wanted: Registration) -> Endpoint:
    """Registers a checked URL as the caller's, or changes its registration. Raises Problem 400 or 409."""
    caller = request.caller
    registered = register_endpoint(request.app, replace(wanted, owner=caller.object_id, only_own=not caller.is_admin))
    if not isinstance(registered, Registered):
        raise registration_problem(registered)
    audit(request, "endpoint.registered" if registered.new else "endpoint.changed", registered.endpoint.id)
    return registered.endpoint


def registration_problem(refusal: Refusal) -> Problem:
    """What stands against a registration, or against a change of one, as Problem 400 or 409."""
    match refusal:
        case Invalid(errors):
            return invalid(list(errors))
        case Unfit(reason):
            return bad_request(reason)
        case OthersEndpoint():
            return conflict("This URL belongs to another caller: ask an admin, or register a URL of your own")
        case TooManyEndpoints():
            return conflict(f"There are {MOST_ENDPOINTS} endpoints already: delete one first")


def list_all(request: Request) -> Response:
    return Response(
        200,
        [
            endpoint_view(endpoint).shown()
            for endpoint in request.app.endpoints.read_all()
            if may_see(request, endpoint)
        ],
    )


def get(request: Request) -> Response:
    return Response(200, endpoint_view(_named(request)).shown())


def change(request: Request) -> Response:
    """A JSON merge patch (RFC 7396): null brings a field back to its default."""
    value, _ = request.json()
    if isinstance(value, dict) and "endpoint" in value:
        raise bad_request("endpoint: a URL is the endpoint's identity; register the new URL and delete this one")
    body = validated(EndpointChanges, value)
    if "types" in body.model_fields_set and body.types is None:
        raise bad_request("types: cannot be removed; '*' asks for every type")
    endpoint = change_endpoint(request.app, _id(request), body.changes())
    if isinstance(endpoint, Rejected):
        raise registration_problem(endpoint)
    if endpoint is None:
        raise _unknown()
    audit(request, "endpoint.changed", endpoint.id)
    return Response(200, endpoint_view(endpoint).shown())


def delete(request: Request) -> Response:
    if not request.app.endpoints.delete(_named(request).id):
        raise _unknown()
    audit(request, "endpoint.deleted", _id(request))
    return Response(204)


def delete_by_url(request: Request) -> Response:
    """Syskit's way: the URL in the body or the query. A 404 also carries the members that Syskit's errors have."""
    url = request.model(UrlOnly).endpoint if request.has_body else request.query("endpoint")
    if url is None:
        raise bad_request('Name the endpoint: {"endpoint": "https://…"} as the body, or ?endpoint=')
    named = endpoint_id(url)
    endpoint = request.app.endpoints.read(named)
    if endpoint is None or not may_see(request, endpoint) or not request.app.endpoints.delete(named):
        detail = f"This URL is not registered (its id would be {named}): GET {PATH} lists those that are"
        raise not_found(detail, message=detail, exceptionMessage=detail, exceptionType="EndpointNotFound")
    audit(request, "endpoint.deleted", named)
    return Response(204)


def secret(request: Request) -> Response:
    endpoint = _named(request)
    audit(request, "endpoint.secret_read", endpoint.id)
    return Response(200, Secret(secret=endpoint.secret).shown())


def rotate_secret(request: Request) -> Response:
    """A new secret; the old one goes on signing beside it until its time."""
    until = request.app.now() + SECRET_OVERLAP
    endpoint = rotate_endpoint_secret(request.app, _id(request), until)
    if endpoint is None:
        raise _unknown()
    audit(request, "endpoint.secret_rotated", endpoint.id)
    return Response(200, RotatedSecret(secret=endpoint.secret, previous_secret_expires_at=until).shown())


def replay_since(request: Request) -> Response:
    """Sends what the log holds again; an `Idempotency-Key` header makes a repeated call harmless."""
    endpoint = _named(request)
    if not endpoint.receives:
        raise conflict('The endpoint is disabled: enable it first (PATCH {"enabled": true})')
    body = request.model(ReplayRequest)
    key = request.header("idempotency-key")
    if key is not None and not 1 <= len(key) <= 200:
        raise bad_request("Idempotency-Key: give 1 to 200 characters")
    try:
        since = read_time(body.since)
    except ValueError:
        raise bad_request("since: must be a time such as 2026-11-22T10:00:00Z") from None
    try:
        replayed = replay(request.app, endpoint, since, body.status, body.continuation, key)
    except ValueError:
        raise bad_request("continuation: must be one that an earlier call gave") from None
    logs.audit(request.caller, "endpoint.replayed", endpointId=endpoint.id, deliveries=replayed.count)
    return Response(202, Replayed(count=replayed.count, continuation=replayed.continuation).shown())


def test(request: Request) -> Response:
    """Sends a test event now and answers with the attempt, whatever came of it."""
    endpoint = _named(request)
    wanted = request.model(TestRequest).type if request.has_body else None
    attempt = send_test(request.app, endpoint, wanted)
    if isinstance(attempt, str):
        raise bad_request(f"type: {attempt}")
    audit(request, "endpoint.tested", endpoint.id)
    return Response(200, attempt_view(attempt).shown())


def _id(request: Request) -> str:
    given = request.path("id").upper()
    if not ENDPOINT_ID.fullmatch(given):
        raise _unknown()
    return given


def _named(request: Request) -> Endpoint:
    endpoint = request.app.endpoints.read(_id(request))
    if endpoint is None or not may_see(request, endpoint):
        raise _unknown()
    return endpoint


def may_see(request: Request, endpoint: Endpoint) -> bool:
    """Callers who may only subscribe see what they registered; for them the rest does not exist."""
    return request.caller.is_admin or endpoint.owner == request.caller.object_id


def _unknown() -> Exception:
    return not_found(f"There is no endpoint with this id: GET {PATH} lists them")


def audit(request: Request, action: str, endpoint_id: str) -> None:
    logs.audit(request.caller, action, endpointId=endpoint_id)
