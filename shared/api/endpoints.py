"""`/v1.0/webhooks/endpoints`: registering receivers (Syskit Point's contract, and the filters of SPScan's
alert rules)."""

from dataclasses import replace
from datetime import timedelta

from shared import logs
from shared.admin.changes import Invalid, Unfit
from shared.admin.mistakes import likely_mistakes
from shared.admin.reachability import Busy, Unreachable, url_problem
from shared.admin.registration import (
    MOST_ENDPOINTS,
    OthersEndpoint,
    Refusal,
    Registered,
    Registration,
    TooManyEndpoints,
    TooManyListeners,
    TooManyOfOwner,
    change_endpoint,
)
from shared.admin.registration import register as register_endpoint
from shared.admin.registration import rotate_secret as rotate_endpoint_secret
from shared.admin.samples import send_test
from shared.api import endpoint_views as views
from shared.api.delivery_views import Attempt, attempt_view
from shared.api.endpoint_bodies import EndpointChanges
from shared.api.endpoint_bodies import Registration as RegistrationBody
from shared.api.endpoint_views import EXAMPLE_URL, RotatedSecret, Secret, endpoint_view
from shared.api.http.call import Request, Response, invalid, validated
from shared.api.http.operation import Returns, Tag, header, operation, path, query
from shared.api.http.problem import Problem, bad_request, conflict, not_found
from shared.api.http.view import example
from shared.model import ENDPOINT_ID, Endpoint, Model, endpoint_id
from shared.outbound.addresses import Unresolved
from shared.storage.rows import Rejected

PATH = "/v1.0/webhooks/endpoints"
SECRET_OVERLAP = timedelta(hours=24)
ID = path("id", "The endpoint's id, in any case", {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"})


class UrlOnly(Model):
    model_config = example({"endpoint": EXAMPLE_URL})

    endpoint: str


class TestRequest(Model):
    model_config = example({"type": "storage.threshold_exceeded"})

    type: str | None = None


@operation(
    "Register a URL, or change its registration",
    tag=Tag.ENDPOINTS,
    answers={
        200: Returns(
            "Registered: `null`, or with `Prefer: return=representation` the endpoint",
            views.Endpoint,
            ("Location", "Preference-Applied", "Warning"),
            or_null=True,
        )
    },
    description="The URL is the identity: the same URL again changes what is given and keeps the rest. `types` is "
    "required at first. A holder of Point.Subscribe alone gets 409 for a URL that another caller registered.",
    parameters=(header("Prefer", "`return=representation` returns the endpoint instead of `null`"),),
    body=RegistrationBody,
    refusals=(409,),
)
def register(request: Request) -> Response:
    """Registers a URL, or changes its registration: a repeated call is harmless."""
    body = request.model(RegistrationBody)
    unresolved = check_url(request, "endpoint", body.endpoint)
    if body.auth is not None and not request.caller.is_admin:
        raise Problem(403, "forbidden", "auth: this needs the app role Point.Admin: it may be the app's own identity")
    endpoint = store(request, Registration(body.endpoint, body.changes()))
    warnings = likely_mistakes(endpoint, unresolved)
    headers = {"Location": f"{PATH}/{endpoint.id}"}
    if request.prefers("return", "representation"):
        shown = endpoint_view(endpoint, warnings).shown()
        return Response(200, shown, headers={**headers, "Preference-Applied": "return=representation"})
    if warnings:
        quoted = (warning.replace("\\", "\\\\").replace('"', '\\"') for warning in warnings)
        headers["Warning"] = ", ".join(f'299 - "{warning}"' for warning in quoted)
    return Response(200, text="null", headers=headers)


def check_url(request: Request, name: str, url: str) -> Unresolved | None:
    """Raises Problem 400 about the member `name` where nothing may be sent to the URL, and 503 where too many are
    looked up at this moment. Returns whether its name does not resolve, which is worth a warning."""
    found = url_problem(request.app, url, for_admin=request.caller.is_admin)
    match found:
        case Unreachable(reason):
            raise bad_request(f"{name}: {reason}")
        case Busy():
            raise _busy()
    return found


def store(request: Request, wanted: Registration) -> Endpoint:
    """Registers a checked URL as the caller's, or changes its registration. Raises Problem 400 or 409."""
    caller = request.caller
    registered = register_endpoint(
        request.app, replace(wanted, owner=caller.object_id, by_admin=caller.is_admin, only_own=not caller.is_admin)
    )
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
        case TooManyEndpoints(limit):
            rest = "" if limit == MOST_ENDPOINTS else ", and the rest is kept for admins"
            return conflict(f"There are {limit} endpoints already{rest}: delete one first")
        case TooManyListeners(limit):
            return conflict(f"{limit} endpoints of yours ask for webhook.* already: take these types off one first")
        case Busy():
            return _busy()
        case TooManyOfOwner(limit):
            return conflict(
                f"You have {limit} endpoints already, as many as a caller may have (MAX_ENDPOINTS_PER_OWNER): delete "
                "one first"
            )


def _busy() -> Problem:
    detail = "Too many receivers are looked up or asked for their consent at this moment: try again in a few seconds"
    return Problem(503, "unavailable", detail, headers={"Retry-After": "5"})


@operation(
    "List the endpoints", tag=Tag.ENDPOINTS, answers={200: Returns("In order of registration", list[views.Endpoint])}
)
def list_all(request: Request) -> Response:
    return Response(
        200,
        [
            endpoint_view(endpoint).shown()
            for endpoint in request.app.endpoints.read_all()
            if may_see(request, endpoint)
        ],
    )


@operation(
    "Read an endpoint", tag=Tag.ENDPOINTS, answers={200: Returns("The endpoint", views.Endpoint)}, parameters=(ID,)
)
def get(request: Request) -> Response:
    return Response(200, endpoint_view(named(request)).shown())


@operation(
    "Change an endpoint",
    tag=Tag.ENDPOINTS,
    answers={200: Returns("The endpoint", views.Endpoint)},
    description="A JSON merge patch (RFC 7396): `null` brings a field back to its default (`types` has none).",
    parameters=(ID,),
    body=EndpointChanges,
)
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
    return Response(200, endpoint_view(endpoint, likely_mistakes(endpoint)).shown())


@operation("Delete an endpoint", tag=Tag.ENDPOINTS, answers={204: Returns("Deleted")}, parameters=(ID,))
def delete(request: Request) -> Response:
    endpoint = named(request)
    require_deletable(request, endpoint)
    if not request.app.endpoints.delete(endpoint.id):
        raise _unknown()
    audit(request, "endpoint.deleted", _id(request))
    return Response(204)


@operation(
    "Delete an endpoint by its URL",
    tag=Tag.ENDPOINTS,
    answers={204: Returns("Deleted"), 404: Returns("The URL is not registered", views.EndpointNotFound)},
    description="As Syskit Point does: the URL in the body or in the query. The 404 also carries Syskit's members.",
    parameters=(query("endpoint", "The URL, where there is no body"),),
    body=UrlOnly,
    needs_body=False,
)
def delete_by_url(request: Request) -> Response:
    """Syskit's way: the URL in the body or the query. A 404 also carries the members that Syskit's errors have."""
    url = request.model(UrlOnly).endpoint if request.has_body else request.query("endpoint")
    if url is None:
        raise bad_request('Name the endpoint: {"endpoint": "https://…"} as the body, or ?endpoint=')
    named_id = endpoint_id(url)
    endpoint = request.app.endpoints.read(named_id)
    if endpoint is not None and may_see(request, endpoint):
        require_deletable(request, endpoint)
    if endpoint is None or not may_see(request, endpoint) or not request.app.endpoints.delete(named_id):
        detail = f"This URL is not registered (its id would be {named_id}): GET {PATH} lists those that are"
        raise not_found(detail, message=detail, exceptionMessage=detail, exceptionType="EndpointNotFound")
    audit(request, "endpoint.deleted", named_id)
    return Response(204)


@operation("Read an endpoint's secret", tag=Tag.KEYS, answers={200: Returns("The secret", Secret)}, parameters=(ID,))
def secret(request: Request) -> Response:
    endpoint = named(request)
    audit(request, "endpoint.secret_read", endpoint.id)
    return Response(200, Secret(secret=endpoint.secret).shown())


@operation(
    "Replace an endpoint's secret",
    tag=Tag.KEYS,
    answers={200: Returns("The new secret", RotatedSecret)},
    description="The old one goes on signing beside it for 24 hours.",
    parameters=(ID,),
)
def rotate_secret(request: Request) -> Response:
    """A new secret; the old one goes on signing beside it until its time."""
    until = request.app.now() + SECRET_OVERLAP
    endpoint = rotate_endpoint_secret(request.app, _id(request), until)
    if endpoint is None:
        raise _unknown()
    audit(request, "endpoint.secret_rotated", endpoint.id)
    return Response(200, RotatedSecret(secret=endpoint.secret, previous_secret_expires_at=until).shown())


@operation(
    "Send a test event now",
    tag=Tag.ENDPOINTS,
    answers={200: Returns("The attempt, whatever came of it", Attempt)},
    description="Sends the catalogue's sample of `type`; without it, of the first type that the endpoint asks for.",
    parameters=(ID,),
    body=TestRequest,
    needs_body=False,
)
def test(request: Request) -> Response:
    """Sends a test event now and answers with the attempt, whatever came of it."""
    endpoint = named(request)
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


def named(request: Request) -> Endpoint:
    """The endpoint of the id in the path. Raises Problem 404 where there is none that the caller may see."""
    endpoint = request.app.endpoints.read(_id(request))
    if endpoint is None or not may_see(request, endpoint):
        raise _unknown()
    return endpoint


def may_see(request: Request, endpoint: Endpoint) -> bool:
    """Callers who may only subscribe see what they registered; for them the rest does not exist."""
    return request.caller.is_admin or endpoint.owner == request.caller.object_id


def require_deletable(request: Request, endpoint: Endpoint) -> None:
    """What an admin has disabled, its owner does not delete: it could be registered again and receive."""
    if endpoint.disabled_by_admin and not request.caller.is_admin:
        raise conflict("An admin has disabled this endpoint: ask an admin to enable or to delete it")


def _unknown() -> Exception:
    return not_found(f"There is no endpoint with this id: GET {PATH} lists them")


def audit(request: Request, action: str, endpoint_id: str) -> None:
    logs.audit(request.caller, action, endpointId=endpoint_id)
